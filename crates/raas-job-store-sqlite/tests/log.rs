//! The log of decisions: kept, bounded, and read beside the node that writes it.

use std::path::Path;

use raas_job_store::{Change, Decision, Error, JobStore, conformance::samples};
use raas_job_store_sqlite::SqliteJobStore;
use raas_types::ChainEpoch;
use rusqlite::Connection;

#[tokio::test]
async fn a_store_of_before_there_was_a_log_gets_an_empty_one() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let old = Connection::open(&path).expect("a database can be made");
    old.execute_batch(include_str!("data/v1.sql")).expect("the dump is SQL");
    drop(old);
    let refused = SqliteJobStore::open_to_read(&path);
    let Err(Error::Corrupt(message)) = refused else { panic!("not refused: {refused:?}") };
    assert!(message.contains("start a node on it once"), "{message}");

    let store = open(&path);
    assert_eq!(numbers(&store).await, [0; 0]);
    assert_eq!(store.note("breaker").await.expect("notes are read"), None);
    log(&store, 1..=3).await;
    store.trim_decisions(1).await.expect("the log can be trimmed");
    drop(store);
    let store = open(&path);
    log(&store, 4..=4).await;
    assert_eq!(numbers(&store).await, [4, 3], "numbers go on at the next start");
}

#[tokio::test]
async fn the_file_does_not_grow_with_what_was_dropped() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let store = open(&path);
    let mut sizes = Vec::new();
    for round in 0..20 {
        // 64 decisions of 4 kB each are 256 kB a round.
        let decisions = vec![Decision { body: vec![7; 4_096], ..decision(round) }; 64];
        let change = Change { decisions, ..Change::default() };
        store.commit(&change).await.expect("the change is written");
        let dropped = store.trim_decisions(64).await.expect("the log can be trimmed");
        assert_eq!(dropped, if round == 0 { 0 } else { 64 });
        sizes.push(pages(&path));
    }
    assert_eq!(numbers(&store).await.len(), 64);
    assert!(sizes[19] <= sizes[1] + 8, "room is used again: {sizes:?}");
}

#[tokio::test]
async fn the_log_is_read_beside_the_node_that_writes_it() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let node = open(&path);
    log(&node, 1..=3).await;
    let reader = SqliteJobStore::open_to_read(&path).expect("a store can be read");
    assert_eq!(numbers(&reader).await, [3, 2, 1]);
    log(&node, 4..=4).await;
    node.trim_decisions(2).await.expect("the node is not kept from writing");
    assert_eq!(numbers(&reader).await, [4, 3], "what it writes meanwhile is seen");
    let change = Change { decisions: vec![decision(9)], ..Change::default() };
    let refused = reader.commit(&change).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "it only reads: {refused:?}");
    assert!(reader.trim_decisions(0).await.is_err(), "it only reads");

    // Whoever closes last leaves everything to be read, and the lock to the next node.
    drop(node);
    assert_eq!(numbers(&reader).await, [4, 3]);
    let node = open(&path);
    log(&node, 5..=5).await;
    drop(reader);
    assert_eq!(numbers(&node).await, [5, 4, 3]);
}

#[tokio::test]
async fn what_a_killed_node_left_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (path, crashed) = (dir.path().join("jobs.db"), dir.path().join("crashed.db"));
    let node = open(&path);
    log(&node, 1..=3).await;
    // As a kill at this instant leaves them: the database and its log.
    let copy = |suffix: &str| {
        let file = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(file(&path), file(&crashed)).expect("the file is there");
    };
    copy("");
    copy("-wal");
    let before = std::fs::read(&crashed).expect("the file is there");
    let reader = SqliteJobStore::open_to_read(&crashed).expect("a store can be read");
    assert_eq!(numbers(&reader).await, [3, 2, 1]);
    drop(reader);
    assert!(std::fs::read(&crashed).expect("the file is there") == before, "it was changed");
    assert_eq!(numbers(&open(&crashed)).await, [3, 2, 1], "the next node finds everything");
}

#[test]
fn what_is_not_there_is_not_made_by_reading() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let refused = SqliteJobStore::open_to_read(&path);
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    std::fs::write(&path, "").expect("a file can be made");
    let refused = SqliteJobStore::open_to_read(&path);
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[tokio::test]
async fn a_damaged_decision_is_named() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let store = open(&path);
    log(&store, 1..=3).await;
    let db = Connection::open(&path).expect("SQLite's own tools may open the file");
    db.execute("UPDATE decisions SET cid = 'torn' WHERE number = 2", []).expect("and change it");
    let read = store.decisions(None, None, 10).await;
    let Err(Error::Corrupt(message)) = &read else { panic!("not told of damage: {read:?}") };
    assert!(message.contains("decision \"2\""), "{message}");
    assert_eq!(store.decisions(None, Some(2), 10).await.expect("others are read").len(), 1);
}

fn open(path: &Path) -> SqliteJobStore {
    SqliteJobStore::open(path).expect("a store can be opened")
}

fn decision(at: i64) -> Decision {
    samples::decision(samples::cid(1), at)
}

/// Logs one decision for each epoch.
async fn log(store: &SqliteJobStore, epochs: std::ops::RangeInclusive<i64>) {
    let change = Change { decisions: epochs.map(decision).collect(), ..Change::default() };
    store.commit(&change).await.expect("the change is written");
}

/// The numbers of all decisions, each of which was made at the epoch of its number.
async fn numbers(store: &SqliteJobStore) -> Vec<u64> {
    let all = store.decisions(None, None, usize::MAX).await.expect("decisions are read");
    for (number, decision) in &all {
        assert!(decision.at <= ChainEpoch::new(number.cast_signed()), "{number}: {decision:?}");
    }
    all.into_iter().map(|(number, _)| number).collect()
}

/// The size of a database in pages.
fn pages(path: &Path) -> i64 {
    let db = Connection::open(path).expect("SQLite's own tools may open the file");
    db.pragma_query_value(None, "page_count", |row| row.get(0)).expect("it has a size")
}
