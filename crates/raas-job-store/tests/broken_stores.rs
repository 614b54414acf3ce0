//! The suite can fail: stores with one flaw each are rejected, by the check that is about it.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use cid::Cid;
use raas_job_store::{
    Change, Dossier, DueJob, JobStore, Lease, MemoryJobStore, Result, StoredJob, Versioned,
    conformance,
};
use raas_types::{
    ChainEpoch, DealMemory, Job, JobId, Order, OrderId, OrderState, Transaction, TxHash,
};

/// What is wrong with a [`Broken`] store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    WritesChangesByHalves,
    IgnoresVersions,
    IgnoresVersionsInChanges,
    DueInReverse,
    DueBeyondTheLimit,
    DueOnlyWhatWasLookedAt,
    NamesDueJobsBeyondTheLimit,
    AnswersEachCidOnce,
    LeavesOutEmptyDossiers,
    DossiersInTheOrderOfCids,
    DossiersWithoutTransactions,
    GrantsLeasesTwice,
    KeepsTheFence,
    OverwritesWakes,
    RemovesOrdersWithTheJob,
    ForgetsSettledOrders,
}

#[tokio::test]
async fn a_wrapper_without_a_flaw_passes() {
    run(Flaw::None).await;
}

#[tokio::test]
#[should_panic(expected = "nothing of a refused change is written")]
async fn a_store_that_writes_changes_by_halves_is_rejected() {
    run(Flaw::WritesChangesByHalves).await;
}

#[tokio::test]
#[should_panic(expected = "a stale writer is told so")]
async fn a_store_that_ignores_versions_is_rejected() {
    run(Flaw::IgnoresVersions).await;
}

#[tokio::test]
#[should_panic(expected = "a change with a stale job is refused")]
async fn a_store_that_ignores_versions_in_changes_is_rejected() {
    run(Flaw::IgnoresVersionsInChanges).await;
}

#[tokio::test]
#[should_panic(expected = "order of due jobs")]
async fn a_store_that_gives_due_jobs_in_reverse_is_rejected() {
    run(Flaw::DueInReverse).await;
}

#[tokio::test]
#[should_panic(expected = "the limit 0 of due jobs")]
async fn a_store_that_exceeds_the_limit_is_rejected() {
    run(Flaw::DueBeyondTheLimit).await;
}

#[tokio::test]
#[should_panic(expected = "order of due jobs")]
async fn a_store_that_never_gives_a_new_job_is_rejected() {
    run(Flaw::DueOnlyWhatWasLookedAt).await;
}

#[tokio::test]
#[should_panic(expected = "at the limit 0 the due jobs named are those listed")]
async fn a_store_that_names_due_jobs_beyond_the_limit_is_rejected() {
    run(Flaw::NamesDueJobsBeyondTheLimit).await;
}

#[tokio::test]
#[should_panic(expected = "there is one dossier for each CID asked for")]
async fn a_store_that_answers_a_cid_once_however_often_it_is_asked_for_is_rejected() {
    run(Flaw::AnswersEachCidOnce).await;
}

#[tokio::test]
#[should_panic(expected = "there is one dossier for each CID asked for")]
async fn a_store_that_leaves_out_empty_dossiers_is_rejected() {
    run(Flaw::LeavesOutEmptyDossiers).await;
}

#[tokio::test]
#[should_panic(expected = "the dossier at place 0 is of the CID asked for there")]
async fn a_store_that_gives_dossiers_in_the_order_of_cids_is_rejected() {
    run(Flaw::DossiersInTheOrderOfCids).await;
}

#[tokio::test]
#[should_panic(expected = "a dossier is what the single calls list")]
async fn a_store_that_gives_dossiers_without_transactions_is_rejected() {
    run(Flaw::DossiersWithoutTransactions).await;
}

#[tokio::test]
#[should_panic(expected = "a lease that is held is granted to nobody else")]
async fn a_store_that_grants_a_lease_twice_is_rejected() {
    run(Flaw::GrantsLeasesTwice).await;
}

#[tokio::test]
#[should_panic(expected = "a new holder's fence is above the old one's")]
async fn a_store_that_keeps_the_fence_is_rejected() {
    run(Flaw::KeepsTheFence).await;
}

#[tokio::test]
#[should_panic(expected = "a look in progress must not overwrite a wake")]
async fn a_store_that_overwrites_wakes_is_rejected() {
    run(Flaw::OverwritesWakes).await;
}

#[tokio::test]
#[should_panic(expected = "the facts stay when the job is removed")]
async fn a_store_that_removes_orders_with_the_job_is_rejected() {
    run(Flaw::RemovesOrdersWithTheJob).await;
}

#[tokio::test]
#[should_panic(expected = "orders of every state are kept")]
async fn a_store_that_forgets_settled_orders_is_rejected() {
    run(Flaw::ForgetsSettledOrders).await;
}

#[tokio::test]
#[should_panic(expected = "everything that was confirmed is there after reopening")]
async fn a_store_that_is_empty_after_reopening_is_rejected() {
    let make = async || Arc::new(MemoryJobStore::new()) as Arc<dyn JobStore>;
    conformance::durable(make, async |_| make().await).await;
}

async fn run(flaw: Flaw) {
    let make =
        async || Arc::new(Broken { inner: MemoryJobStore::new(), flaw }) as Arc<dyn JobStore>;
    conformance::all(make).await;
}

/// A store that is right but for one flaw.
#[derive(Debug)]
struct Broken {
    inner: MemoryJobStore,
    flaw: Flaw,
}

impl Broken {
    /// The write, moved to whatever version is current.
    async fn at_current_version(
        &self,
        write: &Versioned<StoredJob>,
    ) -> Result<Versioned<StoredJob>> {
        let id = &write.value.job.id;
        let current = match self.inner.job(id).await? {
            Some(current) => current,
            None => self.inner.insert_job(&write.value.job).await?,
        };
        Ok(Versioned { version: current.version, ..write.clone() })
    }
}

#[async_trait]
impl JobStore for Broken {
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
        match self.flaw {
            Flaw::DueInReverse => {
                let mut due = self.inner.due(epoch, limit).await?;
                due.reverse();
                Ok(due)
            }
            Flaw::DueBeyondTheLimit => self.inner.due(epoch, limit.saturating_add(1)).await,
            Flaw::DueOnlyWhatWasLookedAt => {
                let mut due = self.inner.due(epoch, limit).await?;
                due.retain(|stored| stored.value.record.next_look.is_some());
                Ok(due)
            }
            _ => self.inner.due(epoch, limit).await,
        }
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        let more = usize::from(self.flaw == Flaw::NamesDueJobsBeyondTheLimit);
        self.inner.due_jobs(epoch, limit.saturating_add(more)).await
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        let mut asked = cids.to_vec();
        match self.flaw {
            Flaw::AnswersEachCidOnce => {
                let mut seen = BTreeSet::new();
                asked.retain(|cid| seen.insert(*cid));
            }
            Flaw::DossiersInTheOrderOfCids => asked.sort(),
            _ => {}
        }
        let mut dossiers = self.inner.dossiers(&asked).await;
        match self.flaw {
            Flaw::LeavesOutEmptyDossiers => {
                dossiers.retain(|dossier| !matches!(dossier, Ok(d) if *d == Dossier::default()));
            }
            Flaw::DossiersWithoutTransactions => {
                dossiers.iter_mut().flatten().for_each(|dossier| dossier.transactions.clear());
            }
            _ => {}
        }
        dossiers
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        match self.flaw {
            Flaw::IgnoresVersions => {
                self.inner.update_job(&self.at_current_version(stored).await?).await
            }
            Flaw::OverwritesWakes => {
                let current = self.inner.job(&stored.value.job.id).await?;
                let woken = current.filter(|job| job.value.record.next_look.is_none());
                let version = woken.map_or(stored.version, |job| job.version);
                self.inner.update_job(&Versioned { version, ..stored.clone() }).await
            }
            _ => self.inner.update_job(stored).await,
        }
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

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        let mut orders = self.inner.orders_of(cid).await?;
        match self.flaw {
            Flaw::RemovesOrdersWithTheJob if self.inner.jobs_of(cid).await?.is_empty() => {
                orders.retain(|order| order.id.as_str() != "order");
            }
            Flaw::ForgetsSettledOrders => orders.retain(|order| {
                !matches!(order.state, OrderState::Landed { .. } | OrderState::Failed { .. })
            }),
            _ => {}
        }
        Ok(orders)
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
        match self.flaw {
            Flaw::WritesChangesByHalves => {
                let facts = Change { jobs: Vec::new(), ..change.clone() };
                self.inner.commit(&facts).await?;
                let jobs = Change { jobs: change.jobs.clone(), ..Change::default() };
                self.inner.commit(&jobs).await
            }
            Flaw::IgnoresVersionsInChanges => {
                let mut change = change.clone();
                for stored in &mut change.jobs {
                    *stored = self.at_current_version(stored).await?;
                }
                self.inner.commit(&change).await
            }
            _ => self.inner.commit(change).await,
        }
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        match self.flaw {
            Flaw::GrantsLeasesTwice => {
                let long_after = ChainEpoch::new(i64::MAX);
                self.inner.lease(name, owner, long_after, until).await
            }
            Flaw::KeepsTheFence => {
                let lease = self.inner.lease(name, owner, now, until).await?;
                Ok(lease.map(|lease| Lease { fence: 1, ..lease }))
            }
            _ => self.inner.lease(name, owner, now, until).await,
        }
    }
}
