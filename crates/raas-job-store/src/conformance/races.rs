//! Checks of calls that run at the same time.
//!
//! All futures run on one task, so a store sees them overlap where it awaits. What it does between
//! its own threads is for its own tests.

use futures::future::join_all;
use raas_types::{ChainEpoch, JobId};

use super::samples::{cid, job, looked_at};
use crate::{Error, JobStore};

/// How many race: more than the threads of a small machine, few enough to be quick.
const RACERS: u8 = 16;

/// One insert of an id succeeds, all others are told that it exists.
pub async fn of_simultaneous_inserts_one_wins(store: &dyn JobStore) {
    let results = join_all((0..RACERS).map(|n| async move {
        let result = store.insert_job(&job("a", cid(n))).await;
        assert!(matches!(result, Ok(_) | Err(Error::Exists(_))), "unexpected: {result:?}");
        result.ok()
    }));
    let winners: Vec<_> = results.await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "of simultaneous inserts one wins");
    let kept = store.job(&JobId::new("a")).await.expect("reads work");
    assert_eq!(kept, winners.into_iter().next(), "the winner's job is kept");
}

/// One update from a version succeeds, all others are stale.
pub async fn of_simultaneous_updates_one_wins(store: &dyn JobStore) {
    let read = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let read = &read;
    let results = join_all((0..RACERS).map(|n| async move {
        let result = store.update_job(&looked_at(read, n.into())).await;
        assert!(matches!(result, Ok(2) | Err(Error::Stale(_))), "unexpected: {result:?}");
        result.is_ok().then_some(n)
    }));
    let winners: Vec<_> = results.await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "of simultaneous updates one wins");
    let kept = store.job(&read.value.job.id).await.expect("reads work").expect("it was inserted");
    let next_look = kept.value.record.next_look;
    assert_eq!(next_look, Some(ChainEpoch::new(winners[0].into())), "the winner's value is kept");
}

/// Writers that read again when stale all get their turn, and no write is lost.
pub async fn no_retried_update_is_lost(store: &dyn JobStore) {
    let stored = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let id = &stored.value.job.id;
    join_all((0..RACERS).map(|_| add_one(store, id))).await;
    let kept = store.job(id).await.expect("reads work").expect("it was inserted");
    assert_eq!(kept.value.job.found, Some(RACERS.into()), "no retried update is lost");
    assert_eq!(kept.version, 1 + u64::from(RACERS), "every write is counted");
}

/// One of many owners is granted a lease.
pub async fn of_simultaneous_leases_one_is_granted(store: &dyn JobStore) {
    let until = ChainEpoch::new(10);
    let results = join_all((0..RACERS).map(|n| async move {
        let owner = format!("owner {n}");
        store
            .lease("pass", &owner, ChainEpoch::GENESIS, until)
            .await
            .expect("leases can be asked for")
    }));
    let granted: Vec<_> = results.await.into_iter().flatten().collect();
    assert_eq!(granted.len(), 1, "of simultaneous leases one is granted");
}

async fn add_one(store: &dyn JobStore, id: &JobId) {
    loop {
        let mut read = store.job(id).await.expect("reads work").expect("it was inserted");
        read.value.job.found = Some(read.value.job.found.unwrap_or(0) + 1);
        match store.update_job(&read).await {
            Ok(_) => return,
            Err(Error::Stale(_)) => continue,
            Err(error) => panic!("a writer is either done or stale, not {error}"),
        }
    }
}
