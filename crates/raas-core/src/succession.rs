//! Which deals another one has taken the place of.
//!
//! Only what came to something takes a place: a replacement that adds nothing, or that was never
//! activated, leaves what it was to replace in want.

use std::collections::{BTreeMap, BTreeSet};

use raas_types::{DealId, Verdict};

use crate::{Observation, Replica, Wanted, slots};

/// The deals that others have taken the place of.
pub(crate) struct Succession {
    /// Those that a lasting replica or an outstanding order replaces.
    succeeded: BTreeSet<DealId>,
    /// Those that anything that ever came to be, or an outstanding order, replaces.
    replaced: BTreeSet<DealId>,
    /// All that count.
    counted: BTreeSet<DealId>,
}

impl Succession {
    /// Of what was seen, where the deals `spare` are known to add nothing.
    pub(crate) fn new(seen: &Observation, wanted: &Wanted, spare: &BTreeSet<DealId>) -> Self {
        let counted = || seen.replicas.iter().filter(|r| slots::counts(r, wanted));
        let made = || counted().filter(|r| !spare.contains(&r.deal) && !never_was(r));
        let mut lasting = made().filter(|r| slots::lasts(r, seen.at, wanted));
        let outstanding = seen.orders.iter().filter(|order| order.is_outstanding());
        let ordered: Vec<_> = outstanding.filter_map(|order| order.cause.replaces()).collect();
        let void = counted().filter(|r| never_was(r));
        let void = void.filter_map(|r| Some((r.deal, r.replaces?))).collect();
        let by = |replicas: &mut dyn Iterator<Item = &Replica>| {
            through(replicas.filter_map(|r| r.replaces).chain(ordered.iter().copied()), &void)
        };
        Self {
            succeeded: by(&mut lasting),
            replaced: by(&mut made()),
            counted: counted().map(|r| r.deal).collect(),
        }
    }

    /// Whether a deal or an order holds the slot of this one, for as long as is asked for.
    pub(crate) fn is_succeeded(&self, deal: DealId) -> bool {
        self.succeeded.contains(&deal)
    }

    /// Whether this one was replaced, whatever has become of its replacement.
    pub(crate) fn is_replaced(&self, deal: DealId) -> bool {
        self.replaced.contains(&deal)
    }

    /// Whether this replica never was, and the deal that it was to replace is in want instead.
    pub(crate) fn is_void(&self, replica: &Replica) -> bool {
        never_was(replica) && replica.replaces.is_some_and(|old| self.counted.contains(&old))
    }
}

/// Whether no deal came of it, beyond doubt.
fn never_was(replica: &Replica) -> bool {
    replica.confirmed && matches!(replica.verdict, Verdict::StartMissed | Verdict::NeverExisted)
}

/// What is replaced, and through one that never was also what that one was to replace.
fn through(
    replaced: impl Iterator<Item = DealId>,
    void: &BTreeMap<DealId, DealId>,
) -> BTreeSet<DealId> {
    let mut all = BTreeSet::new();
    for deal in replaced {
        let mut next = Some(deal);
        while let Some(deal) = next.filter(|deal| all.insert(*deal)) {
            next = void.get(&deal).copied();
        }
    }
    all
}
