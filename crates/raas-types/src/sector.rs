//! Sectors: whether what a deal promises is being proven.

use serde::{Deserialize, Serialize};

use crate::ChainEpoch;

/// Where a sector stands in its provider's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectorHealth {
    /// Proven in its last deadline.
    Active,
    /// New, its first WindowPoSt still to come; not a fault (at most about a day).
    Unproven,
    /// Missed, skipped or declared; not proven now.
    Faulty,
    /// Terminated, expired or in no partition any more.
    Dead,
}

/// What the provider's state says of one sector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectorStatus {
    /// Whether it is being proven.
    pub health: SectorHealth,
    /// Its deadline, 0 to 47. Changes when partitions are moved.
    pub deadline: Option<u64>,
    /// Its partition within the deadline. Changes with compaction.
    pub partition: Option<u64>,
    /// While faulty, and where the endpoint can tell: the last epoch of the first deadline that was
    /// not proven (`StateSectorExpiration.Early - 120960`). May lie in the future for a declared
    /// fault.
    pub first_missed: Option<ChainEpoch>,
    /// When the sector expires on time, where known.
    pub expiration: Option<ChainEpoch>,
}

/// What one look at the provider said of a sector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectorReading {
    /// The provider knows it.
    Found(SectorStatus),
    /// The provider does not know it (compacted away, or never there).
    NotFound,
    /// The question was not answered.
    Failed(String),
}
