//! A pass over what is due: observe, plan, record, act.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use cid::Cid;
use raas_core::{Observation, Plan, Step, explain, plan};
use raas_job_store::{Change, DueJob, JobRecord, StoredJob, Versioned};
use raas_types::{ChainEpoch, JobId, Order, OrderState, Tipset};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    ContractView, LookRecord, Node, PassReport,
    endpoints::Election,
    observe::Observed,
    orders::{Intent, unsent},
    readings::Readings,
    subject::Subject,
    transactions::Writing,
};

/// Rounds of one pass at most: each takes a batch of what is due. What fetching makes due again
/// comes in a later round of the same pass.
const MAX_ROUNDS: usize = 10_000;

/// Jobs of one round: 50 000 names of some 100 bytes are 5 MB.
const ROUND: usize = 50_000;

/// Batches that are observed ahead of the one that is decided about: while one asks for its deals, the
/// other asks for its sectors.
const AHEAD: usize = 2;

/// How far a pass has come.
#[derive(Default)]
struct Progress {
    /// How often each CID was looked at.
    seen: BTreeMap<Cid, u32>,
    /// Jobs that are still due after as many looks as one pass takes.
    stuck: usize,
    /// Jobs that cannot be read, which were told of.
    unreadable: BTreeSet<String>,
}

impl Progress {
    /// The CIDs to look at among what is due.
    fn next(
        &mut self,
        due: Vec<raas_job_store::Result<DueJob>>,
        report: &mut PassReport,
    ) -> Vec<Cid> {
        let (mut jobs, mut unreadable) = (Vec::new(), 0);
        for job in due {
            match job {
                Ok(job) => jobs.push(job.cid),
                Err(error) => {
                    unreadable += 1;
                    if self.unreadable.insert(error.to_string()) {
                        report.error(error);
                    }
                }
            }
        }
        let times = |cid: &Cid| self.seen.get(cid).copied().unwrap_or(0);
        report.jobs += jobs.iter().filter(|cid| times(cid) == 0).count() as u64;
        self.stuck = unreadable + jobs.iter().filter(|cid| times(cid) >= 2).count();
        let cids: BTreeSet<Cid> = jobs.into_iter().filter(|cid| times(cid) < 2).collect();
        for cid in &cids {
            *self.seen.entry(*cid).or_default() += 1;
        }
        cids.into_iter().collect()
    }
}

impl Node {
    /// Everything between the gate and the report.
    pub(crate) async fn pass_at(&self, election: Election, report: &mut PassReport) {
        let Election { pin, readers, .. } = election;
        let readings = Arc::new(Readings::new(pin.clone(), readers));
        let pin = &pin;
        report.epoch = Some(pin.epoch);
        self.collect(report);
        let since = self.next_transfer();
        if let Err(error) = self.follow_orders(pin).await {
            report.error(error);
        }
        self.settle(since, report).await;
        if let Err(error) = self.follow_transactions(pin, report).await {
            report.error(error);
        }
        let mut progress = Progress::default();
        for _ in 0..MAX_ROUNDS {
            match self.round(pin, &mut progress, &readings, report).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    report.error(error);
                    break;
                }
            }
        }
        for (endpoint, answered) in readings.answered() {
            self.endpoints().note(&endpoint, answered);
        }
    }

    /// One round over what is due, in batches: while one is decided about, the next ones are observed.
    /// Returns whether there may be more; a CID is looked at twice in one pass at the most, the second
    /// time with the bytes that the first one fetched.
    async fn round(
        &self,
        pin: &Tipset,
        progress: &mut Progress,
        readings: &Arc<Readings>,
        report: &mut PassReport,
    ) -> raas_job_store::Result<bool> {
        // What stays due whatever is done stands at the front for ever: look past as many.
        let limit = ROUND.saturating_add(progress.stuck);
        let due = self.store().due_jobs(pin.epoch, limit).await?;
        let is_full = due.len() == limit;
        let looks = progress.next(due, report);
        readings.trim();
        let mut batches = looks.chunks(self.settings().batch.max(1));
        let mut ahead = VecDeque::new();
        loop {
            ahead.extend(batches.by_ref().take(AHEAD - ahead.len()).map(|cids| {
                // What someone works on is looked at when they are done: it stays due.
                let claims = cids.iter().filter_map(|cid| self.claim(cid)).collect();
                let (node, readings) = (self.clone(), Arc::clone(readings));
                let observed = async move { node.observe(claims, &readings).await };
                AbortOnDropHandle::new(tokio::spawn(observed))
            }));
            let Some(next) = ahead.pop_front() else { break };
            match next.await {
                Ok(Observed { subjects, read, errors }) => {
                    report.cids += subjects.len() as u64;
                    report.read(read);
                    errors.into_iter().for_each(|error| report.error(error));
                    self.decide(subjects, pin, readings, report).await;
                }
                Err(error) => report.error(format!("a batch was not observed: {error}")),
            }
        }
        Ok(!looks.is_empty() || is_full)
    }

    /// Plans each CID, anew where the plan would spend money on what is not beyond doubt; records what
    /// was seen and decided; then acts on all plans, the most urgent first.
    async fn decide(
        &self,
        mut subjects: Vec<Subject>,
        pin: &Tipset,
        readings: &Readings,
        report: &mut PassReport,
    ) {
        let since = self.next_transfer();
        let mut intents = Vec::new();
        let mut writings = Vec::new();
        let views = self.aggregator_views();
        let plan_for = |subject: &Subject| {
            let seen = subject.observation(&views, pin);
            (plan(&subject.job_views(self), &seen), seen)
        };
        let mut plans: Vec<_> = subjects.iter().map(plan_for).collect();
        let spends: Vec<_> = plans.iter().map(|(plan, _)| plan.spends_on_verdicts()).collect();
        let with = subjects.iter_mut().zip(&spends);
        let mut spending: Vec<_> = with.filter(|(_, spends)| **spends).map(|(s, _)| s).collect();
        self.verify(&mut spending, readings, report).await;
        let with = subjects.iter().zip(&mut plans).zip(&spends);
        with.filter(|(_, spends)| **spends).for_each(|((s, planned), _)| *planned = plan_for(s));

        let looks: Vec<_> = subjects.into_iter().zip(plans).map(Look::from).collect();
        for look in self.record(looks, pin, report).await {
            let Look { subject, plan, .. } = look;
            // It is told once.
            self.fetched().remove(&subject.cid);
            intents.extend(Intent::of(&subject, &plan));
            writings.extend(Writing::of(&subject, &plan));
            if plan.steps.contains(&Step::Fetch) {
                let memories = subject.memories.into_values().collect();
                self.fetch_beside(subject.cid, memories, subject.claim, pin.epoch);
            }
        }
        intents.sort_by_key(|intent| std::cmp::Reverse(intent.urgency));
        self.order_beside(intents, pin, report).await;
        self.write_all(writings, pin, report).await;
        self.settle(since, report).await;
    }

    /// Makes durable what was seen, decided, and when to look again. All at once; where a client
    /// changed a job meanwhile or one row is refused, each by itself. Returns those that were kept: the
    /// others are due still, and looked at anew.
    async fn record(&self, looks: Vec<Look>, pin: &Tipset, report: &mut PassReport) -> Vec<Look> {
        for Look { subject, .. } in &looks {
            subject.changes().into_iter().for_each(|event| report.event(event));
            self.alerts().looked(&subject.cid, subject.alerts(), Some(pin.epoch));
        }
        let mut all = Change::default();
        looks.iter().for_each(|look| look.add_to(&mut all, self, pin));
        if self.store().commit(&all).await.is_ok() {
            return looks;
        }
        let mut kept = Vec::with_capacity(looks.len());
        for look in looks {
            let mut change = Change::default();
            look.add_to(&mut change, self, pin);
            match self.store().commit(&change).await {
                Ok(()) => kept.push(look),
                Err(raas_job_store::Error::Stale(_)) => {}
                Err(error) => report.error(format!("{}: {error}", look.subject.cid)),
            }
        }
        kept
    }

    /// Has the jobs of a CID looked at again as soon as can be.
    pub(crate) async fn wake_cid(&self, cid: &Cid) -> raas_job_store::Result<()> {
        for stored in self.store().jobs_of(cid).await? {
            self.store().wake(&stored.value.job.id).await?;
        }
        Ok(())
    }

    /// Has the jobs of a CID looked at again at `at` and not before, unless someone wakes them.
    pub(crate) async fn put_off(&self, cid: &Cid, at: ChainEpoch) -> raas_job_store::Result<()> {
        for mut stored in self.store().jobs_of(cid).await? {
            let record = &mut stored.value.record;
            if record.next_look.is_none_or(|next| next == at) {
                continue;
            }
            record.next_look = Some(at);
            match self.store().update_job(&stored).await {
                // Whoever changed it meanwhile has seen to its next look.
                Ok(_) | Err(raas_job_store::Error::Stale(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What was seen of one CID and decided about it.
struct Look {
    subject: Subject,
    plan: Plan,
    words: Vec<String>,
}

impl From<(Subject, (Plan, Observation))> for Look {
    fn from((subject, (plan, seen)): (Subject, (Plan, Observation))) -> Self {
        let words = explain(&plan, &seen);
        Self { subject, plan, words }
    }
}

impl Look {
    /// Adds to `change` all that this look leaves behind: memories, jobs with their next look, and
    /// orders that were decided earlier, never sent, and are no longer wanted.
    fn add_to(&self, change: &mut Change, node: &Node, pin: &Tipset) {
        let Self { subject, plan, words } = self;
        let fetched = node.fetched().get(&subject.cid).cloned();
        let contract = ContractView::of(&subject.listing);
        let last_plan = LookRecord::encode(pin.epoch, plan, words, &contract, fetched.as_ref());
        change.jobs.extend(subject.jobs.iter().map(|Versioned { value, version }| {
            let mut job = value.job.clone();
            let found = found_by(plan, &job.id);
            job.found = job.found.or(found);
            job.registered.get_or_insert(pin.epoch);
            let record = JobRecord {
                // A job that just learned what it keeps is planned for at once.
                next_look: found.is_none().then_some(plan.next_look),
                submission: value.record.submission,
                last_plan: Some(last_plan.clone()),
            };
            Versioned { value: StoredJob { job, record }, version: *version }
        }));
        change.memories.extend(subject.changed().map(|memory| (subject.cid, memory.clone())));
        // One for an aggregator that is away waits for it; the plan does not ask for it meanwhile.
        let is_away = |order: &Order| {
            node.away_until(&order.aggregator).is_some_and(|until| pin.epoch < until)
        };
        let unwanted =
            unsent(subject).filter(|order| !Intent::wants(plan, order) && !is_away(order)).cloned();
        change.orders.extend(unwanted.map(|mut order| {
            order.state = OrderState::Withdrawn { at: pin.epoch };
            order
        }));
    }
}

fn found_by(plan: &Plan, id: &JobId) -> Option<u32> {
    plan.steps.iter().find_map(|step| match step {
        Step::NoteFound { job, found } if job == id => Some(*found),
        _ => None,
    })
}
