//! What holds for any data, any segments and any proof.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use raas_piece::{
    Aggregate, CommPBuilder, DataSegmentEntry, PackError, Path, PieceCidError, ProofError,
    commitment_of, index_start, max_entries, node, piece_cid_v1, piece_cid_v2, piece_from_v2,
    placement, verify, zero_commitment,
};
use raas_types::{
    Cid, Commitment, InclusionProof, MAX_PROOF_DEPTH, MerkleProof, PaddedSize, PieceInfo,
};

fn size(bytes: u64) -> PaddedSize {
    PaddedSize::new(bytes).unwrap()
}

fn segment(i: u8, bytes: u64) -> (Commitment, PaddedSize) {
    (commitment_of(&[i]).commitment, size(bytes))
}

fn info((commitment, size): (Commitment, PaddedSize)) -> PieceInfo {
    PieceInfo { cid: piece_cid_v1(commitment), size }
}

/// The definition, without any of the shortcuts: all leaves in memory.
fn naive_commitment(data: &[u8]) -> Commitment {
    let mut data = data.to_vec();
    data.resize(127 * data.len().div_ceil(127).max(1).next_power_of_two(), 0);
    let bits = data.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let mut level: Vec<Commitment> = bits
        .chunks(254)
        .map(|group| {
            let mut leaf = [0; 32];
            for (i, bit) in group.iter().enumerate() {
                leaf[i / 8] |= bit << (i % 8);
            }
            Commitment(leaf)
        })
        .collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    level[0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_commitment_is_what_the_definition_says(
        data in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        prop_assert_eq!(commitment_of(&data).commitment, naive_commitment(&data));
    }

    #[test]
    fn how_the_data_is_cut_does_not_matter(
        data in proptest::collection::vec(any::<u8>(), 0..5000),
        cuts in proptest::collection::vec(1usize..700, 1..20),
    ) {
        let mut builder = CommPBuilder::new();
        let mut rest = &data[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            builder.update(now);
            rest = later;
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(builder.payload(), data.len() as u64);
        prop_assert_eq!(builder.finish(), commitment_of(&data));
    }

    #[test]
    fn a_piece_cid_v2_is_read_back(data in proptest::collection::vec(any::<u8>(), 0..1000), up in 0u32..20) {
        let piece = commitment_of(&data);
        let piece = piece.padded_to(size(piece.size.get() << up)).unwrap();
        prop_assert_eq!(piece_from_v2(&piece_cid_v2(&piece).unwrap()).unwrap(), piece);
    }

    #[test]
    fn proofs_of_packed_segments_verify_and_no_changed_byte_does(
        sizes in proptest::collection::vec(7u32..16, 1..12),
        spare in 0u32..16,
        pick in any::<proptest::sample::Index>(),
        byte in any::<proptest::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let segments: Vec<_> =
            sizes.iter().enumerate().map(|(i, bits)| segment(i as u8, 1 << bits)).collect();
        let total = size(Aggregate::smallest(&segments).unwrap().get() << spare);
        let aggregate = Aggregate::pack(&segments, total).unwrap();
        for (i, of) in segments.iter().enumerate() {
            let proof = aggregate.proof(i).unwrap();
            prop_assert_eq!(verify(&info(*of), &proof), Ok(aggregate.piece()));
            prop_assert_eq!(placement(&info(*of), &proof).unwrap(), aggregate.placements()[i]);
        }
        prop_assert_eq!(aggregate.proof(segments.len()), None);

        let i = pick.index(segments.len());
        let proof = aggregate.proof(i).unwrap();
        let mut changed = proof.clone();
        let nodes = proof.subtree.path.len() + proof.index.path.len();
        let at = byte.index(nodes * 32);
        let node = changed.subtree.path.iter_mut().chain(&mut changed.index.path).nth(at / 32);
        node.unwrap().0[at % 32] ^= flip;
        prop_assert_eq!(verify(&info(segments[i]), &changed), Err(ProofError::RootsDiffer));
        let mut other = segments[i];
        other.0.0[at % 32] ^= flip;
        prop_assert_eq!(verify(&info(other), &proof), Err(ProofError::RootsDiffer));
    }

    #[test]
    fn segments_never_overlap_each_other_or_the_index(
        sizes in proptest::collection::vec(7u32..20, 1..30),
    ) {
        let segments: Vec<_> = sizes.iter().map(|bits| segment(1, 1 << bits)).collect();
        let total = Aggregate::smallest(&segments).unwrap();
        let aggregate = Aggregate::pack(&segments, total).unwrap();
        let mut placed = aggregate.placements().to_vec();
        placed.sort_by_key(|at| at.offset);
        let mut end = 0;
        for at in placed {
            prop_assert_eq!(at.offset % at.size.get(), 0);
            prop_assert!(at.offset >= end);
            end = at.offset + at.size.get();
        }
        prop_assert!(end <= index_start(total));
    }
}

/// Bytes of a segment that fill its piece or do not, by its number.
fn data(i: usize) -> Vec<u8> {
    let length = [1, 127, 500, 4000, 127 * 64, 9000][i];
    (0..length).map(|byte| (byte * 31 + i * 7) as u8).collect()
}

#[test]
fn the_data_put_together_from_its_parts_has_the_aggregates_commitment() {
    for (count, total) in [(4, size(32 << 10)), (6, size(1 << 20)), (6, size(8 << 20))] {
        let files: Vec<Vec<u8>> = (0..count).map(data).collect();
        let pieces = files.iter().map(|file| commitment_of(file));
        let segments: Vec<_> = pieces.map(|piece| (piece.commitment, piece.size)).collect();
        let aggregate = Aggregate::pack(&segments, total).unwrap();
        let mut bytes = vec![0; total.unpadded() as usize];
        for (file, at) in files.iter().zip(aggregate.placements()) {
            let start = at.unpadded_offset() as usize;
            assert!(file.len() as u64 <= at.unpadded_size());
            bytes[start..start + file.len()].copy_from_slice(file);
        }
        let (start, index) = aggregate.unpadded_index();
        bytes[start as usize..start as usize + index.len()].copy_from_slice(&index);
        assert_eq!(commitment_of(&bytes).piece_info(), aggregate.piece());
    }
}

#[test]
fn the_index_lists_the_segments_in_the_order_given() {
    let segments = [segment(1, 128), segment(2, 4096), segment(3, 512)];
    let aggregate = Aggregate::pack(&segments, size(1 << 20)).unwrap();
    let index = aggregate.index_bytes();
    for (i, bytes) in index.chunks(64).enumerate() {
        let entry = DataSegmentEntry::decode(bytes.try_into().unwrap()).unwrap();
        assert_eq!(entry.commitment, segments[i].0);
        assert_eq!(entry.offset, aggregate.placements()[i].offset);
        assert_eq!(entry.size, segments[i].1.get());
    }
}

#[test]
fn a_piece_of_32_gib_costs_no_more_than_its_segments() {
    // 2^30 leaves: only a sparse tree ends within a test's patience.
    let segments = [segment(1, 1 << 34), segment(2, 1 << 20), segment(3, 128)];
    let aggregate = Aggregate::pack(&segments, size(1 << 35)).unwrap();
    for (i, of) in segments.iter().enumerate() {
        assert_eq!(verify(&info(*of), &aggregate.proof(i).unwrap()), Ok(aggregate.piece()));
    }
    assert_eq!(aggregate.unpadded_index().1.len(), 2 * 127);
}

#[test]
fn what_does_not_fit_is_refused() {
    let full = vec![segment(1, 1 << 15); 4];
    assert!(matches!(
        Aggregate::pack(&full, size(1 << 17)),
        Err(PackError::TooMuchData { needed: 131_072, room: 130_816 })
    ));
    let many = vec![segment(1, 128); 5];
    assert_eq!(max_entries(size(1 << 17)), 4);
    assert_eq!(
        Aggregate::pack(&many, size(1 << 17)).unwrap_err(),
        PackError::TooManySegments { segments: 5, room: 4 }
    );
    assert_eq!(Aggregate::smallest(&many), Some(size(1 << 20)));
    // A piece that is all index has room for nothing.
    assert!(Aggregate::pack(&[segment(1, 128)], size(256)).is_err());
}

fn example() -> (PieceInfo, InclusionProof) {
    let of = segment(1, 4096);
    let aggregate = Aggregate::pack(&[of], size(1 << 20)).unwrap();
    (info(of), aggregate.proof(0).unwrap())
}

#[test]
fn a_segment_of_a_size_that_no_piece_has_cannot_even_be_read() {
    let (of, _) = example();
    let mut document = serde_json::to_value(&of).unwrap();
    assert_eq!(serde_json::from_value::<PieceInfo>(document.clone()).unwrap(), of);
    for size in [0_u64, 127, 4095] {
        document["size"] = size.into();
        let refused = serde_json::from_value::<PieceInfo>(document.clone()).unwrap_err();
        assert!(refused.to_string().contains("a power of two from 128 on"), "{refused}");
    }
}

#[test]
fn an_index_beside_its_tree_is_refused() {
    let (of, mut proof) = example();
    proof.subtree.index = 1 << proof.subtree.path.len();
    let depth = proof.subtree.path.len();
    assert_eq!(
        verify(&of, &proof),
        Err(ProofError::IndexOutOfRange { which: Path::Subtree, index: 256, depth })
    );
    let (of, mut proof) = example();
    proof.index.index = u64::MAX;
    assert!(matches!(
        verify(&of, &proof),
        Err(ProofError::IndexOutOfRange { which: Path::Index, .. })
    ));
}

#[test]
fn a_path_longer_than_any_tree_is_refused() {
    let (of, mut proof) = example();
    proof.index.path = vec![zero_commitment(0); MAX_PROOF_DEPTH + 1];
    assert_eq!(verify(&of, &proof), Err(ProofError::PathTooLong { which: Path::Index, depth: 64 }));
}

#[test]
fn an_aggregate_too_large_to_count_is_refused() {
    let (of, mut proof) = example();
    proof.subtree.path = vec![zero_commitment(0); 60];
    assert_eq!(verify(&of, &proof), Err(ProofError::TooLarge { which: Path::Subtree }));
    // 2^12 * 2^52 is 2^64, one more than a u64 counts.
    proof.subtree.path = vec![zero_commitment(0); 52];
    assert_eq!(verify(&of, &proof), Err(ProofError::TooLarge { which: Path::Subtree }));
}

#[test]
fn an_entry_outside_the_index_is_refused() {
    // A client may store bytes that look like an entry: a proof that points at them must not pass.
    let (of, mut proof) = example();
    let start = index_start(size(1 << 20));
    proof.index.index = start / 64 - 1;
    assert_eq!(verify(&of, &proof), Err(ProofError::NotInIndex { at: start - 64, start }));
}

#[test]
fn paths_of_two_different_pieces_are_refused() {
    let (of, mut proof) = example();
    let (_, other) = example();
    proof.index.path.pop();
    proof.index.index >>= 1;
    assert!(matches!(verify(&of, &proof), Err(ProofError::SizesDiffer { .. })));
    let mixed = InclusionProof {
        subtree: MerkleProof { index: 0, path: other.subtree.path.clone() },
        index: other.index,
    };
    let unlike = info(segment(2, 4096));
    assert_eq!(verify(&unlike, &mixed), Err(ProofError::RootsDiffer));
}

#[test]
fn other_cids_name_no_piece() {
    let file: Cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".parse().unwrap();
    assert_eq!(piece_from_v2(&file), Err(PieceCidError::OtherKind { codec: 0x55, hash: 0x12 }));
    assert!(raas_piece::commitment_from_v1(&file).is_err());
    let (of, proof) = example();
    let wrong = PieceInfo { cid: file, size: of.size };
    assert!(matches!(verify(&wrong, &proof), Err(ProofError::Segment(_))));
}

/// A piece CID v2 with this digest.
fn v2(digest: &[u8]) -> Cid {
    Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0x1011, digest).unwrap())
}

#[test]
fn a_malformed_piece_cid_v2_is_refused() {
    let root = [3; 32];
    let with = |head: &[u8]| v2(&[head, &root].concat());
    assert!(piece_from_v2(&with(&[0, 2])).is_ok());
    // Padding 0 in two bytes, and 1 in three.
    assert_eq!(piece_from_v2(&with(&[0x80, 0, 2])), Err(PieceCidError::Varint));
    assert_eq!(piece_from_v2(&with(&[0x81, 0x80, 0, 2])), Err(PieceCidError::Varint));
    assert_eq!(piece_from_v2(&with(&[0xff; 12])), Err(PieceCidError::Varint));
    assert_eq!(piece_from_v2(&with(&[0, 1])), Err(PieceCidError::Height(1)));
    assert_eq!(piece_from_v2(&with(&[0, 59])), Err(PieceCidError::Height(59)));
    assert!(matches!(piece_from_v2(&with(&[0x80, 1, 2])), Err(PieceCidError::Padding { .. })));
    assert!(matches!(piece_from_v2(&v2(&[0, 2, 1])), Err(PieceCidError::DigestLength(3))));
    assert!(matches!(piece_from_v2(&with(&[0, 2, 1])), Err(PieceCidError::DigestLength(35))));
    assert!(matches!(piece_from_v2(&v2(&[])), Err(PieceCidError::Varint)));
}

#[test]
fn a_payload_longer_than_its_piece_has_no_cid() {
    let mut piece = commitment_of(&[1; 127]);
    piece.payload = 128;
    assert!(matches!(piece_cid_v2(&piece), Err(PieceCidError::Padding { .. })));
}
