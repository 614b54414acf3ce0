//! A process that dies: wrappers of the store, an aggregator and the recorder that let so many
//! effects happen and then none any more. What was called never returns, as in a process that is
//! gone, so the code under test cannot take a further step.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use raas_aggregator::{Aggregator, Capabilities, Found, Payload};
use raas_deal_status::{DealRecorder, Prepared, Record, TransactionStatus};
use raas_job_store::{
    Change, Decision, Dossier, DueJob, JobStore, Lease, Result, StoredJob, Versioned,
};
use raas_types::{
    AggregatorDeal, AggregatorName, ChainEpoch, Cid, DealMemory, Job, JobId, Order, OrderId,
    Ticket, Transaction, TxHash,
};
use tokio::sync::Notify;

/// How long a process lives, in effects: writes of the store, orders and transactions sent.
#[derive(Clone, Debug)]
pub(crate) struct Fate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    effects: AtomicU64,
    dies_after: u64,
    dead: AtomicBool,
    died: Notify,
}

impl Fate {
    pub(crate) fn dies_after(effects: u64) -> Self {
        Self(Arc::new(Inner {
            effects: AtomicU64::new(0),
            dies_after: effects,
            dead: AtomicBool::new(false),
            died: Notify::new(),
        }))
    }

    pub(crate) fn immortal() -> Self {
        Self::dies_after(u64::MAX)
    }

    /// How many effects there have been.
    pub(crate) fn effects(&self) -> u64 {
        self.0.effects.load(Ordering::Relaxed)
    }

    /// Returns when the process dies.
    pub(crate) async fn death(&self) {
        self.0.died.notified().await;
    }

    async fn effect<T>(&self, effect: impl Future<Output = T>) -> T {
        if self.effects() >= self.0.dies_after {
            self.0.dead.store(true, Ordering::Relaxed);
            self.0.died.notify_one();
        }
        self.alive().await;
        let result = effect.await;
        self.0.effects.fetch_add(1, Ordering::Relaxed);
        result
    }

    async fn alive(&self) {
        if self.0.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

/// A store, aggregator or recorder of a mortal process.
#[derive(Clone, Debug)]
pub(crate) struct Mortal<T> {
    pub(crate) inner: T,
    pub(crate) fate: Fate,
}

#[async_trait]
impl<S: JobStore> JobStore for Mortal<S> {
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        self.fate.effect(self.inner.insert_job(job)).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        self.fate.alive().await;
        self.inner.job(id).await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        self.fate.alive().await;
        self.inner.jobs(after, limit).await
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        self.fate.alive().await;
        self.inner.jobs_of(cid).await
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        self.fate.alive().await;
        self.inner.due_jobs(epoch, limit).await
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        self.fate.alive().await;
        self.inner.dossiers(cids).await
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        self.fate.effect(self.inner.update_job(stored)).await
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        self.fate.effect(self.inner.wake(id)).await
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        self.fate.effect(self.inner.remove_job(id)).await
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.fate.alive().await;
        self.inner.deal_memories(cid).await
    }

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        self.fate.alive().await;
        self.inner.orders_of(cid).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        self.fate.alive().await;
        self.inner.order(id).await
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        self.fate.alive().await;
        self.inner.outstanding_orders().await
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        self.fate.alive().await;
        self.inner.open_transactions().await
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        self.fate.alive().await;
        self.inner.transaction(hash).await
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        self.fate.alive().await;
        self.inner.transactions_of(job).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        self.fate.alive().await;
        self.inner.cursor(name).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.fate.alive().await;
        self.inner.note(name).await
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        self.fate.alive().await;
        self.inner.decisions(cid, before, limit).await
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        self.fate.effect(self.inner.trim_decisions(keep)).await
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        self.fate.effect(self.inner.commit(change)).await
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        self.fate.effect(self.inner.lease(name, owner, now, until)).await
    }
}

#[async_trait]
impl<A: Aggregator> Aggregator for Mortal<A> {
    fn name(&self) -> AggregatorName {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn submit(
        &self,
        order: &Order,
        payload: &dyn Payload,
    ) -> raas_aggregator::Result<Ticket> {
        self.fate.effect(self.inner.submit(order, payload)).await
    }

    async fn find(&self, order: &Order) -> raas_aggregator::Result<Found> {
        self.fate.alive().await;
        self.inner.find(order).await
    }

    async fn deals(&self, cid: &Cid) -> raas_aggregator::Result<Vec<AggregatorDeal>> {
        self.fate.alive().await;
        self.inner.deals(cid).await
    }
}

#[async_trait]
impl<R: DealRecorder> DealRecorder for Mortal<R> {
    fn account(&self) -> String {
        self.inner.account()
    }

    async fn prepare(
        &self,
        record: &Record,
        nonce: Option<u64>,
    ) -> raas_deal_status::Result<Prepared> {
        self.fate.alive().await;
        self.inner.prepare(record, nonce).await
    }

    async fn send(&self, raw: &[u8]) -> raas_deal_status::Result<()> {
        self.fate.effect(self.inner.send(raw)).await
    }

    async fn status(&self, hash: &TxHash) -> raas_deal_status::Result<TransactionStatus> {
        self.fate.alive().await;
        self.inner.status(hash).await
    }
}
