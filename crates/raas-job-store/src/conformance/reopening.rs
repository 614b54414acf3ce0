//! Checks that what was confirmed outlives the handle it was written through.

use std::sync::Arc;

use raas_types::{ChainEpoch, DealMemory, Job, JobId, Order, SubmissionId, Transaction};

use super::{
    due,
    samples::{self, ODD_TEXT, cid, decision, job, looked_at, order, transaction},
};
use crate::{Change, Decision, DueJob, Error, JobStore, Lease, StoredJob, Versioned};

/// Jobs with versions and records, facts, decisions, cursors, notes and leases are there after reopening.
pub async fn everything_is_there_after_reopening(
    store: Arc<dyn JobStore>,
    reopen: &impl AsyncFn(Arc<dyn JobStore>) -> Arc<dyn JobStore>,
) {
    fill(&*store).await;
    let before = Everything::read(&*store).await;
    assert_eq!(before.jobs.len(), 3, "the store was filled");
    let store = reopen(store).await;
    let after = Everything::read(&*store).await;
    assert_eq!(after, before, "everything that was confirmed is there after reopening");
    let lease = store.lease("pass", "bob", ChainEpoch::new(5), ChainEpoch::new(20)).await;
    assert_eq!(lease.expect("leases work"), None, "a lease is held across reopening");
}

/// Versions, fences, the order of transactions and the numbers of decisions carry on where they stood.
pub async fn a_reopened_store_carries_on(
    store: Arc<dyn JobStore>,
    reopen: &impl AsyncFn(Arc<dyn JobStore>) -> Arc<dyn JobStore>,
) {
    let read = fill(&*store).await;
    let held = lease(&*store, "ann", 5).await;
    let store = reopen(store).await;

    let stale = store.update_job(&Versioned { version: 1, ..read.clone() }).await;
    assert!(matches!(stale, Err(Error::Stale(_))), "an old version is stale after reopening");
    let version = store.update_job(&read).await.expect("the version read before is current");
    assert_eq!(version, read.version + 1, "versions carry on after reopening");
    let exists = store.insert_job(&read.value.job).await;
    assert!(matches!(exists, Err(Error::Exists(_))), "an id is taken after reopening");
    assert_eq!(
        lease(&*store, "ann", 6).await.fence,
        held.fence,
        "a holder may renew after reopening"
    );
    let anew = lease(&*store, "bob", 10).await;
    assert!(anew.fence > held.fence, "fences carry on after reopening");

    let late = transaction("0x0", "a");
    let decided = decision(cid(2), 9);
    let change = Change {
        transactions: vec![late.clone()],
        decisions: vec![decided.clone()],
        ..Change::default()
    };
    store.commit(&change).await.expect("the change is written");
    let open = store.open_transactions().await.expect("reads work");
    assert_eq!(open.last(), Some(&late), "a later transaction comes last after reopening");
    let newest = store.decisions(None, None, 1).await.expect("reads work");
    assert_eq!(newest, [(4, decided.clone())], "numbers of decisions carry on after reopening");
    assert_eq!(store.trim_decisions(0).await.expect("the log can be trimmed"), 3);

    let store = reopen(store).await;
    let read = store.job(&read.value.job.id).await.expect("reads work");
    assert_eq!(read.map(|job| job.version), Some(version), "a second reopening keeps the rest");
    let change = Change { decisions: vec![decided.clone()], ..Change::default() };
    store.commit(&change).await.expect("the change is written");
    let newest = store.decisions(None, None, 10).await.expect("reads work");
    assert_eq!(newest, [(5, decided)], "a number that was trimmed is not given again either");
}

/// Writes something of every kind, by every way there is; one job as it then stands.
async fn fill(store: &dyn JobStore) -> Versioned<StoredJob> {
    let insert = async |job: Job| store.insert_job(&job).await.expect("a new job is inserted");
    let mut first = insert(job("a", cid(1))).await;
    let woken = insert(job("b", cid(1))).await;
    insert(job(ODD_TEXT, cid(2))).await;
    let removed = insert(job("d", cid(1))).await;
    first.value.record.submission = Some(SubmissionId(3));
    first.value.record.last_plan = Some(vec![0, 1, 255]);
    first.version = store.update_job(&first).await.expect("the version read is current");
    let first = looked_at(&first, 90);
    let change = Change {
        lease: None,
        memories: vec![(cid(1), samples::full_memory(4, cid(1))), (cid(2), samples::memory(4))],
        forget: vec![(cid(2), samples::memory(4).listed.deal)],
        orders: [samples::orders_of_every_state(cid(1)), vec![order("late", cid(2), 8)]].concat(),
        transactions: vec![transaction("0x9", "a"), transaction("0x1", "a")],
        jobs: vec![first.clone(), looked_at(&woken, 70)],
        cursors: vec![("events".to_owned(), i64::MIN)],
        notes: vec![("state".to_owned(), vec![0, 1, 255])],
        decisions: [(1, 5), (2, 6), (1, 7)].map(|(data, at)| decision(cid(data), at)).to_vec(),
    };
    store.commit(&change).await.expect("a change of what was read is written");
    assert_eq!(store.trim_decisions(2).await.expect("the log can be trimmed"), 1);
    store.wake(&woken.value.job.id).await.expect("a job can be woken");
    assert!(store.remove_job(&removed.value.job.id).await.expect("a job can be removed"));
    lease(store, "ann", 0).await;
    Versioned { version: first.version + 1, ..first }
}

/// Takes the lease that is renewed and lost in these checks, until epoch 10 or the one after `now`.
async fn lease(store: &dyn JobStore, owner: &str, now: i64) -> Lease {
    let until = ChainEpoch::new(i64::max(10, now + 1));
    let lease = store.lease("pass", owner, ChainEpoch::new(now), until).await;
    lease.expect("leases can be asked for").expect("the lease is granted")
}

#[derive(Debug, PartialEq)]
struct Everything {
    jobs: Vec<Versioned<StoredJob>>,
    due: Vec<DueJob>,
    memories: [Vec<DealMemory>; 2],
    orders: [Vec<Order>; 3],
    transactions: [Vec<Transaction>; 2],
    cursor: Option<i64>,
    note: Option<Vec<u8>>,
    decisions: Vec<(u64, Decision)>,
}

impl Everything {
    async fn read(store: &dyn JobStore) -> Self {
        let reads = "reads work";
        Self {
            jobs: store.jobs(None, usize::MAX).await.expect(reads),
            due: due(store, i64::MAX, usize::MAX).await,
            memories: [
                store.deal_memories(&cid(1)).await.expect(reads),
                store.deal_memories(&cid(2)).await.expect(reads),
            ],
            orders: [
                store.orders_of(&cid(1)).await.expect(reads),
                store.orders_of(&cid(2)).await.expect(reads),
                store.outstanding_orders().await.expect(reads),
            ],
            transactions: [
                store.open_transactions().await.expect(reads),
                store.transactions_of(&JobId::new("a")).await.expect(reads),
            ],
            cursor: store.cursor("events").await.expect(reads),
            note: store.note("state").await.expect(reads),
            decisions: store.decisions(None, None, usize::MAX).await.expect(reads),
        }
    }
}
