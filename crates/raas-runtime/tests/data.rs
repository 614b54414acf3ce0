//! Bytes: fetched where there are none, never believed unverified, waited for where nobody has them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::sync::Arc;

use bytes::Bytes;
use raas_retrieval::{ImportProfile, MemorySource, file_blocks};
use raas_runtime::Event;
use raas_types::{Cid, DealId, EpochDelta, JobId, OrderState};
use world::*;

const BYTES: &[u8] = b"bytes that are elsewhere";

fn cid() -> Cid {
    file_blocks(BYTES, &ImportProfile::default()).0
}

/// A world that has a job and no bytes.
async fn without_bytes(sources: Vec<MemorySource>) -> (World, JobId) {
    let mut world = World::new();
    for source in sources {
        world.sources.push(Arc::new(source));
    }
    world.know(cid());
    let job = world.register(cid(), terms(1)).await;
    (world, job)
}

/// A source that has other bytes under the same CID.
fn forger() -> MemorySource {
    MemorySource::new("a forger").with_blocks([(cid(), Bytes::from_static(b"forged"))])
}

#[tokio::test]
async fn bytes_are_fetched_and_ordered_in_one_pass_and_the_attempts_are_named() {
    let (honest, _) = MemorySource::new("an honest one").with_file(BYTES);
    let sources = vec![MemorySource::new("an empty one"), forger(), honest];
    let (mut world, _) = without_bytes(sources).await;
    let report = world.pass().await;
    let fetched = report.events.iter().find_map(|event| match event {
        Event::Fetched { by, tried, .. } => Some((by.clone(), tried.clone())),
        _ => None,
    });
    let (by, tried) = fetched.expect("it was fetched");
    assert_eq!(by, "an honest one");
    assert_eq!(tried.len(), 2, "{tried:?}");
    assert!(tried[0].starts_with("an empty one: "), "{tried:?}");
    assert!(tried[1].starts_with("a forger: "), "{tried:?}");
    assert_eq!(world.submits(), 1);
    assert_eq!(world.aggregators[0].calls().uploads, 1);
}

#[tokio::test]
async fn where_nobody_has_the_bytes_the_job_waits_says_so_and_asks_again() {
    let (mut world, job) = without_bytes(vec![MemorySource::new("an empty one"), forger()]).await;
    let report = world.pass().await;
    let missing = report
        .events
        .iter()
        .any(|e| matches!(e, Event::DataMissing { tried, .. } if tried.len() == 2));
    assert!(missing, "{:?}", report.events);
    world.advance(SOON);
    world.pass().await;
    let words = world.words(&job).await;
    let waits = words.iter().find(|w| w.starts_with("Awaiting data")).expect("it waits");
    assert!(waits.contains("an empty one: ") && waits.contains("a forger: "), "{waits}");
    assert_eq!(world.blobs.list().await.unwrap(), [], "nothing unverified is kept");
    assert_eq!(world.submits(), 0);
}

#[tokio::test]
async fn bytes_that_nobody_had_are_asked_for_again_after_the_pause_and_not_before() {
    let (mut world, _) = without_bytes(vec![MemorySource::new("an empty one")]).await;
    let mut asked = 0;
    for _ in 0..(2 * EpochDelta::HOUR.get()) {
        let events = world.pass().await.events;
        asked += events.iter().filter(|e| matches!(e, Event::DataMissing { .. })).count();
        world.advance(EpochDelta::new(1));
    }
    assert_eq!(asked, 2, "once an hour");
}

#[tokio::test]
async fn bytes_that_appear_are_used() {
    let (mut world, _) = without_bytes(vec![]).await;
    world.step(SOON).await;
    assert_eq!(world.submits(), 0);
    assert_eq!(world.store_file(BYTES).await, cid());
    world.settle_down(cid(), 1).await;
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn bytes_that_were_wiped_are_fetched_for_a_repair() {
    let (source, _) = MemorySource::new("a provider").with_file(BYTES);
    let mut world = World::new();
    world.sources.push(Arc::new(source));
    let cid = world.store_file(BYTES).await;
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    world.blobs.remove(&cid).await.unwrap();
    world.step(EpochDelta::DAY).await;
    assert!(!world.blobs.has(&cid).await, "a satisfied job needs no bytes");
    world.terminate(DealId::new(100));
    world.advance(EpochDelta::DAY);
    world.pass().await;
    world.settle_down(cid, 2).await;
    assert!(world.blobs.has(&cid).await);
    assert_eq!(world.submits(), 3);
    let fetched = world.events.iter().filter(|e| matches!(e, Event::Fetched { .. })).count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn data_that_cannot_be_had_delays_no_other_data() {
    let (mut world, _) = without_bytes(vec![MemorySource::new("an empty one")]).await;
    let other = world.store_file(b"other bytes").await;
    world.register(other, terms(1)).await;
    world.settle_down(other, 1).await;
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn asking_for_what_nobody_has_tells_who_was_asked() {
    let (mut world, _) = without_bytes(vec![MemorySource::new("an empty one")]).await;
    let error = world.node().retrieve(&cid()).await.unwrap_err().to_string();
    assert!(error.contains("nobody could serve") && error.contains("an empty one"), "{error}");
}

#[tokio::test]
async fn a_directory_is_said_to_be_no_file_and_is_not_tried_at_every_look() {
    let directory =
        Cid::try_from("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354").unwrap();
    let mut world = World::new();
    let mut staging = world.blobs.stage(&directory).await.unwrap();
    // An empty UnixFS directory: a dag-pb node whose data says type 1.
    staging.put(directory, Bytes::from_static(&[0x0a, 2, 8, 1])).await.unwrap();
    staging.commit().await.unwrap();
    world.register(directory, terms(1)).await;
    for _ in 0..10 {
        world.step(EpochDelta::HOUR).await;
    }
    let orders = world.orders(&directory).await;
    assert_eq!(orders.len(), 1, "{orders:?}");
    let OrderState::Failed { reason, .. } = &orders[0].state else { panic!("{orders:?}") };
    assert!(reason.contains("is a directory"), "{reason}");
    assert_eq!(world.submits(), 0);
}
