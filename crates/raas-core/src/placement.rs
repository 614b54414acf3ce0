//! Placement: which replicas are too many of a kind, and which providers an order leaves out.
//!
//! A cap bounds the replicas that are alike in one respect (owner, organisation, country). One beyond
//! it holds no slot, like a second deal with one provider. Where a fact about a provider is absent,
//! nothing can be said: it counts, and the plan says that it was not known.

use std::collections::{BTreeMap, BTreeSet};

use raas_types::{
    Cause, ChainEpoch, DealId, EpochDelta, Grouping, Order, OrderState, Placement, ProviderBook,
    ProviderId, Verdict,
};

use crate::{Observation, Reason, Replica, Wanted, aggregators::Pick, slots::Slots};

/// A provider with whom an order came to nothing is left out of orders for so long from when its deal
/// was first seen: two weeks, in which a deal that is to be activated usually is.
pub const COOLING: EpochDelta = EpochDelta::days(14);

/// Replicas counted against caps, one after another.
pub(crate) struct Caps<'a> {
    placement: &'a Placement,
    book: &'a ProviderBook,
    taken: BTreeMap<(Grouping, &'a str), u32>,
}

impl<'a> Caps<'a> {
    pub(crate) const fn new(placement: &'a Placement, book: &'a ProviderBook) -> Self {
        Self { placement, book, taken: BTreeMap::new() }
    }

    /// Takes one more replica in, unless it is one too many of a kind: then says which.
    pub(crate) fn take(&mut self, provider: ProviderId) -> Option<(Grouping, u32)> {
        let over = self.groups_of(provider).find(|(by, name, cap)| self.count(*by, name) >= *cap);
        if let Some((by, _, cap)) = over {
            return Some((by, cap));
        }
        for (by, name, _) in self.groups_of(provider).collect::<Vec<_>>() {
            *self.taken.entry((by, name)).or_default() += 1;
        }
        None
    }

    /// The providers that are known to be of a kind of which there are enough.
    fn full(&self) -> impl Iterator<Item = ProviderId> {
        let is_full = |provider: &ProviderId| {
            self.groups_of(*provider).any(|(by, name, cap)| self.count(by, name) >= cap)
        };
        self.book.keys().copied().filter(is_full)
    }

    fn count(&self, by: Grouping, name: &str) -> u32 {
        self.taken.get(&(by, name)).copied().unwrap_or(0)
    }

    /// The capped groups that a provider is known to be in.
    fn groups_of(
        &self,
        provider: ProviderId,
    ) -> impl Iterator<Item = (Grouping, &'a str, u32)> + use<'a> {
        let facts = self.book.get(&provider);
        self.placement.caps().filter_map(move |(by, cap)| Some((by, facts?.group(by)?, cap)))
    }
}

/// What an order leaves out and asks for first.
pub(crate) struct Choice {
    pub(crate) exclude: BTreeSet<ProviderId>,
    pub(crate) prefer: BTreeSet<ProviderId>,
}

/// Which providers an order leaves out: those that hold the data, those that the terms exclude, and
/// those of a kind of which there are enough. While orders bring something also those that lost the
/// data and those to be avoided; and while they bring any deal at all, those with whom one came to
/// nothing a short while ago.
///
/// The successor of a deal may be where that is, unless it is in trouble there.
pub(crate) fn choice(
    cause: Cause,
    pick: &Pick<'_>,
    seen: &Observation,
    wanted: &Wanted,
    slots: &Slots<'_>,
    useless: &BTreeSet<DealId>,
) -> Choice {
    let makes_way = |r: &Replica| cause.replaces() == Some(r.deal);
    let is_proven = |r: &Replica| matches!(r.verdict, Verdict::Active { .. });
    let stay = slots.holders().filter(|r| !(makes_way(r) && is_proven(r)));
    let mut exclude: BTreeSet<_> = stay.map(|r| r.provider).collect();
    exclude.extend(&wanted.placement.exclude);
    let mut caps = Caps::new(&wanted.placement, &seen.providers);
    for holder in slots.holders().filter(|r| !makes_way(r)) {
        caps.take(holder.provider);
    }
    exclude.extend(caps.full());
    if pick.fruitless == 0 {
        exclude.extend(slots.lost.iter().map(|r| r.provider));
        exclude.extend(&wanted.placement.avoid);
    }
    if !pick.starved {
        exclude.extend(cooling(seen, useless));
    }
    let prefer = wanted.placement.prefer.difference(&exclude).copied().collect();
    Choice { exclude, prefer }
}

/// The providers with whom orders came to nothing a short while ago.
fn cooling(seen: &Observation, useless: &BTreeSet<DealId>) -> impl Iterator<Item = ProviderId> {
    let since = |at: ChainEpoch| seen.at.since(at) < COOLING;
    let lately = seen
        .orders
        .iter()
        .filter(move |order| matches!(order.state, OrderState::Landed { at, .. } if since(at)));
    lately.flat_map(Order::deals).filter(|d| useless.contains(&d.deal)).map(|d| d.provider)
}

/// The caps that cannot be checked, for want of facts about these replicas.
pub(crate) fn absent_facts(
    replicas: &[&Replica],
    wanted: &Wanted,
    book: &ProviderBook,
) -> Vec<Reason> {
    let absent = |(by, _): (Grouping, u32)| {
        let unknown = |r: &&&Replica| book.get(&r.provider).and_then(|f| f.group(by)).is_none();
        let providers: BTreeSet<_> = replicas.iter().filter(unknown).map(|r| r.provider).collect();
        (!providers.is_empty()).then_some(Reason::FactsAbsent { by, providers })
    };
    wanted.placement.caps().filter_map(absent).collect()
}

/// How many replicas fit under the caps among the providers that facts are known of: an upper bound
/// for each cap by itself. `None` where a fact is absent for any of them, or none is known of.
pub(crate) fn most_under(
    by: Grouping,
    cap: u32,
    placement: &Placement,
    book: &ProviderBook,
) -> Option<u32> {
    let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
    for (provider, facts) in book {
        if placement.exclude.contains(provider) {
            continue;
        }
        let members = groups.entry(facts.group(by)?).or_default();
        *members = members.saturating_add(1).min(cap);
    }
    (!groups.is_empty()).then(|| groups.values().copied().fold(0, u32::saturating_add))
}
