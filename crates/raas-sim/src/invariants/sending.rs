//! What must be true of all that leaves a node, apart from whether it is needed: who may send it, what it
//! was decided upon, and that nobody is bothered twice.

use std::collections::{BTreeMap, BTreeSet};

use raas_core::RETRY_DELAY_MAX;
use raas_types::{
    EpochDelta, Order, OrderId, OrderState, Transaction, TransactionPurpose, TransactionState,
    TxHash,
};

use super::{Invariant, Watch, held::Held};
use crate::world::{Service, World};

/// What the watch keeps of it.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The node that the store was granted to last.
    holder: Option<usize>,
    /// Orders that an aggregator has taken, whether the node heard of it or not.
    taken: BTreeSet<OrderId>,
    /// Transactions that have not failed, by what they are for.
    transactions: BTreeMap<TransactionPurpose, TxHash>,
}

impl Watch {
    /// The store was granted to a node.
    pub(crate) fn leased(&mut self, node: usize) {
        self.sending.holder = Some(node);
    }

    /// Only the node that the store was granted to last hands over orders.
    pub(super) fn check_lease(&mut self, world: &World, datum: usize, node: usize) {
        if let Some(holder) = self.sending.holder.filter(|holder| *holder != node) {
            let words = format!("node {node} orders, and node {holder} has the store");
            self.broken(Invariant::OneAtATime, world.now, datum, words);
        }
    }

    /// An order was taken: it was decided at a final tipset, leaves out whoever holds the data already,
    /// and goes to nobody who has just brought nothing.
    pub(super) fn check_sending(
        &mut self,
        world: &World,
        datum: usize,
        order: &Order,
        held: &Held,
    ) {
        self.sending.taken.insert(order.id.clone());
        if order.created + world.weather.finality > world.now {
            let words = format!("order {} is decided at {}", order.id, order.created);
            self.broken(Invariant::FinalOnly, world.now, datum, words);
        }
        let Some(service) = world.services.iter().find(|s| s.name == order.aggregator) else {
            return;
        };
        if service.capabilities.excludes_providers {
            self.check_left_out(world, datum, order, held);
        }
        self.check_pause(world, datum, order, service);
    }

    fn check_left_out(&mut self, world: &World, datum: usize, order: &Order, held: &Held) {
        let replaced = order.cause.replaces().and_then(|old| world.deals.get(&old));
        let may_stay = replaced.map(|deal| deal.provider);
        let holders = held.lasting.iter().filter(|holder| Some(**holder) != may_stay);
        let not_left_out = holders
            .map(|holder| world.providers[*holder].id)
            .find(|holder| !order.exclude.contains(holder));
        if let Some(holder) = not_left_out {
            let words = format!("order {} may go to {holder}, which has the data", order.id);
            self.broken(Invariant::OwnProvider, world.now, datum, words);
        }
    }

    /// After each order in a row that came to nothing the pause is twice as long: what had failed before
    /// this one was decided.
    fn check_pause(&mut self, world: &World, datum: usize, order: &Order, service: &Service) {
        let (mut times, mut last) = (0_u32, None);
        let earlier: Vec<_> = self.mirror.orders_of(&order.cid).collect();
        let to_it = |other: &&&Order| other.aggregator == order.aggregator && other.id != order.id;
        for other in earlier.iter().rev().filter(to_it) {
            match &other.state {
                OrderState::Failed { at, .. } if *at < order.created => {
                    times += 1;
                    last = last.max(Some(*at));
                }
                OrderState::Landed { .. } => break,
                _ => {}
            }
        }
        let first = service.capabilities.latency.max(EpochDelta::DAY);
        let pause = first.times(1 << times.saturating_sub(1).min(20)).min(RETRY_DELAY_MAX);
        if let Some(last) = last.filter(|last| order.created < *last + pause) {
            let words = format!(
                "order {} of epoch {}: {times} in a row came to nothing, the last at {last}",
                order.id, order.created
            );
            self.broken(Invariant::AskedMoreRarely, world.now, datum, words);
        }
    }

    /// An order that an aggregator has taken is not given up, nor taken for one that was not sent, while
    /// a deal may be expected of it.
    pub(super) fn check_waiting(&mut self, world: &World, order: &Order) {
        let given_up = matches!(
            order.state,
            OrderState::Intended | OrderState::Withdrawn { .. } | OrderState::Failed { .. }
        );
        let service = world.services.iter().find(|s| s.name == order.aggregator);
        let Some(service) = service.filter(|_| given_up && self.sending.taken.contains(&order.id))
        else {
            return;
        };
        let kept = self.mirror.order(&order.id).map_or(order.created, |kept| kept.created);
        if world.now < kept + service.capabilities.latency
            && let Some(datum) = world.datum_of(&order.cid)
        {
            let words = format!("order {} was taken, and is {:?}", order.id, order.state);
            self.broken(Invariant::WaitedFor, world.now, datum, words);
        }
    }

    /// A transaction is kept, to be sent: no other is under way for the same, nor was done.
    pub(super) fn check_transaction(&mut self, world: &World, transaction: &Transaction) {
        let Transaction { hash, purpose, state, .. } = transaction;
        if matches!(state, TransactionState::Failed { .. }) {
            if self.sending.transactions.get(purpose) == Some(hash) {
                self.sending.transactions.remove(purpose);
            }
            return;
        }
        let before = self.sending.transactions.insert(purpose.clone(), hash.clone());
        if let Some(other) = before.filter(|other| other != hash) {
            let words = format!("{purpose:?} is written by {other}, and again by {hash}");
            let datum = self.datum_of_purpose(world, purpose).unwrap_or(0);
            self.broken(Invariant::RecordedOnce, world.now, datum, words);
        }
    }

    fn datum_of_purpose(&self, world: &World, purpose: &TransactionPurpose) -> Option<usize> {
        match purpose {
            TransactionPurpose::Complete { deal, .. } => Some(world.deals.get(deal)?.datum),
            TransactionPurpose::Submit { job } => world.datum_of(&self.mirror.job(job)?.cid),
        }
    }
}
