//! What must be true when an aggregator takes an order: checked at the pinned tipset it was decided at.

use raas_core::CONFIRMATION;
use raas_types::{Cause, ChainEpoch, DealId, Order, OrderState};

use super::{
    Invariant, Watch,
    held::{self, Held, Place, copies, renews},
};
use crate::world::{Truth, World};

impl Watch {
    /// An aggregator took an order: `again` where it had taken one with this id before.
    pub(crate) fn taken(
        &mut self,
        world: &World,
        node: usize,
        order: &Order,
        again: bool,
        made: u64,
    ) {
        let Some(datum) = world.datum_of(&order.cid) else { return };
        if again {
            let words = format!("node {node} sends order {} again, which was taken", order.id);
            return self.broken(Invariant::SentOnce, world.now, datum, words);
        }
        let at = order.created;
        self.spent.push((node, datum, order.clone()));
        let Some(wanted) = self.mirror.wanted(world, &order.cid, at) else {
            let words = format!("order {} is for nobody", order.id);
            return self.broken(Invariant::NothingWithoutNeed, world.now, datum, words);
        };
        let held = Held::at(world, &self.mirror, &order.cid, &wanted, at, Some(order));
        // The most particular first: of several promises that are broken it says the most.
        self.check_sending(world, datum, order, &held);
        match order.cause {
            Cause::Replication => {}
            Cause::Repair { deal } => self.check_repair(world, datum, order, deal, wanted.repair),
            Cause::Renewal { deal } => self.check_renewal(world, datum, order, deal, &wanted),
        }
        let target = wanted.target.unwrap_or(0);
        let counted = if renews(order.cause) { held.for_good() } else { held.all() };
        if counted >= target {
            let words = format!(
                "order {} ({:?}) of epoch {at}: {counted} of {target} slots are held: {held:?}",
                order.id, order.cause
            );
            self.broken(Invariant::NothingWithoutNeed, world.now, datum, words);
        } else if held.for_good() + copies(world, order) > wanted.max {
            let words = format!("order {} of epoch {at}: max {}, {held:?}", order.id, wanted.max);
            self.broken(Invariant::NeverAboveMax, world.now, datum, words);
        }
        self.count_spending(world, datum, made);
    }

    fn check_repair(
        &mut self,
        world: &World,
        datum: usize,
        order: &Order,
        id: DealId,
        threshold: Option<raas_types::EpochDelta>,
    ) {
        let at = order.created;
        // One that the chain undid, or never had, is lost.
        let truth =
            world.deals.get(&id).filter(|deal| deal.datum == datum).map(|deal| deal.truth(at));
        match truth {
            Some(truth @ (Truth::Active | Truth::Pending)) => {
                let words = format!("order {} repairs deal {id}, which is {truth:?}", order.id);
                self.broken(Invariant::UnknownIsNotLost, world.now, datum, words);
            }
            Some(Truth::Faulty(since)) => {
                let deal = &world.deals[&id];
                let counts = held::fault_since(world, &self.mirror, deal, at).unwrap_or(since);
                if threshold.is_none_or(|threshold| at < counts + threshold) {
                    let words = format!(
                        "order {} of epoch {at} repairs deal {id}, faulty since {since}, with a \
                         threshold of {threshold:?}",
                        order.id
                    );
                    self.broken(Invariant::ThresholdKept, world.now, datum, words);
                }
            }
            _ => {}
        }
        let lost = self.mirror.trail(&order.cid, id).and_then(|trail| trail.lost);
        if lost.is_none_or(|(_, first, last)| last.since(first) < CONFIRMATION) {
            let words = format!("order {} repairs deal {id}, seen to be lost {lost:?}", order.id);
            self.broken(Invariant::LossSeenTwice, world.now, datum, words);
        }
    }

    fn check_renewal(
        &mut self,
        world: &World,
        datum: usize,
        order: &Order,
        id: DealId,
        wanted: &raas_core::Wanted,
    ) {
        let at = order.created;
        let Some(deal) = world.deals.get(&id).filter(|deal| deal.datum == datum) else { return };
        if !held::in_window(deal, wanted, at) {
            let words = format!(
                "order {} of epoch {at} renews deal {id}, which ends at {}",
                order.id, deal.proposal.end
            );
            self.broken(Invariant::RenewedInTime, world.now, datum, words);
        }
        let rival = self.mirror.orders_of(&order.cid).find(|other| {
            other.id != order.id
                && renews(other.cause)
                && other.cause.replaces() == Some(id)
                && self.is_coming(world, other, wanted, at)
        });
        if let Some(rival) = rival {
            let words = format!("order {} renews deal {id}, as {} does", order.id, rival.id);
            self.broken(Invariant::OneSuccessor, world.now, datum, words);
        }
    }

    /// Whether a deal will come of an order, or did and lasts on a provider of its own.
    fn is_coming(
        &self,
        world: &World,
        order: &Order,
        wanted: &raas_core::Wanted,
        at: ChainEpoch,
    ) -> bool {
        match &order.state {
            OrderState::Sending | OrderState::Sent { .. } => true,
            OrderState::Landed { deal, .. } => world.deals.get(deal).is_some_and(|deal| {
                let lasts = held::place(world, &self.mirror, deal, wanted, at) == Place::Lasting;
                let alone = world
                    .deals_of(deal.datum)
                    .all(|other| other.id == deal.id || other.provider != deal.provider);
                lasts && alone
            }),
            _ => false,
        }
    }
}
