//! The breaker: where more of the world seems to die at once than is plausible, nothing is ordered
//! until it has passed or an operator has looked.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_core::BreakerLimits;
use raas_lotus::FakeFault;
use raas_runtime::{AlertCode, Event};
use raas_types::{Cid, DealId, EpochDelta, VerdictKind};
use world::*;

/// CIDs with a satisfied job of three replicas each, and all their deals.
async fn keeping(cids: &'static [&'static [u8]]) -> (World, Vec<Cid>, Vec<DealId>) {
    let mut world = World::new();
    world.settings.breaker = BreakerLimits { fewest: 3, ..BreakerLimits::default() };
    let mut kept = Vec::new();
    for bytes in cids {
        let cid = world.store_file(bytes).await;
        world.register(cid, terms(3)).await;
        world.settle_down(cid, 3).await;
        kept.push(cid);
    }
    let mut deals = Vec::new();
    for cid in &kept {
        deals.extend(world.lasting(cid).await);
    }
    assert_eq!(deals.len(), 3 * cids.len());
    // All of them are seen once more, so that they are known to have been well.
    world.advance(EpochDelta::DAY);
    world.pass().await;
    (world, kept, deals)
}

const FOUR: &[&[u8]] = &[b"one", b"two", b"three", b"four"];

#[tokio::test(start_paused = true)]
async fn a_mass_loss_stops_spending_until_an_operator_has_looked() {
    let (mut world, _, deals) = keeping(FOUR).await;
    let submits = world.submits();
    for deal in &deals[..6] {
        world.terminate(*deal);
    }
    let stopped = world.live(EpochDelta::DAY).await;
    let told = |event: &Event| matches!(event, Event::SpendingStopped { .. });
    assert_eq!(stopped.events.iter().filter(|e| told(e)).count(), 1, "{:?}", stopped.events);
    assert_eq!(world.alerts(AlertCode::SpendingStopped).len(), 1);
    // Confirmed by many more looks; and the breaker is no less tripped after a restart.
    for _ in 0..5 {
        world.restart();
        world.live(SOON).await;
    }
    assert_eq!(world.submits(), submits, "nothing is ordered");
    assert_eq!(world.alerts(AlertCode::SpendingStopped).len(), 1);

    // His word holds for a node that has not made a pass yet, too.
    world.restart();
    world.node().resume_spending().await.unwrap();
    assert_eq!(world.alerts(AlertCode::SpendingStopped), []);
    for _ in 0..5 {
        world.live(SOON).await;
    }
    assert_eq!(world.submits(), submits + 6, "what was lost is made anew, once each");
}

#[tokio::test(start_paused = true)]
async fn a_mass_loss_behind_answers_that_failed_stops_spending_too() {
    let (mut world, kept, deals) = keeping(FOUR).await;
    let submits = world.submits();
    for deal in &deals[..6] {
        world.chain.fail(FakeFault::Deal(*deal));
    }
    world.live(EpochDelta::DAY).await;
    for cid in &kept {
        let verdicts = world.verdicts(cid).await;
        let failed = verdicts.iter().filter(|(deal, _)| deals[..6].contains(&DealId::new(**deal)));
        assert!(failed.into_iter().all(|(_, verdict)| *verdict == VerdictKind::Unknown));
    }
    for deal in &deals[..6] {
        world.terminate(*deal);
        world.chain.heal(FakeFault::Deal(*deal));
    }
    world.live(EpochDelta::HOUR).await;
    assert!(
        world.node().spending_stopped().is_some(),
        "they were proven when last they were known"
    );
    for _ in 0..5 {
        world.live(SOON).await;
    }
    assert_eq!(world.submits(), submits, "nothing is ordered");
}

#[tokio::test(start_paused = true)]
async fn losses_that_reverse_start_spending_again_by_themselves() {
    let (mut world, kept, deals) = keeping(FOUR).await;
    let submits = world.submits();
    for deal in &deals[..6] {
        world.fault(*deal);
    }
    world.live(EpochDelta::DAY).await;
    assert!(world.node().spending_stopped().is_some());
    for deal in &deals[..6] {
        world.recover(*deal);
    }
    let mut resumed = 0;
    for _ in 0..3 {
        let report = world.live(EpochDelta::HOUR).await;
        resumed += report.events.iter().filter(|e| **e == Event::SpendingResumed).count();
    }
    assert_eq!((resumed, world.node().spending_stopped()), (1, None));
    assert_eq!(world.submits(), submits);
    // What is lost later, alone, is repaired.
    world.terminate(deals[11]);
    for _ in 0..3 {
        world.live(EpochDelta::DAY).await;
    }
    assert_eq!(world.submits(), submits + 1);
    assert_eq!(world.lasting(&kept[3]).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_loss_among_few_replicas_is_no_mass_loss() {
    let (mut world, cid, _) = satisfied(1, 3).await;
    world.terminate(LOST);
    for _ in 0..3 {
        world.live(EpochDelta::DAY).await;
    }
    assert_eq!((world.node().spending_stopped(), world.submits()), (None, 4));
    assert_eq!(world.lasting(&cid).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn while_spending_is_stopped_the_job_says_why() {
    let (mut world, cid, job) = satisfied(1, 3).await;
    world.settings.breaker = BreakerLimits { fewest: 1, ..BreakerLimits::default() };
    world.restart();
    world.looks(2).await;
    world.terminate(LOST);
    world.looks(3).await;
    assert_eq!(world.submits(), 3);
    assert!(world.says(&job, "replicas that were proven before seem lost").await);
    assert_eq!(world.orders(&cid).await.len(), 3);
}
