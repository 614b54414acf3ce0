//! How each replica comes to hold a slot, or not: by its verdict first, then beside the others.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use raas_types::{ChainEpoch, DealId, Order, ProviderId, Verdict, VerdictKind};

use crate::{
    Observation, Reason, Replica, Wanted, aggregators,
    placement::{self, Caps},
    slots::{Ending, Slots, count_of, counts, end_of, is_mismatch, is_past_repair, window_left},
    succession::Succession,
};

/// Where one replica belongs.
enum Place {
    Lasting,
    Ending { holds: bool },
    Lost,
    Nowhere,
}

/// The sorting of replicas under way.
pub(crate) struct Sorting<'a> {
    at: ChainEpoch,
    seen: &'a Observation,
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
    /// The orders that are outstanding, and no replica yet. The deals `spare` replace nothing.
    pub(crate) fn new(seen: &'a Observation, wanted: &'a Wanted, spare: &BTreeSet<DealId>) -> Self {
        let outstanding: Vec<_> = seen.orders.iter().filter(|o| o.is_outstanding()).collect();
        let expected = outstanding.iter().map(|order| aggregators::expected_of(order, seen));
        Self {
            at: seen.at,
            seen,
            wanted,
            succession: Succession::new(seen, wanted, spare),
            expected: expected.fold(0, u32::saturating_add),
            reasons: outstanding.iter().map(|o| outstanding_reason(o)).collect(),
            lasting: Vec::new(),
            ending: Vec::new(),
            lost: Vec::new(),
            proving: BTreeSet::new(),
        }
    }

    /// Puts one more replica where it belongs.
    pub(crate) fn place(&mut self, replica: &'a Replica) {
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
        let (place, reason) = self.judge_by_verdict(replica);
        if !self.is_excluded(replica) {
            return (place, reason);
        }
        let Replica { deal, provider, .. } = *replica;
        let excluded = Reason::Excluded { deal, provider };
        match place {
            Place::Lasting => (Place::Nowhere, excluded),
            // Where nothing was ordered beside it, its successor is.
            Place::Ending { .. } => (Place::Ending { holds: false }, excluded),
            Place::Lost | Place::Nowhere => (place, reason),
        }
    }

    /// Whether the terms exclude the provider of a replica that lives. Of one that is not known,
    /// nothing follows.
    fn is_excluded(&self, replica: &Replica) -> bool {
        is_alive(replica)
            && counts(replica, self.wanted)
            && self.wanted.placement.exclude.contains(&replica.provider)
    }

    fn judge_by_verdict(&self, replica: &Replica) -> (Place, Reason) {
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

    /// What comes of it once each has its place.
    pub(crate) fn into_slots(mut self) -> Slots<'a> {
        let mut spare = self.one_per_provider();
        spare.extend(self.keep_to_caps());
        let excluded = self.seen.replicas.iter().filter(|r| self.is_excluded(r));
        spare.extend(excluded.map(|r| r.deal));
        let absent = placement::absent_facts(&self.holding(), self.wanted, &self.seen.providers);
        self.reasons.extend(absent);
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

    /// The replicas that hold slots.
    fn holding(&self) -> Vec<&'a Replica> {
        let ending = self.ending.iter().filter(|e| e.holds).map(|e| e.replica);
        self.lasting.iter().copied().chain(ending).collect()
    }

    /// Of several replicas on one provider the best holds the slot; those that came after the first
    /// added nothing, and are returned.
    fn one_per_provider(&mut self) -> BTreeSet<DealId> {
        let mut on: BTreeMap<ProviderId, Vec<&Replica>> = BTreeMap::new();
        for replica in self.holding() {
            on.entry(replica.provider).or_default().push(replica);
        }
        // One that lives and lasts needs no successor of one beside it that ends.
        let lasting: BTreeSet<DealId> =
            self.lasting.iter().filter(|r| is_alive(r)).map(|r| r.deal).collect();
        let lasts = |r: &Replica| lasting.contains(&r.deal);
        let (mut outdone, mut spare) = (BTreeSet::new(), BTreeSet::new());
        for replicas in on.values_mut() {
            replicas.sort_by_key(|r| r.deal);
            let best = replicas.iter().max_by_key(|r| (lasts(r), goodness(r))).map(|r| r.deal);
            outdone.extend(replicas.iter().map(|r| r.deal).filter(|deal| Some(*deal) != best));
            for Replica { deal, provider, .. } in replicas.iter().skip(1) {
                spare.insert(*deal);
                self.reasons.push(Reason::AddsNothing { deal: *deal, provider: *provider });
            }
        }
        self.drop_outdone(&outdone);
        spare
    }

    /// Of several replicas of a kind of which the terms allow fewer, the best hold slots; those that
    /// came after as many as are allowed added nothing, and are returned.
    fn keep_to_caps(&mut self) -> BTreeSet<DealId> {
        if self.wanted.placement.caps().next().is_none() {
            return BTreeSet::new();
        }
        let mut replicas = self.holding();
        replicas.sort_by_key(|r| r.deal);
        let spare = self.beyond_caps(&replicas).into_iter().map(|(deal, _)| deal).collect();
        replicas.sort_by_key(|r| Reverse(goodness(r)));
        let (outdone, reasons): (BTreeSet<_>, Vec<_>) =
            self.beyond_caps(&replicas).into_iter().unzip();
        self.reasons.extend(reasons);
        self.drop_outdone(&outdone);
        spare
    }

    /// The replicas that are too many of a kind, where the first ones go first.
    fn beyond_caps(&self, replicas: &[&Replica]) -> Vec<(DealId, Reason)> {
        let mut caps = Caps::new(&self.wanted.placement, &self.seen.providers);
        let beyond = |r: &&Replica| {
            let Replica { deal, provider, .. } = **r;
            let (by, cap) = caps.take(provider)?;
            Some((deal, Reason::OverCap { deal, provider, by, cap }))
        };
        replicas.iter().filter_map(beyond).collect()
    }

    fn drop_outdone(&mut self, outdone: &BTreeSet<DealId>) {
        self.lasting.retain(|r| !outdone.contains(&r.deal));
        self.ending.retain(|e| !e.holds || !outdone.contains(&e.replica.deal));
    }
}

/// Whether the replica is, or is about to be, there.
const fn is_alive(replica: &Replica) -> bool {
    matches!(
        replica.verdict,
        Verdict::Active { .. } | Verdict::Pending { .. } | Verdict::Faulty { .. }
    )
}

/// Which of two replicas on one provider holds the slot: the one proven the longest, else the one
/// that may come to be.
fn goodness(replica: &Replica) -> (u8, Option<ChainEpoch>, Reverse<DealId>) {
    let rank = match replica.verdict.kind() {
        VerdictKind::Active => 3,
        VerdictKind::Pending => 2,
        VerdictKind::Unknown => 1,
        // A faulty one has an end, one that is said to be lost has none.
        _ => 0,
    };
    (rank, end_of(replica), Reverse(replica.deal))
}

fn outstanding_reason(order: &Order) -> Reason {
    Reason::Outstanding { order: order.id.clone(), cause: order.cause, since: order.created }
}
