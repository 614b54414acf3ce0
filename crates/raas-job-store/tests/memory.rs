//! The in-memory store against the suite.

use std::sync::Arc;

use raas_job_store::{JobStore, MemoryJobStore, conformance};

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
