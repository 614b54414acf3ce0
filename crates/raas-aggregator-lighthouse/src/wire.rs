//! What Lighthouse sends, and its way into our vocabulary.
//!
//! Lists are read entry by entry, so that one malformed entry spoils no other.

use cid::Cid;
use raas_types::{
    Commitment, DealId, InclusionProof, MAX_PROOF_DEPTH, MerkleProof, PaddedSize, PieceInfo,
    ProviderId, SegmentProof,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of a pin request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PinRequest<'a> {
    pub(crate) cid: &'a str,
    pub(crate) file_name: &'a str,
}

/// The answer to an upload. `Name` and `Size` (text or number) are of no use here.
#[derive(Debug, Deserialize)]
pub(crate) struct Added {
    #[serde(rename = "Hash")]
    pub(crate) hash: String,
}

/// The answer to `get_proof`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Proofs {
    /// Absent, null or empty while there is nothing to show.
    #[serde(rename = "dealInfo", default)]
    pub(crate) deal_info: Option<Vec<Value>>,
}

/// An entry of `dealInfo`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProofEntry {
    deal_id: Option<Value>,
    storage_provider: Option<Value>,
    proof: Option<Value>,
}

/// An entry of the answer to `deal_status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusEntry {
    #[serde(rename = "chainDealID")]
    chain_deal_id: Option<Value>,
    deal_id: Option<Value>,
    miner: Option<Value>,
    storage_provider: Option<Value>,
}

/// What either endpoint says of one deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `None` until it is on the chain.
    pub(crate) deal: Option<DealId>,
    pub(crate) provider: Option<ProviderId>,
    pub(crate) proof: Option<SegmentProof>,
}

/// Something that Lighthouse sent is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {text}, not {expected}")]
pub(crate) struct Malformed {
    field: &'static str,
    text: String,
    expected: &'static str,
}

impl Malformed {
    fn new(field: &'static str, text: impl ToString, expected: &'static str) -> Self {
        // A wrong field can be of any length: a line's worth is enough to recognise it.
        let text = text.to_string().chars().take(80).collect();
        Self { field, text, expected }
    }
}

/// Reads an entry of `dealInfo`. A deal whose proof is unreadable is still a deal: the second part
/// of the answer says what is wrong with the proof.
pub(crate) fn proof_entry(value: Value) -> Result<(Entry, Option<Malformed>), Malformed> {
    let entry: ProofEntry = object(value)?;
    let deal = deal_id(entry.deal_id)?;
    let provider = provider(entry.storage_provider)?;
    let (proof, malformed) = match entry.proof.filter(|proof| !proof.is_null()).map(segment_proof) {
        None => (None, None),
        Some(Ok(proof)) => (Some(proof), None),
        Some(Err(error)) => (None, Some(error)),
    };
    Ok((Entry { deal, provider, proof }, malformed))
}

/// Reads an entry of `deal_status`.
pub(crate) fn status_entry(value: Value) -> Result<Entry, Malformed> {
    let entry: StatusEntry = object(value)?;
    let deal = match deal_id(entry.chain_deal_id)? {
        Some(deal) => Some(deal),
        None => deal_id(entry.deal_id)?,
    };
    let provider = provider(entry.miner.or(entry.storage_provider))?;
    Ok(Entry { deal, provider, proof: None })
}

fn object<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Malformed> {
    if !value.is_object() {
        return Err(Malformed::new("entry", value, "an object"));
    }
    serde_json::from_value(value).map_err(|error| Malformed::new("entry", error, "a deal"))
}

/// A deal's id, as a number or as text. Null and 0 mean that it is not on the chain yet.
fn deal_id(value: Option<Value>) -> Result<Option<DealId>, Malformed> {
    let id = match value.unwrap_or_default() {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64().ok_or(Value::Number(number)),
        Value::String(text) => text.trim().parse().map_err(|_| Value::String(text)),
        other => Err(other),
    };
    match id {
        Ok(0) => Ok(None),
        Ok(id) => Ok(Some(DealId::new(id))),
        Err(value) => Err(Malformed::new("dealId", value, "a deal's number or null")),
    }
}

/// A provider, as `f01000`, `t01000` or bare, in text or as a number. Empty text is none.
fn provider(value: Option<Value>) -> Result<Option<ProviderId>, Malformed> {
    const EXPECTED: &str = "a storage provider such as f01000";
    match value.unwrap_or_default() {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => match text.trim().parse() {
            Ok(provider) => Ok(Some(provider)),
            Err(_) => Err(Malformed::new("storageProvider", text, EXPECTED)),
        },
        Value::Number(number) => match number.as_u64() {
            Some(id) => Ok(Some(ProviderId::new(id))),
            None => Err(Malformed::new("storageProvider", number, EXPECTED)),
        },
        other => Err(Malformed::new("storageProvider", other, EXPECTED)),
    }
}

/// Reads a proof. The older API had the same one level down, in `fileProof`.
fn segment_proof(value: Value) -> Result<SegmentProof, Malformed> {
    let proof = value.get("fileProof").unwrap_or(&value);
    let data = &proof["verifierData"];
    let segment = PieceInfo {
        cid: piece_cid("commPc", &data["commPc"])?,
        size: PaddedSize::new(hex_number("sizePc", &data["sizePc"])?).ok_or_else(|| {
            Malformed::new("sizePc", &data["sizePc"], "a power of two of at least 80 (hex)")
        })?,
    };
    let paths = &proof["inclusionProof"];
    let inclusion = InclusionProof {
        subtree: merkle_proof("proofSubtree", &paths["proofSubtree"])?,
        index: merkle_proof("proofIndex", &paths["proofIndex"])?,
    };
    Ok(SegmentProof { segment, inclusion })
}

fn merkle_proof(field: &'static str, value: &Value) -> Result<MerkleProof, Malformed> {
    const EXPECTED: &str = "a list of at most 63 nodes of 64 hexadecimal digits";
    let nodes = value["path"].as_array().filter(|nodes| nodes.len() <= MAX_PROOF_DEPTH);
    let nodes = nodes.ok_or_else(|| Malformed::new(field, &value["path"], EXPECTED))?;
    let path = nodes.iter().map(|node| {
        let text = node.as_str().map(|text| bare(text).to_owned()).unwrap_or_default();
        Commitment::try_from(text).map_err(|_| Malformed::new(field, node, EXPECTED))
    });
    Ok(MerkleProof {
        index: hex_number(field, &value["index"])?,
        path: path.collect::<Result<_, _>>()?,
    })
}

/// A number in hexadecimal, as Lighthouse writes it: text without `0x`.
fn hex_number(field: &'static str, value: &Value) -> Result<u64, Malformed> {
    let digits = value.as_str().map(bare).filter(|text| !text.starts_with('+'));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| Malformed::new(field, value, "a hexadecimal number in text"))
}

/// The bytes of a piece CID in hexadecimal.
fn piece_cid(field: &'static str, value: &Value) -> Result<Cid, Malformed> {
    let bytes = value.as_str().and_then(|text| hex::decode(bare(text)).ok());
    bytes
        .and_then(|bytes| Cid::try_from(bytes).ok())
        .ok_or_else(|| Malformed::new(field, value, "the bytes of a piece CID in hexadecimal"))
}

/// Hexadecimal text without the `0x` that later versions of an API like to add.
fn bare(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The bytes of a piece CID v1 (fil-commitment-unsealed, sha2-256-trunc254-padded).
    const COMM_PC: &str =
        "0181e2039220200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    fn proof() -> Value {
        let node = "11".repeat(32);
        json!({
            "verifierData": { "commPc": COMM_PC, "sizePc": "200" },
            "inclusionProof": {
                "proofIndex": { "index": "ffe08", "path": vec![node.clone(); 20] },
                "proofSubtree": { "index": "3800", "path": vec![node; 17] },
            },
            "indexRecord": {
                "checksum": "54718803470b48fa764f8ede503bbf1b",
                "proofIndex": "01".repeat(32),
                "proofSubtree": 7_340_032,
                "size": 512,
            },
        })
    }

    fn deal(id: Value, provider: Value) -> Value {
        json!({ "dealId": id, "storageProvider": provider, "proof": proof() })
    }

    #[test]
    fn numbers_of_a_proof_are_hexadecimal_without_0x() {
        let (entry, malformed) = proof_entry(deal(json!(180_313), json!("17840"))).expect("reads");
        assert_eq!(malformed, None);
        assert_eq!(entry.deal, Some(DealId::new(180_313)));
        assert_eq!(entry.provider, Some(ProviderId::new(17_840)));
        let proof = entry.proof.expect("a proof");
        assert_eq!(proof.segment.size.get(), 0x200);
        assert_eq!(proof.segment.cid.hash().digest()[..3], [1, 2, 3]);
        assert_eq!(proof.inclusion.index.index, 0xffe08);
        assert_eq!(proof.inclusion.subtree.index, 0x3800);
        assert_eq!(proof.inclusion.index.path.len(), 20);
        assert_eq!(proof.inclusion.subtree.path.len(), 17);
    }

    #[test]
    fn a_deal_id_that_is_null_absent_or_0_is_not_on_the_chain_yet() {
        for id in [Value::Null, json!(0), json!("0")] {
            let (entry, _) = proof_entry(deal(id.clone(), json!("17840"))).expect("reads");
            assert_eq!(entry.deal, None, "{id}");
        }
        let (entry, _) = proof_entry(json!({})).expect("reads");
        assert_eq!(entry, Entry { deal: None, provider: None, proof: None });
    }

    #[test]
    fn providers_are_read_in_every_spelling() {
        for provider in [json!("f01000"), json!("t01000"), json!("1000"), json!(1000)] {
            let (entry, _) = proof_entry(deal(json!(7), provider.clone())).expect("reads");
            assert_eq!(entry.provider, Some(ProviderId::new(1000)), "{provider}");
        }
    }

    #[test]
    fn an_entry_that_names_no_deal_is_malformed() {
        for value in [
            json!("text"),
            json!(null),
            json!([]),
            deal(json!("seven"), json!("1000")),
            deal(json!(-7), json!("1000")),
            deal(json!(7.5), json!("1000")),
            deal(json!(7), json!("f3abc")),
            deal(json!(7), json!(-1)),
            deal(json!(7), json!({})),
        ] {
            assert!(proof_entry(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn a_deal_with_a_malformed_proof_is_still_a_deal() {
        let too_deep = vec!["11".repeat(32); MAX_PROOF_DEPTH + 1];
        for (pointer, value) in [
            ("/verifierData/commPc", json!("zz")),
            ("/verifierData/commPc", json!("0181")),
            ("/verifierData/sizePc", json!("300")),
            ("/verifierData/sizePc", json!("40")),
            ("/verifierData/sizePc", json!(512)),
            ("/verifierData/sizePc", json!("+200")),
            ("/verifierData/sizePc", json!("")),
            ("/inclusionProof/proofIndex/index", json!("fffffffffffffffff")),
            ("/inclusionProof/proofIndex/path/3", json!("11")),
            ("/inclusionProof/proofIndex/path/3", json!(11)),
            ("/inclusionProof/proofSubtree/path", json!(too_deep)),
            ("/inclusionProof/proofSubtree", Value::Null),
            ("/inclusionProof", Value::Null),
        ] {
            let mut proof = proof();
            *proof.pointer_mut(pointer).expect("a field") = value.clone();
            let entry = json!({ "dealId": 7, "storageProvider": "1000", "proof": proof });
            let (entry, malformed) = proof_entry(entry).expect("still a deal");
            assert_eq!(entry.deal, Some(DealId::new(7)));
            assert_eq!(entry.proof, None, "{pointer} = {value}");
            assert!(malformed.is_some_and(|m| m.to_string().len() < 300), "{pointer} = {value}");
        }
    }

    #[test]
    fn the_older_shape_has_the_proof_one_level_down() {
        let entry = json!({ "dealId": 7, "proof": { "fileProof": proof() } });
        let (entry, malformed) = proof_entry(entry).expect("reads");
        assert_eq!(malformed, None);
        assert_eq!(entry.proof, Some(segment_proof(proof()).expect("reads")));
    }

    #[test]
    fn a_status_names_the_deal_by_its_chain_id_first() {
        let entry = |json| status_entry(json).expect("reads");
        let both = entry(json!({ "dealId": 5, "chainDealID": 74_606_268, "miner": "f01771403" }));
        assert_eq!(both.deal, Some(DealId::new(74_606_268)));
        assert_eq!(both.provider, Some(ProviderId::new(1_771_403)));
        let early = entry(json!({ "dealId": null, "chainDealID": 0, "storageProvider": "t01" }));
        assert_eq!((early.deal, early.provider), (None, Some(ProviderId::new(1))));
        assert_eq!(entry(json!({ "dealId": 5 })).deal, Some(DealId::new(5)));
        assert!(status_entry(json!(7)).is_err());
    }

    #[test]
    fn deal_info_may_be_absent_null_or_empty() {
        for text in ["{}", r#"{"dealInfo":null}"#, r#"{"dealInfo":[],"pieceCID":"x"}"#] {
            let proofs: Proofs = serde_json::from_str(text).expect(text);
            assert!(proofs.deal_info.unwrap_or_default().is_empty());
        }
    }
}
