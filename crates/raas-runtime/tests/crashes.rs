//! A node that dies after any effect, and one whose aggregator's answer is lost: nothing is ordered
//! twice for one need, nothing is written twice to the contract, and the story goes on.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::collections::BTreeSet;

use raas_aggregator::{Answer, Capabilities, FakeAggregator};
use raas_types::{Cause, Cid, DealId, EpochDelta, JobId, OrderState};
use world::*;

const QUARTER: EpochDelta = EpochDelta::new(720);

/// Three replicas, one lost and replaced, and the three there are then renewed. The window of a month
/// leaves room for the days that a lost answer costs.
async fn tell(world: &mut World) -> (Cid, JobId) {
    let cid = world.store_file(b"what must survive").await;
    let job = world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    world.fault(DealId::new(101));
    world.advance(EpochDelta::DAY);
    world.step(QUARTER).await;
    world.settle_down(cid, 3).await;
    let renewal = world.end_of(DealId::new(100)) - MONTH;
    world.advance(renewal.since(world.now()));
    for _ in 0..20 {
        world.step(EpochDelta::DAY).await;
    }
    world.settle_down(cid, 3).await;
    (cid, job)
}

/// What must be the same however often the node died.
async fn outcome(world: &World, cid: &Cid, job: &JobId) -> (Vec<Cause>, usize, usize, usize) {
    let made: Vec<_> = world.memories(cid).await.iter().map(|m| m.replaces()).collect();
    let orders = world.orders(cid).await;
    let landed = orders.iter().filter(|o| matches!(o.state, OrderState::Landed { .. }));
    let mut causes: Vec<Cause> = landed.map(|o| o.cause).collect();
    causes.sort();
    let transactions: BTreeSet<_> =
        world.transactions(job).await.into_iter().map(|t| t.purpose).collect();
    assert_eq!(transactions.len(), world.contract.transactions_sent(), "one for each purpose");
    let ordered = world.aggregators.iter().map(|a| a.orders().len()).sum();
    (causes, made.len(), ordered, transactions.len())
}

/// Tells the story once undisturbed, then with a death after every effect of it.
async fn survives_every_death(world: impl Fn() -> World) {
    let mut calm = world();
    let (cid, job) = tell(&mut calm).await;
    let expected = outcome(&calm, &cid, &job).await;
    assert_eq!(expected.1, 7, "three deals, one repair, three renewals");
    let effects = calm.fate.effects();
    assert!(effects > 50, "{effects} effects are no story");
    for death in 0..effects {
        let mut world = world();
        world.restart_with(Fate::dies_after(death));
        let (cid, job) = tell(&mut world).await;
        assert_eq!(world.deaths, 1, "at effect {death}");
        let found = outcome(&world, &cid, &job).await;
        assert_eq!(
            found,
            expected,
            "after a death at effect {death}: {:#?}",
            world.orders(&cid).await
        );
    }
}

#[tokio::test]
async fn no_death_orders_or_writes_anything_twice_where_orders_have_no_ids() {
    survives_every_death(World::new).await;
}

fn with_ids() -> FakeAggregator {
    let capabilities =
        Capabilities { idempotent: true, excludes_providers: true, ..like_lighthouse() };
    let aggregator = FakeAggregator::with("with ids", capabilities);
    aggregator.repeats_make_deals(true);
    aggregator.set_providers(providers(1000..1040));
    aggregator
}

#[tokio::test]
async fn no_death_orders_or_writes_anything_twice_where_orders_have_ids() {
    survives_every_death(|| World::with(vec![with_ids()])).await;
}

/// A world with one job of one replica, whose first order is answered so.
async fn answered(aggregator: FakeAggregator, answer: Answer) -> (World, Cid, JobId) {
    let mut world = World::with(vec![aggregator]);
    let cid = world.store_file(b"what is ordered").await;
    let job = world.register(cid, terms(1)).await;
    world.aggregators[0].answer_next(answer);
    let report = world.pass().await;
    assert_eq!(report.errors.len(), 1, "a lost answer is told: {:?}", report.errors);
    assert_eq!(world.submits(), 1);
    assert_eq!(world.orders(&cid).await[0].state, OrderState::Sending);
    (world, cid, job)
}

fn has_landed(order: &raas_types::Order) -> bool {
    matches!(order.state, OrderState::Landed { .. })
}

#[tokio::test]
async fn an_order_that_was_taken_and_whose_answer_is_lost_is_found_by_its_id() {
    let (mut world, cid, _) = answered(with_ids(), Answer::TakenAnswerLost).await;
    world.advance(SOON);
    world.pass().await;
    assert!(matches!(world.orders(&cid).await[0].state, OrderState::Sent { .. }));
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn an_order_that_was_taken_and_whose_answer_is_lost_is_found_by_its_deal() {
    let (mut world, cid, _) = answered(lighthouse("l"), Answer::TakenAnswerLost).await;
    for _ in 0..20 {
        world.advance(SOON);
        world.pass().await;
    }
    assert_eq!(world.submits(), 1, "no telling, no second order");
    world.settle_down(cid, 1).await;
    assert!(has_landed(&world.orders(&cid).await[0]));
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn an_order_that_never_arrived_is_sent_again_once_that_is_certain() {
    for aggregator in [with_ids(), lighthouse("l")] {
        let (mut world, cid, _) = answered(aggregator, Answer::RequestLost).await;
        world.advance(SOON);
        world.pass().await;
        assert_eq!(world.submits(), 2);
        assert_eq!(world.orders(&cid).await.len(), 1, "it is the same order");
        world.settle_down(cid, 1).await;
        assert_eq!(world.submits(), 2);
        assert_eq!(world.aggregators[0].orders().len(), 1, "taken once");
    }
}

#[tokio::test]
async fn an_order_of_which_nobody_can_tell_is_not_sent_again_before_its_time_is_up() {
    let (mut world, cid, job) = answered(lighthouse("l"), Answer::RequestLost).await;
    world.aggregators[0].set_cannot_tell(true);
    // Three times the latency of a day, then a pause of a day.
    for _ in 0..15 {
        world.step(EpochDelta::new(720)).await;
        assert_eq!(world.submits(), 1, "at {}", world.now());
        assert!(world.orders(&cid).await.len() == 1);
    }
    let state = world.orders(&cid).await[0].state.clone();
    assert!(matches!(state, OrderState::Failed { .. }), "{state:?}");
    assert!(world.says(&job, "made nothing of the last 1 orders").await);
    for _ in 0..6 {
        world.step(EpochDelta::new(720)).await;
    }
    assert_eq!(world.submits(), 2);
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 2);
}

#[tokio::test]
async fn a_restart_in_the_midst_of_a_lost_answer_changes_nothing() {
    let (mut world, cid, _) = answered(lighthouse("l"), Answer::TakenAnswerLost).await;
    world.aggregators[0].set_down(true);
    for _ in 0..3 {
        world.restart();
        world.advance(SOON);
        world.pass().await;
    }
    assert_eq!(world.orders(&cid).await[0].state, OrderState::Sending);
    world.aggregators[0].set_down(false);
    world.restart();
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn numbers_of_orders_are_not_used_twice_whatever_became_of_the_ones_between() {
    let mut world = World::with(vec![with_ids()]);
    let cid = world.store_file(b"numbers").await;
    world.register(cid, terms(3)).await;
    // Of three orders the first two are taken, and the node dies before the third is sent.
    let mut effects = 0;
    while world.orders(&cid).await.len() < 2 {
        effects += 1;
        world.restart_with(Fate::dies_after(effects));
        world.pass().await;
    }
    world.settle_down(cid, 3).await;
    world.terminate(DealId::new(100));
    world.advance(EpochDelta::DAY);
    world.pass().await;
    world.settle_down(cid, 3).await;
    let orders = world.orders(&cid).await;
    assert_eq!(orders.iter().filter(|o| has_landed(o)).count(), 4, "{:?}", world.told(&cid).await);
}
