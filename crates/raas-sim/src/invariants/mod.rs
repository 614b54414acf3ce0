//! What must hold, whatever happens: the promises of the planner and the runtime, each checked against
//! what is true of the world and what the store was told. [`Watch`] is told of every effect as it is
//! had, and looks around once a day.

mod census;
mod held;
mod mirror;
mod money;
mod orders;
mod plans;
mod sending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use raas_job_store::Change;
use raas_types::{ChainEpoch, Cid, EpochDelta, Job, JobId, Order, OrderState};

use crate::world::World;
use census::Census;
use mirror::Mirror;
use sending::Sending;

pub(crate) use plans::Watched;

macro_rules! invariants {
    ($($variant:ident $promise:literal,)*) => {
        /// A promise that is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Invariant {
            $(
                #[doc = $promise]
                $variant,
            )*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What is promised, in the words of the design.
            pub const fn promise(self) -> &'static str {
                match self {
                    $(Self::$variant => $promise,)*
                }
            }
        }
    };
}

invariants! {
    IntentFirst "intent is durable before money is spent",
    SentOnce "no order is sent again unless the first is known to be absent",
    NothingWithoutNeed "each missing slot gets at most one order, and what is not missing gets none",
    NeverAboveMax "max bounds replicas that are not being replaced",
    UnknownIsNotLost "what is not known is not lost: it never causes spending",
    LossSeenTwice "spending on a verdict needs it twice, at two pinned tipsets at least 60 epochs apart",
    ThresholdKept "repair waits for the threshold, counted from the first missed proof",
    RenewedInTime "a deal is renewed in its renewal window and not before",
    OneSuccessor "renewal is one per deal and term",
    TrackedToTheEnd "renewal is make-before-break: a deal is kept in sight while it lives",
    OneAtATime "one job, one look at a time, in one node or in many over one database",
    FilledBelowMin "below min: fill to target",
    FilledToTarget "between min and target: fill when nothing more urgent waits",
    NothingSavableLost "no loss of savable data",
    MoneyBounded "money spent is bounded by need",
    SamePlan "same inputs, same plan",
    PlannedOnce "planning twice before an ordered deal lands orders once",
    SatisfiedIsEmpty "a satisfied job gives an empty plan",
    SpendingStops "when more of the world seems to die at once than is plausible, spending stops",
    NeverPanics "a failing job, provider or endpoint delays itself alone",
    NothingForged "nothing unverified is ever stored, nor handed on",
    FinalOnly "every look is pinned to a tipset that is final",
    OwnProvider "a slot is held on a provider of its own: who holds the data is left out of orders",
    WaitedFor "an order that may have been taken is waited for, until a deal comes or its time is up",
    AskedMoreRarely "who brings nothing is asked ever more rarely",
    RecordedOnce "jobs are announced, and deals recorded, once",
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// When.
    pub at: ChainEpoch,
    /// For which data, by its number.
    pub datum: usize,
    /// How, in words.
    pub words: String,
}

/// Who watches a seed.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    mirror: Mirror,
    census: Census,
    sending: Sending,
    violations: Vec<Violation>,
    /// Orders that were taken since the last pass of their nodes: which node's, and of which data.
    spent: Vec<(usize, usize, Order)>,
    /// Orders that are being handed over, by data: the nodes that do, and since when.
    handing_over: BTreeMap<Cid, (usize, ChainEpoch)>,
}

/// A connection over which nothing goes for an hour is gone.
pub(crate) const CONNECTED: EpochDelta = EpochDelta::HOUR;

impl Watch {
    /// What was broken so far.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn broken(
        &mut self,
        invariant: Invariant,
        at: ChainEpoch,
        datum: usize,
        words: impl Into<String>,
    ) {
        self.violations.push(Violation { invariant, at, datum, words: words.into() });
    }

    /// A job was written.
    pub(crate) fn registered(&mut self, job: &Job) {
        self.mirror.put_job(job);
    }

    /// A job was removed.
    pub(crate) fn removed(&mut self, id: &JobId) {
        self.mirror.remove_job(id);
    }

    /// A change was written by a node.
    pub(crate) fn committed(&mut self, world: &mut World, node: usize, change: &Change) {
        for (cid, deal) in &change.forget {
            let datum = world.datum_of(cid);
            let alive = world.deals.get(deal).is_some_and(|deal| world.keeps(deal));
            if let Some(datum) = datum.filter(|_| alive) {
                let words = format!("node {node} forgets deal {deal}, which lives");
                self.broken(Invariant::TrackedToTheEnd, world.now, datum, words);
            }
        }
        for transaction in &change.transactions {
            self.check_transaction(world, transaction);
        }
        for order in &change.orders {
            self.check_waiting(world, order);
            if let Some(datum) = world.datum_of(&order.cid) {
                let Order { id, state, cause, created, .. } = order;
                let now = world.now;
                world.chronicle.tell(
                    now,
                    datum,
                    format_args!(
                        "node {node} keeps order {id}: {} at {created}, {state:?}",
                        cause.name()
                    ),
                );
            }
        }
        self.mirror.commit(world, node, change);
    }

    /// Since when spending has stopped, by the word of a node that has just made a pass: whatever it
    /// ordered in it, at a later tipset, it should not have.
    pub(crate) fn stopped(&mut self, world: &World, node: usize, since: Option<ChainEpoch>) {
        let (mine, others) =
            std::mem::take(&mut self.spent).into_iter().partition(|(who, ..)| *who == node);
        self.spent = others;
        let mine: Vec<_> = mine;
        for (_, datum, Order { id, created, .. }) in mine {
            if let Some(since) = since.filter(|since| created > *since) {
                let words = format!("order {id} of epoch {created}: spending stopped at {since}");
                self.broken(Invariant::SpendingStops, world.now, datum, words);
            }
        }
    }

    /// A node begins to hand over an order.
    pub(crate) fn submitting(&mut self, world: &World, node: usize, order: &Order) {
        let Some(datum) = world.datum_of(&order.cid) else { return };
        if let Some((other, since)) = self.handing_over.insert(order.cid, (node, world.now))
            && other != node
            && world.now < since + CONNECTED
        {
            let words = format!("nodes {other} and {node} hand over orders at the same time");
            self.broken(Invariant::OneAtATime, world.now, datum, words);
        }
        self.check_lease(world, datum, node);
        let kept = self.mirror.order(&order.id);
        if !kept.is_some_and(|kept| kept.state == OrderState::Sending && kept.cid == order.cid) {
            let words = format!("order {} is sent, and the store does not have it so", order.id);
            self.broken(Invariant::IntentFirst, world.now, datum, words);
        }
    }

    /// It has been handed over, or not.
    pub(crate) fn submitted(&mut self, node: usize, order: &Order) {
        if self.handing_over.get(&order.cid).is_some_and(|(who, _)| *who == node) {
            self.handing_over.remove(&order.cid);
        }
    }

    /// A node is gone, and hands nothing over any more.
    pub(crate) fn died(&mut self, node: usize) {
        self.stopped_still(node);
        self.spent.retain(|(who, ..)| *who != node);
    }

    /// A node stands still: its connections do not outlive that, and it hands nothing over any more.
    pub(crate) fn stopped_still(&mut self, node: usize) {
        self.handing_over.retain(|_, (who, _)| *who != node);
        self.interrupted();
    }

    /// An aggregator was handed bytes.
    pub(crate) fn uploaded(&mut self, world: &World, datum: usize, bytes: &[u8]) {
        if world.data[datum].file != bytes {
            let words = "an aggregator was handed other bytes than the data's".to_owned();
            self.broken(Invariant::NothingForged, world.now, datum, words);
        }
    }
}
