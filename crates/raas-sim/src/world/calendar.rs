//! What is to happen, and when: time jumps from one happening to the next.

use std::collections::BTreeMap;

use raas_types::{ChainEpoch, DealId};

use super::{endpoint::Mode, service::Mood};

/// Something that happens at an epoch.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An aggregator publishes a deal for one of its entries.
    Publish { service: usize, entry: usize },
    /// A deal's sector is to be proven for the first time.
    Activate { deal: DealId },
    /// The contract's transactions that were sent are mined.
    Mine,
    /// What is not final is undone, this far back.
    Reorganise { depth: i64 },
    /// An endpoint changes.
    Endpoint { index: usize, mode: Mode },
    /// An aggregator changes.
    Service { index: usize, mood: Mood },
    /// The store works, or fails so many times in a hundred.
    Store { percent: u64 },
    /// The contract's endpoint works, or fails so many times in a hundred.
    Contract { percent: u64 },
    /// A stranger writes a deal into the contract for some data.
    Forge { number: u64 },
    /// A provider is out, is back, or is gone: told, and nothing more; its fate is its own.
    Note { provider: usize, what: &'static str },
    /// A node's copies are lost.
    Drop { node: usize },
}

/// What is to happen, in order; of what happens at one epoch, in the order in which it was entered.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    entries: BTreeMap<(ChainEpoch, u64), Happening>,
    next: u64,
}

impl Calendar {
    pub(crate) fn enter(&mut self, at: ChainEpoch, what: Happening) {
        self.entries.insert((at, self.next), what);
        self.next += 1;
    }

    /// What is next, if it is no later than this.
    pub(crate) fn take_until(&mut self, at: ChainEpoch) -> Option<(ChainEpoch, Happening)> {
        let first = self.entries.first_entry().filter(|first| first.key().0 <= at)?;
        let ((at, _), what) = first.remove_entry();
        Some((at, what))
    }
}
