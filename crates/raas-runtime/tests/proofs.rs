//! Proofs that are missed on a chain with deadlines, as a node sees them pass by pass: a fault is a
//! verdict in the first pass whose pin is past the deadline's close, is spent upon after a second look
//! at the epoch of the threshold, and is forgotten when the sector recovers.
//!
//! A real node, a real adapter and a real socket, against a node of every kind. All sectors lie in
//! deadline 42, which with a period from 6 300 000 on is open from 6 302 520 to 6 302 579, as on every
//! day before and after.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod hostile_world;

use devnet_world::KINDS;
use hostile_world::{FIRST, SECOND, World, terms};
use raas_devnet::{DevnetConfig, NodeKind, ProviderAction};
use raas_types::{ChainEpoch, DealId, EpochDelta, FaultSince, Repair, Terms, Verdict, VerdictKind};

/// Where every provider's proving period begins.
const P: ChainEpoch = ChainEpoch::new(6_300_000);
const DEADLINE: u64 = 42;
/// The last epoch of the first deadline that is not proven.
const F: ChainEpoch = ChainEpoch::new(6_302_579);
/// From then on it is closed.
const CLOSE: ChainEpoch = ChainEpoch::new(6_302_580);

const EPOCH: EpochDelta = EpochDelta::new(1);
const DAY: EpochDelta = EpochDelta::DAY;
/// Longer than a day, so that it is over later than a second look where a fault is dated by when the
/// sector was last seen healthy.
const TWO_DAYS: EpochDelta = EpochDelta::days(2);

fn repaired_after(threshold: EpochDelta) -> Terms {
    Terms { repair: Some(Repair { threshold }), ..terms() }
}

/// Three deals that were all proven, on a node of this kind, at 6 300 000 or a little
/// later.
async fn proven(kind: NodeKind, threshold: EpochDelta, with: fn(&mut DevnetConfig)) -> World {
    let mut world = World::new(&[kind], repaired_after(threshold), |config| {
        // Time for the deals to be made, and for a deadline of 6 299 640 to be proven.
        config.start_epoch = ChainEpoch::new(6_296_990);
        config.period_start = Some(P.get());
        config.null_every = 0;
        with(config);
    })
    .await;
    world.deadline = Some(DEADLINE);
    world.fill().await;
    let mut pinned = None;
    while pinned < Some(P) {
        world.advance(EpochDelta::DEADLINE).await;
        pinned = world.pass().await.epoch;
    }
    assert_eq!(world.kinds().await, [VerdictKind::Active; 3]);
    assert_eq!(world.orders(), 3);
    world
}

/// Epochs pass until that very one is final, and the node makes a pass there.
async fn pinned_at(world: &mut World, pin: ChainEpoch) {
    while world.devnet.head().finalized < pin {
        world.advance(pin.since(world.devnet.head().finalized).max(EPOCH)).await;
    }
    let report = world.pass().await;
    assert_eq!((report.gated, report.epoch), (None, Some(pin)));
}

/// The same, with a pass every few hours on the way.
async fn living_until(world: &mut World, pin: ChainEpoch) {
    while world.devnet.head().finalized + EpochDelta::HOUR.times(6) < pin {
        world.advance(EpochDelta::HOUR.times(5)).await;
        world.pass().await;
    }
    pinned_at(world, pin).await;
}

/// The provider of that deal does so with all its sectors, of which there is one.
fn provider_does(world: &World, deal: DealId, action: ProviderAction) {
    let provider = world.truth(deal).provider.parse().unwrap();
    world.devnet.control_provider(provider, action).unwrap();
}

/// The epoch from which the deal's fault counts, dated as an endpoint of this kind can; `None` while
/// the deal is active.
async fn fault(world: &World, deal: DealId, kind: NodeKind) -> Option<ChainEpoch> {
    let end = ChainEpoch::new(world.truth(deal).end);
    match (world.verdict(deal).await, kind) {
        (Verdict::Active { .. }, _) => None,
        (
            Verdict::Faulty { since: FaultSince::Exact(since), end: told },
            NodeKind::Lotus | NodeKind::Forest,
        )
        | (Verdict::Faulty { since: FaultSince::Observed(since), end: told }, NodeKind::Gateway) => {
            assert_eq!(told, end);
            Some(since)
        }
        (other, _) => panic!("deal {deal} is {other:?} on a {kind:?}"),
    }
}

/// The deal's sector is not proven any more, and passes go on until that was seen at `close`, the first
/// epoch at which the chain shows it. Returns the epoch from which the fault counts: the last of the
/// deadline, or that of the last healthy reading where the endpoint cannot tell.
async fn misses(world: &mut World, kind: NodeKind, close: ChainEpoch) -> ChainEpoch {
    provider_does(world, SECOND, ProviderAction::Fault);
    living_until(world, close - EPOCH).await;
    assert_eq!(fault(world, SECOND, kind).await, None, "its deadline is open");
    let seen_healthy = world.evidence(SECOND).await.epoch;
    pinned_at(world, close).await;
    let since = fault(world, SECOND, kind).await.expect("its deadline is closed");
    let expected = if kind == NodeKind::Gateway { seen_healthy } else { close - EPOCH };
    assert_eq!(since, expected, "{kind:?}");
    assert_eq!(fault(world, FIRST, kind).await, None, "another provider's proof was made");
    since
}

#[tokio::test]
async fn a_fault_is_a_verdict_in_the_first_pass_past_its_deadlines_close_and_spent_upon_in_the_second()
 {
    for kind in KINDS {
        // Over at the first look already.
        let mut world = proven(kind, EPOCH, |_| {}).await;
        misses(&mut world, kind, CLOSE).await;
        assert_eq!(world.orders(), 3, "{kind:?}: once seen is not enough");
        pinned_at(&mut world, CLOSE + EpochDelta::new(59)).await;
        assert_eq!(world.orders(), 3, "{kind:?}: 59 epochs are not 60");
        pinned_at(&mut world, CLOSE + EpochDelta::new(60)).await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
        world.fill().await;
        assert_eq!(world.orders(), 4, "{kind:?}: one repair for one fault");
    }
}

/// Cron for the deadline's last epoch runs in the tipset above the null round, and shows in the one
/// above that.
#[tokio::test]
async fn where_the_deadlines_last_round_is_null_the_first_pass_that_can_see_the_fault_judges_it() {
    for kind in KINDS {
        // With this seed and one null round in twenty, 6 302 579 is null; its neighbours are not.
        let null_close = |config: &mut DevnetConfig| (config.seed, config.null_every) = (15, 20);
        let mut world = proven(kind, EpochDelta::DEADLINE, null_close).await;
        provider_does(&world, SECOND, ProviderAction::Fault);
        for (pin, is_faulty) in [(F - EPOCH, false), (CLOSE, false), (CLOSE + EPOCH, true)] {
            // Not through living_until: a round on the way may be null.
            while world.devnet.head().finalized < pin {
                world.advance(EPOCH).await;
            }
            let report = world.pass().await;
            assert_eq!((report.gated, report.epoch), (None, Some(pin)), "{kind:?}");
            let since = fault(&world, SECOND, kind).await;
            assert_eq!(since.is_some(), is_faulty, "{kind:?} at {pin}");
            if kind != NodeKind::Gateway {
                assert!(since.is_none_or(|since| since == F), "{kind:?}: {since:?}");
            }
        }
        assert_eq!(world.orders(), 3, "{kind:?}");
    }
}

#[tokio::test]
async fn a_fault_is_repaired_at_the_very_epoch_of_the_threshold_and_not_one_before() {
    for kind in KINDS {
        let mut world = proven(kind, TWO_DAYS, |_| {}).await;
        let since = misses(&mut world, kind, CLOSE).await;
        living_until(&mut world, since + TWO_DAYS - EPOCH).await;
        assert_eq!(world.orders(), 3, "{kind:?}: one epoch before");
        assert_eq!(fault(&world, SECOND, kind).await, Some(since), "{kind:?}: it stays dated");
        pinned_at(&mut world, since + TWO_DAYS).await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
    }
}

#[tokio::test]
async fn a_fault_is_repaired_in_the_first_pass_after_the_threshold() {
    for kind in KINDS {
        let mut world = proven(kind, TWO_DAYS, |_| {}).await;
        let since = misses(&mut world, kind, CLOSE).await;
        living_until(&mut world, since + TWO_DAYS - EpochDelta::HOUR).await;
        assert_eq!(world.orders(), 3, "{kind:?}");
        pinned_at(&mut world, since + TWO_DAYS + EPOCH).await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
    }
}

#[tokio::test]
async fn a_recovery_resets_the_threshold() {
    for kind in KINDS {
        let mut world = proven(kind, TWO_DAYS, |_| {}).await;
        let first = misses(&mut world, kind, CLOSE).await;
        // Declared recovered, and proven the next time, ten epochs into the deadline.
        provider_does(&world, SECOND, ProviderAction::Recover);
        let proven = CLOSE + DAY - EpochDelta::new(50);
        living_until(&mut world, proven).await;
        assert_eq!(fault(&world, SECOND, kind).await, Some(first), "declared is not proven");
        pinned_at(&mut world, CLOSE + DAY).await;
        assert_eq!(fault(&world, SECOND, kind).await, None, "{kind:?}");
        let over = (first + TWO_DAYS).max(CLOSE + DAY);
        for pin in [over, over + EPOCH] {
            living_until(&mut world, pin).await;
            assert_eq!(world.orders(), 3, "{kind:?}: nothing is left of the first fault");
        }

        living_until(&mut world, CLOSE + TWO_DAYS + EpochDelta::HOUR).await;
        let second = misses(&mut world, kind, CLOSE + DAY.times(3)).await;
        assert!(second > first);
        living_until(&mut world, second + TWO_DAYS - EPOCH).await;
        assert_eq!(world.orders(), 3, "{kind:?}: one epoch before");
        pinned_at(&mut world, second + TWO_DAYS).await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
    }
}

/// The sector was read when its deadline had closed, and was active then; a dispute that is lost after
/// that dates the fault from before the reading.
#[tokio::test]
async fn a_proof_that_lost_a_dispute_counts_as_missed_though_the_sector_was_seen_active_since() {
    for kind in KINDS {
        let mut world = proven(kind, DAY, |_| {}).await;
        living_until(&mut world, CLOSE).await;
        assert_eq!(fault(&world, SECOND, kind).await, None);
        assert_eq!(world.evidence(SECOND).await.epoch, CLOSE, "{kind:?}: it was read");
        let truth = world.truth(SECOND);
        let provider = truth.provider.parse().unwrap();
        world.devnet.lose_dispute(provider, truth.sector.unwrap()).unwrap();

        living_until(&mut world, CLOSE + DAY - EPOCH).await;
        assert_eq!(world.orders(), 3, "{kind:?}: a sector is read when its deadline has closed");
        pinned_at(&mut world, CLOSE + DAY).await;
        let since = fault(&world, SECOND, kind).await.expect("its deadline is closed");
        assert_eq!(since, if kind == NodeKind::Gateway { CLOSE } else { F }, "{kind:?}");
        pinned_at(&mut world, CLOSE + DAY + EpochDelta::DEADLINE).await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
    }
}
