//! A store that is right but for one flaw.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use cid::Cid;
use raas_job_store::{
    Change, Decision, Dossier, DueJob, JobStore, Lease, MemoryJobStore, Result, StoredJob,
    Versioned,
};
use raas_types::{
    ChainEpoch, DealMemory, Job, JobId, Order, OrderId, OrderState, Transaction, TxHash,
};

/// What is wrong with a [`Broken`] store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    WritesChangesByHalves,
    IgnoresVersions,
    IgnoresVersionsInChanges,
    DueInReverse,
    DueBeyondTheLimit,
    DueOnlyWhatWasLookedAt,
    AnswersEachCidOnce,
    LeavesOutEmptyDossiers,
    DossiersInTheOrderOfCids,
    DossiersWithoutTransactions,
    GrantsLeasesTwice,
    KeepsTheFence,
    WritesUnderAnyLease,
    WritesUnderLapsedLeases,
    OverwritesWakes,
    RemovesOrdersWithTheJob,
    ForgetsSettledOrders,
    DecisionsOldestFirst,
    DecisionsOfEveryCid,
    DecisionsFromThePageBefore,
    WritesDecisionsApart,
    DropsOneTooMany,
    CountsAnewAfterTrimming,
    KeepsTheFirstNote,
}

/// A store that is right but for one flaw.
#[derive(Debug)]
pub(crate) struct Broken {
    inner: MemoryJobStore,
    flaw: Flaw,
    /// How many decisions were trimmed.
    dropped: AtomicU64,
}

impl Broken {
    /// An empty store with this flaw.
    pub(crate) fn with(flaw: Flaw) -> Self {
        Self { inner: MemoryJobStore::new(), flaw, dropped: AtomicU64::default() }
    }

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

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        let more = usize::from(self.flaw == Flaw::DueBeyondTheLimit);
        let mut due = self.inner.due_jobs(epoch, limit.saturating_add(more)).await?;
        match self.flaw {
            Flaw::DueInReverse => due.reverse(),
            Flaw::DueOnlyWhatWasLookedAt => {
                let mut looked_at = Vec::new();
                for job in due {
                    let id = job.as_ref().map(|job| job.id.clone()).map_err(Clone::clone)?;
                    let stored = self.inner.job(&id).await?;
                    if stored.is_some_and(|stored| stored.value.record.next_look.is_some()) {
                        looked_at.push(job);
                    }
                }
                due = looked_at;
            }
            _ => {}
        }
        Ok(due)
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

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.inner.note(name).await
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        let cid = cid.filter(|_| self.flaw != Flaw::DecisionsOfEveryCid);
        let later = u64::from(self.flaw == Flaw::DecisionsFromThePageBefore);
        let before = before.map(|before| before.saturating_add(later));
        let mut decisions = self.inner.decisions(cid, before, limit).await?;
        match self.flaw {
            Flaw::DecisionsOldestFirst => decisions.reverse(),
            Flaw::CountsAnewAfterTrimming => {
                let dropped = self.dropped.load(Ordering::Relaxed);
                decisions.iter_mut().for_each(|(number, _)| *number -= dropped);
            }
            _ => {}
        }
        Ok(decisions)
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        let less = usize::from(self.flaw == Flaw::DropsOneTooMany);
        let dropped = self.inner.trim_decisions(keep.saturating_sub(less)).await?;
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        Ok(dropped)
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        let mut change = change.clone();
        match self.flaw {
            Flaw::WritesChangesByHalves => {
                let facts = Change { jobs: Vec::new(), ..change.clone() };
                self.inner.commit(&facts).await?;
                change = Change { jobs: change.jobs, ..Change::default() };
            }
            Flaw::WritesDecisionsApart => {
                let decisions = std::mem::take(&mut change.decisions);
                self.inner.commit(&Change { decisions, ..Change::default() }).await?;
            }
            Flaw::IgnoresVersionsInChanges => {
                for stored in &mut change.jobs {
                    *stored = self.at_current_version(stored).await?;
                }
            }
            Flaw::WritesUnderAnyLease => change.lease = None,
            Flaw::WritesUnderLapsedLeases => {
                if let Some(Lease { name, owner, until, .. }) = change.lease.clone() {
                    let long_before = ChainEpoch::new(i64::MIN);
                    let held = self.inner.lease(&name, &owner, long_before, until).await?;
                    change.lease = held.or(change.lease);
                }
            }
            Flaw::KeepsTheFirstNote => {
                for (name, value) in &mut change.notes {
                    *value = self.inner.note(name).await?.unwrap_or(std::mem::take(value));
                }
            }
            _ => {}
        }
        self.inner.commit(&change).await
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
