//! Messages about single sectors and deadlines: declarations, terminations, disputes, compaction. Each
//! answers why it fails where the miner actor would fail it.

use raas_types::{DealId, SectorNumber};

use super::{
    deadline::{DEADLINES, DISPUTE_WINDOW, Window},
    miner::Miner,
    sector::{Condition, Layout, Sector, gone},
};

impl Miner {
    /// `TerminateSectors` of one sector. Answers its deal.
    pub(super) fn terminate(&mut self, epoch: i64, number: SectorNumber) -> Result<DealId, String> {
        let sector = self.live_mut(number)?;
        sector.change(epoch, gone());
        Ok(sector.deal)
    }

    /// `DeclareFaults` of one sector: its age counts from its next deadline. Answers the deadline.
    pub(super) fn declare_fault(
        &mut self,
        epoch: i64,
        number: SectorNumber,
    ) -> Result<u64, String> {
        let window = self.declarable(epoch, number)?;
        let sector = self.live_mut(number)?;
        let now = sector.now();
        // A fault that is declared again withdraws a declared recovery and keeps its age.
        let fault = now.fault.or(Some(window.last()));
        sector.change(epoch, Condition { fault, unproven: false, recovering: false, ..now });
        Ok(window.index)
    }

    /// `DeclareFaultsRecovered` of one sector: its next proof decides. Answers the deadline.
    pub(super) fn declare_recovery_of(
        &mut self,
        epoch: i64,
        number: SectorNumber,
    ) -> Result<u64, String> {
        let window = self.declarable(epoch, number)?;
        let sector = self.live_mut(number)?;
        let now = sector.now();
        if now.fault.is_none() {
            return Err(format!("sector {number} is not faulty: there is nothing to recover"));
        }
        sector.change(epoch, Condition { recovering: true, ..now });
        Ok(window.index)
    }

    /// `DisputeWindowedPoSt` of the proof that this sector was in last, and the proof turns out to be
    /// wrong: every sector of the partition that it proved is faulty, as if it had not been sent. Answers
    /// the deadline.
    ///
    /// A provider of the devnet proves each partition in a message of its own, so that no other
    /// partition's sectors are in that proof.
    pub(super) fn lose_dispute(&mut self, epoch: i64, number: SectorNumber) -> Result<u64, String> {
        let sector = self.sector(number).ok_or_else(|| self.unknown(number))?;
        let deadline = sector.deadline;
        let window = self.schedule.last_elapsed(deadline, epoch);
        if epoch >= window.close + DISPUTE_WINDOW || self.schedule.current(epoch).index == deadline
        {
            let close = self.schedule.next_not_elapsed(deadline, epoch).close;
            return Err(format!(
                "a proof of deadline {deadline} is disputed in the {DISPUTE_WINDOW} epochs after \
                 the deadline has closed: dispute the next one from epoch {close} on"
            ));
        }
        let was_proven = |s: &Sector| s.after(window.post()).is_some_and(Condition::is_active);
        let stands = |s: &Sector| !s.now().terminated && s.now().fault.is_none();
        if !(was_proven(sector) && stands(sector)) {
            return Err(format!(
                "sector {number} was not proven from epoch {} to {}, or is faulty or terminated \
                 since: there is nothing to dispute",
                window.open,
                window.last()
            ));
        }
        let partition = sector.partition_after(epoch);
        let disputed = self.listed_in(deadline, epoch);
        for sector in disputed.filter(|s| s.partition_after(epoch) == partition) {
            if was_proven(sector) && stands(sector) {
                let condition = Condition { fault: Some(window.last()), ..sector.now() };
                sector.change(epoch, condition);
            }
        }
        Ok(deadline)
    }

    /// `CompactPartitions` of all partitions of a deadline: terminated sectors leave the tables, the
    /// others move together in the order of their numbers.
    pub(super) fn compact(&mut self, epoch: i64, deadline: u64) -> Result<(), String> {
        if deadline >= DEADLINES {
            return Err(format!("there is no deadline {deadline}: write 0 to {}", DEADLINES - 1));
        }
        if !self.is_mutable(epoch, deadline) {
            let close = self.schedule.next_not_elapsed(deadline, epoch).close;
            return Err(format!(
                "deadline {deadline} is open or about to be: compact it from epoch {close} on"
            ));
        }
        let unfit = |s: &&Sector| s.now().fault.is_some() || s.now().unproven;
        if let Some(sector) = self.live_in(deadline).find(unfit) {
            return Err(format!(
                "sector {} is faulty or not proven yet: only deadlines without such are compacted",
                sector.number
            ));
        }
        let mut layout = Layout::since(epoch);
        let size = self.partition_size();
        for sector in self.listed_in(deadline, epoch) {
            let live = !sector.now().terminated;
            let partition = live.then(|| layout.place(sector.number, size));
            sector.move_to(epoch, partition);
        }
        self.lay_out(deadline, layout);
        Ok(())
    }

    /// The next window of a sector's deadline, if something may still be declared for it.
    fn declarable(&self, epoch: i64, number: SectorNumber) -> Result<Window, String> {
        let sector = self.sector(number).ok_or_else(|| self.unknown(number))?;
        let window = self.schedule.next_not_elapsed(sector.deadline, epoch);
        if epoch >= window.fault_cutoff() {
            return Err(format!(
                "the fault cutoff of deadline {} has passed: declare it from epoch {} on",
                sector.deadline, window.close
            ));
        }
        Ok(window)
    }

    fn live_mut(&mut self, number: SectorNumber) -> Result<&mut Sector, String> {
        let unknown = self.unknown(number);
        let sector = self.sector_mut(number).ok_or(unknown)?;
        if sector.now().terminated {
            return Err(format!("sector {number} is terminated"));
        }
        Ok(sector)
    }

    fn unknown(&self, number: SectorNumber) -> String {
        format!(
            "provider f0{} has no sector {number}: GET /devnet/deals names those there are",
            self.id.get()
        )
    }
}
