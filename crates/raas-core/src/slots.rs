//! Who holds the slots of a CID: computed once per look, and what renewal, repair and replication
//! all start from.

use std::collections::BTreeSet;

use raas_types::{ChainEpoch, DealId, EpochDelta, Unknown, Verdict};

use crate::{Observation, Reason, Replica, Wanted, sorting::Sorting};

/// The slots of a CID, by who holds them.
#[derive(Clone, Debug)]
pub(crate) struct Slots<'a> {
    /// Replicas that hold a slot, one per provider, not near their end.
    pub(crate) lasting: Vec<&'a Replica>,
    /// Replicas near or past their end that nothing succeeds yet, the earliest end first.
    pub(crate) ending: Vec<Ending<'a>>,
    /// Replicas that were lost and that nothing replaces yet.
    pub(crate) lost: Vec<&'a Replica>,
    /// Deals that add nothing: on providers that held the data in another deal already, that are one
    /// too many of a kind, or that the terms exclude.
    pub(crate) spare: BTreeSet<DealId>,
    /// How many deals the outstanding orders will make.
    pub(crate) expected: u32,
    /// How many distinct providers prove the data now, whatever the future of their deals.
    pub(crate) safe: u32,
    /// How each replica and order came to be where it is.
    pub(crate) reasons: Vec<Reason>,
}

/// A replica near or past its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'a> {
    /// The replica.
    pub(crate) replica: &'a Replica,
    /// Whether it still holds its slot: in the first half of its renewal window.
    pub(crate) holds: bool,
}

impl<'a> Slots<'a> {
    /// Counts the slots of what was seen, under what is wanted.
    pub(crate) fn count(seen: &'a Observation, wanted: &'a Wanted) -> Self {
        let mut spare = BTreeSet::new();
        loop {
            let slots = Self::given(seen, wanted, &spare);
            // What a spare deal was to replace is in want again and keeps its own provider, on
            // which one more deal may turn out spare. Each round finds one more, or is the last.
            if slots.spare.is_subset(&spare) {
                return slots;
            }
            spare.extend(slots.spare);
        }
    }

    /// The slots, where the deals `spare` replace nothing.
    fn given(seen: &'a Observation, wanted: &'a Wanted, spare: &BTreeSet<DealId>) -> Self {
        let mut sorting = Sorting::new(seen, wanted, spare);
        for replica in &seen.replicas {
            sorting.place(replica);
        }
        sorting.into_slots()
    }

    /// The replicas that live, whether or not they hold a slot still.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &'a Replica> {
        let ending = self.ending.iter().map(|ending| ending.replica);
        self.lasting.iter().copied().chain(ending.filter(|r| !r.verdict.is_over()))
    }

    /// How many slots are held.
    pub(crate) fn held(&self) -> u32 {
        let ending = self.ending.iter().filter(|e| e.holds).count();
        count_of(self.lasting.len() + ending).saturating_add(self.expected)
    }
}

/// A count of replicas as the numbers of terms have it.
pub(crate) fn count_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether the replica counts at all: it is ours or proven, or the contract is trusted with it; and
/// nobody contradicts who holds it.
pub(crate) fn counts(replica: &Replica, wanted: &Wanted) -> bool {
    let vouched = replica.proven || (wanted.trusts_contract && replica.listed);
    vouched && !is_mismatch(replica)
}

/// Whether the replica lives and is not near its end.
pub(crate) fn lasts(replica: &Replica, at: ChainEpoch, wanted: &Wanted) -> bool {
    let over = replica.verdict.is_over() || is_past_repair(replica, at, wanted);
    !over && window_left(replica, at, wanted).is_none()
}

/// What is left of a living replica's deal, and the renewal window that it is in.
pub(crate) fn window_left(
    replica: &Replica,
    at: ChainEpoch,
    wanted: &Wanted,
) -> Option<(EpochDelta, EpochDelta)> {
    let left = end_of(replica)?.since(at);
    wanted.renewal.filter(|window| left <= *window).map(|window| (left, window))
}

/// Whether the replica is faulty for longer than the repair threshold, beyond doubt.
pub(crate) fn is_past_repair(replica: &Replica, at: ChainEpoch, wanted: &Wanted) -> bool {
    match (&replica.verdict, wanted.repair) {
        (Verdict::Faulty { since, .. }, Some(threshold)) => {
            replica.confirmed && at >= since.epoch() + threshold
        }
        _ => false,
    }
}

/// Whether contract and proposal name different providers.
pub(crate) fn is_mismatch(replica: &Replica) -> bool {
    matches!(replica.verdict, Verdict::Unknown { why: Unknown::ProviderMismatch })
}

/// When a deal that is in a live sector ends.
pub(crate) fn end_of(replica: &Replica) -> Option<ChainEpoch> {
    match replica.verdict {
        Verdict::Active { end } | Verdict::Faulty { end, .. } => Some(end),
        _ => None,
    }
}
