//! Seeds that once broke a promise. Each names what it found; the command that told its story stands in
//! its test's options.

use raas_sim::{Options, Outcome, Trouble, Troubles, run};

fn simulate(seed: u64, options: Options) -> Outcome {
    run(&Options { first_seed: seed, seeds: 1, ..options }, |_, _| {})
}

/// A world with these kinds of trouble and no other.
fn with(troubles: &[Trouble]) -> Troubles {
    Troubles(Trouble::ALL.iter().copied().filter(|t| !troubles.contains(t)).collect())
}

fn assert_kept(outcome: &Outcome) {
    let told = outcome.stories.iter().map(|story| story.story.join("\n"));
    assert!(outcome.broken.is_empty(), "{:?}\n{}", outcome.broken, told.collect::<String>());
}

/// Of an order that makes two deals the first one lands it, and nobody waits for the second: another is
/// ordered in its place.
#[test]
fn an_order_of_several_deals_is_waited_for_until_all_of_them_are_there() {
    let options =
        Options { years: 0.5, jobs: 10, without: with(&[Trouble::Bundles]), ..Options::default() };
    for seed in [3, 19, 42] {
        assert_kept(&simulate(seed, options.clone()));
    }
}

/// A node that is stopped in the middle of a pass for longer than its lease goes on as if it had it: what
/// another node has done meanwhile is done again.
#[test]
fn a_node_that_wakes_after_its_lease_is_over_orders_nothing() {
    let without = with(&[Trouble::Several, Trouble::Freezes, Trouble::Crashes]);
    assert_kept(&simulate(20, Options { without, ..Options::default() }));
}

/// Of two deals on one provider the planner keeps the one that is proven though it ends soon, not the one
/// that is pending or faulty below the threshold and lasts; and renews it.
#[test]
fn a_provider_that_holds_a_lasting_deal_needs_no_renewal_of_its_other_one() {
    let without = Troubles([Trouble::Bundles, Trouble::Freezes].into());
    assert_kept(&simulate(277, Options { without, ..Options::default() }));
}
