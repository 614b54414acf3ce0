//! From a payload to a piece: its CAR becomes a segment, some filler joins it, and the aggregate's
//! tree gives the proof.
//!
//! The filler stands for other clients' data. It makes the pieces of two deals of one payload
//! differ, and moves the payload's segment and index entry away from the first place.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use cid::Cid;
use futures::TryStreamExt;
use raas_piece::{
    Aggregate, CommPBuilder, DataSegmentEntry, PackError, PieceCidError, commitment_from_v1,
    commitment_of,
};
use raas_retrieval::BlobStore;
use raas_types::{Commitment, PaddedSize, SegmentProof};
use tokio::io::AsyncWriteExt;

use crate::providers::library::{Segment, Source, StoredPiece, index_car};

/// Filler as large as the payload's segment pushes that one to another offset; above this size (64
/// KiB) it would only cost memory, and small filler must do.
const MAX_FILLER: u64 = 64 * 1024;

/// How much of a CAR is hashed at a time.
const CHUNK: usize = 256 * 1024;

/// Why a payload could not be packed. Neither happens to data that was imported in one piece.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackingError {
    #[error("the payload cannot be read: {0}")]
    Blobs(#[source] Box<raas_retrieval::Error>),
    #[error("the payload is not stored here")]
    Missing,
    #[error("the CAR cannot be written or read: {0}")]
    Io(#[from] io::Error),
    #[error("the segments make no aggregate: {0}")]
    Pack(#[from] PackError),
    #[error("the segment has no piece CID: {0}")]
    PieceCid(#[from] PieceCidError),
    #[error("there is no provider to store it")]
    NoProvider,
    #[error("the payload is larger than any piece")]
    TooLarge,
}

impl From<raas_retrieval::Error> for PackingError {
    fn from(error: raas_retrieval::Error) -> Self {
        Self::Blobs(Box::new(error))
    }
}

/// A payload packed for one deal.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) piece: StoredPiece,
    pub(super) proof: SegmentProof,
    /// The checksum of the segment's entry in the piece's index.
    pub(super) checksum: [u8; 16],
}

/// Writes a payload's CAR below `dir` and commits to it.
pub(super) async fn make_segment(
    blobs: &BlobStore,
    cid: Cid,
    dir: &Path,
) -> Result<Segment, PackingError> {
    let car = dir.join(format!("{cid}.car"));
    let mut file = tokio::fs::File::create(&car).await?;
    let mut stream = blobs.car(&cid).await?.ok_or(PackingError::Missing)?;
    while let Some(chunk) = stream.try_next().await? {
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    let hashed = tokio::task::spawn_blocking(move || {
        let blocks = index_car(&car)?;
        let commitment = hash_file(&car)?;
        let len = commitment.payload;
        Ok(Segment { piece: commitment.piece_info(), car, len, blocks })
    });
    hashed.await.map_err(io::Error::other)?
}

fn hash_file(path: &Path) -> io::Result<raas_piece::PieceCommitment> {
    let mut file = File::open(path)?;
    let mut builder = CommPBuilder::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(builder.finish()),
            n => builder.update(&buffer[..n]),
        }
    }
}

/// Packs a segment together with filler that depends on the seed and the deal's number only.
pub(super) fn pack(segment: Arc<Segment>, seed: u64, number: u64) -> Result<Packed, PackingError> {
    let filler = filler(segment.piece.size, seed, number);
    let mut segments: Vec<(Commitment, PaddedSize)> = filler
        .iter()
        .map(|bytes| commitment_of(bytes))
        .map(|filler| (filler.commitment, filler.size))
        .collect();
    let mine = segments.len();
    let commitment = commitment_from_v1(&segment.piece.cid)?;
    segments.push((commitment, segment.piece.size));

    let size = Aggregate::smallest(&segments).ok_or(PackingError::TooLarge)?;
    let aggregate = Aggregate::pack(&segments, size)?;
    let placements = aggregate.placements();
    let entry = DataSegmentEntry {
        commitment,
        offset: placements[mine].offset,
        size: segment.piece.size.get(),
    };
    let mut checksum = [0; 16];
    checksum.copy_from_slice(&entry.encode()[48..]);
    let inclusion = aggregate.proof(mine).ok_or(PackingError::TooLarge)?;

    let (index_at, index) = aggregate.unpadded_index();
    let mut parts = vec![(index_at, Source::Bytes(index.into()))];
    parts.push((placements[mine].unpadded_offset(), Source::Car(segment.clone())));
    parts.extend(
        filler.into_iter().zip(placements).map(|(f, at)| (at.unpadded_offset(), Source::Bytes(f))),
    );
    let proof = SegmentProof { segment: segment.piece.clone(), inclusion };
    Ok(Packed { piece: StoredPiece::new(aggregate.piece(), segment, parts), proof, checksum })
}

/// One to three segments of other people's data. For every other deal of a small payload, one is as
/// large as the payload's segment and lies before it.
fn filler(segment: PaddedSize, seed: u64, number: u64) -> Vec<Bytes> {
    let chance = random(seed, number, 0, 1)[0];
    let mut sizes = vec![127; 1 + usize::from(chance % 3)];
    if number % 2 == 1 && segment.get() <= MAX_FILLER {
        sizes[0] = segment.unpadded() as usize;
    }
    sizes.iter().zip(1..).map(|(size, part)| random(seed, number, part, *size).into()).collect()
}

/// Bytes that look random and follow from the arguments alone.
fn random(seed: u64, number: u64, part: u64, len: usize) -> Vec<u8> {
    let words = (0u64..).flat_map(|counter| {
        let mut hash = blake2b_simd::State::new();
        for word in [seed, number, part, counter] {
            hash.update(&word.to_le_bytes());
        }
        hash.finalize().as_array().to_owned()
    });
    words.take(len).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use raas_piece::verify;

    use super::*;

    fn segment(dir: &Path, data: &[u8]) -> Arc<Segment> {
        let car = dir.join("segment.car");
        std::fs::write(&car, data).expect("a file");
        let commitment = commitment_of(data);
        Arc::new(Segment {
            piece: commitment.piece_info(),
            car,
            len: data.len() as u64,
            blocks: BTreeMap::new(),
        })
    }

    async fn bytes(piece: &StoredPiece, range: std::ops::Range<u64>) -> Vec<u8> {
        let body = piece.read(range).try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        });
        body.await.expect("readable")
    }

    #[tokio::test]
    async fn a_packed_piece_is_what_its_proof_and_its_bytes_both_say() {
        let dir = tempfile::tempdir().expect("a directory");
        let data: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
        let segment = segment(dir.path(), &data);
        let mut pieces = BTreeSet::new();
        let mut offsets = BTreeSet::new();
        for number in 0..4 {
            let packed = pack(segment.clone(), 7, number).expect("packs");
            let piece = packed.piece.piece.clone();
            assert_eq!(verify(&packed.proof.segment, &packed.proof.inclusion), Ok(piece.clone()));
            let whole = bytes(&packed.piece, 0..packed.piece.len()).await;
            assert_eq!(whole.len() as u64, piece.size.unpadded());
            let hashed = commitment_of(&whole);
            assert_eq!(Ok(hashed.commitment), commitment_from_v1(&piece.cid));

            let at = packed.proof.inclusion.subtree.index * segment.piece.size.unpadded();
            assert_eq!(bytes(&packed.piece, at..at + 5000).await, data);
            for range in [0..1, 100..5000, at + 4999..at + 5001, 0..whole.len() as u64 - 1] {
                let expected = &whole[range.start as usize..range.end as usize];
                assert_eq!(bytes(&packed.piece, range.clone()).await, expected, "{range:?}");
            }
            pieces.insert(piece.cid);
            offsets.insert(at);
        }
        assert_eq!(pieces.len(), 4, "no two deals share a piece");
        assert_eq!(offsets.len(), 2, "the segment does not always come first");
    }
}
