//! Other systems' rules in the same worlds: the same histories for all, told the same way every time,
//! and the table that the README keeps.

use std::process::{Command, Output};

use raas_sim::{Comparison, Options, Policy, Tally, Troubles, compare, run};
use serde_json::Value;

const README: &str = include_str!("../README.md");

fn batch(policy: Policy) -> Options {
    Options { policy, seeds: 3, years: 0.4, jobs: 5, to_the_end: true, ..Options::default() }
}

fn tally(policy: Policy) -> Tally {
    run(&batch(policy), |_, _| {}).tally
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raas-sim")).args(arguments).output().expect("it runs")
}

/// The arguments of the command that made the README's table.
fn arguments_of_readme() -> Vec<&'static str> {
    let line = README.lines().find(|line| line.contains("--compare")).expect("the command");
    let (_, arguments) = line.split_once(" -- ").expect("arguments");
    arguments.split_whitespace().collect()
}

/// The README's command over so much less that a debug build plays it in seconds.
fn small_readme() -> Comparison {
    let arguments = arguments_of_readme();
    let place = arguments.iter().position(|argument| *argument == "--without");
    let without = place.map_or("", |place| arguments[place + 1]);
    let without: Troubles = without.parse().expect("kinds of trouble");
    // Three worlds in which a deal of 45 days is renewed, and somebody fails to.
    let first_seed = 26;
    let options = Options { first_seed, seeds: 3, years: 0.8, jobs: 10, ..Options::default() };
    compare(&Options { without, ..options }, |_, _| {})
}

#[test]
fn what_befalls_a_world_is_the_same_whoever_keeps_the_data() {
    let befallen = |tally: &Tally| (tally.faults_of_the_world, tally.providers_died, tally.reorgs);
    let ours = tally(Policy::Ours);
    // An empty world would be the same for all.
    assert!(ours.faults_of_the_world > 50 && ours.reorgs > 10, "{ours:?}");
    for policy in Policy::ALL {
        assert_eq!(befallen(&tally(policy)), befallen(&ours), "{policy:?}");
    }
}

#[test]
fn each_policy_gives_the_same_history_again_and_another_than_the_others() {
    let hash = |policy| run(&batch(policy), |_, _| {}).history_hash;
    let hashes: Vec<_> = Policy::ALL.into_iter().map(hash).collect();
    for (place, policy) in Policy::ALL.into_iter().enumerate() {
        assert_eq!(hash(policy), hashes[place], "{policy:?}");
        assert!(!hashes[..place].contains(&hashes[place]), "{policy:?} does what another does");
    }
}

#[test]
fn in_a_world_without_trouble_every_policy_makes_the_deals_and_none_loses_anything() {
    for policy in Policy::ALL {
        // Shorter than the shortest deal: nothing ends.
        let without: Troubles = "all".parse().expect("all troubles");
        let options = Options { years: 0.11, without, ..batch(policy) };
        let tally = run(&options, |_, _| {}).tally;
        assert_eq!((tally.losses, tally.unavoidable_losses), (0, 0), "{policy:?}");
        // 15 jobs, most of them for three replicas.
        assert!(tally.deals >= 20, "{policy:?}: {tally:?}");
        assert_eq!(tally.faults_injected, 0, "{policy:?}");
    }
}

#[test]
fn only_ours_answers_for_the_promises() {
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::Ours) {
        assert_eq!(tally(policy).broken_invariants, 0, "{policy:?}");
    }
}

#[test]
fn each_policy_ends_with_the_same_json_and_exit_code_0() {
    let keys = |policy: &str| {
        let output = sim(&["--policy", policy, "--seeds", "1", "--years", "0.1", "--jobs", "2"]);
        assert_eq!(output.status.code(), Some(0), "{policy}");
        let text = String::from_utf8(output.stdout).expect("text");
        let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!(last["policy"], policy);
        last.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
    };
    for policy in Policy::ALL {
        assert_eq!(keys(policy.name()), keys("kit"));
    }
}

#[test]
fn the_readme_s_command_is_one_that_the_simulator_takes() {
    let mut arguments = arguments_of_readme();
    for (option, value) in [("--seeds", "1"), ("--years", "0.05"), ("--jobs", "1")] {
        let place = arguments.iter().position(|argument| *argument == option).expect("it is named");
        arguments[place + 1] = value;
    }
    let output = sim(&arguments);
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let head = text.lines().next().expect("a table");
    assert!(README.contains(head), "the README's table has other columns than {head}");
    for policy in Policy::ALL {
        let row = format!("| {} |", policy.name());
        assert!(text.contains(&row) && README.contains(&row), "{policy:?}");
    }
}

#[test]
fn ours_loses_least_where_the_readme_compares() {
    let rows = small_readme().policies;
    let ours = &rows.iter().find(|row| row.policy == Policy::Ours).expect("ours").tally;
    for row in rows.iter().filter(|row| row.policy != Policy::Ours) {
        assert!(ours.losses <= row.tally.losses, "{:?}: {:?}", row.policy, row.tally);
        let (mine, theirs) = (ours.job_days_below_target, row.tally.job_days_below_target);
        assert!(mine < theirs, "{:?}: {theirs} days, ours {mine}", row.policy);
    }
    // The comparison can tell: somebody loses data that could be saved.
    assert!(rows.iter().any(|row| row.tally.losses > 0), "{rows:?}");
}

#[test]
fn a_comparison_is_the_same_every_time_in_words_and_in_json() {
    let small = ["--compare", "--seeds", "2", "--years", "0.1", "--jobs", "2"];
    let words = sim(&small).stdout;
    assert_eq!(sim(&small).stdout, words);
    let json = sim(&[&small[..], &["--json"]].concat()).stdout;
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["policies"].as_array().map(Vec::len), Some(Policy::ALL.len()));
    assert_eq!(json["policies"][0]["policy"], "ours");
}

#[test]
fn a_story_is_told_of_one_piece_of_data() {
    let arguments =
        ["--policy", "spade", "--years", "0.3", "--jobs", "1", "--tell", "0", "--without", "all"];
    let text = String::from_utf8(sim(&arguments).stdout).expect("text");
    assert!(text.contains("is registered") && text.contains("is published"), "{text}");
}
