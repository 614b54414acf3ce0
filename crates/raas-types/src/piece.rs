//! Pieces and proofs about them, as plain data. The maths is in `raas-piece`.

use std::fmt;

use cid::Cid;
use serde::{Deserialize, Serialize};

/// The 32-byte root of a piece's Merkle tree (commP): SHA-256 nodes with the top two bits cleared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", hex::encode(self.0))
    }
}

impl From<Commitment> for String {
    fn from(commitment: Commitment) -> Self {
        hex::encode(commitment.0)
    }
}

impl TryFrom<String> for Commitment {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The size of a piece in padded bytes (after Fr32: 128 for every 127 of data): a power of two, at
/// least 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PaddedSize(u64);

impl From<PaddedSize> for u64 {
    fn from(size: PaddedSize) -> Self {
        size.0
    }
}

impl TryFrom<u64> for PaddedSize {
    type Error = String;

    fn try_from(bytes: u64) -> Result<Self, Self::Error> {
        Self::new(bytes)
            .ok_or_else(|| format!("{bytes} is no padded piece size: a power of two from 128 on"))
    }
}

impl PaddedSize {
    /// The smallest piece, in padded bytes.
    pub const MIN: Self = Self(128);

    /// This many padded bytes; `None` unless a power of two of at least 128.
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes >= 128 && bytes.is_power_of_two() { Some(Self(bytes)) } else { None }
    }

    /// The padded bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many bytes of data fit: 127 of every 128.
    pub const fn unpadded(self) -> u64 {
        self.0 / 128 * 127
    }
}

/// A piece as deals name it: commitment CID (v1, `baga6ea4sea…`) and padded size.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PieceInfo {
    /// Piece CID v1.
    #[serde(with = "crate::cid_text")]
    pub cid: Cid,
    /// Padded size.
    pub size: PaddedSize,
}

/// The deepest Merkle path that is accepted, in nodes: 2^63 leaves are more than can be stored.
pub const MAX_PROOF_DEPTH: usize = 63;

/// A Merkle path from a leaf or subtree to a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerkleProof {
    /// The position at the level where the path starts.
    pub index: u64,
    /// Sibling nodes, lowest first.
    pub path: Vec<Commitment>,
}

/// A proof of data segment inclusion (FRC-0058): the segment's subtree is in the aggregate, and so
/// is the index entry that announces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// From the segment's commitment to the aggregate's root.
    pub subtree: MerkleProof,
    /// From the segment's index entry to the aggregate's root.
    pub index: MerkleProof,
}

/// What an aggregator shows for a segment: what it is and where in the aggregate it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentProof {
    /// The segment's own piece (commPc, sizePc).
    pub segment: PieceInfo,
    /// That it is included in the deal's piece.
    pub inclusion: InclusionProof,
}
