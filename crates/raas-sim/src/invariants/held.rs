//! Who holds the slots of some data, by what is true and by what the node could know: the deals that
//! came of its own orders. Whatever else a node counts only makes it order less, so that more held here
//! than wanted is more than wanted there.

use std::collections::{BTreeMap, BTreeSet};

use raas_core::Wanted;
use raas_types::{Cause, ChainEpoch, Cid, DealId, EpochDelta, Order};

use super::Mirror;
use crate::world::{Deal, Truth, World};

/// Who holds the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Providers of deals that live and do not end soon.
    pub(crate) lasting: BTreeSet<usize>,
    /// The deals themselves.
    pub(crate) lasting_deals: Vec<DealId>,
    /// Providers of deals in the first half of their renewal windows that nobody ever ordered a
    /// successor of.
    pub(crate) ending: BTreeSet<usize>,
    /// Deals that are being made.
    pub(crate) under_way: u32,
}

impl Held {
    /// What holds slots at an epoch; an order is left out where it is the one in question.
    pub(crate) fn at(
        world: &World,
        mirror: &Mirror,
        cid: &Cid,
        wanted: &Wanted,
        at: ChainEpoch,
        but: Option<&Order>,
    ) -> Self {
        let mut held = Self::default();
        let Some(datum) = world.datum_of(cid) else { return held };
        let mut ending = BTreeMap::new();
        let ours = |deal: &&Deal| mirror.trail(cid, deal.id).is_some_and(|trail| trail.ordered);
        for deal in world.deals_of(datum).filter(ours) {
            // What lands on a provider that holds a live replica adds nothing, until that one is over;
            // one that does not end soon holds the slot for both.
            let older = world.deals_of(datum).any(|other| {
                let lives = place(world, mirror, other, wanted, at);
                let beside = other.provider == deal.provider && other.id < deal.id;
                let known = mirror.trail(cid, other.id).is_some();
                beside && known && matches!(lives, Place::Ending { .. })
            });
            match place(world, mirror, deal, wanted, at) {
                Place::Lasting if older => {}
                Place::Lasting => {
                    held.lasting.insert(deal.provider);
                    held.lasting_deals.push(deal.id);
                }
                Place::Ending { first_half: false } => {}
                Place::Ending { first_half: true } => {
                    let renewed =
                        mirror.orders_of(cid).any(|o| o.cause.replaces() == Some(deal.id));
                    // Of several on one provider the one that ends last holds the slot, and is renewed.
                    let last = ending.entry(deal.provider).or_insert((deal.proposal.end, renewed));
                    *last = (*last).max((deal.proposal.end, renewed));
                }
                Place::Nowhere => {}
            }
        }
        let unrenewed = ending.into_iter().filter(|(_, (_, renewed))| !renewed);
        held.ending = unrenewed.map(|(provider, _)| provider).collect();
        // Orders of one look may be taken in any order; each is to be needed after those before it.
        let counts =
            |order: &&Order| but.is_none_or(|but| but.id != order.id && !is_behind(order, but));
        let others = mirror.under_way(cid).filter(counts);
        held.under_way = others.map(|order| expected(world, order)).sum();
        held
    }

    /// Slots that are held for good: what a renewal adds to.
    pub(crate) fn for_good(&self) -> u32 {
        self.lasting.len() as u32 + self.under_way
    }

    /// All slots that are held.
    pub(crate) fn all(&self) -> u32 {
        self.lasting.union(&self.ending).count() as u32 + self.under_way
    }
}

/// What one deal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Lasting,
    Ending { first_half: bool },
    Nowhere,
}

/// What a deal holds at an epoch.
pub(crate) fn place(
    world: &World,
    mirror: &Mirror,
    deal: &Deal,
    wanted: &Wanted,
    at: ChainEpoch,
) -> Place {
    match deal.truth(at) {
        Truth::Pending => return Place::Lasting,
        Truth::Active => {}
        Truth::Faulty(_) => {
            let since = fault_since(world, mirror, deal, at).unwrap_or(at);
            if wanted.repair.is_some_and(|threshold| at >= since + threshold) {
                return Place::Nowhere;
            }
        }
        _ => return Place::Nowhere,
    }
    let left = deal.proposal.end.since(at);
    match wanted.renewal {
        Some(window) if left <= window => Place::Ending { first_half: left > window.half() },
        _ => Place::Lasting,
    }
}

/// Since when a deal counts as faulty at an epoch: the first missed proof where all endpoints tell it,
/// else what the node may take for it, its own last sight of health.
pub(crate) fn fault_since(
    world: &World,
    mirror: &Mirror,
    deal: &Deal,
    at: ChainEpoch,
) -> Option<ChainEpoch> {
    let Truth::Faulty(since) = deal.truth(at) else { return None };
    if world.weather.tells_first_missed {
        return Some(since);
    }
    let cid = &world.data[deal.datum].cid;
    let seen = mirror.trail(cid, deal.id).and_then(|trail| trail.last_active);
    Some(seen.map_or(since, |seen| seen.min(since)))
}

/// How many deals an order makes.
pub(crate) fn copies(world: &World, order: &Order) -> u32 {
    let service = world.services.iter().find(|service| service.name == order.aggregator);
    service.map_or(1, |service| service.capabilities.copies)
}

/// How many deals are still to come of an order that is under way.
pub(crate) fn expected(world: &World, order: &Order) -> u32 {
    copies(world, order).saturating_sub(order.made.len() as u32).max(1)
}

/// Whether an order was decided at the same look as another, and stands behind it.
fn is_behind(order: &Order, other: &Order) -> bool {
    let number = |order: &Order| order.id.as_str().rsplit_once('-')?.1.parse::<u64>().ok();
    order.created == other.created && number(order) > number(other)
}

/// Whether a deal may be renewed at an epoch: its window has begun.
pub(crate) fn in_window(deal: &Deal, wanted: &Wanted, at: ChainEpoch) -> bool {
    let window = wanted.renewal.unwrap_or(EpochDelta::ZERO);
    at + window >= deal.proposal.end
}

/// Whether an order is a renewal.
pub(crate) const fn renews(cause: Cause) -> bool {
    matches!(cause, Cause::Renewal { .. })
}
