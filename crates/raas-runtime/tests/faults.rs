//! Faults: counted from the first missed proof, or from when the sector was last seen healthy; spent
//! upon at the epoch of the threshold, after a second look; and forgotten when it recovers.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_lotus::FakeFault;
use raas_types::{
    Cause, ChainEpoch, Cid, EpochDelta, FaultSince, SectorHealth, SectorStatus, Verdict,
    VerdictKind,
};
use world::*;

const EPOCH: EpochDelta = EpochDelta::new(1);

/// As far as the final tipset trails the fake's head.
const FINALITY: EpochDelta = EpochDelta::new(30);

/// The provider of the deal that is lost says so of its sector from now on.
fn set_sector(world: &World, status: SectorStatus) {
    world.chain.set_sector(world.sector(LOST), Some(status));
}

/// The sector is faulty; `exact` says whether the endpoint can tell since when. Returns the epoch from
/// which the threshold counts: now, or else when the sector was last seen healthy.
async fn miss(world: &World, cid: &Cid, exact: bool) -> ChainEpoch {
    let first_missed = exact.then(|| world.now());
    set_sector(world, SectorStatus { first_missed, ..healthy(SectorHealth::Faulty) });
    let (last, evidence) = world.last(cid, LOST).await;
    assert_eq!(last.kind(), VerdictKind::Active);
    first_missed.unwrap_or(evidence.epoch)
}

/// The node passes once an hour until a fault's threshold of a day is almost over.
async fn pass_until_near_the_threshold(world: &mut World, cid: &Cid, since: ChainEpoch) {
    while world.pinned() + EpochDelta::HOUR.times(2) < since + EpochDelta::DAY {
        world.advance(EpochDelta::HOUR);
        world.pass().await;
        assert_eq!(world.submits(), 3, "the threshold is not over");
    }
    let Verdict::Faulty { since: dated, .. } = world.last(cid, LOST).await.0 else {
        panic!("it is seen to be faulty")
    };
    assert_eq!(dated.epoch(), since);
}

/// A deal that is faulty since the epoch returned; the threshold of a day is almost over.
async fn near_the_threshold(exact: bool) -> (World, Cid, ChainEpoch) {
    let (mut world, cid, _) = satisfied(1, 3).await;
    world.prove(LOST, EpochDelta::DAY.get() + 300);
    world.advance(EpochDelta::DAY);
    world.pass().await;
    let since = miss(&world, &cid, exact).await;
    pass_until_near_the_threshold(&mut world, &cid, since).await;
    (world, cid, since)
}

/// Passes at that very pin, which is not yet reached.
async fn pinned_at(world: &mut World, pin: ChainEpoch) {
    world.advance((pin + FINALITY).since(world.now()));
    assert_eq!(world.pass().await.epoch, Some(pin));
}

#[tokio::test]
async fn a_fault_is_repaired_at_the_very_epoch_of_the_threshold_and_not_before() {
    for exact in [true, false] {
        let (mut world, cid, since) = near_the_threshold(exact).await;
        let expected = if exact { FaultSince::Exact(since) } else { FaultSince::Observed(since) };
        let (verdict, _) = world.last(&cid, LOST).await;
        assert_eq!(verdict, Verdict::Faulty { since: expected, end: world.end_of(LOST) });
        pinned_at(&mut world, since + EpochDelta::DAY - EPOCH).await;
        assert_eq!(world.submits(), 3, "one epoch before");
        pinned_at(&mut world, since + EpochDelta::DAY).await;
        assert_eq!(world.submits(), 4, "dated exactly: {exact}");
        let cause = world.orders(&cid).await.last().unwrap().cause;
        assert_eq!(cause, Cause::Repair { deal: LOST });
    }
}

#[tokio::test]
async fn a_fault_is_repaired_in_the_first_pass_after_the_threshold() {
    for exact in [true, false] {
        let (mut world, _, since) = near_the_threshold(exact).await;
        pinned_at(&mut world, since + EpochDelta::DAY + EPOCH).await;
        assert_eq!(world.submits(), 4, "dated exactly: {exact}");
    }
}

#[tokio::test]
async fn a_fault_that_was_slept_through_is_repaired_60_epochs_after_it_is_first_seen() {
    let (mut world, cid, _) = satisfied(1, 3).await;
    world.fault(LOST);
    world.advance(EpochDelta::days(3));
    world.pass().await;
    let first = world.last(&cid, LOST).await.1.epoch;
    // What cannot be read in between neither confirms nor refutes.
    world.chain.fail(FakeFault::Deal(LOST));
    pinned_at(&mut world, first + EpochDelta::new(30)).await;
    world.chain.heal(FakeFault::Deal(LOST));
    pinned_at(&mut world, first + EpochDelta::new(59)).await;
    assert_eq!(world.submits(), 3, "59 epochs are not 60");
    pinned_at(&mut world, first + EpochDelta::new(60)).await;
    assert_eq!(world.submits(), 4);
}

#[tokio::test]
async fn a_recovery_resets_the_threshold() {
    for exact in [true, false] {
        let (mut world, cid, first) = near_the_threshold(exact).await;
        world.prove(LOST, 200);
        world.advance(EpochDelta::HOUR);
        world.pass().await;
        let since = miss(&world, &cid, exact).await;
        assert!(since > first);
        pass_until_near_the_threshold(&mut world, &cid, since).await;
        assert!(world.pinned() > first + EpochDelta::DAY, "the first fault does not count");
        pinned_at(&mut world, since + EpochDelta::DAY - EPOCH).await;
        assert_eq!(world.submits(), 3, "one epoch before");
        pinned_at(&mut world, since + EpochDelta::DAY).await;
        assert_eq!(world.submits(), 4, "dated exactly: {exact}");
    }
}

#[tokio::test]
async fn a_recovery_between_two_looks_at_a_loss_has_it_looked_at_twice_again() {
    let (mut world, cid, _) = satisfied(1, 3).await;
    // Said to be dead, which is spent upon whatever the threshold.
    set_sector(&world, healthy(SectorHealth::Dead));
    world.advance(EpochDelta::DAY);
    world.pass().await;
    let first = world.last(&cid, LOST).await.1.epoch;
    world.prove(LOST, 50);
    pinned_at(&mut world, first + EpochDelta::new(60)).await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
    set_sector(&world, healthy(SectorHealth::Dead));
    pinned_at(&mut world, first + EpochDelta::new(120)).await;
    let (verdict, evidence) = world.last(&cid, LOST).await;
    assert_eq!((verdict.kind(), world.submits()), (VerdictKind::Terminated, 3));
    let second = evidence.epoch;
    pinned_at(&mut world, second + EpochDelta::new(59)).await;
    assert_eq!(world.submits(), 3, "seen once since it recovered");
    pinned_at(&mut world, second + EpochDelta::new(60)).await;
    assert_eq!(world.submits(), 4);
}
