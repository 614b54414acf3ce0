//! Nodes of the piece tree, and the roots of all-zero subtrees.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use raas_types::{Commitment, PaddedSize};
use sha2::{Digest, Sha256};

/// The highest level of a tree: level 0 holds 32-byte leaves, and 32 * 2^58 = 2^63 is the largest
/// power of two of padded bytes that a `u64` counts.
pub const MAX_LEVEL: u8 = 58;

/// Bytes of a leaf, at level 0.
pub(crate) const LEAF: u64 = 32;

/// The parent of two nodes: SHA-256 of both with the top two bits of the last byte cleared, so that
/// it fits a 254-bit field element.
pub fn node(left: &Commitment, right: &Commitment) -> Commitment {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&left.0);
    both[32..].copy_from_slice(&right.0);
    truncated_hash(&both)
}

/// The root of 32 * 2^level zero bytes, for any level up to [`MAX_LEVEL`]; higher levels give that
/// of the highest.
pub fn zero_commitment(level: u8) -> Commitment {
    static ZEROS: LazyLock<Vec<Commitment>> = LazyLock::new(|| {
        let mut zeros = vec![Commitment([0; 32])];
        for level in 0..usize::from(MAX_LEVEL) {
            zeros.push(node(&zeros[level], &zeros[level]));
        }
        zeros
    });
    ZEROS[usize::from(level.min(MAX_LEVEL))]
}

/// The level of the root of a piece of this size: 2 for the smallest of 128 bytes.
pub fn level_of(size: PaddedSize) -> u8 {
    // A padded size is at most 2^63: the difference is at most 58.
    (size.get().trailing_zeros() - LEAF.trailing_zeros()) as u8
}

/// The commitment of the same data followed by zeros up to the larger size `to`, as when a deal's
/// piece is larger than its data; `None` where `to` is smaller than `from`.
pub fn pad_commitment(
    commitment: Commitment,
    from: PaddedSize,
    to: PaddedSize,
) -> Option<Commitment> {
    (from <= to).then(|| {
        (level_of(from)..level_of(to))
            .fold(commitment, |c, level| node(&c, &zero_commitment(level)))
    })
}

/// SHA-256 with the top two bits of the last byte cleared.
pub(crate) fn truncated_hash(bytes: &[u8]) -> Commitment {
    let mut hash: [u8; 32] = Sha256::digest(bytes).into();
    hash[31] &= 0x3f;
    Commitment(hash)
}

/// A tree of which only the nodes that are not all zeros are kept: its cost depends on how many
/// subtrees are set, not on the size of the piece.
#[derive(Clone, Debug)]
pub(crate) struct SparseTree {
    height: u8,
    nodes: BTreeMap<(u8, u64), Commitment>,
}

impl SparseTree {
    /// A tree of zeros with its root at `height`.
    pub(crate) fn new(height: u8) -> Self {
        Self { height, nodes: BTreeMap::new() }
    }

    /// Puts a subtree's root at its place and carries the change up to the root.
    pub(crate) fn set(&mut self, level: u8, index: u64, subtree: Commitment) {
        self.nodes.insert((level, index), subtree);
        let mut index = index;
        for level in level..self.height {
            index >>= 1;
            let parent = node(&self.get(level, index * 2), &self.get(level, index * 2 + 1));
            self.nodes.insert((level + 1, index), parent);
        }
    }

    /// The node at a place.
    pub(crate) fn get(&self, level: u8, index: u64) -> Commitment {
        self.nodes.get(&(level, index)).copied().unwrap_or_else(|| zero_commitment(level))
    }

    /// The root.
    pub(crate) fn root(&self) -> Commitment {
        self.get(self.height, 0)
    }

    /// The siblings on the way from a place to the root, lowest first.
    pub(crate) fn path(&self, level: u8, index: u64) -> Vec<Commitment> {
        (level..self.height).map(|at| self.get(at, (index >> (at - level)) ^ 1)).collect()
    }
}
