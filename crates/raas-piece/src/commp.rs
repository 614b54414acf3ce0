//! The commitment of a stream of bytes.

use raas_types::{Cid, Commitment, PaddedSize, PieceInfo};

use crate::fr32::{self, UNPADDED};
use crate::tree::{level_of, node, truncated_hash, zero_commitment};
use crate::{PieceCidError, piece_cid_v1, piece_cid_v2};

/// The level of the node over one Fr32 unit of 128 padded bytes.
const UNIT_LEVEL: u8 = 2;

/// A commitment, the size of the smallest piece that holds the data, and how long the data was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceCommitment {
    /// The root of the piece's tree.
    pub commitment: Commitment,
    /// The piece's size in padded bytes.
    pub size: PaddedSize,
    /// The data's length in bytes before any padding.
    pub payload: u64,
}

impl PieceCommitment {
    /// As deals name it: CID v1 and padded size.
    pub fn piece_info(&self) -> PieceInfo {
        PieceInfo { cid: piece_cid_v1(self.commitment), size: self.size }
    }

    /// As FRC-0069 names it: the CID that tells the payload's length too.
    pub fn cid_v2(&self) -> Result<Cid, PieceCidError> {
        piece_cid_v2(self)
    }

    /// The commitment of the same data in a larger piece; `None` where `size` is smaller.
    pub fn padded_to(&self, size: PaddedSize) -> Option<Self> {
        let commitment = crate::pad_commitment(self.commitment, self.size, size)?;
        Some(Self { commitment, size, payload: self.payload })
    }
}

/// Computes a commitment from bytes in chunks of any length, in memory that grows with the
/// logarithm of their number.
#[derive(Clone, Debug)]
pub struct CommPBuilder {
    /// Bytes of a unit that is not full yet, zero where no byte came.
    unit: [u8; UNPADDED],
    filled: usize,
    units: u64,
    /// `pending[i]` is the root of a full subtree 2^i units wide that still waits for its right
    /// sibling: set where the i-th bit of `units` is.
    pending: Vec<Option<Commitment>>,
}

impl Default for CommPBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl CommPBuilder {
    /// A builder that has seen nothing.
    pub const fn new() -> Self {
        Self { unit: [0; UNPADDED], filled: 0, units: 0, pending: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let take = rest.len().min(UNPADDED - self.filled);
            let (now, later) = rest.split_at(take);
            self.unit[self.filled..self.filled + take].copy_from_slice(now);
            self.filled += take;
            rest = later;
            if self.filled == UNPADDED {
                self.push_unit();
            }
        }
    }

    /// How many bytes were taken so far.
    pub const fn payload(&self) -> u64 {
        self.units * UNPADDED as u64 + self.filled as u64
    }

    /// The commitment of what was taken; of 127 zeros where that was nothing (FRC-0069).
    pub fn finish(mut self) -> PieceCommitment {
        let payload = self.payload();
        if self.filled > 0 || self.units == 0 {
            self.push_unit();
        }
        let size = PaddedSize::new(self.units.next_power_of_two() * fr32::PADDED as u64)
            .expect("no stream is longer than 2^63 bytes");
        PieceCommitment { commitment: self.root(level_of(size)), size, payload }
    }

    fn push_unit(&mut self) {
        let leaves = fr32::pad(&self.unit);
        let mut subtree = node(&truncated_hash(&leaves[..64]), &truncated_hash(&leaves[64..]));
        let mut height = 0;
        while let Some(left) = self.pending.get_mut(height).and_then(Option::take) {
            subtree = node(&left, &subtree);
            height += 1;
        }
        match self.pending.get_mut(height) {
            Some(slot) => *slot = Some(subtree),
            None => self.pending.push(Some(subtree)),
        }
        self.units += 1;
        self.unit = [0; UNPADDED];
        self.filled = 0;
    }

    /// Joins what is pending with zeros on the right, up to the level of the whole piece.
    fn root(&self, top: u8) -> Commitment {
        let mut right: Option<Commitment> = None;
        for height in 0..=(top - UNIT_LEVEL) {
            let left = self.pending.get(usize::from(height)).copied().flatten();
            let level = UNIT_LEVEL + height;
            right = match (left, right) {
                (Some(left), None) if level == top => Some(left),
                (Some(left), None) => Some(node(&left, &zero_commitment(level))),
                (Some(left), Some(right)) => Some(node(&left, &right)),
                (None, Some(right)) if level == top => Some(right),
                (None, Some(right)) => Some(node(&right, &zero_commitment(level))),
                (None, None) => None,
            };
        }
        right.unwrap_or_else(|| zero_commitment(top))
    }
}

/// The commitment of bytes that are in memory.
pub fn commitment_of(bytes: &[u8]) -> PieceCommitment {
    let mut builder = CommPBuilder::new();
    builder.update(bytes);
    builder.finish()
}
