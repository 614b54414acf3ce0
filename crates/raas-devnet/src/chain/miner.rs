//! Miners: sectors in deadlines and partitions, proofs that are made or missed, recoveries,
//! terminations, each with its epoch so that the state can be told as of any of them.
//!
//! A miner does not record the proofs of every day: between two changes nothing is stored, and
//! [`Miner::next_change`] says when the next one can come. That is what makes a year cheap.

use std::collections::{BTreeMap, BTreeSet};

use raas_types::{Cid, DealId, ProviderId, SectorNumber};

use super::{
    deadline::{CHALLENGE_WINDOW, DEADLINES, FAULT_MAX_AGE, Schedule, Window},
    sector::{Condition, Expiry, Layout, Sector, gone},
    view::{SectorLocation, SectorState},
};

/// A storage provider as the chain sees it.
#[derive(Clone, Debug)]
pub(crate) struct Miner {
    pub id: ProviderId,
    pub schedule: Schedule,
    /// Deals whose activation came due while the provider was faulted.
    pub stalled: Vec<DealId>,
    sectors: BTreeMap<SectorNumber, Sector>,
    /// deadline -> its layouts, ascending: a compaction makes a new one.
    layouts: Vec<Vec<Layout>>,
    partition_size: usize,
    next_sector: u64,
    /// (epoch, whether it proves after that epoch), ascending.
    proving: Vec<(i64, bool)>,
}

impl Miner {
    /// A provider with no sectors that proves.
    pub(crate) fn new(
        id: ProviderId,
        schedule: Schedule,
        partition_size: usize,
        next_sector: u64,
    ) -> Self {
        let empty = || vec![Layout::since(i64::MIN)];
        let layouts = (0..DEADLINES).map(|_| empty()).collect();
        Self {
            id,
            schedule,
            stalled: Vec::new(),
            sectors: BTreeMap::new(),
            layouts,
            partition_size,
            next_sector,
            proving: Vec::new(),
        }
    }

    /// All sectors there ever were.
    pub(crate) fn sectors(&self) -> impl Iterator<Item = &Sector> {
        self.sectors.values()
    }

    /// The sector with that number.
    pub(crate) fn sector(&self, number: SectorNumber) -> Option<&Sector> {
        self.sectors.get(&number)
    }

    /// The same miner with that sector in that condition ever since its activation. For liars.
    pub(crate) fn with_condition(&self, number: SectorNumber, condition: Condition) -> Self {
        let mut miner = self.clone();
        if let Some(sector) = miner.sectors.get_mut(&number) {
            sector.has_always_been(condition);
        }
        miner
    }

    pub(super) fn sector_mut(&mut self, number: SectorNumber) -> Option<&mut Sector> {
        self.sectors.get_mut(&number)
    }

    /// Sectors in the partitions of a deadline after `epoch`, terminated ones included.
    pub(super) fn listed_in(
        &mut self,
        deadline: u64,
        epoch: i64,
    ) -> impl Iterator<Item = &mut Sector> {
        let listed = move |s: &&mut Sector| s.partition_after(epoch).is_some();
        self.sectors.values_mut().filter(move |s| s.deadline == deadline).filter(listed)
    }

    /// Sectors in a partition, at most.
    pub(super) fn partition_size(&self) -> usize {
        self.partition_size
    }

    /// The deadline's partitions are these now.
    pub(super) fn lay_out(&mut self, deadline: u64, layout: Layout) {
        let at = usize::try_from(deadline).unwrap_or_default();
        self.layouts[at].push(layout);
    }

    /// The partitions of a deadline as they were after `epoch`: those with a sector by then, each
    /// with the sectors' conditions.
    pub(crate) fn partitions_after(
        &self,
        deadline: u64,
        epoch: i64,
    ) -> Vec<Vec<(SectorNumber, Condition)>> {
        let layouts = usize::try_from(deadline).ok().and_then(|at| self.layouts.get(at));
        let mut newest_first = layouts.into_iter().flatten().rev();
        let layout = newest_first.find(|layout| layout.holds_after(epoch));
        let partitions = layout.into_iter().flat_map(Layout::partitions);
        let sectors = partitions.map(|partition| {
            let at_epoch = partition.iter().filter_map(|number| {
                let condition = self.sectors.get(number)?.after(epoch)?;
                Some((*number, condition))
            });
            at_epoch.collect::<Vec<_>>()
        });
        sectors.filter(|partition| !partition.is_empty()).collect()
    }

    /// Where FIP-0112 says the sector is and how it does after `epoch`. A terminated sector is
    /// dead, and as long as nobody compacts its deadline it is still found there.
    pub(crate) fn location_after(&self, number: SectorNumber, epoch: i64) -> SectorLocation {
        let found = self.sectors.get(&number);
        let Some((sector, condition)) = found.and_then(|s| Some((s, s.after(epoch)?))) else {
            return SectorLocation { state: SectorState::Dead, location: None };
        };
        let state = match condition {
            Condition { terminated: true, .. } => SectorState::Dead,
            Condition { fault: Some(_), .. } => SectorState::Faulty,
            _ => SectorState::Active,
        };
        let partition = sector.partition_after(epoch);
        SectorLocation { state, location: partition.map(|partition| (sector.deadline, partition)) }
    }

    /// When the sector leaves, as told after `epoch`; `None` when it has left or does not exist.
    pub(crate) fn expiry_after(&self, number: SectorNumber, epoch: i64) -> Option<Expiry> {
        let sector = self.sectors.get(&number)?;
        let condition = sector.after(epoch)?;
        (!condition.terminated).then(|| self.expiry(sector, condition))
    }

    /// Whether it will send its next proof.
    pub(crate) fn is_proving(&self) -> bool {
        self.proving.last().is_none_or(|(_, proving)| *proving)
    }

    /// From after `epoch` on it proves, or does not.
    pub(crate) fn set_proving(&mut self, epoch: i64, proving: bool) {
        if self.is_proving() != proving {
            self.proving.push((epoch, proving));
        }
    }

    /// Puts a new sector into that deadline. Its first proof is due there.
    pub(crate) fn add_sector(
        &mut self,
        epoch: i64,
        deadline: u64,
        expiration: i64,
        deal: DealId,
        piece: Cid,
    ) -> &Sector {
        let number = SectorNumber::new(self.next_sector);
        self.next_sector += 1;
        let partition = self.place(deadline, number);
        let sector = Sector::new(number, (deadline, partition), (epoch, expiration), deal, piece);
        self.sectors.entry(number).or_insert(sector)
    }

    /// The proof of a window lands: new sectors become active, declared recoveries come true.
    pub(crate) fn prove(&mut self, epoch: i64, window: Window) {
        if !self.proves(window) {
            return;
        }
        for sector in self.sectors.values_mut() {
            let now = sector.now();
            if sector.deadline != window.index || now.terminated {
                continue;
            }
            let fault = if now.recovering { None } else { now.fault };
            sector.change(epoch, Condition { unproven: false, recovering: false, fault, ..now });
        }
    }

    /// Cron at the last epoch of a window: what was not proven is faulty, what is due leaves.
    /// Answers the deals of sectors that were terminated early.
    pub(crate) fn close(&mut self, epoch: i64, window: Window) -> Vec<DealId> {
        let missed = !self.proves(window);
        let mut terminated = Vec::new();
        let due: Vec<_> = self.live_in(window.index).map(|sector| sector.number).collect();
        for number in due {
            let Some(sector) = self.sectors.get(&number) else { continue };
            let mut condition = sector.now();
            if missed {
                condition = Condition {
                    unproven: false,
                    recovering: false,
                    fault: condition.fault.or(Some(epoch)),
                    terminated: false,
                };
            }
            let deal = sector.deal;
            match self.expiry(sector, condition) {
                Expiry::OnTime(at) if at <= epoch => condition = gone(),
                Expiry::Early(at) if at <= epoch => {
                    condition = gone();
                    terminated.push(deal);
                }
                _ => {}
            }
            if let Some(sector) = self.sectors.get_mut(&number) {
                sector.change(epoch, condition);
            }
        }
        terminated
    }

    /// `DeclareFaultsRecovered` for all faulty sectors of a deadline, unless it comes too late for
    /// the next window: then answers the epoch at which it may be said again.
    pub(crate) fn declare_recovered(&mut self, epoch: i64, deadline: u64) -> Option<i64> {
        let window = self.schedule.next_not_elapsed(deadline, epoch);
        if epoch >= window.fault_cutoff() {
            return Some(window.close);
        }
        for sector in self.sectors.values_mut() {
            let now = sector.now();
            if sector.deadline == deadline && now.fault.is_some() && !now.terminated {
                sector.change(epoch, Condition { recovering: true, ..now });
            }
        }
        None
    }

    /// `TerminateSectors` for everything that lives. Answers the deals in those sectors.
    pub(crate) fn terminate_all(&mut self, epoch: i64) -> Vec<DealId> {
        let live = self.sectors.values_mut().filter(|sector| !sector.now().terminated);
        let deals = live.map(|sector| {
            sector.change(epoch, gone());
            sector.deal
        });
        deals.collect()
    }

    /// Deadlines with live sectors; with `faulty`, only those with a faulty one.
    pub(crate) fn deadlines(&self, faulty: bool) -> BTreeSet<u64> {
        let live = self.sectors.values().filter(|sector| !sector.now().terminated);
        live.filter(|s| !faulty || s.now().fault.is_some()).map(|s| s.deadline).collect()
    }

    /// The next window of `deadline`, from `epoch` on, in which something can change.
    pub(crate) fn next_change(&self, deadline: u64, epoch: i64) -> Option<Window> {
        let next = self.schedule.next_not_elapsed(deadline, epoch);
        let proving = self.is_proving();
        let changes = self.live_in(deadline).map(|sector| {
            let now = sector.now();
            if now.unproven || now.recovering || (!proving && now.fault.is_none()) {
                return next;
            }
            let (Expiry::OnTime(at) | Expiry::Early(at)) = self.expiry(sector, now);
            self.schedule.next_not_elapsed(deadline, at.max(epoch))
        });
        changes.min_by_key(|window| window.open)
    }

    pub(super) fn live_in(&self, deadline: u64) -> impl Iterator<Item = &Sector> {
        let live = move |s: &&Sector| s.deadline == deadline && !s.now().terminated;
        self.sectors.values().filter(live)
    }

    /// Whether the proof of that window was or will be sent. A change of mind holds from the epoch
    /// after it on.
    fn proves(&self, window: Window) -> bool {
        let before = self.proving.partition_point(|(at, _)| *at < window.post());
        self.proving[..before].last().is_none_or(|(_, proving)| *proving)
    }

    fn expiry(&self, sector: &Sector, condition: Condition) -> Expiry {
        let on_time = self.schedule.quantize_up(sector.deadline, sector.expiration);
        let early = condition
            .fault
            .map(|missed| self.schedule.quantize_up(sector.deadline, missed + FAULT_MAX_AGE));
        match early {
            Some(early) if early < on_time => Expiry::Early(early),
            _ => Expiry::OnTime(on_time),
        }
    }

    /// The deadline nearest to `wish` that accepts sectors. It accepts none while it is open nor in the challenge window before
    /// (`deadline_is_mutable`).
    pub(super) fn mutable_deadline(&self, epoch: i64, wish: u64) -> u64 {
        let mutable = |deadline: &u64| self.is_mutable(epoch, *deadline);
        // Never more than three of 48 are closed to changes.
        let candidates = (0..DEADLINES).map(|step| (wish + step) % DEADLINES);
        candidates.into_iter().find(mutable).unwrap_or(wish % DEADLINES)
    }

    pub(super) fn is_mutable(&self, epoch: i64, deadline: u64) -> bool {
        let window = self.schedule.next_not_elapsed(deadline, epoch);
        epoch < window.open - CHALLENGE_WINDOW
    }

    fn place(&mut self, deadline: u64, number: SectorNumber) -> u64 {
        let at = usize::try_from(deadline).unwrap_or_default();
        let size = self.partition_size;
        let Some(layout) = self.layouts[at].last_mut() else { return 0 };
        layout.place(number, size)
    }
}
