//! What the Lighthouse API says, in the shapes and spellings it says it in.
//!
//! The oddities are deliberate: numbers of a proof as hexadecimal text without `0x`, `indexRecord`
//! with its misleading names, providers spelled in several ways, `dealId` null until the deal is on
//! the chain.

use cid::Cid;
use raas_types::{
    ChainEpoch, Commitment, DealId, MerkleProof, PaddedSize, ProviderId, SegmentProof,
};
use serde::{Deserialize, Serialize};

/// The answer to an upload, as kubo's `add` gives it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Added {
    pub(super) name: String,
    pub(super) size: String,
    pub(super) hash: String,
}

/// The body of a pin request. Other fields are taken and ignored.
#[derive(Debug, Deserialize)]
pub(super) struct PinRequest {
    pub(super) cid: Option<String>,
}

/// The answer to `get_proof`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proofs {
    pub(super) deal_info: Vec<ProofEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProofEntry {
    pub(super) deal_id: Option<DealId>,
    pub(super) storage_provider: String,
    pub(super) proof: Proof,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    verifier_data: VerifierData,
    inclusion_proof: Inclusion,
    index_record: IndexRecord,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifierData {
    comm_pc: String,
    size_pc: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    proof_index: Path,
    proof_subtree: Path,
}

#[derive(Debug, Serialize)]
struct Path {
    index: String,
    path: Vec<Commitment>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexRecord {
    checksum: String,
    proof_index: String,
    proof_subtree: u64,
    size: u64,
}

impl Proof {
    /// The proof of a segment, with the checksum of its index entry.
    pub(super) fn new(proof: &SegmentProof, checksum: [u8; 16]) -> Self {
        let SegmentProof { segment, inclusion } = proof;
        Self {
            verifier_data: VerifierData {
                comm_pc: hex::encode(segment.cid.to_bytes()),
                size_pc: format!("{:x}", segment.size.get()),
            },
            inclusion_proof: Inclusion {
                proof_index: Path::new(&inclusion.index),
                proof_subtree: Path::new(&inclusion.subtree),
            },
            index_record: IndexRecord {
                checksum: hex::encode(checksum),
                proof_index: hex::encode(segment.cid.hash().digest()),
                // The segment's offset in the piece, in padded bytes.
                proof_subtree: inclusion.subtree.index * segment.size.get(),
                size: segment.size.get(),
            },
        }
    }
}

impl Path {
    fn new(proof: &MerkleProof) -> Self {
        Self { index: format!("{:x}", proof.index), path: proof.path.clone() }
    }
}

/// One element of the answer to `deal_status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DealStatus {
    #[serde(rename = "pieceCID")]
    pub(super) piece_cid: String,
    pub(super) payload_cid: String,
    pub(super) piece_size: PaddedSize,
    pub(super) car_file_size: u64,
    pub(super) deal_id: Option<DealId>,
    pub(super) miner: String,
    pub(super) content: u64,
    pub(super) deal_status: &'static str,
    pub(super) start_epoch: Option<ChainEpoch>,
    pub(super) end_epoch: Option<ChainEpoch>,
    #[serde(rename = "dealUUID")]
    pub(super) deal_uuid: String,
    #[serde(rename = "chainDealID")]
    pub(super) chain_deal_id: Option<DealId>,
}

/// The answer to `file_info`, and one row of `files_uploaded`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileInfo {
    pub(super) id: String,
    pub(super) cid: String,
    pub(super) file_name: String,
    pub(super) file_size_in_bytes: String,
    pub(super) mime_type: &'static str,
    pub(super) encryption: bool,
}

/// The answer to `files_uploaded`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilesUploaded {
    pub(super) file_list: Vec<FileInfo>,
    pub(super) total_files: usize,
}

/// A CID as a request's text gives it.
pub(super) fn parse_cid(text: Option<&str>) -> Option<Cid> {
    let text = text?.trim();
    if text.is_empty() { None } else { Cid::try_from(text).ok() }
}

/// A provider, spelled as the real API spells it: now bare, now with a testnet prefix.
pub(super) fn spell_provider(provider: ProviderId, nth: usize) -> String {
    match nth % 2 {
        0 => format!("t0{}", provider.get()),
        _ => provider.get().to_string(),
    }
}
