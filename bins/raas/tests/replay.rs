//! `raas replay` as people and scripts meet it: beside a node that runs, after one that was killed, and
//! of a log in which something does not fit.

mod support;

use std::{fs, path::PathBuf, process::Output};

use raas_job_store_sqlite::SqliteJobStore;
use raas_runtime::{
    Decided,
    core::Step,
    job_store::{Change, Decision, JobStore},
};
use serde_json::Value;
use support::{Process, World, client, last_line, raas, settled, stderr, store, until};

fn replay(world: &World, more: &[&str]) -> Output {
    let mut command = raas();
    command.args(["replay", "--config"]).arg(world.config()).args(more);
    command.output().expect("it runs")
}

/// The lines of JSON that it printed.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn database(world: &World) -> PathBuf {
    world.dir.path().join("node/raas.sqlite")
}

/// A node that ordered and recorded two replicas, and their CID.
async fn busy(world: &World) -> (Process, String) {
    let node = world.node();
    let path = world.dir.path().join("data.bin");
    fs::write(&path, b"decided upon").expect("written");
    let (cid, job) = store(&node, &path);
    until("replicas", async || {
        world.advance(60).await;
        (world.live(&cid).await.len() >= 3).then_some(())
    })
    .await;
    settled(world, &node, &job).await;
    (node, cid)
}

#[tokio::test]
async fn what_a_node_decides_is_decided_again() {
    let world = World::start();
    let (node, cid) = busy(&world).await;
    let beside = replay(&world, &["--json"]);
    assert_eq!(beside.status.code(), Some(0), "{}", stderr(&beside));
    let tally = last_line(&beside);
    assert_eq!(lines(&beside).len(), 1, "only what differs is listed: {tally}");
    assert!(tally["decisions"].as_u64() >= Some(1), "{tally}");
    assert_eq!(tally["same"], tally["decisions"], "{tally}");
    let (jobs, code, errors) = client(&node, &["jobs"]);
    assert_eq!((code, &jobs["cid"]), (Some(0), &Value::from(cid.as_str())), "{errors}");

    // What a killed node left is read as well, and in words.
    node.kill();
    let after = replay(&world, &["--cid", &cid]);
    assert_eq!(after.status.code(), Some(0), "{}", stderr(&after));
    let said = String::from_utf8_lossy(&after.stdout).into_owned();
    assert!(said.ends_with("are the same, 0 differ.\n") && !said.starts_with('0'), "{said}");
    let other = replay(&world, &["--json", "--cid", "bafkqaaa"]);
    assert_eq!((other.status.code(), &last_line(&other)["decisions"]), (Some(0), &0.into()));
    let node = world.node();
    let (_, code, errors) = client(&node, &["jobs"]);
    assert_eq!(code, Some(0), "the next node starts as ever: {errors}");
}

#[tokio::test]
async fn a_decision_that_would_not_be_made_again_is_told() {
    let world = World::start();
    let (mut node, cid) = busy(&world).await;
    node.signal("TERM");
    assert_eq!(node.ended().0, Some(0));
    let log = SqliteJobStore::open(database(&world)).expect("the node has ended");
    let all = log.decisions(None, None, usize::MAX).await.expect("the log is read");
    let ordering = all.iter().find_map(|(_, logged)| {
        let decided = Decided::decode(&logged.body).ok()?;
        let orders = decided.plan.steps.iter().any(|step| matches!(step, Step::Order { .. }));
        orders.then_some((logged.clone(), decided))
    });
    let (logged, mut decided) = ordering.expect("something was ordered");
    // As rules would have it that order nothing.
    decided.plan.steps.retain(|step| !matches!(step, Step::Order { .. }));
    let entry = |by: &str| {
        let decided = Decided { by: by.to_owned(), ..decided.clone() };
        let json = serde_json::to_vec(&decided).expect("JSON");
        Decision { body: [&[1], &json[..]].concat(), ..logged.clone() }
    };
    let decisions =
        vec![entry("0.0.1"), Decision { body: b"\x09another format".to_vec(), ..logged.clone() }];
    log.commit(&Change { decisions, ..Change::default() }).await.expect("written");
    drop(log);

    // Other versions had other rules.
    let output = replay(&world, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let tally = last_line(&output);
    let all = all.len() as u64;
    assert_eq!((&tally["decisions"], &tally["same"]), (&(all + 2).into(), &all.into()), "{tally}");
    for (what, count) in
        [("differ", 0), ("differ_by_others", 1), ("other_version", 1), ("damaged", 0)]
    {
        assert_eq!(tally[what], count, "{what}: {tally}");
    }

    let log = SqliteJobStore::open(database(&world)).expect("nobody has it open");
    let torn = Decision { body: b"\x01torn".to_vec(), ..logged.clone() };
    log.commit(&Change { decisions: vec![torn], ..Change::default() }).await.expect("written");
    drop(log);
    let output = replay(&world, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "what is damaged cannot be vouched for");
    assert_eq!(last_line(&output)["damaged"], 1);

    let log = SqliteJobStore::open(database(&world)).expect("nobody has it open");
    let decisions = vec![entry(env!("CARGO_PKG_VERSION"))];
    log.commit(&Change { decisions, ..Change::default() }).await.expect("written");
    drop(log);
    let output = replay(&world, &["--json", "--cid", &cid]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = lines(&output);
    assert_eq!(told[0]["number"], all + 4, "{}", told[0]);
    assert_eq!((&told[0]["cid"], &told[0]["at"]), (&cid.as_str().into(), &logged.at.get().into()));
    let orders = |plan: &Value| {
        let steps = plan["steps"].as_array().expect("steps");
        steps.iter().filter(|step| step["step"] == "order").count()
    };
    assert_eq!(orders(&told[0]["then"]), 0, "{}", told[0]);
    assert!(orders(&told[0]["now"]) > 0, "{}", told[0]);
    assert_eq!(told.last().expect("a tally")["differ"], 1);

    let output = replay(&world, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = format!("Decision {}, at epoch {}, of {cid}: version ", all + 4, logged.at);
    assert!(said.starts_with(&first), "{said}");
    assert!(said.contains("\n  + {") && !said.contains("\n  - {"), "{said}");
    assert!(said.contains("1 differ, 1 differ that another version made"), "{said}");
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let world = World::start();
    for (args, says) in [
        (&[][..], "a node makes it at its first start"),
        (&["--cid", "garbage"], "is no CID"),
        (&["--number", "7"], "--number"),
    ] {
        let output = replay(&world, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
    assert!(!database(&world).exists(), "looking makes nothing");
    let missing = raas().args(["replay", "--config", "/no/such/raas.toml"]).output();
    assert_eq!(missing.expect("it runs").status.code(), Some(2));

    // What is there and is no database is no matter of what was typed.
    fs::create_dir_all(world.dir.path().join("node")).expect("a directory");
    fs::write(database(&world), "not a database at all, but long enough ".repeat(200))
        .expect("a file");
    let output = replay(&world, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}
