//! Checks of what is kept beside jobs: deal memories, orders, transactions, cursors.

use std::collections::BTreeSet;

use raas_types::{
    ChainEpoch, DealId, JobId, Order, OrderId, OrderState, SectorNumber, Transaction,
    TransactionPurpose, TransactionState, TxHash,
};

use super::samples::{self, ODD_TEXT, cid, memory, order, transaction};
use crate::{Change, Decision, JobStore};

/// Memories are kept per CID and deal, listed by deal id as a number, replaced and forgotten.
pub async fn memories_are_kept_by_cid_and_deal(store: &dyn JobStore) {
    let deals = [u64::MAX, 10, 1 << 63, 9, 0, (1 << 63) - 1];
    let of_first = deals.map(|deal| (cid(1), memory(deal)));
    let memories = of_first.into_iter().chain([(cid(2), memory(10))]).collect();
    commit(store, Change { memories, ..Change::default() }).await;
    let listed = async |data| {
        let memories = store.deal_memories(&cid(data)).await.expect("memories can be listed");
        memories.iter().map(|memory| memory.listed.deal.get()).collect::<Vec<_>>()
    };
    let ordered = [0, 9, 10, (1 << 63) - 1, 1 << 63, u64::MAX];
    assert_eq!(listed(1).await, ordered, "memories come in the order of their deals' ids");
    assert_eq!(listed(2).await, [10], "memories belong to their CID");

    let mut changed = memory(10);
    changed.sector = Some(SectorNumber::new(5));
    let memories = vec![(cid(2), changed.clone())];
    let forget = vec![(cid(1), DealId::new(10)), (cid(3), DealId::new(10))];
    commit(store, Change { memories, forget, ..Change::default() }).await;
    assert_eq!(listed(1).await, [0, 9, (1 << 63) - 1, 1 << 63, u64::MAX], "one was forgotten");
    let replaced = store.deal_memories(&cid(2)).await.expect("memories can be listed");
    assert_eq!(replaced, [changed], "a memory written again is replaced, one of another CID stays");
}

/// Orders are listed by the epoch they were created at, then by id, and replaced in place.
pub async fn orders_are_listed_oldest_first(store: &dyn JobStore) {
    let mut orders: Vec<Order> = [("c", 1, 5), ("b", 1, 5), ("a", 1, 9), ("d", 2, 7)]
        .map(|(id, data, created)| order(id, cid(data), created))
        .to_vec();
    orders.push(order("e", cid(1), i64::MIN));
    orders.push(order("f", cid(1), i64::MAX));
    commit(store, Change { orders, ..Change::default() }).await;
    let check = async || {
        let of_first = store.orders_of(&cid(1)).await.expect("orders can be listed");
        assert_eq!(ids(&of_first), ["e", "b", "c", "a", "f"], "orders of a CID come oldest first");
        let of_second = store.orders_of(&cid(2)).await.expect("orders can be listed");
        assert_eq!(ids(&of_second), ["d"], "orders belong to their CID");
        let outstanding = store.outstanding_orders().await.expect("orders can be listed");
        let oldest_first = ["e", "b", "c", "d", "a", "f"];
        assert_eq!(ids(&outstanding), oldest_first, "outstanding orders come oldest first");
    };
    check().await;

    let sending = Order { state: OrderState::Sending, ..order("c", cid(1), 5) };
    commit(store, Change { orders: vec![sending.clone()], ..Change::default() }).await;
    let read = store.order(&OrderId::new("c")).await.expect("orders can be read");
    assert_eq!(read, Some(sending), "an order written again is replaced");
    check().await;
}

/// Orders stay listed as outstanding while a deal may still come, and are found for good.
pub async fn orders_are_outstanding_until_they_land_or_fail(store: &dyn JobStore) {
    let orders = samples::orders_of_every_state(cid(1));
    commit(store, Change { orders: orders.clone(), ..Change::default() }).await;
    let of_cid = store.orders_of(&cid(1)).await.expect("orders can be listed");
    assert_eq!(of_cid, orders, "orders of every state are kept");
    let outstanding = store.outstanding_orders().await.expect("orders can be listed");
    assert_eq!(outstanding, orders[..3], "intended, sending and sent orders are outstanding");

    let at = ChainEpoch::new(50);
    let failed = OrderState::Failed { reason: "no answer".to_owned(), at };
    let settled: Vec<Order> =
        outstanding.iter().map(|order| Order { state: failed.clone(), ..order.clone() }).collect();
    commit(store, Change { orders: settled.clone(), ..Change::default() }).await;
    let outstanding = store.outstanding_orders().await.expect("orders can be listed");
    assert_eq!(ids(&outstanding), [""; 0], "a settled order is not outstanding");
    let read = store.order(&settled[0].id).await.expect("orders can be read");
    assert_eq!(read.as_ref(), Some(&settled[0]), "a settled order is still there");
}

/// Transactions are listed in the order of their first writing, the open ones apart from the rest.
pub async fn transactions_are_listed_as_they_were_written(store: &dyn JobStore) {
    let complete = Transaction {
        purpose: TransactionPurpose::Complete { job: JobId::new("a"), deal: DealId::new(8) },
        ..transaction("0x2", "a")
    };
    let transactions = vec![transaction("0x9", "a"), complete, transaction("0x1", "b")];
    commit(store, Change { transactions: transactions.clone(), ..Change::default() }).await;
    let late = transaction("0x0", "a");
    commit(store, Change { transactions: vec![late.clone()], ..Change::default() }).await;

    let hashes = |transactions: Vec<Transaction>| -> Vec<String> {
        transactions.into_iter().map(|transaction| transaction.hash.0).collect()
    };
    let open = async || hashes(store.open_transactions().await.expect("lists work"));
    let of = async |job: &str| {
        hashes(store.transactions_of(&JobId::new(job)).await.expect("lists work"))
    };
    assert_eq!(open().await, ["0x9", "0x2", "0x1", "0x0"], "open transactions come oldest first");
    assert_eq!(of("a").await, ["0x9", "0x2", "0x0"], "transactions of a job come oldest first");
    assert_eq!(of("b").await, ["0x1"]);

    let at = ChainEpoch::new(3);
    let done = Transaction {
        state: TransactionState::Done { at, submission: None },
        ..transactions[0].clone()
    };
    let failed =
        Transaction { state: TransactionState::Failed { reason: ODD_TEXT.to_owned(), at }, ..late };
    let transactions = vec![failed.clone(), done.clone()];
    commit(store, Change { transactions, ..Change::default() }).await;
    assert_eq!(open().await, ["0x2", "0x1"], "a transaction whose end is known is not open");
    assert_eq!(of("a").await, ["0x9", "0x2", "0x0"], "a replaced transaction keeps its place");
    for transaction in [done, failed] {
        let read = store.transaction(&transaction.hash).await.expect("reads work");
        assert_eq!(read, Some(transaction), "a transaction is read as it was last written");
    }
    let prefix = store.transaction(&TxHash("0x".to_owned())).await.expect("reads work");
    assert_eq!(prefix, None, "a hash is matched whole");
}

/// Cursors have names of their own and values from end to end of `i64`.
pub async fn cursors_are_set_and_replaced(store: &dyn JobStore) {
    let set = async |name: &str, value| {
        let cursors = vec![(name.to_owned(), value)];
        commit(store, Change { cursors, ..Change::default() }).await;
    };
    set("low", i64::MIN).await;
    set("high", i64::MAX).await;
    set(ODD_TEXT, -1).await;
    set("high", 0).await;
    for (name, value) in
        [("low", Some(i64::MIN)), ("high", Some(0)), (ODD_TEXT, Some(-1)), ("Low", None)]
    {
        let read = store.cursor(name).await.expect("cursors can be read");
        assert_eq!(read, value, "the cursor {name:?}");
    }
}

/// Notes have names of their own, apart from cursors', and values of any bytes and none.
pub async fn notes_are_set_and_replaced(store: &dyn JobStore) {
    let set = async |name: &str, value: &[u8]| {
        let notes = vec![(name.to_owned(), value.to_vec())];
        commit(store, Change { notes, ..Change::default() }).await;
    };
    set("state", b"first").await;
    set("empty", b"").await;
    set(ODD_TEXT, &[0, 255, 0]).await;
    set("state", b"\xff second").await;
    commit(store, Change { cursors: vec![("cursor".to_owned(), 1)], ..Change::default() }).await;
    for (name, value) in [
        ("state", Some(&b"\xff second"[..])),
        ("empty", Some(b"")),
        (ODD_TEXT, Some(&[0, 255, 0])),
        ("State", None),
        ("cursor", None),
    ] {
        let read = store.note(name).await.expect("notes can be read");
        assert_eq!(read.as_deref(), value, "the note {name:?}");
    }
    assert_eq!(store.cursor("state").await.expect("cursors can be read"), None);
}

/// Large values, odd text and numbers at their limits come back as they were written.
pub async fn values_come_back_whole(store: &dyn JobStore) {
    let data = cid(1);
    let mut stored =
        store.insert_job(&samples::job(ODD_TEXT, data)).await.expect("a new job is inserted");
    // 4 MiB: far beyond a page, a datagram or a default message limit.
    stored.value.record.last_plan = Some((0..4 << 20).map(|n: u32| n as u8).collect());
    let big = Order {
        known_deals: (0..50_000).map(DealId::new).collect::<BTreeSet<_>>(),
        state: OrderState::Failed { reason: ODD_TEXT.repeat(2_000), at: ChainEpoch::new(i64::MAX) },
        ..order(ODD_TEXT, data, i64::MIN)
    };
    let raw = vec![170; 1 << 20];
    let change = Change {
        lease: None,
        memories: vec![(data, samples::full_memory(u64::MAX, data))],
        orders: vec![big],
        transactions: vec![Transaction { raw: raw.clone(), ..transaction(ODD_TEXT, ODD_TEXT) }],
        jobs: vec![stored.clone()],
        notes: vec![(ODD_TEXT.to_owned(), raw.clone())],
        decisions: vec![Decision { body: raw.clone(), ..samples::decision(data, i64::MIN) }],
        cursors: Vec::new(),
        forget: Vec::new(),
    };
    commit(store, change.clone()).await;
    stored.version = 2;
    // Not assert_eq: a failure would print megabytes.
    let whole = |same: bool, what: &str| assert!(same, "{what} comes back as it was written");
    whole(store.job(&stored.value.job.id).await.expect("reads work") == Some(stored), "a job");
    let memories = store.deal_memories(&data).await.expect("reads work");
    assert_eq!(memories, [change.memories[0].1.clone()], "a memory comes back as it was written");
    let orders = store.orders_of(&data).await.expect("reads work");
    whole(orders == change.orders, "an order");
    let transactions = store.open_transactions().await.expect("reads work");
    whole(transactions == change.transactions, "a transaction");
    whole(store.note(ODD_TEXT).await.expect("reads work") == Some(raw), "a note");
    let decisions = store.decisions(Some(data), None, 1).await.expect("reads work");
    whole(decisions == [(1, change.decisions[0].clone())], "a decision");
}

async fn commit(store: &dyn JobStore, change: Change) {
    store.commit(&change).await.expect("a change without jobs is written");
}

fn ids(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.id.as_str()).collect()
}
