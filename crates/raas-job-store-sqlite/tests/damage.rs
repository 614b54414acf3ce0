//! Damaged rows and files: named, and as few others as can be suffer.

use std::path::{Path, PathBuf};

use raas_job_store::{Change, Dossier, DueJob, Error, JobStore, Result, conformance::samples};
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
async fn a_damaged_job_is_due_beside_the_others_and_its_dossier_tells() {
    let (_dir, store) = damaged("UPDATE jobs SET body = '{' WHERE id = 'b'").await;
    let due = store.due_jobs(ChainEpoch::GENESIS, 10).await.expect("the schedule is whole");
    assert_eq!(ids(&due), ["a", "b", "c"]);
    names(store.dossiers(&[samples::cid(1)]).await.remove(0), "job \"b\"");
}

#[tokio::test]
async fn a_due_job_whose_cid_is_damaged_is_named_in_its_place() {
    for damage in ["'torn'", "''", "CAST(x'ff' AS TEXT)"] {
        let sql = format!("UPDATE jobs SET cid = {damage} WHERE id = 'b'");
        let (_dir, store) = damaged(&sql).await;
        let due = async |limit| {
            let due = store.due_jobs(ChainEpoch::GENESIS, limit).await;
            due.expect("the others can be named")
        };
        assert_eq!(ids(&due(10).await), ["a", "-", "c"]);
        assert_eq!(ids(&due(2).await), ["a", "-"], "it counts towards the limit");
        names(due(10).await.remove(1), "job \"b\"");
        assert!(store.remove_job(&JobId::new("b")).await.expect("it can be removed"));
        assert_eq!(ids(&due(10).await), ["a", "c"], "and is due no more");
    }
}

#[tokio::test]
async fn what_cannot_be_read_of_one_cid_spoils_its_dossier_alone() {
    let memory = format!("memory of \"{} deal 5\"", samples::cid(1));
    for (damage, name) in [
        ("UPDATE jobs SET body = '{}' WHERE id = 'c'", "job \"c\""),
        ("UPDATE jobs SET body = CAST(x'ff' AS TEXT) WHERE id = 'a'", "job \"a\""),
        ("UPDATE deal_memories SET body = '[]' WHERE deal = 5", &memory),
        ("UPDATE orders SET body = 'x' WHERE id = 'second'", "order \"second\""),
        ("UPDATE transactions SET body = 'null' WHERE hash = '0x1'", "transaction \"0x1\""),
    ] {
        let (path, _dir, store) = filled().await;
        let whole = fill_another(&store).await;
        run(&path, damage);
        let asked = [2, 1, 3, 1].map(samples::cid);
        let [second, first, unknown, again] =
            <[_; 4]>::try_from(store.dossiers(&asked).await).expect("one answer each");
        names(first, name);
        names(again, name);
        assert_eq!(second.expect("others are read"), whole);
        assert_eq!(unknown.expect("others are read"), Dossier::default());
    }
}

#[tokio::test]
async fn a_torn_page_spoils_the_dossiers_that_need_it_alone() {
    /// The size of a page in a new database.
    const PAGE: usize = 4096;
    let (path, _dir, store) = filled().await;
    let whole = fill_another(&store).await;
    let read = store.job(&JobId::new("b")).await.expect("jobs are read");
    let mut long = read.expect("it was inserted");
    long.value.record.last_plan = Some(vec![0xee; 16 * PAGE]);
    store.update_job(&long).await.expect("the version read is current");
    drop(store);
    // A plan as long as that has pages of its own: 4 bytes that name the next page, then the plan.
    let mut bytes = std::fs::read(&path).expect("the file is there");
    let pages = bytes.chunks_mut(PAGE).filter(|page| page[4..].iter().all(|byte| *byte == 0xee));
    assert!(pages.map(|page| page[..4].fill(0xff)).count() > 10);
    std::fs::write(&path, bytes).expect("the file can be written");

    let store = SqliteJobStore::open(&path).expect("the first page is whole");
    let due = store.due_jobs(ChainEpoch::GENESIS, 10).await.expect("the schedule is whole");
    assert_eq!(ids(&due), ["a", "b", "c", "d"]);
    let [first, second] =
        <[_; 2]>::try_from(store.dossiers(&[1, 2].map(samples::cid)).await).expect("one each");
    names(first, "malformed");
    assert_eq!(second.expect("others are read"), whole);
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
    run(&path, sql);
    (dir, store)
}

fn run(path: &Path, sql: &str) {
    let db = Connection::open(path).expect("SQLite's own tools may open the file");
    db.execute_batch(sql).expect("and change it");
}

/// The ids of due jobs; `-` where one could not be read.
fn ids(due: &[Result<DueJob>]) -> Vec<&str> {
    due.iter().map(|job| job.as_ref().map_or("-", |job| job.id.as_str())).collect()
}

/// Adds a job and a fact of each kind for the second CID; its dossier.
async fn fill_another(store: &SqliteJobStore) -> Dossier {
    let cid = samples::cid(2);
    let job = store.insert_job(&samples::job("d", cid)).await.expect("a new job is inserted");
    let dossier = Dossier {
        jobs: vec![job],
        memories: vec![samples::memory(6)],
        orders: vec![samples::order("third", cid, 1)],
        transactions: vec![samples::transaction("0x2", "d")],
    };
    let change = Change {
        memories: vec![(cid, dossier.memories[0].clone())],
        orders: dossier.orders.clone(),
        transactions: dossier.transactions.clone(),
        ..Change::default()
    };
    store.commit(&change).await.expect("the change is written");
    dossier
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
