//! What happens, as it happens.

use raas_types::{DealId, EpochDelta, ListedDeal};

use super::{Happening, Mode, Mood, World, chain::Fork};
use crate::rng::mix;

/// For so long after trouble with endpoints, the contract or the store a node may still be catching up:
/// an endpoint that was set aside is asked again after half an hour of its clock at the latest, what was
/// put off is looked at within two hours, and passes are a day apart at the most.
const AFTERMATH: EpochDelta = EpochDelta::days(2);

impl World {
    pub(super) fn happen(&mut self, what: Happening) {
        match what {
            Happening::Publish { service, entry } => self.publish(service, entry),
            Happening::Activate { deal } => self.activate(deal),
            Happening::Mine => self.mine(),
            Happening::Reorganise { depth } => self.reorganise(EpochDelta::new(depth)),
            Happening::Endpoint { index, mode } => self.change_endpoint(index, mode),
            Happening::Service { index, mood } => self.change_service(index, mood),
            Happening::Store { percent } => {
                self.store_fails = percent;
                self.begins_or_ends(percent > 0, "the store fails", percent);
            }
            Happening::Contract { percent } => {
                self.contract.fails = percent;
                self.begins_or_ends(percent > 0, "the contract fails", percent);
            }
            Happening::Forge { number } => self.forge(number),
            Happening::Note { provider, what } => {
                self.tally.providers_died += u64::from(what == "is gone for good");
                self.strike(what == "is out");
                let id = self.providers[provider].id;
                // A story is told of the providers that hold what it is about.
                let holds = |datum| self.deals_of(datum).any(|deal| deal.provider == provider);
                if self.chronicle.focus().is_some_and(holds) {
                    self.chronicle.tell_all(self.now, format_args!("{id} {what}"));
                } else {
                    self.chronicle.note(self.now, format_args!("{id} {what}"));
                }
            }
            Happening::Drop { node } => {
                self.strike(true);
                self.dropped.push(node);
                self.chronicle.tell_all(self.now, format_args!("node {node} loses its copies"));
            }
        }
    }

    /// Counts what comes whoever keeps the data.
    fn strike(&mut self, begins: bool) {
        self.tally.faults_injected += u64::from(begins);
        self.tally.faults_of_the_world += u64::from(begins);
    }

    /// Transactions that were sent are mined after a while.
    pub(crate) fn expect_mining(&mut self) {
        let slow = self.contract.fails > 0;
        let most = if slow { 400 } else { 10 };
        let at = self.now + self.dice.span(EpochDelta::new(1), EpochDelta::new(most));
        self.calendar.enter(at, Happening::Mine);
    }

    fn mine(&mut self) {
        let fails = self.contract.fails > 0;
        let dice = &mut self.dice;
        self.contract.mine(self.now, || fails && dice.percent(20));
    }

    fn reorganise(&mut self, depth: EpochDelta) {
        let from = self.now - depth;
        self.tally.reorgs += 1;
        self.chronicle.tell_all(self.now, format_args!("the chain is undone from {from} on"));
        self.chain.reorganise(from);
        self.undo_deals(from);
        if self.contract.undo(from) {
            self.expect_mining();
        }
    }

    fn change_endpoint(&mut self, index: usize, mode: Mode) {
        let from = self.now - EpochDelta::new((mix(index as u64 ^ self.seed) % 2_000) as i64);
        let mut fork =
            |far| Fork { from: if far { from } else { self.now }, ..self.chain.fork(from) };
        let mode = match mode {
            Mode::Forked(_) => Mode::Forked(fork(true)),
            // Up to the present it is on the chain; beyond it makes up what is not there yet.
            Mode::Ahead { by, .. } => Mode::Ahead { by, fork: fork(false) },
            mode => mode,
        };
        let name = self.endpoints[index].name.clone();
        self.endpoints[index].mode = mode;
        self.strike(mode != Mode::Honest);
        self.chronicle.tell_all(self.now, format_args!("{name} is {mode:?}"));
        self.trouble(if mode == Mode::Honest { AFTERMATH } else { EpochDelta::YEAR });
        self.end_trouble();
    }

    fn change_service(&mut self, index: usize, mood: Mood) {
        let service = &mut self.services[index];
        service.mood = mood;
        // What was ordered while it was in trouble may come to nothing long after.
        service.troubled_until = match mood {
            Mood::Fine => self.now + AFTERMATH,
            _ => self.end + EpochDelta::YEAR,
        };
        let name = service.name.clone();
        self.strike(mood != Mood::Fine);
        self.chronicle.tell_all(self.now, format_args!("aggregator {name} is {mood:?}"));
    }

    fn begins_or_ends(&mut self, begins: bool, what: &str, percent: u64) {
        self.strike(begins);
        self.trouble(if begins { EpochDelta::YEAR } else { AFTERMATH });
        self.end_trouble();
        self.chronicle.tell_all(self.now, format_args!("{what} {percent} times in a hundred"));
    }

    /// When nothing is in trouble any more, it is felt no longer than the aftermath.
    fn end_trouble(&mut self) {
        let endpoints = self.endpoints.iter().any(|endpoint| endpoint.mode != Mode::Honest);
        if !endpoints && self.store_fails == 0 && self.contract.fails == 0 {
            self.troubled_until = self.troubled_until.min(self.now + AFTERMATH);
        }
    }

    /// A stranger lists a deal for some data: one of somebody else, one of another's data, or the very
    /// id that may come next.
    fn forge(&mut self, number: u64) {
        let Some(datum) = (number as usize).checked_rem(self.data.len()) else { return };
        let cid = self.data[datum].cid;
        let next = self.first_id(self.now).get();
        let deal = match mix(number) % 3 {
            0 => DealId::new(next - 1 - mix(number ^ 1) % 100_000),
            1 => DealId::new(next + 64 * (1 + mix(number ^ 1) % 2_880)),
            _ => self.deals.keys().next_back().copied().unwrap_or(DealId::new(next)),
        };
        let provider = self.providers[number as usize % self.providers.len()].id;
        self.contract.forge(cid, self.now, ListedDeal { deal, provider });
        self.tally.lies += 1;
        self.chronicle.tell(
            self.now,
            datum,
            format_args!("a stranger lists deal {deal} of {provider} for it"),
        );
    }
}
