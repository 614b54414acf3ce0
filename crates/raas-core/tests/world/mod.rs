//! Builders for the planner's tests: a world of one CID, told in a few words.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;

use raas_core::{
    AggregatorView, DataView, JobView, Observation, Plan, Replica, Step, Urgency, plan,
};
use raas_types::{
    AggregatorName, Cause, ChainEpoch, Cid, DealId, EpochDelta, FaultSince, Grouping, Job, JobId,
    Order, OrderId, OrderState, Placement, ProviderBook, ProviderFacts, ProviderId, Renewal,
    Repair, Replication, Terms, Ticket, Trust, Unknown, Verdict,
};

pub(crate) const NOW: ChainEpoch = ChainEpoch::new(6_300_000);
pub(crate) const MONTH: EpochDelta = EpochDelta::days(30);
pub(crate) const DURATION: EpochDelta = EpochDelta::MIN_DEAL_DURATION;

pub(crate) fn cid() -> Cid {
    Cid::try_from("bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4").expect("a CID")
}

pub(crate) fn terms(target: u32) -> Terms {
    Terms {
        replication: Some(Replication::around(target)),
        renewal: Some(Renewal { threshold: MONTH }),
        repair: Some(Repair { threshold: EpochDelta::DAY }),
        ..Terms::default()
    }
}

pub(crate) fn job_with(id: &str, terms: Terms) -> JobView {
    let job = Job { id: JobId::new(id), cid: cid(), terms, registered: Some(NOW), found: None };
    JobView { job, submission: None, announcing: false, recording: BTreeSet::new(), records: false }
}

pub(crate) fn job(target: u32) -> Vec<JobView> {
    vec![job_with("job", terms(target))]
}

pub(crate) fn lighthouse() -> AggregatorView {
    AggregatorView {
        name: AggregatorName::new("lighthouse"),
        idempotent: false,
        copies: 1,
        latency: EpochDelta::DAY,
        deal_duration: DURATION,
        unavailable_until: None,
    }
}

/// An aggregator that tells orders apart, so that several may be outstanding.
pub(crate) fn keyed() -> AggregatorView {
    AggregatorView { name: AggregatorName::new("keyed"), idempotent: true, ..lighthouse() }
}

pub(crate) fn seen(replicas: Vec<Replica>) -> Observation {
    Observation {
        cid: cid(),
        at: NOW,
        replicas,
        orders: Vec::new(),
        aggregators: vec![keyed()],
        providers: ProviderBook::new(),
        data: DataView::Local,
        missing_evidence: Vec::new(),
    }
}

/// The provider of deal `n`: `1000 + n`.
pub(crate) fn provider(n: u64) -> ProviderId {
    ProviderId::new(1000 + n)
}

pub(crate) fn providers<const N: usize>(of: [u64; N]) -> BTreeSet<ProviderId> {
    of.into_iter().map(provider).collect()
}

/// Deal `n` on provider `1000 + n`.
pub(crate) fn replica(n: u64, verdict: Verdict) -> Replica {
    Replica {
        deal: DealId::new(n),
        provider: provider(n),
        verdict,
        confirmed: true,
        next_read: None,
        proven: true,
        replaces: None,
        listed: true,
        recordable: true,
    }
}

pub(crate) fn active_until(end: ChainEpoch) -> Verdict {
    Verdict::Active { end }
}

/// Active, its end far away.
pub(crate) fn active(n: u64) -> Replica {
    replica(n, active_until(NOW + DURATION))
}

/// Active, ending in `left`.
pub(crate) fn ending(n: u64, left: EpochDelta) -> Replica {
    replica(n, active_until(NOW + left))
}

/// Unproven for `span`.
pub(crate) fn faulty(n: u64, span: EpochDelta) -> Replica {
    let since = FaultSince::Exact(NOW - span);
    replica(n, Verdict::Faulty { since, end: NOW + DURATION })
}

pub(crate) fn unknown(n: u64) -> Replica {
    replica(n, Verdict::Unknown { why: Unknown::Deal("time-out".to_owned()) })
}

pub(crate) fn order(n: u64, cause: Cause, aggregator: &AggregatorView) -> Order {
    Order {
        id: OrderId::new(format!("order-{n}")),
        cid: cid(),
        aggregator: aggregator.name.clone(),
        cause,
        known_deals: BTreeSet::new(),
        exclude: BTreeSet::new(),
        prefer: BTreeSet::new(),
        bytes: None,
        made: Vec::new(),
        created: NOW,
        state: OrderState::Sent { ticket: Ticket("ticket".to_owned()) },
    }
}

/// What the plan orders, by cause.
pub(crate) fn ordered(plan: &Plan) -> Vec<Cause> {
    let cause = |step: &Step| match step {
        Step::Order { cause, .. } => Some(*cause),
        _ => None,
    };
    plan.steps.iter().filter_map(cause).collect()
}

pub(crate) fn causes(jobs: &[JobView], seen: &Observation) -> Vec<Cause> {
    ordered(&plan(jobs, seen))
}

pub(crate) fn repair(deal: u64) -> Cause {
    Cause::Repair { deal: DealId::new(deal) }
}

pub(crate) fn renewal(deal: u64) -> Cause {
    Cause::Renewal { deal: DealId::new(deal) }
}

/// The observation after the plan's orders were recorded.
pub(crate) fn after_ordering(seen: &Observation, plan: &Plan) -> Observation {
    let mut next = seen.clone();
    for (n, step) in (next.orders.len() as u64..).zip(&plan.steps) {
        if let Step::Order { aggregator, cause, .. } = step {
            let view = seen.aggregators.iter().find(|a| a.name == *aggregator);
            let order = order(n, *cause, view.expect("a known aggregator"));
            next.orders.push(Order { created: seen.at, ..order });
        }
    }
    next
}

pub(crate) fn trusting(mut terms: Terms) -> Terms {
    terms.trust = Trust::Contract;
    terms
}

/// `replica`, on the provider of deal `n`.
pub(crate) fn beside(n: u64, replica: Replica) -> Replica {
    Replica { provider: provider(n), ..replica }
}

/// `new`, ordered to take the place of deal `old`.
pub(crate) fn replacing(old: u64, new: Replica) -> Replica {
    Replica { replaces: Some(DealId::new(old)), ..new }
}

/// An order that landed deal `n` on its provider.
pub(crate) fn landed(n: u64, at: ChainEpoch) -> Order {
    let state = OrderState::Landed { deal: DealId::new(n), provider: provider(n), at };
    Order { state, created: at, ..order(n, Cause::Replication, &keyed()) }
}

/// An order of which no deal came.
pub(crate) fn failed(n: u64, at: ChainEpoch) -> Order {
    let state = OrderState::Failed { reason: "no deal came of it".to_owned(), at };
    Order { state, created: at, ..order(n, Cause::Replication, &keyed()) }
}

/// Facts that put a provider in one group.
pub(crate) fn in_group(by: Grouping, name: &str) -> ProviderFacts {
    let mut facts = ProviderFacts::default();
    *match by {
        Grouping::Owner => &mut facts.owner,
        Grouping::Organisation => &mut facts.organisation,
        Grouping::Country => &mut facts.country,
    } = Some(name.to_owned());
    facts
}

/// The providers of these deals, each in the group named.
pub(crate) fn book(by: Grouping, groups: &[(u64, &str)]) -> ProviderBook {
    groups.iter().map(|(n, name)| (provider(*n), in_group(by, name))).collect()
}

/// At most `cap` replicas of one kind.
pub(crate) fn capped(by: Grouping, cap: u32) -> Placement {
    let mut placement = Placement::default();
    *match by {
        Grouping::Owner => &mut placement.per_owner,
        Grouping::Organisation => &mut placement.per_organisation,
        Grouping::Country => &mut placement.per_country,
    } = Some(cap);
    placement
}

/// A job for `target` replicas, placed so.
pub(crate) fn placed(target: u32, placement: Placement) -> Vec<JobView> {
    vec![job_with("job", Terms { placement, ..terms(target) })]
}

/// A job that keeps the `found` replicas that it found, placed so.
pub(crate) fn keeping(found: u32, placement: Placement) -> Vec<JobView> {
    let mut job = job_with("keep", Terms { replication: None, placement, ..terms(1) });
    job.job.found = Some(found);
    vec![job]
}

/// What the plan leaves out and prefers, for each order.
pub(crate) fn choices(plan: &Plan) -> Vec<(BTreeSet<ProviderId>, BTreeSet<ProviderId>)> {
    let choice = |step: &Step| match step {
        Step::Order { exclude, prefer, .. } => Some((exclude.clone(), prefer.clone())),
        _ => None,
    };
    plan.steps.iter().filter_map(choice).collect()
}

/// What each order leaves out.
pub(crate) fn excluded(jobs: &[JobView], seen: &Observation) -> Vec<BTreeSet<ProviderId>> {
    choices(&plan(jobs, seen)).into_iter().map(|(exclude, _)| exclude).collect()
}

/// How much each order matters.
pub(crate) fn urgencies(jobs: &[JobView], seen: &Observation) -> Vec<Urgency> {
    let urgency = |step: &Step| match step {
        Step::Order { urgency, .. } => Some(*urgency),
        _ => None,
    };
    plan(jobs, seen).steps.iter().filter_map(urgency).collect()
}
