//! What may be spent in a day: deals ordered and bytes handed over.

mod world;

use raas_core::{AggregatorView, JobView, Observation, Reason, explain, plan};
use raas_types::{Budget, Cause, ChainEpoch, EpochDelta, Order, OrderState, Replication, Terms};
use world::*;

const MIB: u64 = 1 << 20;

fn deals(per_day: u32) -> Budget {
    Budget { deals_per_day: Some(per_day), bytes_per_day: None }
}

fn bytes(per_day: u64) -> Budget {
    Budget { deals_per_day: None, bytes_per_day: Some(per_day) }
}

fn with_budget(target: u32, budget: Budget) -> Vec<JobView> {
    vec![job_with("job", Terms { budget, ..terms(target) })]
}

/// An order that landed deal `n` at `at` and took so many bytes.
fn took(n: u64, at: ChainEpoch, bytes: u64) -> Order {
    Order { bytes: Some(bytes), ..landed(n, at) }
}

fn orders(jobs: &[JobView], world: &Observation) -> usize {
    causes(jobs, world).len()
}

fn after(world: &Observation, span: EpochDelta) -> Observation {
    Observation { at: world.at + span, ..world.clone() }
}

#[test]
fn no_more_deals_are_ordered_in_a_day_than_the_budget_allows() {
    let jobs = with_budget(5, deals(2));
    let world = seen(vec![]);
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [Cause::Replication; 2]);
    let again_at = NOW + EpochDelta::DAY;
    let spent = Reason::DealsSpent { ordered: 2, per_day: 2, again_at };
    assert!(first.reasons.contains(&spent), "{:?}", first.reasons);

    let later = after_ordering(&world, &first);
    assert_eq!(orders(&jobs, &later), 0);
    let said = format!(
        "2 deals were ordered within a day, where the budget allows 2: more from epoch {again_at}"
    );
    assert!(explain(&plan(&jobs, &later)).join("\n").contains(&said));
    assert_eq!(orders(&jobs, &after(&later, EpochDelta::new(2_879))), 0);
    assert_eq!(orders(&jobs, &after(&later, EpochDelta::DAY)), 2);
}

#[test]
fn a_budget_that_suffices_says_nothing() {
    let plan = plan(&with_budget(2, deals(2)), &seen(vec![]));
    assert_eq!(ordered(&plan).len(), 2);
    assert!(!plan.reasons.iter().any(|r| matches!(r, Reason::DealsSpent { .. })));
}

#[test]
fn the_look_after_a_spent_budget_is_when_there_is_more() {
    let jobs = with_budget(2, deals(1));
    let mut world = seen(vec![active(1)]);
    world.orders = vec![landed(1, NOW - EpochDelta::new(2_000))];
    let plan = plan(&jobs, &world);
    assert_eq!((ordered(&plan).len(), plan.next_look), (0, NOW + EpochDelta::new(880)));
}

#[test]
fn an_order_that_was_withdrawn_costs_nothing_and_one_that_failed_does() {
    let jobs = with_budget(3, deals(1));
    let mut world = seen(vec![active(1)]);
    let withdrawn = OrderState::Withdrawn { at: NOW };
    world.orders = vec![Order { state: withdrawn, ..landed(9, NOW) }];
    assert_eq!(orders(&jobs, &world), 1);
    world.aggregators.push(lighthouse());
    world.orders = vec![failed(9, NOW)];
    assert_eq!(orders(&jobs, &world), 0);
}

#[test]
fn every_deal_of_an_order_counts() {
    let mut world = seen(vec![]);
    world.aggregators = vec![AggregatorView { copies: 2, ..keyed() }];
    assert_eq!(orders(&with_budget(6, deals(4)), &world), 2, "two orders of two deals");
    let plan = plan(&with_budget(6, deals(3)), &world);
    assert_eq!(ordered(&plan).len(), 1, "one of two, and a second would make four");
    let refused = |r: &Reason| matches!(r, Reason::TooManyCopies { copies: 2, most: 1, .. });
    assert!(plan.reasons.iter().any(refused), "{:?}", plan.reasons);
    world.orders = vec![Order { state: OrderState::Intended, ..landed(1, NOW) }];
    assert_eq!(orders(&with_budget(6, deals(3)), &world), 0, "two were ordered already");
    assert_eq!(orders(&with_budget(6, deals(4)), &world), 1);
}

#[test]
fn no_more_bytes_are_handed_over_in_a_day_than_the_budget_allows() {
    let jobs = with_budget(5, bytes(10 * MIB));
    let mut world = seen(vec![active(1)]);
    world.orders = vec![took(1, NOW - EpochDelta::DAY, 4 * MIB)];
    assert_eq!(orders(&jobs, &world), 2, "a third copy of 4 MiB would make 12");
    world.orders.push(took(1, NOW - EpochDelta::HOUR, 4 * MIB));
    assert_eq!(orders(&jobs, &world), 1, "4 of 10 are gone today");
    world.orders.push(took(1, NOW, 2 * MIB + 1));
    let plan = plan(&jobs, &world);
    assert_eq!(ordered(&plan), [Cause::Replication], "the last copy took 2 MiB and a byte");
    let spent = Reason::BytesSpent {
        handed_over: 8 * MIB + 2,
        copy: 2 * MIB + 1,
        per_day: 10 * MIB,
        again_at: NOW + EpochDelta::new(2_760),
    };
    assert!(plan.reasons.contains(&spent), "{:?}", plan.reasons);
    assert!(explain(&plan).join("\n").contains("more from epoch 6302760 on."));
}

#[test]
fn a_copy_that_fills_the_budget_to_the_byte_goes_out() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![took(1, NOW, 4 * MIB)];
    assert_eq!(orders(&with_budget(2, bytes(8 * MIB)), &world), 1);
    assert_eq!(orders(&with_budget(2, bytes(8 * MIB - 1)), &world), 0);
}

#[test]
fn a_copy_that_takes_more_than_a_days_budget_is_said_to() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![took(1, NOW - EpochDelta::days(9), 4 * MIB)];
    let plan = plan(&with_budget(2, bytes(3 * MIB)), &world);
    assert_eq!(ordered(&plan), []);
    assert!(explain(&plan).join("\n").contains("if the budget is raised above one copy"));
}

#[test]
fn the_first_copy_goes_out_whatever_it_takes_and_the_others_wait_for_its_size() {
    let jobs = with_budget(3, bytes(MIB));
    let world = seen(vec![]);
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [Cause::Replication]);
    let waits = Reason::SizeUnknown { per_day: MIB };
    assert!(first.reasons.contains(&waits), "{:?}", first.reasons);
    assert!(explain(&first).join("\n").contains("what a copy takes is not known"));

    let mut later = after_ordering(&world, &first);
    let waiting = plan(&jobs, &later);
    assert_eq!(ordered(&waiting), []);
    assert_eq!(waiting.next_look, NOW + raas_core::ORDER_POLL);
    later.orders[0].bytes = Some(MIB / 4);
    assert_eq!(orders(&jobs, &later), 2, "three quarters are left");
}

#[test]
fn an_order_that_was_given_up_before_its_bytes_were_counted_took_none() {
    let jobs = with_budget(3, bytes(8 * MIB));
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    world.orders = vec![took(1, NOW, 4 * MIB), failed(2, NOW)];
    assert_eq!(orders(&jobs, &world), 1);
    world.orders[1].bytes = Some(4 * MIB);
    assert_eq!(orders(&jobs, &world), 0, "this one was handed over");
    world.orders[1] = order(2, Cause::Replication, &keyed());
    assert_eq!(orders(&jobs, &world), 0, "what is under way takes what the last one took");
    world.orders[0].bytes = None;
    world.orders[1] = failed(2, NOW);
    assert_eq!(orders(&jobs, &world), 1, "no size is known, and none is to come");
}

#[test]
fn of_two_limits_each_holds() {
    let both = Budget { deals_per_day: Some(2), bytes_per_day: Some(8 * MIB) };
    let jobs = with_budget(5, both);
    let mut world = seen(vec![active(1)]);
    world.orders = vec![took(1, NOW - EpochDelta::days(2), MIB)];
    assert_eq!(orders(&jobs, &world), 2, "deals");
    world.orders[0].bytes = Some(5 * MIB);
    assert_eq!(orders(&jobs, &world), 1, "bytes");
}

#[test]
fn a_budget_is_kept_to_only_where_every_job_has_one() {
    let job = |id, budget| job_with(id, Terms { budget, ..terms(4) });
    let world = seen(vec![]);
    assert_eq!(orders(&[job("a", deals(1)), job("b", deals(3))], &world), 3, "the larger");
    assert_eq!(orders(&[job("a", deals(1)), job("b", Budget::default())], &world), 4);
    assert_eq!(orders(&[job("a", Budget::default()), job("b", deals(1))], &world), 4);
    assert_eq!(orders(&[job("a", deals(1)), job("b", bytes(MIB))], &world), 4, "neither has both");
}

#[test]
fn a_budget_delays_the_least_urgent_cause() {
    let tight = Terms {
        replication: Some(Replication { target: 4, min: 2, max: 5 }),
        budget: deals(1),
        ..terms(4)
    };
    let lost = replica(2, raas_types::Verdict::Terminated);
    let world = seen(vec![ending(1, EpochDelta::days(2)), lost, active(3)]);
    assert_eq!(causes(&[job_with("job", tight)], &world), [renewal(1)]);
}
