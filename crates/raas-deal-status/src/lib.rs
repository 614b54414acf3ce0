//! Which deals are said to hold a CID: the [`DealStatusSource`] port that asks a DealStatus
//! contract, the [`DealRecorder`] port that writes back to it, and an in-memory contract.
//!
//! Implement them to keep the list somewhere else, then run `conformance::all` (feature
//! `test-util`). Feature `mock` generates `MockDealStatusSource` and `MockDealRecorder` for tests of
//! code that *uses* the ports; for tests of behaviour, prefer [`FakeDealStatus`].
//!
//! What a contract lists is a claim. Verdicts come from the chain.

mod error;
mod fake;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use error::{Error, Result};
pub use fake::{Calls, FakeDealStatus};

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use cid::Cid;
use raas_types::{
    ChainEpoch, DealId, EpochDelta, ListedDeal, ProviderId, RpcUsage, SegmentProof, SubmissionId,
    Terms, Tipset, TxHash,
};

/// What a contract lists for one CID, all three questions asked at one pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Every deal recorded for the CID, without repeats, in the order recorded.
    pub all: Vec<ListedDeal>,
    /// Those that the contract holds to be active. `Err` says why it could not answer (the starter
    /// kit's contract reverts as soon as one deal is gone).
    pub active: std::result::Result<Vec<ListedDeal>, String>,
    /// Those that the contract holds to end within the span asked for; likewise.
    pub expiring: std::result::Result<Vec<ListedDeal>, String>,
}

/// Asks a DealStatus contract.
///
/// # Contract
///
/// - Reads see the state at the tipset given: the same state that `LotusChain` reads there, which is
///   the one after the tipset's *parents* (for `eth_call`: at the parents' block hash).
/// - [`listings`](Self::listings) answers every CID, in the order asked; a CID that cannot be read
///   is an error of its own and spoils no other.
/// - An unknown CID has an empty listing; that is no error.
/// - Neither zeroed entries nor repeats are ever returned.
/// - [`requests_since`](Self::requests_since) returns every request once, oldest first, and a cursor
///   to continue from; nothing between two cursors is skipped.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DealStatusSource: fmt::Debug + Send + Sync + 'static {
    /// Which contract is asked, for evidence: network address, never a key.
    fn contract(&self) -> String;

    /// What the contract lists for each CID: all deals, the active ones, and those that end within
    /// `within`.
    async fn listings(&self, cids: &[Cid], within: EpochDelta, at: &Tipset)
    -> Vec<Result<Listing>>;

    /// The requests made to the contract after `cursor` (from the beginning when `None`) up to
    /// `until`, at most a bounded number at a time.
    async fn requests_since(&self, cursor: Option<Cursor>, until: &Tipset) -> Result<Requests>;

    /// What was asked so far, by endpoint; nothing where nobody counts.
    fn usage(&self) -> BTreeMap<String, RpcUsage> {
        BTreeMap::new()
    }
}

/// How far the contract's requests have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The last epoch that was read whole.
    pub epoch: ChainEpoch,
}

/// A span of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The requests, oldest first.
    pub requests: Vec<Request>,
    /// Where to continue.
    pub cursor: Cursor,
    /// Whether there is more up to the tipset asked for.
    pub more: bool,
}

/// A request made to the contract by a client: an event of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number that the contract gave it.
    pub submission: SubmissionId,
    /// The data, as the contract keeps it: text or binary CID.
    pub key: Vec<u8>,
    /// The terms asked for (`submitRaaS`), in replicas and epochs; `None` for a plain `submit`.
    pub terms: Option<RequestedTerms>,
    /// The epoch of its block.
    pub epoch: ChainEpoch,
    /// The transaction that made it.
    pub transaction: TxHash,
    /// Its position in the transaction; with the hash the identity of the event.
    pub log_index: u64,
}

/// The three numbers of `submitRaaS`, in the order of its ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedTerms {
    /// Replicas wanted.
    pub replication_target: u64,
    /// Epochs unproven before repair.
    pub repair_threshold: u64,
    /// Epochs before the end of a deal at which it is renewed.
    pub renewal_threshold: u64,
}

impl RequestedTerms {
    /// The numbers that announce `terms`; what a job does not ask for is 0.
    pub fn of(terms: &Terms) -> Self {
        let epochs = |span: Option<EpochDelta>| {
            span.and_then(|span| u64::try_from(span.get()).ok()).unwrap_or(0)
        };
        Self {
            replication_target: terms.replication.map_or(0, |r| u64::from(r.target)),
            repair_threshold: epochs(terms.repair.map(|r| r.threshold)),
            renewal_threshold: epochs(terms.renewal.map(|r| r.threshold)),
        }
    }
}

/// Something to write to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// `submitRaaS`: announce a CID and its terms.
    Submit {
        /// The data.
        cid: Cid,
        /// What is asked for.
        terms: RequestedTerms,
    },
    /// `complete`: record a deal for a submission.
    Complete {
        /// The submission it completes.
        submission: SubmissionId,
        /// The deal.
        deal: DealId,
        /// Its provider.
        provider: ProviderId,
        /// That the data is in the deal's piece.
        proof: SegmentProof,
    },
}

/// A transaction that is signed and has not been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its hash.
    pub hash: TxHash,
    /// The bytes to send.
    pub raw: Vec<u8>,
    /// The nonce it uses.
    pub nonce: u64,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no block yet, as far as the endpoint knows.
    Waiting,
    /// In a block, and it succeeded.
    Done {
        /// The epoch of the block.
        at: ChainEpoch,
        /// The number given to a submission.
        submission: Option<SubmissionId>,
    },
    /// In a block, and it reverted.
    Reverted {
        /// The epoch of the block.
        at: ChainEpoch,
        /// Why, as far as the endpoint says.
        reason: String,
    },
}

/// Writes to a DealStatus contract. The caller stores what [`prepare`](Self::prepare) returns before
/// it calls [`send`](Self::send), so that a crash in between sends the same transaction again and
/// never a second one.
///
/// # Contract
///
/// - `prepare` sends nothing. It uses the nonce given, or the signing key's next where `None`.
/// - `prepare` fails with [`Error::Rejected`] where the contract would revert.
/// - `send` of bytes that were sent before is no error and has no second effect.
/// - `status` never waits; it says what is known now.
/// - One transaction at a time per signing key is the caller's care (a lease).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DealRecorder: fmt::Debug + Send + Sync + 'static {
    /// The signing account, for leases and alerts.
    fn account(&self) -> String;

    /// Signs a transaction that writes `record`.
    async fn prepare(&self, record: &Record, nonce: Option<u64>) -> Result<Prepared>;

    /// Hands signed bytes to the network.
    async fn send(&self, raw: &[u8]) -> Result<()>;

    /// What has become of a transaction.
    async fn status(&self, hash: &TxHash) -> Result<TransactionStatus>;
}
