//! When trouble comes: drawn as the world begins, each party's in a stream of its own.

use raas_types::{ChainEpoch, EpochDelta};

use super::{Happening, Mode, Mood, START, World, endpoint};
use crate::{options::Trouble, rng::Dice};

impl World {
    /// Enters all spells of trouble into the calendar.
    pub(super) fn schedule_spells(&mut self) {
        self.schedule_endpoints();
        self.schedule_services();
        self.schedule_others();
        self.schedule_notes();
    }

    fn schedule_endpoints(&mut self) {
        let fails = self.weather.has(Trouble::Outages);
        for index in 0..self.endpoints.len() {
            // A minority may deceive: the last, where there is another.
            let last = index > 0 && index + 1 == self.endpoints.len();
            let lies = last && self.weather.has(Trouble::Lies);
            let forks = last && self.weather.has(Trouble::Forks);
            let mut dice = Dice::new(self.seed, "endpoint spells", index as u64);
            for (from, to) in self.spells(&mut dice, 1) {
                let Some(mode) = endpoint::draw_mode(&mut dice, fails, lies, forks) else {
                    continue;
                };
                self.calendar.enter(from, Happening::Endpoint { index, mode });
                self.calendar.enter(to, Happening::Endpoint { index, mode: Mode::Honest });
            }
        }
    }

    fn schedule_services(&mut self) {
        for index in 0..self.services.len() {
            let mut dice = Dice::new(self.seed, "service spells", index as u64);
            for (from, to) in self.spells(&mut dice, 1) {
                let mut moods = Vec::new();
                if self.weather.has(Trouble::Refusals) {
                    let late = Mood::Late(dice.between(2, 8));
                    moods.extend([Mood::Away, Mood::Away, Mood::Refuses, late, Mood::Barren]);
                }
                if self.weather.has(Trouble::LostAnswers) {
                    moods.extend([Mood::LosesAnswers; 4]);
                }
                let Some(mood) = dice.pick(&moods) else { continue };
                self.calendar.enter(from, Happening::Service { index, mood });
                self.calendar.enter(to, Happening::Service { index, mood: Mood::Fine });
            }
        }
    }

    fn schedule_others(&mut self) {
        let mut dice = Dice::new(self.seed, "store spells", 0);
        for (from, to) in self.spells_if(Trouble::Store, &mut dice, 1) {
            let percent = dice.pick(&[1, 5, 30]).unwrap_or(5);
            self.calendar.enter(from, Happening::Store { percent });
            self.calendar.enter(to, Happening::Store { percent: 0 });
        }
        let mut dice = Dice::new(self.seed, "contract spells", 0);
        for (from, to) in self.spells_if(Trouble::Contract, &mut dice, 1) {
            let percent = dice.pick(&[5, 30, 100]).unwrap_or(5);
            self.calendar.enter(from, Happening::Contract { percent });
            self.calendar.enter(to, Happening::Contract { percent: 0 });
            self.calendar.enter(to, Happening::Forge { number: dice.below(u64::MAX) });
        }
        let mut dice = Dice::new(self.seed, "reorganisations", 0);
        let mut at = START + dice.wait(self.weather.reorg_every);
        while at < self.end && self.weather.has(Trouble::Reorgs) {
            // What is final stays.
            let depth = dice.between(1, self.weather.finality.get() - 5);
            self.calendar.enter(at, Happening::Reorganise { depth });
            at = at + dice.wait(self.weather.reorg_every);
        }
        let mut dice = Dice::new(self.seed, "disks", 0);
        for node in 0..self.weather.nodes {
            let mut at = START + dice.wait(EpochDelta::days(200));
            while at < self.end && self.weather.has(Trouble::Copies) {
                self.calendar.enter(at, Happening::Drop { node });
                at = at + dice.wait(EpochDelta::days(200));
            }
        }
    }

    /// That a provider is out, back or gone is told as it happens.
    fn schedule_notes(&mut self) {
        for provider in 0..self.providers.len() {
            let fate = &self.providers[provider];
            let gone = fate.gone.unwrap_or(self.end);
            let outages = fate.outages.iter().filter(|outage| outage.from < gone);
            let mut notes: Vec<_> = outages
                .flat_map(|outage| [(outage.from, "is out"), (outage.to.min(gone), "is back")])
                .collect();
            notes.extend(fate.gone.map(|gone| (gone, "is gone for good")));
            for (at, what) in notes.into_iter().filter(|(at, _)| *at < self.end) {
                self.calendar.enter(at, Happening::Note { provider, what });
            }
        }
    }

    fn spells_if(
        &self,
        trouble: Trouble,
        dice: &mut Dice,
        rarer: i64,
    ) -> Vec<(ChainEpoch, ChainEpoch)> {
        let spells = self.spells(dice, rarer);
        if self.weather.has(trouble) { spells } else { Vec::new() }
    }

    /// Spells of some hours to some days, none touching another.
    fn spells(&self, dice: &mut Dice, rarer: i64) -> Vec<(ChainEpoch, ChainEpoch)> {
        let mut spells = Vec::new();
        let every = self.weather.spell_every.times(rarer);
        let mut at = START + dice.wait(every);
        while at < self.end {
            let longest = dice.pick(&[1, 1, 3, 12]).unwrap_or(1);
            let to = at + dice.span(EpochDelta::new(20), EpochDelta::days(longest));
            spells.push((at, to));
            at = to + EpochDelta::HOUR + dice.wait(every);
        }
        spells
    }
}
