//! Bugs of the store: what it says it keeps is not what is found again.

use std::sync::Arc;

use async_trait::async_trait;
use raas_job_store::{
    Change, Decision, Dossier, DueJob, JobStore, Lease, Result, StoredJob, Versioned,
};
use raas_types::{
    Cause, ChainEpoch, Cid, DealMemory, Job, JobId, Order, OrderId, OrderState, Transaction,
    TransactionState, TxHash,
};
use tokio::sync::Mutex;

use super::Plant;

/// A store with a bug.
#[derive(Debug)]
pub(super) struct Planted {
    plant: Plant,
    inner: Arc<dyn JobStore>,
    /// What was acknowledged and is yet to be written.
    unwritten: Mutex<Option<Change>>,
}

impl Planted {
    pub(super) fn new(plant: Plant, inner: Arc<dyn JobStore>) -> Self {
        Self { plant, inner, unwritten: Mutex::new(None) }
    }

    /// The store behind, with everything written that was acknowledged so far.
    async fn settled(&self) -> &dyn JobStore {
        if self.plant == Plant::AcknowledgedUnwritten
            && let Some(change) = self.unwritten.lock().await.take()
        {
            // Nobody waits for the answer any more.
            let _ = self.inner.commit(&change).await;
        }
        self.inner.as_ref()
    }

    /// An order as it is found again.
    fn found(&self, mut order: Order) -> Option<Order> {
        let renews = matches!(order.cause, Cause::Renewal { .. });
        match (self.plant, &order.state) {
            (Plant::IntentForgotten, OrderState::Sending) => order.state = OrderState::Intended,
            (Plant::SentForgotten, OrderState::Sent { .. }) => return None,
            (Plant::RenewalForgotten, OrderState::Sent { .. }) if renews => return None,
            _ => {}
        }
        Some(order)
    }

    fn found_all(&self, orders: Vec<Order>) -> Vec<Order> {
        orders.into_iter().filter_map(|order| self.found(order)).collect()
    }

    fn found_transactions(&self, mut transactions: Vec<Transaction>) -> Vec<Transaction> {
        if self.plant == Plant::TransactionForgotten {
            transactions.retain(|t| t.state != TransactionState::Prepared);
        }
        transactions
    }

    /// A change as it is written.
    fn bent(&self, change: &Change) -> Change {
        let mut change = change.clone();
        match self.plant {
            Plant::BreakBeforeMake => {
                let renewed = change.orders.iter().filter_map(|order| match order.cause {
                    Cause::Renewal { deal } => Some((order.cid, deal)),
                    _ => None,
                });
                change.forget.extend(renewed.collect::<Vec<_>>());
            }
            Plant::LeaseIgnored => change.lease = None,
            _ => {}
        }
        change
    }
}

#[async_trait]
impl JobStore for Planted {
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        self.settled().await.insert_job(job).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        self.settled().await.job(id).await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        self.settled().await.jobs(after, limit).await
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        self.settled().await.jobs_of(cid).await
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        self.settled().await.due_jobs(epoch, limit).await
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        let dossiers = self.settled().await.dossiers(cids).await;
        let found = |Dossier { mut jobs, memories, orders, transactions }| {
            if self.plant == Plant::EndForgotten {
                jobs.iter_mut().for_each(|stored| stored.value.job.terms.until = None);
            }
            let (orders, transactions) =
                (self.found_all(orders), self.found_transactions(transactions));
            Dossier { jobs, memories, orders, transactions }
        };
        dossiers.into_iter().map(|dossier| dossier.map(found)).collect()
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        self.settled().await.update_job(stored).await
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        self.settled().await.wake(id).await
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        self.settled().await.remove_job(id).await
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.settled().await.deal_memories(cid).await
    }

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        Ok(self.found_all(self.settled().await.orders_of(cid).await?))
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        let order = self.settled().await.order(id).await?;
        Ok(order.and_then(|order| self.found(order)))
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        Ok(self.found_all(self.settled().await.outstanding_orders().await?))
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        Ok(self.found_transactions(self.settled().await.open_transactions().await?))
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        self.settled().await.transaction(hash).await
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        Ok(self.found_transactions(self.settled().await.transactions_of(job).await?))
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        self.settled().await.cursor(name).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.settled().await.note(name).await
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        self.settled().await.decisions(cid, before, limit).await
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        self.settled().await.trim_decisions(keep).await
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        let change = self.bent(change);
        let store = self.settled().await;
        if self.plant == Plant::AcknowledgedUnwritten {
            *self.unwritten.lock().await = Some(change);
            return Ok(());
        }
        store.commit(&change).await
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        let lease = self.settled().await.lease(name, owner, now, until).await?;
        let (name, owner) = (name.to_owned(), owner.to_owned());
        let had =
            (self.plant == Plant::LeaseIgnored).then(|| Lease { name, owner, until, fence: 1 });
        Ok(lease.or(had))
    }
}
