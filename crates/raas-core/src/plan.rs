//! The decision: [`plan`] turns what was seen into steps with their reasons.

use std::collections::BTreeSet;

use raas_types::{
    AggregatorName, Cause, ChainEpoch, DealId, EpochDelta, Job, JobId, ProviderId, Verdict,
};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::{
    CONFIRMATION, DataView, JobView, Observation, Reason, Urgency, Wanted,
    aggregators::{Aggregators, Pick},
    budget::Allowance,
    combine,
    placement::{self, Choice},
    record, renewal, repair, replication, satisfied,
    slots::{self, Slots, count_of},
    urgency,
};

/// A satisfied CID is looked at again at least this often: one proving period, in which the state
/// of a sector may change once.
pub const MAX_AGE: EpochDelta = EpochDelta::PROVING_PERIOD;

/// A CID with an order outstanding is looked at again this soon: one deadline.
pub const ORDER_POLL: EpochDelta = EpochDelta::DEADLINE;

/// Reasons. The plan for a CID that lacks nothing has one, and takes no room for more.
pub type Reasons = SmallVec<[Reason; 1]>;

/// What to do about one CID, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a plan does nothing until it is carried out"]
pub struct Plan {
    /// The pinned epoch it was made at.
    pub at: ChainEpoch,
    /// What to do, in this order. Empty when all is well.
    pub steps: Vec<Step>,
    /// Why these steps and no others.
    pub reasons: Reasons,
    /// When to look again at the latest.
    pub next_look: ChainEpoch,
}

impl Plan {
    /// Whether it spends money on what was judged of replicas: such a plan is made again on
    /// verdicts that were read anew, from a second endpoint too where there is one.
    pub fn spends_on_verdicts(&self) -> bool {
        let spends = |step: &Step| matches!(step, Step::Order { .. } | Step::Record { .. });
        self.steps.iter().any(spends)
    }
}

/// One thing to do. Leaves nothing to choose to whoever does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Keep in mind how many replicas a job without replication terms found.
    NoteFound {
        /// The job.
        job: JobId,
        /// How many.
        found: u32,
    },
    /// Get the bytes, and look again.
    Fetch,
    /// Order one more deal.
    Order {
        /// From whom.
        aggregator: AggregatorName,
        /// Why.
        cause: Cause,
        /// Providers to leave out.
        exclude: BTreeSet<ProviderId>,
        /// Providers to ask for first.
        prefer: BTreeSet<ProviderId>,
        /// How much it matters, compared with other CIDs.
        urgency: Urgency,
    },
    /// Announce a job to the contract.
    Announce {
        /// The job.
        job: JobId,
    },
    /// Record an active deal in the contract.
    Record {
        /// The job whose submission it completes.
        job: JobId,
        /// The deal.
        deal: DealId,
    },
}

/// Decides what to do about a CID, for all its jobs together.
pub fn plan(jobs: &[JobView], seen: &Observation) -> Plan {
    let Some(wanted) = combine(jobs.iter().map(|view| &view.job), &seen.aggregators, seen.at)
    else {
        let next_look = seen.at + MAX_AGE;
        let reasons = smallvec![Reason::NoJobStands];
        return Plan { at: seen.at, steps: Vec::new(), reasons, next_look };
    };
    satisfied::plan(jobs, seen, &wanted).unwrap_or_else(|| plan_in_full(jobs, seen, &wanted))
}

/// The plan where it takes more than a glance.
fn plan_in_full(jobs: &[JobView], seen: &Observation, wanted: &Wanted) -> Plan {
    let mut slots = Slots::count(seen, wanted);
    let reasons = std::mem::take(&mut slots.reasons);
    let mut draft = Draft { seen, wanted, steps: Vec::new(), reasons };
    draft.note_found(jobs);
    draft.fill(&slots);
    draft.steps.extend(record::steps(jobs, seen));
    let next_look = next_look(seen, wanted, &draft.reasons);
    Plan { at: seen.at, steps: draft.steps, reasons: draft.reasons.into(), next_look }
}

/// A plan in the making.
struct Draft<'a> {
    seen: &'a Observation,
    wanted: &'a Wanted,
    steps: Vec<Step>,
    reasons: Vec<Reason>,
}

impl Draft<'_> {
    /// A job that keeps what it finds learns how much that is at its first complete look.
    fn note_found(&mut self, jobs: &[JobView]) {
        let unknown = |r: &crate::Replica| {
            matches!(r.verdict, Verdict::Unknown { .. }) && slots::counts(r, self.wanted)
        };
        let complete =
            self.seen.missing_evidence.is_empty() && !self.seen.replicas.iter().any(unknown);
        let jobs = jobs.iter().map(|view| &view.job);
        let newcomers =
            jobs.filter(|job: &&Job| job.terms.replication.is_none() && job.found.is_none());
        for job in newcomers {
            let found = complete.then(|| self.found());
            self.reasons.push(Reason::KeepsWhatItFound { found });
            let note = found.map(|found| Step::NoteFound { job: job.id.clone(), found });
            self.steps.extend(note);
        }
    }

    /// How many providers hold the data or lost it: what a repair would restore.
    fn found(&self) -> u32 {
        let counted = |r: &&crate::Replica| {
            let was_there = !matches!(
                r.verdict,
                Verdict::Ended | Verdict::Completed | Verdict::NeverExisted | Verdict::StartMissed
            );
            slots::counts(r, self.wanted) && was_there
        };
        let providers = self.seen.replicas.iter().filter(counted).map(|r| r.provider);
        count_of(providers.collect::<BTreeSet<_>>().len())
    }

    fn fill(&mut self, slots: &Slots<'_>) {
        let Some(target) = self.wanted.target else {
            return;
        };
        let held = slots.held();
        self.reasons.push(match held.cmp(&target) {
            std::cmp::Ordering::Less => Reason::Missing { held, target },
            std::cmp::Ordering::Equal => Reason::Satisfied { held, target },
            std::cmp::Ordering::Greater => Reason::AboveTarget { held, target },
        });
        if slots.safe < self.wanted.min {
            self.reasons.push(Reason::BelowMin { safe: slots.safe, min: self.wanted.min });
        }
        let demands = self.demands(slots, target);
        if demands.is_empty() {
            return;
        }
        let what = self.seen.missing_evidence.iter().cloned();
        let missing: Vec<_> = what.map(|what| Reason::EvidenceMissing { what }).collect();
        if missing.is_empty() {
            self.place(&demands, slots, target);
        } else {
            self.reasons.extend(missing);
        }
    }

    /// Each missing slot once, labelled by its cause: renewal, then repair, then replication.
    fn demands(&self, slots: &Slots<'_>, target: u32) -> Vec<Cause> {
        let mut demands = renewal::demands(self.wanted, slots);
        let deficit = target.saturating_sub(held_with(&demands, slots));
        let repairs = repair::demands(self.wanted, slots, deficit);
        let rest = deficit.saturating_sub(count_of(repairs.len()));
        demands.extend(repairs);
        demands.extend(replication::demands(self.wanted, rest));
        demands
    }

    /// Gives each demand to an aggregator, as far as there are any to take it and the budget goes.
    fn place(&mut self, demands: &[Cause], slots: &Slots<'_>, target: u32) {
        let useless = self.useless(slots);
        let mut aggregators = Aggregators::new(self.seen, &useless);
        if aggregators.exhausted() {
            let have = count_of(slots.lasting.len() + slots.ending.len());
            self.reasons.push(Reason::TargetUnreachable { have, target });
        }
        let room = self.wanted.max.saturating_sub(held_with(demands, slots).max(target));
        let mut allowance = Allowance::of_today(self.seen, self.wanted);
        let mut rest = count_of(demands.len());
        let (mut picks, mut refusals) = (Vec::new(), Vec::new());
        while rest > 0 {
            let allowed = match allowance.most() {
                Ok(deals) => deals,
                Err(spent) => {
                    refusals = vec![spent];
                    break;
                }
            };
            // An order of several deals fills several slots, and never goes beyond the maximum.
            let most = rest.saturating_add(room).min(allowed);
            let Some(pick) = aggregators.pick(most) else {
                refusals = aggregators.reasons(most);
                break;
            };
            let copies = pick.view.copies.max(1);
            allowance.take(copies);
            rest = rest.saturating_sub(copies);
            picks.push(pick);
        }
        let orders = shared_out(demands, picks);
        // While bytes are awaited, nobody is busy with an order of this plan.
        let wants_bytes = !orders.is_empty() || is_going(slots);
        if !wants_bytes || self.has_bytes() || orders.is_empty() {
            self.reasons.extend(refusals);
            self.order(orders, slots, &useless);
        }
    }

    /// Deals that an order brought in vain: on a provider that held the data already, or never
    /// activated.
    fn useless(&self, slots: &Slots<'_>) -> BTreeSet<DealId> {
        let never_was =
            |r: &&crate::Replica| matches!(r.verdict, Verdict::StartMissed | Verdict::NeverExisted);
        let never_were = self.seen.replicas.iter().filter(never_was).map(|r| r.deal);
        slots.spare.iter().copied().chain(never_were).collect()
    }

    /// Whether the bytes are here; else they are to be fetched, or waited for.
    fn has_bytes(&mut self) -> bool {
        match &self.seen.data {
            DataView::Local => return true,
            DataView::Missing { tried, retry_at } if self.seen.at < *retry_at => {
                let (tried, retry_at) = (tried.clone(), *retry_at);
                self.reasons.push(Reason::AwaitingData { tried, retry_at });
            }
            DataView::Missing { .. } | DataView::Elsewhere => {
                self.reasons.push(Reason::FetchFirst);
                self.steps.push(Step::Fetch);
            }
        }
        false
    }

    fn order(
        &mut self,
        orders: Vec<(Pick<'_>, Cause)>,
        slots: &Slots<'_>,
        useless: &BTreeSet<DealId>,
    ) {
        for (pick, cause) in orders {
            let aggregator = pick.view.name.clone();
            self.reasons.push(Reason::Ordering { cause, aggregator: aggregator.clone() });
            let Choice { exclude, prefer } =
                placement::choice(cause, &pick, self.seen, self.wanted, slots, useless);
            let urgency = urgency::urgency(cause, pick.fruitless, self.seen, self.wanted, slots);
            self.steps.push(Step::Order { aggregator, cause, exclude, prefer, urgency });
        }
    }
}

/// Gives each pick the first of the demands that it fills. One that others leave nothing to fill is left
/// out: they make more deals than are wanted without it.
fn shared_out<'a>(demands: &[Cause], mut picks: Vec<Pick<'a>>) -> Vec<(Pick<'a>, Cause)> {
    let copies = |pick: &Pick<'_>| usize::try_from(pick.view.copies.max(1)).unwrap_or(usize::MAX);
    let made = picks.iter().map(copies).fold(0, usize::saturating_add);
    let mut surplus = made.saturating_sub(demands.len());
    picks.retain(|pick| {
        let is_needed = copies(pick) > surplus;
        surplus -= if is_needed { 0 } else { copies(pick) };
        is_needed
    });
    let (mut filled, mut orders) = (0_usize, Vec::with_capacity(picks.len()));
    for pick in picks {
        let Some(cause) = demands.get(filled) else { break };
        filled = filled.saturating_add(copies(&pick));
        orders.push((pick, *cause));
    }
    orders
}

/// Whether a copy of our own may soon be the last one: no replica is proven that will last, and no deal is
/// on its way. The bytes then are fetched while they can be had, though nobody takes an order now; else
/// they are fetched only for someone who would take them.
fn is_going(slots: &Slots<'_>) -> bool {
    let is_proven = |r: &&crate::Replica| matches!(r.verdict, Verdict::Active { .. });
    slots.expected == 0 && !slots.lasting.iter().any(is_proven)
}

/// How many slots are held once `demands` are ordered: an old deal and its successor hold one.
fn held_with(demands: &[Cause], slots: &Slots<'_>) -> u32 {
    let renewed: BTreeSet<_> = demands.iter().filter_map(|cause| cause.replaces()).collect();
    let unrenewed = slots.ending.iter().filter(|e| e.holds && !renewed.contains(&e.replica.deal));
    count_of(slots.lasting.len() + unrenewed.count() + demands.len()).saturating_add(slots.expected)
}

/// The next epoch at which anything could change by itself.
pub(crate) fn next_look(seen: &Observation, wanted: &Wanted, reasons: &[Reason]) -> ChainEpoch {
    let at = seen.at;
    let counted = seen.replicas.iter().filter(|r| slots::counts(r, wanted));
    let by_replica = counted.filter_map(|r| match &r.verdict {
        Verdict::Pending { start } => Some((*start + EpochDelta::new(1)).min(at + ORDER_POLL)),
        Verdict::Active { end } => {
            let window = wanted.renewal.unwrap_or(EpochDelta::ZERO);
            let marks = [*end - window, *end - window.half(), *end];
            marks.into_iter().chain(r.next_read).filter(|mark| *mark > at).min()
        }
        Verdict::Faulty { .. } => r.next_read.filter(|next| *next > at),
        // An endpoint in trouble is asked again soon.
        Verdict::Unknown { .. } => Some(at + ORDER_POLL),
        _ => None,
    });
    let by_reason = reasons.iter().filter_map(|reason| match reason {
        Reason::FaultWaits { repair_at, .. } => Some(*repair_at),
        Reason::AwaitingSecondLook { .. } => Some(at + CONFIRMATION),
        Reason::AwaitingData { retry_at, .. } | Reason::BackingOff { retry_at, .. } => {
            Some(*retry_at)
        }
        Reason::Unreachable { until, .. } => Some(*until),
        Reason::DealsSpent { again_at, .. } | Reason::BytesSpent { again_at, .. } => {
            Some(*again_at)
        }
        Reason::Outstanding { .. }
        | Reason::EvidenceMissing { .. }
        | Reason::SizeUnknown { .. } => Some(at + ORDER_POLL),
        // At the next tipset there is.
        Reason::Ordering { .. } | Reason::FetchFirst | Reason::KeepsWhatItFound { .. } => Some(at),
        _ => None,
    });
    let soonest = by_replica.chain(by_reason).min().unwrap_or(at + MAX_AGE);
    soonest.clamp(at + EpochDelta::new(1), at + MAX_AGE)
}
