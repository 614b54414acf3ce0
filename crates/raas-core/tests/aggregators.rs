//! Whom an order goes to, and when an aggregator that brings nothing is left alone.

mod world;

use raas_core::{AggregatorView, FRUITLESS_LIMIT, RETRY_DELAY_MAX, Reason, Step, explain, plan};
use raas_types::{Cause, EpochDelta, Order, OrderState, ProviderId, Replication, Terms, Verdict};
use world::*;

#[test]
fn an_aggregator_without_order_ids_gets_one_order_at_a_time() {
    let mut world = seen(vec![]);
    world.aggregators = vec![lighthouse()];
    let first = plan(&job(3), &world);
    assert_eq!(ordered(&first).len(), 1);
    assert!(first.reasons.iter().any(|r| matches!(r, Reason::Busy { .. })));
    assert_eq!(causes(&job(3), &after_ordering(&world, &first)), []);
}

#[test]
fn an_order_that_another_of_several_copies_makes_needless_is_left_out() {
    let mut world = seen(vec![]);
    let double = AggregatorView { copies: 2, ..keyed() };
    world.aggregators = vec![lighthouse(), double];
    let by = |target| {
        let plan = plan(&job(target), &world);
        let name = |step: &Step| match step {
            Step::Order { aggregator, .. } => aggregator.to_string(),
            other => panic!("{other:?}"),
        };
        plan.steps.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(by(1), ["lighthouse"]);
    assert_eq!(by(2), ["keyed"], "one and two would be three");
    assert_eq!(by(3), ["lighthouse", "keyed"]);
    assert_eq!(by(4), ["keyed", "keyed"]);
    assert_eq!(by(5), ["lighthouse", "keyed", "keyed"]);
}

#[test]
fn an_order_of_several_copies_fills_several_slots() {
    let mut world = seen(vec![]);
    world.aggregators[0].copies = 2;
    assert_eq!(causes(&job(3), &world).len(), 2, "two orders of two copies for three slots");
}

#[test]
fn an_aggregator_that_cannot_be_reached_is_left_alone_until_it_may_be() {
    let until = NOW + EpochDelta::HOUR;
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![AggregatorView { unavailable_until: Some(until), ..keyed() }];
    let waiting = plan(&job(2), &world);
    assert_eq!((waiting.steps.as_slice(), waiting.next_look), ([].as_slice(), until));
    let words = explain(&waiting).join("\n");
    let said = format!("keyed could not be reached; it is asked again at epoch {until}");
    assert!(words.contains(&said), "{words}");
    world.at = until;
    assert_eq!(causes(&job(2), &world), [Cause::Replication]);
}

#[test]
fn while_one_aggregator_cannot_be_reached_another_is_asked() {
    let until = Some(NOW + EpochDelta::HOUR);
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![AggregatorView { unavailable_until: until, ..keyed() }, lighthouse()];
    let plan = plan(&job(2), &world);
    let asked =
        |s: &Step| matches!(s, Step::Order { aggregator, .. } if *aggregator == lighthouse().name);
    assert!(plan.steps.len() == 1 && plan.steps.iter().all(asked), "{:?}", plan.steps);
}

#[test]
fn an_aggregator_that_is_left_alone_for_longer_says_so_although_it_cannot_be_reached() {
    let mut world = seen(vec![active(1)]);
    let until = NOW + EpochDelta::HOUR;
    world.aggregators = vec![AggregatorView { unavailable_until: Some(until), ..keyed() }];
    let state = OrderState::Failed { reason: "no deal came of it".to_owned(), at: NOW };
    world.orders = vec![Order { state, ..order(1, Cause::Replication, &keyed()) }];
    let plan = plan(&job(2), &world);
    let pausing = |r: &Reason| matches!(r, Reason::BackingOff { .. });
    let unreached = |r: &Reason| matches!(r, Reason::Unreachable { .. });
    assert!(plan.reasons.iter().any(pausing) && !plan.reasons.iter().any(unreached));
}

#[test]
fn fruitless_orders_make_the_target_unreachable_and_pause_ever_longer() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    let fail = |n, at| {
        let state = OrderState::Failed { reason: "no deal came of it".to_owned(), at };
        Order { state, ..order(n, Cause::Replication, &lighthouse()) }
    };
    world.orders = vec![fail(1, NOW - EpochDelta::DAY)];
    assert_eq!(causes(&job(3), &world).len(), 1, "tried again after a day");
    world.orders.push(fail(2, NOW - EpochDelta::DAY));
    let plan = plan(&job(3), &world);
    assert_eq!(plan.steps, [], "after two in vain the pause is two days");
    assert!(plan.reasons.contains(&Reason::TargetUnreachable { have: 1, target: 3 }));
    let words = explain(&plan).join("\n");
    assert!(words.contains("target unreachable: 1 of 3"), "{words}");
}

#[test]
fn a_deal_that_landed_on_a_held_provider_counts_as_fruitless() {
    let mut twin = active(2);
    twin.provider = ProviderId::new(1001);
    let mut world = seen(vec![active(1), twin.clone()]);
    world.aggregators = vec![lighthouse()];
    let state = OrderState::Landed { deal: twin.deal, provider: twin.provider, at: NOW };
    world.orders = vec![Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    let plan = plan(&job(2), &world);
    assert_eq!(plan.steps, []);
    let pausing = |r: &Reason| matches!(r, Reason::BackingOff { fruitless: 1, .. });
    assert!(plan.reasons.iter().any(pausing), "{:?}", plan.reasons);
}

#[test]
fn a_later_deal_on_a_held_provider_is_fruitless_although_it_lasts_longer() {
    let mut twin = replica(2, active_until(NOW + DURATION + EpochDelta::DAY));
    twin.provider = ProviderId::new(1001);
    let mut world = seen(vec![active(1), twin.clone()]);
    world.aggregators = vec![lighthouse()];
    let state = OrderState::Landed { deal: twin.deal, provider: twin.provider, at: NOW };
    world.orders = vec![Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    assert_eq!(causes(&job(2), &world), [], "it waits before it asks again");
}

#[test]
fn a_deal_that_was_never_activated_is_fruitless() {
    let mut world = seen(vec![active(1), replica(2, Verdict::StartMissed)]);
    world.aggregators = vec![lighthouse()];
    let missed = world.replicas[1].clone();
    let state = OrderState::Landed { deal: missed.deal, provider: missed.provider, at: NOW };
    world.orders = vec![Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    assert_eq!(causes(&job(2), &world), [], "it waits before it asks again");
}

#[test]
fn an_aggregator_that_tells_orders_apart_gets_as_many_as_are_missing() {
    assert_eq!(causes(&job(3), &seen(vec![])), [Cause::Replication; 3]);
    let mut world = seen(vec![]);
    world.aggregators = vec![lighthouse(), keyed()];
    let plan = plan(&job(3), &world);
    let to: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Order { aggregator, .. } => Some(aggregator.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(to, ["lighthouse", "keyed", "keyed"], "the best first, until it is busy");
}

#[test]
fn an_outstanding_order_of_another_aggregator_keeps_nobody_busy() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    world.orders = vec![order(1, Cause::Replication, &keyed())];
    assert_eq!(causes(&job(3), &world), [Cause::Replication]);
}

#[test]
fn without_any_aggregator_that_is_said() {
    let mut world = seen(vec![active(1)]);
    world.aggregators.clear();
    let plan = plan(&job(2), &world);
    assert_eq!(plan.steps, []);
    assert!(plan.reasons.contains(&Reason::NoAggregator));
    assert!(!plan.reasons.iter().any(|r| matches!(r, Reason::TargetUnreachable { .. })));
}

#[test]
fn the_pause_doubles_from_the_latency_a_day_at_least_up_to_half_a_year() {
    let pause = |fruitless: u64, latency: EpochDelta| {
        let mut world = seen(vec![active(1)]);
        world.aggregators[0].latency = latency;
        world.orders = (0..fruitless).map(|n| failed(n, NOW)).collect();
        let retry_at = plan(&job(2), &world).reasons.iter().find_map(|reason| match reason {
            Reason::BackingOff { retry_at, fruitless: n, .. } => {
                assert_eq!(u64::from(*n), fruitless);
                Some(*retry_at)
            }
            _ => None,
        });
        retry_at.expect("a pause").since(NOW)
    };
    let day = EpochDelta::DAY;
    assert_eq!([1, 2, 3, 4].map(|n| pause(n, day)), [1, 2, 4, 8].map(EpochDelta::days));
    assert_eq!(pause(2, EpochDelta::days(3)), EpochDelta::days(6));
    assert_eq!(pause(1, EpochDelta::ZERO), day);
    assert_eq!([8, 9, 90].map(|n| pause(n, day)), [128, 180, 180].map(EpochDelta::days));
    assert_eq!(RETRY_DELAY_MAX, EpochDelta::days(180));
    assert_eq!(pause(22, EpochDelta::new(i64::MAX)), RETRY_DELAY_MAX);
}

#[test]
fn a_pause_counts_from_the_last_order_in_vain_and_ends_to_the_epoch() {
    let mut world = seen(vec![active(1)]);
    // The later order was given up earlier.
    world.orders = vec![failed(1, NOW), failed(2, NOW - EpochDelta::DAY)];
    let at = |span| {
        let world = raas_core::Observation { at: NOW + EpochDelta::new(span), ..world.clone() };
        causes(&job(2), &world).len()
    };
    assert_eq!((at(2 * 2_880 - 1), at(2 * 2_880)), (0, 1));
}

#[test]
fn an_order_that_brought_something_ends_the_row_and_one_under_way_does_not() {
    let long_ago = NOW - EpochDelta::YEAR;
    let unreachable = |orders: Vec<Order>| {
        let mut world = seen(vec![active(1)]);
        world.orders = orders;
        let plan = plan(&job(3), &world);
        plan.reasons.iter().any(|r| matches!(r, Reason::TargetUnreachable { .. }))
    };
    let in_vain = || vec![failed(7, long_ago), failed(8, long_ago)];
    let with = |last: Order| in_vain().into_iter().chain([last]).collect::<Vec<_>>();
    assert_eq!(FRUITLESS_LIMIT, 2);
    assert!(unreachable(in_vain()) && !unreachable(in_vain()[..1].to_vec()));
    assert!(!unreachable(with(landed(1, long_ago))), "it brought deal 1");
    let withdrawn = OrderState::Withdrawn { at: long_ago };
    assert!(unreachable(with(Order { state: withdrawn, ..landed(1, long_ago) })));
    assert!(unreachable(with(order(9, Cause::Replication, &keyed()))));
}

#[test]
fn an_aggregator_whose_deals_would_just_fit_is_not_said_to_make_too_many() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![failed(1, NOW)];
    let tight = Terms { replication: Some(Replication { target: 2, min: 2, max: 2 }), ..terms(2) };
    let plan = plan(&[job_with("job", tight)], &world);
    assert!(plan.reasons.iter().any(|r| matches!(r, Reason::BackingOff { .. })));
}

#[test]
fn a_target_is_unreachable_only_when_every_aggregator_was_tried_in_vain() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![failed(1, NOW), failed(2, NOW)];
    let is_said = |world: &raas_core::Observation| {
        let plan = plan(&job(3), world);
        plan.reasons.contains(&Reason::TargetUnreachable { have: 1, target: 3 })
    };
    assert!(is_said(&world));
    world.aggregators.push(lighthouse());
    assert!(!is_said(&world), "another one was not tried yet");
    assert_eq!(causes(&job(3), &world).len(), 1);
}
