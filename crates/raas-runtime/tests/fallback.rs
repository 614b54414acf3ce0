//! What the first endpoint cannot tell, or never answers, is read from the second; and an endpoint
//! that hangs delays nothing for long.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use raas_lotus::{FakeFault, LotusChain};
use raas_types::{Cid, DealId, EpochDelta, VerdictKind};
use tokio::time::Instant;
use world::*;

/// As long as an introduction may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_the_first_endpoint_fails_to_tell_the_second_is_asked() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    world.chain.fail(FakeFault::Deal(DealId::new(100)));
    world.chain.fail(FakeFault::Sector(world.sector(DealId::new(101))));
    let asked = second.calls().deals_read;
    world.live(EpochDelta::DAY).await;
    let mut endpoints = Vec::new();
    for deal in 100..103 {
        let (verdict, evidence) = world.last(&cid, DealId::new(deal)).await;
        assert_eq!(verdict.kind(), VerdictKind::Active);
        endpoints.push(evidence.endpoint);
    }
    assert_eq!(endpoints, ["second", "second", "fake"]);
    assert_eq!(second.calls().deals_read - asked, 2, "and no more of it");
}

#[tokio::test(start_paused = true)]
async fn a_missing_deal_is_judged_by_an_endpoint_that_knows_which_id_is_next() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    world.chain.fail(FakeFault::NextDealId);
    world.terminate(DealId::new(101));
    world.live(EpochDelta::DAY).await;
    let (verdict, evidence) = world.last(&cid, DealId::new(101)).await;
    assert_eq!((verdict.kind(), &evidence.endpoint[..]), (VerdictKind::Terminated, "second"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answers_for_itself_and_for_no_deal_is_asked_last_until_it_does() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let deals = [100, 101, 102].map(DealId::new);
    // Read a day from now; then the first of them after an hour, and the others right after it.
    for (deal, span) in deals.into_iter().zip([120, 122, 124]) {
        world.prove(deal, EpochDelta::DAY.get() + span);
    }
    world.live(EpochDelta::DAY).await;
    deals.iter().for_each(|deal| world.chain.fail(FakeFault::Deal(*deal)));
    let asked = world.chain.calls().deals_read;
    world.live(EpochDelta::new(120 + 30)).await;
    for _ in 0..4 {
        world.live(EpochDelta::new(1)).await;
    }
    for deal in deals {
        let (verdict, evidence) = world.last(&cid, deal).await;
        assert_eq!((verdict.kind(), &evidence.endpoint[..]), (VerdictKind::Active, "second"));
        assert!(evidence.epoch + EpochDelta::new(5) > world.pinned(), "it was read just now");
    }
    assert_eq!(world.chain.calls().deals_read - asked, 1, "once in vain");
    deals.iter().for_each(|deal| world.chain.heal(FakeFault::Deal(*deal)));
    for _ in 0..3 {
        world.live(EpochDelta::DAY).await;
    }
    assert_eq!(world.last(&cid, deals[0]).await.1.endpoint, "fake", "the first is read again");
}

#[tokio::test(start_paused = true)]
async fn an_order_lands_on_what_the_second_endpoint_reads_while_the_first_cannot() {
    let mut world = World::new();
    world.another("second");
    let cid = world.store_file(b"seen by several").await;
    world.register(cid, terms(1)).await;
    world.chain.fail(FakeFault::Deal(DealId::new(100)));
    world.pass().await;
    for _ in 0..8 {
        world.live(EpochDelta::new(720)).await;
    }
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active);
    assert_eq!(world.submits(), 1);
}

/// A world of which one endpoint, the first or the second, can be made to hang.
async fn with_one_that_hangs(first: bool) -> (World, Watched, Cid) {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let second = Watched::over(&world.others[0]);
    let fake = Watched::over(&world.chain);
    world.endpoints = vec![Arc::new(fake.clone()), Arc::new(second.clone())];
    world.restart();
    world.live(EpochDelta::DAY).await;
    (world, if first { fake } else { second }, cid)
}

/// A pass, and how long it took; one that takes a day never ends.
async fn timed(world: &mut World) -> Duration {
    let started = Instant::now();
    let report = tokio::time::timeout(Duration::from_secs(86_400), world.pass()).await;
    assert_eq!(report.expect("the pass ends").gated, None);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_delays_no_pass_beyond_the_patience() {
    let questions = [Question::Network, Question::Head, Question::Finalized, Question::TipsetAt];
    for (question, first) in questions.into_iter().flat_map(|q| [(q, true), (q, false)]) {
        let (mut world, victim, cid) = with_one_that_hangs(first).await;
        victim.hang(Some(question));
        world.wait(EpochDelta::DAY).await;
        let took = timed(&mut world).await;
        assert!(took <= PATIENCE + Duration::from_secs(1), "{question:?} takes {took:?}");
        let aside = world.aside();
        assert_eq!(aside.keys().collect::<Vec<_>>(), [&victim.endpoint()], "{question:?}");
        let evidence = world.last(&cid, DealId::new(100)).await.1;
        let reader = if first { "second" } else { "fake" };
        assert_eq!((&evidence.endpoint[..], evidence.epoch), (reader, world.pinned()));
        // It costs its time again now and then, and not in every pass: of an hour of passes six.
        let mut lost = Duration::ZERO;
        for _ in 0..120 {
            world.wait(EpochDelta::new(1)).await;
            lost += timed(&mut world).await;
        }
        assert!(lost <= PATIENCE * 8, "{question:?} took {lost:?} of an hour");
        victim.hang(None);
        world.wait(EpochDelta::HOUR).await;
        timed(&mut world).await;
        assert_eq!(world.aside(), BTreeMap::new(), "{question:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_never_ends_is_taken_from_the_other_endpoint() {
    for question in [Question::Deals, Question::Sectors] {
        let (mut world, victim, cid) = with_one_that_hangs(true).await;
        victim.hang(Some(question));
        world.wait(EpochDelta::DAY).await;
        timed(&mut world).await;
        let (verdict, evidence) = world.last(&cid, DealId::new(100)).await;
        assert_eq!((verdict.kind(), &evidence.endpoint[..]), (VerdictKind::Active, "second"));
        assert_eq!(evidence.epoch, world.pinned());
    }
}
