//! The promises of [`DealRecorder`](crate::DealRecorder).

use raas_types::SubmissionId;

use super::{
    Harness, PATIENCE, complete, include, is_for, listings, prepare, requests, send, status, submit,
};
use crate::{Error, Prepared, Record, TransactionStatus};

/// A submission that is included is done, at an epoch, with a number of its own.
pub async fn a_submission_is_done_and_numbered(harness: &dyn Harness) {
    let mut numbers = Vec::new();
    let before = harness.pin().await.epoch;
    for _ in 0..2 {
        let prepared = prepare(harness, &submit(harness.material().await.cid)).await;
        let included = include(harness, &prepared).await;
        assert!(included.at >= before, "a transaction must not be done before it was made");
        numbers.push(included.submission);
    }
    assert!(
        numbers.iter().all(Option::is_some),
        "a submission that is done must tell the number it was given",
    );
    assert_ne!(numbers[0], numbers[1], "two submissions must have two numbers");
}

/// Bytes that were sent before are taken again without error and without effect, before and after
/// they are included.
pub async fn the_same_bytes_sent_twice_are_one_submission(harness: &dyn Harness) {
    let cid = harness.material().await.cid;
    let start = requests(harness, None, &harness.pin().await).await.1;
    let prepared = prepare(harness, &submit(cid)).await;
    send(harness, &prepared).await;
    send(harness, &prepared).await;
    let first = include(harness, &prepared).await;
    let again = include(harness, &prepared).await;
    assert_eq!(
        (first.at, first.submission),
        (again.at, again.submission),
        "bytes sent again must not change what became of them",
    );
    // One more transaction of the account shows that nothing else waits before it.
    let other = prepare(harness, &submit(harness.material().await.cid)).await;
    assert_eq!(other.nonce, prepared.nonce + 1, "bytes sent again must use no further nonce");
    let end = include(harness, &other).await;

    let read = requests(harness, Some(start), end.last_pin()).await.0;
    let ours = read.iter().filter(|request| is_for(request, &cid)).count();
    assert_eq!(ours, 1, "the same bytes sent twice must be one submission");
}

/// What is prepared and not sent never happens and uses no nonce.
pub async fn preparing_has_no_effect(harness: &dyn Harness) {
    let cid = harness.material().await.cid;
    let start = requests(harness, None, &harness.pin().await).await.1;
    let prepared = prepare(harness, &submit(cid)).await;
    harness.advance().await;
    harness.advance().await;
    assert_eq!(
        status(harness, &prepared).await,
        TransactionStatus::Waiting,
        "what was only prepared must not be sent",
    );
    let read = requests(harness, Some(start), &harness.pin().await).await.0;
    assert!(
        !read.iter().any(|request| is_for(request, &cid)),
        "what was only prepared must have no effect",
    );
    let next = prepare(harness, &submit(harness.material().await.cid)).await;
    assert_eq!(next.nonce, prepared.nonce, "what was only prepared must use no nonce");
}

/// A nonce that is given is used; where none is, it is the account's next.
pub async fn a_nonce_given_is_used(harness: &dyn Harness) {
    let first = prepare(harness, &submit(harness.material().await.cid)).await;
    let record = submit(harness.material().await.cid);
    let ahead = prepare_with(harness, &record, first.nonce + 1).await;
    let far_ahead = prepare_with(harness, &record, first.nonce + 7).await;
    let promise = "a nonce that is given must be used";
    assert_eq!(ahead.nonce, first.nonce + 1, "{promise}");
    assert_eq!(far_ahead.nonce, first.nonce + 7, "{promise}");
    assert_ne!(ahead.hash, far_ahead.hash, "transactions with different nonces must differ");
    assert_ne!(ahead.raw, far_ahead.raw, "transactions with different nonces must differ");

    let first = include(harness, &first).await;
    let second = include(harness, &ahead).await;
    assert!(second.at >= first.at, "transactions must be done in the order of their nonces");
    assert_ne!(first.submission, second.submission, "two submissions must have two numbers");
    let next = prepare(harness, &submit(harness.material().await.cid)).await;
    assert_eq!(next.nonce, ahead.nonce + 1, "without a nonce given, the account's next is used");
}

/// A deal for a submission that nobody made is rejected when it is prepared; an adapter that cannot
/// tell in advance lets it revert. Either way nothing is listed.
pub async fn completing_an_unknown_submission_is_refused(harness: &dyn Harness) {
    let material = harness.material().await;
    // No contract counts this far, and every number type on the way has room for it.
    let nobodys = SubmissionId(u64::MAX / 2);
    match harness.recorder().prepare(&complete(nobodys, &material), None).await {
        Err(Error::Rejected { .. }) => {}
        Err(error) => panic!("what would revert must be Error::Rejected, not: {error}"),
        Ok(prepared) => assert_reverts(harness, &prepared).await,
    }
    let listing = listings(harness, &[material.cid], &harness.pin().await).await.remove(0);
    assert!(listing.all.is_empty(), "what nobody submitted must not be completed: {listing:?}");
}

async fn assert_reverts(harness: &dyn Harness, prepared: &Prepared) {
    send(harness, prepared).await;
    for _ in 0..PATIENCE {
        harness.advance().await;
        match status(harness, prepared).await {
            TransactionStatus::Reverted { .. } => return,
            TransactionStatus::Done { .. } => panic!("what nobody submitted must not be completed"),
            TransactionStatus::Waiting => {}
        }
    }
    panic!("a transaction that was sent must be in a block after {PATIENCE} steps of the chain");
}

async fn prepare_with(harness: &dyn Harness, record: &Record, nonce: u64) -> Prepared {
    match harness.recorder().prepare(record, Some(nonce)).await {
        Ok(prepared) => prepared,
        Err(error) => panic!("preparing with a nonce ahead of the account's must succeed: {error}"),
    }
}
