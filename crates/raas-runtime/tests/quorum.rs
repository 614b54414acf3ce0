//! Two endpoints: nothing is spent on what one of them alone says, whatever it says; what both say
//! is acted upon.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_runtime::{AlertCode, Event};
use raas_types::{
    DealId, DealReading, EpochDelta, OnChainDeal, ProviderId, SectorHealth, SectorReading,
    SectorStatus, Unknown, Verdict, VerdictKind,
};
use world::*;

fn found(deal: OnChainDeal) -> DealReading {
    DealReading::Found(deal)
}

/// The deal, but that it ends in ten days.
fn ending_soon(world: &World, deal: DealId) -> DealReading {
    let mut lie = world.deal(deal);
    lie.proposal.end = world.now() + EpochDelta::days(10);
    found(lie)
}

/// The deal, but of another provider.
fn elsewhere(world: &World, deal: DealId) -> DealReading {
    let mut lie = world.deal(deal);
    lie.proposal.provider = ProviderId::new(7_777);
    found(lie)
}

fn disagreements(world: &World) -> Vec<Event> {
    let told = world.events.iter().filter(|e| matches!(e, Event::Disagreement { .. }));
    told.cloned().collect()
}

/// What the first endpoint says of `LOST` cost nothing over many looks, is on record with what the
/// second says, and is forgotten once the first says otherwise.
async fn is_disputed(lie: impl FnOnce(&World), as_if: VerdictKind) {
    let (mut world, cid, job) = satisfied(2, 3).await;
    lie(&world);
    world.looks(2).await;
    let since = Some(world.pinned());
    for _ in 0..20 {
        world.live(SOON).await;
    }
    assert_eq!(world.submits(), 3, "{:?}", world.told(&cid).await);
    let (verdict, evidence) = world.last(&cid, LOST).await;
    let why = Unknown::Disagreement { first: as_if, second: VerdictKind::Active };
    assert_eq!(verdict, Verdict::Unknown { why });
    assert_eq!(evidence.endpoint, "fake");
    let witness = evidence.witness.expect("another was asked");
    assert_eq!(witness.endpoint, "second");
    assert_eq!(witness.said.deal, found(world.deal(LOST)));
    assert_ne!(evidence.said.expect("the answer is kept"), witness.said);

    let [alert] = &world.alerts(AlertCode::Disagreement)[..] else { panic!("one alert") };
    assert_eq!((alert.about.as_str(), alert.since), ("101", since), "it stood all the time");
    for word in ["fake", "second", "101", as_if.name(), "active"] {
        assert!(alert.words.contains(word), "{:?} says {word:?}", alert.words);
    }
    let told = disagreements(&world);
    let expected = Event::Disagreement {
        cid,
        deal: LOST,
        endpoints: ["fake".to_owned(), "second".to_owned()],
        verdicts: [as_if, VerdictKind::Active],
    };
    assert_eq!(told.first(), Some(&expected));
    assert!(world.says(&job, "Nothing can be said of deal 101").await);

    world.chain.lie_about_deal(LOST, None);
    world.chain.lie_about_sector(world.sector(LOST), None);
    world.live(SOON).await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
    assert_eq!(world.alerts(AlertCode::Disagreement), []);
    world.looks(3).await;
    assert_eq!((world.submits(), disagreements(&world).len()), (3, told.len()));
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_one_endpoint_says_is_gone_is_not_repaired() {
    let lie = |world: &World| world.chain.lie_about_deal(LOST, Some(missing()));
    is_disputed(lie, VerdictKind::Terminated).await;
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_one_endpoint_says_is_slashed_is_not_repaired() {
    let lie = |world: &World| {
        let mut slashed = world.deal(LOST);
        slashed.activation.as_mut().unwrap().slashed = Some(world.now());
        world.chain.lie_about_deal(LOST, Some(found(slashed)));
    };
    is_disputed(lie, VerdictKind::Terminated).await;
}

#[tokio::test(start_paused = true)]
async fn a_sector_that_one_endpoint_says_is_dead_is_not_repaired() {
    let lie = |world: &World| {
        let dead = SectorReading::Found(SectorStatus::of(SectorHealth::Dead));
        world.chain.lie_about_sector(world.sector(LOST), Some(dead));
    };
    is_disputed(lie, VerdictKind::Terminated).await;
}

#[tokio::test(start_paused = true)]
async fn a_sector_that_one_endpoint_does_not_know_is_not_repaired() {
    let lie = |world: &World| {
        world.chain.lie_about_sector(world.sector(LOST), Some(SectorReading::NotFound));
    };
    is_disputed(lie, VerdictKind::Terminated).await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_one_endpoint_alone_sees_is_not_repaired() {
    let lie = |world: &World| {
        let first_missed = Some(world.now() - EpochDelta::DAY);
        let faulty = SectorStatus { first_missed, ..SectorStatus::of(SectorHealth::Faulty) };
        world.chain.lie_about_sector(world.sector(LOST), Some(SectorReading::Found(faulty)));
    };
    is_disputed(lie, VerdictKind::Faulty).await;
}

/// An endpoint that contradicts the proposal that was seen before is in trouble: nothing is known of
/// the deal, and nothing is spent, until it tells the truth again.
async fn is_not_believed(lie: fn(&World, DealId) -> DealReading) {
    let (mut world, cid, _) = satisfied(2, 3).await;
    world.chain.lie_about_deal(LOST, Some(lie(&world, LOST)));
    world.looks(20).await;
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Unknown);
    world.chain.lie_about_deal(LOST, None);
    world.looks(3).await;
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_one_endpoint_says_ends_earlier_is_not_renewed() {
    is_not_believed(ending_soon).await;
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_one_endpoint_says_is_of_another_provider_holds_its_slot() {
    is_not_believed(elsewhere).await;
}

/// Of two endpoints, the one that lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Liar {
    First,
    Second,
}

/// One endpoint lies about the first deal from the moment it is made. One order and no more is made
/// while it does; and nothing is left of the lie once it tells the truth.
async fn costs_nothing_from_the_beginning(liar: Liar, lie: fn(&World, DealId) -> DealReading) {
    let (mut world, cid, _) = registered(2, 1).await;
    let second = world.endpoint(1);
    let liar_chain = if liar == Liar::First { world.chain.clone() } else { second };
    world.pass().await;
    assert_eq!(world.land().len(), 1);
    liar_chain.lie_about_deal(FIRST, Some(lie(&world, FIRST)));
    for _ in 0..120 {
        world.live(EpochDelta::new(720)).await;
    }
    assert_eq!(world.submits(), 1, "{liar:?} lies: {:?}", world.told(&cid).await);
    liar_chain.lie_about_deal(FIRST, None);
    for _ in 0..8 {
        world.live(EpochDelta::new(720)).await;
    }
    assert_eq!(world.submits(), 1, "{liar:?} lied: {:?}", world.told(&cid).await);
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active, "{liar:?} lied");
    assert_eq!(world.contract.recorded(&cid).len(), 1, "{liar:?} lied");
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_first_endpoint_denies_is_not_ordered_again() {
    costs_nothing_from_the_beginning(Liar::First, |_, _| missing()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_second_endpoint_denies_is_not_ordered_again() {
    costs_nothing_from_the_beginning(Liar::Second, |_, _| missing()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_first_endpoint_says_is_of_another_provider_is_not_ordered_again() {
    costs_nothing_from_the_beginning(Liar::First, elsewhere).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_second_endpoint_says_is_of_another_provider_is_not_ordered_again() {
    costs_nothing_from_the_beginning(Liar::Second, elsewhere).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_first_endpoint_says_ends_soon_is_not_renewed() {
    costs_nothing_from_the_beginning(Liar::First, ending_soon).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_deal_that_the_second_endpoint_says_ends_soon_is_not_renewed() {
    costs_nothing_from_the_beginning(Liar::Second, ending_soon).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_lied_about_while_nothing_was_spent_does_not_stick() {
    let (mut world, cid, _) = registered(2, 1).await;
    world.records = false;
    world.restart();
    world.pass().await;
    world.publish();
    // Published and not active, at a later end than is true: nothing that anyone spends on.
    let mut lie = world.deal(FIRST);
    lie.proposal.end = lie.proposal.end + EpochDelta::DAY;
    world.chain.lie_about_deal(FIRST, Some(found(lie)));
    for _ in 0..4 {
        world.live(EpochDelta::HOUR).await;
    }
    world.chain.lie_about_deal(FIRST, None);
    world.activate(FIRST);
    world.looks(3).await;
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active, "both say so");
    assert_eq!(world.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_both_see_is_repaired_after_the_second_look() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    world.terminate(LOST);
    world.live(EpochDelta::DAY).await;
    assert_eq!(world.submits(), 3, "seen once is not enough");
    world.live(SOON).await;
    assert_eq!(world.submits(), 4);
    let (verdict, evidence) = world.last(&cid, LOST).await;
    assert_eq!(verdict, Verdict::Terminated);
    let witness = evidence.witness.expect("two saw it").endpoint;
    assert_eq!((evidence.endpoint, witness), ("fake".to_owned(), "second".to_owned()));
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 4);
    assert_eq!(disagreements(&world), []);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_was_one_endpoints_lie_at_first_is_repaired_once_it_is_true() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    world.chain.lie_about_deal(LOST, Some(missing()));
    world.looks(5).await;
    assert_eq!(world.submits(), 3);
    world.terminate(LOST);
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 4);
    assert_eq!(world.alerts(AlertCode::Disagreement), []);
}
