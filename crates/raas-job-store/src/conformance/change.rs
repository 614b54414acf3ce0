//! Checks of [`JobStore::commit`]: all of a change or none of it.

use raas_types::{ChainEpoch, DealId, JobId, OrderId, OrderState, TransactionState, TxHash};

use super::{
    due,
    samples::{cid, decision, job, looked_at, memory, order, transaction},
};
use crate::{Change, Decision, DueJob, Error, JobStore, StoredJob, Versioned};

/// Everything in a change is there when `commit` has returned.
pub async fn a_change_is_written_whole(store: &dyn JobStore) {
    let before = Before::write(store).await;
    let change = before.change_everything();
    store.commit(&change).await.expect("a change of what was read is written");
    let written = Seen::look(store).await;
    assert_eq!(written.memories, [change.memories[0].1.clone()], "memories of a change");
    assert_eq!(written.orders, change.orders, "orders of a change");
    assert_eq!(written.transactions, change.transactions, "transactions of a change");
    assert_eq!(written.cursors, [Some(2), Some(3)], "cursors of a change");
    assert_eq!(written.notes, [Some(vec![2]), Some(vec![3])], "notes of a change");
    let decisions = [(2, change.decisions[0].clone()), (1, decision(cid(1), 1))];
    assert_eq!(written.decisions, decisions, "decisions of a change");
    let jobs: Vec<_> =
        change.jobs.iter().map(|job| Versioned { version: 2, ..job.clone() }).collect();
    assert_eq!(written.jobs, jobs, "jobs of a change, each at its next version");
}

/// One stale job, wherever it stands in the change, and nothing of the change is written.
pub async fn a_change_with_a_stale_job_writes_nothing(store: &dyn JobStore) {
    let before = Before::write(store).await;
    let mut change = before.change_everything();
    store.wake(&before.jobs[1].value.job.id).await.expect("a job can be woken");
    let seen = Seen::look(store).await;
    for _ in 0..2 {
        refused_whole(store, &change, "b", &seen).await;
        change.jobs.reverse();
    }
    let mut twice = before.change_everything();
    twice.jobs = vec![looked_at(&before.jobs[0], 1), looked_at(&before.jobs[0], 2)];
    refused_whole(store, &twice, "a", &seen).await;
}

/// A job that was removed meanwhile is stale, and is not brought back.
pub async fn a_change_with_an_absent_job_writes_nothing(store: &dyn JobStore) {
    let before = Before::write(store).await;
    let change = before.change_everything();
    assert!(store.remove_job(&JobId::new("b")).await.expect("a job can be removed"));
    refused_whole(store, &change, "b", &Seen::look(store).await).await;
}

/// A memory written and forgotten in one change is forgotten; of two writes the later stays.
pub async fn a_change_happens_in_the_order_of_its_fields(store: &dyn JobStore) {
    let sent = order("order", cid(1), 9);
    let settled = raas_types::Order {
        state: OrderState::Failed { reason: "no".to_owned(), at: ChainEpoch::new(1) },
        ..sent.clone()
    };
    let change = Change {
        memories: vec![(cid(1), memory(1))],
        forget: vec![(cid(1), DealId::new(1))],
        orders: vec![sent, settled.clone()],
        cursors: vec![("x".to_owned(), 1), ("x".to_owned(), 2)],
        notes: vec![("x".to_owned(), vec![1]), ("x".to_owned(), vec![2])],
        ..Change::default()
    };
    store.commit(&change).await.expect("the change is written");
    let seen = Seen::look(store).await;
    assert_eq!(seen.memories, [], "what is written and forgotten is forgotten");
    assert_eq!(seen.orders, [settled], "of two writes of an order the later stays");
    assert_eq!(seen.outstanding, [], "of two writes of an order the later stays");
    assert_eq!(seen.cursors[0], Some(2), "of two writes of a cursor the later stays");
    assert_eq!(seen.notes[0], Some(vec![2]), "of two writes of a note the later stays");
}

/// A change with nothing in it succeeds and does nothing.
pub async fn an_empty_change_changes_nothing(store: &dyn JobStore) {
    Before::write(store).await;
    let seen = Seen::look(store).await;
    assert!(Change::default().is_empty());
    store.commit(&Change::default()).await.expect("an empty change is no error");
    assert_eq!(Seen::look(store).await, seen);
}

async fn refused_whole(store: &dyn JobStore, change: &Change, stale: &str, before: &Seen) {
    let result = store.commit(change).await;
    assert!(
        matches!(&result, Err(Error::Stale(id)) if id.as_str() == stale),
        "a change with a stale job is refused by its name, not {result:?}"
    );
    let after = Seen::look(store).await;
    assert_eq!(after, *before, "nothing of a refused change is written");
}

/// What is there before a change: two jobs and something of every kind.
struct Before {
    jobs: [Versioned<StoredJob>; 2],
}

impl Before {
    async fn write(store: &dyn JobStore) -> Self {
        let change = Change {
            memories: vec![(cid(1), memory(1))],
            orders: vec![order("order", cid(1), 9)],
            transactions: vec![transaction("0x1", "a")],
            cursors: vec![("x".to_owned(), 1)],
            notes: vec![("x".to_owned(), vec![1])],
            decisions: vec![decision(cid(1), 1)],
            ..Change::default()
        };
        store.commit(&change).await.expect("a change without jobs is written");
        let insert = async |id| store.insert_job(&job(id, cid(1))).await.expect("a new job");
        Self { jobs: [insert("a").await, insert("b").await] }
    }

    /// Replaces, adds and forgets something of every kind.
    fn change_everything(&self) -> Change {
        let mut settled = order("order", cid(1), 9);
        settled.state = OrderState::Sending;
        let mut done = transaction("0x1", "a");
        done.state = TransactionState::Done { at: ChainEpoch::new(4), submission: None };
        Change {
            lease: None,
            memories: vec![(cid(1), memory(2))],
            forget: vec![(cid(1), DealId::new(1))],
            orders: vec![settled, order("second", cid(1), 10)],
            transactions: vec![done, transaction("0x2", "a")],
            jobs: vec![looked_at(&self.jobs[0], 70), looked_at(&self.jobs[1], 80)],
            cursors: vec![("x".to_owned(), 2), ("y".to_owned(), 3)],
            notes: vec![("x".to_owned(), vec![2]), ("y".to_owned(), vec![3])],
            decisions: vec![decision(cid(1), 2)],
        }
    }
}

/// All that a change may have touched.
#[derive(Debug, PartialEq)]
struct Seen {
    memories: Vec<raas_types::DealMemory>,
    orders: Vec<raas_types::Order>,
    outstanding: Vec<raas_types::Order>,
    second_order: Option<raas_types::Order>,
    transactions: Vec<raas_types::Transaction>,
    open: Vec<raas_types::Transaction>,
    second_transaction: Option<raas_types::Transaction>,
    jobs: Vec<Versioned<StoredJob>>,
    due: Vec<DueJob>,
    cursors: [Option<i64>; 2],
    notes: [Option<Vec<u8>>; 2],
    decisions: Vec<(u64, Decision)>,
}

impl Seen {
    async fn look(store: &dyn JobStore) -> Self {
        let reads = "reads work";
        let second = TxHash("0x2".to_owned());
        Self {
            memories: store.deal_memories(&cid(1)).await.expect(reads),
            orders: store.orders_of(&cid(1)).await.expect(reads),
            outstanding: store.outstanding_orders().await.expect(reads),
            second_order: store.order(&OrderId::new("second")).await.expect(reads),
            transactions: store.transactions_of(&JobId::new("a")).await.expect(reads),
            open: store.open_transactions().await.expect(reads),
            second_transaction: store.transaction(&second).await.expect(reads),
            jobs: store.jobs(None, usize::MAX).await.expect(reads),
            due: due(store, 75, usize::MAX).await,
            cursors: [store.cursor("x").await.expect(reads), store.cursor("y").await.expect(reads)],
            notes: [store.note("x").await.expect(reads), store.note("y").await.expect(reads)],
            decisions: store.decisions(None, None, usize::MAX).await.expect(reads),
        }
    }
}
