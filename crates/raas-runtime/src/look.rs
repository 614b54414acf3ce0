//! A look: what was seen of one CID, what was decided about it, and what that leaves in the store.

use std::collections::BTreeSet;

use raas_core::{AggregatorView, JobView, MAX_AGE, Observation, Plan, Reason, Step};
use raas_job_store::{Change, Decision, JobRecord, StoredJob, Versioned};
use raas_types::{
    Grouping, JobId, Order, OrderState, ProviderBook, ProviderFacts, ProviderId, Tipset,
};

use crate::{
    AlertCode, ContractView, Decided, Event, LookRecord, Node,
    orders::{Intent, RETRY, unsent},
    readings::Read,
    subject::Subject,
};

/// A batch of looks, before anything comes of them.
pub(crate) struct Looks {
    pub(crate) looks: Vec<Look>,
    pub(crate) read: Read,
    /// CIDs that could not be looked at, and why.
    pub(crate) errors: Vec<String>,
}

/// What was seen of one CID and decided about it.
pub(crate) struct Look {
    pub(crate) subject: Subject,
    pub(crate) plan: Plan,
    /// What it changed in what is known.
    pub(crate) events: Vec<Event>,
    /// What an operator should know: each with what it is about, and in words.
    pub(crate) alerts: Vec<(AlertCode, String, String)>,
    /// What the log keeps of it, where the plan does something.
    decision: Option<Decision>,
    /// What it leaves in the store, until that was taken.
    change: Option<Change>,
}

impl Look {
    /// Plans for a CID as it was observed.
    pub(crate) fn of(
        subject: Subject,
        node: &Node,
        views: &[AggregatorView],
        pin: &Tipset,
    ) -> Self {
        let mut seen = subject.observation(views, pin);
        let stopped = node.spending_stopped();
        seen.missing_evidence.extend(stopped.map(|tripped| tripped.why.to_string()));
        let jobs = subject.job_views(node);
        seen.providers = providers_about(&jobs, &seen, &node.provider_book());
        let plan = node.planner().plan(&jobs, &seen);
        let decision = Decided::entry(&jobs, &seen, &plan);
        let (events, alerts) = (subject.changes(), subject.alerts());
        let change = Some(left_by(&subject, &plan, decision.as_ref(), node, pin));
        Self { subject, plan, events, alerts, decision, change }
    }

    /// Whether all that comes of it is what it leaves in the store.
    pub(crate) fn is_idle(&self) -> bool {
        self.plan.steps.iter().all(|step| matches!(step, Step::NoteFound { .. }))
    }

    /// Puts its orders off: others are more urgent, and so many may be outstanding.
    pub(crate) fn put_off(&mut self, most: usize) {
        let Plan { at, steps, reasons, next_look } = &mut self.plan;
        steps.retain(|step| !matches!(step, Step::Order { .. }));
        reasons.retain(|reason| !matches!(reason, Reason::Ordering { .. }));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        reasons.push(Reason::WaitsForOthers { most });
        *next_look = *at + RETRY;
        // What waits is decided anew, and logged when something comes of it.
        if steps.is_empty() {
            self.decision = None;
        }
        self.change = None;
    }

    /// What it leaves in the store.
    pub(crate) fn change(&mut self, node: &Node, pin: &Tipset) -> Change {
        let again = || left_by(&self.subject, &self.plan, self.decision.as_ref(), node, pin);
        self.change.take().unwrap_or_else(again)
    }
}

/// What is known of the providers that hold the data; and, where the terms cap how many may be of a
/// kind, of all that are of their kinds.
fn providers_about(jobs: &[JobView], seen: &Observation, book: &ProviderBook) -> ProviderBook {
    if book.is_empty() {
        return ProviderBook::new();
    }
    let holders: BTreeSet<ProviderId> = seen.replicas.iter().map(|r| r.provider).collect();
    let capped =
        |by: &Grouping| jobs.iter().any(|view| view.job.terms.placement.cap(*by).is_some());
    let kinds: Vec<Grouping> = Grouping::ALL.into_iter().filter(capped).collect();
    let held: BTreeSet<_> = holders
        .iter()
        .filter_map(|provider| book.get(provider))
        .flat_map(|facts| kinds.iter().filter_map(|by| Some((*by, facts.group(*by)?))))
        .collect();
    let is_alike = |facts: &ProviderFacts| {
        kinds.iter().any(|by| facts.group(*by).is_some_and(|name| held.contains(&(*by, name))))
    };
    let about = book.iter().filter(|(id, facts)| holders.contains(*id) || is_alike(facts));
    about.map(|(id, facts)| (*id, facts.clone())).collect()
}

/// Memories, jobs with their next look, orders that were decided earlier, never sent, and are no longer
/// wanted, and the decision.
fn left_by(
    subject: &Subject,
    plan: &Plan,
    decision: Option<&Decision>,
    node: &Node,
    pin: &Tipset,
) -> Change {
    let fetched = node.fetched().get(&subject.cid).cloned();
    let contract = ContractView::of(&subject.listing);
    let last_plan = LookRecord::encode(pin.epoch, plan, &contract, fetched.as_ref());
    let latest = node.anchor() + MAX_AGE;
    let jobs = subject.jobs.iter().map(|Versioned { value, version }| {
        let mut job = value.job.clone();
        let found = found_by(plan, &job.id);
        job.found = job.found.or(found);
        job.registered.get_or_insert(node.dated(pin));
        let record = JobRecord {
            // A job that just learned what it keeps is planned for at once.
            next_look: found.is_none().then_some(plan.next_look.min(latest)),
            submission: value.record.submission,
            last_plan: Some(last_plan.clone()),
        };
        Versioned { value: StoredJob { job, record }, version: *version }
    });
    // One for an aggregator that is away waits for it; the plan does not ask for it meanwhile.
    let is_away =
        |order: &Order| node.away_until(&order.aggregator).is_some_and(|until| pin.epoch < until);
    let unwanted = unsent(subject).filter(|order| !Intent::wants(plan, order) && !is_away(order));
    let withdrawn = unwanted.cloned().map(|mut order| {
        order.state = OrderState::Withdrawn { at: node.dated(pin) };
        order
    });
    Change {
        memories: subject.changed().map(|memory| (subject.cid, memory.clone())).collect(),
        jobs: jobs.collect(),
        orders: withdrawn.collect(),
        decisions: decision.cloned().into_iter().collect(),
        ..Change::default()
    }
}

fn found_by(plan: &Plan, id: &JobId) -> Option<u32> {
    plan.steps.iter().find_map(|step| match step {
        Step::NoteFound { job, found } if job == id => Some(*found),
        _ => None,
    })
}
