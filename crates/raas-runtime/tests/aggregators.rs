//! Aggregators as they are: some ignore repeats, some choose badly, some are down, some lie.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::{collections::BTreeSet, sync::atomic::Ordering};

use raas_aggregator::{Aggregator, Answer, BytesPayload, Capabilities, FakeAggregator};
use raas_lotus::FakeFault;
use raas_runtime::Event;
use raas_types::{
    AggregatorName, Cause, Cid, DealId, EpochDelta, JobId, ListedDeal, Order, OrderId, OrderState,
    ProviderId, Terms, VerdictKind,
};
use world::*;

/// Takes a second order for the same data and makes nothing of it.
fn one_deal_only(name: &str) -> FakeAggregator {
    let aggregator = lighthouse(name);
    aggregator.repeats_make_deals(false);
    aggregator
}

async fn world_of(aggregators: Vec<FakeAggregator>, target: u32) -> (World, Cid, JobId) {
    let mut world = World::with(aggregators);
    let cid = world.store_file(b"to be stored").await;
    let job = world.register(cid, terms(target)).await;
    (world, cid, job)
}

async fn days(world: &mut World, days: u32) {
    for _ in 0..days {
        world.step(EpochDelta::DAY).await;
    }
}

#[tokio::test]
async fn an_aggregator_that_ignores_repeats_is_asked_ever_more_rarely_and_the_job_says_so() {
    let aggregator = FakeAggregator::with(
        "ignorant",
        Capabilities { deal_duration: EpochDelta::days(540), ..like_lighthouse() },
    );
    let (mut world, cid, job) = world_of(vec![aggregator], 3).await;
    days(&mut world, 365).await;
    // After the first deal, pauses of 1, 2, 4 ... 128 days, each after the 3 days that an order is
    // waited for: 8 orders in 279 days and a ninth after it.
    assert!((5..=10).contains(&world.submits()), "{} submits", world.submits());
    assert!(world.says(&job, "target unreachable: 1 of 3").await, "{:?}", world.words(&job).await);
    assert_eq!(world.memories(&cid).await.len(), 1);
}

#[tokio::test]
async fn a_deal_on_a_provider_that_holds_the_data_is_not_counted_and_not_bought_for_ever() {
    let aggregator = lighthouse("one-eyed");
    aggregator.set_providers(providers(1000..1001));
    let (mut world, cid, job) = world_of(vec![aggregator], 2).await;
    days(&mut world, 120).await;
    // Pauses of 1, 2, 4, 8, 16, 32 days make some 7 orders in 120 days.
    assert!(world.submits() <= 9, "{} submits: {:?}", world.submits(), world.told(&cid).await);
    assert!(world.says(&job, "adds nothing: f01000 holds the data").await);
    assert!(world.says(&job, "target unreachable: 1 of 2").await, "{:?}", world.words(&job).await);
}

/// Makes two deals of every order.
fn two_deals_an_order(name: &str) -> FakeAggregator {
    let aggregator = FakeAggregator::with(name, Capabilities { copies: 2, ..like_lighthouse() });
    aggregator.repeats_make_deals(true);
    aggregator.set_providers(providers(1000..1040));
    aggregator
}

#[tokio::test]
async fn an_order_of_several_deals_has_landed_when_all_of_them_are_there() {
    let (mut world, cid, job) = world_of(vec![two_deals_an_order("double")], 4).await;
    world.pass().await;
    let landed = world.publish();
    assert_eq!((landed.len(), world.submits()), (2, 1));
    let [one, two] = landed[..] else { panic!("two deals") };
    // The second of them is not on the chain yet.
    let second = world.deal(two.deal);
    world.chain.set_deal(two.deal, None);
    world.advance(SOON);
    world.pass().await;
    let orders = world.orders(&cid).await;
    assert_eq!((orders.len(), orders[0].made.clone()), (1, vec![one]), "{orders:?}");
    assert!(orders[0].is_outstanding(), "{orders:?}");
    assert!(world.says(&job, "2 of 4").await, "{:?}", world.words(&job).await);

    world.set_deal(two.deal, second);
    world.advance(SOON);
    world.pass().await;
    let orders = world.orders(&cid).await;
    assert!(!orders[0].is_outstanding(), "{orders:?}");
    assert_eq!(orders[0].deals().collect::<Vec<_>>(), [one, two]);
    assert_eq!(orders.len(), 2, "the other two slots are ordered now: {orders:?}");
    for listed in [one, two] {
        world.activate(listed.deal);
    }
    world.settle_down(cid, 4).await;
    assert_eq!(world.submits(), 2, "two orders of two deals for four slots");
}

#[tokio::test]
async fn an_order_that_brings_fewer_deals_than_promised_lands_as_those_in_the_end() {
    let (mut world, cid, _) = world_of(vec![two_deals_an_order("half")], 2).await;
    world.pass().await;
    let landed = world.land();
    let [one, two] = landed[..] else { panic!("two deals") };
    world.chain.set_deal(two.deal, None);
    for _ in 0..2 {
        world.advance(EpochDelta::DAY);
        world.pass().await;
        assert_eq!(world.submits(), 1, "the second deal may still come");
    }
    for _ in 0..14 {
        world.advance(EpochDelta::DAY);
        world.pass().await;
    }
    let first = world.orders(&cid).await.remove(0);
    assert!(
        matches!(first.state, OrderState::Landed { deal, .. } if deal == one.deal),
        "{first:?}"
    );
    assert_eq!(first.made, []);
    let failed = |e: &Event| matches!(e, Event::OrderFailed { .. });
    assert!(!world.events.iter().any(failed), "a deal came of it");
}

#[tokio::test]
async fn where_the_first_aggregator_is_fruitless_the_second_is_used() {
    let second = lighthouse("second");
    second.set_providers(providers(3000..3010));
    let (mut world, cid, _) = world_of(vec![one_deal_only("first"), second], 3).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.aggregators[0].waiting(), 0);
    let by = |name: &str| {
        let name = AggregatorName::new(name);
        world.aggregators.iter().flat_map(|a| a.orders()).filter(|o| o.aggregator == name).count()
    };
    // The first is asked for the third, too, and left alone when nothing comes of it.
    assert_eq!((by("first"), by("second")), (2, 2), "{:?}", world.told(&cid).await);
}

#[tokio::test]
async fn a_job_uses_the_aggregators_it_names_in_the_order_it_names_them() {
    let named = |names: &[&str]| Terms {
        aggregators: names.iter().map(|name| AggregatorName::new(*name)).collect(),
        ..terms(1)
    };
    for (names, first) in [(vec!["b", "a"], "b"), (vec!["c"], "c"), (vec![], "a")] {
        let mut world = World::with(vec![lighthouse("a"), lighthouse("b"), lighthouse("c")]);
        let cid = world.store_file(b"to be stored").await;
        world.register(cid, named(&names)).await;
        world.pass().await;
        assert_eq!(world.orders(&cid).await[0].aggregator, AggregatorName::new(first));
    }
}

#[tokio::test]
async fn an_aggregator_that_is_down_gets_the_order_when_it_is_back() {
    let (mut world, cid, _) = world_of(vec![lighthouse("down")], 1).await;
    world.aggregators[0].set_down(true);
    for _ in 0..10 {
        let report = world.step(SOON).await;
        assert!(report.errors.iter().all(|e| e.contains("cannot be reached now")));
    }
    world.aggregators[0].set_down(false);
    world.settle_down(cid, 1).await;
    assert_eq!(world.aggregators[0].orders().len(), 1);
}

#[tokio::test]
async fn an_order_that_could_not_be_delivered_is_delivered_later_and_once() {
    let (mut world, cid, _) = world_of(vec![lighthouse("shaky")], 1).await;
    for _ in 0..3 {
        world.aggregators[0].answer_next(Answer::Unavailable);
    }
    world.settle_down(cid, 1).await;
    assert_eq!((world.submits(), world.aggregators[0].orders().len()), (4, 1));
    assert_eq!(world.orders(&cid).await.len(), 1, "it is one order all the time");
}

#[tokio::test]
async fn an_aggregator_that_is_down_is_not_asked_in_every_pass() {
    let mut world = World::new();
    // No transactions, whose end would have the job looked at, too.
    world.records = false;
    let cid = world.store_file(b"to be stored").await;
    world.register(cid, terms(1)).await;
    world.aggregators[0].set_down(true);
    for _ in 0..30 {
        world.pass().await;
        world.advance(EpochDelta::new(1));
    }
    // At once and after 10 epochs; the next time would be after 20 more.
    assert_eq!(world.aggregators[0].calls().deals, 2);
}

#[tokio::test]
async fn an_aggregator_that_is_down_does_not_delay_orders_to_another() {
    let mut world = World::with(vec![lighthouse("down"), lighthouse("up")]);
    let (one, other) = (world.store_file(b"one").await, world.store_file(b"other").await);
    let to = |name: &str| Terms { aggregators: vec![AggregatorName::new(name)], ..terms(1) };
    world.register(one, to("down")).await;
    world.register(other, to("up")).await;
    world.aggregators[0].set_down(true);
    world.pass().await;
    assert_eq!(world.aggregators[1].orders().len(), 1);
}

#[tokio::test]
async fn a_rejected_order_fails_with_the_reason_and_is_tried_after_a_pause() {
    let (mut world, cid, job) = world_of(vec![lighthouse("picky")], 1).await;
    world.aggregators[0].answer_next(Answer::Rejected);
    let report = world.pass().await;
    let failed = |e: &Event| matches!(e, Event::OrderFailed { reason, .. } if reason.contains("rejects it: the test says so"));
    assert!(report.events.iter().any(failed), "{:?}", report.events);
    world.step(SOON).await;
    assert_eq!(world.submits(), 1);
    assert!(world.says(&job, "made nothing of the last 1 orders").await);
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 2);
}

#[tokio::test]
async fn no_more_orders_are_outstanding_than_are_allowed() {
    let mut world = World::new();
    world.settings.orders_in_flight = 2;
    let files: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
    let mut cids = Vec::new();
    for file in files {
        let cid = world.store_file(file).await;
        world.register(cid, terms(1)).await;
        cids.push(cid);
    }
    for _ in 0..3 {
        world.pass().await;
        assert_eq!(world.aggregators[0].waiting(), 2);
        world.advance(SOON);
    }
    for cid in cids {
        world.settle_down(cid, 1).await;
    }
    assert_eq!(world.submits(), 5);
}

#[tokio::test]
async fn the_most_endangered_data_is_ordered_first() {
    let mut world = World::new();
    world.settings.orders_in_flight = 1;
    let (safe, bare) = (world.store_file(b"safe").await, world.store_file(b"bare").await);
    let band = raas_types::Replication { target: 2, min: 1, max: 2 };
    world.register(safe, Terms { replication: Some(band), ..terms(2) }).await;
    world.pass().await;
    world.land();
    world.advance(SOON);
    // One replica each is enough not to be in danger: the other one has none.
    world.register(bare, terms(1)).await;
    world.pass().await;
    assert_eq!(world.aggregators[0].orders().last().unwrap().cid, bare);
}

/// The aggregator has a deal of the CID that nobody here ordered.
async fn shown(proofs: bool) -> (World, Cid, JobId) {
    let aggregator = FakeAggregator::with("generous", Capabilities { proofs, ..like_lighthouse() });
    aggregator.repeats_make_deals(true);
    aggregator.set_providers(providers(1000..1040));
    let (mut world, cid, job) = world_of(vec![aggregator.clone()], 2).await;
    let order = Order {
        id: OrderId::new("somebody else's"),
        cid,
        aggregator: aggregator.name(),
        cause: Cause::Replication,
        known_deals: BTreeSet::new(),
        exclude: BTreeSet::new(),
        prefer: BTreeSet::new(),
        bytes: None,
        made: Vec::new(),
        created: START,
        state: OrderState::Sending,
    };
    let payload = BytesPayload::new(&b"to be stored"[..]);
    aggregator.submit(&order, &payload).await.unwrap();
    world.land();
    world.advance(SOON);
    (world, cid, job)
}

#[tokio::test]
async fn a_proven_deal_that_the_aggregator_shows_is_adopted_and_counts() {
    let (mut world, cid, _) = shown(true).await;
    world.settle_down(cid, 2).await;
    assert_eq!(world.submits(), 1 + 1, "one is there already");
    assert_eq!(world.lasting(&cid).await, [100, 101].map(DealId::new));
}

#[tokio::test]
async fn an_unproven_deal_that_the_aggregator_shows_is_known_and_does_not_count() {
    let (mut world, cid, job) = shown(false).await;
    world.records = false;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 1 + 2);
    assert!(world.says(&job, "Deal 100 on f01000 was not ordered by us and is not proven").await);
}

#[tokio::test]
async fn what_the_contract_lists_and_the_aggregator_proves_counts() {
    // As after the loss of the store: all is on the contract, and nothing is remembered.
    let mut world = World::new();
    let cid = world.store_file(b"to be stored").await;
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    world.inner_store = raas_job_store::MemoryJobStore::new();
    world.restart();
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    days(&mut world, 5).await;
    assert_eq!(world.submits(), 2, "{:?}", world.told(&cid).await);
}

#[tokio::test]
async fn a_deal_that_is_shown_before_its_tipset_is_final_is_not_ordered_again() {
    let (mut world, cid, _) = world_of(vec![lighthouse("fast")], 1).await;
    // Finality as on a network without F3: 900 epochs.
    world.chain.set_finality_lag(EpochDelta::new(900));
    world.advance(EpochDelta::new(1_000));
    world.pass().await;
    world.land();
    for _ in 0..20 {
        world.advance(EpochDelta::new(60));
        world.pass().await;
        assert_eq!(world.submits(), 1, "{:?}", world.told(&cid).await);
    }
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active);
}

#[tokio::test]
async fn deals_that_an_aggregator_makes_up_are_not_paid_for_again_and_again() {
    let (mut world, cid, job) = world_of(vec![lighthouse("liar")], 1).await;
    for _ in 0..60 {
        // It shows deals that the market never made.
        for (_, listed) in world.aggregators[0].clone().land_all() {
            world.chain.set_deal(listed.deal, None);
            world.chain.set_next_deal_id(DealId::new(100));
        }
        world.advance(EpochDelta::DAY);
        world.pass().await;
    }
    // Pauses of 1, 2, 4, 8, 16 days and 3 of patience each: 6 orders in 60 days.
    assert!(world.submits() <= 7, "{:?}", world.told(&cid).await);
    assert!(world.says(&job, "target unreachable: 0 of 1").await, "{:?}", world.words(&job).await);
}

#[tokio::test]
async fn a_deal_with_a_proof_of_other_data_lands_no_order() {
    let (mut world, cid, job) = world_of(vec![lighthouse("mistaken")], 1).await;
    let other = raas_retrieval::file_blocks(b"other", &Default::default()).0;
    world.aggregators[0].set_proof(cid, proof_of(&other));
    days(&mut world, 60).await;
    assert!(world.submits() <= 7, "{:?}", world.told(&cid).await);
    assert!(world.says(&job, "target unreachable: 0 of 1").await, "{:?}", world.words(&job).await);
}

#[tokio::test]
async fn a_deal_under_another_provider_than_the_market_names_lands_no_order() {
    let (mut world, cid, _) = world_of(vec![lighthouse("mistaken")], 1).await;
    world.pass().await;
    let shown = ListedDeal { deal: DealId::new(100), provider: ProviderId::new(1000) };
    world.aggregators[0].land_as(&cid, shown);
    let real = ListedDeal { provider: ProviderId::new(7777), ..shown };
    world.make_deal(cid, real, EpochDelta::MIN_DEAL_DURATION);
    world.activate(real.deal);
    world.advance(SOON);
    world.pass().await;
    let state = world.orders(&cid).await[0].state.clone();
    assert!(matches!(state, OrderState::Sent { .. }), "{state:?}");
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn a_proof_that_comes_after_its_deal_is_waited_for_and_recorded() {
    let (mut world, cid, _) = world_of(vec![lighthouse("slow")], 1).await;
    world.proofs_are_hidden.store(true, Ordering::Relaxed);
    world.pass().await;
    world.land();
    world.advance(SOON);
    world.pass().await;
    world.proofs_are_hidden.store(false, Ordering::Relaxed);
    world.advance(SOON);
    world.pass().await;
    world.settle_down(cid, 1).await;
    assert_eq!(world.contract.recorded(&cid).len(), 1);
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn an_order_whose_aggregator_is_gone_for_good_is_given_up_and_another_is_asked() {
    let second = lighthouse("second");
    second.set_providers(providers(3000..3010));
    let (mut world, cid, _) = world_of(vec![lighthouse("gone"), second], 1).await;
    world.pass().await;
    world.aggregators[0].set_down(true);
    // Twice three days: the aggregator may have made the deal, and be back.
    for _ in 0..23 {
        world.advance(EpochDelta::new(720));
        world.pass().await;
    }
    assert_eq!(world.aggregators[1].orders().len(), 0, "not before its time is up");
    for _ in 0..2 {
        world.advance(EpochDelta::new(720));
        world.pass().await;
    }
    assert_eq!(world.aggregators[1].orders().len(), 1, "{:?}", world.told(&cid).await);
}

#[tokio::test]
async fn an_order_of_an_aggregator_that_is_no_longer_configured_is_given_up_in_time() {
    let (mut world, cid, _) = world_of(vec![lighthouse("old")], 1).await;
    world.pass().await;
    let new = lighthouse("new");
    new.set_deal_ids(world.ids.clone());
    world.aggregators = vec![new];
    world.know(cid);
    world.restart();
    world.advance(EpochDelta::DAY);
    let report = world.pass().await;
    assert!(report.errors.iter().any(|e| e.contains("old is not configured any more")));
    assert_eq!(world.submits(), 0);
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn an_order_whose_deal_cannot_be_read_is_not_given_up() {
    let (mut world, cid, _) = world_of(vec![lighthouse("good")], 1).await;
    world.pass().await;
    world.land();
    world.chain.fail(FakeFault::Deal(DealId::new(100)));
    for _ in 0..10 {
        world.advance(EpochDelta::DAY);
        world.pass().await;
    }
    assert_eq!(world.submits(), 1, "what is not known is not lost: {:?}", world.told(&cid).await);
    world.chain.heal(FakeFault::Deal(DealId::new(100)));
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 1);
}
