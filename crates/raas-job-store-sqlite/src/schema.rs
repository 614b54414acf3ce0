//! Opening the database: settings, whose file it is, and bringing its schema up to date.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::failure::{Failure, Result};

/// What leads from each schema version to the next; the first makes version 1. One that has been
/// released is never changed again.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/1_initial.sql"),
    include_str!("../migrations/2_transactions_by_job.sql"),
    include_str!("../migrations/3_packed_memories.sql"),
    include_str!("../migrations/4_decisions_and_notes.sql"),
];

/// The version of a database that has had all of [`MIGRATIONS`].
const CURRENT: i64 = MIGRATIONS.len() as i64;

/// Marks the file as ours (`PRAGMA application_id`): "RaaS" in ASCII.
const APPLICATION_ID: i64 = 0x5261_6153;

/// How long to wait for someone who reads or copies the file with SQLite's own tools.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept prepared: there are 35 in all.
const STATEMENTS: usize = 40;

/// The log is emptied into the database when it has so many pages of 4 KiB: 16 MiB, four times what is
/// usual. The commits of a pass change the same pages of the indices again and again; each is copied once
/// for four times as many.
const LOG_PAGES: i64 = 4_096;

/// After a burst the log shrinks to this again: four times the size at which it is emptied.
const LOG_BYTES: i64 = 64 << 20;

/// Pages that are kept in memory, in KiB: 64 MiB. 100 000 deals of 33 000 CIDs are some 60 MB: 0.3 kB a
/// memory and 1 kB a job. With the usual 2 MiB most of them would be read anew in each pass, as jobs
/// are found by ids that follow no order.
const CACHE_KIB: i64 = 64 << 10;

/// Opens the database at `path`, which exists and may be empty, at the current schema.
pub(crate) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // A file that is not ours to change is refused before anything in it is.
    let version = version(&db)?;
    configure(&db)?;
    migrate(&mut db, version)?;
    Ok(db)
}

/// Opens the database at `path` to read it beside whoever writes it. Nothing in it is changed, so it must
/// be at the current schema.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    match version(&db)? {
        CURRENT => Ok(db),
        found => Err(Failure::Older { found, known: CURRENT }),
    }
}

/// The schema version of a database that is ours, or empty.
fn version(db: &Connection) -> Result<i64> {
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, 1..=CURRENT) => Ok(found),
        (APPLICATION_ID, found) if found > CURRENT => Err(Failure::Newer { found, known: CURRENT }),
        _ => Err(Failure::Foreign),
    }
}

fn configure(db: &Connection) -> Result<()> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::NoWal(mode));
    }
    db.pragma_update(None, "synchronous", "full")?;
    // Where fsync does not reach the platters (macOS), this does.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    Ok(())
}

/// Makes each step from `version` on that is missing, whole or not at all.
fn migrate(db: &mut Connection, version: i64) -> Result<()> {
    for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|&(_, to)| to > version) {
        step(db, migration, to).map_err(|source| Failure::Migration { to, source })?;
    }
    Ok(())
}

fn step(db: &mut Connection, migration: &str, to: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut db = Connection::open_in_memory().expect("SQLite works");
        let broken = "CREATE TABLE a (b); INSERT INTO nowhere VALUES (1);";
        assert!(step(&mut db, broken, 1).is_err());
        assert_eq!(version(&db).expect("the database is empty"), 0);
    }
}
