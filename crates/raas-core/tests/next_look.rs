//! When a CID is looked at again: when something can change by itself, and at the latest after a
//! proving period.

mod world;

use raas_core::{
    AggregatorView, CONFIRMATION, DataView, MAX_AGE, ORDER_POLL, Observation, Replica, plan,
};
use raas_types::{Cause, ChainEpoch, EpochDelta, FaultSince, Renewal, Terms, Verdict};
use world::*;

/// In how many epochs a job for `target` replicas is looked at again.
fn next(target: u32, world: &Observation) -> i64 {
    plan(&job(target), world).next_look.since(world.at).get()
}

/// Of a CID that takes more than a glance: an unproven deal that does not count sees to that.
fn next_in_full(replica: Replica) -> i64 {
    let stranger = Replica { proven: false, ..active(99) };
    next(1, &seen(vec![replica, stranger]))
}

fn in_epochs(span: i64) -> ChainEpoch {
    NOW + EpochDelta::new(span)
}

#[test]
fn where_nothing_can_change_it_is_after_a_proving_period() {
    assert_eq!(MAX_AGE, EpochDelta::PROVING_PERIOD);
    assert_eq!(next(1, &seen(vec![active(1)])), 2_880);
    assert_eq!(next_in_full(active(1)), 2_880);
    let mut world = seen(vec![]);
    world.aggregators.clear();
    assert_eq!(next(1, &world), 2_880, "nobody takes orders");
}

#[test]
fn a_deal_is_looked_at_when_its_window_begins_when_half_of_it_is_over_and_when_it_ends() {
    let world = |left: EpochDelta| {
        let mut world = seen(vec![ending(1, left)]);
        // So that it is not renewed at once.
        world.aggregators[0].unavailable_until = Some(in_epochs(100_000));
        world
    };
    let left = |epochs| next(1, &world(EpochDelta::new(epochs)));
    assert_eq!(left(86_400 + 7), 7, "30 days");
    assert_eq!(left(43_200 + 8), 8, "15 days");
    assert_eq!(left(9), 9);
    let unrenewed = |left: i64| {
        let jobs = [job_with("job", Terms { renewal: None, ..terms(1) })];
        plan(&jobs, &world(EpochDelta::new(left))).next_look
    };
    assert_eq!(unrenewed(10), in_epochs(10));
}

#[test]
fn a_replica_is_looked_at_when_its_verdict_grows_stale() {
    let read = |replica: Replica, span| {
        next_in_full(Replica { next_read: Some(in_epochs(span)), ..replica })
    };
    for (next_read, expected) in [(77, 77), (1, 1), (0, 2_880), (-9, 2_880), (5_000, 2_880)] {
        assert_eq!(read(active(1), next_read), expected);
    }
    let since = FaultSince::Exact(NOW - EpochDelta::new(10));
    let unproven = || replica(1, Verdict::Faulty { since, end: NOW + DURATION });
    for (next_read, expected) in [(77, 77), (1, 1), (0, 2_870), (-9, 2_870)] {
        assert_eq!(read(unproven(), next_read), expected, "or when it is to be repaired");
    }
}

#[test]
fn a_deal_that_is_sealing_is_looked_at_soon_and_right_after_its_start() {
    let pending = |start| next_in_full(replica(1, Verdict::Pending { start: in_epochs(start) }));
    assert_eq!(pending(9_999), ORDER_POLL.get());
    assert_eq!(pending(30), 31);
    assert_eq!(pending(59), 60);
}

#[test]
fn what_is_not_known_or_under_way_is_looked_at_after_a_deadline() {
    assert_eq!(ORDER_POLL, EpochDelta::DEADLINE);
    assert_eq!(next(1, &seen(vec![unknown(1)])), 60);
    let mut world = seen(vec![active(1)]);
    world.orders = vec![order(1, Cause::Replication, &keyed())];
    assert_eq!(next(2, &world), 60);
    world.orders.clear();
    world.missing_evidence = vec!["the contract".to_owned()];
    assert_eq!(next(2, &world), 60);
}

#[test]
fn a_loss_is_looked_at_again_when_a_second_look_would_confirm_it() {
    let lost = Replica { confirmed: false, ..replica(2, Verdict::Terminated) };
    assert_eq!(next(2, &seen(vec![active(1), lost])), CONFIRMATION.get());
}

#[test]
fn an_order_and_a_fetch_are_followed_up_at_the_next_tipset() {
    let mut world = seen(vec![active(1)]);
    assert_eq!(next(2, &world), 1);
    world.data = DataView::Elsewhere;
    assert_eq!(next(2, &world), 1);
    world.data = DataView::Missing { tried: vec![], retry_at: in_epochs(55) };
    assert_eq!(next(2, &world), 55);
}

#[test]
fn an_aggregator_that_pauses_is_asked_when_its_pause_is_over() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![failed(1, NOW - EpochDelta::new(2_000))];
    assert_eq!(next(2, &world), 880);
    world.orders.clear();
    world.aggregators = vec![AggregatorView { unavailable_until: Some(in_epochs(44)), ..keyed() }];
    assert_eq!(next(2, &world), 44);
}

#[test]
fn it_is_never_at_once_nor_beyond_the_end_of_time() {
    let soon = [job_with("job", Terms { renewal: Some(Renewal { threshold: MONTH }), ..terms(1) })];
    let end_of_time = Observation { at: ChainEpoch::new(i64::MAX), ..seen(vec![active(1)]) };
    assert_eq!(plan(&soon, &end_of_time).next_look, ChainEpoch::new(i64::MAX));
    let ended = Replica { confirmed: false, ..ending(1, EpochDelta::ZERO) };
    assert!(next_in_full(ended) >= 1);
}
