//! The vocabulary every RaaS crate shares: jobs, deals, epochs, verdicts, orders.
//!
//! These are plain values. Nothing here does I/O, reads a clock, or knows which contract, chain
//! client or database a value came from. A type that needs one of those belongs in an adapter.
//!
//! Where a value has a unit, its type says so: time is a [`ChainEpoch`] (30 seconds on mainnet), a
//! span of it an [`EpochDelta`]; piece sizes are padded bytes; sentinels of the wire (`-1` epochs,
//! `"t01000"` strings) never reach these types.

pub mod cid_text;
mod deal;
mod epoch;
mod ids;
mod job;
mod memory;
mod order;
mod piece;
mod provider;
mod sector;
mod tipset;
mod transaction;
mod usage;
mod verdict;

pub use cid::Cid;
pub use deal::{DealActivation, DealProposal, DealReading, ListedDeal, OnChainDeal};
pub use epoch::{ChainEpoch, EpochDelta, ParseEpochDeltaError};
pub use ids::{
    AggregatorName, DealId, JobId, OrderId, ParseIdError, ProviderId, SectorId, SectorNumber,
};
pub use job::{Job, Renewal, Repair, Replication, Terms, Trust};
pub use memory::{DealMemory, Provenance, Suspicion};
pub use order::{AggregatorDeal, Cause, Order, OrderState, Ticket};
pub use piece::{
    Commitment, InclusionProof, MAX_PROOF_DEPTH, MerkleProof, PaddedSize, PieceInfo, SegmentProof,
};
pub use provider::{Budget, Grouping, Placement, ProviderBook, ProviderFacts};
pub use sector::{SectorHealth, SectorReading, SectorStatus, SectorWay};
pub use tipset::{Network, Tipset, TipsetKey};
pub use transaction::{SubmissionId, Transaction, TransactionPurpose, TransactionState, TxHash};
pub use usage::{MethodUsage, RpcUsage};
pub use verdict::{Evidence, FaultSince, Said, Unknown, Verdict, VerdictKind, Witness};
