//! A pass over what is due: observe, plan, record, act.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use cid::Cid;
use raas_core::Step;
use raas_job_store::{Change, DueJob};
use raas_types::{ChainEpoch, Tipset};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Node, PassReport,
    look::{Look, Looks},
    observe::Observed,
    orders::Intent,
    readings::Readings,
    selection::Selection,
    transactions::Writing,
    transfers::Claim,
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
    /// How often a CID is looked at in one pass at the most.
    most: u32,
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
        self.stuck = unreadable + jobs.iter().filter(|cid| times(cid) >= self.most).count();
        let cids: BTreeSet<Cid> = jobs.into_iter().filter(|cid| times(cid) < self.most).collect();
        for cid in &cids {
            *self.seen.entry(*cid).or_default() += 1;
        }
        cids.into_iter().collect()
    }
}

impl Node {
    /// Everything between the gate and the report.
    pub(crate) async fn pass_at(&self, selection: Selection, report: &mut PassReport) {
        let Selection { pin, readers, anchor, .. } = selection;
        let readings = Arc::new(Readings::new(pin.clone(), readers));
        let pin = &pin;
        self.set_anchor(anchor);
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
        // The second look is one with the bytes that the first one fetched. What was seen by too few
        // endpoints stays due, and is not looked at for that.
        let most = if anchor < pin.epoch { 1 } else { 2 };
        let mut progress = Progress { most, ..Progress::default() };
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
        let mut batches = looks.chunks(self.settings().batch.max(1));
        let mut ahead = VecDeque::new();
        loop {
            if ahead.is_empty() && readings.is_full() {
                readings.forget();
            }
            let more = if readings.is_full() { 0 } else { AHEAD - ahead.len() };
            ahead.extend(batches.by_ref().take(more).map(|cids| {
                // What someone works on is looked at when they are done: it stays due.
                let claims = cids.iter().filter_map(|cid| self.claim(cid)).collect();
                let (node, readings) = (self.clone(), Arc::clone(readings));
                let looked = async move { node.look(claims, &readings).await };
                AbortOnDropHandle::new(tokio::spawn(looked))
            }));
            let Some(next) = ahead.pop_front() else { break };
            match next.await {
                Ok(Looks { looks, read, errors }) => {
                    report.cids += looks.len() as u64;
                    report.read(read);
                    errors.into_iter().for_each(|error| report.error(error));
                    self.decide(looks, pin, readings, report).await;
                }
                Err(error) => report.error(format!("a batch was not observed: {error}")),
            }
        }
        Ok(!looks.is_empty() || is_full)
    }

    /// Observes and plans a batch of CIDs, and changes nothing yet.
    async fn look(&self, claims: Vec<Claim>, readings: &Readings) -> Looks {
        let Observed { subjects, read, errors } = self.observe(claims, readings).await;
        let views = self.aggregator_views();
        let looks = subjects.into_iter().map(|s| Look::of(s, self, &views, readings.pin()));
        Looks { looks: looks.collect(), read, errors }
    }

    /// Plans anew what would spend money on what is not beyond doubt; records what was seen and
    /// decided; then acts on all plans, the most urgent first.
    async fn decide(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        readings: &Readings,
        report: &mut PassReport,
    ) {
        let since = self.next_transfer();
        let spends = |look: &Look| look.plan.spends_on_verdicts();
        let mut spending: Vec<_> =
            looks.iter_mut().filter(|look| spends(look)).map(|look| &mut look.subject).collect();
        self.verify(&mut spending, readings, report).await;
        let views = self.aggregator_views();
        let anew = |look: Look| match spends(&look) {
            true => Look::of(look.subject, self, &views, pin),
            false => look,
        };
        let looks = looks.into_iter().map(anew).collect();

        let (mut intents, mut writings) = (Vec::new(), Vec::new());
        for Look { subject, plan, .. } in self.record(looks, pin, report).await {
            // It is told once.
            self.fetched().remove(&subject.cid);
            intents.extend(Intent::of(&subject, &plan));
            writings.extend(Writing::of(&subject, &plan));
            if plan.steps.contains(&Step::Fetch) {
                let memories = subject.memories.into_values().collect();
                self.fetch_beside(subject.cid, memories, subject.claim, self.dated(pin));
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
    async fn record(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        report: &mut PassReport,
    ) -> Vec<Look> {
        let mut all = Change::default();
        for look in &mut looks {
            look.events.drain(..).for_each(|event| report.event(event));
            let alerts = std::mem::take(&mut look.alerts);
            self.alerts().looked(&look.subject.cid, alerts, Some(pin.epoch));
            let Change { memories, orders, jobs, .. } = look.change(self, pin);
            all.memories.extend(memories);
            all.orders.extend(orders);
            all.jobs.extend(jobs);
        }
        if self.store().commit(&all).await.is_ok() {
            return looks;
        }
        let mut kept = Vec::with_capacity(looks.len());
        for mut look in looks {
            match self.store().commit(&look.change(self, pin)).await {
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
