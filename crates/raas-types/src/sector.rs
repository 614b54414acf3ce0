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

/// How a sector's health was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectorWay {
    /// From the sets of its partition (`StateSectorPartition`, `StateMinerPartitions`).
    #[default]
    Partition,
    /// From the provider's actor itself (`StateCall` of `GenerateSectorLocation`, FIP-0112), which
    /// tells a new sector from a proven one no more than it tells since when one is faulty.
    Location,
}

impl SectorWay {
    /// The method that was called.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Partition => "StateMinerPartitions",
            Self::Location => "StateCall(GenerateSectorLocation)",
        }
    }
}

/// What the provider's state says of one sector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectorStatus {
    /// Whether it is being proven.
    pub health: SectorHealth,
    /// How that was learned.
    #[serde(default)]
    pub way: SectorWay,
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
    /// The next epoch at which the sector's deadline has ended, where known: reads at tipsets from
    /// there on show whether it was proven. Until then its health changes only if the provider declares
    /// a fault or terminates it. After null rounds it may lie a few epochs back: the deadline has
    /// ended, and the state read at does not show it yet.
    #[serde(default)]
    pub next_deadline_end: Option<ChainEpoch>,
}

impl SectorStatus {
    /// A sector of which nothing but its health is known.
    pub const fn of(health: SectorHealth) -> Self {
        Self {
            health,
            way: SectorWay::Partition,
            deadline: None,
            partition: None,
            first_missed: None,
            expiration: None,
            next_deadline_end: None,
        }
    }
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
