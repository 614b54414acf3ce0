//! Aggregators: what each takes, makes of it, and shows. When something comes of an entry is the
//! calendar's; whom it asks to store, the world's.

use std::collections::{BTreeMap, BTreeSet};

use raas_aggregator::{Capabilities, Found, Repeat};
use raas_core::AggregatorView;
use raas_types::{
    AggregatorDeal, AggregatorName, ChainEpoch, Cid, DealId, EpochDelta, ListedDeal, Order,
    OrderId, ProviderId, SegmentProof, Ticket,
};

use crate::{options::Trouble, rng::Dice, weather::Weather};

/// How an aggregator does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Fine,
    /// It cannot be reached.
    Away,
    /// It refuses what comes.
    Refuses,
    /// It takes so many times as long as it says.
    Late(i64),
    /// It takes orders, and nothing comes of them.
    Barren,
    /// It takes orders, and the answer is lost; or the order is.
    LosesAnswers,
}

/// An aggregator.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: AggregatorName,
    pub(crate) capabilities: Capabilities,
    /// Whether a further order for the same data makes a further deal.
    repeats: bool,
    /// Whether it does leave out whom it is asked to.
    pub(crate) excludes: bool,
    /// Which lies it tells, in a hundred entries.
    pub(crate) cheats: u64,
    /// The providers it works with.
    pub(crate) roster: Vec<usize>,
    pub(crate) mood: Mood,
    /// Until when its trouble may be felt.
    pub(crate) troubled_until: ChainEpoch,
    entries: Vec<Entry>,
    by_cid: BTreeMap<Cid, Vec<usize>>,
    by_order: BTreeMap<OrderId, Ticket>,
    files: BTreeSet<Cid>,
}

/// One deal ordered.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) datum: usize,
    pub(crate) exclude: BTreeSet<ProviderId>,
    ticket: Ticket,
    /// Numbers the orders for the data.
    pub(crate) number: u64,
    /// The deal, once it is published; after a reorganisation the one that is no more, until it is
    /// published anew.
    pub(crate) deal: Option<ListedDeal>,
    /// What is shown in place of the deal, and until when.
    pub(crate) lie: Option<(ListedDeal, ChainEpoch)>,
    /// The proof, and from when on it is shown.
    pub(crate) proof: Option<(SegmentProof, ChainEpoch)>,
    /// From when on it is not shown: nothing will come of it.
    pub(crate) dropped: Option<ChainEpoch>,
}

impl Service {
    /// The aggregator with this number in a world.
    pub(crate) fn draw(seed: u64, number: usize, weather: &Weather, providers: usize) -> Self {
        let mut dice = Dice::new(seed, "service", number as u64);
        let idempotent = dice.percent(50);
        let excludes_providers = idempotent && dice.percent(70);
        let repeat = match dice.below(10) {
            _ if idempotent => Repeat::NewDeal,
            0 => Repeat::Ignored,
            1..=4 => Repeat::Undocumented,
            _ => Repeat::NewDeal,
        };
        let days = dice.pick(&[45, 90, 180, 180, 210, 365, 540]).unwrap_or(180);
        let capabilities = Capabilities {
            idempotent,
            excludes_providers,
            copies: if dice.percent(25) && weather.has(Trouble::Bundles) { 2 } else { 1 },
            repeat,
            proofs: dice.percent(40),
            latency: EpochDelta::HOUR.times(dice.between(6, 48)),
            deal_duration: EpochDelta::days(days),
        };
        let cheats = match weather.has(Trouble::Cheats) && dice.percent(50) {
            true => dice.between(1, 20) as u64,
            false => 0,
        };
        let roster: Vec<_> = (0..providers).filter(|_| dice.percent(70)).collect();
        Self {
            name: AggregatorName::new(["first", "second", "third"][number % 3]),
            repeats: match repeat {
                Repeat::NewDeal => true,
                Repeat::Ignored => false,
                Repeat::Undocumented => dice.percent(80),
            },
            excludes: excludes_providers && (cheats == 0 || dice.percent(50)),
            cheats,
            roster: if roster.len() < 8 { (0..providers).collect() } else { roster },
            mood: Mood::Fine,
            troubled_until: ChainEpoch::GENESIS,
            entries: Vec::new(),
            by_cid: BTreeMap::new(),
            by_order: BTreeMap::new(),
            files: BTreeSet::new(),
            capabilities,
        }
    }

    /// How a planner sees it.
    pub(crate) fn view(&self) -> AggregatorView {
        AggregatorView {
            name: self.name.clone(),
            idempotent: self.capabilities.idempotent,
            copies: self.capabilities.copies,
            latency: self.capabilities.latency,
            deal_duration: self.capabilities.deal_duration,
            unavailable_until: None,
        }
    }

    /// Whether an order makes a deal: one that ignores repeats makes no second one.
    pub(crate) fn makes_more(&self, cid: &Cid) -> bool {
        self.repeats || self.by_cid.get(cid).is_none_or(Vec::is_empty)
    }

    /// Whether it has the data, and need not be handed it.
    pub(crate) fn has(&self, cid: &Cid) -> bool {
        self.files.contains(cid)
    }

    /// Whether it has taken an order of this id.
    pub(crate) fn took(&self, order: &OrderId) -> bool {
        self.by_order.contains_key(order)
    }

    /// Takes an order; the entries that it opens.
    pub(crate) fn take(&mut self, order: &Order, datum: usize) -> (Ticket, Vec<usize>) {
        let known = self.by_order.get(&order.id).cloned();
        if let Some(ticket) = known.filter(|_| self.capabilities.idempotent) {
            return (ticket, Vec::new());
        }
        self.files.insert(order.cid);
        let ticket = Ticket(format!("{}-{}", self.name, self.by_order.len() + 1));
        self.by_order.insert(order.id.clone(), ticket.clone());
        let of_data = self.by_cid.entry(order.cid).or_default();
        let copies = if self.repeats || of_data.is_empty() { self.capabilities.copies } else { 0 };
        let mut opened = Vec::new();
        for _ in 0..copies {
            opened.push(self.entries.len());
            self.entries.push(Entry {
                datum,
                exclude: order.exclude.clone(),
                ticket: ticket.clone(),
                number: of_data.len() as u64,
                deal: None,
                lie: None,
                proof: None,
                dropped: None,
            });
            of_data.push(self.entries.len() - 1);
        }
        (ticket, opened)
    }

    /// One more entry for the order of another: a deal that nobody asked for.
    pub(crate) fn double(&mut self, entry: usize, cid: &Cid) -> usize {
        let of_data = self.by_cid.entry(*cid).or_default();
        let second = Entry { number: of_data.len() as u64, ..self.entries[entry].clone() };
        of_data.push(self.entries.len());
        self.entries.push(second);
        self.entries.len() - 1
    }

    pub(crate) fn entry(&self, entry: usize) -> &Entry {
        &self.entries[entry]
    }

    pub(crate) fn entry_mut(&mut self, entry: usize) -> &mut Entry {
        &mut self.entries[entry]
    }

    /// Whether it still works on a deal of this data.
    pub(crate) fn is_making(&self, cid: &Cid) -> bool {
        let entries = self.by_cid.get(cid).into_iter().flatten().map(|entry| &self.entries[*entry]);
        entries.clone().any(|entry| entry.deal.is_none() && entry.dropped.is_none())
    }

    /// What it answers when asked for an order whose answer was lost.
    pub(crate) fn find(&self, order: &Order, at: ChainEpoch) -> Found {
        let ticket = self.by_order.get(&order.id);
        if self.capabilities.idempotent {
            return ticket.cloned().map_or(Found::Absent, Found::Landed);
        }
        // It knows data and no orders.
        let of_data = self.by_cid.get(&order.cid);
        let Some(of_data) = of_data.filter(|entries| !entries.is_empty()) else {
            return Found::Absent;
        };
        let new = of_data.iter().map(|entry| &self.entries[*entry]).find(|entry| {
            entry.shown(at).is_some_and(|listed| !order.known_deals.contains(&listed.deal))
        });
        new.map_or(Found::CannotTell, |entry| Found::Landed(entry.ticket.clone()))
    }

    /// What it shows for a CID.
    pub(crate) fn deals(&self, cid: &Cid, at: ChainEpoch) -> Vec<AggregatorDeal> {
        let entries = self.by_cid.get(cid).into_iter().flatten().map(|entry| &self.entries[*entry]);
        let seen = entries.filter(|entry| entry.dropped.is_none_or(|dropped| at < dropped));
        let show = |entry: &Entry| {
            let listed = entry.shown(at);
            let proof = entry.proof.as_ref().filter(|(_, from)| *from <= at);
            AggregatorDeal {
                deal: listed.map(|listed| listed.deal),
                provider: listed.map(|listed| listed.provider),
                proof: proof.filter(|_| listed.is_some()).map(|(proof, _)| proof.clone()),
            }
        };
        seen.map(show).collect()
    }

    /// The entry whose deal this is.
    pub(crate) fn entry_of(&self, cid: &Cid, deal: DealId) -> Option<usize> {
        let mut entries = self.by_cid.get(cid).into_iter().flatten().copied();
        entries.find(|entry| self.entries[*entry].deal.is_some_and(|listed| listed.deal == deal))
    }
}

impl Entry {
    /// The deal that is shown for it.
    fn shown(&self, at: ChainEpoch) -> Option<ListedDeal> {
        match self.lie {
            Some((lie, until)) if at < until => self.deal.map(|_| lie),
            _ => self.deal,
        }
    }
}
