//! The story with devnet and node in processes of their own, and everything going wrong that can.

mod support;

use std::{collections::BTreeSet, fs, time::Duration};

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

/// A story during which the node is killed again and again.
struct Killing<'a> {
    world: &'a World,
    node: support::Process,
    cid: String,
    job: String,
    kills: u64,
}

impl Killing<'_> {
    /// kill -9, and another node in its place.
    async fn kill(mut self) -> Self {
        // The node lives for a time that differs from kill to kill, from the middle of its start to
        // after its first passes.
        tokio::time::sleep(Duration::from_millis((self.kills * 37) % 400)).await;
        self.node.kill();
        self.node = self.world.node();
        self.kills += 1;
        self
    }

    /// Goes on in steps until so many deals were made and activated in all, killing the node after
    /// each of the first `kills` steps.
    async fn until_activated(mut self, deals: usize, kills: u64, step: u32) -> Self {
        let before = self.kills;
        for _ in 0..100 {
            let killing = self.kills - before < kills;
            self.world.advance(if killing { step } else { 60 }).await;
            let known = self.world.deals(&self.cid).await;
            assert!(known.len() <= deals, "ordered twice: {known:#?}");
            if known.iter().filter(|deal| !deal["activated"].is_null()).count() == deals {
                assert_eq!(self.kills - before, kills, "too few kills before {deals} deals");
                settled(self.world, &self.node, &self.job).await;
                return self;
            }
            if killing {
                self = self.kill().await;
            } else {
                settled(self.world, &self.node, &self.job).await;
            }
        }
        panic!("no {deals} deals: {:#?}", self.world.deals(&self.cid).await);
    }
}

/// kill -9 at fifty instants, in every part of the story: it goes on each time, and no need is
/// ordered twice.
#[tokio::test]
async fn a_node_killed_at_fifty_instants_orders_nothing_twice() {
    let world = World::start();
    let node = world.node();
    let (cid, job) = store(&node, &file(&world, b"killed at fifty instants"));
    let killing = Killing { world: &world, node, cid: cid.clone(), job, kills: 0 };

    // Three deals one after the other, each two hours of delay and sealing: 20 kills in the first
    // 200 epochs of at least 300.
    let mut killing = killing.until_activated(3, 20, 10).await;

    let victim = world.deals(&cid).await[0].clone();
    world.to_provider(victim["provider"].as_str().expect("an id"), "fault").await;
    let since = until("the fault", async || {
        world.advance(240).await;
        world.deals(&cid).await[0]["fault_since"].as_i64()
    })
    .await;
    // Five kills in the day of waiting, ten from there to the repair.
    let head = async || world.look("/devnet/head").await["epoch"].as_i64().expect("an epoch");
    for part in 1..=5 {
        let left = since + 2_880 * part / 5 - head().await;
        world.advance(u32::try_from(left.max(0)).expect("a span")).await;
        killing = killing.kill().await;
    }
    let killing = killing.until_activated(4, 10, 10).await;

    // Two deals come near their end together, and are renewed one after the other; the one that the
    // repair made comes later.
    let mut ends: Vec<i64> =
        world.live(&cid).await.iter().filter_map(|deal| deal["end"].as_i64()).collect();
    ends.sort_unstable();
    let leap = async |end: i64| {
        world.advance(u32::try_from(end - 86_400 - head().await).expect("a span")).await;
    };
    leap(ends[0]).await;
    let killing = killing.until_activated(6, 10, 10).await;
    leap(ends[2]).await;
    let killing = killing.until_activated(7, 5, 10).await;
    assert_eq!(killing.kills, 50);

    // Past the end of the old deals: three replicas, each on a provider of its own.
    world.advance(100_000).await;
    settled(&world, &killing.node, &killing.job).await;
    let live = world.live(&cid).await;
    assert_eq!((live.len(), providers_of(&live).len()), (3, 3), "{live:#?}");
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
    world.post("/devnet/aggregator", json!({ "gateway": "off" })).await;
    let corrupt = world.asked_first(&cid).await;
    world.to_provider(&corrupt, "corrupt").await;
    let node = without_bytes(&world, node);
    let live = world.live(&cid).await;
    let mut others = live.iter().filter_map(|deal| deal["provider"].as_str());
    let faulty = others.find(|provider| *provider != corrupt).expect("another one");
    world.to_provider(faulty, "fault").await;
    until("the repair", async || {
        world.advance(240).await;
        settled(&world, &node, &job).await;
        (world.deals(&cid).await.len() == 4 && world.live(&cid).await.len() == 3).then_some(())
    })
    .await;
    let served = &world.look("/devnet/stats").await["http"]["providers"];
    assert!(served[&corrupt]["blocks"].as_u64() > Some(0), "the repair asked it first: {served}");

    // The repair may have put the data where the index looks before.
    let first = world.asked_first(&cid).await;
    if first != corrupt {
        world.to_provider(&corrupt, "honest").await;
        world.to_provider(&first, "corrupt").await;
    }
    let node = without_bytes(&world, node);
    let got = get_back(&world, &node, &cid, &bytes);
    comes_from_another(&world, &got, &first).await;
    assert!(got["tried"].to_string().contains("gateway"), "it says who was asked before: {got}");
}

/// A provider whose server is down: retrieval goes on to the next, and says so.
#[tokio::test]
async fn bytes_come_from_another_provider_when_one_is_offline() {
    let world = World::start();
    let node = world.node();
    let bytes = b"somebody is at home".repeat(1_000);
    let (cid, job) = store(&node, &file(&world, &bytes));
    replicate(&world, &node, &cid, &job).await;
    world.post("/devnet/aggregator", json!({ "gateway": "off" })).await;
    let offline = world.asked_first(&cid).await;
    world.to_provider(&offline, "offline").await;
    let node = without_bytes(&world, node);
    let got = get_back(&world, &node, &cid, &bytes);
    comes_from_another(&world, &got, &offline).await;
    let served = &world.look("/devnet/stats").await["http"]["providers"];
    assert!(served[&offline]["refused"].as_u64() > Some(0), "{served}");
}

/// A provider that terminates its sectors has lost the data for good: it is repaired without waiting
/// for the threshold.
#[tokio::test]
async fn a_terminated_deal_is_repaired_elsewhere() {
    let world = World::start();
    let node = world.node();
    let (cid, job) = store(&node, &file(&world, b"terminated"));
    replicate(&world, &node, &cid, &job).await;
    let gone = world.live(&cid).await[0].clone();
    let provider = gone["provider"].as_str().expect("an id");
    let began = world.look("/devnet/head").await["epoch"].as_i64().expect("an epoch");
    world.to_provider(provider, "terminate").await;
    until("the repair", async || {
        world.advance(60).await;
        settled(&world, &node, &job).await;
        (world.live(&cid).await.len() == 3).then_some(())
    })
    .await;
    let took = world.look("/devnet/head").await["epoch"].as_i64().expect("an epoch") - began;
    assert!(took < 2_880, "it waited {took} epochs");
    let live = world.live(&cid).await;
    assert!(!providers_of(&live).contains(provider), "{live:#?}");
    assert_eq!((world.deals(&cid).await.len(), providers_of(&live).len()), (4, 3));
    let (why, _, _) = client(&node, &["why", &job]);
    let orders = why["orders"].as_array().expect("orders");
    assert!(orders.iter().any(|order| order["cause"] == "repair"), "{why}");
}

/// Another node on the same state, but for the bytes.
fn without_bytes(world: &World, node: support::Process) -> support::Process {
    node.kill();
    fs::remove_dir_all(world.dir.path().join("node/blobs")).expect("wiped");
    world.node()
}

/// `raas get`, which must bring these bytes.
fn get_back(world: &World, node: &support::Process, cid: &str, bytes: &[u8]) -> Value {
    let back = world.dir.path().join("back.bin");
    let (got, code, errors) = client(node, &["get", cid, "-o", back.to_str().expect("a path")]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(fs::read(&back).expect("a file") == bytes, "other bytes came back: {got}");
    got
}

/// The provider was asked in vain, and another one gave the data.
async fn comes_from_another(world: &World, got: &Value, provider: &str) {
    let server = world.server_of(provider).await;
    let source = got["source"].as_str().unwrap_or_default();
    assert!(source.contains("provider") && !source.contains(&server), "{provider}: {got}");
    assert!(got["tried"].to_string().contains(&server), "{provider} at {server}: {got}");
}

fn providers_of(deals: &[Value]) -> BTreeSet<&str> {
    deals.iter().filter_map(|deal| deal["provider"].as_str()).collect()
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
        (providers_of(&live).len() >= 3).then_some(())
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
