//! Spending that stopped because too much seemed lost at once, and `raas resume`, as people meet them.

mod support;

use std::fs;

use serde_json::Value;
use support::{Process, World, client, last_line, raas, settled, stderr, store, until};

/// A node that takes one loss for too many.
fn wary_node(world: &World) -> Process {
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let wary = config.replace("fewest = 10\n", "fewest = 1\n");
    assert_ne!(wary, config, "the sample says what is usual");
    fs::write(world.config(), wary).expect("written");
    world.node()
}

async fn ask(node: &Process, path: &str) -> String {
    let request = reqwest::Client::new().get(format!("{}{path}", node.url("api")));
    let answer = request.bearer_auth(node.url("token")).send().await.expect("an answer");
    answer.text().await.expect("text")
}

async fn stopped(node: &Process) -> Option<Value> {
    let mut told: Value = serde_json::from_str(&ask(node, "/v1/spending").await).expect("JSON");
    Some(told["stopped"].take()).filter(|stop| !stop.is_null())
}

/// What a command says to people.
fn told(node: &Process, args: &[&str]) -> String {
    let mut command = raas();
    command.args(args).args(["--api", &node.url("api"), "--token", &node.url("token")]);
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn what_stopped_is_told_and_goes_on_when_an_operator_says_so() {
    let world = World::start();
    let node = wary_node(&world);
    let path = world.dir.path().join("data.bin");
    fs::write(&path, b"lost at once").expect("written");
    let (cid, job) = store(&node, &path);
    until("three replicas", async || {
        world.advance(60).await;
        settled(&world, &node, &job).await;
        (world.live(&cid).await.len() == 3).then_some(())
    })
    .await;
    world.advance(60).await;
    settled(&world, &node, &job).await;
    let nothing = told(&node, &["resume"]);
    assert_eq!(nothing, "nothing had stopped: orders are made as before\n");

    let victim = world.deals(&cid).await[0].clone();
    world.to_provider(victim["provider"].as_str().expect("an id"), "fault").await;
    let stop = until("spending stops", async || {
        world.advance(240).await;
        settled(&world, &node, &job).await;
        stopped(&node).await
    })
    .await;
    assert_eq!((&stop["code"], &stop["numbers"]["percent"]), (&"share".into(), &10.into()));
    assert_eq!(stop["flipped"][0], victim["id"], "{stop} {victim}");
    assert!(ask(&node, "/metrics").await.contains("\nraas_spending_stopped 1\n"));

    // Long after the repair was due, nothing is ordered, and the job says why.
    for _ in 0..4 {
        world.advance(1_440).await;
        settled(&world, &node, &job).await;
    }
    assert_eq!(world.deals(&cid).await.len(), 3);
    let why = told(&node, &["why", &job]);
    assert!(why.contains("seem lost within a day"), "{why}");

    let said = told(&node, &["resume"]);
    let first = format!("nothing was ordered since epoch {}: ", stop["at"]);
    assert!(said.starts_with(&first) && said.contains("orders are made again"), "{said}");
    let (again, code, errors) = client(&node, &["resume"]);
    assert_eq!((code, &again["resumed"]), (Some(0), &Value::Null), "{errors}");
    until("the repair", async || {
        world.advance(60).await;
        settled(&world, &node, &job).await;
        (world.live(&cid).await.len() == 3).then_some(())
    })
    .await;
    assert_eq!(world.deals(&cid).await.len(), 4);

    // The order is traced to the decision, and that is made again.
    let (job, _, _) = client(&node, &["why", &job]);
    let number = job["last_decision"]["number"].as_u64().expect("a decision");
    let why = told(&node, &["why", job["id"].as_str().expect("an id")]);
    let named = format!(
        "The last decision is number {number} of epoch {}; replay it with raas replay --config \
         raas.toml --cid {cid}",
        job["last_decision"]["epoch"]
    );
    assert!(why.contains(&named), "{why}");
    let mut replay = raas();
    replay.args(["replay", "--json", "--cid", &cid, "--config"]).arg(world.config());
    let replay = last_line(&replay.output().expect("it runs"));
    assert_eq!(replay["decisions"], number, "all of them are about it: {replay}");
    assert_eq!(replay["same"], replay["decisions"], "{replay}");
}

#[test]
fn limits_that_cannot_be_meant_are_bad_input() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    for (was, is, says) in [
        ("share_percent = 10", "share_percent = 101", "write 1 to 100"),
        ("fewest = 10", "fewest = 0", "write 1"),
        ("decisions_kept = 50000", "decisions_kept = -1", "decisions_kept"),
    ] {
        assert!(config.contains(was), "{config}");
        fs::write(world.config(), config.replace(was, is)).expect("written");
        let output = raas().args(["run", "--once", "--config"]).arg(world.config()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn no_more_decisions_are_kept_than_configured() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let config = config.replace("decisions_kept = 50000", "decisions_kept = 1");
    fs::write(world.config(), config).expect("written");
    let node = world.node();
    for bytes in [b"one", b"two"] {
        let path = world.dir.path().join("data.bin");
        fs::write(&path, bytes).expect("written");
        store(&node, &path);
    }
    let replay = || {
        let output = raas().args(["replay", "--json", "--config"]).arg(world.config()).output();
        last_line(&output.expect("it runs"))["decisions"].as_u64()
    };
    // Two CIDs are two decisions at the least; the pass that logs them drops what is too much at its
    // end.
    until("orders of both, and one decision", async || {
        world.advance(60).await;
        let metrics = ask(&node, "/metrics").await;
        let line = metrics.lines().find(|line| line.contains("cause=\"replication\""));
        let orders: u64 = line?.rsplit(' ').next()?.parse().ok()?;
        (orders >= 6 && replay() == Some(1)).then_some(())
    })
    .await;
}
