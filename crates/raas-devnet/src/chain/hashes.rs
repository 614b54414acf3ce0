//! Which Ethereum block hashes were told to clients, so that they can be asked back. A hash says
//! nothing of its epoch, and the chain has millions of blocks that nobody ever looks at.

use std::collections::{HashMap, VecDeque};

/// Hashes that are remembered, the newest; beside these a day's blocks are searched. 16 384 of them
/// take about 1.5 MiB: 32 bytes twice, 8 for the epoch, and the tables' slack.
const REMEMBERED: usize = 16_384;

/// Hashes with their epochs, the oldest forgotten first.
#[derive(Default)]
pub(super) struct Hashes {
    epochs: HashMap<[u8; 32], i64>,
    order: VecDeque<[u8; 32]>,
}

impl Hashes {
    pub(super) fn remember(&mut self, hash: [u8; 32], epoch: i64) {
        if self.epochs.insert(hash, epoch).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.epochs.remove(&oldest);
        }
    }

    pub(super) fn epoch(&self, hash: [u8; 32]) -> Option<i64> {
        self.epochs.get(&hash).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_hash_is_forgotten_when_there_are_too_many() {
        let mut hashes = Hashes::default();
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        for n in 0..=REMEMBERED {
            hashes.remember(hash(n), 1);
            hashes.remember(hash(n), 1);
        }
        assert_eq!((hashes.epoch(hash(0)), hashes.epoch(hash(1))), (None, Some(1)));
        assert_eq!((hashes.epochs.len(), hashes.order.len()), (REMEMBERED, REMEMBERED));
    }
}
