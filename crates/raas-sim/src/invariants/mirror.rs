//! What the store was told, kept beside it by the watch, so that a check asks nobody; and what follows
//! from it without any of the node's own reckoning.

use std::collections::{BTreeMap, BTreeSet};

use raas_core::{AggregatorView, Wanted, combine};
use raas_job_store::Change;
use raas_types::{
    ChainEpoch, Cid, DealId, DealMemory, Job, JobId, Order, OrderId, OrderState, Provenance,
    VerdictKind,
};

use crate::world::World;

/// What the store was told.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    jobs: BTreeMap<JobId, Job>,
    by_cid: BTreeMap<Cid, BTreeSet<JobId>>,
    orders: BTreeMap<OrderId, Order>,
    orders_by_cid: BTreeMap<Cid, Vec<OrderId>>,
    trails: BTreeMap<(Cid, DealId), Trail>,
    /// Fruitless orders in a row, by data.
    fruitless: BTreeMap<Cid, Fruitless>,
}

/// What looks wrote of one deal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    /// Whether it came of an order.
    pub(crate) ordered: bool,
    /// The deal that it was ordered to replace.
    pub(crate) replaces: Option<DealId>,
    /// When it was last seen to be proven.
    pub(crate) last_active: Option<ChainEpoch>,
    /// The looks at which it was seen to be lost in the same way, never refuted in between: the first
    /// and the last.
    pub(crate) lost: Option<(bool, ChainEpoch, ChainEpoch)>,
}

/// Orders that brought nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fruitless {
    pub(crate) times: u32,
    pub(crate) last: ChainEpoch,
}

impl Mirror {
    pub(crate) fn put_job(&mut self, job: &Job) {
        self.by_cid.entry(job.cid).or_default().insert(job.id.clone());
        self.jobs.insert(job.id.clone(), job.clone());
    }

    pub(crate) fn remove_job(&mut self, id: &JobId) {
        if let Some(job) = self.jobs.remove(id)
            && let Some(ids) = self.by_cid.get_mut(&job.cid)
        {
            ids.remove(id);
        }
    }

    pub(crate) fn commit(&mut self, world: &World, _node: usize, change: &Change) {
        for (cid, memory) in &change.memories {
            self.remember(*cid, memory);
        }
        for order in &change.orders {
            self.put_order(world, order);
        }
        for stored in &change.jobs {
            let job = &stored.value.job;
            // All else of a job stays as it was.
            if let Some(known) = self.jobs.get_mut(&job.id) {
                known.found = job.found;
            }
        }
    }

    fn remember(&mut self, cid: Cid, memory: &DealMemory) {
        let trail = self.trails.entry((cid, memory.listed.deal)).or_default();
        if let Provenance::Ordered { replaces, .. } = &memory.provenance {
            (trail.ordered, trail.replaces) = (true, *replaces);
        }
        let Some((verdict, evidence)) = &memory.last else { return };
        let at = evidence.epoch;
        match verdict.kind() {
            VerdictKind::Unknown => {}
            VerdictKind::Active | VerdictKind::Pending => {
                trail.lost = None;
                if verdict.kind() == VerdictKind::Active {
                    trail.last_active = Some(at);
                }
            }
            kind => {
                let faulty = kind == VerdictKind::Faulty;
                trail.lost = match trail.lost {
                    Some((was, first, last)) if was == faulty => Some((was, first, last.max(at))),
                    _ => Some((faulty, at, at)),
                };
            }
        }
    }

    fn put_order(&mut self, world: &World, order: &Order) {
        if self.orders.insert(order.id.clone(), order.clone()).is_none() {
            self.orders_by_cid.entry(order.cid).or_default().push(order.id.clone());
        }
        let brought_nothing = match &order.state {
            OrderState::Failed { .. } => true,
            OrderState::Landed { deal, provider, .. } => {
                let others = self
                    .trails
                    .iter()
                    .filter(|((cid, other), _)| *cid == order.cid && other != deal);
                others.into_iter().any(|((_, other), _)| {
                    world.deals.get(other).is_some_and(|other| other.proposal.provider == *provider)
                })
            }
            _ => return,
        };
        let fruitless = self.fruitless.entry(order.cid).or_default();
        if brought_nothing {
            fruitless.times += 1;
            fruitless.last = world.now;
        }
    }

    /// Jobs of some data.
    pub(crate) fn jobs_of(&self, cid: &Cid) -> Vec<&Job> {
        let ids = self.by_cid.get(cid).into_iter().flatten();
        ids.filter_map(|id| self.jobs.get(id)).collect()
    }

    /// What all jobs of some data want together.
    pub(crate) fn wanted(&self, world: &World, cid: &Cid, at: ChainEpoch) -> Option<Wanted> {
        let views: Vec<AggregatorView> = world.services.iter().map(|s| s.view()).collect();
        combine(self.jobs_of(cid), &views, at)
    }

    /// One job.
    pub(crate) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(crate) fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// All orders of some data, in the order in which they were first kept.
    pub(crate) fn orders_of(&self, cid: &Cid) -> impl Iterator<Item = &Order> {
        let ids = self.orders_by_cid.get(cid).into_iter().flatten();
        ids.filter_map(|id| self.orders.get(id))
    }

    /// Those that were sent, or may have been, and of which nothing has come yet.
    pub(crate) fn under_way(&self, cid: &Cid) -> impl Iterator<Item = &Order> {
        self.orders_of(cid)
            .filter(|order| matches!(order.state, OrderState::Sending | OrderState::Sent { .. }))
    }

    pub(crate) fn trail(&self, cid: &Cid, deal: DealId) -> Option<&Trail> {
        self.trails.get(&(*cid, deal))
    }

    pub(crate) fn fruitless(&self, cid: &Cid) -> Fruitless {
        self.fruitless.get(cid).copied().unwrap_or_default()
    }
}
