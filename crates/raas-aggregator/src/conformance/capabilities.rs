//! What an aggregator says it can do, held against it.

use raas_types::{EpochDelta, MAX_PROOF_DEPTH, Order};

use super::{Harness, deals, ids, landed, order, submit};
use crate::Repeat;

/// As many orders with a provider excluded as are made: one that takes up to this many providers in
/// turn and heeds nothing comes back to the excluded one.
const ROUNDS: usize = 6;

/// The first order for a CID makes the claimed number of deals, which is at least one; and deals
/// take and last some time.
pub async fn an_order_makes_as_many_copies_as_claimed(harness: &dyn Harness) {
    let claimed = harness.aggregator().capabilities();
    assert!(claimed.copies > 0, "an order must make at least one copy");
    assert!(claimed.latency >= EpochDelta::ZERO, "an order cannot land before it is made");
    assert!(claimed.deal_duration > EpochDelta::ZERO, "a deal must last some time");
    let (_, _, deals) = landed(harness).await;
    assert_eq!(
        deals.len(),
        count(claimed.copies),
        "an order must make as many deals as capabilities() claims",
    );
}

/// Where order ids are claimed to be known, the same order sent again, before and after it landed,
/// is one order.
pub async fn the_same_order_twice_is_one_where_that_is_claimed(harness: &dyn Harness) {
    let claimed = harness.aggregator().capabilities();
    if !claimed.idempotent {
        return;
    }
    let promise = "where capabilities() claims idempotency, the same order twice must be one";
    let (cid, payload) = harness.data().await;
    let order = order(harness, cid, "first");
    for when in ["before it landed", "after it landed"] {
        let one = submit(harness, &order, payload.as_ref()).await;
        let two = submit(harness, &order, payload.as_ref()).await;
        assert_eq!(one, two, "{promise}: the same ticket {when}");
        harness.settle().await;
        let made = deals(harness, &cid).await.len();
        assert_eq!(made, count(claimed.copies), "{promise}: sent again {when}");
    }
}

/// A second order for a CID makes as many deals again, or none, as claimed. Where it is not
/// documented, it may do either, but the deals of the first order stay.
pub async fn a_repeated_order_does_what_is_claimed(harness: &dyn Harness) {
    let claimed = harness.aggregator().capabilities();
    let (first, payload, before) = landed(harness).await;
    let known_deals = ids(&before);
    let second = Order { known_deals, ..order(harness, first.cid, "second") };
    submit(harness, &second, payload.as_ref()).await;
    harness.settle().await;
    let after = deals(harness, &first.cid).await;
    assert!(
        ids(&after).is_superset(&ids(&before)),
        "a second order must not hide the first's deals"
    );
    let new = after.len() - before.len();
    match claimed.repeat {
        Repeat::NewDeal => assert_eq!(
            new,
            count(claimed.copies),
            "where capabilities() claims that a repeat makes a new deal, it must",
        ),
        Repeat::Ignored => {
            assert_eq!(new, 0, "where capabilities() claims that a repeat is ignored, it must be");
        }
        Repeat::Undocumented => {}
    }
}

/// Where providers may be excluded, none that is excluded is used.
pub async fn excluded_providers_are_not_used_where_that_is_claimed(harness: &dyn Harness) {
    if !harness.aggregator().capabilities().excludes_providers {
        return;
    }
    let (_, _, first) = landed(harness).await;
    // One only: with all of the first order's excluded, a small aggregator could have none left.
    let excluded = first[0].provider;
    for _ in 0..ROUNDS {
        let (cid, payload) = harness.data().await;
        let order = Order { exclude: [excluded].into(), ..order(harness, cid, "choosy") };
        submit(harness, &order, payload.as_ref()).await;
        harness.settle().await;
        let used = deals(harness, &cid).await;
        assert!(!used.is_empty(), "an order that excludes one provider must land with another");
        assert!(
            used.iter().all(|landed| landed.provider != excluded),
            "where capabilities() claims that providers can be excluded, {excluded} must not be used",
        );
    }
}

/// Where proofs are claimed, each deal on the chain has one, of a depth that can be checked.
pub async fn landed_deals_have_proofs_where_that_is_claimed(harness: &dyn Harness) {
    if !harness.aggregator().capabilities().proofs {
        return;
    }
    let (_, _, deals) = landed(harness).await;
    for landed in deals {
        let Some(proof) = landed.shown.proof else {
            panic!("where capabilities() claims proofs, deal {} must have one", landed.deal);
        };
        assert!(proof.segment.size.get() > 0, "a proof must be about some data");
        let paths = [&proof.inclusion.subtree.path, &proof.inclusion.index.path];
        for path in paths {
            assert!(
                path.len() <= MAX_PROOF_DEPTH,
                "a path of a proof has {} nodes, and more than {MAX_PROOF_DEPTH} prove nothing",
                path.len(),
            );
        }
    }
}

fn count(copies: u32) -> usize {
    usize::try_from(copies).unwrap_or(usize::MAX)
}
