//! What can be opened, and what is said where a file cannot.

use std::path::Path;

use raas_job_store::{Error, JobStore, conformance::samples};
use raas_job_store_sqlite::SqliteJobStore;
use raas_types::JobId;
use rusqlite::Connection;

#[tokio::test]
async fn a_second_node_on_one_file_is_refused_until_the_first_has_closed() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let first = open(&path);
    let second = SqliteJobStore::open(&path);
    let Err(Error::Unavailable(message)) = second else { panic!("not refused: {second:?}") };
    assert!(message.contains("in use by another node"), "{message}");
    first.insert_job(&samples::job("a", samples::cid(1))).await.expect("the first is unharmed");
    drop(first);
    let next = open(&path);
    assert!(next.job(&JobId::new("a")).await.expect("jobs are read").is_some());
}

#[cfg(unix)]
#[test]
fn one_file_under_two_names_is_still_one_store() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (path, link) = (dir.path().join("jobs.db"), dir.path().join("link.db"));
    let first = open(&path);
    std::os::unix::fs::symlink(&path, &link).expect("a link can be made");
    assert!(matches!(SqliteJobStore::open(&link), Err(Error::Unavailable(_))));
    drop(first);
    assert_eq!(open(&link).path(), open_path(&path), "the link leads to the file");
}

#[test]
fn a_lock_file_left_behind_blocks_nobody() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    std::fs::write(dir.path().join("jobs.db.lock"), "4711").expect("a file can be made");
    open(&dir.path().join("jobs.db"));
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory can be made");
    let store = open(&dir.path().join("jobs.db"));
    store.insert_job(&samples::job("a", samples::cid(1))).await.expect("a new job is inserted");
    let files = std::fs::read_dir(dir.path()).expect("the directory is there");
    let mut seen = Vec::new();
    for file in files {
        let file = file.expect("the directory can be read");
        let mode = file.metadata().expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
        seen.push(file.file_name().into_string().expect("the names are text"));
    }
    seen.sort();
    assert_eq!(seen, ["jobs.db", "jobs.db-shm", "jobs.db-wal", "jobs.db.lock"]);
}

#[tokio::test]
async fn odd_names_are_names_of_files() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    for name in [":memory:", "file:jobs.db?mode=memory", "a b 🗄️ %20.db"] {
        let path = dir.path().join(name);
        let store = open(&path);
        store.insert_job(&samples::job("a", samples::cid(1))).await.expect("a job is inserted");
        drop(store);
        assert!(path.is_file(), "{name}");
        assert_eq!(open(&path).jobs(None, 9).await.expect("jobs are listed").len(), 1, "{name}");
    }
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let refusals = [
        (dir.path().join("absent").join("jobs.db"), "create it first"),
        (dir.path().to_owned(), "name a file in it"),
    ];
    for (path, words) in refusals {
        let result = SqliteJobStore::open(&path);
        let Err(Error::Unavailable(message)) = result else { panic!("not refused: {result:?}") };
        assert!(message.contains(words), "{message}");
        assert!(message.contains(&*path.to_string_lossy()), "the path is named: {message}");
    }
}

#[test]
fn what_is_no_job_store_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (text, other) = (dir.path().join("text.db"), dir.path().join("other.db"));
    std::fs::write(&text, "not a database at all, but long enough ".repeat(200)).expect("a file");
    let db = Connection::open(&other).expect("a database can be made");
    db.execute_batch("CREATE TABLE theirs (x)").expect("a table can be made");
    drop(db);
    for path in [text, other] {
        let before = std::fs::read(&path).expect("the file is there");
        let result = SqliteJobStore::open(&path);
        assert!(matches!(&result, Err(Error::Corrupt(_))), "{result:?}");
        assert!(std::fs::read(&path).expect("the file is there") == before, "{path:?} changed");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    drop(open(&path));
    Connection::open(&path)
        .and_then(|db| db.pragma_update(None, "user_version", 1_000))
        .expect("the version can be changed");
    let before = std::fs::read(&path).expect("the file is there");
    let result = SqliteJobStore::open(&path);
    let Err(Error::Corrupt(message)) = result else { panic!("not refused: {result:?}") };
    assert!(message.contains("newer version of this program (schema 1000"), "{message}");
    assert!(std::fs::read(&path).expect("the file is there") == before, "the file changed");
}

#[tokio::test]
async fn a_store_written_at_schema_1_is_brought_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let old = Connection::open(&path).expect("a database can be made");
    old.execute_batch(include_str!("data/v1.sql")).expect("the dump is SQL");
    drop(old);

    for _ in 0..2 {
        let store = open(&path);
        let job =
            store.job(&JobId::new("job-1")).await.expect("jobs are read").expect("it is there");
        assert_eq!(job.version, 7);
        assert_eq!(job.value.record.last_plan.as_deref(), Some(&[1, 0, 255][..]));
        assert_eq!(job.value.job.cid, samples::cid(1));
        let orders = store.outstanding_orders().await.expect("orders are read");
        assert_eq!(orders.len(), 1);
        for (job, hashes) in [("job-1", &["0xb", "0xc"][..]), ("job-2", &["0xa"])] {
            let found = store.transactions_of(&JobId::new(job)).await.expect("they are read");
            let found: Vec<_> =
                found.iter().map(|transaction| transaction.hash.0.as_str()).collect();
            assert_eq!(found, hashes, "old transactions are found by their job");
        }
        assert_eq!(store.open_transactions().await.expect("they are read").len(), 2);
        assert_eq!(store.cursor("events").await.expect("cursors are read"), Some(-5));
    }
    let version = Connection::open(&path)
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
    assert_eq!(version.expect("there is a version"), 4);
}

#[test]
fn a_migration_that_meets_damage_leaves_the_old_schema() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("jobs.db");
    let old = Connection::open(&path).expect("a database can be made");
    old.execute_batch(include_str!("data/v1.sql")).expect("the dump is SQL");
    old.execute("UPDATE transactions SET body = 'torn' WHERE hash = '0xb'", []).expect("a row");
    drop(old);
    let result = SqliteJobStore::open(&path);
    let Err(Error::Corrupt(message)) = result else { panic!("not refused: {result:?}") };
    assert!(message.contains("cannot be brought to schema 2, and stays as it was"), "{message}");
    let version = Connection::open(&path)
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
    assert_eq!(version.expect("there is a version"), 1);
}

fn open(path: &Path) -> SqliteJobStore {
    SqliteJobStore::open(path).expect("a store can be opened")
}

fn open_path(path: &Path) -> std::path::PathBuf {
    path.canonicalize().expect("the file is there")
}
