//! A sector with its history, and the partitions that list sectors.

use raas_types::{Cid, DealId, SectorNumber};

/// The state of a sector between two changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// No proof since activation. Such a sector is live, not faulty, and not in the active set.
    pub unproven: bool,
    /// The last epoch of the first deadline it missed, while it is faulty.
    pub fault: Option<i64>,
    /// Declared recovered; its next proof decides.
    pub recovering: bool,
    /// Terminated or expired. It stays in the partition's and the miner's tables.
    pub terminated: bool,
}

impl Condition {
    /// In the active set: proven, not faulty.
    pub(crate) fn is_active(self) -> bool {
        !self.terminated && !self.unproven && self.fault.is_none()
    }
}

/// When a sector leaves, as its partition's expiration queue has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    OnTime(i64),
    /// It has been faulty for so long, and its own expiration lies later.
    Early(i64),
}

/// A sector and its history.
#[derive(Clone, Debug)]
pub(crate) struct Sector {
    pub number: SectorNumber,
    pub deadline: u64,
    pub activation: i64,
    pub expiration: i64,
    pub deal: DealId,
    pub piece: Cid,
    /// (epoch, condition after it), ascending; the first is the activation.
    history: Vec<(i64, Condition)>,
    /// (epoch, partition after it), ascending; `None` after it was compacted away.
    places: Vec<(i64, Option<u64>)>,
}

impl Sector {
    /// A new sector at (deadline, partition), for the time from activation to expiration.
    pub(super) fn new(
        number: SectorNumber,
        (deadline, partition): (u64, u64),
        (activation, expiration): (i64, i64),
        deal: DealId,
        piece: Cid,
    ) -> Self {
        let condition = Condition { unproven: true, ..Condition::default() };
        Self {
            number,
            deadline,
            activation,
            expiration,
            deal,
            piece,
            history: vec![(activation, condition)],
            places: vec![(activation, Some(partition))],
        }
    }

    /// Rewrites its history. For liars.
    pub(super) fn has_always_been(&mut self, condition: Condition) {
        self.history = vec![(self.activation, condition)];
    }

    /// The partition that lists it after `epoch`; `None` before the activation and after a
    /// compaction that removed it.
    pub(crate) fn partition_after(&self, epoch: i64) -> Option<u64> {
        let known = self.places.partition_point(|(at, _)| *at <= epoch);
        self.places[..known].last().and_then(|(_, partition)| *partition)
    }

    /// The condition after `epoch`; `None` before the activation.
    pub(crate) fn after(&self, epoch: i64) -> Option<Condition> {
        let known = self.history.partition_point(|(at, _)| *at <= epoch);
        self.history[..known].last().map(|(_, condition)| *condition)
    }

    /// The condition now.
    pub(crate) fn now(&self) -> Condition {
        self.history.last().map(|(_, condition)| *condition).unwrap_or_default()
    }

    pub(super) fn change(&mut self, epoch: i64, condition: Condition) {
        if self.now() != condition {
            self.history.push((epoch, condition));
        }
    }

    /// From after `epoch` on it lies in that partition, or in none.
    pub(super) fn move_to(&mut self, epoch: i64, partition: Option<u64>) {
        self.places.push((epoch, partition));
    }
}

/// The partitions of a deadline from an epoch on, with their sectors.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    since: i64,
    partitions: Vec<Vec<SectorNumber>>,
}

impl Layout {
    /// No partitions from that epoch on.
    pub(super) fn since(epoch: i64) -> Self {
        Self { since: epoch, partitions: Vec::new() }
    }

    /// Whether it came into force at or before that epoch.
    pub(super) fn holds_after(&self, epoch: i64) -> bool {
        self.since <= epoch
    }

    pub(super) fn partitions(&self) -> &[Vec<SectorNumber>] {
        &self.partitions
    }

    /// Puts a sector into the last partition, or into a new one when that is full.
    pub(super) fn place(&mut self, number: SectorNumber, size: usize) -> u64 {
        if self.partitions.last().is_none_or(|last| last.len() >= size) {
            self.partitions.push(Vec::new());
        }
        let index = self.partitions.len() - 1;
        self.partitions[index].push(number);
        index as u64
    }
}

/// The condition of a sector that left.
pub(super) fn gone() -> Condition {
    Condition { terminated: true, ..Condition::default() }
}
