//! What a system keeps of each piece of data - its jobs, deals and orders - and its clients, who hand
//! over data, register jobs and take them back as ours do.

use std::collections::{BTreeMap, BTreeSet};

use raas_core::{AggregatorView, Wanted, combine};
use raas_types::{ChainEpoch, Cid, DealId, EpochDelta, Job, JobId, ProviderId};

use super::Rules;
use crate::world::World;

/// A small disk keeps a copy for two weeks, as that of our nodes does.
const KEPT_FOR: EpochDelta = EpochDelta::days(14);

/// The one process of a system, among the nodes that a world has disks for.
pub(super) const ONLY: usize = 0;

/// Some data in a system's care.
pub(crate) struct Care<R: Rules> {
    pub(super) datum: usize,
    pub(super) cid: Cid,
    jobs: Vec<Job>,
    /// What its jobs want together.
    pub(super) wanted: Wanted,
    /// Deals that came of its orders, in the order in which aggregators showed them.
    pub(super) replicas: Vec<Replica<R::Note>>,
    /// Orders of which nothing has come yet.
    pub(super) pending: Vec<Pending>,
    /// How many orders were given up since the last look.
    pub(super) given_up: u32,
    /// What the rules keep.
    pub(super) file: R::File,
    /// Deals that aggregators showed.
    seen: BTreeSet<DealId>,
    /// Counts the aggregators that failed it: the next one is asked first.
    pub(super) turn: usize,
    /// Counts its orders.
    pub(super) orders: u64,
    /// The order whose answer was lost, with the aggregator.
    pub(super) unheard: Option<(usize, u64)>,
}

/// A deal in a system's care.
#[derive(Clone, Debug)]
pub(crate) struct Replica<N> {
    pub(super) deal: DealId,
    pub(super) provider: ProviderId,
    /// The epoch by which it is to be activated, where the proposal is known.
    pub(super) starts: ChainEpoch,
    /// What the rules keep of it.
    pub(super) note: N,
}

/// An order under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(super) service: usize,
    pub(super) since: ChainEpoch,
}

impl<R: Rules> Care<R> {
    fn of(datum: usize, cid: Cid, wanted: Wanted) -> Self {
        Self {
            datum,
            cid,
            jobs: Vec::new(),
            wanted,
            replicas: Vec::new(),
            pending: Vec::new(),
            given_up: 0,
            file: R::File::default(),
            seen: BTreeSet::new(),
            turn: 0,
            orders: 0,
            unheard: None,
        }
    }

    /// Some data of which this is the first job.
    #[cfg(test)]
    pub(super) fn of_job(datum: usize, job: Job, world: &World) -> Option<Self> {
        let mut care = Self::of(datum, job.cid, combine([&job], &[], world.now)?);
        care.jobs.push(job);
        care.combine(world).then_some(care)
    }

    /// Reckons what is wanted now; whether anything is.
    pub(super) fn combine(&mut self, world: &World) -> bool {
        let views: Vec<AggregatorView> = world.services.iter().map(|s| s.view()).collect();
        let Some(wanted) = combine(&self.jobs, &views, world.now) else { return false };
        self.wanted = wanted;
        true
    }

    /// How many replicas are wanted.
    pub(super) fn target(&self) -> u32 {
        self.wanted.target.unwrap_or(0)
    }

    /// Orders of which nothing has come yet.
    pub(super) fn under_way(&self) -> u32 {
        self.pending.len() as u32
    }

    /// The providers of all its deals.
    pub(super) fn providers(&self) -> Vec<ProviderId> {
        self.replicas.iter().map(|replica| replica.provider).collect()
    }

    /// Asks the aggregators what has come of orders, and gives up those that take too long. A proposal
    /// that a reorganisation undid is published under another id, and followed there.
    pub(super) fn poll(&mut self, world: &mut World) {
        if R::SIGNS {
            self.replicas.retain(|replica| world.deals.contains_key(&replica.deal));
        }
        for service in 0..world.services.len() {
            for shown in world.shown(service, &self.cid).unwrap_or_default() {
                let (Some(deal), Some(provider)) = (shown.deal, shown.provider) else { continue };
                let made = world
                    .deals
                    .get(&deal)
                    .filter(|made| made.datum == self.datum && made.proposal.provider == provider);
                if R::SIGNS && made.is_none() {
                    continue;
                }
                if self.seen.insert(deal) {
                    let starts = made.map_or(world.now, |made| made.proposal.start);
                    let note = R::Note::default();
                    self.replicas.push(Replica { deal, provider, starts, note });
                    if let Some(first) = self.pending.iter().position(|p| p.service == service) {
                        self.pending.remove(first);
                    }
                }
            }
        }
        let late = |order: &Pending| {
            let latency = world.services[order.service].capabilities.latency;
            order.since + R::patience(latency) < world.now
        };
        let before = self.pending.len();
        self.pending.retain(|order| !late(order));
        self.given_up = (before - self.pending.len()) as u32;
        if self.given_up > 0 {
            self.turn += 1;
        }
    }
}

/// The clients of a system.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// How many of the world's requests have been taken.
    taken: usize,
    /// Jobs to be taken back, and when.
    removals: BTreeSet<(ChainEpoch, usize, JobId)>,
    tidied: ChainEpoch,
}

impl Clients {
    /// Registers and removes what is due.
    pub(super) fn serve<R: Rules>(
        &mut self,
        world: &mut World,
        cares: &mut BTreeMap<usize, Care<R>>,
    ) {
        while let Some(request) = world.requests.get(self.taken).filter(|r| r.at <= world.now) {
            let (request, number) = (request.clone(), self.taken);
            self.taken += 1;
            let now = world.now;
            let datum = &mut world.data[request.datum];
            if request.uploaded_to.get(ONLY) == Some(&true) && now < datum.client_until {
                datum.copies[ONLY] = true;
            }
            datum.entrusted.get_or_insert(now);
            let job = number_of(number);
            if let Some(removed) = request.removed {
                self.removals.insert((removed, request.datum, job.clone()));
            }
            register(world, request.datum, job, request.terms, cares);
        }
        while let Some((_, datum, job)) =
            self.removals.first().filter(|r| r.0 <= world.now).cloned()
        {
            self.removals.pop_first();
            if let Some(care) = cares.get_mut(&datum) {
                care.jobs.retain(|other| other.id != job);
            }
        }
    }

    /// Removes copies: those that were lost, and once a day those that a small disk has no room for.
    pub(super) fn tidy(&mut self, world: &mut World) {
        let lost = std::mem::take(&mut world.dropped).contains(&ONLY);
        world.fetched.clear();
        let is_day = self.tidied + EpochDelta::DAY <= world.now;
        if is_day {
            self.tidied = world.now;
        }
        for datum in 0..world.data.len() {
            let old = world.data[datum].entrusted.is_some_and(|at| at + KEPT_FOR <= world.now);
            let spare =
                is_day && old && !world.weather.keeps_copies && world.data[datum].copies[ONLY];
            if lost || (spare && world.deals_of(datum).any(|deal| world.serves(deal))) {
                world.data[datum].copies[ONLY] = false;
            }
        }
    }
}

fn number_of(request: usize) -> JobId {
    JobId::new(format!("job-{request}"))
}

fn register<R: Rules>(
    world: &mut World,
    datum: usize,
    id: JobId,
    terms: raas_types::Terms,
    cares: &mut BTreeMap<usize, Care<R>>,
) {
    let cid = world.data[datum].cid;
    let found = cares.get(&datum).map_or(0, |care| care.replicas.len() as u32);
    let words = format_args!("job {id} is registered: {terms:?}").to_string();
    world.chronicle.tell(world.now, datum, format_args!("{words}"));
    let job = Job { id, cid, terms, registered: Some(world.now), found: Some(found) };
    let Some(wanted) = combine([&job], &[], world.now) else { return };
    let care = cares.entry(datum).or_insert_with(|| Care::of(datum, cid, wanted));
    care.jobs.push(job);
}
