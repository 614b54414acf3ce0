//! The pieces that deals are made of: each holds the data of a CID, and of somebody else beside it.

use raas_piece::{Aggregate, piece_cid_v1};
use raas_types::{Cid, Commitment, PaddedSize, PieceInfo, SegmentProof};

/// The piece that deals of a CID are made of.
pub(crate) fn piece_of(cid: &Cid) -> PieceInfo {
    aggregate_of(cid).piece()
}

/// A proof that it holds the data of the CID.
pub(crate) fn proof_of(cid: &Cid) -> SegmentProof {
    proof(cid, 0)
}

/// A proof that it holds the data of somebody else, which it does.
pub(crate) fn proof_of_neighbour(cid: &Cid) -> SegmentProof {
    proof(cid, 1)
}

fn proof(cid: &Cid, at: usize) -> SegmentProof {
    let (commitment, size) = segments_of(cid)[at];
    let segment = PieceInfo { cid: piece_cid_v1(commitment), size };
    SegmentProof { segment, inclusion: aggregate_of(cid).proof(at).unwrap() }
}

fn aggregate_of(cid: &Cid) -> Aggregate {
    let segments = segments_of(cid);
    Aggregate::pack(&segments, Aggregate::smallest(&segments).unwrap()).unwrap()
}

/// The segments of a CID and of its neighbour: any commitments will do, since proofs are about pieces
/// alone.
fn segments_of(cid: &Cid) -> [(Commitment, PaddedSize); 2] {
    let size = PaddedSize::new(2_048).unwrap();
    let mut node: [u8; 32] = cid.hash().digest().try_into().unwrap();
    // The top two bits of every node are clear (Fr32).
    node[31] &= 0b0011_1111;
    let own = Commitment(node);
    node[0] ^= 1;
    [(own, size), (Commitment(node), size)]
}
