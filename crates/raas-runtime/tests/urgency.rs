//! Which CID comes first where not all can be ordered for at once: decided over the whole pass.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_types::{Cid, EpochDelta};
use world::*;

/// As many CIDs, with a satisfied job of three replicas each.
async fn keeping(names: &[&'static [u8]]) -> (World, Vec<Cid>) {
    let mut world = World::new();
    let mut kept = Vec::new();
    for bytes in names {
        let cid = world.store_file(bytes).await;
        world.register(cid, terms(3)).await;
        world.settle_down(cid, 3).await;
        kept.push(cid);
    }
    (world, kept)
}

const SIX: &[&[u8]] = &[b"1", b"2", b"3", b"4", b"5", b"6"];

#[tokio::test(start_paused = true)]
async fn of_all_that_is_due_the_most_endangered_goes_first_whatever_batch_it_is_in() {
    let (mut world, kept) = keeping(SIX).await;
    // One CID a batch, one order at a time.
    (world.settings.batch, world.settings.orders_in_flight) = (1, 1);
    world.restart();
    // The last in the order of CIDs loses two replicas, the others one.
    let mut sorted = kept.clone();
    sorted.sort_unstable();
    for cid in &kept {
        let lost = if *cid == sorted[5] { 2 } else { 1 };
        for deal in world.lasting(cid).await.into_iter().take(lost) {
            world.terminate(deal);
        }
    }
    let ordered = world.submits();
    world.advance(EpochDelta::DAY);
    world.pass().await;
    world.advance(SOON);
    world.pass().await;
    assert_eq!(world.submits(), ordered + 1, "one at a time");
    assert_eq!(world.orders(&sorted[5]).await.len(), 4);
    // All of them come to be in the end.
    for _ in 0..12 {
        world.live(EpochDelta::HOUR).await;
    }
    for cid in &kept {
        assert_eq!(world.lasting(cid).await.len(), 3);
    }
    assert_eq!(world.submits(), ordered + 7);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_others_says_so() {
    let mut world = World::new();
    world.settings.orders_in_flight = 1;
    let mut jobs = Vec::new();
    for bytes in [&b"first"[..], b"second"] {
        let cid = world.store_file(bytes).await;
        jobs.push(world.register(cid, terms(1)).await);
    }
    world.advance(SOON);
    world.pass().await;
    assert_eq!(world.submits(), 1);
    let mut waiting = 0;
    for job in &jobs {
        waiting += usize::from(world.says(job, "this one waits").await);
    }
    assert_eq!(waiting, 1);
}
