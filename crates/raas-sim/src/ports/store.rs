//! The store, as a node reaches it: what it keeps outlives every node. What is written is told to the
//! watch.

use async_trait::async_trait;
use raas_job_store::{
    Change, Decision, Dossier, DueJob, Error, JobStore, Lease, MemoryJobStore, Result, StoredJob,
    Versioned,
};
use raas_types::{ChainEpoch, Cid, DealMemory, Job, JobId, Order, OrderId, Transaction, TxHash};

use super::Link;

/// One node's handle of the store.
#[derive(Debug)]
pub(crate) struct SimStore {
    pub(crate) link: Link,
    pub(crate) inner: MemoryJobStore,
}

impl SimStore {
    async fn read<T>(&self, read: impl Future<Output = Result<T>>) -> Result<T> {
        self.link.fate.read().await;
        self.works()?;
        let value = read.await;
        self.link.fate.read().await;
        value
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.link.fate.effect().await;
        self.works()?;
        let value = write.await;
        self.link.fate.done().await;
        value
    }

    fn works(&self) -> Result<()> {
        let mut world = self.link.scene.world();
        if self.link.percent(world.store_fails) {
            world.tally.faults_injected += 1;
            return Err(Error::Unavailable("the disk is full".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl JobStore for SimStore {
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        self.write(async {
            let stored = self.inner.insert_job(job).await?;
            self.link.scene.watch().registered(job);
            Ok(stored)
        })
        .await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        self.read(self.inner.job(id)).await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        self.read(self.inner.jobs(after, limit)).await
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        self.read(self.inner.jobs_of(cid)).await
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        self.read(self.inner.due_jobs(epoch, limit)).await
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        self.link.fate.read().await;
        let dossiers = self.inner.dossiers(cids).await;
        let or_fail = |dossier| self.works().and(dossier);
        let dossiers = dossiers.into_iter().map(or_fail).collect();
        self.link.fate.read().await;
        dossiers
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        self.write(async {
            let version = self.inner.update_job(stored).await?;
            self.link.scene.watch().registered(&stored.value.job);
            Ok(version)
        })
        .await
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        self.write(self.inner.wake(id)).await
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        self.write(async {
            let removed = self.inner.remove_job(id).await?;
            self.link.scene.watch().removed(id);
            Ok(removed)
        })
        .await
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.read(self.inner.deal_memories(cid)).await
    }

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        self.read(self.inner.orders_of(cid)).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        self.read(self.inner.order(id)).await
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        self.read(self.inner.outstanding_orders()).await
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        self.read(self.inner.open_transactions()).await
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        self.read(self.inner.transaction(hash)).await
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        self.read(self.inner.transactions_of(job)).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        self.read(self.inner.cursor(name)).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(self.inner.note(name)).await
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        self.read(self.inner.decisions(cid, before, limit)).await
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        self.write(self.inner.trim_decisions(keep)).await
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        self.write(async {
            self.inner.commit(change).await?;
            let world = &mut *self.link.scene.world();
            self.link.scene.watch().committed(world, self.link.node, change);
            Ok(())
        })
        .await
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        self.write(async {
            let lease = self.inner.lease(name, owner, now, until).await?;
            if lease.is_some() {
                self.link.scene.watch().leased(self.link.node);
            }
            Ok(lease)
        })
        .await
    }
}
