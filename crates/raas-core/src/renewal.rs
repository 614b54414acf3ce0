//! Renewal: a successor is ordered before the old deal ends.
//!
//! In the first half of its renewal window an old deal holds its slot while its successor is on the
//! way; in the second half only the successor does. One successor per deal and term, and only as
//! many as the target needs: surplus lapses.

use raas_types::{Cause, Verdict};

use crate::{
    Observation, Wanted,
    slots::{Demand, Slots, count_of},
};

/// The ending deals whose successors are to be ordered, the earliest end first.
pub fn demands(seen: &Observation, wanted: &Wanted, slots: &Slots<'_>) -> Vec<Demand> {
    let Some(target) = wanted.target.filter(|_| wanted.renewal.is_some()) else {
        return Vec::new();
    };
    let lasting = count_of(slots.lasting.len()).saturating_add(slots.expected);
    let needed = target.saturating_sub(lasting);
    let ending = slots.ending.iter().take(usize::try_from(needed).unwrap_or(usize::MAX));
    ending
        .map(|ending| Demand {
            cause: Cause::Renewal { deal: ending.replica.deal },
            left: match ending.replica.verdict {
                Verdict::Active { end } => Some(end.since(seen.at)),
                _ => None,
            },
        })
        .collect()
}
