//! Checks of dossiers: all that is stored of many CIDs at once.

use std::iter;

use cid::Cid;
use raas_types::JobId;

use super::samples::{self, ODD_TEXT, cid, job, memory, order, transaction};
use crate::{Change, Dossier, JobStore};

/// A dossier holds what the single calls list, in their orders, and nothing of another CID.
pub async fn a_dossier_is_what_the_single_calls_list(store: &dyn JobStore) {
    fill(store).await;
    let asked = [1, 2, 3].map(cid);
    let dossiers = dossiers(store, &asked).await;
    for (asked, dossier) in asked.iter().zip(&dossiers) {
        let single = by_single_calls(store, asked).await;
        assert_eq!(dossier, &single, "a dossier is what the single calls list");
    }
    let hashes: Vec<_> = dossiers[0].transactions.iter().map(|t| t.hash.0.as_str()).collect();
    assert_eq!(hashes, ["0x8", "0x3", "0x9", "0x1"], "transactions come job by job, oldest first");
    assert_eq!(dossiers[2].jobs, [], "facts are told where there is no job any more");
    assert_eq!((dossiers[2].orders.len(), dossiers[2].memories.len()), (1, 1));
}

/// Each CID asked for has its answer in its place: those asked for twice, those nobody knows.
pub async fn dossiers_come_as_they_were_asked_for(store: &dyn JobStore) {
    fill(store).await;
    let asked = [2, 1, 9, 2, 3, 9, 1].map(cid);
    let dossiers = dossiers(store, &asked).await;
    assert_eq!(dossiers.len(), asked.len(), "there is one dossier for each CID asked for");
    for (place, (asked, dossier)) in asked.iter().zip(&dossiers).enumerate() {
        let single = by_single_calls(store, asked).await;
        assert_eq!(dossier, &single, "the dossier at place {place} is of the CID asked for there");
    }
    assert_eq!(dossiers[2], Dossier::default(), "a CID nobody knows has an empty dossier");
}

/// However many are asked for, each is answered; none asked for, none answered.
pub async fn dossiers_are_given_of_any_number(store: &dyn JobStore) {
    assert_eq!(dossiers(store, &[]).await, [], "who asks for nothing is told nothing");
    let kept = [0, 100, 250].map(cid);
    for (n, data) in kept.iter().enumerate() {
        let stored = store.insert_job(&job(&format!("job-{n}"), *data)).await;
        stored.expect("a new job is inserted");
    }
    // 2_000: more than any store should hold in one query, and no multiple of a round number of
    // CIDs, so that a last, smaller part is there to be lost.
    let asked: Vec<Cid> = iter::repeat(0..=250).flatten().map(cid).take(2_000).collect();
    let dossiers = dossiers(store, &asked).await;
    assert_eq!(dossiers.len(), asked.len(), "there is one dossier for each CID asked for");
    for (asked, dossier) in asked.iter().zip(dossiers) {
        let of: Vec<Cid> = dossier.jobs.iter().map(|stored| stored.value.job.cid).collect();
        let expected: Vec<Cid> = kept.iter().filter(|cid| *cid == asked).copied().collect();
        assert_eq!(of, expected, "the jobs of {asked}");
    }
}

/// Two jobs and facts of every kind on the first CID, less on the second, facts alone on the third,
/// written in an order of their own.
async fn fill(store: &dyn JobStore) {
    let mut jobs = Vec::new();
    for (id, data) in [("b", 1), (ODD_TEXT, 2), ("gone", 3), ("a", 1)] {
        let stored = store.insert_job(&job(id, cid(data))).await.expect("a new job is inserted");
        let mut looked_at = samples::looked_at(&stored, 70);
        looked_at.value.record.last_plan = Some(id.as_bytes().to_vec());
        jobs.push(looked_at);
    }
    let deals = [(1, u64::MAX), (3, 5), (1, 0), (2, 5), (1, 1 << 63)];
    let orders = [("y", 1, 9), ("x", 1, 9), ("z", 1, i64::MIN), ("w", 3, 1), ("v", 2, 1)];
    let transactions = [
        ("0x9", "b"),
        ("0x8", "a"),
        ("0x5", "gone"),
        ("0x3", "a"),
        ("0x4", ODD_TEXT),
        ("0x1", "b"),
    ];
    let change = Change {
        memories: deals.map(|(data, deal)| (cid(data), memory(deal))).to_vec(),
        orders: orders.map(|(id, data, created)| order(id, cid(data), created)).to_vec(),
        transactions: transactions.map(|(hash, job)| transaction(hash, job)).to_vec(),
        jobs,
        ..Change::default()
    };
    store.commit(&change).await.expect("the change is written");
    assert!(store.remove_job(&JobId::new("gone")).await.expect("a job can be removed"));
}

async fn dossiers(store: &dyn JobStore, cids: &[Cid]) -> Vec<Dossier> {
    let dossiers = store.dossiers(cids).await.into_iter();
    dossiers.map(|dossier| dossier.expect("a dossier can be read")).collect()
}

async fn by_single_calls(store: &dyn JobStore, cid: &Cid) -> Dossier {
    let jobs = store.jobs_of(cid).await.expect("jobs can be listed");
    let mut transactions = Vec::new();
    for stored in &jobs {
        let mine = store.transactions_of(&stored.value.job.id).await;
        transactions.extend(mine.expect("transactions can be listed"));
    }
    Dossier {
        jobs,
        memories: store.deal_memories(cid).await.expect("memories can be listed"),
        orders: store.orders_of(cid).await.expect("orders can be listed"),
        transactions,
    }
}
