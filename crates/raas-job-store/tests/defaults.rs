//! A store that has the single calls alone: what the port makes of them keeps the contract too.

use std::sync::Arc;

use async_trait::async_trait;
use cid::Cid;
use raas_job_store::{
    Change, Error, JobStore, Lease, MemoryJobStore, Result, StoredJob, Versioned,
    conformance::{self, samples},
};
use raas_types::{ChainEpoch, DealMemory, Job, JobId, Order, OrderId, Transaction, TxHash};

#[tokio::test]
async fn a_store_of_single_calls_keeps_the_contract() {
    conformance::all(async || Arc::new(Single::default()) as Arc<dyn JobStore>).await;
}

#[tokio::test]
async fn an_unreadable_fact_spoils_the_dossier_of_its_cid_alone() {
    let store = Single { unreadable: Some(samples::cid(2)), ..Single::default() };
    let dossiers = store.dossiers(&[1, 2, 3].map(samples::cid)).await;
    let spoilt: Vec<bool> = dossiers.iter().map(Result::is_err).collect();
    assert_eq!(spoilt, [false, true, false]);
}

/// Forwards every call that has no default.
#[derive(Debug, Default)]
struct Single {
    inner: MemoryJobStore,
    /// The CID whose orders cannot be read.
    unreadable: Option<Cid>,
}

#[async_trait]
impl JobStore for Single {
    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        if self.unreadable == Some(*cid) {
            return Err(Error::Corrupt("an order".to_owned()));
        }
        self.inner.orders_of(cid).await
    }

    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        self.inner.insert_job(job).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        self.inner.job(id).await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        self.inner.jobs(after, limit).await
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        self.inner.jobs_of(cid).await
    }

    async fn due(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        self.inner.due(epoch, limit).await
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        self.inner.update_job(stored).await
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        self.inner.wake(id).await
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        self.inner.remove_job(id).await
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.inner.deal_memories(cid).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        self.inner.order(id).await
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        self.inner.outstanding_orders().await
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        self.inner.open_transactions().await
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        self.inner.transaction(hash).await
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        self.inner.transactions_of(job).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        self.inner.cursor(name).await
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        self.inner.commit(change).await
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        self.inner.lease(name, owner, now, until).await
    }
}
