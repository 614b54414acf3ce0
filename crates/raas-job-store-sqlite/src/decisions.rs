//! The log of decisions: rows that are added at one end and dropped at the other.

use cid::Cid;
use raas_job_store::Decision;
use raas_types::ChainEpoch;
use rusqlite::{Connection, Row, params};

use crate::{
    failure::Result,
    rows::{self, list},
    sql,
};

/// Adds decisions to the log; each gets the next number.
pub(crate) fn append(db: &Connection, decisions: &[Decision]) -> Result<()> {
    for Decision { cid, at, body } in decisions {
        let row = params![cid.to_string(), at.get(), body];
        db.prepare_cached(sql::PUT_DECISION)?.execute(row)?;
    }
    Ok(())
}

/// At most `limit` decisions below the number `before`, the newest first: of a CID, or of all.
pub(crate) fn newest(
    db: &Connection,
    cid: Option<Cid>,
    before: Option<u64>,
    limit: i64,
) -> Result<Vec<(u64, Decision)>> {
    // No number is above i64::MAX, and SQLite gives none at it either.
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    match cid {
        None => list(db, sql::DECISIONS, params![before, limit], decision),
        Some(cid) => list(db, sql::DECISIONS_OF, params![cid.to_string(), before, limit], decision),
    }
}

/// Drops all but the `keep` newest; how many that were. Numbers have no gaps, so the last to go is
/// known by its number, and none of those that stay is looked at.
pub(crate) fn trim(db: &Connection, keep: i64) -> Result<u64> {
    Ok(db.prepare_cached(sql::TRIM_DECISIONS)?.execute([keep])? as u64)
}

fn decision(row: &Row<'_>) -> Result<(u64, Decision)> {
    let number: i64 = rows::column("decision", row, 1)?;
    let cid: String = rows::column("decision", row, 2)?;
    let cid = Cid::try_from(cid).map_err(|error| rows::damaged("decision", row, error))?;
    let at = ChainEpoch::new(rows::column("decision", row, 3)?);
    let body = rows::column("decision", row, 4)?;
    Ok((number.cast_unsigned(), Decision { cid, at, body }))
}
