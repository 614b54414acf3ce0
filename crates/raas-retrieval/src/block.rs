//! One block: does it hash to its CID, and what does it link to?

use cid::multihash::Multihash;
use ipld_core::codec::Links;
use ipld_dagpb::DagPbCodec;
use multihash_codetable::{Code, MultihashDigest};
use raas_types::Cid;
use serde_ipld_dagcbor::codec::DagCborCodec;

use crate::{Error, Result};

/// Multicodec `raw`.
pub(crate) const RAW: u64 = 0x55;
/// Multicodec `dag-pb`.
pub(crate) const DAG_PB: u64 = 0x70;
/// Multicodec `dag-cbor`.
pub(crate) const DAG_CBOR: u64 = 0x71;
/// Multihash `identity`: the digest is the data.
const IDENTITY: u64 = 0x00;
const SHA2_256: u64 = 0x12;
const BLAKE2B_256: u64 = 0xb220;

/// The version-independent name of a block: a v0 CID and its v1 twin name the same one.
pub(crate) fn key(cid: &Cid) -> Cid {
    Cid::new_v1(cid.codec(), *cid.hash())
}

/// The data of an identity CID, which stands in the CID itself and is never sent as a block.
pub(crate) fn inline(cid: &Cid) -> Option<&[u8]> {
    (cid.hash().code() == IDENTITY).then(|| cid.hash().digest())
}

/// Recomputes a block's multihash and compares it with its CID's.
///
/// Knows sha2-256, blake2b-256 and identity; any other hash is [`Error::Unsupported`].
pub fn verify_block(cid: &Cid, bytes: &[u8]) -> Result<()> {
    if let Some(data) = inline(cid) {
        return if data == bytes { Ok(()) } else { Err(mismatch(cid)) };
    }
    let found: Multihash<64> = match cid.hash().code() {
        SHA2_256 => Code::Sha2_256.digest(bytes),
        BLAKE2B_256 => Code::Blake2b256.digest(bytes),
        other => {
            return Err(Error::Unsupported(format!(
                "{cid}: hash function {other:#x} cannot be checked; sha2-256, blake2b-256 and identity can"
            )));
        }
    };
    if found == *cid.hash() { Ok(()) } else { Err(mismatch(cid)) }
}

/// The CIDs that a block links to, in its own order.
///
/// Knows raw, dag-pb and dag-cbor; any other codec is [`Error::Unsupported`], since nobody could
/// say what is missing below it.
pub fn links(cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>> {
    let malformed = |what: &str| Error::Corrupt(format!("{cid} is no valid {what} block"));
    match cid.codec() {
        RAW => Ok(Vec::new()),
        DAG_PB => Ok(DagPbCodec::links(bytes).map_err(|_| malformed("dag-pb"))?.collect()),
        DAG_CBOR => Ok(DagCborCodec::links(bytes).map_err(|_| malformed("dag-cbor"))?.collect()),
        other => Err(Error::Unsupported(format!(
            "{cid}: codec {other:#x} cannot be walked; raw, dag-pb and dag-cbor can"
        ))),
    }
}

fn mismatch(cid: &Cid) -> Error {
    Error::Corrupt(format!("the bytes for {cid} have another hash"))
}
