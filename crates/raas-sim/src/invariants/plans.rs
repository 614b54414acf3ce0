//! A planner that watches another: that it decides the same again, orders what it ordered no second
//! time, and leaves what is satisfied alone.

use std::{collections::BTreeSet, fmt, sync::Arc};

use raas_core::{JobView, Observation, Plan, Step, combine};
use raas_runtime::Planner;
use raas_types::{Order, OrderId, OrderState, Ticket, Verdict};

use super::Invariant;
use crate::{ports::Scene, rng::mix};

/// Watches a planner.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn Planner>,
    pub(crate) scene: Arc<Scene>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Planner for Watched {
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
        let plan = self.inner.plan(jobs, seen);
        {
            let world = &mut *self.scene.world();
            let (at, datum) = (world.now, world.datum_of(&seen.cid).unwrap_or(0));
            let reasons = || plan.reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
            world.chronicle.explain(at, datum, || format!("planned: {}", reasons().join(" ")));
        }
        if let Some((invariant, words)) = broken(self.inner.as_ref(), jobs, seen, &plan) {
            let world = self.scene.world();
            let datum = world.datum_of(&seen.cid).unwrap_or(0);
            self.scene.watch().broken(invariant, world.now, datum, words);
        }
        plan
    }
}

/// What a plan breaks, if anything.
fn broken(
    planner: &dyn Planner,
    jobs: &[JobView],
    seen: &Observation,
    plan: &Plan,
) -> Option<(Invariant, String)> {
    let orders =
        |plan: &Plan| plan.steps.iter().filter(|s| matches!(s, Step::Order { .. })).count();
    // Most plans order nothing: of those some are made again.
    let again = orders(plan) > 0 || mix(seen.at.get().unsigned_abs()).is_multiple_of(8);
    if again && planner.plan(jobs, seen) != *plan {
        return Some((Invariant::SamePlan, format!("another plan than {:?}", plan.steps)));
    }
    if orders(plan) == 0 {
        return None;
    }
    if is_satisfied(jobs, seen) {
        return Some((Invariant::SatisfiedIsEmpty, format!("{:?}", plan.steps)));
    }
    let mut later = seen.clone();
    later.orders.extend(ordered(seen, plan));
    let more = planner.plan(jobs, &later);
    (orders(&more) > 0)
        .then(|| (Invariant::PlannedOnce, format!("{:?}, and then {:?}", plan.steps, more.steps)))
}

/// The orders of a plan, as they stand once they are sent.
fn ordered(seen: &Observation, plan: &Plan) -> Vec<Order> {
    let order = |(n, step): (usize, &Step)| match step {
        Step::Order { aggregator, cause, exclude, .. } => Some(Order {
            id: OrderId::new(format!("again-{n}")),
            cid: seen.cid,
            aggregator: aggregator.clone(),
            cause: *cause,
            known_deals: BTreeSet::new(),
            exclude: exclude.clone(),
            prefer: BTreeSet::new(),
            bytes: None,
            made: Vec::new(),
            created: seen.at,
            state: OrderState::Sent { ticket: Ticket(String::new()) },
        }),
        _ => None,
    };
    plan.steps.iter().enumerate().filter_map(order).collect()
}

/// Whether as many providers as are wanted prove the data, and will for longer than the renewal window.
fn is_satisfied(jobs: &[JobView], seen: &Observation) -> bool {
    let Some(wanted) = combine(jobs.iter().map(|view| &view.job), &seen.aggregators, seen.at)
    else {
        return true;
    };
    let window = wanted.renewal.unwrap_or_default();
    let lasting = seen.replicas.iter().filter(|replica| {
        let vouched = replica.proven || (wanted.trusts_contract && replica.listed);
        let lasts =
            matches!(replica.verdict, Verdict::Active { end } if end.since(seen.at) > window);
        vouched && lasts
    });
    let providers: BTreeSet<_> = lasting.map(|replica| replica.provider).collect();
    wanted.target.is_none_or(|target| providers.len() as u32 >= target)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use raas_core::{AggregatorView, DataView, Replica};
    use raas_runtime::CorePlanner;
    use raas_types::{
        AggregatorName, ChainEpoch, Cid, DealId, EpochDelta, Job, JobId, ProviderBook, ProviderId,
        Replication, Terms,
    };

    use super::*;

    /// A planner that breaks one of its promises.
    #[derive(Debug)]
    enum Bad {
        /// It does not see what is outstanding.
        ForgetsOrders,
        /// It does not see what is there.
        ForgetsReplicas,
        /// It decides otherwise the second time.
        Wavers(AtomicU64),
    }

    impl Planner for Bad {
        fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
            let mut seen = seen.clone();
            match self {
                Self::ForgetsOrders => seen.orders.clear(),
                Self::ForgetsReplicas => seen.replicas.clear(),
                Self::Wavers(times) => {
                    let times = times.fetch_add(1, Ordering::Relaxed);
                    seen.at = seen.at + EpochDelta::new(times as i64);
                }
            }
            CorePlanner.plan(jobs, &seen)
        }
    }

    /// A job for two replicas, of which there are so many.
    fn seen(replicas: u64) -> ([JobView; 1], Observation) {
        let cid = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, &[1]).expect("short"));
        let replication = Some(Replication::around(2));
        let terms = Terms { replication, ..Terms::default() };
        let job = Job { id: JobId::new("job"), cid, terms, registered: None, found: None };
        let recording = BTreeSet::new();
        let view = JobView { job, submission: None, announcing: false, recording, records: false };
        let end = ChainEpoch::new(1_000_000);
        let replica = |n| Replica {
            deal: DealId::new(n),
            provider: ProviderId::new(n),
            verdict: Verdict::Active { end },
            confirmed: false,
            next_read: None,
            proven: true,
            replaces: None,
            listed: false,
            recordable: false,
        };
        let aggregator = AggregatorView {
            name: AggregatorName::new("first"),
            idempotent: true,
            copies: 1,
            latency: EpochDelta::DAY,
            deal_duration: EpochDelta::YEAR,
            unavailable_until: None,
        };
        let observation = Observation {
            cid,
            at: ChainEpoch::new(1_000),
            replicas: (0..replicas).map(replica).collect(),
            orders: Vec::new(),
            aggregators: vec![aggregator],
            providers: ProviderBook::new(),
            data: DataView::Local,
            missing_evidence: Vec::new(),
        };
        ([view], observation)
    }

    fn breaks(planner: &dyn Planner, replicas: u64) -> Option<Invariant> {
        let (jobs, seen) = seen(replicas);
        let plan = planner.plan(&jobs, &seen);
        broken(planner, &jobs, &seen, &plan).map(|(invariant, _)| invariant)
    }

    #[test]
    fn a_planner_that_breaks_a_promise_is_seen() {
        assert_eq!(breaks(&Bad::ForgetsOrders, 1), Some(Invariant::PlannedOnce));
        assert_eq!(breaks(&Bad::ForgetsReplicas, 2), Some(Invariant::SatisfiedIsEmpty));
        assert_eq!(breaks(&Bad::Wavers(AtomicU64::new(0)), 1), Some(Invariant::SamePlan));
        for replicas in 0..3 {
            assert_eq!(breaks(&CorePlanner, replicas), None);
        }
    }
}
