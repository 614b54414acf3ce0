//! The command line: one JSON object at the end, and honest exit codes.

use std::process::{Command, Output};

use serde_json::Value;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raas-sim")).args(arguments).output().expect("it runs")
}

#[test]
fn the_last_line_is_one_json_object_with_every_count() {
    let output = sim(&["--seeds", "2", "--years", "0.05", "--jobs", "2", "--without", "all"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    for count in [
        "seeds",
        "years",
        "jobs",
        "passes",
        "orders",
        "deals",
        "needless_deals",
        "job_days_below_target",
        "bytes",
        "faults_injected",
        "providers_died",
        "crashes",
        "reorgs",
        "lies",
        "losses",
        "unavoidable_losses",
        "broken_invariants",
        "seconds",
    ] {
        assert!(last[count].is_number(), "{count} in {last}");
    }
    assert_eq!(last["history_hash"].as_str().map(str::len), Some(64));
}

#[test]
fn bad_input_is_told_and_exits_with_2() {
    for (arguments, hint) in [
        (["--years", "0"], "--years is 0"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--only-job", "20"], "--only-job is 20"),
        (["--without", "rain"], "no trouble \"rain\""),
        (["--policy", "theirs"], "no policy \"theirs\""),
        (["--compare", "--policy=kit"], "cannot be used with"),
    ] {
        let output = sim(&arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(hint), "{arguments:?}: {told}");
    }
}
