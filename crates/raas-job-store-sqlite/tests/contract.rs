//! The store against the suite of its port.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use raas_job_store::{JobStore, conformance};
use raas_job_store_sqlite::SqliteJobStore;

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let number = AtomicU32::new(0);
    conformance::all(async || {
        let name = format!("{}.db", number.fetch_add(1, Ordering::Relaxed));
        open(&dir.path().join(name))
    })
    .await;
}

#[tokio::test]
async fn what_was_confirmed_survives_reopening() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let number = AtomicU32::new(0);
    let path = || dir.path().join(format!("{}.db", number.load(Ordering::Relaxed)));
    let make = async || {
        number.fetch_add(1, Ordering::Relaxed);
        open(&path())
    };
    let reopen = async |store: Arc<dyn JobStore>| {
        drop(store);
        open(&path())
    };
    conformance::durable(make, reopen).await;
}

fn open(path: &std::path::Path) -> Arc<dyn JobStore> {
    Arc::new(SqliteJobStore::open(path).expect("a store can be opened"))
}
