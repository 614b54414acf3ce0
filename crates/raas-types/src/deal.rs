//! Storage deals: as a contract lists them, as the market actor holds them, as a look found them.

use serde::{Deserialize, Serialize};

use crate::{ChainEpoch, DealId, PieceInfo, ProviderId, SectorNumber};

/// A deal that a DealStatus contract lists for a CID. A claim, not yet a fact: anyone may have
/// written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListedDeal {
    /// The deal.
    pub deal: DealId,
    /// The provider that the contract names for it.
    pub provider: ProviderId,
}

/// The terms of a deal, immutable once published (builtin-actors `actors/market/src/deal.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealProposal {
    /// The piece that the sector holds.
    pub piece: PieceInfo,
    /// Who stores it.
    pub provider: ProviderId,
    /// The epoch by which it must be activated.
    pub start: ChainEpoch,
    /// The epoch at which it ends; never extended.
    pub end: ChainEpoch,
    /// Whether DataCap was spent on it.
    pub verified: bool,
    /// Free text of the client; often the payload CID. At most 256 bytes; not UTF-8 becomes empty.
    pub label: String,
}

/// The part of a deal's state that exists once its sector is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealActivation {
    /// The sector that holds the piece.
    pub sector: SectorNumber,
    /// The epoch of activation.
    pub at: ChainEpoch,
    /// When it was slashed. Always `None` for deals made since network version 22, whose
    /// termination removes them from the state altogether (FIP-0074).
    pub slashed: Option<ChainEpoch>,
}

/// A deal in the market actor's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChainDeal {
    /// Its terms.
    pub proposal: DealProposal,
    /// `None` while published and not activated.
    pub activation: Option<DealActivation>,
}

/// What one look at the market actor said of a deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealReading {
    /// It is in the state.
    Found(OnChainDeal),
    /// It is not: never made, timed out, completed or terminated; the chain does not say which.
    NotFound {
        /// The id the market will hand out next, where it could be read. A deal at or above it was
        /// never made.
        next_id: Option<DealId>,
    },
    /// The question was not answered.
    Failed(String),
}
