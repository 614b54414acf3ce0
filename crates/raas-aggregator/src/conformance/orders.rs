//! What holds for any aggregator, whatever it can do.

use std::{io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use raas_types::Order;

use super::{Harness, deals, find, ids, landed, order, shown, submit};
use crate::{Error, Found, Payload};

/// Data that nobody ordered has an empty list of deals, and no error.
pub async fn a_cid_never_ordered_has_no_deals(harness: &dyn Harness) {
    let (cid, _) = harness.data().await;
    let shown = shown(harness, &cid).await;
    assert!(shown.is_empty(), "a CID that was never ordered must have no deals: {shown:?}");
}

/// An order becomes a deal with an id and a provider.
pub async fn an_order_becomes_a_deal(harness: &dyn Harness) {
    let (_, _, deals) = landed(harness).await;
    let real = deals.iter().all(|landed| landed.deal.get() != 0 && landed.provider.get() != 0);
    assert!(real, "a deal must have the id of a deal and the id of a provider, neither of them 0");
}

/// A CID shows its own deals only, and proofs about its own data only. (Two CIDs may share a deal:
/// that is what aggregation is.)
pub async fn deals_of_one_cid_are_not_shown_for_another(harness: &dyn Harness) {
    let promise = "deals() must not show the deals of another CID";
    let (first, _, first_deals) = landed(harness).await;
    let (cid, payload) = harness.data().await;
    let before = shown(harness, &cid).await;
    assert!(before.is_empty(), "{promise}: {before:?}");

    submit(harness, &order(harness, cid, "second"), payload.as_ref()).await;
    harness.settle().await;
    let second_deals = deals(harness, &cid).await;
    assert!(!second_deals.is_empty(), "an order that settled must show a deal");
    let segment = |deals: &[super::Landed]| {
        deals.iter().find_map(|landed| Some(landed.shown.proof.as_ref()?.segment.cid))
    };
    if let (Some(one), Some(other)) = (segment(&first_deals), segment(&second_deals)) {
        assert_ne!(one, other, "proofs must be about the data asked for: two CIDs, two segments");
    }
    let again = deals(harness, &first.cid).await;
    assert_eq!(ids(&again), ids(&first_deals), "{promise}");
}

/// An order that was taken is never absent, and has landed once its deal is shown.
pub async fn an_order_sent_is_found(harness: &dyn Harness) {
    let (cid, payload) = harness.data().await;
    let order = order(harness, cid, "first");
    submit(harness, &order, payload.as_ref()).await;
    let found = find(harness, &order).await;
    assert_ne!(found, Found::Absent, "an order that was taken must not be called absent");

    harness.settle().await;
    let found = find(harness, &order).await;
    assert!(
        matches!(found, Found::Landed(_)),
        "an order whose deal is shown must be called landed, not {found:?}",
    );
}

/// An order that was never sent has not landed: not where there is nothing, and not because of
/// deals that were known when it was intended.
pub async fn nothing_old_lands_an_order(harness: &dyn Harness) {
    let (cid, _) = harness.data().await;
    assert_not_landed(harness, &order(harness, cid, "unsent")).await;

    let (first, _, deals) = landed(harness).await;
    let known_deals = ids(&deals);
    let unsent = Order { known_deals, ..order(harness, first.cid, "unsent") };
    assert_not_landed(harness, &unsent).await;
}

/// Asking for an order, or for deals, orders nothing.
pub async fn finding_never_orders(harness: &dyn Harness) {
    let (cid, _) = harness.data().await;
    let unsent = order(harness, cid, "unsent");
    let (first, _, before) = landed(harness).await;
    let known_deals = ids(&before);
    let another = Order { known_deals, ..order(harness, first.cid, "unsent") };
    for _ in 0..2 {
        for order in [&unsent, &first, &another] {
            find(harness, order).await;
            shown(harness, &order.cid).await;
        }
        harness.settle().await;
    }
    let made = shown(harness, &cid).await;
    assert!(made.is_empty(), "find() must never order: {made:?}");
    let after = deals(harness, &first.cid).await;
    assert_eq!(ids(&after), ids(&before), "find() must never order");
}

/// When the data fails while it is read, the order fails as one that may be tried again, and no
/// deal comes of the part that was read.
pub async fn data_that_cannot_be_read_is_not_ordered(harness: &dyn Harness) {
    let (cid, payload) = harness.data().await;
    let order = order(harness, cid, "first");
    let failing = FailsHalfWay(payload.clone());
    match harness.aggregator().submit(&order, &failing).await {
        Err(Error::Payload { .. } | Error::Ambiguous { .. } | Error::Unavailable { .. }) => {}
        Err(error) => panic!("data that fails while it is read must not blame the order: {error}"),
        Ok(_) => panic!("data that fails while it is read must fail the order"),
    }
    harness.settle().await;
    let made = deals(harness, &cid).await;
    assert!(made.is_empty(), "data that fails while it is read must not become a deal");
    assert_not_landed(harness, &order).await;

    submit(harness, &order, payload.as_ref()).await;
    harness.settle().await;
    let made = deals(harness, &cid).await;
    assert!(!made.is_empty(), "an order that failed for want of data must succeed with it");
}

async fn assert_not_landed(harness: &dyn Harness, order: &Order) {
    let found = find(harness, order).await;
    assert!(
        !matches!(found, Found::Landed(_)),
        "an order must not be called landed without a deal that is new since it was intended",
    );
}

/// Gives half of its first chunk and then an error.
struct FailsHalfWay(Arc<dyn Payload>);

#[async_trait]
impl Payload for FailsHalfWay {
    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let first = self.0.open().await?.next().await;
        let half = first.map(|chunk| chunk.map(|bytes| bytes.slice(..bytes.len() / 2)));
        let broken = Err(io::Error::other("the disk is on fire"));
        Ok(stream::iter(half.into_iter().chain([broken])).boxed())
    }
}
