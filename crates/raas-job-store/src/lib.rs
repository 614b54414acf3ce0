//! Where a node keeps what must outlive it: the [`JobStore`] port and an in-memory implementation.
//!
//! Implement [`JobStore`] to keep jobs somewhere else, then run `conformance::all` (feature
//! `test-util`) against it. Feature `mock` generates `MockJobStore` for tests of code that *uses* a
//! store; for tests of behaviour, prefer [`MemoryJobStore`].
//!
//! A store keeps and finds. It never decides, and it does not look inside the plans it is given.

mod error;
mod memory;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use error::{Error, Result};
pub use memory::MemoryJobStore;

use std::fmt;

use async_trait::async_trait;
use cid::Cid;
use raas_types::{
    ChainEpoch, DealId, DealMemory, Job, JobId, Order, OrderId, SubmissionId, Transaction, TxHash,
};

/// A value and the version it was read at. A write names the version it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Grows by one with every write; 1 after the insert.
    pub version: u64,
}

/// What is kept beside a job, changed by looks rather than by clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRecord {
    /// The epoch at which the job is to be looked at next; `None` is at once.
    pub next_look: Option<ChainEpoch>,
    /// The number the contract gave to the job's submission, once it has one.
    pub submission: Option<SubmissionId>,
    /// The last plan that concerned the job: opaque bytes, versioned by whoever wrote them.
    pub last_plan: Option<Vec<u8>>,
}

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// The job.
    pub job: Job,
    /// What looks have added.
    pub record: JobRecord,
}

/// A job that is due, as the schedule names it. What else is stored of it is in its CID's
/// [`Dossier`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueJob {
    /// The job.
    pub id: JobId,
    /// The data it is about.
    pub cid: Cid,
}

/// All that is stored of one CID: what a look at it starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dossier {
    /// Its jobs, as [`JobStore::jobs_of`] lists them.
    pub jobs: Vec<Versioned<StoredJob>>,
    /// What is remembered of its deals, as [`JobStore::deal_memories`] lists it.
    pub memories: Vec<DealMemory>,
    /// Its orders, as [`JobStore::orders_of`] lists them.
    pub orders: Vec<Order>,
    /// The transactions of each of its jobs in the order of `jobs`, as
    /// [`JobStore::transactions_of`] lists them.
    pub transactions: Vec<Transaction>,
}

/// What was decided about a CID, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The data it is about.
    pub cid: Cid,
    /// The epoch it was decided at.
    pub at: ChainEpoch,
    /// What was decided and upon what: opaque bytes, versioned by whoever wrote them.
    pub body: Vec<u8>,
}

/// The right to act under a name, until an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who holds it.
    pub owner: String,
    /// Until when, exclusive.
    pub until: ChainEpoch,
    /// Grows whenever the lease is granted anew; a holder with a lower number has lost it.
    pub fence: u64,
}

/// Keeps jobs, what is remembered of their deals, orders, transactions, decisions, cursors, notes and
/// leases.
///
/// # Contract
///
/// - A write is durable once it returns `Ok`: it survives a crash of the process and, for stores
///   that outlive it, of the machine.
/// - Every write is atomic, [`commit`](Self::commit) across all it holds.
/// - Looking up what is not there is `Ok(None)` or an empty list, never an error.
/// - A write to a job names the version it read; when another came in between, it changes nothing
///   and is [`Error::Stale`].
///   The same holds when the job was removed. Every write counts, [`wake`](Self::wake) too.
/// - Lists are in the order of their keys: text by its bytes, numbers by size. *Oldest first* is, of
///   orders, by the epoch they were created at and then by id; of transactions, in the order in
///   which they were first written. Replacing one leaves it in its place.
/// - A limit is never exceeded; 0 gives an empty list, `usize::MAX` everything.
/// - [`due_jobs`](Self::due_jobs) costs what is due, not what is stored, and names jobs never looked at
///   first, then by the epoch they were due at, then by id.
/// - [`due_jobs`](Self::due_jobs) and [`dossiers`](Self::dossiers) answer item by item: what cannot
///   be read of one job or CID is [`Error::Corrupt`] in its place, by its name, and the others are
///   answered all the same.
/// - Decisions are numbered from 1 on in the order in which they were written, each by one more than the
///   one before. A number is given once: neither trimming nor reopening gives it to another decision.
///   Only the oldest are ever dropped, so those that are kept have numbers without a gap.
/// - A lease is granted when it is free, over at `now`, or already the same owner's; to nobody else.
///   Renewing one that is not over keeps its fence, any other grant raises it. It may be renewed to
///   an earlier end; one renewed until `now` is given up.
/// - A change that names a lease is written only while that is the last grant of its name; else it is
///   [`Error::LeaseLost`], and nothing changes. A lease that is over and was not granted anew will do:
///   nobody has acted in its holder's place.
/// - Of calls that run at the same time, the outcome is as if they ran one after the other. A call
///   that is dropped before it returns happens whole or not at all.
///
/// `conformance` (feature `test-util`) checks all of this but four things that are each store's own
/// to show: what [`due_jobs`](Self::due_jobs) and [`trim_decisions`](Self::trim_decisions) cost, damage,
/// crashes, and calls that are dropped.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait JobStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps a new job. [`Error::Exists`] when its id is taken; nothing changes then.
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>>;

    /// One job.
    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>>;

    /// At most `limit` jobs with ids above `after`, in the order of their ids.
    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>>;

    /// All jobs of a CID.
    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>>;

    /// The names of at most `limit` jobs whose next look is at or before `epoch`, each answered by
    /// itself.
    ///
    /// A job that cannot be read counts towards the limit like any other and stays due, so it comes
    /// again every time: who asks in rounds asks for as many more as came and stay.
    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>>;

    /// All that is stored of each of `cids`, in the order asked, one answer for each: a CID asked
    /// for twice is answered twice, one of which nothing is stored has an empty dossier. A pass asks
    /// for tens of thousands at once.
    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>>;

    /// Replaces a job; `stored.version` is the version that was read. Returns the new version.
    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64>;

    /// Asks for a look as soon as can be, whatever the version: [`JobRecord::next_look`] becomes
    /// `None`. The version grows, so that a look in progress does not overwrite the wish. Nothing
    /// happens where there is no such job.
    async fn wake(&self, id: &JobId) -> Result<()>;

    /// Forgets a job; its orders, transactions and deal memories stay, for they are facts about the
    /// CID. `false` when there was none. The same job may be inserted anew; it starts at version 1.
    async fn remove_job(&self, id: &JobId) -> Result<bool>;

    /// What is remembered of the deals of a CID, in the order of their ids.
    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>>;

    /// All orders of a CID, oldest first.
    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>>;

    /// One order.
    async fn order(&self, id: &OrderId) -> Result<Option<Order>>;

    /// The orders of which a deal may still come, oldest first.
    async fn outstanding_orders(&self) -> Result<Vec<Order>>;

    /// The transactions whose end is not known, oldest first.
    async fn open_transactions(&self) -> Result<Vec<Transaction>>;

    /// One transaction.
    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>>;

    /// All transactions made for a job, oldest first.
    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>>;

    /// The value of a cursor.
    async fn cursor(&self, name: &str) -> Result<Option<i64>>;

    /// The value of a note.
    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// At most `limit` decisions with their numbers, the newest first: of one CID or of all, and with
    /// numbers below `before` where it is given. Who reads on from the last number given meets each
    /// decision once, whatever is written or trimmed meanwhile.
    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>>;

    /// Drops all decisions but the `keep` newest, of whatever CID; how many that were. Costs what is
    /// dropped, not what is kept.
    async fn trim_decisions(&self, keep: usize) -> Result<u64>;

    /// Writes all of a change, or none of it.
    async fn commit(&self, change: &Change) -> Result<()>;

    /// Takes or renews a lease on `name` from `now` until `until`; `None` while someone else has it.
    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>>;
}

/// Several writes that become durable together, as if made in the order of the fields: a memory that
/// is both written and forgotten is forgotten, and of two writes to one key the later stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The lease under which this is written: the same grant, whatever its end. `None` for what anyone
    /// may write at any time.
    pub lease: Option<Lease>,
    /// What is remembered of deals, by CID and deal id: inserted or replaced.
    pub memories: Vec<(Cid, DealMemory)>,
    /// Memories to forget.
    pub forget: Vec<(Cid, DealId)>,
    /// Orders, by id: inserted or replaced.
    pub orders: Vec<Order>,
    /// Transactions, by hash: inserted or replaced.
    pub transactions: Vec<Transaction>,
    /// Jobs to replace, each at the version that was read.
    pub jobs: Vec<Versioned<StoredJob>>,
    /// Cursors to set.
    pub cursors: Vec<(String, i64)>,
    /// Notes to set: small values that are opaque to the store, each under a name of its own.
    pub notes: Vec<(String, Vec<u8>)>,
    /// Decisions to add to the log, in this order.
    pub decisions: Vec<Decision>,
}

impl Change {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
