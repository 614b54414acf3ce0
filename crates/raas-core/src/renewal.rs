//! Renewal: a successor is ordered before the old deal ends.
//!
//! In the first half of its renewal window an old deal holds its slot while its successor is on the
//! way; in the second half only the successor does. One successor per deal and term, and only as
//! many as the target needs: surplus lapses.

use raas_types::Cause;

use crate::{
    Wanted,
    slots::{Slots, count_of},
};

/// The ending deals whose successors are to be ordered: first those that still hold their slots,
/// which they then share with their successors (a successor of one that does not would come on top
/// of them, perhaps beyond the maximum), and of these the earliest end first.
pub(crate) fn demands(wanted: &Wanted, slots: &Slots<'_>) -> Vec<Cause> {
    let Some(target) = wanted.target.filter(|_| wanted.renewal.is_some()) else {
        return Vec::new();
    };
    let lasting = count_of(slots.lasting.len()).saturating_add(slots.expected);
    let needed = target.saturating_sub(lasting);
    let mut due = slots.ending.clone();
    due.sort_by_key(|ending| !ending.holds);
    due.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
    due.into_iter().map(|ending| Cause::Renewal { deal: ending.replica.deal }).collect()
}
