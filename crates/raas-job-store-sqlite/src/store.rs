//! [`SqliteJobStore`]: the port's methods as statements.

use std::path::Path;

use async_trait::async_trait;
use cid::Cid;
use raas_job_store::{
    Change, Decision, Dossier, DueJob, JobRecord, JobStore, Lease, Result, StoredJob, Versioned,
};
use raas_types::{ChainEpoch, DealMemory, Job, JobId, Order, OrderId, Transaction, TxHash};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::{
    changes::{self, JobRow, Rows, json},
    decisions, dossiers,
    failure::{self, Failure},
    file::LockedFile,
    rows::{body, due_job, execute, first, list, memory, number, stored_job},
    schema, sql,
    worker::Worker,
};

/// A [`JobStore`] in one SQLite file.
///
/// Dropping it finishes what was asked of it and closes the file, which may take some milliseconds.
#[derive(Debug)]
pub struct SqliteJobStore {
    worker: Worker,
}

impl SqliteJobStore {
    /// Opens the store in the file at `path`, or makes one there; its directory must exist. Blocks
    /// while it reads the file, and for at most a second while another node has it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](raas_job_store::Error::Unavailable) when another node has the store
    /// open or the file cannot be used; [`Error::Corrupt`](raas_job_store::Error::Corrupt) when it
    /// is damaged, is no job store, or was written by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || {
            let file = LockedFile::open(path)?;
            let db = schema::open(file.path())?;
            let thread = "cannot start a thread";
            let path = file.path().to_owned();
            Worker::start(db, path, Some(file))
                .map_err(|source| Failure::Io { action: thread, source })
        };
        open().map(|worker| Self { worker }).map_err(|failure| failure.at(path))
    }

    /// Opens the store in the file at `path` to read it, beside a node that has it open or on its own.
    /// Every write is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](raas_job_store::Error::Unavailable) when there is no such file or it
    /// cannot be used; [`Error::Corrupt`](raas_job_store::Error::Corrupt) when it is damaged, is no job
    /// store, or was written by another version: a node's first start brings an older one up to date.
    pub fn open_to_read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || {
            let absent = "cannot be found";
            let path = path.canonicalize();
            let path = path.map_err(|source| Failure::Io { action: absent, source })?;
            let db = schema::open_to_read(&path)?;
            let thread = "cannot start a thread";
            Worker::start(db, path, None).map_err(|source| Failure::Io { action: thread, source })
        };
        open().map(|worker| Self { worker }).map_err(|failure| failure.at(path))
    }

    /// Where the file is, without symbolic links.
    pub fn path(&self) -> &Path {
        self.worker.path()
    }

    /// Answers that came each by itself, their failures as the port tells them.
    fn each_told<T>(&self, answers: Vec<failure::Result<T>>) -> Vec<Result<T>> {
        answers
            .into_iter()
            .map(|answer| answer.map_err(|failure| failure.at(self.path())))
            .collect()
    }
}

#[async_trait]
impl JobStore for SqliteJobStore {
    async fn insert_job(&self, job: &Job) -> Result<Versioned<StoredJob>> {
        let job = job.clone();
        self.worker.call(move |db| insert_job(db, job)).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Versioned<StoredJob>>> {
        let id = id.clone();
        self.worker.call(move |db| first(db, sql::JOB, [id.as_str()], stored_job)).await
    }

    async fn jobs(&self, after: Option<JobId>, limit: usize) -> Result<Vec<Versioned<StoredJob>>> {
        let limit = row_limit(limit);
        self.worker
            .call(move |db| match after {
                None => list(db, sql::FIRST_JOBS, [limit], stored_job),
                Some(id) => list(db, sql::JOBS_AFTER, params![id.as_str(), limit], stored_job),
            })
            .await
    }

    async fn jobs_of(&self, cid: &Cid) -> Result<Vec<Versioned<StoredJob>>> {
        let cid = cid.to_string();
        self.worker.call(move |db| list(db, sql::JOBS_OF, [cid], stored_job)).await
    }

    async fn due_jobs(&self, epoch: ChainEpoch, limit: usize) -> Result<Vec<Result<DueJob>>> {
        let due = self.worker.call(move |db| due(db, epoch, limit)).await?;
        Ok(self.each_told(due))
    }

    async fn dossiers(&self, cids: &[Cid]) -> Vec<Result<Dossier>> {
        let mut dossiers = Vec::with_capacity(cids.len());
        for batch in cids.chunks(dossiers::BATCH) {
            let asked: Vec<String> = batch.iter().map(Cid::to_string).collect();
            match self.worker.call(move |db| dossiers::read(db, &asked)).await {
                Ok(answers) => dossiers.extend(self.each_told(answers)),
                Err(error) => dossiers.extend(batch.iter().map(|_| Err(error.clone()))),
            }
        }
        dossiers
    }

    async fn update_job(&self, stored: &Versioned<StoredJob>) -> Result<u64> {
        let row = JobRow::of(stored).map_err(|failure| failure.at(self.path()))?;
        self.worker.call(move |db| row.update(db)).await
    }

    async fn wake(&self, id: &JobId) -> Result<()> {
        let id = id.clone();
        self.worker.call(move |db| execute(db, sql::WAKE, [id.as_str()]).map(drop)).await
    }

    async fn remove_job(&self, id: &JobId) -> Result<bool> {
        let id = id.clone();
        self.worker.call(move |db| Ok(execute(db, sql::REMOVE_JOB, [id.as_str()])? > 0)).await
    }

    async fn deal_memories(&self, cid: &Cid) -> Result<Vec<DealMemory>> {
        let cid = cid.to_string();
        self.worker.call(move |db| list(db, sql::DEAL_MEMORIES, [cid], memory)).await
    }

    async fn orders_of(&self, cid: &Cid) -> Result<Vec<Order>> {
        let cid = cid.to_string();
        self.worker.call(move |db| list(db, sql::ORDERS_OF, [cid], body("order"))).await
    }

    async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        let id = id.clone();
        self.worker.call(move |db| first(db, sql::ORDER, [id.as_str()], body("order"))).await
    }

    async fn outstanding_orders(&self) -> Result<Vec<Order>> {
        self.worker.call(move |db| list(db, sql::OUTSTANDING_ORDERS, [], body("order"))).await
    }

    async fn open_transactions(&self) -> Result<Vec<Transaction>> {
        self.worker.call(move |db| list(db, sql::OPEN_TRANSACTIONS, [], body("transaction"))).await
    }

    async fn transaction(&self, hash: &TxHash) -> Result<Option<Transaction>> {
        let hash = hash.0.clone();
        self.worker.call(move |db| first(db, sql::TRANSACTION, [hash], body("transaction"))).await
    }

    async fn transactions_of(&self, job: &JobId) -> Result<Vec<Transaction>> {
        let job = job.clone();
        self.worker
            .call(move |db| list(db, sql::TRANSACTIONS_OF, [job.as_str()], body("transaction")))
            .await
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>> {
        let name = name.to_owned();
        self.worker.call(move |db| first(db, sql::CURSOR, [name], number("cursor"))).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let name = name.to_owned();
        self.worker.call(move |db| first(db, sql::NOTE, [name], |row| Ok(row.get(0)?))).await
    }

    async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>> {
        let limit = row_limit(limit);
        self.worker.call(move |db| decisions::newest(db, cid, before, limit)).await
    }

    async fn trim_decisions(&self, keep: usize) -> Result<u64> {
        let keep = row_limit(keep);
        self.worker.call(move |db| decisions::trim(db, keep)).await
    }

    async fn commit(&self, change: &Change) -> Result<()> {
        if change.is_empty() {
            return Ok(());
        }
        // Written out here, so that the thread has nothing to do but to write.
        let rows = Rows::of(change).map_err(|failure| failure.at(self.path()))?;
        self.worker.call(move |db| changes::commit(db, &rows)).await
    }

    async fn lease(
        &self,
        name: &str,
        owner: &str,
        now: ChainEpoch,
        until: ChainEpoch,
    ) -> Result<Option<Lease>> {
        let wanted = Lease { name: name.to_owned(), owner: owner.to_owned(), until, fence: 0 };
        self.worker.call(move |db| lease(db, wanted, now)).await
    }
}

fn insert_job(db: &Connection, job: Job) -> failure::Result<Versioned<StoredJob>> {
    let row = params![job.id.as_str(), job.cid.to_string(), json("job", job.id.as_str(), &job)?];
    if execute(db, sql::INSERT_JOB, row)? == 0 {
        return Err(Failure::Exists(job.id));
    }
    Ok(Versioned { value: StoredJob { job, record: JobRecord::default() }, version: 1 })
}

/// What is due, from a query for what was never looked at and one for the rest.
fn due(
    db: &Connection,
    epoch: ChainEpoch,
    limit: usize,
) -> failure::Result<Vec<failure::Result<DueJob>>> {
    let mut jobs = list(db, sql::NEVER_LOOKED_AT, [row_limit(limit)], due_job)?;
    let rest = row_limit(limit.saturating_sub(jobs.len()));
    if rest > 0 {
        jobs.extend(list(db, sql::DUE, params![epoch.get(), rest], due_job)?);
    }
    Ok(jobs)
}

fn lease(db: &mut Connection, wanted: Lease, now: ChainEpoch) -> failure::Result<Option<Lease>> {
    // In a transaction, for an INSERT that answers rows reports a failed commit to nobody.
    let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row = params![wanted.name, wanted.owner, now.get(), wanted.until.get()];
    let fence = first(&db, sql::LEASE, row, number("lease"))?;
    db.commit()?;
    Ok(fence.map(|fence| Lease { fence: fence.cast_unsigned(), ..wanted }))
}

/// A limit as SQLite takes it. More rows than `i64::MAX` do not fit into its files.
fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raas_job_store::{Error, conformance::samples};

    use super::*;

    fn fresh(dir: &tempfile::TempDir) -> SqliteJobStore {
        SqliteJobStore::open(dir.path().join("jobs.db")).expect("a store can be opened")
    }

    fn change_of_a_megabyte() -> Change {
        let raw = vec![0; 1 << 20];
        let transaction = Transaction { raw, ..samples::transaction("0x1", "a") };
        let orders = vec![samples::order("order", samples::cid(1), 1)];
        Change { orders, transactions: vec![transaction], ..Change::default() }
    }

    #[tokio::test]
    async fn a_full_disk_is_temporary_and_writes_nothing_by_halves() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = fresh(&dir);
        let limit_pages = async |pages: i64| {
            let limit = move |db: &mut Connection| {
                Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
            };
            store.worker.call(limit).await.expect("the limit is set");
        };
        limit_pages(60).await;
        let full = store.commit(&change_of_a_megabyte()).await;
        let Err(Error::Unavailable(message)) = &full else { panic!("not refused: {full:?}") };
        assert!(message.contains("full"), "{message}");
        assert!(store.outstanding_orders().await.expect("reads work").is_empty());

        limit_pages(1 << 20).await;
        store.commit(&change_of_a_megabyte()).await.expect("there is room again");
        assert_eq!(store.outstanding_orders().await.expect("reads work").len(), 1);
    }

    #[tokio::test]
    async fn a_database_that_someone_else_holds_is_temporary() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = fresh(&dir);
        let impatient = |db: &mut Connection| Ok(db.busy_timeout(Duration::ZERO)?);
        store.worker.call(impatient).await.expect("the time is set");
        let other = Connection::open(store.path()).expect("SQLite's own tools may open the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("and lock it");
        let job = samples::job("a", samples::cid(1));
        let error = store.insert_job(&job).await.expect_err("nobody else can write");
        assert!(error.is_temporary(), "{error}");
        assert_eq!(store.job(&job.id).await.expect("reads go on"), None);
        other.execute_batch("ROLLBACK").expect("it lets go");
        store.insert_job(&job).await.expect("writes go on");
    }

    #[tokio::test]
    async fn settings_that_durability_rests_on_are_in_force() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = fresh(&dir);
        for (name, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")]
        {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            let read = move |db: &mut Connection| Ok(db.query_row(&sql, [], |row| row.get(0))?);
            let found: String = store.worker.call(read).await.expect("settings can be read");
            assert_eq!(found, value, "{name}");
        }
    }

    #[tokio::test]
    async fn a_job_that_moves_to_another_cid_is_found_there() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = fresh(&dir);
        let job = samples::job("a", samples::cid(1));
        let mut stored = store.insert_job(&job).await.expect("it is kept");
        stored.value.job.cid = samples::cid(2);
        stored.version = store.update_job(&stored).await.expect("it is kept");
        let of = async |n| store.jobs_of(&samples::cid(n)).await.expect("jobs are read");
        assert_eq!((of(1).await, of(2).await), (vec![], vec![stored.clone()]));
        stored.version -= 1;
        let stale = store.update_job(&stored).await;
        assert!(matches!(stale, Err(Error::Stale(_))), "{stale:?}");
    }

    #[tokio::test]
    async fn a_thread_that_panicked_is_said_to_have_ended() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = fresh(&dir);
        let panicked = store.worker.call::<()>(|_| panic!("a bug")).await;
        assert!(matches!(panicked, Err(Error::Unavailable(_))), "{panicked:?}");
        let after = store.cursor("x").await;
        assert!(matches!(after, Err(Error::Unavailable(_))), "{after:?}");
        let each = store.dossiers(&[1, 2].map(samples::cid)).await;
        assert!(matches!(each[..], [Err(Error::Unavailable(_)), Err(Error::Unavailable(_))]));
        drop(store);
        fresh(&dir);
    }
}
