//! A pass over what is due: observe, plan, record, act.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use raas_core::{Plan, Step, explain, plan};
use raas_job_store::{Change, StoredJob, Versioned};
use raas_types::{ChainEpoch, JobId, Order, OrderState, Tipset};

use crate::{
    ContractView, LookRecord, Node, PassReport,
    observe::Readings,
    orders::{Intent, unsent},
    subject::Subject,
    transactions::Writing,
};

/// Rounds of one pass at most: each takes a batch of what is due. What fetching makes due again
/// comes in a later round of the same pass.
const MAX_ROUNDS: usize = 10_000;

/// How far a pass has come.
#[derive(Default)]
struct Progress {
    /// How often each CID was looked at.
    seen: BTreeMap<Cid, u32>,
    /// Jobs that are still due after as many looks as one pass takes.
    stuck: usize,
    readings: Readings,
}

impl Progress {
    /// The CIDs to look at among what is due.
    fn next(&mut self, due: &[Versioned<StoredJob>], report: &mut PassReport) -> Vec<Cid> {
        let times = |cid: &Cid| self.seen.get(cid).copied().unwrap_or(0);
        let cid_of = |job: &Versioned<StoredJob>| job.value.job.cid;
        report.jobs += due.iter().filter(|job| times(&cid_of(job)) == 0).count() as u64;
        self.stuck = due.iter().filter(|job| times(&cid_of(job)) >= 2).count();
        let cids: BTreeSet<Cid> = due.iter().map(cid_of).filter(|cid| times(cid) < 2).collect();
        for cid in &cids {
            *self.seen.entry(*cid).or_default() += 1;
        }
        cids.into_iter().collect()
    }
}

impl Node {
    /// Everything between the gate and the report.
    pub(crate) async fn pass_at(&self, pin: &Tipset) -> PassReport {
        let mut report = PassReport { epoch: Some(pin.epoch), ..PassReport::default() };
        self.collect(&mut report);
        let since = self.next_transfer();
        if let Err(error) = self.follow_orders(pin).await {
            report.error(error);
        }
        self.settle(since, &mut report).await;
        if let Err(error) = self.follow_transactions(pin, &mut report).await {
            report.error(error);
        }
        let mut progress = Progress::default();
        for _ in 0..MAX_ROUNDS {
            match self.round(pin, &mut progress, &mut report).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    report.error(error);
                    break;
                }
            }
        }
        report
    }

    /// One batch of what is due. Returns whether there may be more; a CID is looked at twice in one
    /// pass at the most, the second time with the bytes that the first one fetched.
    async fn round(
        &self,
        pin: &Tipset,
        progress: &mut Progress,
        report: &mut PassReport,
    ) -> raas_job_store::Result<bool> {
        // What stays due whatever is done stands at the front for ever: look past as many.
        let limit = self.settings().batch.saturating_add(progress.stuck);
        let due = self.store().due(pin.epoch, limit).await?;
        let looks = progress.next(&due, report);
        // What someone works on is looked at when they are done: it stays due.
        let claims: Vec<_> = looks.iter().filter_map(|cid| self.claim(cid)).collect();
        let subjects = self.observe(claims, pin, &mut progress.readings, report).await;
        report.cids += subjects.len() as u64;
        self.decide(subjects, pin, report).await;
        Ok(!looks.is_empty() || due.len() == limit)
    }

    /// Plans each CID, records what was seen and decided, then acts on all plans, the most urgent
    /// first.
    async fn decide(&self, subjects: Vec<Subject>, pin: &Tipset, report: &mut PassReport) {
        let since = self.next_transfer();
        let mut intents = Vec::new();
        let mut writings = Vec::new();
        for subject in subjects {
            let seen = subject.observation(self, pin);
            let plan = plan(&subject.job_views(self), &seen);
            match self.record(&subject, &plan, explain(&plan, &seen), pin).await {
                Ok(()) => {}
                // A client changed the job meanwhile: it is due still, and looked at anew.
                Err(raas_job_store::Error::Stale(_)) => continue,
                Err(error) => {
                    report.error(format!("{}: {error}", subject.cid));
                    continue;
                }
            }
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

    /// Makes durable what was seen and when to look again; orders decided earlier, never sent, and
    /// no longer wanted are withdrawn.
    async fn record(
        &self,
        subject: &Subject,
        plan: &Plan,
        words: Vec<String>,
        pin: &Tipset,
    ) -> raas_job_store::Result<()> {
        let memories = subject.memories.values().map(|m| (subject.cid, m.clone())).collect();
        let look = LookRecord {
            at: pin.epoch,
            plan: plan.clone(),
            words,
            contract: ContractView::of(&subject.listing),
            fetched: self.fetched().remove(&subject.cid),
        };
        let last_plan = look.encode();
        let jobs = subject.jobs.iter().cloned().map(|mut stored| {
            let found = found_by(plan, &stored.value.job.id);
            stored.value.job.found = stored.value.job.found.or(found);
            stored.value.job.registered.get_or_insert(pin.epoch);
            // A job that just learned what it keeps is planned for at once.
            stored.value.record.next_look = found.is_none().then_some(plan.next_look);
            stored.value.record.last_plan = Some(last_plan.clone());
            stored
        });
        // One for an aggregator that is away waits for it; the plan does not ask for it meanwhile.
        let is_away = |order: &Order| {
            self.away_until(&order.aggregator).is_some_and(|until| pin.epoch < until)
        };
        let withdrawn =
            unsent(subject).filter(|order| !Intent::wants(plan, order) && !is_away(order)).cloned();
        let withdrawn = withdrawn.map(|mut order| {
            order.state = OrderState::Withdrawn { at: pin.epoch };
            order
        });
        let change = Change {
            memories,
            jobs: jobs.collect(),
            orders: withdrawn.collect(),
            ..Change::default()
        };
        self.store().commit(&change).await
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

fn found_by(plan: &Plan, id: &JobId) -> Option<u32> {
    plan.steps.iter().find_map(|step| match step {
        Step::NoteFound { job, found } if job == id => Some(*found),
        _ => None,
    })
}
