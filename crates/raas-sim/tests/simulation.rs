//! The simulator as a whole: the same seed gives the same history, worlds are full of trouble, and the
//! node keeps its promises in them.

use raas_sim::{Options, Outcome, run};

/// A short batch of small worlds, as many as a debug build plays in seconds.
fn batch() -> Options {
    Options { seeds: 10, years: 0.3, jobs: 10, ..Options::default() }
}

fn simulate(options: &Options) -> Outcome {
    run(options, |_, _| {})
}

#[test]
fn the_same_seeds_give_the_same_history_and_others_another() {
    let options = Options { seeds: 4, ..batch() };
    let (one, same) = (simulate(&options), simulate(&options));
    assert_eq!(one.history_hash, same.history_hash);
    assert_eq!(one.tally, same.tally);
    let other = simulate(&Options { first_seed: 2, ..options });
    assert_ne!(one.history_hash, other.history_hash);
}

#[test]
fn the_node_keeps_its_promises_in_worlds_full_of_trouble() {
    let outcome = simulate(&batch());
    let told: Vec<_> = outcome
        .stories
        .iter()
        .map(|story| format!("{}\n{}", story.story.join("\n"), story.command))
        .collect();
    assert!(outcome.broken.is_empty(), "{:?}\n{}", outcome.broken, told.join("\n\n"));
    let tally = outcome.tally;
    // Floors, at about half of what there is, so that an empty world fails.
    assert!(tally.orders >= 200, "{tally:?}");
    assert!(tally.looks >= 5_000, "{tally:?}");
    assert!(tally.faults_injected >= 500, "{tally:?}");
    assert!(tally.providers_died >= 1, "{tally:?}");
    assert!(tally.crashes >= 50, "{tally:?}");
    assert!(tally.reorgs >= 20, "{tally:?}");
    assert!(tally.lies >= 13, "{tally:?}");
}

#[test]
fn a_world_without_trouble_has_none() {
    let without = "all".parse().expect("all troubles");
    let outcome = simulate(&Options { seeds: 3, without, ..batch() });
    let tally = &outcome.tally;
    assert!(outcome.broken.is_empty(), "{:?}", outcome.broken);
    assert_eq!((tally.faults_injected, tally.crashes, tally.reorgs, tally.lies), (0, 0, 0, 0));
    assert_eq!((tally.providers_died, tally.losses + tally.unavoidable_losses), (0, 0));
    assert!(tally.orders > 0);
}

/// Deals last a year and a half at the most, so that all of them are always in their window.
#[test]
fn a_renewal_threshold_of_two_years_renews_no_newborn_in_five_years() {
    let long =
        Options { seeds: 1, years: 5.0, jobs: 5, renewal_days: Some(730), ..Options::default() };
    let outcome = simulate(&long);
    assert!(outcome.broken.is_empty(), "{:?}", outcome.broken);
    let usual = simulate(&Options { renewal_days: Some(30), ..long });
    assert!(usual.broken.is_empty(), "{:?}", usual.broken);
    let (long, usual) = (outcome.tally.orders, usual.tally.orders);
    assert!(usual >= 20, "{usual}");
    assert!(long <= 2 * usual, "{long} orders, where a month's notice takes {usual}");
}
