//! What became of the data, by what is true of the world and of nothing else: who kept it makes no
//! difference to how it is counted. Looked at once a day.

use std::collections::{BTreeMap, BTreeSet};

use raas_core::{AggregatorView, CONFIRMATION, MAX_AGE, Wanted, combine};
use raas_types::{ChainEpoch, DealId, EpochDelta, Job, JobId};

use crate::{
    tally::Tally,
    world::{Deal, Mood, START, Truth, World},
};

/// The account of a world.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The jobs of the world, by data, and when each is taken back.
    jobs: BTreeMap<usize, Vec<(Option<ChainEpoch>, Job)>>,
    next: ChainEpoch,
    /// Since when some data has been below its target with nothing in the way.
    below: BTreeMap<usize, ChainEpoch>,
    lost: BTreeSet<usize>,
    losses: u64,
    unavoidable_losses: u64,
    /// Deals with smaller ids have been counted.
    counted: DealId,
}

impl Ledger {
    /// An empty account of a world that has not begun.
    pub(crate) fn new(world: &World) -> Self {
        let mut jobs = BTreeMap::<_, Vec<_>>::new();
        for (number, request) in world.requests.iter().enumerate() {
            let job = Job {
                id: JobId::new(format!("job-{number}")),
                cid: world.data[request.datum].cid,
                terms: request.terms.clone(),
                registered: Some(request.at),
                // One that only keeps what is there finds nothing.
                found: Some(0),
            };
            jobs.entry(request.datum).or_default().push((request.removed, job));
        }
        Self {
            jobs,
            next: START,
            below: BTreeMap::new(),
            lost: BTreeSet::new(),
            losses: 0,
            unavoidable_losses: 0,
            counted: DealId::new(0),
        }
    }

    /// Looks around, if it is a day since the last time.
    pub(crate) fn look_around(&mut self, world: &mut World) {
        if world.now < self.next {
            return;
        }
        self.next = world.now + EpochDelta::DAY;
        self.count_deals(world);
        for datum in 0..world.data.len() {
            if world.data[datum].entrusted.is_none() {
                continue;
            }
            world.tally.job_days_below_target += self.jobs_below(world, datum);
            if !self.lost.contains(&datum) {
                self.look_at(world, datum);
            }
        }
    }

    /// Enters what was lost.
    pub(crate) const fn close(&self, tally: &mut Tally) {
        tally.losses = self.losses;
        tally.unavoidable_losses = self.unavoidable_losses;
    }

    /// The jobs of some data that stand at an epoch.
    fn standing(&self, datum: usize, at: ChainEpoch) -> impl Iterator<Item = &Job> + Clone {
        let jobs = self.jobs.get(&datum).into_iter().flatten();
        jobs.filter(move |(removed, job)| {
            let asked = job.registered.is_some_and(|since| since <= at);
            let kept = removed.is_none_or(|removed| at < removed);
            asked && kept && job.terms.until.is_none_or(|until| at < until)
        })
        .map(|(_, job)| job)
    }

    /// What is wanted of some data, where any replica is.
    fn wanted(&self, world: &World, datum: usize, at: ChainEpoch) -> Option<Wanted> {
        let views: Vec<AggregatorView> = world.services.iter().map(|s| s.view()).collect();
        combine(self.standing(datum, at), &views, at).filter(|wanted| wanted.target > Some(0))
    }

    /// How many jobs have fewer replicas than they ask for, once their data is entrusted: data that is
    /// there, proven or faulty for less than the job minds, each on a provider of its own.
    fn jobs_below(&self, world: &World, datum: usize) -> u64 {
        let now = world.now;
        let is_below = |job: &&Job| {
            let minds = job.terms.repair.map(|repair| repair.threshold);
            let counts = |deal: &&Deal| match deal.truth(now) {
                Truth::Active => world.keeps(deal),
                Truth::Faulty(since) => {
                    world.keeps(deal) && minds.is_none_or(|threshold| now < since + threshold)
                }
                _ => false,
            };
            let held: BTreeSet<usize> =
                world.deals_of(datum).filter(counts).map(|deal| deal.provider).collect();
            job.terms.replication.is_some_and(|asked| (held.len() as u32) < asked.target)
        };
        self.standing(datum, now).filter(is_below).count() as u64
    }

    fn look_at(&mut self, world: &mut World, datum: usize) {
        let Some(wanted) = self.wanted(world, datum, world.now) else {
            self.below.remove(&datum);
            return;
        };
        let now = world.now;
        if !world.exists(datum) {
            let time = time_to_save(world);
            let since = self.below.remove(&datum).filter(|since| *since + time < now);
            self.lost.insert(datum);
            let word = if since.is_some() { "although it could be saved" } else { "unavoidably" };
            match since {
                Some(_) => self.losses += 1,
                None => self.unavoidable_losses += 1,
            }
            return world.chronicle.tell(now, datum, format_args!("the data is lost, {word}"));
        }
        let held: BTreeSet<usize> = world
            .deals_of(datum)
            .filter(|deal| holds(deal, &wanted, now, wanted.renewal.map(EpochDelta::half)))
            .map(|deal| deal.provider)
            .collect();
        let is_below = Some(held.len() as u32) < wanted.target;
        if is_below && nothing_is_in_the_way(world, datum) {
            self.below.entry(datum).or_insert(now);
        } else {
            self.below.remove(&datum);
        }
    }

    /// Counts the deals that were published since the last time, and those of them that nobody needed:
    /// others held all slots for good already, or one on the same provider did.
    fn count_deals(&mut self, world: &mut World) {
        let (mut deals, mut needless) = (0, 0);
        for deal in world.deals.range(self.counted..).map(|(_, deal)| deal) {
            deals += 1;
            // By the next epoch what was published before it in the same one shows, too.
            let at = deal.published + EpochDelta::new(1);
            let wanted = self.wanted(world, deal.datum, at);
            let needed = wanted.is_some_and(|wanted| {
                let others = world.deals_of(deal.datum).filter(|other| other.id < deal.id);
                let held: BTreeSet<usize> = others
                    .filter(|other| holds(other, &wanted, at, wanted.renewal))
                    .map(|other| other.provider)
                    .collect();
                Some(held.len() as u32) < wanted.target && !held.contains(&deal.provider)
            });
            needless += u64::from(!needed);
        }
        if let Some((last, _)) = world.deals.last_key_value() {
            self.counted = self.counted.max(DealId::new(last.get() + 1));
        }
        world.tally.deals += deals;
        world.tally.needless_deals += needless;
    }
}

/// Whether a deal holds a slot at an epoch: it is pending, proven, or faulty for less than the repair
/// threshold, and does not end within `window`.
fn holds(deal: &Deal, wanted: &Wanted, at: ChainEpoch, window: Option<EpochDelta>) -> bool {
    let lives = match deal.truth(at) {
        Truth::Pending | Truth::Active => true,
        Truth::Faulty(since) => wanted.repair.is_none_or(|threshold| at < since + threshold),
        Truth::Unpublished | Truth::StartMissed | Truth::Terminated(_) | Truth::Ended => false,
    };
    let lasts = window.is_none_or(|window| window < deal.proposal.end.since(at));
    lives && lasts
}

/// What saving takes at most, while nothing is in the way: what is missing is seen with the next reading
/// of the chain, which may be as old as readings may be and must be final, and seen again after the
/// confirmation; passes are at most one and a half cadences apart, and two of them; and an aggregator
/// takes its time before it publishes a deal.
fn time_to_save(world: &World) -> EpochDelta {
    let latencies = world.services.iter().map(|service| service.capabilities.latency);
    MAX_AGE
        + CONFIRMATION.times(2)
        + world.weather.finality
        + world.weather.cadence.times(3)
        + EpochDelta::DAY.times(2)
        + latencies.max().unwrap_or_default()
}

/// Whether anyone could order for some data: endpoints, contract and store are well, an aggregator is
/// that makes one deal of this order, and the bytes can be had. What befalls the keeper itself is its own
/// affair.
fn nothing_is_in_the_way(world: &World, datum: usize) -> bool {
    let cid = &world.data[datum].cid;
    let well = world.services.iter().any(|service| {
        service.mood == Mood::Fine
            && service.troubled_until < world.now
            && service.capabilities.copies == 1
            && service.makes_more(cid)
    });
    let served = world.is_served(datum) && world.data[datum].withheld_until < world.now;
    // What one node has on its disk no other can read.
    let bytes = served || world.data[datum].copies.iter().all(|copy| *copy);
    well && bytes && world.troubled_until < world.now
}
