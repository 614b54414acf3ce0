//! [`MemoryJobStore`]: the port in memory, for tests, simulations and trying things out.
//!
//! It keeps the whole contract but one line: what it holds ends with its last handle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cid::Cid;
use raas_types::{
    ChainEpoch, DealId, DealMemory, Job, JobId, Order, OrderId, Transaction, TransactionPurpose,
    TransactionState, TxHash,
};

use crate::{
    Change, Decision, Dossier, DueJob, Error, JobRecord, JobStore, Lease, Result, StoredJob,
    Versioned,
};

/// A [`JobStore`] in memory. Clones share what is kept, as handles of one store.
#[derive(Clone, Default)]
pub struct MemoryJobStore {
    state: Arc<Mutex<State>>,
}

impl MemoryJobStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on reads of what is stored of a CID - its dossier, deals and orders - fail as if the rows
    /// were damaged, through every handle. Its jobs are still named when they are due. For tests of what
    /// must go on beside a damaged row.
    pub fn fail_reads_of(&self, cid: Cid) {
        self.state().damaged.insert(cid);
    }

    /// The state, also after a panic elsewhere: writes check everything before they change
    /// anything, so a lock that was poisoned guards a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryJobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryJobStore")
            .field("jobs", &state.jobs.len())
            .field("orders", &state.orders.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl JobStore for MemoryJobStore {
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        let mut state = self.state();
        if state.jobs.contains_key(&job.id) {
            return Err(Error::Exists(job.id.clone()));
        }
        let value = StoredJob { job: job.clone(), record: JobRecord::default() };
        let stored = Versioned { value, version: 1 };
        state.put_job(stored.clone());
        Ok(stored)
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        Ok(self.state().jobs.get(id).cloned())
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        Ok(self
            .state()
            .jobs
            .range((from, Unbounded))
            .take(limit)
            .map(|(_, job)| job.clone())
            .collect())
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        Ok(self.state().jobs_of(cid))
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        let name = |stored: &Versioned<StoredJob>| {
            let Job { id, cid, .. } = &stored.value.job;
            Ok(DueJob { id: id.clone(), cid: *cid })
        };
        Ok(self.state().due(epoch, limit).map(name).collect())
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        let state = self.state();
        cids.iter().map(|cid| state.dossier(cid)).collect()
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        let mut state = self.state();
        state.check_versions(std::slice::from_ref(stored))?;
        Ok(state.replace_job(stored))
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        let mut state = self.state();
        if let Some(mut stored) = state.jobs.get(id).cloned() {
            stored.value.record.next_look = None;
            state.replace_job(&stored);
        }
        Ok(())
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        Ok(self.state().take_job(id).is_some())
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.state().memories_of(cid)
    }

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        self.state().orders_of(cid)
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        Ok(self.state().orders.get(id).cloned())
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        let state = self.state();
        Ok(state.outstanding.iter().filter_map(|(_, id)| state.orders.get(id).cloned()).collect())
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        let state = self.state();
        Ok(state.open_transactions.iter().map(|&place| state.transactions[place].clone()).collect())
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        let state = self.state();
        Ok(state.transaction_places.get(hash).map(|&place| state.transactions[place].clone()))
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        Ok(self.state().transactions_of(job).cloned().collect())
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.state().cursors.get(name).copied())
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.state().notes.get(name).cloned())
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        let state = self.state();
        let below = state.decisions.range(..before.unwrap_or(u64::MAX)).rev();
        let of_cid = below.filter(|(_, decision)| cid.is_none_or(|cid| decision.cid == cid));
        Ok(of_cid.take(limit).map(|(&number, decision)| (number, decision.clone())).collect())
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        let mut state = self.state();
        let mut dropped = 0;
        while state.decisions.len() > keep {
            state.decisions.pop_first();
            dropped += 1;
        }
        Ok(dropped)
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        let mut state = self.state();
        state.check_lease(change.lease.as_ref())?;
        state.check_versions(&change.jobs)?;
        // Nothing can fail from here on.
        for (cid, memory) in &change.memories {
            state.memories.insert((*cid, memory.listed.deal), memory.clone());
        }
        for key in &change.forget {
            state.memories.remove(key);
        }
        for order in &change.orders {
            state.put_order(order);
        }
        for transaction in &change.transactions {
            state.put_transaction(transaction);
        }
        for stored in &change.jobs {
            state.replace_job(stored);
        }
        state.cursors.extend(change.cursors.iter().cloned());
        state.notes.extend(change.notes.iter().cloned());
        for decision in &change.decisions {
            state.put_decision(decision);
        }
        Ok(())
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        let mut state = self.state();
        let fence = match state.leases.get(name) {
            None => 1,
            Some(held) if held.until <= now => held.fence + 1,
            Some(held) if held.owner == owner => held.fence,
            Some(_) => return Ok(None),
        };
        let lease = Lease { name: name.to_owned(), owner: owner.to_owned(), until, fence };
        state.leases.insert(name.to_owned(), lease.clone());
        Ok(Some(lease))
    }
}

/// What is kept, with an index for every list that looks ask for.
#[derive(Default)]
struct State {
    jobs: BTreeMap<JobId, Versioned<StoredJob>>,
    jobs_by_cid: BTreeSet<(Cid, JobId)>,
    /// `None` sorts before every epoch, as [`JobStore::due_jobs`] asks.
    jobs_by_look: BTreeSet<(Option<ChainEpoch>, JobId)>,
    memories: BTreeMap<(Cid, DealId), DealMemory>,
    orders: BTreeMap<OrderId, Order>,
    orders_by_cid: BTreeSet<(Cid, ChainEpoch, OrderId)>,
    outstanding: BTreeSet<(ChainEpoch, OrderId)>,
    /// In the order in which they were first written.
    transactions: Vec<Transaction>,
    transaction_places: BTreeMap<TxHash, usize>,
    transactions_by_job: BTreeSet<(JobId, usize)>,
    open_transactions: BTreeSet<usize>,
    cursors: BTreeMap<String, i64>,
    notes: BTreeMap<String, Vec<u8>>,
    /// By their numbers.
    decisions: BTreeMap<u64, Decision>,
    /// How many decisions there ever were: the number of the last one.
    decided: u64,
    leases: BTreeMap<String, Lease>,
    /// CIDs of which nothing can be read.
    damaged: BTreeSet<Cid>,
}

impl State {
    fn due(&self, epoch: ChainEpoch, limit: usize) -> impl Iterator<Item = &Versioned<StoredJob>> {
        let due =
            self.jobs_by_look.iter().take_while(move |(look, _)| look.is_none_or(|at| at <= epoch));
        due.take(limit).filter_map(|(_, id)| self.jobs.get(id))
    }

    fn dossier(&self, cid: &Cid) -> Result<Dossier> {
        let jobs = self.jobs_of(cid);
        let transactions = jobs
            .iter()
            .flat_map(|stored| self.transactions_of(&stored.value.job.id).cloned())
            .collect();
        let (memories, orders) = (self.memories_of(cid)?, self.orders_of(cid)?);
        Ok(Dossier { jobs, memories, orders, transactions })
    }

    fn jobs_of(&self, cid: &Cid) -> Vec<Versioned<StoredJob>> {
        let first = (*cid, JobId::new(""));
        let keys = self.jobs_by_cid.range(first..).take_while(|(of, _)| of == cid);
        keys.filter_map(|(_, id)| self.jobs.get(id).cloned()).collect()
    }

    fn memories_of(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        self.check_readable(cid)?;
        let all = (*cid, DealId::new(0))..=(*cid, DealId::new(u64::MAX));
        Ok(self.memories.range(all).map(|(_, memory)| memory.clone()).collect())
    }

    fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        self.check_readable(cid)?;
        let first = (*cid, ChainEpoch::new(i64::MIN), OrderId::new(""));
        let keys = self.orders_by_cid.range(first..).take_while(|(of, ..)| of == cid);
        Ok(keys.filter_map(|(_, _, id)| self.orders.get(id).cloned()).collect())
    }

    /// That nobody asked for the rows of this CID to be damaged.
    fn check_readable(&self, cid: &Cid) -> Result<()> {
        match self.damaged.contains(cid) {
            true => Err(Error::Corrupt(format!("the rows of {cid}, by request"))),
            false => Ok(()),
        }
    }

    fn transactions_of(&self, job: &JobId) -> impl Iterator<Item = &Transaction> {
        let all = (job.clone(), 0)..=(job.clone(), usize::MAX);
        self.transactions_by_job.range(all).map(|(_, place)| &self.transactions[*place])
    }

    /// That this lease, where one is named, is the last grant of its name.
    fn check_lease(&self, lease: Option<&Lease>) -> Result<()> {
        let Some(lease) = lease else { return Ok(()) };
        let held = self.leases.get(&lease.name);
        match held.is_some_and(|held| held.owner == lease.owner && held.fence == lease.fence) {
            true => Ok(()),
            false => Err(Error::LeaseLost(lease.name.clone())),
        }
    }

    /// That each of these writes, one after the other, replaces the version it names.
    fn check_versions(&self, writes: &[Versioned<StoredJob>]) -> Result<()> {
        let mut versions = BTreeMap::new();
        for write in writes {
            let id = &write.value.job.id;
            let current =
                versions.get(id).copied().or_else(|| self.jobs.get(id).map(|job| job.version));
            if current != Some(write.version) {
                return Err(Error::Stale(id.clone()));
            }
            versions.insert(id, write.version + 1);
        }
        Ok(())
    }

    /// Writes a job over the version it names; the new version.
    fn replace_job(&mut self, stored: &Versioned<StoredJob>) -> u64 {
        let version = stored.version + 1;
        self.put_job(Versioned { value: stored.value.clone(), version });
        version
    }

    fn put_job(&mut self, stored: Versioned<StoredJob>) {
        let StoredJob { job, record } = &stored.value;
        let id = job.id.clone();
        self.take_job(&id);
        self.jobs_by_cid.insert((job.cid, id.clone()));
        self.jobs_by_look.insert((record.next_look, id.clone()));
        self.jobs.insert(id, stored);
    }

    fn take_job(&mut self, id: &JobId) -> Option<Versioned<StoredJob>> {
        let old = self.jobs.remove(id)?;
        self.jobs_by_cid.remove(&(old.value.job.cid, id.clone()));
        self.jobs_by_look.remove(&(old.value.record.next_look, id.clone()));
        Some(old)
    }

    fn put_decision(&mut self, decision: &Decision) {
        self.decided += 1;
        self.decisions.insert(self.decided, decision.clone());
    }

    fn put_order(&mut self, order: &Order) {
        if let Some(old) = self.orders.insert(order.id.clone(), order.clone()) {
            self.orders_by_cid.remove(&(old.cid, old.created, old.id.clone()));
            self.outstanding.remove(&(old.created, old.id));
        }
        self.orders_by_cid.insert((order.cid, order.created, order.id.clone()));
        if order.is_outstanding() {
            self.outstanding.insert((order.created, order.id.clone()));
        }
    }

    fn put_transaction(&mut self, transaction: &Transaction) {
        let place = match self.transaction_places.get(&transaction.hash) {
            Some(&place) => {
                let old = std::mem::replace(&mut self.transactions[place], transaction.clone());
                self.transactions_by_job.remove(&(job_of(&old).clone(), place));
                place
            }
            None => {
                let place = self.transactions.len();
                self.transaction_places.insert(transaction.hash.clone(), place);
                self.transactions.push(transaction.clone());
                place
            }
        };
        self.transactions_by_job.insert((job_of(transaction).clone(), place));
        if transaction.state == TransactionState::Prepared {
            self.open_transactions.insert(place);
        } else {
            self.open_transactions.remove(&place);
        }
    }
}

fn job_of(transaction: &Transaction) -> &JobId {
    match &transaction.purpose {
        TransactionPurpose::Submit { job } | TransactionPurpose::Complete { job, .. } => job,
    }
}
