//! What is confirmed is kept: through crashes, kills, drops, and with many writers at once.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use raas_job_store::{Change, Error, JobStore, conformance::samples};
use raas_job_store_sqlite::SqliteJobStore;
use raas_types::{JobId, OrderId};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_crash_after_a_write_finds_it_in_the_files() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (path, crashed) = (dir.path().join("jobs.db"), dir.path().join("crashed.db"));
    let store = open(&path);
    for n in 0..5 {
        let order = samples::order(&format!("order-{n}"), samples::cid(1), n);
        commit_order(&store, order).await;
        // As a crash at this instant leaves them: the database and its log, nobody's memory.
        for suffix in ["", "-wal"] {
            let file = |path: &Path| format!("{}{suffix}", path.display());
            std::fs::copy(file(&path), file(&crashed)).expect("the file is there");
        }
        let orders = open(&crashed).orders_of(&samples::cid(1)).await.expect("orders are read");
        assert_eq!(orders.len() as i64, n + 1, "every confirmed order is there");
    }
}

/// The name of the next test, and of the variable that makes it the process to be killed.
const KILLED: &str = "a_killed_node_loses_nothing_and_blocks_nobody";
const VICTIM: &str = "RAAS_TEST_STORE_TO_WRITE_TO";

#[tokio::test]
async fn a_killed_node_loses_nothing_and_blocks_nobody() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return write_for_ever(Path::new(&path)).await;
    }
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let mut expected = 0;
    for kill_after in [1, 17, 60] {
        let last = kill_after_confirmations(&path, kill_after);
        expected += last;
        let store = open(&path);
        for n in 1..=expected {
            let order = store.order(&OrderId::new(format!("order-{n}"))).await;
            assert!(order.expect("orders are read").is_some(), "order {n} was confirmed");
        }
        // One more may have been written and its confirmation not read.
        expected = store.outstanding_orders().await.expect("orders are read").len();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_at_once_lose_nothing() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let store = Arc::new(open(&path));
    let shared = samples::job("shared", samples::cid(0));
    store.insert_job(&shared).await.expect("a new job is inserted");
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        writers.spawn(write_a_lot(Arc::clone(&store), writer));
    }
    writers.join_all().await;
    drop(store);

    let store = open(&path);
    let jobs = store.jobs(None, usize::MAX).await.expect("jobs are listed");
    assert_eq!(jobs.len(), 1 + 8 * 20, "every job is there");
    let shared = store.job(&shared.id).await.expect("jobs are read").expect("it was inserted");
    assert_eq!(shared.value.job.found, Some(8 * 20), "no update was lost");
    assert_eq!(shared.version, 1 + 8 * 20, "no update was made twice");
}

#[tokio::test]
async fn a_write_whose_caller_gave_up_is_whole_and_the_store_goes_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let store = open(&path);
    let change = Change {
        orders: vec![samples::order("order", samples::cid(1), 1)],
        cursors: vec![("x".to_owned(), 1)],
        ..Change::default()
    };
    {
        // Polled once, so that the command is on its way, and dropped before the answer is heard.
        let mut commit = store.commit(&change);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = commit.as_mut().poll(&mut context);
    }
    drop(store);
    let store = open(&path);
    assert_eq!(store.cursor("x").await.expect("cursors are read"), Some(1));
    let order = store.order(&OrderId::new("order")).await.expect("orders are read");
    assert!(order.is_some(), "either all of a change or nothing");
}

async fn write_a_lot(store: Arc<SqliteJobStore>, writer: u8) {
    for n in 0..20 {
        let job = samples::job(&format!("{writer}-{n}"), samples::cid(writer));
        store.insert_job(&job).await.expect("a new job is inserted");
        loop {
            let read = store.job(&JobId::new("shared")).await.expect("jobs are read");
            let mut read = read.expect("it was inserted");
            read.value.job.found = Some(read.value.job.found.unwrap_or(0) + 1);
            match store.commit(&Change { jobs: vec![read], ..Change::default() }).await {
                Ok(()) => break,
                Err(Error::Stale(_)) => continue,
                Err(error) => panic!("a writer is either done or stale, not {error}"),
            }
        }
    }
}

/// Commits orders, numbered on from those that are there, and says so after each.
async fn write_for_ever(path: &Path) {
    let store = open(path);
    let there = store.outstanding_orders().await.expect("orders are read").len();
    for n in there + 1.. {
        commit_order(&store, samples::order(&format!("order-{n}"), samples::cid(1), 1)).await;
        // Not print!, which the test harness keeps to itself.
        writeln!(std::io::stdout(), "\nconfirmed {n}").expect("someone reads");
    }
}

/// Runs this test as a process that writes, kills it, and says how many writes it had confirmed.
fn kill_after_confirmations(path: &Path, count: usize) -> usize {
    let mut victim = Command::new(std::env::current_exe().expect("a test has an executable"))
        .args([KILLED, "--exact", "--nocapture"])
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test can be started");
    let lines = BufReader::new(victim.stdout.take().expect("it is piped")).lines();
    let confirmed = lines
        .map(|line| line.expect("the output is text"))
        .filter(|line| line.starts_with("confirmed "))
        .take(count)
        .count();
    victim.kill().expect("it is running");
    victim.wait().expect("it was killed");
    assert_eq!(confirmed, count, "it wrote until it was killed");
    confirmed
}

async fn commit_order(store: &SqliteJobStore, order: raas_types::Order) {
    let change = Change { orders: vec![order], ..Change::default() };
    store.commit(&change).await.expect("the change is written");
}

fn open(path: &Path) -> SqliteJobStore {
    SqliteJobStore::open(path).expect("a store can be opened")
}
