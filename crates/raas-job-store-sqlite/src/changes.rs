//! Writing: a change as rows, and rows into the database.

use std::sync::Arc;

use cid::Cid;
use raas_job_store::{Change, JobRecord, Lease, StoredJob, Versioned};
use raas_types::{
    ChainEpoch, DealMemory, JobId, Order, Transaction, TransactionPurpose, TransactionState,
};
use rusqlite::{Connection, TransactionBehavior, params};
use serde::Serialize;

use crate::{
    decisions,
    failure::{Failure, Result},
    packed,
    rows::{execute, first, number},
    sql,
};

/// A change as it is written: what there is much of as rows, the rest as it is.
pub(crate) struct Rows {
    memories: Vec<MemoryRow>,
    jobs: Vec<JobRow>,
    rest: Change,
}

struct MemoryRow {
    cid: Arc<str>,
    deal: i64,
    body: Vec<u8>,
}

/// A job that replaces the one of its id and version.
pub(crate) struct JobRow {
    id: JobId,
    version: u64,
    cid: String,
    record: JobRecord,
    body: String,
}

impl Rows {
    pub(crate) fn of(change: &Change) -> Result<Self> {
        // Each by its name, so that none is forgotten when another is added.
        let Change {
            lease,
            memories,
            forget,
            orders,
            transactions,
            jobs,
            cursors,
            notes,
            decisions,
        } = change;
        let rest = Change {
            lease: lease.clone(),
            memories: Vec::new(),
            forget: forget.clone(),
            orders: orders.clone(),
            transactions: transactions.clone(),
            jobs: Vec::new(),
            cursors: cursors.clone(),
            notes: notes.clone(),
            decisions: decisions.clone(),
        };
        let jobs = jobs.iter().map(JobRow::of).collect::<Result<_>>()?;
        let mut rows = Self { memories: Vec::with_capacity(memories.len()), jobs, rest };
        // The memories of one CID stand together.
        let mut last: Option<(Cid, Arc<str>)> = None;
        for (cid, memory) in memories {
            let text = match last.take() {
                Some((of, text)) if of == *cid => text,
                _ => cid.to_string().into(),
            };
            rows.memories.push(MemoryRow::of(Arc::clone(&text), memory)?);
            last = Some((*cid, text));
        }
        Ok(rows)
    }
}

impl MemoryRow {
    fn of(cid: Arc<str>, memory: &DealMemory) -> Result<Self> {
        let deal = memory.listed.deal.get().cast_signed();
        let body = packed::pack(memory).map_err(|reason| Failure::Row {
            kind: "memory of",
            key: cid.to_string(),
            reason,
        })?;
        Ok(Self { cid, deal, body })
    }
}

impl JobRow {
    pub(crate) fn of(stored: &Versioned<StoredJob>) -> Result<Self> {
        let Versioned { value: StoredJob { job, record }, version } = stored;
        Ok(Self {
            id: job.id.clone(),
            version: *version,
            cid: job.cid.to_string(),
            record: record.clone(),
            body: json("job", job.id.as_str(), job)?,
        })
    }

    pub(crate) fn update(&self, db: &Connection) -> Result<u64> {
        let row: &[&dyn rusqlite::ToSql] = params![
            self.id.as_str(),
            self.version.cast_signed(),
            self.cid,
            self.record.next_look.map(ChainEpoch::get),
            self.record.submission.map(|id| id.0.cast_signed()),
            self.record.last_plan,
            self.body,
        ];
        if execute(db, sql::UPDATE_JOB_IN_PLACE, row)? == 0
            && execute(db, sql::UPDATE_JOB, row)? == 0
        {
            return Err(Failure::Stale(self.id.clone()));
        }
        Ok(self.version + 1)
    }
}

/// Writes all of a change, or none of it.
pub(crate) fn commit(db: &mut Connection, rows: &Rows) -> Result<()> {
    let Rows { memories, jobs, rest: change } = rows;
    // Dropped without a commit, it is rolled back.
    let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.lease.as_ref().map_or(Ok(()), |lease| check_lease(&db, lease))?;
    for MemoryRow { cid, deal, body } in memories {
        execute(&db, sql::PUT_MEMORY, params![cid, deal, body])?;
    }
    for (cid, deal) in &change.forget {
        execute(&db, sql::FORGET_MEMORY, params![cid.to_string(), deal.get().cast_signed()])?;
    }
    for order in &change.orders {
        put_order(&db, order)?;
    }
    for transaction in &change.transactions {
        put_transaction(&db, transaction)?;
    }
    for job in jobs {
        job.update(&db)?;
    }
    for (name, value) in &change.cursors {
        execute(&db, sql::PUT_CURSOR, params![name, value])?;
    }
    for (name, value) in &change.notes {
        execute(&db, sql::PUT_NOTE, params![name, value])?;
    }
    decisions::append(&db, &change.decisions)?;
    Ok(db.commit()?)
}

fn put_order(db: &Connection, order: &Order) -> Result<()> {
    let (id, cid) = (order.id.as_str(), order.cid.to_string());
    let body = json("order", id, order)?;
    let row = params![id, cid, order.created.get(), order.is_outstanding(), body];
    execute(db, sql::PUT_ORDER, row).map(drop)
}

fn put_transaction(db: &Connection, transaction: &Transaction) -> Result<()> {
    let (TransactionPurpose::Submit { job } | TransactionPurpose::Complete { job, .. }) =
        &transaction.purpose;
    let open = transaction.state == TransactionState::Prepared;
    let hash = &transaction.hash.0;
    let body = json("transaction", hash, transaction)?;
    execute(db, sql::PUT_TRANSACTION, params![hash, job.as_str(), open, body]).map(drop)
}

/// That this lease is the last grant of its name.
fn check_lease(db: &Connection, lease: &Lease) -> Result<()> {
    let row = params![lease.name, lease.owner, lease.fence.cast_signed()];
    match first(db, sql::HELD_LEASE, row, number("lease"))? {
        Some(_) => Ok(()),
        None => Err(Failure::LeaseLost(lease.name.clone())),
    }
}

/// A value as the JSON of its row.
pub(crate) fn json(kind: &'static str, key: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Failure::Row {
        kind,
        key: key.to_owned(),
        reason: error.to_string(),
    })
}
