//! Which aggregator an order goes to, and when one that brings nothing is left alone.
//!
//! Where an aggregator takes no order id, at most one order per CID is outstanding with it: two
//! could not be told apart. One that takes orders and makes no deal of them, or only deals on
//! providers that hold the data already, is asked again after ever longer pauses.

use std::collections::BTreeSet;

use raas_types::{ChainEpoch, DealId, EpochDelta, Order, OrderState};

use crate::{AggregatorView, Observation, Reason, slots::count_of};

/// After this many fruitless orders in a row the target is called unreachable.
pub const FRUITLESS_LIMIT: u32 = 2;

/// The longest pause between fruitless orders: half a year.
pub const RETRY_DELAY_MAX: EpochDelta = EpochDelta::days(180);

/// The aggregators of one CID during one plan.
pub(crate) struct Aggregators<'a> {
    views: Vec<Standing<'a>>,
    at: ChainEpoch,
}

/// Whom an order goes to.
pub(crate) struct Pick<'a> {
    /// The aggregator.
    pub(crate) view: &'a AggregatorView,
    /// How many of its orders in a row came to nothing.
    pub(crate) fruitless: u32,
    /// Whether no deal at all came of one of these: too much may have been left out.
    pub(crate) starved: bool,
}

struct Standing<'a> {
    view: &'a AggregatorView,
    busy: bool,
    fruitless: u32,
    starved: bool,
    retry_at: ChainEpoch,
}

impl<'a> Aggregators<'a> {
    /// `useless` are the deals that add nothing.
    pub(crate) fn new(seen: &'a Observation, useless: &BTreeSet<DealId>) -> Self {
        let views = seen.aggregators.iter().map(|view| standing(view, seen, useless)).collect();
        Self { views, at: seen.at }
    }

    /// The best aggregator that can be asked now for `most` deals at most; it then is busy unless it
    /// tells orders apart.
    pub(crate) fn pick(&mut self, most: u32) -> Option<Pick<'a>> {
        let at = self.at;
        let free = |s: &&mut Standing<'_>| !s.busy && s.free_at() <= at && s.view.copies <= most;
        let standing = self.views.iter_mut().find(free)?;
        standing.busy = !standing.view.idempotent;
        let Standing { view, fruitless, starved, .. } = *standing;
        Some(Pick { view, fruitless, starved })
    }

    /// Why none could be picked for `most` deals.
    pub(crate) fn reasons(&self, most: u32) -> Vec<Reason> {
        if self.views.is_empty() {
            return vec![Reason::NoAggregator];
        }
        let why = |s: &Standing<'_>| {
            let aggregator = s.view.name.clone();
            if s.busy {
                return Reason::Busy { aggregator };
            }
            if s.view.copies > most {
                return Reason::TooManyCopies { aggregator, copies: s.view.copies, most };
            }
            if let Some(until) = s.view.unavailable_until.filter(|until| s.retry_at <= *until) {
                return Reason::Unreachable { aggregator, until };
            }
            Reason::BackingOff { aggregator, fruitless: s.fruitless, retry_at: s.retry_at }
        };
        self.views.iter().map(why).collect()
    }

    /// Whether every aggregator has been tried in vain.
    pub(crate) fn exhausted(&self) -> bool {
        !self.views.is_empty() && self.views.iter().all(|s| s.fruitless >= FRUITLESS_LIMIT)
    }
}

impl Standing<'_> {
    /// From when on it may be asked: once it can be reached, and its pause is over.
    fn free_at(&self) -> ChainEpoch {
        self.view.unavailable_until.map_or(self.retry_at, |until| until.max(self.retry_at))
    }
}

fn standing<'a>(
    view: &'a AggregatorView,
    seen: &Observation,
    useless: &BTreeSet<DealId>,
) -> Standing<'a> {
    let orders = || seen.orders.iter().filter(|o| o.aggregator == view.name);
    let (mut fruitless, mut starved) = (0, false);
    let mut last = None;
    for order in orders().rev() {
        match fruitless_since(order, useless) {
            Some(at) => {
                fruitless += 1;
                starved |= matches!(order.state, OrderState::Failed { .. });
                last = last.max(Some(at));
            }
            None if order.is_outstanding() || is_withdrawn(order) => {}
            None => break,
        }
    }
    Standing {
        view,
        busy: !view.idempotent && orders().any(Order::is_outstanding),
        fruitless,
        starved,
        retry_at: last.map_or(seen.at, |last| last + retry_delay(view, fruitless)),
    }
}

/// How many deals an order makes.
pub(crate) fn copies(order: &Order, seen: &Observation) -> u32 {
    let view = seen.aggregators.iter().find(|a| a.name == order.aggregator);
    view.map_or(1, |a| a.copies.max(1))
}

/// How many deals an outstanding order will make yet: one at the least, or it would have landed.
pub(crate) fn expected_of(order: &Order, seen: &Observation) -> u32 {
    copies(order, seen).saturating_sub(count_of(order.made.len())).max(1)
}

/// When the order turned out to have brought nothing; `None` if it brought something or may yet.
fn fruitless_since(order: &Order, useless: &BTreeSet<DealId>) -> Option<ChainEpoch> {
    match &order.state {
        OrderState::Failed { at, .. } => Some(*at),
        OrderState::Landed { at, .. } if order.deals().all(|d| useless.contains(&d.deal)) => {
            Some(*at)
        }
        _ => None,
    }
}

const fn is_withdrawn(order: &Order) -> bool {
    matches!(order.state, OrderState::Withdrawn { .. })
}

/// Doubles with every fruitless order, from the aggregator's latency (a day at the least).
fn retry_delay(view: &AggregatorView, fruitless: u32) -> EpochDelta {
    let first = view.latency.max(EpochDelta::DAY);
    let factor = 1_i64 << fruitless.saturating_sub(1).min(20);
    first.times(factor).min(RETRY_DELAY_MAX)
}
