//! An endpoint that is far ahead of the chain: whoever alone says so is believed for a while, as nobody
//! knows who is right, and nothing of that is left when it is gone or tells the truth. No restart,
//! nothing lost, nothing late.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::collections::BTreeMap;

use raas_lotus::FakeFault;
use raas_types::{Cid, DealId, EpochDelta, SectorHealth, SectorStatus, Verdict, VerdictKind};
use world::*;

/// How far ahead it is: a few days; more than any pause of a job; more than any deal lasts, so that all
/// of them seem to have ended.
const SPANS: [EpochDelta; 3] =
    [EpochDelta::days(4), EpochDelta::days(100), EpochDelta::days(4_000)];

/// How it ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// It cannot be asked any more.
    Away,
    /// It tells of the chain as it is.
    Mended,
}

const ENDINGS: [Ending; 2] = [Ending::Away, Ending::Mended];

/// From now on it says that the chain has come so much further.
fn runs_ahead(world: &World, at: usize, span: EpochDelta) {
    world.endpoint(at).set_lag(span.times(-1));
}

impl Ending {
    fn apply(self, world: &World, liar: usize) {
        match self {
            Self::Away => world.endpoint(liar).fail(FakeFault::Endpoint),
            Self::Mended => world.endpoint(liar).set_lag(EpochDelta::ZERO),
        }
    }
}

/// Every way in which one of two endpoints can be ahead.
fn every_way() -> impl Iterator<Item = (usize, EpochDelta, Ending)> {
    let spans = |liar| SPANS.into_iter().map(move |span| (liar, span));
    let ways = (0..2).flat_map(spans);
    ways.flat_map(|(liar, span)| ENDINGS.map(|ending| (liar, span, ending)))
}

/// So many hours, in each of which the node makes a pass.
async fn hours(world: &mut World, n: usize) {
    for _ in 0..n {
        world.live(EpochDelta::HOUR).await;
    }
}

/// How long an endpoint is ahead.
const A_WHILE: usize = 6;

/// By when everything was looked at anew: a day, which is the longest that any job waits, and the 60
/// epochs that a second look waits for.
const A_DAY: usize = 25;

/// The node is on the chain as it is: its pins follow it, and all of the job's deals are active.
async fn is_on_the_chain(world: &mut World, cid: &Cid, said: &str) {
    let report = world.live(EpochDelta::HOUR).await;
    assert_eq!(report.gated, None, "{said}");
    let trails = world.now().since(report.epoch.unwrap());
    assert_eq!(trails, EpochDelta::new(30), "{said}: the fake's finality lag");
    let verdicts = world.verdicts(cid).await;
    let all_active = verdicts.values().all(|verdict| *verdict == VerdictKind::Active);
    assert!(all_active, "{said}: {verdicts:?}");
}

/// A loss that begins now is repaired after two looks.
async fn repairs_a_loss(world: &mut World, cid: Cid, said: &str) {
    let orders = world.submits();
    world.terminate(LOST);
    world.live(EpochDelta::DAY).await;
    assert_eq!(world.verdicts(&cid).await[&LOST.get()], VerdictKind::Terminated, "{said}");
    assert_eq!(world.submits(), orders, "{said}: once seen is not enough");
    world.live(SOON).await;
    assert_eq!(world.submits(), orders + 1, "{said}");
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), orders + 1, "{said}: one repair for one loss");
}

/// The honest one of two is away while the other one is ahead; then they change places or agree.
/// Returns once both may be asked again.
async fn is_over(world: &mut World, liar: usize, ending: Ending) {
    ending.apply(world, liar);
    // The longest pause of an endpoint that was set aside is half an hour.
    hours(world, 2).await;
    if let Ending::Away = ending {
        // Witnesses are needed for what follows.
        world.endpoint(liar).set_lag(EpochDelta::ZERO);
        world.endpoint(liar).heal(FakeFault::Endpoint);
        hours(world, 2).await;
    }
    assert_eq!(world.aside(), BTreeMap::new());
}

/// A job for which nothing was done yet. Nothing is written to the contract: the fake's time is the
/// highest epoch that it was ever asked at, so that whoever is ahead would take it along.
async fn only_read(endpoints: usize, target: u32) -> (World, Cid) {
    let (mut world, cid, _) = registered(endpoints, target).await;
    world.records = false;
    world.restart();
    (world, cid)
}

/// A job whose three deals are active, and an endpoint that is ahead from now on.
async fn ahead_of(liar: usize, span: EpochDelta) -> (World, Cid) {
    let (mut world, cid) = only_read(2, 3).await;
    world.settle_down(cid, 3).await;
    runs_ahead(&world, liar, span);
    (world, cid)
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ahead_costs_nothing_and_when_it_is_gone_the_node_is_as_it_was() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, cid) = ahead_of(liar, span).await;
        hours(&mut world, A_WHILE).await;
        assert_eq!(world.submits(), 3, "{said}: nobody bears witness");
        ending.apply(&world, liar);
        hours(&mut world, A_DAY).await;
        is_on_the_chain(&mut world, &cid, &said).await;
        is_over(&mut world, liar, ending).await;
        assert_eq!(world.submits(), 3, "{said}");
        repairs_a_loss(&mut world, cid, &said).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_after_one_was_ahead_starts_where_the_chain_is() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, cid) = ahead_of(liar, span).await;
        hours(&mut world, A_WHILE).await;
        ending.apply(&world, liar);
        world.restart();
        hours(&mut world, A_DAY).await;
        is_on_the_chain(&mut world, &cid, &said).await;
        assert_eq!(world.submits(), 3, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_one_is_ahead_is_repaired_when_it_is_over() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, cid) = ahead_of(liar, span).await;
        world.terminate(LOST);
        hours(&mut world, A_WHILE).await;
        assert_eq!(world.submits(), 3, "{said}: one alone says it");
        is_over(&mut world, liar, ending).await;
        hours(&mut world, A_DAY).await;
        assert_eq!(world.submits(), 4, "{said}: {:?}", world.told(&cid).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_begins_while_one_is_ahead_is_repaired_when_its_threshold_is_over() {
    for (liar, span, ending) in every_way() {
        for exact in [true, false] {
            let said = format!("endpoint {liar}, {span} ahead, then {ending:?}; dated: {exact}");
            let (mut world, cid) = ahead_of(liar, span).await;
            let begun = world.now();
            let first_missed = exact.then_some(begun);
            let faulty = SectorStatus { first_missed, ..healthy(SectorHealth::Faulty) };
            world.chain.set_sector(world.sector(LOST), Some(faulty));
            hours(&mut world, A_WHILE).await;
            is_over(&mut world, liar, ending).await;
            while world.now() < begun + EpochDelta::DAY {
                assert_eq!(world.submits(), 3, "{said}: the threshold is a day");
                world.live(EpochDelta::HOUR).await;
            }
            hours(&mut world, A_DAY).await;
            let (verdict, _) = world.last(&cid, LOST).await;
            let Verdict::Faulty { since, .. } = verdict else { panic!("{said}: {verdict:?}") };
            assert!(since.epoch() <= begun, "{said}: {since:?}");
            assert_eq!(world.submits(), 4, "{said}: {:?}", world.told(&cid).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_registered_while_one_is_ahead_gets_its_deals() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, _) = ahead_of(liar, span).await;
        let cid = world.store_file(b"came while one was ahead").await;
        world.register(cid, terms(3)).await;
        hours(&mut world, A_WHILE).await;
        is_over(&mut world, liar, ending).await;
        world.settle_down(cid, 3).await;
        assert_eq!(world.submits(), 6, "{said}: {:?}", world.told(&cid).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_is_made_while_one_is_ahead_lands() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, cid) = only_read(2, 1).await;
        world.pass().await;
        assert_eq!(world.submits(), 1);
        runs_ahead(&world, liar, span);
        hours(&mut world, A_WHILE).await;
        is_over(&mut world, liar, ending).await;
        world.settle_down(cid, 1).await;
        assert_eq!(world.submits(), 1, "{said}: {:?}", world.told(&cid).await);
        assert_eq!(world.lasting(&cid).await, [DealId::new(100)], "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_not_given_up_because_one_endpoint_is_ahead() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, cid) = only_read(2, 1).await;
        world.pass().await;
        assert_eq!(world.submits(), 1);
        runs_ahead(&world, liar, span);
        for _ in 0..6 {
            world.wait(EpochDelta::HOUR).await;
            world.pass().await;
        }
        ending.apply(&world, liar);
        for _ in 0..3 {
            world.wait(EpochDelta::HOUR).await;
            world.pass().await;
        }
        // Nine hours after the order, which may take days.
        assert_eq!(world.submits(), 1, "{said}: {:?}", world.told(&cid).await);
        is_over(&mut world, liar, ending).await;
        world.settle_down(cid, 1).await;
        assert_eq!(world.submits(), 1, "{said}: {:?}", world.told(&cid).await);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_nobody_had_while_one_was_ahead_are_asked_for_again_as_soon_as_ever() {
    for (liar, span, ending) in every_way() {
        let said = format!("endpoint {liar}, {span} ahead, then {ending:?}");
        let (mut world, _) = ahead_of(liar, span).await;
        let elsewhere = World::new();
        let cid = elsewhere.store_file(b"not here yet").await;
        world.know(cid);
        world.register(cid, terms(3)).await;
        hours(&mut world, A_WHILE).await;
        is_over(&mut world, liar, ending).await;
        world.store_file(b"not here yet").await;
        world.settle_down(cid, 3).await;
        assert_eq!(world.submits(), 6, "{said}: {:?}", world.told(&cid).await);
    }
}

// One endpoint alone. Nobody contradicts it: what it says is what there is, and what it takes back is
// taken to be late.

#[tokio::test(start_paused = true)]
async fn the_only_endpoint_that_was_ahead_is_waited_for_until_the_chain_has_come_there() {
    let span = SPANS[0];
    let (mut world, cid) = only_read(1, 3).await;
    world.settle_down(cid, 3).await;
    runs_ahead(&world, 0, span);
    hours(&mut world, A_WHILE).await;
    assert_eq!(world.submits(), 3, "all deals have long to go");
    let pinned = world.pinned();
    runs_ahead(&world, 0, EpochDelta::ZERO);
    world.terminate(LOST);
    while world.now() < pinned + EpochDelta::new(30) {
        let gated = world.live(EpochDelta::HOUR).await.gated.unwrap_or_default();
        let has_come = world.now() >= pinned + EpochDelta::new(30);
        assert!(has_come || gated.contains("was seen before: it is behind"), "{gated}");
    }
    hours(&mut world, A_DAY).await;
    assert_eq!(world.submits(), 4, "the loss of those days is repaired");
    world.settle_down(cid, 3).await;
}
