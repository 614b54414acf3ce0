//! Checking proofs of data segment inclusion (FRC-0058).

use raas_types::{Commitment, InclusionProof, MAX_PROOF_DEPTH, MerkleProof, PaddedSize, PieceInfo};

use crate::entry::{DataSegmentEntry, ENTRY, index_start};
use crate::{PieceCidError, Placement, commitment_from_v1, node, piece_cid_v1};

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The segment's CID is no piece CID v1.
    #[error("the segment's CID: {0}")]
    Segment(#[from] PieceCidError),
    /// A path is longer than any tree is high.
    #[error("the {which} path has {depth} nodes; no tree is higher than {MAX_PROOF_DEPTH}")]
    PathTooLong {
        /// Which of the two paths.
        which: Path,
        /// Its length.
        depth: usize,
    },
    /// An index points beside the tree that its path spans.
    #[error("the {which} index {index} is out of range for a path of {depth} nodes")]
    IndexOutOfRange {
        /// Which of the two paths.
        which: Path,
        /// The index.
        index: u64,
        /// The path's length.
        depth: usize,
    },
    /// The aggregate would be larger than 2^63 bytes.
    #[error("the aggregate that the {which} path describes is larger than 2^63 bytes")]
    TooLarge {
        /// Which of the two paths.
        which: Path,
    },
    /// The two paths end in aggregates of different sizes.
    #[error(
        "the subtree path describes an aggregate of {subtree} bytes, the index path of {index}"
    )]
    SizesDiffer {
        /// From the segment's path, in padded bytes.
        subtree: u64,
        /// From the index entry's path, in padded bytes.
        index: u64,
    },
    /// The two paths end in different roots.
    #[error("the two paths end in different roots: the segment and its entry are not in one piece")]
    RootsDiffer,
    /// The entry lies where data lies, not in the aggregate's index.
    #[error("the entry at byte {at} is not in the index, which starts at byte {start}")]
    NotInIndex {
        /// Where the entry would be, in padded bytes.
        at: u64,
        /// Where the index starts.
        start: u64,
    },
}

/// One of the two paths of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From the segment to the root.
    Subtree,
    /// From the index entry to the root.
    Index,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Subtree => "subtree",
            Self::Index => "index",
        })
    }
}

/// Checks that a segment is part of an aggregate and listed in its index; answers which aggregate.
///
/// The caller still has to compare the answer with a deal's piece CID and size, and to see that the
/// deal is alive: the proof alone only agrees with itself.
pub fn verify(segment: &PieceInfo, proof: &InclusionProof) -> Result<PieceInfo, ProofError> {
    let at = placement(segment, proof)?;
    let commitment = commitment_from_v1(&segment.cid)?;
    let size = aggregate_size(Path::Subtree, segment.size.get(), &proof.subtree)?;
    let index_size = aggregate_size(Path::Index, ENTRY, &proof.index)?;
    if size != index_size {
        return Err(ProofError::SizesDiffer { subtree: size.get(), index: index_size.get() });
    }
    // The path's range and the aggregate's size were checked: this product is below 2^63.
    let entry_at = proof.index.index * ENTRY;
    let start = index_start(size);
    if entry_at < start {
        return Err(ProofError::NotInIndex { at: entry_at, start });
    }
    let entry = DataSegmentEntry { commitment, offset: at.offset, size: at.size.get() };
    let root = climb(&proof.subtree, commitment);
    if root != climb(&proof.index, entry.node()) {
        return Err(ProofError::RootsDiffer);
    }
    Ok(PieceInfo { cid: piece_cid_v1(root), size })
}

/// Where a proof says that its segment lies; the place is true only if [`verify`] accepts it.
pub fn placement(segment: &PieceInfo, proof: &InclusionProof) -> Result<Placement, ProofError> {
    let size = segment.size;
    aggregate_size(Path::Subtree, size.get(), &proof.subtree)?;
    Ok(Placement { offset: proof.subtree.index * size.get(), size })
}

/// The size of the tree over a path that starts at a subtree of `base` bytes, once the path's
/// length and index are seen to be possible.
fn aggregate_size(which: Path, base: u64, proof: &MerkleProof) -> Result<PaddedSize, ProofError> {
    let depth = proof.path.len();
    if depth > MAX_PROOF_DEPTH {
        return Err(ProofError::PathTooLong { which, depth });
    }
    if proof.index >> depth != 0 {
        return Err(ProofError::IndexOutOfRange { which, index: proof.index, depth });
    }
    let size = 1u64.checked_shl(depth as u32).and_then(|width| base.checked_mul(width));
    size.and_then(PaddedSize::new).ok_or(ProofError::TooLarge { which })
}

/// The root over a node, by its path.
fn climb(proof: &MerkleProof, from: Commitment) -> Commitment {
    let mut index = proof.index;
    proof.path.iter().fold(from, |node_here, sibling| {
        let right = index & 1 == 1;
        index >>= 1;
        if right { node(sibling, &node_here) } else { node(&node_here, sibling) }
    })
}
