//! The chain as a line of tipsets: keys, rounds without a block, reorganisations. What happened in them
//! is elsewhere.

use std::collections::BTreeMap;

use cid::{Cid, multihash::Multihash};
use raas_types::{ChainEpoch, EpochDelta, Tipset, TipsetKey};

use crate::rng::mix;

/// With five blocks expected an epoch, one round in 150 has none.
const NULL_ONE_IN: u64 = 150;

const ONE: EpochDelta = EpochDelta::new(1);

/// The line of tipsets.
#[derive(Debug)]
pub(crate) struct Chain {
    seed: u64,
    null_rounds: bool,
    /// What tells the tipsets of one branch from those of another: from each epoch on.
    branches: BTreeMap<ChainEpoch, u64>,
    next_branch: u64,
}

/// Another branch from an epoch on, which the chain never took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    pub(crate) from: ChainEpoch,
    pub(crate) branch: u64,
}

impl Chain {
    pub(crate) fn new(seed: u64, null_rounds: bool) -> Self {
        Self { seed, null_rounds, branches: BTreeMap::new(), next_branch: 1 }
    }

    /// The epoch itself, or the last one before it that has a tipset.
    pub(crate) fn with_blocks(&self, mut epoch: ChainEpoch) -> ChainEpoch {
        while self.is_null(epoch) {
            epoch = epoch - ONE;
        }
        epoch
    }

    /// The tipset at an epoch, or the last one before it; as someone on `fork` has it.
    pub(crate) fn tipset(&self, epoch: ChainEpoch, fork: Option<Fork>) -> Tipset {
        let epoch = self.with_blocks(epoch);
        let parent = self.with_blocks(epoch - ONE);
        let key = |epoch| key(epoch, self.branch(epoch, fork));
        Tipset { key: key(epoch), epoch, parents: key(parent) }
    }

    /// Undoes all tipsets from an epoch on: others take their places.
    pub(crate) fn reorganise(&mut self, from: ChainEpoch) {
        self.branches.split_off(&from);
        self.branches.insert(from, self.next_branch);
        self.next_branch += 1;
    }

    /// A branch that nobody is on yet.
    pub(crate) fn fork(&mut self, from: ChainEpoch) -> Fork {
        self.next_branch += 1;
        Fork { from, branch: self.next_branch - 1 }
    }

    fn is_null(&self, epoch: ChainEpoch) -> bool {
        let at = epoch.get().unsigned_abs();
        self.null_rounds && mix(self.seed ^ mix(at)).is_multiple_of(NULL_ONE_IN)
    }

    fn branch(&self, epoch: ChainEpoch, fork: Option<Fork>) -> u64 {
        match fork {
            Some(fork) if epoch >= fork.from => fork.branch,
            _ => self.branches.range(..=epoch).next_back().map_or(0, |(_, branch)| *branch),
        }
    }
}

/// One block, with a CID that spells epoch and branch and only looks like a hash.
fn key(epoch: ChainEpoch, branch: u64) -> TipsetKey {
    const DAG_CBOR: u64 = 0x71;
    const BLAKE2B_256: u64 = 0xb220;
    let mut digest = [0; 32];
    digest[16..24].copy_from_slice(&branch.to_be_bytes());
    digest[24..].copy_from_slice(&epoch.get().to_be_bytes());
    let hash = Multihash::<64>::wrap(BLAKE2B_256, &digest).expect("32 bytes fit into 64");
    TipsetKey::new(vec![Cid::new_v1(DAG_CBOR, hash)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: ChainEpoch = ChainEpoch::new(1_000);

    #[test]
    fn a_reorganisation_changes_what_comes_from_its_epoch_on() {
        let mut chain = Chain::new(1, false);
        let (before, after) = (chain.tipset(AT - ONE, None), chain.tipset(AT, None));
        chain.reorganise(AT);
        assert_eq!(chain.tipset(AT - ONE, None), before);
        let other = chain.tipset(AT, None);
        assert_ne!(other.key, after.key);
        assert_eq!(other.parents, after.parents);
        chain.reorganise(AT - ONE);
        assert_ne!(chain.tipset(AT, None).key, other.key);
    }

    #[test]
    fn one_on_a_fork_has_the_same_past() {
        let mut chain = Chain::new(1, false);
        let fork = Some(chain.fork(AT));
        assert_eq!(chain.tipset(AT - ONE, fork), chain.tipset(AT - ONE, None));
        assert_ne!(chain.tipset(AT, fork), chain.tipset(AT, None));
    }

    #[test]
    fn a_round_without_a_block_is_skipped() {
        let chain = Chain::new(1, true);
        let nulls = (0..3_000).filter(|at| chain.is_null(ChainEpoch::new(*at))).count();
        assert!((5..60).contains(&nulls), "{nulls}");
        let null = (0..3_000).map(ChainEpoch::new).find(|at| chain.is_null(*at)).expect("one");
        let tipset = chain.tipset(null, None);
        assert!(tipset.epoch < null);
        assert_eq!(chain.tipset(null + ONE, None).parents, tipset.key);
    }
}
