//! Damaged rows and files: named, and as few others as can be suffer.

use std::path::{Path, PathBuf};

use raas_job_store::{Change, Error, JobStore, Result, conformance::samples};
use raas_job_store_sqlite::SqliteJobStore;
use raas_types::{ChainEpoch, JobId, OrderId};
use rusqlite::Connection;

#[tokio::test]
async fn a_damaged_job_is_named_and_others_are_read() {
    for damage in [
        "UPDATE jobs SET body = '{' WHERE id = 'b'",
        "UPDATE jobs SET body = '{}' WHERE id = 'b'",
        "UPDATE jobs SET body = replace(body, 'bafkrei', 'bafkxxx') WHERE id = 'b'",
        "UPDATE jobs SET body = CAST(x'7bff7d' AS TEXT) WHERE id = 'b'",
    ] {
        let (_dir, store) = damaged(damage).await;
        names(store.job(&JobId::new("b")).await, "job \"b\"");
        names(store.jobs(None, 10).await, "job \"b\"");
        names(store.jobs_of(&samples::cid(1)).await, "job \"b\"");
        names(store.due(ChainEpoch::GENESIS, 10).await, "job \"b\"");
        assert!(store.job(&JobId::new("a")).await.expect("others are read").is_some());
        let after = store.jobs(Some(JobId::new("b")), 10).await;
        assert_eq!(after.expect("other pages are read").len(), 1);
        assert!(store.remove_job(&JobId::new("b")).await.expect("it can be removed"));
        assert_eq!(store.jobs(None, 10).await.expect("jobs are listed").len(), 2);
    }
}

#[tokio::test]
async fn a_damaged_fact_is_named() {
    let (_dir, store) = damaged(
        "UPDATE orders SET body = 'x' WHERE id = 'first'; UPDATE deal_memories SET body = '[]'; \
         UPDATE transactions SET body = 'null'",
    )
    .await;
    names(store.order(&OrderId::new("first")).await, "order \"first\"");
    names(store.outstanding_orders().await, "order \"first\"");
    names(store.open_transactions().await, "transaction \"0x1\"");
    let memory = format!("memory of \"{} deal 5\"", samples::cid(1));
    names(store.deal_memories(&samples::cid(1)).await, &memory);
    assert!(store.order(&OrderId::new("second")).await.expect("others are read").is_some());
}

#[tokio::test]
async fn a_missing_table_is_damage() {
    let (_dir, store) = damaged("DROP TABLE cursors").await;
    names(store.cursor("x").await, "cursors");
}

#[tokio::test]
async fn a_file_with_torn_pages_is_damage() {
    let (path, _dir, store) = filled().await;
    drop(store);
    let mut bytes = std::fs::read(&path).expect("the file is there");
    // All but the first page, which holds the schema's root and the header.
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).expect("the file can be written");
    let result = match SqliteJobStore::open(&path) {
        Ok(store) => store.jobs(None, 10).await,
        Err(error) => Err(error),
    };
    names(result, "malformed");
}

fn names<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    let Err(Error::Corrupt(message)) = &result else { panic!("not told of damage: {result:?}") };
    assert!(message.contains(what), "{message} does not name {what}");
    assert!(message.contains("jobs.db"), "{message} does not name the file");
}

/// A store that someone did this to while it was open.
async fn damaged(sql: &str) -> (tempfile::TempDir, SqliteJobStore) {
    let (path, dir, store) = filled().await;
    let db = Connection::open(&path).expect("SQLite's own tools may open the file");
    db.execute_batch(sql).expect("and change it");
    (dir, store)
}

async fn filled() -> (PathBuf, tempfile::TempDir, SqliteJobStore) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path: PathBuf = Path::new(dir.path()).join("jobs.db");
    let store = SqliteJobStore::open(&path).expect("a store can be opened");
    let cid = samples::cid(1);
    for id in ["a", "b", "c"] {
        store.insert_job(&samples::job(id, cid)).await.expect("a new job is inserted");
    }
    let change = Change {
        memories: vec![(cid, samples::memory(5))],
        orders: vec![samples::order("first", cid, 1), samples::order("second", cid, 2)],
        transactions: vec![samples::transaction("0x1", "a")],
        ..Change::default()
    };
    store.commit(&change).await.expect("the change is written");
    (path, dir, store)
}
