//! Transactions to the DealStatus contract: signed, stored, then sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ChainEpoch, DealId, JobId};

/// The hash of a signed transaction, as the network names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxHash(pub String);

impl fmt::Display for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that the contract gave to a submission; `complete` refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubmissionId(pub u64);

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TransactionPurpose {
    /// `submitRaaS`: announces a job that was not born on the contract.
    Submit {
        /// The job.
        job: JobId,
    },
    /// `complete`: records that a deal holds the job's CID.
    Complete {
        /// The job.
        job: JobId,
        /// The deal.
        deal: DealId,
    },
}

/// How far a transaction has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TransactionState {
    /// Signed and stored; perhaps sent. Sending the same bytes again is harmless.
    Prepared,
    /// In a block, and it did what it was for.
    Done {
        /// The epoch of its block.
        at: ChainEpoch,
        /// For a submission: the number it was given.
        submission: Option<SubmissionId>,
    },
    /// In a block and reverted, or given up.
    Failed {
        /// Why, in words.
        reason: String,
        /// The pinned epoch at which it failed.
        at: ChainEpoch,
    },
}

/// A signed transaction and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its hash, known before it is sent.
    pub hash: TxHash,
    /// What it is for.
    pub purpose: TransactionPurpose,
    /// The signed bytes, exactly as they are sent.
    pub raw: Vec<u8>,
    /// The sender's nonce that it uses.
    pub nonce: u64,
    /// How far it has come.
    pub state: TransactionState,
}
