//! From rows to values. A row that cannot be read is named, so that someone can look at it.

use cid::Cid;
use raas_job_store::{DueJob, JobRecord, StoredJob, Versioned};
use raas_types::{ChainEpoch, DealMemory, JobId, SubmissionId};
use rusqlite::{
    Connection, OptionalExtension, Params, Row,
    types::{FromSql, ValueRef},
};
use serde::de::DeserializeOwned;

use crate::{
    failure::{Failure, Result},
    packed,
};

/// All rows that a statement gives.
pub(crate) fn list<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

/// The first row that a statement gives.
pub(crate) fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    statement.query_row(params, |row| Ok(read(row))).optional()?.transpose()
}

/// Runs a statement; the number of rows it changed.
pub(crate) fn execute(db: &Connection, sql: &str, row: impl rusqlite::Params) -> Result<usize> {
    Ok(db.prepare_cached(sql)?.execute(row)?)
}

/// A job, from the columns that every selection of jobs gives.
pub(crate) fn stored_job(row: &Row<'_>) -> Result<Versioned<StoredJob>> {
    let next_look: Option<i64> = column("job", row, 2)?;
    let submission: Option<i64> = column("job", row, 3)?;
    let record = JobRecord {
        next_look: next_look.map(ChainEpoch::new),
        submission: submission.map(|id| SubmissionId(id.cast_unsigned())),
        last_plan: column("job", row, 4)?,
    };
    let version: i64 = column("job", row, 1)?;
    let value = StoredJob { job: json("job", row, 5)?, record };
    Ok(Versioned { value, version: version.cast_unsigned() })
}

/// A job that is due, from its id and its CID. The row is there, so what cannot be read of it is
/// told inside.
pub(crate) fn due_job(row: &Row<'_>) -> Result<Result<DueJob>> {
    let read = || {
        let id: String = column("job", row, 0)?;
        let cid: String = column("job", row, 1)?;
        let cid = Cid::try_from(cid).map_err(|error| damaged("job", row, error))?;
        Ok(DueJob { id: JobId::new(id), cid })
    };
    Ok(read())
}

/// The JSON in the second column; the first names the row.
pub(crate) fn body<T: DeserializeOwned>(kind: &'static str) -> impl Fn(&Row<'_>) -> Result<T> {
    move |row| json(kind, row, 1)
}

/// What is remembered of a deal, packed or, as it was written once, as JSON.
pub(crate) fn memory(row: &Row<'_>) -> Result<DealMemory> {
    let kind = "memory of";
    match row.get_ref(1).map_err(|error| damaged(kind, row, error))? {
        ValueRef::Blob(bytes) => packed::unpack(bytes),
        ValueRef::Text(text) => serde_json::from_slice(text).map_err(|error| error.to_string()),
        other => Err(format!("a body of type {}", other.data_type())),
    }
    .map_err(|error| damaged(kind, row, error))
}

/// The number in the second column; the first names the row.
pub(crate) fn number(kind: &'static str) -> impl Fn(&Row<'_>) -> Result<i64> {
    move |row| column(kind, row, 1)
}

fn json<T: DeserializeOwned>(kind: &'static str, row: &Row<'_>, index: usize) -> Result<T> {
    let text: String = column(kind, row, index)?;
    serde_json::from_str(&text).map_err(|error| damaged(kind, row, error))
}

pub(crate) fn column<T: FromSql>(kind: &'static str, row: &Row<'_>, index: usize) -> Result<T> {
    row.get(index).map_err(|error| damaged(kind, row, error))
}

pub(crate) fn damaged(kind: &'static str, row: &Row<'_>, reason: impl ToString) -> Failure {
    let key = match row.get_ref(0) {
        Ok(ValueRef::Text(key) | ValueRef::Blob(key)) => String::from_utf8_lossy(key).into_owned(),
        other => format!("{other:?}"),
    };
    Failure::Row { kind, key, reason: reason.to_string() }
}
