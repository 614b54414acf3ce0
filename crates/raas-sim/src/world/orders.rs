//! Ordering: what aggregators answer, and how an order becomes a deal.

use raas_aggregator::Found;
use raas_types::{
    AggregatorDeal, ChainEpoch, Cid, DealId, DealProposal, EpochDelta, ListedDeal, Order, Ticket,
};

use super::{Deal, Happening, Mood, World, proof, service::Service};
use crate::{
    options::Trouble,
    rng::{Dice, mix},
};

/// What an aggregator answers to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It took it.
    Taken(Ticket),
    /// It took it, and the answer was lost.
    TakenUnheard,
    /// The order was lost.
    Unheard,
    /// It cannot be reached.
    Unavailable,
    /// It refuses.
    Rejected,
}

/// What came of an order at the aggregator.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) answer: Answer,
    /// Deals that it is to make.
    pub(crate) copies: u64,
}

impl World {
    /// Whether an aggregator would take an order just now, before it is handed anything.
    pub(crate) fn is_away(&self, service: usize) -> bool {
        self.services[service].mood == Mood::Away
    }

    /// Hands an order to an aggregator. Whoever orders hands over the bytes where it does not
    /// [have](Service::has) them.
    pub(crate) fn order(&mut self, service: usize, order: &Order) -> Submitted {
        let none = |answer| Submitted { answer, copies: 0 };
        let Some(datum) = self.datum_of(&order.cid) else { return none(Answer::Rejected) };
        self.data[datum].asked += 1;
        let mut dice = Dice::new(self.seed, "order", mix(datum as u64) ^ self.data[datum].asked);
        let mut lost = false;
        match self.services[service].mood {
            Mood::Away => return none(Answer::Unavailable),
            Mood::Refuses if dice.percent(80) => return none(Answer::Rejected),
            Mood::LosesAnswers if dice.percent(30) => return none(Answer::Unheard),
            Mood::LosesAnswers => lost = dice.percent(70),
            Mood::Fine | Mood::Refuses | Mood::Late(_) | Mood::Barren => {}
        }
        let (ticket, opened) = self.services[service].take(order, datum);
        let copies = opened.len() as u64;
        for entry in opened {
            self.schedule(service, entry, &mut dice);
        }
        self.tally.orders += copies;
        let name = &self.services[service].name;
        self.chronicle.tell(
            self.now,
            datum,
            format_args!(
                "{name} takes order {} ({}): {copies} to make",
                order.id,
                order.cause.name()
            ),
        );
        Submitted {
            answer: if lost { Answer::TakenUnheard } else { Answer::Taken(ticket) },
            copies,
        }
    }

    /// What an aggregator says of an order.
    pub(crate) fn find_order(&self, service: usize, order: &Order) -> Option<Found> {
        (!self.is_away(service)).then(|| self.services[service].find(order, self.now))
    }

    /// The deals that an aggregator shows.
    pub(crate) fn shown(&mut self, service: usize, cid: &Cid) -> Option<Vec<AggregatorDeal>> {
        if self.is_away(service) {
            return None;
        }
        let who = &self.services[service];
        let deals = who.deals(cid, self.now);
        let lies = deals.iter().filter_map(|deal| who.entry_of(cid, deal.deal?)).count();
        let named = deals.iter().filter(|deal| deal.deal.is_some()).count();
        self.tally.lies += named.saturating_sub(lies) as u64;
        Some(deals)
    }

    /// Enters when something comes of an entry, if ever.
    fn schedule(&mut self, service: usize, entry: usize, dice: &mut Dice) {
        let Service { capabilities, mood, .. } = &self.services[service];
        let usual = capabilities.latency;
        let takes =
            dice.span(EpochDelta::new(usual.get() / 4), EpochDelta::new(usual.get() * 9 / 10));
        let takes = match mood {
            Mood::Late(times) => takes.times(*times),
            Mood::Barren => {
                // It is shown for a while, or not at all.
                let shown = dice.span(EpochDelta::ZERO, usual.times(4));
                self.services[service].entry_mut(entry).dropped = Some(self.now + shown);
                return;
            }
            _ => takes,
        };
        self.calendar.enter(self.now + takes, Happening::Publish { service, entry });
    }

    /// Publishes the deal of an entry, with a provider that is free.
    pub(super) fn publish(&mut self, service: usize, entry: usize) {
        let who = &self.services[service];
        let (datum, again) = {
            let entry = who.entry(entry);
            (entry.datum, entry.deal)
        };
        let number = who.entry(entry).number;
        let mut dice = Dice::new(self.seed, who.name.as_str(), mix(datum as u64) ^ number);
        let cheats = again.is_none() && dice.percent(who.cheats);
        let provider = match again {
            Some(listed) => self.providers.iter().position(|p| p.id == listed.provider),
            None => self.choose(service, entry, cheats && dice.percent(40), &mut dice),
        };
        let Some(provider) = provider else {
            let later = self.now + EpochDelta::DAY;
            self.calendar.enter(later, Happening::Publish { service, entry });
            return;
        };
        let (id, at) = self.free_id();
        let (cid, provider_id) = (self.data[datum].cid, self.providers[provider].id);
        let proofs = self.services[service].capabilities.proofs;
        let (piece, proof) = match proofs {
            true => {
                let (piece, proof) = proof::proven_piece(&cid, id.get());
                (piece, Some(proof))
            }
            false => (proof::piece(id.get() ^ mix(1)), None),
        };
        let seals = dice.span(EpochDelta::HOUR.times(3), EpochDelta::DAY.times(2));
        let start = at + dice.span(EpochDelta::days(2), EpochDelta::days(7));
        let lasts = self.services[service].capabilities.deal_duration
            + dice.span(EpochDelta::ZERO, EpochDelta::days(20));
        let proposal = DealProposal {
            piece,
            provider: provider_id,
            start,
            end: start + lasts,
            verified: false,
            label: cid.to_string(),
        };
        let deal = Deal { id, datum, provider, proposal, published: at, active: None };
        self.deals.insert(id, deal);
        self.data[datum].deals.push(id);
        self.calendar.enter(at + seals, Happening::Activate { deal: id });
        let lie = (cheats && dice.percent(50)).then(|| self.lie_about(id, provider_id, &mut dice));
        let shows = self.now + dice.span(EpochDelta::ZERO, EpochDelta::HOUR.times(12));
        let now = self.now;
        let entry_now = self.services[service].entry_mut(entry);
        entry_now.deal = Some(ListedDeal { deal: id, provider: provider_id });
        entry_now.proof = proof.map(|proof| (proof, shows));
        entry_now.lie =
            lie.map(|listed| (listed, now + dice.span(EpochDelta::HOUR, EpochDelta::days(9))));
        self.chronicle.tell(
            self.now,
            datum,
            format_args!("deal {id} is published, on {provider_id}, until {}", start + lasts),
        );
        if cheats && dice.percent(30) {
            let second = self.services[service].double(entry, &cid);
            self.services[service].entry_mut(second).deal = None;
            self.calendar
                .enter(now + EpochDelta::new(1), Happening::Publish { service, entry: second });
            self.chronicle.tell(self.now, datum, format_args!("the aggregator doubles it"));
        }
    }

    /// A provider for a deal: on the roster, at work, and not left out; where the aggregator cheats, one
    /// that has the data already.
    fn choose(&self, service: usize, entry: usize, cheats: bool, dice: &mut Dice) -> Option<usize> {
        let who = &self.services[service];
        let entry = who.entry(entry);
        let holds = |place: &usize| {
            self.deals_of(entry.datum)
                .any(|deal| deal.provider == *place && !deal.truth(self.now).is_over())
        };
        let free: Vec<usize> = who
            .roster
            .iter()
            .copied()
            .filter(|place| self.providers[*place].serves(self.now))
            .filter(|place| {
                let excluded = entry.exclude.contains(&self.providers[*place].id);
                cheats || !who.excludes || !excluded
            })
            .filter(|place| !cheats || holds(place))
            .collect();
        if free.is_empty() && cheats {
            return self.choose_any(service, dice);
        }
        // Even one that cannot be told whom to leave out seldom asks the same provider twice.
        let fresh: Vec<usize> = free.iter().copied().filter(|place| !holds(place)).collect();
        let of = if !cheats && !fresh.is_empty() && dice.percent(90) { fresh } else { free };
        dice.pick(&of)
    }

    fn choose_any(&self, service: usize, dice: &mut Dice) -> Option<usize> {
        let roster = &self.services[service].roster;
        let at_work: Vec<usize> = roster
            .iter()
            .copied()
            .filter(|place| self.providers[*place].serves(self.now))
            .collect();
        dice.pick(&at_work)
    }

    /// A deal to name in place of the true one: one that nobody made, or a stranger's. Neither passes
    /// for ours: the provider is not the one named, or the piece is not the one proven.
    fn lie_about(
        &self,
        id: DealId,
        provider: raas_types::ProviderId,
        dice: &mut Dice,
    ) -> ListedDeal {
        let far = DealId::new(id.get() + 50_000_000);
        let near = DealId::new(id.get() - 1 - dice.below(5_000));
        let deal = if dice.percent(50) || self.deals.contains_key(&near) { far } else { near };
        ListedDeal { deal, provider }
    }

    /// A deal's sector is proven, unless its provider is out.
    pub(super) fn activate(&mut self, id: DealId) {
        let Some(deal) = self.deals.get(&id) else { return };
        let provider = &self.providers[deal.provider];
        if self.now > deal.proposal.start || !provider.keeps(self.now) {
            let datum = deal.datum;
            self.chronicle.tell(self.now, datum, format_args!("deal {id} is never activated"));
            return;
        }
        if !provider.serves(self.now) {
            self.calendar
                .enter(self.now + EpochDelta::HOUR.times(6), Happening::Activate { deal: id });
            return;
        }
        let mut dice = Dice::new(self.seed, "sector", id.get());
        let (now, provider) = (self.now, provider.clone());
        let missed = self.weather.has(Trouble::Refusals) && dice.percent(2);
        let Some(deal) = self.deals.get_mut(&id) else { return };
        let datum = deal.datum;
        if missed {
            self.chronicle.tell(now, datum, format_args!("deal {id}: sealing fails"));
            return;
        }
        deal.activate(now, &provider, &self.weather, &mut dice);
        if let Some(active) = &deal.active {
            self.tally.faults_injected += active.faults.len() as u64;
            let words = (&active.faults, active.terminated);
            self.chronicle.tell(
                now,
                datum,
                format_args!("deal {id} is active; to be faulty {:?}, dead {:?}", words.0, words.1),
            );
        }
        self.activated.push((now, id));
    }

    /// Undoes what happened from this epoch on, as far as deals go: they are published and activated
    /// anew a little later.
    pub(super) fn undo_deals(&mut self, from: ChainEpoch) {
        let undone: Vec<DealId> =
            self.deals.range(self.first_id(from)..).map(|(id, _)| *id).collect();
        for id in undone {
            let Some(deal) = self.deals.remove(&id) else { continue };
            let cid = self.data[deal.datum].cid;
            self.data[deal.datum].deals.retain(|other| *other != id);
            self.chronicle.tell(self.now, deal.datum, format_args!("deal {id} is undone"));
            for service in 0..self.services.len() {
                if let Some(entry) = self.services[service].entry_of(&cid, id) {
                    let again = self.now + self.dice.span(EpochDelta::new(1), EpochDelta::new(20));
                    self.calendar.enter(again, Happening::Publish { service, entry });
                }
            }
        }
        let lately: Vec<_> = self.activated.iter().copied().filter(|(at, _)| *at >= from).collect();
        self.activated.clear();
        for (_, id) in lately {
            let Some(deal) = self.deals.get_mut(&id) else { continue };
            deal.active = None;
            let again = self.now + self.dice.span(EpochDelta::new(1), EpochDelta::new(20));
            self.calendar.enter(again, Happening::Activate { deal: id });
        }
    }
}
