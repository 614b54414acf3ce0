//! Transfers beside the passes: what hangs or breaks delays its own CID and nothing else.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use raas_retrieval::{
    DataSource, Error, ImportProfile, MemorySource, Served, Staging, Wanted, file_blocks,
};
use raas_runtime::Event;
use raas_types::{AggregatorName, Cid, EpochDelta, OrderState};
use tokio_util::sync::CancellationToken;
use world::*;

/// A source that takes the question and never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl DataSource for Silent {
    fn name(&self) -> String {
        "a silent one".to_owned()
    }

    async fn fetch(&self, _: &Wanted, _: &mut Staging) -> Result<Served, Error> {
        std::future::pending().await
    }
}

fn elsewhere() -> Cid {
    file_blocks(b"bytes that are elsewhere", &ImportProfile::default()).0
}

/// A world in which bytes are asked of someone who never answers.
async fn with_a_silent_source() -> World {
    let mut world = World::new();
    world.settings.transfer_wait = Duration::from_millis(20);
    world.sources.push(Arc::new(Silent));
    world.know(elsewhere());
    world.register(elsewhere(), terms(1)).await;
    world
}

#[tokio::test]
async fn a_source_that_never_answers_delays_its_own_data_alone() {
    let mut world = with_a_silent_source().await;
    let here = world.store_file(b"bytes that are here").await;
    world.register(here, terms(1)).await;
    for _ in 0..3 {
        world.step(EpochDelta::HOUR).await;
    }
    assert_eq!(world.orders(&here).await.len(), 1, "the other data is ordered");
    assert_eq!(world.orders(&elsewhere()).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_what_never_ends() {
    let mut world = with_a_silent_source().await;
    world.pass().await;
    let stop = CancellationToken::new();
    stop.cancel();
    world.node().run(stop).await;
}

#[tokio::test]
async fn an_aggregator_that_is_away_is_passed_over_for_another() {
    let mut world = World::with(vec![lighthouse("first"), lighthouse("second")]);
    world.aggregators[0].set_down(true);
    let cid = world.store_file(b"no matter who").await;
    world.register(cid, terms(1)).await;
    world.pass().await;
    let orders = world.orders(&cid).await;
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(orders[0].aggregator, AggregatorName::new("second"));
    let away = |e: &Event| matches!(e, Event::AggregatorAway { .. });
    assert_eq!(world.events.iter().filter(|e| away(e)).count(), 1);
}

#[tokio::test]
async fn the_only_aggregator_is_asked_again_ever_more_rarely_while_it_is_away() {
    let mut world = World::new();
    world.aggregators[0].set_down(true);
    let cid = world.store_file(b"patience").await;
    let job = world.register(cid, terms(1)).await;
    for _ in 0..48 {
        world.step(EpochDelta::HOUR).await;
    }
    let asked = world.aggregators[0].calls().deals;
    assert!((3..=12).contains(&asked), "asked {asked} times in two days");
    assert!(world.says(&job, "could not be reached").await);
    world.aggregators[0].set_down(false);
    for _ in 0..13 {
        world.step(EpochDelta::HOUR).await;
    }
    assert_eq!(world.submits(), 1, "it is asked when it is back");
}

#[tokio::test]
async fn a_damaged_copy_is_set_aside_and_fetched_anew() {
    let bytes: &[u8] = b"bytes that rot";
    let (source, cid) = MemorySource::new("an honest one").with_file(bytes);
    let mut world = World::new();
    world.sources.push(Arc::new(source));
    assert_eq!(world.store_file(bytes).await, cid);
    rot(&world);
    world.register(cid, terms(1)).await;
    world.pass().await;
    world.pass().await;
    let happened = |what: fn(&Event) -> bool| world.events.iter().any(what);
    assert!(happened(|e| matches!(e, Event::CopyDamaged { .. })), "{:?}", world.events);
    assert!(happened(|e| matches!(e, Event::Fetched { by, .. } if by == "an honest one")));
    let orders = world.orders(&cid).await;
    assert!(
        matches!(orders[..], [ref o] if matches!(o.state, OrderState::Sent { .. })),
        "{orders:?}"
    );
}

/// Flips the last byte of every file in the blob store.
fn rot(world: &World) {
    for entry in std::fs::read_dir(world.blob_dir()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn an_outage_is_found_out_once_and_not_by_every_order_in_the_queue() {
    let mut world = World::new();
    world.aggregators[0].set_down(true);
    for bytes in [b"one".as_slice(), b"two", b"three", b"four", b"five"] {
        let cid = world.store_file(bytes).await;
        world.register(cid, terms(1)).await;
    }
    world.pass().await;
    assert_eq!(world.aggregators[0].calls().deals, 1);
    world.aggregators[0].set_down(false);
    world.step(EpochDelta::HOUR).await;
    assert_eq!(world.submits(), 5, "all are ordered when it is back");
}
