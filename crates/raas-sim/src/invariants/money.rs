//! That no more is spent than was needed, reckoned another way than order by order: all deals that were
//! ever ordered of some data, against all the reasons that there ever were to order any.

use std::collections::BTreeMap;

use raas_types::{EpochDelta, OrderState};

use super::{Invariant, Watch};
use crate::world::{Truth, World};

/// Deals ordered so far, by data.
#[derive(Debug, Default)]
pub(crate) struct Spending(BTreeMap<usize, u64>);

impl Watch {
    /// So many deals were ordered of some data.
    pub(super) fn count_spending(&mut self, world: &World, datum: usize, deals: u64) {
        let spent = self.census.spending.0.entry(datum).or_default();
        *spent += deals;
        let spent = *spent;
        let reasons = self.reasons_to_spend(world, datum);
        if spent > reasons {
            let words = format!("{spent} deals were ordered, with {reasons} reasons to order any");
            self.broken(Invariant::MoneyBounded, world.now, datum, words);
        }
    }

    /// Each slot once; each deal that was lost, was faulty for as long as the client minds, or neared
    /// its end, once for each; each order that brought nothing, or a deal that adds nothing.
    fn reasons_to_spend(&self, world: &World, datum: usize) -> u64 {
        let cid = &world.data[datum].cid;
        let jobs = self.mirror.jobs_of(cid);
        let most = |of: &dyn Fn(&raas_types::Terms) -> Option<u32>| {
            jobs.iter().filter_map(|job| of(&job.terms)).max()
        };
        let found = jobs.iter().filter_map(|job| job.found).max().unwrap_or(0);
        let target = most(&|terms| terms.replication.map(|r| r.target)).unwrap_or(0).max(found);
        let max = most(&|terms| terms.replication.map(|r| r.max)).unwrap_or(0).max(target);
        // An order of several deals may go beyond the target.
        let several = world.services.iter().any(|service| service.capabilities.copies > 1);
        let slots = u64::from(if several { max } else { target });
        let window = jobs.iter().filter_map(|job| Some(job.terms.renewal?.threshold)).max();
        let threshold = jobs.iter().filter_map(|job| Some(job.terms.repair?.threshold)).min();
        let deals = world.deals_of(datum).map(|deal| {
            let over = deal.truth(world.now).is_over();
            let ending = window.is_some_and(|window| world.now + window >= deal.proposal.end);
            let repaired = threshold.is_some_and(|threshold| {
                // Where the chain does not tell, a fault counts from the last sight of health, however long
                // that was before.
                let threshold = match world.weather.tells_first_missed {
                    true => threshold,
                    false => EpochDelta::ZERO,
                };
                deal.active.as_ref().is_some_and(|active| {
                    let faults = active.faults.iter().filter(|fault| fault.from < world.now);
                    let last = |to: raas_types::ChainEpoch| to.min(world.now);
                    faults.into_iter().any(|f| last(f.to).since(f.from) >= threshold)
                })
            });
            // One of a provider that holds the data in another deal adds nothing.
            let spare = world
                .deals_of(datum)
                .any(|other| other.id != deal.id && other.provider == deal.provider);
            let gone = matches!(deal.truth(world.now), Truth::Unpublished);
            [over, ending, repaired, spare, gone].into_iter().filter(|is| *is).count() as u64
        });
        let orders = self.mirror.orders_of(cid).map(|order| match &order.state {
            OrderState::Failed { .. } => u64::from(super::held::copies(world, order)),
            // Of several deals some never came; or one that did is not there any more.
            OrderState::Landed { .. } => {
                let copies = u64::from(super::held::copies(world, order));
                let there = order.deals().filter(|listed| world.deals.contains_key(&listed.deal));
                copies.saturating_sub(there.count() as u64)
            }
            _ => 0,
        });
        slots + deals.sum::<u64>() + orders.sum::<u64>()
    }
}
