//! The story with devnet and node in processes of their own, and everything going wrong that can.

mod support;

use std::{fs, time::Duration};

use serde_json::{Value, json};
use support::{World, client, raas, settled, stderr, store, until};

fn file(world: &World, bytes: &[u8]) -> std::path::PathBuf {
    let path = world.dir.path().join("data.bin");
    fs::write(&path, bytes).expect("written");
    path
}

/// Advances in steps until the CID has three live replicas.
async fn replicate(world: &World, node: &support::Process, cid: &str, job: &str) {
    for _ in 0..60 {
        world.advance(60).await;
        settled(world, node, job).await;
        if world.live(cid).await.len() == 3 {
            return;
        }
    }
    panic!("no three replicas: {:?}", world.deals(cid).await);
}

/// kill -9 at fifty instants of the whole story: it goes on each time, and no need is ordered twice.
#[tokio::test]
async fn a_node_killed_at_fifty_instants_orders_nothing_twice() {
    let world = World::start();
    let mut node = world.node();
    let (cid, job) = store(&node, &file(&world, b"killed at fifty instants"));
    let mut kills = 0_u64;
    let mut faulted = false;
    let mut renewing = false;
    // Between two steps the node lives for a time that differs from kill to kill, from the middle
    // of its start to after its first passes.
    for step in 0..400 {
        let live = world.live(&cid).await.len();
        if live == 3 && !faulted {
            settled(&world, &node, &job).await;
            let victim = world.live(&cid).await[0]["provider"].as_str().expect("an id").to_owned();
            world.to_provider(&victim, "fault").await;
            faulted = true;
        }
        let deals = world.deals(&cid).await;
        if faulted && !renewing && live == 3 && deals.len() == 4 {
            settled(&world, &node, &job).await;
            let now = world.look("/devnet/head").await["epoch"].as_i64().expect("an epoch");
            let ends = world.live(&cid).await;
            let first = ends.iter().filter_map(|d| d["end"].as_i64()).min().expect("an end");
            world.advance(u32::try_from(first - 86_400 - now).expect("a span")).await;
            renewing = true;
        }
        if deals.len() == 7 && live >= 3 && kills >= 50 {
            break;
        }
        assert!(deals.len() <= 7, "ordered twice: {deals:#?}");
        world.advance(if faulted { 120 } else { 60 }).await;
        if kills < 50 {
            tokio::time::sleep(Duration::from_millis((kills * 37) % 400)).await;
            node.kill();
            kills += 1;
            node = world.node();
        } else {
            settled(&world, &node, &job).await;
        }
        assert!(step < 399, "the story did not come to its end: {deals:#?}");
    }
    // Past the end of the old deals: three replicas, each on a provider of its own.
    world.advance(100_000).await;
    settled(&world, &node, &job).await;
    let live = world.live(&cid).await;
    let providers: std::collections::BTreeSet<_> =
        live.iter().map(|d| d["provider"].to_string()).collect();
    assert_eq!((live.len(), providers.len()), (3, 3), "{live:#?}");
    assert_eq!(world.deals(&cid).await.len(), 7);
}

/// The node's bytes wiped, the gateway off, one provider corrupt: repair and retrieval succeed from
/// another provider, and say so.
#[tokio::test]
async fn bytes_come_from_an_honest_provider_when_nobody_else_has_them() {
    let world = World::start();
    let node = world.node();
    let bytes: Vec<u8> =
        (0..700_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (cid, job) = store(&node, &file(&world, &bytes));
    replicate(&world, &node, &cid, &job).await;
    node.kill();
    fs::remove_dir_all(world.dir.path().join("node/blobs")).expect("wiped");
    world.post("/devnet/aggregator", json!({ "gateway": "off" })).await;
    let live = world.live(&cid).await;
    let provider = |n: usize| live[n]["provider"].as_str().expect("an id").to_owned();
    world.to_provider(&provider(0), "corrupt").await;
    world.to_provider(&provider(1), "fault").await;

    let node = world.node();
    until("the repair", async || {
        world.advance(240).await;
        settled(&world, &node, &job).await;
        (world.deals(&cid).await.len() == 4 && world.live(&cid).await.len() == 3).then_some(())
    })
    .await;
    node.kill();
    fs::remove_dir_all(world.dir.path().join("node/blobs")).expect("wiped");
    let node = world.node();
    let back = world.dir.path().join("back.bin");
    let (got, code, errors) = client(&node, &["get", &cid, "-o", back.to_str().expect("a path")]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(fs::read(&back).expect("a file"), bytes);
    let source = got["source"].as_str().unwrap_or_default();
    assert!(source.contains("provider"), "{got}");
    assert!(got["tried"].to_string().contains("gateway"), "it says who was asked before: {got}");
}

/// An aggregator that ignores repeated pins: the job says that its target is unreachable, and the
/// node does not keep asking.
#[tokio::test]
async fn a_target_beyond_the_aggregator_is_called_unreachable_and_does_not_loop() {
    let world = World::start();
    world.post("/devnet/aggregator", json!({ "repeat_pin": "ignored" })).await;
    let node = world.node();
    let (cid, job) = store(&node, &file(&world, b"one copy and no more"));
    let words = until("the job says so", async || {
        world.advance(720).await;
        settled(&world, &node, &job).await;
        let (why, _, _) = client(&node, &["why", &job]);
        let words = why["last_look"]["words"].to_string();
        words.contains("target unreachable: 1 of 3").then_some(words)
    })
    .await;
    assert!(words.contains("made nothing of the last"), "{words}");
    for _ in 0..12 {
        world.advance(2_880 * 10).await;
        settled(&world, &node, &job).await;
    }
    assert_eq!(world.deals(&cid).await.len(), 1);
    let (why, _, _) = client(&node, &["why", &job]);
    let orders = why["orders"].as_array().expect("orders").len();
    assert!(orders <= 12, "{orders} orders in four months");
}

/// A deal that lands on a provider that holds the data already is not counted.
#[tokio::test]
async fn a_second_deal_with_one_provider_is_not_a_second_replica() {
    let world = World::start();
    world.post("/devnet/aggregator", json!({ "placement": "same" })).await;
    let node = world.node();
    let (cid, job) = store(&node, &file(&world, b"twice with one provider"));
    until("a twin that adds nothing", async || {
        world.advance(120).await;
        settled(&world, &node, &job).await;
        let (why, _, _) = client(&node, &["why", &job]);
        why["last_look"]["words"].to_string().contains("adds nothing").then_some(())
    })
    .await;
    world.post("/devnet/aggregator", json!({ "placement": "spread" })).await;
    until("three providers", async || {
        world.advance(1_440).await;
        settled(&world, &node, &job).await;
        let live = world.live(&cid).await;
        let providers: std::collections::BTreeSet<_> =
            live.iter().map(|d| d["provider"].to_string()).collect();
        (providers.len() >= 3).then_some(())
    })
    .await;
}

/// A chain that is down, behind, or another one: no order, and recovery without a restart.
#[tokio::test]
async fn nothing_is_ordered_while_the_chain_cannot_be_believed() {
    let world = World::start();
    world.post("/devnet/rpc", json!({ "mode": "down" })).await;
    let node = world.node();
    let (cid, job) = store(&node, &file(&world, b"patience"));
    for mode in ["down", "lagging"] {
        world.post("/devnet/rpc", json!({ "mode": mode })).await;
        world.advance(120).await;
        until("the node says why it waits", async || {
            let url = format!("{}/readyz", node.url("api"));
            let response = reqwest::get(url).await.ok()?;
            (response.status() == 503).then_some(())
        })
        .await;
        assert_eq!(world.deals(&cid).await, Vec::<Value>::new(), "{mode}");
        let (why, _, _) = client(&node, &["why", &job]);
        assert_eq!(why["orders"], json!([]), "{mode}");
    }
    world.post("/devnet/rpc", json!({ "mode": "ok" })).await;
    replicate(&world, &node, &cid, &job).await;
    assert_eq!(world.deals(&cid).await.len(), 3);
}

#[tokio::test]
async fn a_chain_of_another_name_is_not_worked_on() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let elsewhere = config.replace("network = \"devnet\"", "network = \"testnetnet\"");
    assert_ne!(config, elsewhere);
    fs::write(world.config(), elsewhere).expect("written");
    let output = raas().args(["run", "--once", "--json", "--config"]).arg(world.config()).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = support::last_line(&output);
    let reason = report["gated"].as_str().unwrap_or_default();
    assert!(reason.contains("testnetnet") && reason.contains("devnet"), "{report}");
}

/// Bad input on the command line and over the face: exit code 2 or a 4xx, saying how to mend it.
#[tokio::test]
async fn bad_input_says_how_to_mend_it_and_leaves_nothing() {
    let world = World::start();
    let node = world.node();
    let path = file(&world, b"never kept");
    let path = path.to_str().expect("a path");
    for (args, says) in [
        (vec!["store", path, "--replicas", "0"], "give at least 1"),
        (vec!["store", path, "--replicas=-3"], "from 1 to 100"),
        (vec!["store", path, "--replicas", "3", "--renew-within", "soon"], "30d"),
        (vec!["register", "not-a-cid", "--replicas", "3"], "CID"),
        (
            vec!["register", "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"],
            "at least one",
        ),
    ] {
        let (_, code, errors) = client(&node, &args);
        assert!(code != Some(0), "{args:?}");
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
    let jobs = raas()
        .args(["jobs", "--json", "--api", &node.url("api"), "--token", &node.url("token")])
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&jobs.stdout), "");
    let (_, code, errors) = client(&node, &["store", "/no/such/file"]);
    assert_eq!(code, Some(2), "{errors}");
}
