//! Bugs of the planner: what it sees, or what it decides, is bent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use raas_core::{JobView, Observation, Plan, Replica, Step};
use raas_runtime::Planner;
use raas_types::{
    DealId, EpochDelta, FaultSince, Job, OrderState, ProviderId, Replication, Verdict,
};

use super::Plant;

/// What the made-up provider of a deal is numbered from: above all that a world has.
const MADE_UP: u64 = 1 << 40;

/// What stands in each of the reasons for which spending stops (`raas_core::Implausible`).
const STOPPED: &str = "lost within a day";

/// A planner with a bug.
#[derive(Debug)]
pub(super) struct Planted {
    plant: Plant,
    inner: Arc<dyn Planner>,
    plans: AtomicU64,
}

impl Planted {
    pub(super) fn new(plant: Plant, inner: Arc<dyn Planner>) -> Self {
        Self { plant, inner, plans: AtomicU64::new(0) }
    }
}

impl Planner for Planted {
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
        let mut bent_jobs = jobs.to_vec();
        for view in &mut bent_jobs {
            bend_terms(self.plant, seen, &mut view.job);
        }
        let mut bent = seen.clone();
        bend_sight(self.plant, &mut bent);
        let mut plan = self.inner.plan(&bent_jobs, &bent);
        bend_plan(self.plant, seen, &mut plan);
        if self.plant == Plant::Wavers && self.plans.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            plan.next_look = plan.next_look + EpochDelta::new(1);
        }
        plan
    }
}

/// What is asked for is not what the planner reads.
fn bend_terms(plant: Plant, seen: &Observation, job: &mut Job) {
    let terms = &mut job.terms;
    if let Some(Replication { target, min, max }) = &mut terms.replication {
        match plant {
            Plant::TargetAsMin => *target = *min,
            Plant::OneTooMany => (*target, *max) = (*target + 1, *max + 1),
            Plant::MaxIgnored => *max = u32::MAX,
            Plant::SurplusRenewed => {
                *target = living(seen).max(*target);
                *max = (*max).max(*target);
            }
            _ => {}
        }
    }
    if let (Plant::RenewedTooLate, Some(renewal)) = (plant, &mut terms.renewal) {
        renewal.threshold = EpochDelta::new(1);
    }
}

/// What is there is not what the planner sees.
fn bend_sight(plant: Plant, seen: &mut Observation) {
    let at = seen.at;
    match plant {
        Plant::PendingNotCounted => {
            seen.replicas.retain(|r| !matches!(r.verdict, Verdict::Pending { .. }));
        }
        Plant::OrdersNotCounted => seen.orders.retain(|order| !order.is_outstanding()),
        Plant::FailuresForgotten => {
            seen.orders.retain(|order| !matches!(order.state, OrderState::Failed { .. }));
        }
        Plant::EvidenceNotAwaited => seen.missing_evidence.retain(|what| what.contains(STOPPED)),
        Plant::BreakerIgnored => seen.missing_evidence.retain(|what| !what.contains(STOPPED)),
        _ => {}
    }
    let living: BTreeSet<_> =
        seen.replicas.iter().filter(|r| !r.verdict.is_over()).map(|r| r.deal).collect();
    for replica in &mut seen.replicas {
        match (plant, &mut replica.verdict) {
            (Plant::UnknownAsLost, Verdict::Unknown { .. }) => {
                (replica.verdict, replica.confirmed) = (Verdict::Gone, true);
            }
            (Plant::ProviderCountedTwice, _) => replica.provider = made_up(replica.deal),
            (Plant::FirstFaultRepaired, Verdict::Faulty { since, .. }) => {
                *since = FaultSince::Observed(at - EpochDelta::YEAR);
            }
            (Plant::NoSecondLook, verdict) => {
                let lost = verdict.is_over() || matches!(verdict, Verdict::Faulty { .. });
                replica.confirmed |= lost;
            }
            (Plant::NewbornRenewed, Verdict::Active { end })
                if replica.replaces.is_some_and(|old| !living.contains(&old)) =>
            {
                *end = at + EpochDelta::new(1);
            }
            (Plant::ListingBelieved, verdict) if replica.listed => {
                *verdict = Verdict::Active { end: at + EpochDelta::YEAR };
            }
            (Plant::FaultsForgiven, Verdict::Faulty { end, .. }) => {
                replica.verdict = Verdict::Active { end: *end };
            }
            _ => {}
        }
    }
}

/// What is done is not what was decided.
fn bend_plan(plant: Plant, seen: &Observation, plan: &mut Plan) {
    match plant {
        Plant::SlotFilledTwice => {
            let again: Vec<_> =
                plan.steps.iter().filter(|s| matches!(s, Step::Order { .. })).cloned().collect();
            plan.steps.extend(again);
        }
        Plant::NobodyLeftOut => each_exclusion(plan, |exclude| exclude.clear()),
        Plant::ProviderCountedTwice => {
            let true_names: BTreeMap<_, _> =
                seen.replicas.iter().map(|r| (made_up(r.deal), r.provider)).collect();
            each_exclusion(plan, |exclude| {
                let named = |provider| true_names.get(provider).copied().unwrap_or(*provider);
                *exclude = exclude.iter().map(named).collect();
            });
        }
        _ => {}
    }
}

fn each_exclusion(plan: &mut Plan, bend: impl Fn(&mut BTreeSet<ProviderId>)) {
    for step in &mut plan.steps {
        if let Step::Order { exclude, .. } = step {
            bend(exclude);
        }
    }
}

/// How many replicas live that nothing has replaced.
fn living(seen: &Observation) -> u32 {
    let replaced: BTreeSet<_> = seen.replicas.iter().filter_map(|r| r.replaces).collect();
    let lives = |r: &&Replica| {
        let alive = matches!(r.verdict, Verdict::Active { .. } | Verdict::Faulty { .. });
        alive && r.proven && !replaced.contains(&r.deal)
    };
    let providers: BTreeSet<_> = seen.replicas.iter().filter(lives).map(|r| r.provider).collect();
    u32::try_from(providers.len()).unwrap_or(u32::MAX)
}

fn made_up(deal: DealId) -> ProviderId {
    ProviderId::new(MADE_UP + deal.get())
}
