//! What every [`DealStatusSource`] and [`DealRecorder`] must do, as checks to run against yours.
//!
//! Implement [`Harness`] for whatever your adapters talk to, and give [`all`] a way to make one:
//!
//! ```
//! use raas_deal_status::conformance::{self, Harness};
//!
//! async fn my_adapters_keep_their_promises<MyHarness: Harness>(start: impl AsyncFn() -> MyHarness) {
//!     conformance::all(&start).await;
//! }
//! ```
//!
//! `tests/common/mod.rs` has a whole one. A check that fails panics with a sentence that names the
//! broken promise. Each check makes data of its own and tolerates what others left behind, so
//! harnesses may share a backend, but run one check at a time on one account.
//!
//! That the suite can fail is tested in `tests/broken.rs`. It rejects fakes that
//!
//! - ignore the pin (`IgnoresPin`) or read the state after it (`ReadsAfterThePin`),
//! - leave zeroed entries in their lists (`LeavesHoles`) or list a deal twice (`Repeats`),
//! - answer in an order of their own (`SortsAnswers`),
//! - move the cursor past what was read (`SkipsAhead`) or short of it (`ReadsAgain`), or tell the
//!   newest request first (`NewestFirst`),
//! - submit again when the same bytes are sent again (`SubmitsTwice`), send while preparing
//!   (`SendsEarly`), take a nonce of their own (`IgnoresNonce`),
//! - complete what nobody submitted (`CompletesAnything`).

mod reading;
mod writing;

pub use reading::{
    a_completed_deal_shows_above_its_epoch_and_once, an_unknown_cid_lists_nothing,
    listings_answer_every_cid_in_order, requests_come_once_and_in_order,
};
pub use writing::{
    a_nonce_given_is_used, a_submission_is_done_and_numbered,
    completing_an_unknown_submission_is_refused, preparing_has_no_effect,
    the_same_bytes_sent_twice_are_one_submission,
};

use std::sync::Arc;

use async_trait::async_trait;
use cid::Cid;
use raas_types::{ChainEpoch, EpochDelta, ListedDeal, SegmentProof, SubmissionId, Tipset};

use crate::{
    Cursor, DealRecorder, DealStatusSource, Listing, Prepared, Record, Request, RequestedTerms,
    TransactionStatus,
};

/// As many steps of the chain as a sent transaction may take to be included. A backend that needs
/// more is taken to hang.
const PATIENCE: usize = 64;

/// As many answers as it may take to read the requests up to a pin: at 2880 epochs an answer (the
/// usual limit of `eth_getLogs`), 10 000 of them are 27 years of chain.
const ANSWERS: usize = 10_000;

/// The world that the adapters under test talk to.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The adapter that reads.
    fn source(&self) -> Arc<dyn DealStatusSource>;

    /// The adapter that writes, with an account that may record deals.
    fn recorder(&self) -> Arc<dyn DealRecorder>;

    /// The newest tipset that can be read at.
    async fn pin(&self) -> Tipset;

    /// Lets the chain grow by at least one tipset that includes what was sent.
    async fn advance(&self);

    /// A CID that was never given before, and a deal that the contract will accept for it.
    async fn material(&self) -> Material;
}

/// A CID and a deal that holds it.
#[derive(Clone, Debug)]
pub struct Material {
    /// The data.
    pub cid: Cid,
    /// The deal and its provider.
    pub deal: ListedDeal,
    /// That the data is in the deal's piece.
    pub proof: SegmentProof,
}

/// Runs every check, each against a harness of its own.
pub async fn all<H: Harness>(harness: impl AsyncFn() -> H) {
    an_unknown_cid_lists_nothing(&harness().await).await;
    a_completed_deal_shows_above_its_epoch_and_once(&harness().await).await;
    listings_answer_every_cid_in_order(&harness().await).await;
    requests_come_once_and_in_order(&harness().await).await;
    a_submission_is_done_and_numbered(&harness().await).await;
    the_same_bytes_sent_twice_are_one_submission(&harness().await).await;
    preparing_has_no_effect(&harness().await).await;
    a_nonce_given_is_used(&harness().await).await;
    completing_an_unknown_submission_is_refused(&harness().await).await;
}

const TERMS: RequestedTerms = RequestedTerms {
    replication_target: 3,
    repair_threshold: 2_880,
    // 30 days; all three differ, so that none can stand in another's place.
    renewal_threshold: 30 * 2_880,
};

fn submit(cid: Cid) -> Record {
    Record::Submit { cid, terms: TERMS }
}

fn complete(submission: SubmissionId, material: &Material) -> Record {
    let Material { deal: ListedDeal { deal, provider }, ref proof, .. } = *material;
    Record::Complete { submission, deal, provider, proof: proof.clone() }
}

async fn prepare(harness: &dyn Harness, record: &Record) -> Prepared {
    match harness.recorder().prepare(record, None).await {
        Ok(prepared) => prepared,
        Err(error) => panic!("preparing what the contract accepts must succeed: {error}"),
    }
}

async fn send(harness: &dyn Harness, prepared: &Prepared) {
    if let Err(error) = harness.recorder().send(&prepared.raw).await {
        panic!("sending what was prepared must succeed, again too: {error}");
    }
}

async fn status(harness: &dyn Harness, prepared: &Prepared) -> TransactionStatus {
    match harness.recorder().status(&prepared.hash).await {
        Ok(status) => status,
        Err(error) => panic!("the status of a transaction must be told: {error}"),
    }
}

/// Sends, waits until it is done and a pin stands above it, and tells the epoch, the number given
/// and every pin on the way.
async fn include(harness: &dyn Harness, prepared: &Prepared) -> Included {
    let mut pins = vec![harness.pin().await];
    send(harness, prepared).await;
    for _ in 0..PATIENCE {
        harness.advance().await;
        pins.push(harness.pin().await);
        match status(harness, prepared).await {
            TransactionStatus::Done { at, submission } => {
                if pins.last().is_some_and(|pin| pin.epoch > at) {
                    return Included { at, submission, pins };
                }
            }
            TransactionStatus::Reverted { reason, .. } => {
                panic!("what the contract accepts must not revert: {reason}")
            }
            TransactionStatus::Waiting => {}
        }
    }
    panic!("a transaction that was sent must be done after {PATIENCE} steps of the chain");
}

struct Included {
    at: ChainEpoch,
    submission: Option<SubmissionId>,
    /// From before it was sent, up to the first above its epoch.
    pins: Vec<Tipset>,
}

impl Included {
    fn last_pin(&self) -> &Tipset {
        self.pins.last().expect("there is one from before the sending")
    }
}

/// Submits a CID to its end, and tells the number.
async fn submitted(harness: &dyn Harness, cid: Cid) -> SubmissionId {
    let prepared = prepare(harness, &submit(cid)).await;
    let included = include(harness, &prepared).await;
    included.submission.expect("a submission that is done must tell the number it was given")
}

/// Submits and completes to the end; tells what `complete` came to.
async fn recorded(harness: &dyn Harness, material: &Material) -> Included {
    let submission = submitted(harness, material.cid).await;
    let prepared = prepare(harness, &complete(submission, material)).await;
    include(harness, &prepared).await
}

/// The listing of each CID; holes and repeats are looked for in all of them.
async fn listings(harness: &dyn Harness, cids: &[Cid], at: &Tipset) -> Vec<Listing> {
    let answers = harness.source().listings(cids, EpochDelta::days(30), at).await;
    assert_eq!(answers.len(), cids.len(), "listings must answer every CID asked for, repeats too");
    let answers = answers.into_iter().map(|answer| match answer {
        Ok(listing) => listing,
        Err(error) => panic!("a CID that can be read must have a listing: {error}"),
    });
    answers.inspect(assert_tidy).collect()
}

fn assert_tidy(listing: &Listing) {
    let parts = [Ok(&listing.all), listing.active.as_ref(), listing.expiring.as_ref()];
    for deals in parts.into_iter().flatten() {
        for (i, deal) in deals.iter().enumerate() {
            assert_ne!(deal.deal.get(), 0, "a listing must leave out zeroed entries: {deals:?}");
            assert!(!deals[..i].contains(deal), "a listing must tell each deal once: {deals:?}");
            assert!(
                listing.all.contains(deal),
                "what is active or expiring must be among all deals: {listing:?}",
            );
        }
    }
}

/// The requests after a cursor up to a pin, all answers put together, and the cursor to go on from.
async fn requests(
    harness: &dyn Harness,
    from: Option<Cursor>,
    until: &Tipset,
) -> (Vec<Request>, Cursor) {
    let (mut cursor, mut read) = (from, Vec::new());
    for _ in 0..ANSWERS {
        let answer = match harness.source().requests_since(cursor, until).await {
            Ok(answer) => answer,
            Err(error) => panic!("requests up to a tipset that can be read must be told: {error}"),
        };
        let moved = cursor < Some(answer.cursor);
        assert!(
            moved || (cursor == Some(answer.cursor) && !answer.more),
            "the cursor must never move back, and must move on while there is more",
        );
        cursor = Some(answer.cursor);
        read.extend(answer.requests);
        if !answer.more {
            return (read, answer.cursor);
        }
    }
    panic!("requests_since must come to an end: {ANSWERS} answers all said that there is more");
}

/// Whether a request is for a CID, which the contract keeps as text or in binary.
fn is_for(request: &Request, cid: &Cid) -> bool {
    request.key == cid.to_string().as_bytes() || request.key == cid.to_bytes()
}
