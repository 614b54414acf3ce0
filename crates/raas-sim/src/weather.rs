//! What kind of world a seed is: which troubles come, how often, and how much there is of everything.

use std::collections::BTreeSet;

use raas_types::EpochDelta;

use crate::{
    options::{Trouble, Troubles},
    rng::Dice,
};

/// Certificates make a tipset final within 20 to 35 epochs (FRC-0089).
const FAST_FINALITY: EpochDelta = EpochDelta::new(30);

/// What kind of world a seed is.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    troubles: BTreeSet<Trouble>,
    /// How far what is final trails the head.
    pub(crate) finality: EpochDelta,
    /// Endpoints of the chain.
    pub(crate) endpoints: usize,
    /// Nodes on the store.
    pub(crate) nodes: usize,
    /// Between two passes of a node, as a rule.
    pub(crate) cadence: EpochDelta,
    /// Between two outages of a provider.
    pub(crate) outage_every: EpochDelta,
    /// A provider's life.
    pub(crate) life: EpochDelta,
    /// Between two faults of one sector alone.
    pub(crate) fault_every: EpochDelta,
    /// Between two disasters.
    pub(crate) disaster_every: EpochDelta,
    /// Between two spells of one kind of trouble at one party.
    pub(crate) spell_every: EpochDelta,
    /// Between two deaths of a node.
    pub(crate) crash_every: EpochDelta,
    /// Between two reorganisations.
    pub(crate) reorg_every: EpochDelta,
    /// Whether endpoints tell since when a sector is faulty.
    pub(crate) tells_first_missed: bool,
    /// Whether endpoints tell when a sector's deadline ends.
    pub(crate) tells_deadlines: bool,
    /// Whether rounds without a block come.
    pub(crate) null_rounds: bool,
    /// Whether the nodes keep the bytes for good.
    pub(crate) keeps_copies: bool,
}

impl Weather {
    /// The weather of a seed. `without` takes troubles away and changes nothing else.
    pub(crate) fn of(seed: u64, without: &Troubles) -> Self {
        let mut dice = Dice::new(seed, "weather", 0);
        // One world in twenty is all calm; in the others three kinds of trouble in four come.
        let calm = dice.percent(5);
        let mut troubles = BTreeSet::new();
        for trouble in Trouble::ALL {
            if dice.percent(75) && !calm && !without.0.contains(trouble) {
                troubles.insert(*trouble);
            }
        }
        let mut days = |least: i64, most: i64| EpochDelta::days(dice.between(least, most));
        let (outage_every, life) = (days(40, 400), days(300, 4_000));
        let (fault_every, disaster_every) = (days(150, 1_500), days(90, 900));
        let (spell_every, crash_every, reorg_every) = (days(15, 90), days(3, 25), days(2, 20));
        let several = dice.between(2, 3) as usize;
        let cadence = dice.pick(&[480, 960, 1_440, 1_440, 2_880]).unwrap_or(960);
        let finality = if dice.percent(60) { FAST_FINALITY } else { EpochDelta::EC_FINALITY };
        let endpoints = dice.pick(&[1, 2, 2, 3, 3]).unwrap_or(1);
        Self {
            finality,
            endpoints,
            nodes: if troubles.contains(&Trouble::Several) { several } else { 1 },
            cadence: EpochDelta::new(cadence),
            outage_every,
            life,
            fault_every,
            disaster_every,
            spell_every,
            crash_every,
            reorg_every,
            tells_first_missed: dice.percent(70),
            tells_deadlines: dice.percent(30),
            null_rounds: dice.percent(80),
            keeps_copies: dice.percent(40),
            troubles,
        }
    }

    /// Whether this kind of trouble comes.
    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_does_not_come_and_changes_nothing_else() {
        let all: Troubles = "all".parse().expect("all");
        for seed in 0..50 {
            let (with, without) =
                (Weather::of(seed, &Troubles::default()), Weather::of(seed, &all));
            assert!(without.troubles.is_empty());
            assert_eq!((with.cadence, with.life), (without.cadence, without.life));
            assert_eq!(with.endpoints, without.endpoints);
        }
    }
}
