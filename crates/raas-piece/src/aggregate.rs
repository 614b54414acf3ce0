//! Packing segments into an aggregate, and proving that they are in it (FRC-0058).

use raas_types::{Commitment, InclusionProof, MerkleProof, PaddedSize, PieceInfo};

use crate::entry::{DataSegmentEntry, ENTRY, ENTRY_LEVEL, index_start, max_entries};
use crate::fr32::{self, PADDED};
use crate::piece_cid_v1;
use crate::tree::{SparseTree, level_of};

/// Where a segment lies in its aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its start, in padded bytes: a multiple of its size.
    pub offset: u64,
    /// Its size, in padded bytes.
    pub size: PaddedSize,
}

impl Placement {
    /// Its start in the aggregate's data, as piece retrieval serves it: 127 bytes for every 128.
    pub const fn unpadded_offset(&self) -> u64 {
        self.offset / 128 * 127
    }

    /// The bytes of data it has room for.
    pub const fn unpadded_size(&self) -> u64 {
        self.size.unpadded()
    }
}

/// Why segments do not make an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// More segments than the index has entries.
    #[error(
        "{segments} segments; the index of this aggregate has room for {room}: pack a larger one"
    )]
    TooManySegments {
        /// How many were given.
        segments: usize,
        /// How many fit.
        room: u64,
    },
    /// The segments are larger than the room before the index.
    #[error(
        "segments of {needed} padded bytes; this aggregate has room for {room}: pack a larger one"
    )]
    TooMuchData {
        /// Their sizes together, in padded bytes; `u64::MAX` where they overflow.
        needed: u64,
        /// What fits before the index.
        room: u64,
    },
}

/// An aggregate of segments that were committed to before. Its cost depends on the number of
/// segments alone, not on the size of the piece; the data stays where it is.
///
/// Its data is: each segment's data at [`Placement::unpadded_offset`], the index at
/// [`unpadded_index`](Self::unpadded_index), zeros everywhere else.
#[derive(Clone, Debug)]
pub struct Aggregate {
    size: PaddedSize,
    placements: Vec<Placement>,
    entries: Vec<DataSegmentEntry>,
    tree: SparseTree,
}

impl Aggregate {
    /// The smallest aggregate that these segments fit; `None` where none of up to 2^63 bytes does.
    pub fn smallest(segments: &[(Commitment, PaddedSize)]) -> Option<PaddedSize> {
        (PaddedSize::MIN.get().trailing_zeros()..64)
            .filter_map(|bits| PaddedSize::new(1 << bits))
            .find(|size| check_room(segments, *size).is_ok())
    }

    /// Places segments, given by commitment and padded size, in an aggregate of the given size.
    /// Larger ones come first, so that each is aligned to its own size and no room is lost between
    /// them; the index lists them in the order given.
    pub fn pack(
        segments: &[(Commitment, PaddedSize)],
        size: PaddedSize,
    ) -> Result<Self, PackError> {
        check_room(segments, size)?;
        let placements = place(segments);
        let mut tree = SparseTree::new(level_of(size));
        let mut entries = Vec::with_capacity(segments.len());
        for (i, ((commitment, _), at)) in segments.iter().zip(&placements).enumerate() {
            tree.set(level_of(at.size), at.offset / at.size.get(), *commitment);
            let entry = DataSegmentEntry {
                commitment: *commitment,
                offset: at.offset,
                size: at.size.get(),
            };
            tree.set(ENTRY_LEVEL, entry_index(size, i), entry.node());
            entries.push(entry);
        }
        Ok(Self { size, placements, entries, tree })
    }

    /// The aggregate as a deal names it.
    pub fn piece(&self) -> PieceInfo {
        PieceInfo { cid: piece_cid_v1(self.tree.root()), size: self.size }
    }

    /// Where the segments lie, in the order given to [`pack`](Self::pack).
    pub fn placements(&self) -> &[Placement] {
        &self.placements
    }

    /// The proof for the segment at this position of the list; `None` beyond its end.
    pub fn proof(&self, segment: usize) -> Option<InclusionProof> {
        let at = self.placements.get(segment)?;
        let (level, index) = (level_of(at.size), at.offset / at.size.get());
        let entry = entry_index(self.size, segment);
        Some(InclusionProof {
            subtree: MerkleProof { index, path: self.tree.path(level, index) },
            index: MerkleProof { index: entry, path: self.tree.path(ENTRY_LEVEL, entry) },
        })
    }

    /// The entries of the index, 64 bytes each, as they stand in the padded piece from
    /// [`index_start`] on. The rest of the index area is zeros.
    pub fn index_bytes(&self) -> Vec<u8> {
        self.entries.iter().flat_map(DataSegmentEntry::encode).collect()
    }

    /// Where the index starts in the aggregate's data, and what stands there: the bytes that Fr32
    /// stretches to [`index_bytes`](Self::index_bytes). What follows is zeros.
    pub fn unpadded_index(&self) -> (u64, Vec<u8>) {
        let mut entries = self.index_bytes();
        entries.resize(entries.len().next_multiple_of(PADDED), 0);
        let (units, _) = entries.as_chunks::<PADDED>();
        (index_start(self.size) / 128 * 127, units.iter().flat_map(fr32::unpad).collect())
    }
}

fn check_room(segments: &[(Commitment, PaddedSize)], size: PaddedSize) -> Result<(), PackError> {
    let room = max_entries(size);
    if segments.len() as u64 > room {
        return Err(PackError::TooManySegments { segments: segments.len(), room });
    }
    let room = index_start(size);
    let needed = segments.iter().try_fold(0u64, |sum, (_, s)| sum.checked_add(s.get()));
    match needed {
        Some(needed) if needed <= room => Ok(()),
        needed => Err(PackError::TooMuchData { needed: needed.unwrap_or(u64::MAX), room }),
    }
}

/// Descending powers of two laid end to end are each aligned to their own size.
fn place(segments: &[(Commitment, PaddedSize)]) -> Vec<Placement> {
    let mut order: Vec<usize> = (0..segments.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(segments[*i].1));
    let mut placements: Vec<Placement> =
        segments.iter().map(|(_, size)| Placement { offset: 0, size: *size }).collect();
    let mut offset = 0;
    for i in order {
        placements[i].offset = offset;
        offset += segments[i].1.get();
    }
    placements
}

/// The position of an entry among the 64-byte nodes of the aggregate.
fn entry_index(size: PaddedSize, segment: usize) -> u64 {
    index_start(size) / ENTRY + segment as u64
}
