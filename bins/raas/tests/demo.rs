//! The demo over files of every sort, and with the planner crippled.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use support::{last_line, raas, stderr};

/// Runs the demo; its events and its exit code.
fn demo(file: &Path, more: &[&str]) -> (Vec<Value>, Option<i32>, String) {
    let output = raas().arg("demo").arg(file).arg("--json").args(more).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    (events.collect(), output.status.code(), stderr(&output))
}

fn holds(bytes: &[u8], name: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(name);
    fs::write(&file, bytes).expect("written");
    let (events, code, errors) = demo(&file, &[]);
    let summary = events.last().unwrap_or_else(|| panic!("no event: {errors}"));
    assert_eq!(code, Some(0), "{summary} {errors}");
    assert_eq!(summary["ok"], true, "{summary}");
    assert_eq!(summary["bytes"], bytes.len(), "{summary}");
    assert_eq!(
        [&summary["replicas"], &summary["repairs"], &summary["renewals"]],
        [3, 1, 3],
        "{summary}"
    );
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    for name in [
        "stored",
        "registered",
        "ordered",
        "deal_active",
        "fault_injected",
        "repair_ordered",
        "repaired",
        "near_expiry",
        "renewal_ordered",
        "renewed",
        "retrieved",
    ] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let retrieved = events.iter().find(|event| event["event"] == "retrieved").expect("an event");
    let (provider, corrupt) = (&retrieved["provider"], &retrieved["corrupt"]);
    assert!(provider.is_string() && retrieved["source"].is_string(), "{retrieved}");
    assert!(corrupt.is_string() && corrupt != provider, "{retrieved}");
    assert_eq!(retrieved["corrupt_asked"], true, "{retrieved}");
    assert!(retrieved["tried"].to_string().contains("/ipfs"), "{retrieved}");
    // One provider, one spelling.
    for (id, event) in events.iter().filter_map(|event| Some((event["provider"].as_str()?, event)))
    {
        assert!(id.starts_with("f0"), "{event}");
    }
    let of = |name: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["event"] == name).collect()
    };
    assert_eq!((of("repaired").len(), of("renewed").len()), (1, 3));
    assert_eq!(of("repaired")[0]["replaces"], of("fault_injected")[0]["deal"]);
    let mut renewed: Vec<_> = of("renewed").iter().map(|e| e["replaces"].as_u64()).collect();
    renewed.sort_unstable();
    let ending = of("near_expiry")[0]["deals"].as_array().expect("deals").iter();
    assert_eq!(renewed, ending.map(Value::as_u64).collect::<Vec<_>>());
}

#[test]
fn the_demo_holds_for_an_empty_file() {
    holds(b"", "empty");
}

#[test]
fn the_demo_holds_over_a_forest_node_and_over_a_gateway() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, b"told by others").expect("written");
    for chain in ["forest", "gateway"] {
        let (events, code, errors) = demo(&file, &["--chain", chain]);
        let summary = events.last().unwrap_or_else(|| panic!("no event: {errors}"));
        assert_eq!((code, &summary["ok"]), (Some(0), &true.into()), "{chain}: {summary} {errors}");
        let counts = [&summary["replicas"], &summary["repairs"], &summary["renewals"]];
        assert_eq!(counts, [3, 1, 3], "{chain}: {summary}");
    }
}

#[test]
fn the_demo_holds_for_one_byte_under_a_name_with_spaces_and_emoji() {
    holds(b"x", "a name with spaces and \u{1f40b}.txt");
}

#[test]
fn the_demo_holds_for_a_file_of_several_blocks() {
    let bytes: Vec<u8> =
        (0..1_500_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    holds(&bytes, "several blocks.bin");
}

#[test]
fn without_repair_or_renewal_the_demo_fails() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, b"crippled").expect("written");
    for part in ["repair", "renewal"] {
        let (events, code, errors) = demo(&file, &["--without", part]);
        assert_eq!(code, Some(1), "without {part}: {errors}");
        let summary = events.last().expect("a summary");
        assert_eq!((&summary["event"], &summary["ok"]), (&"summary".into(), &false.into()));
    }
}

/// A person who has seen enough leaves nothing behind.
#[cfg(unix)]
#[test]
fn a_demo_that_is_stopped_removes_what_it_made() {
    for (name, expected) in [("INT", 130), ("TERM", 143)] {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        fs::write(&file, vec![7; 300_000]).expect("written");
        let made = dir.path().join("tmp");
        fs::create_dir(&made).expect("a directory");
        let mut command = raas();
        command.arg("demo").arg(&file).arg("--json").env("TMPDIR", &made);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = lines.next().expect("a line").expect("text");
        assert!(line.contains("stored"), "{line}");
        assert_eq!(fs::read_dir(&made).expect("a directory").count(), 1);
        support::signal(child.id(), name);
        assert_eq!(support::ended(&mut child).0, Some(expected), "{name}");
        assert_eq!(fs::read_dir(&made).expect("a directory").count(), 0, "{name}");
        // It was stopped in the middle.
        assert!(lines.all(|line| !line.expect("text").contains("summary")), "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_bad_input() {
    let dir = tempfile::tempdir().expect("a directory");
    for path in [dir.path().join("missing"), dir.path().to_owned()] {
        let output = raas().arg("demo").arg(&path).arg("--json").output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(path.to_str().expect("a path")));
        assert_eq!(last_line(&output), Value::Null);
    }
}
