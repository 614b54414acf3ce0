//! What is to be spent waits for the second endpoint: orders, renewals and records alike; and nothing
//! else needs it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_lotus::FakeFault;
use raas_runtime::AlertCode;
use raas_types::{Cause, DealReading, EpochDelta, VerdictKind};
use world::*;

#[tokio::test(start_paused = true)]
async fn a_loss_waits_for_the_second_endpoint_and_for_nothing_else() {
    let (mut world, cid, job) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    second.fail(FakeFault::Endpoint);
    world.terminate(LOST);
    world.looks(10).await;
    assert_eq!(world.submits(), 3, "nothing is spent on the word of one");
    let (verdict, evidence) = world.last(&cid, LOST).await;
    assert_eq!((verdict.kind(), evidence.witness), (VerdictKind::Terminated, None));
    let words = world.words(&job).await;
    let says = |w: &String| w.contains("of deal 10") && w.contains("only fake was heard");
    assert!(words.iter().any(says), "{words:#?}");
    let [alert] = &world.alerts(AlertCode::WitnessMissing)[..] else { panic!("one alert") };
    assert!(alert.words.contains("second endpoint"), "{}", alert.words);

    second.heal(FakeFault::Endpoint);
    world.live(SOON).await;
    assert_eq!(world.submits(), 4, "without a restart: {:?}", world.aside());
    assert_eq!(world.alerts(AlertCode::WitnessMissing), []);
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_again_waits_for_no_witness_any_more() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    second.fail(FakeFault::Endpoint);
    world.terminate(LOST);
    world.looks(3).await;
    assert_eq!(world.alerts(AlertCode::WitnessMissing).len(), 1);
    world.activate(LOST);
    world.looks(3).await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
    assert_eq!((world.alerts(AlertCode::WitnessMissing), world.submits()), (vec![], 3));
}

#[tokio::test(start_paused = true)]
async fn of_a_job_that_is_gone_no_alert_stands() {
    for code in [AlertCode::WitnessMissing, AlertCode::Disagreement] {
        let (mut world, _, job) = satisfied(2, 3).await;
        let second = world.endpoint(1);
        if code == AlertCode::WitnessMissing {
            second.fail(FakeFault::Endpoint);
            world.terminate(LOST);
        } else {
            world.chain.lie_about_deal(LOST, Some(missing()));
        }
        world.looks(3).await;
        assert_eq!(world.alerts(code).len(), 1);
        world.node().remove_job(&job).await.unwrap();
        world.looks(3).await;
        assert_eq!(world.alerts(code), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_waits_for_a_witness_is_told_of_while_others_go_out() {
    for waiting in [FIRST, LOST] {
        let (mut world, _, _) = satisfied(2, 1).await;
        let second = world.endpoint(1);
        world.settings.batch = 1;
        world.restart();
        let other = world.store_file(b"other data").await;
        world.register(other, terms(1)).await;
        world.settle_down(other, 1).await;
        // Both are spent upon in one pass, in rounds of their own: one waits and the other does not.
        second.fail(FakeFault::Deal(waiting));
        world.terminate(FIRST);
        world.terminate(LOST);
        world.looks(2).await;
        assert_eq!(world.submits(), 3, "the one that both see is replaced");
        assert_eq!(world.alerts(AlertCode::WitnessMissing).len(), 1, "{waiting} waits");
        second.heal(FakeFault::Deal(waiting));
        world.looks(2).await;
        assert_eq!(world.submits(), 4);
        assert_eq!(world.alerts(AlertCode::WitnessMissing), []);
    }
}

#[tokio::test(start_paused = true)]
async fn where_one_witness_is_asked_for_the_first_endpoint_is_believed() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    world.settings.witnesses = 1;
    world.restart();
    let asked = second.calls().deals_read;
    world.chain.lie_about_deal(LOST, Some(missing()));
    world.looks(2).await;
    assert_eq!(world.submits(), 4);
    let cause = world.orders(&cid).await.last().unwrap().cause;
    assert_eq!(cause, Cause::Repair { deal: LOST });
    assert_eq!(second.calls().deals_read, asked, "the second is not even asked");
}

#[tokio::test(start_paused = true)]
async fn renewals_wait_for_the_second_endpoint_too() {
    let (mut world, cid, _) = satisfied(2, 1).await;
    let second = world.endpoint(1);
    let end = world.end_of(FIRST);
    world.advance((end - MONTH).since(world.now()));
    second.fail(FakeFault::Endpoint);
    world.looks(3).await;
    assert_eq!(world.submits(), 1);
    assert_eq!(world.alerts(AlertCode::WitnessMissing).len(), 1);
    second.heal(FakeFault::Endpoint);
    world.looks(2).await;
    assert_eq!(world.submits(), 2);
    let cause = world.orders(&cid).await.last().unwrap().cause;
    assert_eq!(cause, Cause::Renewal { deal: FIRST });
}

#[tokio::test(start_paused = true)]
async fn a_deal_is_recorded_once_the_second_endpoint_has_seen_it() {
    let (mut world, cid, _) = registered(2, 1).await;
    let second = world.endpoint(1);
    second.fail(FakeFault::Endpoint);
    for _ in 0..8 {
        world.live(EpochDelta::new(720)).await;
    }
    assert_eq!(world.submits(), 1, "there was nothing to witness when it was ordered");
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active);
    assert_eq!(world.contract.recorded(&cid), []);
    second.heal(FakeFault::Endpoint);
    world.looks(3).await;
    assert_eq!(world.contract.recorded(&cid).len(), 1);
    assert_eq!(world.alerts(AlertCode::WitnessMissing), []);
}

#[tokio::test(start_paused = true)]
async fn a_deal_that_one_endpoint_alone_calls_active_is_not_recorded() {
    let (mut world, cid, _) = registered(2, 1).await;
    let second = world.endpoint(1);
    world.pass().await;
    world.land();
    let mut published = world.deal(FIRST);
    published.activation = None;
    second.lie_about_deal(FIRST, Some(DealReading::Found(published)));
    world.looks(5).await;
    assert_eq!(world.contract.recorded(&cid), []);
    second.lie_about_deal(FIRST, None);
    world.looks(3).await;
    assert_eq!(world.contract.recorded(&cid).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn routine_looks_ask_the_first_endpoint_alone() {
    let (mut world, cid, _) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    let (before, of_the_first) = (second.calls(), world.chain.calls());
    for _ in 0..10 {
        assert_eq!(world.live(EpochDelta::DAY).await.deals, 3);
    }
    let after = second.calls();
    assert_eq!((after.deals, after.sectors), (before.deals, before.sectors));
    assert_eq!(world.chain.calls().deals_read - of_the_first.deals_read, 30);
    world.terminate(LOST);
    world.live(EpochDelta::DAY).await;
    assert_eq!(second.calls().deals, before.deals, "a loss seen once is not spent upon");
    world.live(SOON).await;
    assert_eq!(second.calls().deals_read - before.deals_read, 3, "each deal of the CID once");
    assert_eq!(world.orders(&cid).await.len(), 4);
}
