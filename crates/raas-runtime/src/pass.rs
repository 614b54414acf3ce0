//! A pass over what is due: first all of it is seen, then money is spent on what is most urgent.
//!
//! ```text
//! due ──> observe ──> plan ──┬── does nothing ────> record, beside the next batch
//!          in batches        ├── orders nothing ──> record ──> act
//!                            └── would order ─────> queue ──┐
//!                                                           │ the breaker has seen it all
//!          act <── record <── plan <── seen twice <─────────┘ most urgent first
//! ```

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    slice::Chunks,
    sync::Arc,
};

use cid::Cid;
use raas_core::Step;
use raas_job_store::DueJob;
use raas_types::Tipset;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Node, PassReport,
    breaker::Sightings,
    look::{Look, Looks},
    observe::Observed,
    orders::Intent,
    queue::{self, Queue},
    readings::Readings,
    record::Recordings,
    selection::Selection,
    transactions::Writing,
    transfers::Claim,
};

/// Rounds of one pass at most: each takes a batch of what is due. What fetching makes due again
/// comes in a later round of the same pass.
const MAX_ROUNDS: usize = 10_000;

/// Jobs of one round: 50 000 names of some 100 bytes are 5 MB.
const ROUND: usize = 50_000;

/// Batches that are observed ahead. While one is decided about and two are recorded, which takes a disk
/// as long as an endpoint takes to answer, one asks for its deals, another for its sectors, and two more
/// are ready to be decided about next. At 1024 CIDs of some 10 kB each the seven are 70 MB.
const AHEAD: usize = 4;

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
    /// CIDs that wait in the queue: due still, and not looked at again until they were acted on.
    queued: BTreeSet<Cid>,
}

/// What a pass gathers until all of it has been seen.
struct Gathered {
    queue: Queue,
    sightings: Sightings,
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
        let may = |cid: &Cid| times(cid) < self.most && !self.queued.contains(cid);
        let stuck = unreadable + jobs.iter().filter(|cid| !may(cid)).count();
        let cids: BTreeSet<Cid> = jobs.into_iter().filter(may).collect();
        self.stuck = stuck;
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
        if let Err(error) = self.follow_breaker().await {
            // Whether spending has stopped is not known.
            return report.error(error);
        }
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
        loop {
            let mut gathered = match self.room().await {
                Ok(room) => Gathered { queue: Queue::new(room), sightings: Sightings::default() },
                Err(error) => break report.error(error),
            };
            self.survey(pin, &mut progress, &readings, &mut gathered, report).await;
            self.count_flips(gathered.sightings, pin, report).await;
            if progress.queued.is_empty() {
                break;
            }
            // What spending wakes is looked at again: an aggregator that is away has others beside it.
            self.spend(gathered.queue, pin, &readings, report).await;
            progress.queued.clear();
        }
        self.trim_log(report).await;
        for (endpoint, answered) in readings.answered() {
            self.endpoints().note(&endpoint, answered);
        }
    }

    /// Looks at all that is due, in rounds, and acts on what orders nothing.
    async fn survey(
        &self,
        pin: &Tipset,
        progress: &mut Progress,
        readings: &Arc<Readings>,
        gathered: &mut Gathered,
        report: &mut PassReport,
    ) {
        for _ in 0..MAX_ROUNDS {
            match self.round(pin, progress, readings, gathered, report).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    report.error(error);
                    break;
                }
            }
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
        gathered: &mut Gathered,
        report: &mut PassReport,
    ) -> raas_job_store::Result<bool> {
        // What stays due whatever is done stands at the front for ever: look past as many.
        let limit = ROUND.saturating_add(progress.stuck);
        let due = self.store().due_jobs(pin.epoch, limit).await?;
        let is_full = due.len() == limit;
        let looks = progress.next(due, report);
        let mut batches = looks.chunks(self.settings().batch.max(1));
        let (mut ahead, mut recordings) = (VecDeque::new(), Recordings::default());
        loop {
            if ahead.is_empty() && readings.is_full() {
                readings.forget();
            }
            self.look_ahead(&mut batches, &mut ahead, readings);
            let Some(next) = ahead.pop_front() else { break };
            let looked = next.await;
            // Its place is taken at once: nothing that is done about it keeps an endpoint idle.
            self.look_ahead(&mut batches, &mut ahead, readings);
            match looked {
                Ok(Looks { looks, read, errors }) => {
                    report.cids += looks.len() as u64;
                    report.read(read);
                    errors.into_iter().for_each(|error| report.error(error));
                    let rest = self.gather(looks, pin, readings, gathered, report).await;
                    let (idle, rest) = rest.into_iter().partition(Look::is_idle);
                    self.record_beside(idle, pin, &mut recordings, report).await;
                    self.act(rest, pin, report).await;
                    progress.queued.extend(gathered.queue.cids());
                }
                Err(error) => report.error(format!("a batch was not observed: {error}")),
            }
        }
        // What is due is asked for again, and money spent, when all of it is durable.
        recordings.finish(report).await;
        Ok(!looks.is_empty() || is_full)
    }

    /// Begins to look at the next batches, as far as there is room for them.
    fn look_ahead(
        &self,
        batches: &mut Chunks<'_, Cid>,
        ahead: &mut VecDeque<AbortOnDropHandle<Looks>>,
        readings: &Arc<Readings>,
    ) {
        let more = if readings.is_full() { 0 } else { AHEAD - ahead.len() };
        ahead.extend(batches.take(more).map(|cids| {
            // What someone works on is looked at when they are done: it stays due.
            let claims = cids.iter().filter_map(|cid| self.claim(cid)).collect();
            let (node, readings) = (self.clone(), Arc::clone(readings));
            let looked = async move { node.look(claims, &readings).await };
            AbortOnDropHandle::new(tokio::spawn(looked))
        }));
    }

    /// Observes and plans a batch of CIDs, and changes nothing yet.
    async fn look(&self, claims: Vec<Claim>, readings: &Readings) -> Looks {
        let Observed { subjects, read, errors } = self.observe(claims, readings).await;
        let views = self.aggregator_views();
        let looks = subjects.into_iter().map(|s| Look::of(s, self, &views, readings.pin()));
        Looks { looks: looks.collect(), read, errors }
    }

    /// Takes from a batch what would order something, to wait in the queue. What remains is beyond
    /// doubt where it spends money, and orders nothing.
    async fn gather(
        &self,
        looks: Vec<Look>,
        pin: &Tipset,
        readings: &Readings,
        gathered: &mut Gathered,
        report: &mut PassReport,
    ) -> Vec<Look> {
        let Gathered { queue, sightings } = gathered;
        looks.iter().for_each(|look| sightings.add(&look.subject));
        let orders = |look: &Look| queue::urgency(look).is_some();
        let (mut ordering, rest): (Vec<_>, Vec<_>) = looks.into_iter().partition(orders);
        let (more, mut rest): (Vec<_>, Vec<_>) =
            self.verified(rest, pin, readings, report).await.into_iter().partition(orders);
        ordering.extend(more);
        for mut late in ordering.into_iter().filter_map(|look| queue.push(look)) {
            late.put_off(self.settings().orders_in_flight);
            rest.push(late);
        }
        rest
    }

    /// Spends money on what waits in the queue, the most urgent first.
    async fn spend(
        &self,
        queue: Queue,
        pin: &Tipset,
        readings: &Readings,
        report: &mut PassReport,
    ) {
        let (mut now, mut later) = queue.into_looks();
        for look in &mut later {
            look.put_off(self.settings().orders_in_flight);
        }
        self.act(later, pin, report).await;
        while !now.is_empty() {
            let rest = now.split_off(now.len().min(self.settings().batch.max(1)));
            let looks = self.verified(now, pin, readings, report).await;
            self.act(looks, pin, report).await;
            now = rest;
        }
    }

    /// Plans anew what would spend money, on what two endpoints say where there are two.
    async fn verified(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        readings: &Readings,
        report: &mut PassReport,
    ) -> Vec<Look> {
        let spends = |look: &Look| look.plan.spends_on_verdicts();
        let mut spending: Vec<_> =
            looks.iter_mut().filter(|look| spends(look)).map(|look| &mut look.subject).collect();
        self.verify(&mut spending, readings, report).await;
        let views = self.aggregator_views();
        let anew = |look: Look| match spends(&look) {
            true => Look::of(look.subject, self, &views, pin),
            false => look,
        };
        looks.into_iter().map(anew).collect()
    }

    /// Records what was seen and decided, then does it, the most urgent first.
    async fn act(&self, looks: Vec<Look>, pin: &Tipset, report: &mut PassReport) {
        let since = self.next_transfer();
        let (mut intents, mut writings) = (Vec::new(), Vec::new());
        let mut used = Vec::with_capacity(looks.len());
        let looks = self.record(looks, pin, report).await;
        self.forget_fetched(&looks);
        for Look { subject, plan, .. } in looks {
            intents.extend(Intent::of(&subject, &plan));
            writings.extend(Writing::of(&subject, &plan));
            if plan.steps.contains(&Step::Fetch) {
                let memories = subject.memories.into_values().collect();
                self.fetch_beside(subject.cid, memories, subject.claim, self.dated(pin));
            } else {
                used.push((subject.memories, subject.before));
            }
        }
        // To free what a batch remembered takes as long as to decide about it: another thread's work.
        tokio::spawn(async move { drop(used) });
        intents.sort_by_key(|intent| Reverse(intent.urgency));
        self.order_beside(intents, pin, report).await;
        self.write_all(writings, pin, report).await;
        self.settle(since, report).await;
    }
}
