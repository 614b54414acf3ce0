//! The index at the end of an aggregate: one 64-byte entry for each segment (FRC-0058).

use raas_types::{Commitment, PaddedSize};
use sha2::{Digest, Sha256};

use crate::tree::truncated_hash;

/// Bytes of an index entry: two leaves.
pub(crate) const ENTRY: u64 = 64;
/// The level of the node over one entry.
pub(crate) const ENTRY_LEVEL: u8 = 1;

/// How many entries the index of an aggregate has room for: one for each 2048 entries' worth of its
/// bytes (1/2048 of the piece is index), rounded up to a power of two, and at least four.
pub const fn max_entries(aggregate: PaddedSize) -> u64 {
    // Sizes are powers of two, and so the quotient is one too where it is not zero.
    let entries = aggregate.get() / 2048 / ENTRY;
    if entries < 4 { 4 } else { entries }
}

/// Where the index of an aggregate starts, in padded bytes; 0 for an aggregate of at most 256
/// bytes, which has room for nothing else.
pub const fn index_start(aggregate: PaddedSize) -> u64 {
    aggregate.get().saturating_sub(max_entries(aggregate) * ENTRY)
}

/// What the index says of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSegmentEntry {
    /// The segment's commitment.
    pub commitment: Commitment,
    /// Where it starts in the aggregate, in padded bytes.
    pub offset: u64,
    /// Its size, in padded bytes.
    pub size: u64,
}

impl DataSegmentEntry {
    /// The entry's 64 bytes: commitment, offset and size in little endian, checksum. Both halves
    /// fit a field element, so that the entry may stand in a piece's tree as it is.
    pub fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.commitment.0);
        bytes[32..40].copy_from_slice(&self.offset.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.size.to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[48..].copy_from_slice(&checksum);
        bytes
    }

    /// Reads an entry and checks its checksum. The empty room of an index is zeros, which is
    /// [`EntryError::Checksum`] like anything else that is no entry.
    pub fn decode(bytes: &[u8; 64]) -> Result<Self, EntryError> {
        let (fields, found) = (&bytes[..48], &bytes[48..]);
        let mut blank = [0; 64];
        blank[..48].copy_from_slice(fields);
        if found != checksum(&blank) {
            return Err(EntryError::Checksum);
        }
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&fields[..32]);
        Ok(Self {
            commitment: Commitment(commitment),
            offset: little_endian(&fields[32..40]),
            size: little_endian(&fields[40..48]),
        })
    }

    /// The entry's node in the aggregate's tree.
    pub(crate) fn node(&self) -> Commitment {
        truncated_hash(&self.encode())
    }
}

/// Why 64 bytes are no index entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The checksum does not match: empty room, damage, or no index at all.
    #[error("the index entry's checksum does not match its fields: this is no entry of an index")]
    Checksum,
}

/// The first 16 bytes of the SHA-256 of an entry whose checksum is zero, the top two bits cleared.
fn checksum(blank: &[u8; 64]) -> [u8; 16] {
    let hash = Sha256::digest(blank);
    let mut sum = [0; 16];
    sum.copy_from_slice(&hash[..16]);
    sum[15] &= 0x3f;
    sum
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: u64) -> PaddedSize {
        PaddedSize::new(bytes).unwrap()
    }

    #[test]
    fn the_index_takes_a_2048th_of_the_piece_and_at_least_four_entries() {
        assert_eq!(max_entries(size(1 << 20)), 8);
        assert_eq!(max_entries(size(1 << 15)), 4);
        assert_eq!(max_entries(size(1 << 35)), 1 << 18);
        // The index of the 1 MiB sample of go-data-segment starts at entry leaf 16376.
        assert_eq!(index_start(size(1 << 20)) / ENTRY, 16376);
        assert_eq!(index_start(size(128)), 0);
    }

    #[test]
    fn an_entry_is_read_back_and_no_changed_byte_passes() {
        let entry = DataSegmentEntry { commitment: Commitment([7; 32]), offset: 4096, size: 512 };
        let bytes = entry.encode();
        assert_eq!(DataSegmentEntry::decode(&bytes), Ok(entry));
        for i in 0..64 {
            let mut changed = bytes;
            changed[i] ^= 1;
            assert_eq!(DataSegmentEntry::decode(&changed), Err(EntryError::Checksum), "byte {i}");
        }
        assert_eq!(DataSegmentEntry::decode(&[0; 64]), Err(EntryError::Checksum));
    }
}
