//! Pieces, and proofs that a segment lies in one (FRC-0058): as small as they may be, and made here
//! anew from the specification, so that the node's own check is checked too.

use cid::{Cid, multihash::Multihash};
use raas_types::{Commitment, InclusionProof, MerkleProof, PaddedSize, PieceInfo, SegmentProof};
use sha2::{Digest, Sha256};

use crate::rng::mix;

/// 768 bytes of data and an index of four entries: eight nodes of 128 bytes.
const SIZE: u64 = 1024;

/// A piece that nobody proves anything about.
pub(crate) fn piece(salt: u64) -> PieceInfo {
    info(filler(salt, 0), SIZE)
}

/// A piece whose first 128 bytes are the segment of this data, and the proof of it. Another salt gives
/// another piece.
pub(crate) fn proven_piece(data: &Cid, salt: u64) -> (PieceInfo, SegmentProof) {
    let mut commitment = [0; 32];
    for (to, from) in commitment.iter_mut().zip(data.hash().digest()) {
        *to = *from;
    }
    // The top two bits of every node are clear (Fr32).
    commitment[31] &= 0x3f;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&commitment);
    bytes[40..48].copy_from_slice(&128_u64.to_le_bytes());
    let checksum = Sha256::digest(bytes);
    bytes[48..].copy_from_slice(&checksum[..16]);
    bytes[63] &= 0x3f;
    let entry = cut(Sha256::digest(bytes).into());

    // The index is the last quarter: its first entry is node 12 of 64 bytes, in node 6 of 128.
    let beside = filler(salt, 9);
    let mut nodes: Vec<[u8; 32]> = (0..8).map(|n| filler(salt, n)).collect();
    nodes[0] = commitment;
    nodes[6] = pair(&entry, &beside);
    let (root, mut subtree, mut index) = (root(&nodes), path(&nodes, 0), path(&nodes, 6));
    subtree.index = 0;
    index.index = 12;
    index.path.insert(0, Commitment(beside));
    let proof = SegmentProof {
        segment: info(commitment, 128),
        inclusion: InclusionProof { subtree, index },
    };
    (info(root, SIZE), proof)
}

fn info(commitment: [u8; 32], size: u64) -> PieceInfo {
    // fil-commitment-unsealed (0xf101) over sha2-256-trunc254-padded (0x1012).
    let hash = Multihash::<64>::wrap(0x1012, &commitment).expect("32 bytes fit into 64");
    let size = PaddedSize::new(size).unwrap_or(PaddedSize::MIN);
    PieceInfo { cid: Cid::new_v1(0xf101, hash), size }
}

fn filler(salt: u64, number: u64) -> [u8; 32] {
    let mut node = [0; 32];
    node[..8].copy_from_slice(&mix(salt).to_le_bytes());
    node[8..16].copy_from_slice(&mix(salt ^ mix(number + 1)).to_le_bytes());
    node
}

fn path(nodes: &[[u8; 32]], mut index: usize) -> MerkleProof {
    let mut level = nodes.to_vec();
    let mut path = Vec::new();
    while level.len() > 1 {
        path.push(Commitment(level[index ^ 1]));
        level = up(&level);
        index /= 2;
    }
    MerkleProof { index: 0, path }
}

fn root(nodes: &[[u8; 32]]) -> [u8; 32] {
    let mut level = nodes.to_vec();
    while level.len() > 1 {
        level = up(&level);
    }
    level[0]
}

fn up(level: &[[u8; 32]]) -> Vec<[u8; 32]> {
    level.chunks_exact(2).map(|two| pair(&two[0], &two[1])).collect()
}

fn pair(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    cut(Sha256::new().chain_update(left).chain_update(right).finalize().into())
}

fn cut(mut hash: [u8; 32]) -> [u8; 32] {
    hash[31] &= 0x3f;
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_leads_to_its_piece_and_to_no_other() {
        let data = Cid::new_v1(0x55, Multihash::wrap(0x12, &[7; 32]).expect("short"));
        let (piece, proof) = proven_piece(&data, 1);
        assert_eq!(raas_piece::verify(&proof.segment, &proof.inclusion).as_ref(), Ok(&piece));
        assert_ne!(proven_piece(&data, 2).0, piece);
    }
}
