//! Who holds the slots of a CID: computed once per look, and what renewal, repair and replication
//! all start from.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use raas_types::{
    ChainEpoch, DealId, EpochDelta, Order, ProviderId, Unknown, Verdict, VerdictKind,
};

use crate::{Observation, Reason, Replica, Wanted, succession::Succession};

/// The slots of a CID, by who holds them.
#[derive(Clone, Debug)]
pub(crate) struct Slots<'a> {
    /// Replicas that hold a slot, one per provider, not near their end.
    pub(crate) lasting: Vec<&'a Replica>,
    /// Replicas near or past their end that nothing succeeds yet, the earliest end first.
    pub(crate) ending: Vec<Ending<'a>>,
    /// Replicas that were lost and that nothing replaces yet.
    pub(crate) lost: Vec<&'a Replica>,
    /// Deals that add nothing: on providers that held the data in another deal already.
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

/// Where one replica belongs.
enum Place {
    Lasting,
    Ending { holds: bool },
    Lost,
    Nowhere,
}

/// The sorting of replicas under way.
struct Sorting<'a> {
    at: ChainEpoch,
    wanted: &'a Wanted,
    succession: Succession,
    expected: u32,
    lasting: Vec<&'a Replica>,
    ending: Vec<Ending<'a>>,
    lost: Vec<&'a Replica>,
    proving: BTreeSet<ProviderId>,
    reasons: Vec<Reason>,
}

impl<'a> Sorting<'a> {
    fn new(seen: &'a Observation, wanted: &'a Wanted, spare: &BTreeSet<DealId>) -> Self {
        let outstanding: Vec<_> = seen.orders.iter().filter(|o| o.is_outstanding()).collect();
        let copies = |order: &Order| {
            let view = seen.aggregators.iter().find(|a| a.name == order.aggregator);
            view.map_or(1, |a| a.copies.max(1))
        };
        Self {
            at: seen.at,
            wanted,
            succession: Succession::new(seen, wanted, spare),
            expected: outstanding.iter().map(|o| copies(o)).fold(0, u32::saturating_add),
            reasons: outstanding.iter().map(|o| outstanding_reason(o)).collect(),
            lasting: Vec::new(),
            ending: Vec::new(),
            lost: Vec::new(),
            proving: BTreeSet::new(),
        }
    }

    fn place(&mut self, replica: &'a Replica) {
        let (place, reason) = self.judge(replica);
        self.reasons.push(reason);
        if matches!(replica.verdict, Verdict::Active { .. }) && counts(replica, self.wanted) {
            self.proving.insert(replica.provider);
        }
        match place {
            Place::Lasting => self.lasting.push(replica),
            Place::Ending { holds } => self.ending.push(Ending { replica, holds }),
            Place::Lost => self.lost.push(replica),
            Place::Nowhere => {}
        }
    }

    fn judge(&self, replica: &Replica) -> (Place, Reason) {
        let Replica { deal, provider, .. } = *replica;
        if is_mismatch(replica) {
            return (Place::Nowhere, Reason::ProviderMismatch { deal, provider });
        }
        if !counts(replica, self.wanted) {
            return (Place::Nowhere, Reason::NotProven { deal, provider });
        }
        let verdict = replica.verdict.kind();
        match &replica.verdict {
            Verdict::Unknown { .. } => (Place::Lasting, Reason::NotKnown { deal, provider }),
            Verdict::Pending { .. } => (Place::Lasting, Reason::Holds { deal, provider, verdict }),
            Verdict::Active { .. } => self.judge_by_end(replica),
            Verdict::Faulty { since, .. } => self.judge_fault(replica, since.epoch()),
            _ if !replica.confirmed && !self.succession.is_succeeded(deal) => {
                (Place::Lasting, Reason::AwaitingSecondLook { deal, verdict })
            }
            Verdict::NeverExisted => (Place::Nowhere, Reason::Over { deal, verdict }),
            // What it was to replace is in want instead.
            _ if self.succession.is_void(replica) => {
                (Place::Nowhere, Reason::Over { deal, verdict })
            }
            Verdict::Ended | Verdict::Completed => self.judge_ended(deal, verdict),
            Verdict::StartMissed | Verdict::Terminated | Verdict::Gone => {
                self.judge_lost(deal, verdict)
            }
        }
    }

    /// In its renewal window a deal is ending; in the second half of it, it holds no slot any more,
    /// and with a successor none at all.
    fn judge_by_end(&self, replica: &Replica) -> (Place, Reason) {
        let Replica { deal, provider, .. } = *replica;
        match window_left(replica, self.at, self.wanted) {
            Some(_) if self.succession.is_succeeded(deal) => {
                (Place::Nowhere, Reason::Succeeded { deal })
            }
            Some((left, window)) => {
                let second_half = left <= window.half();
                let place = Place::Ending { holds: !second_half };
                (place, Reason::Ending { deal, end: self.at + left, second_half })
            }
            None => {
                let verdict = replica.verdict.kind();
                (Place::Lasting, Reason::Holds { deal, provider, verdict })
            }
        }
    }

    /// Below the threshold a faulty replica is as good as its deal is long; beyond it, once
    /// confirmed, it is lost.
    fn judge_fault(&self, replica: &Replica, since: ChainEpoch) -> (Place, Reason) {
        let Replica { deal, .. } = *replica;
        if is_past_repair(replica, self.at, self.wanted) {
            return self.judge_lost(deal, VerdictKind::Faulty);
        }
        let (place, by_end) = self.judge_by_end(replica);
        let reason = match self.wanted.repair {
            _ if !matches!(place, Place::Lasting) => by_end,
            None => Reason::FaultNotRepaired { deal, since },
            Some(threshold) if self.at < since + threshold => {
                Reason::FaultWaits { deal, since, repair_at: since + threshold }
            }
            Some(_) => Reason::AwaitingSecondLook { deal, verdict: VerdictKind::Faulty },
        };
        (place, reason)
    }

    /// A deal that came to its end unrenewed is still renewed, late.
    fn judge_ended(&self, deal: DealId, verdict: VerdictKind) -> (Place, Reason) {
        let reason = Reason::Over { deal, verdict };
        if self.wanted.renewal.is_some() && !self.succession.is_replaced(deal) {
            (Place::Ending { holds: false }, reason)
        } else {
            (Place::Nowhere, reason)
        }
    }

    fn judge_lost(&self, deal: DealId, verdict: VerdictKind) -> (Place, Reason) {
        if self.succession.is_replaced(deal) {
            (Place::Nowhere, Reason::Over { deal, verdict })
        } else {
            (Place::Lost, Reason::Lost { deal, verdict })
        }
    }

    fn into_slots(mut self) -> Slots<'a> {
        let spare = self.one_per_provider();
        self.ending.sort_by_key(|e| (end_of(e.replica), e.replica.deal));
        Slots {
            lasting: self.lasting,
            ending: self.ending,
            lost: self.lost,
            spare,
            expected: self.expected,
            safe: count_of(self.proving.len()),
            reasons: self.reasons,
        }
    }

    /// Of several replicas on one provider the best holds the slot; those that came after the first
    /// added nothing, and are returned.
    fn one_per_provider(&mut self) -> BTreeSet<DealId> {
        let mut on: BTreeMap<ProviderId, Vec<&Replica>> = BTreeMap::new();
        let ending = self.ending.iter().filter(|e| e.holds).map(|e| e.replica);
        for replica in self.lasting.iter().copied().chain(ending) {
            on.entry(replica.provider).or_default().push(replica);
        }
        let (mut outdone, mut spare) = (BTreeSet::new(), BTreeSet::new());
        for replicas in on.values_mut() {
            replicas.sort_by_key(|r| r.deal);
            let best = replicas.iter().max_by_key(|r| goodness(r)).map(|r| r.deal);
            outdone.extend(replicas.iter().map(|r| r.deal).filter(|deal| Some(*deal) != best));
            for Replica { deal, provider, .. } in replicas.iter().skip(1) {
                spare.insert(*deal);
                self.reasons.push(Reason::AddsNothing { deal: *deal, provider: *provider });
            }
        }
        self.lasting.retain(|r| !outdone.contains(&r.deal));
        self.ending.retain(|e| !e.holds || !outdone.contains(&e.replica.deal));
        spare
    }
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
fn window_left(
    replica: &Replica,
    at: ChainEpoch,
    wanted: &Wanted,
) -> Option<(EpochDelta, EpochDelta)> {
    let left = end_of(replica)?.since(at);
    wanted.renewal.filter(|window| left <= *window).map(|window| (left, window))
}

/// Whether the replica is faulty for longer than the repair threshold, beyond doubt.
fn is_past_repair(replica: &Replica, at: ChainEpoch, wanted: &Wanted) -> bool {
    match (&replica.verdict, wanted.repair) {
        (Verdict::Faulty { since, .. }, Some(threshold)) => {
            replica.confirmed && at >= since.epoch() + threshold
        }
        _ => false,
    }
}

fn is_mismatch(replica: &Replica) -> bool {
    matches!(replica.verdict, Verdict::Unknown { why: Unknown::ProviderMismatch })
}

/// Which of two replicas on one provider holds the slot: the one proven the longest, else the one
/// that may come to be.
fn goodness(replica: &Replica) -> (u8, Option<ChainEpoch>, Reverse<DealId>) {
    let rank = match replica.verdict.kind() {
        VerdictKind::Active => 4,
        VerdictKind::Pending => 3,
        VerdictKind::Unknown => 2,
        VerdictKind::Faulty => 1,
        _ => 0,
    };
    (rank, end_of(replica), Reverse(replica.deal))
}

fn end_of(replica: &Replica) -> Option<ChainEpoch> {
    match replica.verdict {
        Verdict::Active { end } | Verdict::Faulty { end, .. } => Some(end),
        _ => None,
    }
}

fn outstanding_reason(order: &Order) -> Reason {
    Reason::Outstanding { order: order.id.clone(), cause: order.cause, since: order.created }
}
