//! The look at a CID that lacks nothing, which is nearly every look: told apart without sorting
//! anything, so that it costs little more than reading what was seen, and allocates nothing.
//!
//! It never decides otherwise than the whole plan would, only sooner: `tests/properties` compares
//! the two.

use raas_types::{ChainEpoch, EpochDelta, Order, Verdict};
use smallvec::smallvec;

use crate::{JobView, Observation, Plan, Reason, Replica, Wanted, plan::next_look, record, slots};

/// The plan for a CID that clearly lacks nothing: `None` where that takes a closer look.
pub(crate) fn plan(jobs: &[JobView], seen: &Observation, wanted: &Wanted) -> Option<Plan> {
    let target = wanted.target?;
    let learns = |view: &JobView| view.job.terms.replication.is_none() && view.job.found.is_none();
    let is_quiet = wanted.placement.is_free()
        && !seen.orders.iter().any(Order::is_outstanding)
        && !jobs.iter().any(learns)
        && record::steps(jobs, seen).next().is_none();
    if !is_quiet || held(seen, wanted)? != target {
        return None;
    }
    Some(Plan {
        at: seen.at,
        steps: Vec::new(),
        reasons: smallvec![Reason::Satisfied { held: target, target }],
        next_look: next_look(seen, wanted, &[]),
    })
}

/// How many slots are held by replicas about which there is nothing to consider; `None` where there
/// are others that might matter.
fn held(seen: &Observation, wanted: &Wanted) -> Option<u32> {
    let holds = |r: &Replica| slots::counts(r, wanted) && is_well(r, seen.at, wanted);
    let mut held = 0;
    for (n, replica) in seen.replicas.iter().enumerate() {
        if holds(replica) {
            let earlier = seen.replicas.iter().take(n);
            if earlier.filter(|r| r.provider == replica.provider).any(holds) {
                return None;
            }
            held += 1;
        } else if !is_past(replica, wanted) {
            return None;
        }
    }
    (held >= wanted.min).then_some(held)
}

/// Over beyond doubt. Of one that does not count, the plan says why.
fn is_past(replica: &Replica, wanted: &Wanted) -> bool {
    slots::counts(replica, wanted) && replica.verdict.is_over() && replica.confirmed
}

/// Active, and not near its end.
fn is_well(replica: &Replica, at: ChainEpoch, wanted: &Wanted) -> bool {
    let Verdict::Active { end } = replica.verdict else { return false };
    end.since(at) > wanted.renewal.unwrap_or(EpochDelta::ZERO).max(EpochDelta::ZERO)
}
