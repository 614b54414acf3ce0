//! The whole life of a CID: made, announced, recorded, left alone, repaired, renewed, retrieved.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::collections::BTreeSet;

use raas_retrieval::MemorySource;
use raas_runtime::Event;
use raas_types::{
    Cause, DealId, EpochDelta, OrderState, ProviderId, TransactionPurpose, VerdictKind,
};
use tokio_util::sync::CancellationToken;
use world::*;

const BYTES: &[u8] = b"what is to be kept";

/// A world with a satisfied job of three replicas.
async fn satisfied() -> (World, raas_types::Cid, raas_types::JobId) {
    let mut world = World::new();
    let cid = world.store_file(BYTES).await;
    let job = world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    (world, cid, job)
}

#[tokio::test]
async fn three_replicas_are_made_one_at_a_time_on_three_providers() {
    let mut world = World::new();
    let cid = world.store_file(BYTES).await;
    let job = world.register(cid, terms(3)).await;
    for made in 0..3 {
        world.pass().await;
        assert_eq!(world.submits(), made + 1, "one order at a time");
        assert_eq!(world.aggregators[0].waiting(), 1);
        world.advance(SOON);
        world.pass().await;
        assert_eq!(world.submits(), made + 1, "none while it is outstanding");
        assert_eq!(world.land().len(), 1);
        world.advance(SOON);
    }
    world.pass().await;
    assert_eq!(world.submits(), 3);
    assert!(world.says(&job, "All slots are held: 3 of 3").await, "{:?}", world.words(&job).await);
    let providers: BTreeSet<ProviderId> =
        world.memories(&cid).await.iter().map(|m| m.listed.provider).collect();
    assert_eq!(providers.len(), 3);
    let landed = |o: &raas_types::Order| matches!(o.state, OrderState::Landed { .. });
    assert!(world.orders(&cid).await.iter().all(landed));
}

#[tokio::test]
async fn the_contract_hears_of_the_job_once_and_of_each_deal_once() {
    let (mut world, cid, job) = satisfied().await;
    for _ in 0..4 {
        world.step(EpochDelta::DAY).await;
    }
    let purposes: Vec<_> = world.transactions(&job).await.into_iter().map(|t| t.purpose).collect();
    let mut expected = vec![TransactionPurpose::Submit { job: job.clone() }];
    expected.extend(
        (100..103)
            .map(|deal| TransactionPurpose::Complete { job: job.clone(), deal: DealId::new(deal) }),
    );
    assert_eq!(purposes, expected);
    assert_eq!(world.contract.transactions_sent(), 4);
    assert_eq!(world.contract.recorded(&cid).len(), 3);
}

#[tokio::test]
async fn a_satisfied_job_is_left_alone() {
    let (mut world, _, job) = satisfied().await;
    let (calls, sent) = (world.aggregators[0].calls(), world.contract.transactions_sent());
    for _ in 0..30 {
        let report = world.step(EpochDelta::DAY).await;
        assert_eq!((report.events, report.errors), (vec![], vec![]));
        assert_eq!(report.cids, 1, "it is still looked at");
    }
    assert_eq!(world.aggregators[0].calls(), calls, "the aggregator is not even asked");
    assert_eq!(world.contract.transactions_sent(), sent);
    assert!(world.says(&job, "Nothing is to be done.").await);
}

#[tokio::test]
async fn a_satisfied_job_is_not_looked_at_before_its_time() {
    let (mut world, _, _) = satisfied().await;
    world.step(SOON).await;
    let report = world.step(SOON).await;
    assert_eq!((report.jobs, report.cids, report.deals), (0, 0, 0));
}

#[tokio::test]
async fn a_fault_beyond_the_threshold_is_repaired_once_after_a_second_look() {
    let (mut world, cid, _) = satisfied().await;
    let lost = DealId::new(101);
    world.fault(lost);
    world.advance(EpochDelta::DAY + SOON);
    world.pass().await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Faulty);
    assert_eq!(world.submits(), 3, "seen once is not enough");
    world.advance(EpochDelta::new(59));
    world.pass().await;
    assert_eq!(world.submits(), 3, "59 epochs are not 60");
    world.advance(EpochDelta::new(1));
    world.pass().await;
    assert_eq!(world.submits(), 4);
    world.settle_down(cid, 3).await;
    world.step(EpochDelta::DAY).await;
    world.step(EpochDelta::DAY).await;
    assert_eq!(world.submits(), 4, "one repair for one loss");
    let orders = world.orders(&cid).await;
    assert_eq!(orders.last().unwrap().cause, Cause::Repair { deal: lost });
    let successor = world.memories(&cid).await.into_iter().find(|m| m.replaces() == Some(lost));
    assert_eq!(successor.unwrap().listed.deal, DealId::new(103));
}

#[tokio::test]
async fn a_fault_that_recovers_in_time_costs_nothing() {
    let (mut world, cid, _) = satisfied().await;
    world.fault(DealId::new(101));
    world.advance(EpochDelta::new(2_700));
    world.pass().await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Faulty);
    world.recover(DealId::new(101));
    for _ in 0..8 {
        world.step(EpochDelta::new(720)).await;
    }
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
}

#[tokio::test]
async fn a_terminated_deal_is_replaced_whatever_the_threshold() {
    let (mut world, cid, _) = satisfied().await;
    world.terminate(DealId::new(100));
    world.advance(EpochDelta::DAY);
    world.pass().await;
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Terminated);
    assert_eq!(world.submits(), 3, "seen once is not enough");
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 4);
    assert_eq!(
        world.orders(&cid).await.last().unwrap().cause,
        Cause::Repair { deal: DealId::new(100) }
    );
}

#[tokio::test]
async fn deals_near_their_end_are_renewed_one_by_one_and_the_old_ones_lapse() {
    let (mut world, cid, job) = satisfied().await;
    let first_end = world.end_of(DealId::new(100));
    world.advance((first_end - MONTH - EpochDelta::DAY).since(world.now()));
    world.step(SOON).await;
    assert_eq!(world.submits(), 3, "a day before the window nothing is due");
    world.advance(EpochDelta::DAY.times(4));
    world.settle_down(cid, 3).await;
    let renewals: Vec<_> =
        world.orders(&cid).await.into_iter().skip(3).map(|o| o.cause.replaces().unwrap()).collect();
    assert_eq!(renewals, [100, 101, 102].map(DealId::new));
    assert!(world.now() < first_end, "the successors are there before the old deals end");

    world.advance(MONTH + EpochDelta::DAY);
    world.pass().await;
    world.settle(DealId::new(100));
    for _ in 0..4 {
        world.step(EpochDelta::DAY).await;
    }
    assert_eq!(world.submits(), 6, "one successor a deal");
    assert_eq!(world.lasting(&cid).await, [103, 104, 105].map(DealId::new));
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Ended);
    assert!(world.says(&job, "All slots are held: 3 of 3").await, "{:?}", world.words(&job).await);
}

#[tokio::test]
async fn years_go_by_and_every_deal_is_renewed_once_a_term() {
    let (mut world, cid, _) = satisfied().await;
    for _ in 0..(3 * 365) {
        world.step(EpochDelta::DAY).await;
    }
    // A deal lasts 180 days and is renewed 30 days before: a term of about 150 days (151 to 153
    // with the 2 days from order to start), so that 1095 days see 7 renewals of each of the three.
    let renewals = world.submits() - 3;
    assert_eq!(renewals, 7 * 3, "{:?}", world.orders(&cid).await);
    assert_eq!(world.lasting(&cid).await.len(), 3);
}

#[tokio::test]
async fn what_was_kept_can_be_had_again() {
    let (mut world, cid, _) = satisfied().await;
    let (source, same) = MemorySource::new("a provider").with_file(BYTES);
    assert_eq!(same, cid);
    world.sources.push(std::sync::Arc::new(source));
    world.restart();
    world.blobs.remove(&cid).await.unwrap();
    let node = world.node();
    assert_eq!(node.retrieve(&cid).await.unwrap().by, "a provider");
    assert_eq!(node.retrieve(&cid).await.unwrap().by, "local store");
    assert_eq!(
        node.blobs().stat(&cid).await.unwrap().unwrap().file_bytes,
        Some(BYTES.len() as u64)
    );
}

#[tokio::test]
async fn the_reports_tell_the_story() {
    let (mut world, cid, _) = satisfied().await;
    let ordered = world.events.iter().filter(|e| matches!(e, Event::Ordered { .. })).count();
    let landed = world.events.iter().filter(|e| matches!(e, Event::Landed { .. })).count();
    let active = |e: &&Event| matches!(e, Event::Judged { to: VerdictKind::Active, .. });
    assert_eq!((ordered, landed, world.events.iter().filter(active).count()), (3, 3, 3));
    let totals = world.node().status().totals;
    assert_eq!((totals.orders_replication, totals.orders_landed), (3, 3));
    assert_eq!((totals.transactions_sent, totals.errors), (4, 0));
    assert!(world.memories(&cid).await.iter().all(|m| m.last.is_some()));
}

#[tokio::test]
async fn the_loop_passes_when_it_is_woken_and_ends_when_it_is_told_to() {
    let mut world = World::new();
    world.settings.period = std::time::Duration::from_secs(1_000_000);
    let node = world.node();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (node, shutdown) = (node.clone(), shutdown.clone());
        async move { node.run(shutdown).await }
    });
    let cid = world.store_file(BYTES).await;
    node.register(cid, terms(1)).await.unwrap();
    let ordered = async {
        while world.submits() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ordered).await.unwrap();
    shutdown.cancel();
    running.await.unwrap();
    assert!(
        matches!(world.orders(&cid).await[0].state, OrderState::Sent { .. }),
        "it was finished"
    );
}
