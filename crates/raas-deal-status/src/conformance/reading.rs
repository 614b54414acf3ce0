//! The promises of [`DealStatusSource`](crate::DealStatusSource).

use super::{
    Harness, complete, include, is_for, listings, prepare, recorded, requests, submit, submitted,
};
use crate::{Error, Request};

/// A CID of which the contract never heard has an empty listing, and no error.
pub async fn an_unknown_cid_lists_nothing(harness: &dyn Harness) {
    let material = harness.material().await;
    let listing = listings(harness, &[material.cid], &harness.pin().await).await.remove(0);
    let promise = "an unknown CID must have an empty listing";
    assert!(listing.all.is_empty(), "{promise}: {listing:?}");
    assert_eq!(listing.active, Ok(Vec::new()), "{promise}");
    assert_eq!(listing.expiring, Ok(Vec::new()), "{promise}");
}

/// A deal recorded at epoch `e` is listed at every pin above `e` and at none up to `e`, however
/// much later that is asked; recorded a second time, it is still listed once.
pub async fn a_completed_deal_shows_above_its_epoch_and_once(harness: &dyn Harness) {
    let material = harness.material().await;
    let submission = submitted(harness, material.cid).await;
    let record = complete(submission, &material);
    let first = include(harness, &prepare(harness, &record).await).await;
    for pin in &first.pins {
        let listing = listings(harness, &[material.cid], pin).await.remove(0);
        let expected = if pin.epoch > first.at { vec![material.deal] } else { Vec::new() };
        assert_eq!(
            listing.all, expected,
            "a deal recorded at {} must be listed at pins above it only, and this one is at {}",
            first.at, pin.epoch,
        );
    }
    let pin = match harness.recorder().prepare(&record, None).await {
        Ok(prepared) => include(harness, &prepared).await.last_pin().clone(),
        // A contract may also refuse it.
        Err(Error::Rejected { .. }) => harness.pin().await,
        Err(error) => panic!("recording a deal again must be accepted or rejected, not: {error}"),
    };
    let listing = listings(harness, &[material.cid], &pin).await.remove(0);
    assert_eq!(listing.all, [material.deal], "a deal recorded twice must be listed once");
}

/// Every CID is answered, in the order asked; unknown ones and repeats have their places.
pub async fn listings_answer_every_cid_in_order(harness: &dyn Harness) {
    let (one, other) = (harness.material().await, harness.material().await);
    let unknown = harness.material().await.cid;
    recorded(harness, &one).await;
    let pin = recorded(harness, &other).await.last_pin().clone();

    let cids = [other.cid, unknown, one.cid, other.cid, one.cid, unknown];
    let answers = listings(harness, &cids, &pin).await;
    for (cid, listing) in cids.iter().zip(answers) {
        let expected: Vec<_> =
            [&one, &other].into_iter().filter(|m| m.cid == *cid).map(|m| m.deal).collect();
        assert_eq!(listing.all, expected, "listings must come in the order of the CIDs asked for");
    }
    let none = harness.source().listings(&[], raas_types::EpochDelta::DAY, &pin).await;
    assert!(none.is_empty(), "asked for no CID, listings must answer nothing");
}

/// Read step by step as the chain grows, or all at once, each request comes once, oldest first,
/// with what was asked for; a pin shows only requests below it.
pub async fn requests_come_once_and_in_order(harness: &dyn Harness) {
    let start = requests(harness, None, &harness.pin().await).await.1;
    let (mut expected, mut stepwise, mut cursor) = (Vec::new(), Vec::new(), start);
    let mut last_pin = harness.pin().await;
    for _ in 0..3 {
        let cid = harness.material().await.cid;
        let prepared = prepare(harness, &submit(cid)).await;
        let included = include(harness, &prepared).await;
        // Each pin is read, that of the transaction's own epoch too: a cursor that runs ahead of
        // the state skips what is mined there.
        for pin in &included.pins {
            let (read, next) = requests(harness, Some(cursor), pin).await;
            assert!(next.epoch <= pin.epoch, "the cursor must not run ahead of the tipset read to");
            stepwise.extend(read);
            cursor = next;
        }
        last_pin = included.last_pin().clone();
        expected.push((cid, prepared.hash, included));
    }

    let at_once = requests(harness, Some(start), &last_pin).await.0;
    let from_genesis = requests(harness, None, &last_pin).await.0;
    for (read, how) in
        [(&stepwise, "step by step"), (&at_once, "at once"), (&from_genesis, "whole")]
    {
        assert_sorted(read, how);
        let mut ours = read.iter().filter(|r| expected.iter().any(|(cid, ..)| is_for(r, cid)));
        for (cid, hash, included) in &expected {
            let request = ours.next();
            let found = request.map(|r| (is_for(r, cid), &r.transaction, r.epoch, r.terms));
            assert_eq!(
                found,
                Some((true, hash, included.at, Some(super::TERMS))),
                "read {how}, each request must come, oldest first and as it was made",
            );
            let number = request.map(|r| r.submission);
            assert_eq!(number, included.submission, "a request must have its submission's number");
        }
        assert_eq!(ours.next(), None, "read {how}, each request must come once");
    }
}

fn assert_sorted(read: &[Request], how: &str) {
    let oldest_first = read.is_sorted_by_key(|request| request.epoch);
    assert!(oldest_first, "read {how}, requests must come oldest first: {read:?}");
}
