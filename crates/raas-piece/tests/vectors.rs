//! Published vectors: FRC-0069's table, and inclusion proofs of real aggregates.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;

use raas_piece::{
    CommPBuilder, ProofError, commitment_from_v1, commitment_of, pad_commitment, piece_cid_v1,
    piece_cid_v2, piece_from_v2, verify, zero_commitment,
};
use raas_types::{Cid, Commitment, InclusionProof, MerkleProof, PaddedSize, PieceInfo};

/// The first row's data, which three rows share: 127 bytes each of 0, 1, 2 and 3.
fn four_units() -> Vec<u8> {
    (0..4).flat_map(|byte| [byte; 127]).collect()
}

struct Row {
    data: Vec<u8>,
    v1: &'static str,
    v2: &'static str,
}

/// FRC-0069, "Test vectors". The rows with zeros appended have the v1 of a piece twice as large.
fn frc_0069() -> Vec<Row> {
    let larger = "baga6ea4seaqn42av3szurbbscwuu3zjssvfwbpsvbjf6y3tukvlgl2nf5rha6pa";
    let zeros = "baga6ea4seaqdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy";
    vec![
        Row {
            data: four_units(),
            v1: "baga6ea4seaqes3nobte6ezpp4wqan2age2s5yxcatzotcvobhgcmv5wi2xh5mbi",
            v2: "bafkzcibcaaces3nobte6ezpp4wqan2age2s5yxcatzotcvobhgcmv5wi2xh5mbi",
        },
        Row {
            data: vec![],
            v1: zeros,
            v2: "bafkzcibcp4bdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy",
        },
        Row {
            data: vec![0; 127],
            v1: zeros,
            v2: "bafkzcibcaabdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy",
        },
        Row {
            data: vec![0; 128],
            v1: "baga6ea4seaqgiktap34inmaex4wbs6cghlq5i2j2yd2bb2zndn5ep7ralzphkdy",
            v2: "bafkzcibcpybwiktap34inmaex4wbs6cghlq5i2j2yd2bb2zndn5ep7ralzphkdy",
        },
        Row {
            data: [four_units(), vec![0; 508]].concat(),
            v1: larger,
            v2: "bafkzcibcaac542av3szurbbscwuu3zjssvfwbpsvbjf6y3tukvlgl2nf5rha6pa",
        },
        Row {
            data: [four_units(), vec![0; 4]].concat(),
            v1: larger,
            v2: "bafkzcibd7abqlxticxolgseegik2stpfgkkuwyf6kufex3doorkvmzpjuxwe4dz4",
        },
    ]
}

#[test]
fn every_row_of_frc_0069_is_reproduced() {
    for Row { data, v1, v2 } in frc_0069() {
        let piece = commitment_of(&data);
        assert_eq!(piece_cid_v1(piece.commitment).to_string(), v1);
        assert_eq!(piece_cid_v2(&piece).unwrap().to_string(), v2);
        assert_eq!(piece.payload, data.len() as u64);
    }
}

#[test]
fn every_row_of_frc_0069_is_read_back() {
    for Row { data, v1, v2 } in frc_0069() {
        let piece = piece_from_v2(&v2.parse().unwrap()).unwrap();
        assert_eq!(piece, commitment_of(&data));
        assert_eq!(commitment_from_v1(&v1.parse().unwrap()).unwrap(), piece.commitment);
    }
}

#[test]
fn a_commitment_padded_up_is_that_of_the_data_with_zeros() {
    let small = commitment_of(&four_units());
    let large = commitment_of(&[four_units(), vec![0; 508]].concat());
    assert_eq!(small.size.get(), 512);
    assert_eq!(pad_commitment(small.commitment, small.size, large.size), Some(large.commitment));
    assert_eq!(pad_commitment(large.commitment, large.size, small.size), None);
}

#[test]
fn zeros_have_the_commitments_of_the_zero_tree() {
    for level in 2..12 {
        let mut builder = CommPBuilder::new();
        (0..1 << (level - 2)).for_each(|_| builder.update(&[0; 127]));
        assert_eq!(builder.finish().commitment, zero_commitment(level));
    }
}

#[test]
fn the_golden_proof_of_go_data_segment_is_accepted() {
    let Some((segment, proof)) = read("podsi-golden.json", "the golden proof") else { return };
    let aggregate = verify(&segment, &proof).unwrap();
    assert_eq!(aggregate.size.get(), 0x8_0000_0000);
    // The commitment that the vector's own test names, by its first and last bytes.
    let root = hex::encode(commitment_from_v1(&aggregate.cid).unwrap().0);
    assert!(root.starts_with("3f46bc64") && root.ends_with("665127"), "{root}");
    every_changed_part_is_refused(&segment, &proof, &aggregate);
}

#[test]
fn a_real_proof_of_lighthouse_is_accepted() {
    let Some((segment, proof)) = read("lighthouse-get-proof.json", "the Lighthouse proof") else {
        return;
    };
    let aggregate = verify(&segment, &proof).unwrap();
    // 256 bytes under 17 siblings.
    assert_eq!(aggregate.size.get(), 32 << 20);
    // Deal 177596 of the calibration network.
    assert_eq!(
        hex::encode(commitment_from_v1(&aggregate.cid).unwrap().0),
        "4f42c087bf36900a64de82465d63b0fe0bd5544a6a42fcb01ab65e15824c190c"
    );
    every_changed_part_is_refused(&segment, &proof, &aggregate);
}

/// One bit in each node, each index and each size: nothing but the proof itself proves it.
fn every_changed_part_is_refused(
    segment: &PieceInfo,
    proof: &InclusionProof,
    aggregate: &PieceInfo,
) {
    for i in 0..proof.subtree.path.len() {
        let mut changed = proof.clone();
        changed.subtree.path[i].0[9] ^= 1;
        assert_eq!(verify(segment, &changed), Err(ProofError::RootsDiffer));
    }
    for i in 0..proof.index.path.len() {
        let mut changed = proof.clone();
        changed.index.path[i].0[9] ^= 1;
        assert_eq!(verify(segment, &changed), Err(ProofError::RootsDiffer));
    }
    let mut changed = proof.clone();
    changed.subtree.index ^= 1;
    assert_eq!(verify(segment, &changed), Err(ProofError::RootsDiffer));
    let mut changed = proof.clone();
    changed.index.index ^= 1;
    assert_eq!(verify(segment, &changed), Err(ProofError::RootsDiffer));
    let larger = PaddedSize::new(segment.size.get() * 2).unwrap();
    let changed = PieceInfo { cid: segment.cid, size: larger };
    assert!(verify(&changed, proof).is_err());
    let changed = PieceInfo { cid: aggregate.cid, size: segment.size };
    assert!(verify(&changed, proof).is_err());
    let swapped = InclusionProof { subtree: proof.index.clone(), index: proof.subtree.clone() };
    assert!(verify(segment, &swapped).is_err());
}

/// The segment and proof in a vector file beside the repository; `None`, said aloud, where it is
/// not there.
fn read(file: &str, name: &str) -> Option<(PieceInfo, InclusionProof)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let Ok(text) = std::fs::read_to_string(dir.join(file)) else {
        eprintln!("skipped: {name}: {file} not found");
        return None;
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let commitment = hex::decode(json["verifierData"]["commPc"].as_str().unwrap()).unwrap();
    let segment = PieceInfo {
        cid: Cid::try_from(commitment).unwrap(),
        size: PaddedSize::new(hex_number(&json["verifierData"]["sizePc"])).unwrap(),
    };
    let inclusion = &json["inclusionProof"];
    let proof = InclusionProof {
        subtree: path(&inclusion["proofSubtree"]),
        index: path(&inclusion["proofIndex"]),
    };
    Some((segment, proof))
}

fn path(json: &serde_json::Value) -> MerkleProof {
    let nodes = json["path"].as_array().unwrap().iter();
    MerkleProof {
        index: hex_number(&json["index"]),
        path: nodes
            .map(|node| Commitment::try_from(node.as_str().unwrap().to_owned()).unwrap())
            .collect(),
    }
}

fn hex_number(json: &serde_json::Value) -> u64 {
    u64::from_str_radix(json.as_str().unwrap(), 16).unwrap()
}
