//! The in-memory store against the suite.

use std::sync::Arc;

use raas_job_store::{
    Error, JobStore, MemoryJobStore,
    conformance::{self, samples},
};
use raas_types::ChainEpoch;

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    conformance::all(async || Arc::new(MemoryJobStore::new()) as Arc<dyn JobStore>).await;
}

#[tokio::test]
async fn another_handle_sees_what_the_first_wrote() {
    // The handles of one memory store are its reopenings: the suite's handle is dropped, and a
    // clone that was kept aside carries on.
    let aside = std::sync::Mutex::new(MemoryJobStore::new());
    let make = async || {
        let store = MemoryJobStore::new();
        *aside.lock().expect("no test panicked") = store.clone();
        Arc::new(store) as Arc<dyn JobStore>
    };
    let reopen = async |store: Arc<dyn JobStore>| {
        drop(store);
        Arc::new(aside.lock().expect("no test panicked").clone()) as Arc<dyn JobStore>
    };
    conformance::durable(make, reopen).await;
}

#[tokio::test]
async fn reads_that_are_to_fail_spoil_the_dossier_of_their_cid_alone() {
    let store = MemoryJobStore::new();
    for (id, data) in [("a", 1), ("b", 2)] {
        store.insert_job(&samples::job(id, samples::cid(data))).await.expect("a new job");
    }
    store.clone().fail_reads_of(samples::cid(2));
    let dossiers = store.dossiers(&[1, 2, 3].map(samples::cid)).await;
    let spoilt: Vec<bool> = dossiers.iter().map(Result::is_err).collect();
    assert_eq!(spoilt, [false, true, false]);
    let orders = store.orders_of(&samples::cid(2)).await;
    assert!(matches!(orders, Err(Error::Corrupt(_))), "{orders:?}");
    assert!(store.deal_memories(&samples::cid(2)).await.is_err());
    let due = store.due_jobs(ChainEpoch::GENESIS, 10).await.expect("the schedule is whole");
    assert_eq!(due.into_iter().flatten().count(), 2, "its jobs are named all the same");
}
