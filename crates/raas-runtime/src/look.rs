//! A look: what was seen of one CID, what was decided about it, and what that leaves in the store.

use raas_core::{AggregatorView, MAX_AGE, Plan, Step};
use raas_job_store::{Change, JobRecord, StoredJob, Versioned};
use raas_types::{JobId, Order, OrderState, Tipset};

use crate::{
    AlertCode, ContractView, Event, LookRecord, Node,
    orders::{Intent, unsent},
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
        let seen = subject.observation(views, pin);
        let plan = node.planner().plan(&subject.job_views(node), &seen);
        let (events, alerts) = (subject.changes(), subject.alerts());
        let change = Some(left_by(&subject, &plan, node, pin));
        Self { subject, plan, events, alerts, change }
    }

    /// What it leaves in the store.
    pub(crate) fn change(&mut self, node: &Node, pin: &Tipset) -> Change {
        self.change.take().unwrap_or_else(|| left_by(&self.subject, &self.plan, node, pin))
    }
}

/// Memories, jobs with their next look, and orders that were decided earlier, never sent, and are no
/// longer wanted.
fn left_by(subject: &Subject, plan: &Plan, node: &Node, pin: &Tipset) -> Change {
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
        ..Change::default()
    }
}

fn found_by(plan: &Plan, id: &JobId) -> Option<u32> {
    plan.steps.iter().find_map(|step| match step {
        Step::NoteFound { job, found } if job == id => Some(*found),
        _ => None,
    })
}
