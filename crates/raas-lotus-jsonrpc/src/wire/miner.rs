//! Providers: where a sector lies, what its partition says, when it expires.

use raas_types::{ChainEpoch, EpochDelta, ProviderId, SectorHealth, SectorNumber};
use serde::Deserialize;

use super::{Bitfield, maybe_epoch};

/// Deadlines in a proving period (builtin-actors `runtime/src/runtime/policy.rs`).
const DEADLINES: u64 = 48;

/// `Filecoin.StateSectorPartition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawLocation")]
pub(crate) struct SectorLocation {
    /// 0 to 47.
    pub(crate) deadline: u64,
    pub(crate) partition: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawLocation {
    deadline: i64,
    partition: i64,
}

impl SectorLocation {
    pub(crate) fn new(deadline: i64, partition: i64) -> Result<Self, String> {
        match (u64::try_from(deadline), u64::try_from(partition)) {
            (Ok(deadline), Ok(partition)) if deadline < DEADLINES => {
                Ok(Self { deadline, partition })
            }
            _ => Err(format!("a sector in deadline {deadline}, partition {partition}")),
        }
    }
}

impl TryFrom<RawLocation> for SectorLocation {
    type Error = String;

    fn try_from(raw: RawLocation) -> Result<Self, String> {
        Self::new(raw.deadline, raw.partition)
    }
}

/// `Filecoin.StateMinerProvingDeadline`: where a provider's proving periods start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProvingDeadline {
    /// Below zero on young networks.
    period_start: i64,
}

impl ProvingDeadline {
    pub(crate) fn offset(self) -> PeriodOffset {
        // Less than 2880, so it fits.
        let offset = self.period_start.rem_euclid(EpochDelta::PROVING_PERIOD.get());
        PeriodOffset(u16::try_from(offset).unwrap_or_default())
    }
}

/// Where a provider's proving periods start, counted from multiples of a period; fixed when the
/// provider is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeriodOffset(u16);

impl PeriodOffset {
    /// The first epoch above `at` at which this deadline has ended: the epoch after its last one.
    pub(crate) fn next_end(self, deadline: u64, at: ChainEpoch) -> ChainEpoch {
        let period = EpochDelta::PROVING_PERIOD.get();
        let ends = i64::try_from(deadline % DEADLINES).unwrap_or_default() + 1;
        let end = (i64::from(self.0) + ends * EpochDelta::DEADLINE.get()) % period;
        let since = (at.get() % period - end).rem_euclid(period);
        at + EpochDelta::new(period - since)
    }
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
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let sets =
            [&self.all_sectors, &self.faulty_sectors, &self.live_sectors, &self.active_sectors];
        size_of::<Self>() + sets.iter().map(|set| set.bytes()).sum::<usize>()
    }

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

/// Whether an error says that there is no such provider: code 11 in Lotus (`api/api_errors.go`),
/// by name in Forest.
pub(crate) fn says_no_such_provider(code: i32, message: &str, provider: ProviderId) -> bool {
    const ACTOR_NOT_FOUND: i32 = 11;
    let message = message.to_lowercase();
    let named = ["f", "t"]
        .iter()
        .any(|prefix| message.contains(&format!("actor {prefix}0{} not found", provider.get())));
    named || (code == ACTOR_NOT_FOUND && message.contains("actor not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_ends_once_a_period_and_the_next_end_lies_above() {
        // Appendix: a period from 6 300 000 on; deadline 42 ends at 6 300 000 + 43 * 60 = 6 302 580.
        let offset = ProvingDeadline { period_start: 6_300_000 }.offset();
        for (at, end) in [
            (6_300_000, 6_302_580),
            (6_302_579, 6_302_580),
            (6_302_580, 6_305_460),
            (6_302_581, 6_305_460),
            (6_302_879, 6_305_460),
        ] {
            assert_eq!(offset.next_end(42, ChainEpoch::new(at)), ChainEpoch::new(end), "{at}");
        }
        // Deadline 47 ends with the period.
        let end = offset.next_end(47, ChainEpoch::new(6_302_879));
        assert_eq!(end, ChainEpoch::new(6_302_880));
    }

    #[test]
    fn a_period_may_have_started_before_genesis() {
        let offset = ProvingDeadline { period_start: -2_222 }.offset();
        assert_eq!(offset, ProvingDeadline { period_start: 658 }.offset());
        // Deadline 37 is open from -2 to 58.
        assert_eq!(offset.next_end(37, ChainEpoch::new(8)), ChainEpoch::new(58));
        assert_eq!(offset.next_end(36, ChainEpoch::new(8)), ChainEpoch::new(2_878));
    }

    #[test]
    fn no_epoch_is_too_far_to_reckon_with() {
        for start in [i64::MIN, -1, 0, i64::MAX] {
            let offset = ProvingDeadline { period_start: start }.offset();
            for at in [0, 1, i64::MAX - 2_880, i64::MAX] {
                for deadline in [0, 47, 48, u64::MAX] {
                    let at = ChainEpoch::new(at);
                    let span = offset.next_end(deadline, at).since(at);
                    assert!(span <= EpochDelta::PROVING_PERIOD, "{start} {at} {deadline}");
                }
            }
        }
    }

    #[test]
    fn a_provider_that_is_not_there_is_told_apart() {
        let provider = ProviderId::new(9999);
        let lotus = "failed to load miner actor: actor not found";
        assert!(says_no_such_provider(11, lotus, provider));
        assert!(!says_no_such_provider(1, lotus, provider), "might be another actor");
        assert!(says_no_such_provider(-32603, "Actor t09999 not found at epoch 8", provider));
        let other = "Miner actor t0999 not found at epoch 8";
        assert!(!says_no_such_provider(-32603, other, provider));
        assert!(!says_no_such_provider(-32603, "Key for header not found", provider));
    }
}
