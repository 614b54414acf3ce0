//! The gate: a node that cannot trust its endpoint does nothing, says why, and recovers by itself.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::time::Duration;

use raas_lotus::FakeFault;
use raas_runtime::{Event, PassReport};
use raas_types::{Cid, EpochDelta, Network};
use world::*;

/// A world with a job for which an order is due.
async fn due() -> (World, Cid) {
    let mut world = World::new();
    let cid = world.store_file(b"gated").await;
    world.register(cid, terms(3)).await;
    (world, cid)
}

/// The gate is shut, for this reason, and nothing is done.
async fn is_shut(world: &mut World, why: &str) {
    let report = world.pass().await;
    let reason = report.gated.expect("the gate is shut");
    assert!(reason.contains(why), "{reason:?} says {why:?}");
    let about_endpoints = |event: &Event| matches!(event, Event::EndpointAside { .. });
    assert!(report.events.iter().all(about_endpoints), "{:?}", report.events);
    assert_eq!((report.jobs, report.cids), (0, 0));
    assert_eq!(world.submits(), 0);
    assert_eq!(world.node().status().gated, Some(reason));
}

async fn is_open(world: &mut World) -> PassReport {
    let report = world.pass().await;
    assert_eq!((report.gated.as_ref(), report.errors.len()), (None, 0), "{:?}", report.errors);
    assert_eq!(world.submits(), 1);
    assert_eq!(world.node().status().gated, None);
    report
}

#[tokio::test]
async fn an_endpoint_that_is_down_shuts_the_gate_until_it_is_back() {
    let (mut world, _) = due().await;
    world.chain.fail(FakeFault::Endpoint);
    is_shut(&mut world, "cannot be asked now").await;
    world.chain.heal(FakeFault::Endpoint);
    is_open(&mut world).await;
}

#[tokio::test]
async fn an_endpoint_that_is_behind_shuts_the_gate_until_it_has_caught_up() {
    let (mut world, _) = due().await;
    world.chain.set_behind(EpochDelta::new(21));
    is_shut(&mut world, "21 epochs behind").await;
    world.chain.set_behind(EpochDelta::new(20));
    is_open(&mut world).await;
}

#[tokio::test]
async fn an_endpoint_of_another_network_shuts_the_gate() {
    let (mut world, _) = due().await;
    world.settings.network = Some("testnetnet".to_owned());
    world.restart();
    is_shut(&mut world, "is on network \"fakenet\", not \"testnetnet\"").await;
    world.chain.set_network(Network { name: "testnetnet".to_owned(), version: 28 });
    is_open(&mut world).await;
}

#[tokio::test]
async fn a_final_tipset_older_than_one_seen_before_shuts_the_gate_even_after_a_restart() {
    let mut world = World::new();
    world.advance(EpochDelta::DAY);
    world.pass().await;
    let cid = world.store_file(b"gated").await;
    world.register(cid, terms(3)).await;
    // The endpoint was replaced by one that is final only up to two hours ago.
    world.chain.set_finality_lag(EpochDelta::new(240));
    is_shut(&mut world, "is behind").await;
    world.restart();
    is_shut(&mut world, "is behind").await;
    world.advance(EpochDelta::new(240));
    is_open(&mut world).await;
}

#[tokio::test]
async fn the_same_final_tipset_again_is_no_reason_to_stop() {
    let (mut world, _) = due().await;
    is_open(&mut world).await;
    is_open(&mut world).await;
}

#[tokio::test]
async fn another_node_over_the_same_store_waits_until_the_first_is_gone_for_a_day() {
    let (mut world, _) = due().await;
    is_open(&mut world).await;
    world.settings.name = "another".to_owned();
    world.restart();
    let report = world.pass().await;
    assert_eq!(report.gated.as_deref(), Some("another node is working on this store"));
    world.advance(EpochDelta::DAY);
    assert_eq!(world.pass().await.gated, None);
}

#[tokio::test]
async fn a_node_that_stood_still_while_another_took_over_orders_nothing() {
    let (mut world, cid) = due().await;
    world.settings.transfer_wait = Duration::from_millis(20);
    let still = world.aggregators[0].delay_next();
    let first = world.node();
    first.pass().await;
    assert_eq!(world.orders(&cid).await, [], "it is asked before anything is ordered");

    world.settings.name = "another".to_owned();
    world.restart();
    world.advance(EpochDelta::DAY);
    assert_eq!(world.pass().await.gated, None);
    let ordered = world.orders(&cid).await;
    assert_eq!((ordered.len(), world.submits()), (1, 1));

    drop(still);
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    first.run(stop).await;
    assert_eq!(world.submits(), 1, "what the first had in hand is void");
    assert_eq!(world.orders(&cid).await, ordered);
    assert!(world.pass().await.gated.is_none(), "the lease is still the other's");
}

#[tokio::test]
async fn a_node_that_is_shut_down_gives_the_store_up() {
    let mut world = World::new();
    let node = world.node();
    node.pass().await;
    world.settings.name = "another".to_owned();
    world.restart();
    let waiting = world.pass().await;
    assert!(waiting.gated.is_some_and(|why| why.contains("another node")));

    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    node.run(stop).await;
    assert_eq!(world.pass().await.gated, None);
}

#[tokio::test]
async fn a_store_of_one_network_is_not_worked_on_over_another() {
    let mut world = World::new();
    assert_eq!(world.pass().await.gated, None);
    world.chain.set_network(Network { name: "elsewhere".to_owned(), version: 28 });
    let why = world.pass().await.gated.expect("the gate stays shut");
    assert!(why.contains("this store was made on another"), "{why}");
}
