//! Providers: where a sector lies, what its partition says, when it expires.

use raas_types::{ChainEpoch, EpochDelta, ProviderId, SectorHealth, SectorNumber};
use serde::Deserialize;

use super::{Bitfield, maybe_epoch};

/// `Filecoin.StateSectorPartition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SectorLocation {
    pub(crate) deadline: u64,
    pub(crate) partition: u64,
}

/// One of `Filecoin.StateMinerPartitions`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Partition {
    all_sectors: Bitfield,
    faulty_sectors: Bitfield,
    live_sectors: Bitfield,
    active_sectors: Bitfield,
}

impl Partition {
    /// How a sector stands in this partition; `None` when it is not in it.
    ///
    /// live = all - terminated; active = live - faulty - unproven (builtin-actors
    /// `actors/miner/src/partition_state.rs`).
    pub(crate) fn health(&self, sector: SectorNumber) -> Option<SectorHealth> {
        let sector = sector.get();
        if !self.all_sectors.contains(sector) {
            None
        } else if !self.live_sectors.contains(sector) {
            Some(SectorHealth::Dead)
        } else if self.faulty_sectors.contains(sector) {
            Some(SectorHealth::Faulty)
        } else if self.active_sectors.contains(sector) {
            Some(SectorHealth::Active)
        } else {
            Some(SectorHealth::Unproven)
        }
    }
}

/// `Filecoin.StateSectorExpiration`: zero stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SectorExpiration {
    on_time: i64,
    early: i64,
}

impl SectorExpiration {
    pub(crate) fn on_time(self) -> Option<ChainEpoch> {
        maybe_epoch(self.on_time).filter(|epoch| *epoch != ChainEpoch::GENESIS)
    }

    /// The last epoch of the first deadline that was not proven. A faulty sector is queued to be
    /// terminated early, `FaultMaxAge` after that epoch, exactly.
    pub(crate) fn first_missed(self) -> Option<ChainEpoch> {
        let early = ChainEpoch::new(self.early);
        (early != ChainEpoch::GENESIS)
            .then(|| early - EpochDelta::FAULT_MAX_AGE)
            .filter(|epoch| *epoch >= ChainEpoch::GENESIS)
    }
}

/// A provider's address. Nodes of every network read the mainnet prefix.
pub(crate) fn provider_address(provider: ProviderId) -> String {
    provider.to_string()
}

/// Whether an error says that the provider's deadlines do not hold this sector.
pub(crate) fn says_sector_not_found(message: &str, sector: SectorNumber) -> bool {
    ["not due at any deadline", "not found"]
        .iter()
        .any(|what| message.contains(&format!("sector {sector} {what}")))
}
