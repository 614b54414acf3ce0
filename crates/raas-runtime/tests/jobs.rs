//! Jobs come, share, change and go.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use raas_job_store::JobStore;
use raas_runtime::{RegisterError, Registration, RuntimeError};
use raas_types::{
    AggregatorName, Cid, DealId, EpochDelta, JobId, ListedDeal, OrderState, ProviderId, Renewal,
    Replication, Terms, Trust,
};
use world::*;

#[tokio::test]
async fn the_same_terms_are_the_same_job() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let first = world.try_register(cid, terms(3)).await.unwrap();
    assert_eq!(first.registration, Registration::Created);
    world.settle_down(cid, 3).await;
    let second = world.try_register(cid, terms(3)).await.unwrap();
    assert_eq!(second.registration, Registration::Existing);
    let stored = world.node().job_status(&first.job.id).await.unwrap().stored.job;
    assert_eq!(second.job, stored, "the job as it is, not as it would begin");
    world.restart();
    world.step(EpochDelta::DAY).await;
    assert_eq!(world.submits(), 3);
}

#[tokio::test]
async fn other_terms_are_another_job_that_shares_the_replicas() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let first = world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    let second = world.register(cid, terms(3)).await;
    assert_ne!(first, second);
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3, "one more, not three");
    for job in [&first, &second] {
        assert!(world.says(job, "All slots are held: 3 of 3").await);
    }
    // Each job is announced; each deal is recorded once, for one of them.
    assert_eq!(world.contract.transactions_sent(), 2 + 3);
}

#[tokio::test]
async fn two_jobs_registered_together_order_once() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    world.register(cid, terms(2)).await;
    world.register(cid, terms(1)).await;
    world.settle_down(cid, 2).await;
    assert_eq!(world.submits(), 2);
}

#[tokio::test]
async fn terms_that_make_no_sense_are_refused_with_all_that_is_wrong() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let nonsense = Terms {
        replication: Some(Replication { target: 3, min: 4, max: 2 }),
        aggregators: vec![AggregatorName::new("nobody")],
        ..Terms::default()
    };
    let error = world.try_register(cid, nonsense).await.unwrap_err();
    assert!(matches!(&error, RegisterError::Terms(errors) if errors.len() == 3), "{error}");
    assert!(error.to_string().contains("known: lighthouse"), "{error}");
    assert!(world.node().jobs(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_removed_job_orders_nothing_more() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let job = world.register(cid, terms(3)).await;
    world.pass().await;
    world.node().remove_job(&job).await.unwrap();
    for _ in 0..8 {
        world.step(EpochDelta::DAY).await;
    }
    assert_eq!(world.submits(), 1);
    let missing = world.node().remove_job(&job).await.unwrap_err();
    assert!(matches!(missing, RuntimeError::NoSuchJob(_)), "{missing}");
    // The deal that was under way is known, and counts when the job comes back.
    assert_eq!(world.memories(&cid).await.len(), 1);
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3);
}

#[tokio::test]
async fn an_order_intended_for_a_removed_job_is_never_sent() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let job = world.register(cid, terms(1)).await;
    world.aggregators[0].answer_next(raas_aggregator::Answer::Unavailable);
    world.pass().await;
    assert_eq!(world.orders(&cid).await[0].state, OrderState::Intended);
    world.node().remove_job(&job).await.unwrap();
    world.restart();
    for _ in 0..5 {
        world.step(EpochDelta::DAY).await;
    }
    assert!(world.aggregators[0].orders().is_empty());
    let state = world.orders(&cid).await[0].state.clone();
    assert!(matches!(state, OrderState::Withdrawn { .. }), "{state:?}");
}

#[tokio::test]
async fn an_intended_order_that_is_no_longer_needed_is_withdrawn() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let job = world.register(cid, Terms { trust: Trust::Contract, ..terms(1) }).await;
    world.aggregators[0].answer_next(raas_aggregator::Answer::Unavailable);
    world.pass().await;
    let listed = world.strangers_deal(0, 2000);
    world.contract.list(cid, listed);
    world.advance(EpochDelta::DAY);
    world.pass().await;
    assert!(matches!(world.orders(&cid).await[0].state, OrderState::Withdrawn { .. }));
    assert!(world.says(&job, "All slots are held: 1 of 1").await);
}

#[tokio::test]
async fn a_job_stands_until_its_epoch_and_no_longer() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let until = START + EpochDelta::days(10);
    let job = world.register(cid, Terms { until: Some(until), ..terms(3) }).await;
    world.settle_down(cid, 3).await;
    world.terminate(DealId::new(100));
    world.advance(until.since(world.now()) + EpochDelta::DAY);
    for _ in 0..5 {
        world.step(EpochDelta::DAY).await;
    }
    assert_eq!(world.submits(), 3, "what is lost after its end is not replaced");
    assert!(world.says(&job, "No job for this data stands any more").await);
}

#[tokio::test]
async fn when_one_of_two_jobs_is_over_the_other_one_still_stands() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let until = Some(START + EpochDelta::days(10));
    world.register(cid, Terms { until, ..terms(3) }).await;
    let other = world.register(cid, terms(1)).await;
    world.settle_down(cid, 3).await;
    world.advance(EpochDelta::days(20));
    world.pass().await;
    assert!(world.says(&other, "3 slots are held where 1 are wanted").await);
    for deal in [100, 101, 102] {
        world.terminate(DealId::new(deal));
    }
    world.advance(EpochDelta::DAY);
    world.pass().await;
    world.settle_down(cid, 1).await;
    assert_eq!(world.submits(), 4, "one is made for the one that stands");
}

/// While the contract is asked, a client changes a job: registers another one and removes this one.
#[derive(Debug)]
struct Meddler {
    inner: raas_deal_status::FakeDealStatus,
    store: raas_job_store::MemoryJobStore,
    job: JobId,
    done: AtomicBool,
}

#[async_trait::async_trait]
impl raas_deal_status::DealStatusSource for Meddler {
    fn contract(&self) -> String {
        self.inner.contract()
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &raas_types::Tipset,
    ) -> Vec<raas_deal_status::Result<raas_deal_status::Listing>> {
        if !self.done.swap(true, Ordering::Relaxed) {
            let mut stored = self.store.job(&self.job).await.unwrap().unwrap();
            stored.value.job.terms.replication = Some(Replication::around(2));
            self.store.update_job(&stored).await.unwrap();
        }
        self.inner.listings(cids, within, at).await
    }

    async fn requests_since(
        &self,
        cursor: Option<raas_deal_status::Cursor>,
        until: &raas_types::Tipset,
    ) -> raas_deal_status::Result<raas_deal_status::Requests> {
        self.inner.requests_since(cursor, until).await
    }
}

#[tokio::test]
async fn a_job_that_is_changed_during_a_look_keeps_the_change_and_is_looked_at_again() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let job = world.register(cid, terms(1)).await;
    let meddler = Meddler {
        inner: world.contract.clone(),
        store: world.inner_store.clone(),
        job: job.clone(),
        done: AtomicBool::new(false),
    };
    let node = raas_runtime::Node::builder()
        .chain(Arc::new(world.chain.clone()))
        .contract(Arc::new(meddler))
        .store(Arc::new(world.inner_store.clone()))
        .blobs(world.blobs.clone())
        .aggregator(Arc::new(world.aggregators[0].clone()))
        .build()
        .unwrap();
    let report = node.pass().await;
    assert_eq!(report.cids, 2, "the stale look and the one after it");
    let stored = node.job_status(&job).await.unwrap();
    assert_eq!(stored.stored.job.terms.replication, Some(Replication::around(2)));
    assert!(stored.last_look.unwrap().words.iter().any(|w| w.contains("0 of 2 slots")));
    assert_eq!(world.submits(), 1, "the stale look ordered nothing");
}

/// A CID of which nothing is stored.
fn cid_of(n: u64) -> Cid {
    let profile = raas_retrieval::ImportProfile::default();
    raas_retrieval::file_blocks(&n.to_be_bytes(), &profile).0
}

#[tokio::test]
async fn a_deal_that_a_thousand_jobs_share_is_read_once_a_pass() {
    let mut world = World::new();
    let shared = world.strangers_deal(0, 2000);
    let trusting = Terms { trust: Trust::Contract, ..terms(1) };
    for n in 0..1_000 {
        let cid = cid_of(n);
        world.contract.list(cid, shared);
        world.register(cid, trusting.clone()).await;
    }
    world.records = false;
    for _ in 0..2 {
        world.advance(EpochDelta::DAY);
        let before = world.chain.calls();
        let report = world.pass().await;
        let after = world.chain.calls();
        assert_eq!((report.jobs, report.cids), (1_000, 1_000));
        assert_eq!(after.deals_read - before.deals_read, 1);
        assert_eq!(after.sectors_read - before.sectors_read, 1);
        assert_eq!((report.deals, report.sectors), (1, 1));
    }
    assert_eq!(world.submits(), 0);
}

#[tokio::test]
async fn more_jobs_of_one_cid_than_a_batch_holds_are_one_look() {
    let mut world = World::new();
    world.settings.batch = 4;
    let cid = world.store_file(b"a job").await;
    for days in 1..20 {
        let renewal = Some(Renewal { threshold: EpochDelta::days(days) });
        world.register(cid, Terms { renewal, ..terms(1) }).await;
    }
    let other = world.store_file(b"another").await;
    world.register(other, terms(1)).await;
    world.pass().await;
    assert_eq!((world.orders(&cid).await.len(), world.orders(&other).await.len()), (1, 1));
}

#[tokio::test]
async fn a_cid_that_cannot_be_loaded_delays_itself_alone() {
    let mut world = World::new();
    world.settings.batch = 1;
    let mut cids = vec![world.store_file(b"1").await, world.store_file(b"2").await];
    cids.push(world.store_file(b"3").await);
    let mut jobs = Vec::new();
    for cid in &cids {
        jobs.push((world.register(*cid, terms(1)).await, *cid));
    }
    jobs.sort();
    let damaged = jobs[0].1;
    world.inner_store.fail_reads_of(damaged);
    let report = world.pass().await;
    assert!(report.errors.iter().all(|e| e.contains(&damaged.to_string())), "{:?}", report.errors);
    assert!(!report.errors.is_empty());
    for (_, cid) in &jobs[1..] {
        assert_eq!(world.orders(cid).await.len(), 1);
    }
    assert_eq!(world.submits(), 2);
}

#[tokio::test]
async fn forged_listings_do_not_keep_a_job_from_learning_what_it_keeps() {
    let mut world = World::new();
    let cid = world.store_file(b"a job").await;
    let listed = world.strangers_deal(0, 2000);
    world.contract.list(cid, listed);
    let forged = world.strangers_deal(1, 2001);
    world.contract.list(cid, ListedDeal { provider: ProviderId::new(2002), ..forged });
    let renewal = Some(Renewal { threshold: MONTH });
    let terms = Terms { renewal, trust: Trust::Contract, ..Terms::default() };
    let job = world.register(cid, terms).await;
    world.advance(SOON);
    world.pass().await;
    assert_eq!(world.node().job_status(&job).await.unwrap().stored.job.found, Some(1));
}

#[tokio::test]
async fn a_cid_of_version_0_and_its_twin_are_one_job() {
    let v0 = Cid::try_from("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH").unwrap();
    let v1 = Cid::new_v1(v0.codec(), *v0.hash());
    let mut world = World::new();
    let first = world.try_register(v0, terms(2)).await.unwrap();
    let second = world.try_register(v1, terms(2)).await.unwrap();
    assert_eq!(first.job.id, second.job.id);
    assert_eq!(second.registration, Registration::Existing);
}
