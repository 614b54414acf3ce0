//! What every [`Aggregator`] must do, as checks to run against yours.
//!
//! Implement [`Harness`] for whatever your adapter talks to, and give [`all`] a way to make one:
//!
//! ```
//! use raas_aggregator::conformance::{self, Harness};
//!
//! async fn my_adapter_keeps_its_promises<MyHarness: Harness>(start: impl AsyncFn() -> MyHarness) {
//!     conformance::all(&start).await;
//! }
//! ```
//!
//! `tests/common/mod.rs` has a whole one. A check that fails panics with a sentence that names the
//! broken promise. Each check orders data of its own and tolerates what others left behind, so
//! harnesses may share a service. What an aggregator says it can do
//! ([`Capabilities`](crate::Capabilities)) is held against it.
//!
//! That the suite can fail is tested in `tests/broken.rs`. It rejects fakes that
//!
//! - order when they are asked (`OrdersOnFind`),
//! - call orders landed that were never sent (`InventsLanded`) or on deals that were there before
//!   (`LandsOnOldDeals`), or absent that were taken (`DeniesOrders`),
//! - show the deals of other data (`MixesCids`),
//! - swallow read errors (`SwallowsReadErrors`) or order what they could not read (`OrdersUnread`),
//! - claim to know order ids and do not (`ForgetsOrderIds`), use providers that were excluded
//!   (`UsesExcluded`), make fewer copies than claimed (`MakesFewer`), make no deal of a repeat where
//!   they claim one (`IgnoresRepeats`) or one where they claim none (`HonoursRepeats`), promise
//!   proofs and show none (`ShowsNoProofs`).

mod capabilities;
mod orders;

pub use capabilities::{
    a_repeated_order_does_what_is_claimed, an_order_makes_as_many_copies_as_claimed,
    excluded_providers_are_not_used_where_that_is_claimed,
    landed_deals_have_proofs_where_that_is_claimed,
    the_same_order_twice_is_one_where_that_is_claimed,
};
pub use orders::{
    a_cid_never_ordered_has_no_deals, an_order_becomes_a_deal, an_order_sent_is_found,
    data_that_cannot_be_read_is_not_ordered, deals_of_one_cid_are_not_shown_for_another,
    finding_never_orders, nothing_old_lands_an_order,
};

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use cid::Cid;
use raas_types::{
    AggregatorDeal, AggregatorName, Cause, ChainEpoch, DealId, Order, OrderId, OrderState,
    ProviderId, Ticket,
};

use crate::{Aggregator, Found, Payload};

/// The world that the adapter under test talks to.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The adapter.
    fn aggregator(&self) -> Arc<dyn Aggregator>;

    /// Data that was never given before and that the aggregator does not have: its CID and bytes.
    async fn data(&self) -> (Cid, Arc<dyn Payload>);

    /// Lets everything that is ordered become deals, and returns when the aggregator shows them.
    async fn settle(&self);
}

/// Runs every check, each against a harness of its own.
pub async fn all<H: Harness>(harness: impl AsyncFn() -> H) {
    a_cid_never_ordered_has_no_deals(&harness().await).await;
    an_order_becomes_a_deal(&harness().await).await;
    deals_of_one_cid_are_not_shown_for_another(&harness().await).await;
    an_order_sent_is_found(&harness().await).await;
    nothing_old_lands_an_order(&harness().await).await;
    finding_never_orders(&harness().await).await;
    data_that_cannot_be_read_is_not_ordered(&harness().await).await;
    an_order_makes_as_many_copies_as_claimed(&harness().await).await;
    the_same_order_twice_is_one_where_that_is_claimed(&harness().await).await;
    a_repeated_order_does_what_is_claimed(&harness().await).await;
    excluded_providers_are_not_used_where_that_is_claimed(&harness().await).await;
    landed_deals_have_proofs_where_that_is_claimed(&harness().await).await;
}

/// An order for one replica of `cid` that excludes nobody and knows of no deals, as it stands
/// before it is sent.
pub fn test_order(cid: Cid, id: &str) -> Order {
    Order {
        id: OrderId::new(id),
        cid,
        aggregator: AggregatorName::new("under test"),
        cause: Cause::Replication,
        known_deals: BTreeSet::new(),
        exclude: BTreeSet::new(),
        prefer: BTreeSet::new(),
        bytes: None,
        made: Vec::new(),
        created: ChainEpoch::new(1_000),
        state: OrderState::Intended,
    }
}

/// An order to the aggregator under test. The CID makes the id differ from check to check.
fn order(harness: &dyn Harness, cid: Cid, label: &str) -> Order {
    let order = test_order(cid, &format!("{label} order for {cid}"));
    Order { aggregator: harness.aggregator().name(), ..order }
}

async fn submit(harness: &dyn Harness, order: &Order, payload: &dyn Payload) -> Ticket {
    match harness.aggregator().submit(order, payload).await {
        Ok(ticket) => ticket,
        Err(error) => panic!("an order for data that can be read must be taken: {error}"),
    }
}

/// Fresh data, ordered and landed: its order and payload, and what is shown for it.
async fn landed(harness: &dyn Harness) -> (Order, Arc<dyn Payload>, Vec<Landed>) {
    let (cid, payload) = harness.data().await;
    let order = order(harness, cid, "first");
    submit(harness, &order, payload.as_ref()).await;
    harness.settle().await;
    let deals = deals(harness, &cid).await;
    assert!(!deals.is_empty(), "an order that settled must show a deal");
    (order, payload, deals)
}

async fn find(harness: &dyn Harness, order: &Order) -> Found {
    match harness.aggregator().find(order).await {
        Ok(found) => found,
        Err(error) => panic!("an aggregator that can be reached must answer find: {error}"),
    }
}

/// A deal that is on the chain, as the aggregator shows it.
struct Landed {
    deal: DealId,
    provider: ProviderId,
    shown: AggregatorDeal,
}

/// Everything shown for a CID, deals still being made included.
async fn shown(harness: &dyn Harness, cid: &Cid) -> Vec<AggregatorDeal> {
    match harness.aggregator().deals(cid).await {
        Ok(deals) => deals,
        Err(error) => panic!("an aggregator that can be reached must show its deals: {error}"),
    }
}

/// The deals shown for a CID that are on the chain.
async fn deals(harness: &dyn Harness, cid: &Cid) -> Vec<Landed> {
    let shown = shown(harness, cid).await;
    let landed = shown.into_iter().filter_map(|shown| shown.deal.map(|deal| (deal, shown)));
    let landed: Vec<Landed> = landed
        .map(|(deal, shown)| {
            let provider = shown.provider.expect("a deal with an id must name its provider");
            Landed { deal, provider, shown }
        })
        .collect();
    assert_eq!(ids(&landed).len(), landed.len(), "each deal of a CID must be shown once");
    landed
}

fn ids(deals: &[Landed]) -> BTreeSet<DealId> {
    deals.iter().map(|landed| landed.deal).collect()
}
