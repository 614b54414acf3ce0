//! What is true: the chain, providers, deals, aggregators, the contract, and where data is. Plain data
//! that changes as time passes; nobody waits here. Ports and models of keepers look at it, each in its
//! own way.

mod calendar;
mod chain;
mod contract;
mod data;
mod deal;
mod endpoint;
mod events;
mod orders;
mod proof;
mod provider;
mod reading;
mod service;
mod spells;

use std::collections::BTreeMap;

use raas_types::{ChainEpoch, Cid, DealId, EpochDelta, ProviderBook};

pub(crate) use calendar::Happening;
pub(crate) use data::{Datum, Request};
pub(crate) use deal::{Deal, Truth};
pub(crate) use endpoint::Mode;
pub(crate) use orders::Answer;
pub(crate) use provider::Provider;
pub(crate) use service::{Mood, Service};

use self::{
    calendar::Calendar, chain::Chain, contract::Contract, endpoint::Endpoint, reading::IdLine,
};
use crate::{chronicle::Chronicle, options::Options, rng::Dice, tally::Tally, weather::Weather};

#[cfg(test)]
pub(crate) fn any_piece(salt: u64) -> raas_types::PieceInfo {
    proof::piece(salt)
}

#[cfg(test)]
pub(crate) fn span(from: ChainEpoch, to: ChainEpoch) -> provider::Span {
    provider::Span { from, to }
}

/// When worlds begin: an epoch of 2026 on mainnet.
pub(crate) const START: ChainEpoch = ChainEpoch::new(6_300_000);

/// Everything outside the nodes.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// The epoch of the chain.
    pub(crate) now: ChainEpoch,
    pub(crate) end: ChainEpoch,
    pub(crate) weather: Weather,
    pub(crate) providers: Vec<Provider>,
    pub(crate) deals: BTreeMap<DealId, Deal>,
    pub(crate) data: Vec<Datum>,
    by_cid: BTreeMap<Cid, usize>,
    /// What clients ask for, in the order of time.
    pub(crate) requests: Vec<Request>,
    pub(crate) services: Vec<Service>,
    pub(crate) contract: Contract,
    pub(crate) endpoints: Vec<Endpoint>,
    /// How many times in a hundred the store fails.
    pub(crate) store_fails: u64,
    /// Nodes whose copies are lost, until someone takes note.
    pub(crate) dropped: Vec<usize>,
    /// Copies that nodes may have fetched, until someone looks: of which data, and which node.
    pub(crate) fetched: Vec<(usize, usize)>,
    /// Until when trouble with endpoints, the contract or the store may be felt.
    pub(crate) troubled_until: ChainEpoch,
    /// Until when trouble with the nodes themselves may be felt.
    pub(crate) unattended_until: ChainEpoch,
    pub(crate) tally: Tally,
    pub(crate) chronicle: Chronicle,
    chain: Chain,
    calendar: Calendar,
    ids: IdLine,
    /// The deals that were activated lately, with the epochs.
    activated: Vec<(ChainEpoch, DealId)>,
    /// Chance of what has no stream of its own.
    dice: Dice,
}

impl World {
    /// The world of a seed, before anything has happened.
    pub(crate) fn new(options: &Options, seed: u64, chronicle: Chronicle) -> Self {
        let weather = Weather::of(seed, &options.without);
        let lasts = (options.years * EpochDelta::YEAR.get() as f64) as i64;
        let end = START + EpochDelta::new(lasts);
        let providers = provider::draw(seed, &weather, START, end);
        let (data, mut requests) = data::draw(seed, &weather, START, end, options.jobs);
        if let Some(days) = options.renewal_days {
            let renewals = requests.iter_mut().filter_map(|r| r.terms.renewal.as_mut());
            renewals.for_each(|renewal| renewal.threshold = EpochDelta::days(days.into()));
        }
        let mut dice = Dice::new(seed, "world", 0);
        let services = (0..dice.pick(&[1, 2, 2, 3]).unwrap_or(1))
            .map(|number| Service::draw(seed, number, &weather, providers.len()))
            .collect();
        let endpoints = (0..weather.endpoints)
            .map(|number| Endpoint {
                name: format!("endpoint-{}", number + 1),
                mode: Mode::Honest,
                finality: weather.finality,
                dice: Dice::new(seed, "endpoint", number as u64),
            })
            .collect();
        if let Some(only) = options.only_job {
            requests = requests.into_iter().skip(only).take(1).collect();
        }
        let by_cid = data.iter().enumerate().map(|(n, datum)| (datum.cid, n)).collect();
        let mut world = Self {
            seed,
            now: START,
            end,
            chain: Chain::new(seed, weather.null_rounds),
            ids: IdLine::starting_at(START),
            weather,
            providers,
            deals: BTreeMap::new(),
            data,
            by_cid,
            requests,
            services,
            contract: Contract::default(),
            endpoints,
            store_fails: 0,
            dropped: Vec::new(),
            fetched: Vec::new(),
            troubled_until: START,
            unattended_until: START,
            tally: Tally::default(),
            chronicle,
            calendar: Calendar::default(),
            activated: Vec::new(),
            dice,
        };
        world.schedule_spells();
        world
    }

    /// Lets time pass until this epoch, and everything happen that happens until then.
    pub(crate) fn advance_to(&mut self, at: ChainEpoch) {
        while let Some((when, what)) = self.calendar.take_until(at) {
            self.now = self.now.max(when);
            self.happen(what);
        }
        self.now = self.now.max(at);
    }

    /// Which piece of data a CID names.
    pub(crate) fn datum_of(&self, cid: &Cid) -> Option<usize> {
        self.by_cid.get(cid).copied()
    }

    /// The deals that were ever made for some data, and not undone.
    pub(crate) fn deals_of(&self, datum: usize) -> impl Iterator<Item = &Deal> {
        self.data[datum].deals.iter().filter_map(|id| self.deals.get(id))
    }

    /// Whether anyone has the data: a client, a node, an aggregator that works on it, or a provider
    /// that may yet come back.
    pub(crate) fn exists(&self, datum: usize) -> bool {
        let Datum { cid, client_until, copies, .. } = &self.data[datum];
        self.now < *client_until
            || copies.contains(&true)
            || self.services.iter().any(|service| service.is_making(cid))
            || self
                .deals_of(datum)
                .any(|deal| self.keeps(deal) || deal.truth(self.now) == Truth::Pending)
    }

    /// Whether the data can be had just now, from others than the nodes.
    pub(crate) fn is_served(&self, datum: usize) -> bool {
        self.now < self.data[datum].client_until
            || self.deals_of(datum).any(|deal| self.serves(deal))
    }

    /// Whether the data of a deal is where it should be, or will be again.
    pub(crate) fn keeps(&self, deal: &Deal) -> bool {
        deal.keeps(&self.providers[deal.provider], self.now)
    }

    /// Whether the data of a deal can be had from its provider just now.
    pub(crate) fn serves(&self, deal: &Deal) -> bool {
        self.keeps(deal) && self.providers[deal.provider].serves(self.now)
    }

    /// What is known of the providers apart from the chain.
    pub(crate) fn provider_book(&self) -> ProviderBook {
        self.providers.iter().map(|provider| (provider.id, provider.facts())).collect()
    }

    /// Notes that trouble may be felt from now on for so long.
    pub(crate) fn trouble(&mut self, lasts: EpochDelta) {
        self.troubled_until = self.troubled_until.max(self.now + lasts);
    }
}
