//! The budget: how many more deals may be ordered today.
//!
//! A day is the last 2880 epochs, whenever that is. An order that was withdrawn cost nothing; any
//! other counts from the epoch at which it was decided.

use raas_types::{ChainEpoch, EpochDelta, Order, OrderState};

use crate::{Observation, Reason, Wanted, aggregators};

/// What the budget leaves of today.
pub(crate) struct Allowance {
    deals: Option<Deals>,
    bytes: Option<Bytes>,
    again_at: ChainEpoch,
}

/// Deals against their limit.
struct Deals {
    ordered: u32,
    per_day: u32,
}

/// Bytes against their limit. What a copy takes is known once one was handed over.
struct Bytes {
    handed_over: u64,
    copy: Option<u64>,
    /// Whether a copy is under way of which it is not known what it takes.
    awaits_size: bool,
    per_day: u64,
}

impl Allowance {
    /// What is left after the orders of the last day.
    pub(crate) fn of_today(seen: &Observation, wanted: &Wanted) -> Self {
        let oldest = of_today(seen).map(|order| order.created).min();
        Self {
            deals: wanted.budget.deals_per_day.map(|per_day| Deals::of_today(seen, per_day)),
            bytes: wanted.budget.bytes_per_day.map(|per_day| Bytes::of_today(seen, per_day)),
            again_at: oldest.unwrap_or(seen.at) + EpochDelta::DAY,
        }
    }

    /// How many deals one more order may make.
    ///
    /// # Errors
    ///
    /// Why there must be no further order today.
    pub(crate) fn most(&self) -> Result<u32, Reason> {
        if let Some(bytes) = &self.bytes {
            bytes.check(self.again_at)?;
        }
        self.deals.as_ref().map_or(Ok(u32::MAX), |deals| deals.left(self.again_at))
    }

    /// One more order is made, for so many deals. It hands the bytes over once.
    pub(crate) fn take(&mut self, copies: u32) {
        if let Some(deals) = &mut self.deals {
            deals.ordered = deals.ordered.saturating_add(copies);
        }
        if let Some(bytes) = &mut self.bytes {
            bytes.handed_over = bytes.handed_over.saturating_add(bytes.copy.unwrap_or(0));
            bytes.awaits_size = bytes.copy.is_none();
        }
    }
}

impl Deals {
    fn of_today(seen: &Observation, per_day: u32) -> Self {
        let copies = of_today(seen).map(|order| aggregators::copies(order, seen));
        Self { ordered: copies.fold(0, u32::saturating_add), per_day }
    }

    fn left(&self, again_at: ChainEpoch) -> Result<u32, Reason> {
        let Self { ordered, per_day } = *self;
        match per_day.saturating_sub(ordered) {
            0 => Err(Reason::DealsSpent { ordered, per_day, again_at }),
            left => Ok(left),
        }
    }
}

impl Bytes {
    fn of_today(seen: &Observation, per_day: u64) -> Self {
        let copy = seen.orders.iter().rev().find_map(|order| order.bytes);
        let took = |order: &Order| match order.state {
            // Given up before anything was handed over.
            OrderState::Failed { .. } => order.bytes.unwrap_or(0),
            _ => order.bytes.or(copy).unwrap_or(0),
        };
        let awaits_size = copy.is_none() && seen.orders.iter().any(Order::is_outstanding);
        let handed_over = of_today(seen).map(took).fold(0, u64::saturating_add);
        Self { handed_over, copy, awaits_size, per_day }
    }

    /// The first copy goes out whatever it takes.
    fn check(&self, again_at: ChainEpoch) -> Result<(), Reason> {
        let Self { handed_over, copy, awaits_size, per_day } = *self;
        match copy {
            None if awaits_size => Err(Reason::SizeUnknown { per_day }),
            Some(copy) if handed_over.saturating_add(copy) > per_day => {
                Err(Reason::BytesSpent { handed_over, copy, per_day, again_at })
            }
            _ => Ok(()),
        }
    }
}

/// The orders of the last day that were sent, or are about to be.
fn of_today(seen: &Observation) -> impl Iterator<Item = &Order> {
    seen.orders.iter().filter(|order| {
        let is_withdrawn = matches!(order.state, OrderState::Withdrawn { .. });
        !is_withdrawn && seen.at.since(order.created) < EpochDelta::DAY
    })
}
