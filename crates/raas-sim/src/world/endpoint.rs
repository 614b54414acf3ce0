//! Endpoints of the chain: how each tells of it. In order, late, failing, on another fork, or lying.

use raas_types::{
    ChainEpoch, DealReading, EpochDelta, FaultSince, OnChainDeal, SectorHealth, SectorReading,
    SectorStatus,
};

use super::chain::Fork;
use crate::rng::{Dice, mix};

/// How an endpoint does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it should.
    Honest,
    /// Every call fails.
    Down,
    /// Every call takes this many seconds, and fails then.
    Hangs(u64),
    /// Its head trails the chain's, and it knows or does not.
    Late { by: EpochDelta, admits: bool },
    /// So many readings in a hundred fail.
    Partial(u64),
    /// It has left the chain.
    Forked(Fork),
    /// It tells of tipsets that are not there yet.
    Ahead { by: EpochDelta, fork: Fork },
    /// It says what is not so, of so many deals in a hundred.
    Lies { lie: Lie, of_a_hundred: u64, salt: u64 },
}

/// What a lying endpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The market has no such deal any more.
    Denies,
    /// The market never made such a deal.
    NeverMade,
    /// The sector is faulty, for long.
    Faulty,
    /// The sector is dead.
    Dead,
    /// The sector is proven, whatever is true.
    Healthy,
    /// The deal ends sooner.
    EndsSooner,
}

impl Lie {
    pub(crate) const ALL: [Self; 6] =
        [Self::Denies, Self::NeverMade, Self::Faulty, Self::Dead, Self::Healthy, Self::EndsSooner];
}

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    /// How far its final tipset trails its head.
    pub(crate) finality: EpochDelta,
    pub(crate) dice: Dice,
}

impl Endpoint {
    /// The branch it is on, where it is not the chain's.
    pub(crate) fn fork(&self) -> Option<Fork> {
        match self.mode {
            Mode::Forked(fork) | Mode::Ahead { fork, .. } => Some(fork),
            _ => None,
        }
    }

    /// Its head, where the chain's is at `now`.
    pub(crate) fn head(&self, now: ChainEpoch) -> ChainEpoch {
        match self.mode {
            Mode::Late { by, .. } => now - by,
            Mode::Ahead { by, .. } => now + by,
            _ => now,
        }
    }

    /// How far behind it says it is.
    pub(crate) fn behind(&self) -> EpochDelta {
        match self.mode {
            Mode::Late { by, admits: true } => by,
            _ => EpochDelta::ZERO,
        }
    }

    /// Whether this reading fails.
    pub(crate) fn fails(&mut self) -> bool {
        match self.mode {
            Mode::Partial(percent) => self.dice.percent(percent),
            _ => false,
        }
    }

    /// What it says of a deal; whether that is a lie.
    pub(crate) fn tell_deal(&self, id: u64, truth: DealReading) -> (DealReading, bool) {
        let Some(lie) = self.lies_about(id) else { return (truth, false) };
        let told = match (lie, &truth) {
            (Lie::Denies, DealReading::Found(_)) => {
                let next_id = Some(raas_types::DealId::new(id + 1_000));
                DealReading::NotFound { next_id }
            }
            (Lie::NeverMade, DealReading::Found(_)) => {
                DealReading::NotFound { next_id: Some(raas_types::DealId::new(id)) }
            }
            (Lie::EndsSooner, DealReading::Found(OnChainDeal { proposal, activation })) => {
                let mut proposal = proposal.clone();
                proposal.end = proposal.start + EpochDelta::days(5);
                DealReading::Found(OnChainDeal { proposal, activation: activation.clone() })
            }
            _ => return (truth, false),
        };
        (told, true)
    }

    /// What it says of a sector; whether that is a lie.
    pub(crate) fn tell_sector(
        &self,
        number: u64,
        truth: SectorReading,
        at: ChainEpoch,
    ) -> (SectorReading, bool) {
        let Some(lie) = self.lies_about(number) else { return (truth, false) };
        let healthy = |reading: &SectorReading| matches!(reading, SectorReading::Found(status) if status.health == SectorHealth::Active);
        let told = match lie {
            Lie::Faulty if healthy(&truth) => {
                let since = FaultSince::Exact(at - EpochDelta::days(30));
                let first_missed = Some(since.epoch());
                let status = SectorStatus::of(SectorHealth::Faulty);
                SectorReading::Found(SectorStatus { first_missed, ..status })
            }
            Lie::Dead if healthy(&truth) => {
                SectorReading::Found(SectorStatus::of(SectorHealth::Dead))
            }
            Lie::Healthy if !healthy(&truth) => {
                SectorReading::Found(SectorStatus::of(SectorHealth::Active))
            }
            _ => return (truth, false),
        };
        (told, true)
    }

    fn lies_about(&self, number: u64) -> Option<Lie> {
        match self.mode {
            Mode::Lies { lie, of_a_hundred, salt } => {
                (mix(number ^ salt) % 100 < of_a_hundred).then_some(lie)
            }
            _ => None,
        }
    }
}

/// A mode that an endpoint may be in for a while: of those that only a minority may be in too where
/// `may_deceive`.
pub(crate) fn draw_mode(dice: &mut Dice, fails: bool, lies: bool, forks: bool) -> Option<Mode> {
    let mut modes = Vec::new();
    if fails {
        modes.push(Mode::Down);
        modes.push(Mode::Hangs(dice.between(5, 400) as u64));
        let by = EpochDelta::new(dice.pick(&[3, 15, 25, 200, 5_000]).unwrap_or(3));
        modes.push(Mode::Late { by, admits: dice.percent(50) });
        modes.push(Mode::Partial(dice.between(1, 100) as u64));
    }
    if lies {
        let lie = dice.pick(&Lie::ALL).unwrap_or(Lie::Denies);
        let of_a_hundred = dice.pick(&[5, 30, 100]).unwrap_or(30);
        let salt = dice.below(u64::MAX);
        modes.extend([Mode::Lies { lie, of_a_hundred, salt }; 3]);
    }
    if forks {
        // The branch is given when the time has come.
        let fork = Fork { from: ChainEpoch::GENESIS, branch: 0 };
        modes.push(Mode::Forked(fork));
        let by = EpochDelta::new(dice.pick(&[2, 19, 30, 1_000, 100_000]).unwrap_or(2));
        modes.push(Mode::Ahead { by, fork });
    }
    dice.pick(&modes)
}
