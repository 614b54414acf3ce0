//! IPNI answers: who holds a CID, and at which address it serves it.
//!
//! The shapes are those of `GET /cid/{cid}` of ipni/specs `IPNI.md`. Only what this devnet stores is
//! ever announced; advertisements, chains of them and NDJSON replies are left out.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cid::{Cid, multibase};
use raas_types::{PieceInfo, ProviderId};
use serde::Serialize;

/// The protocol code of a trustless HTTP gateway (multicodec `transport-ipfs-gateway-http`).
const TRUSTLESS_GATEWAY: u64 = 0x0920;
/// The protocol code of piece retrieval over HTTP (multicodec `transport-filecoin-piece-http`).
const PIECE_HTTP: u64 = 0x0930;

/// The reply to a find request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FindResponse {
    multihash_results: Vec<MultihashResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MultihashResult {
    multihash: String,
    provider_results: Vec<ProviderResult>,
}

/// One provider's claim to hold the content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProviderResult {
    #[serde(rename = "ContextID")]
    context_id: String,
    metadata: String,
    provider: AddrInfo,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AddrInfo {
    #[serde(rename = "ID")]
    id: String,
    addrs: Vec<String>,
}

impl FindResponse {
    /// The reply for one CID. IPNI indexes multihashes, so the CID's codec does not matter.
    pub(crate) fn new(cid: &Cid, provider_results: Vec<ProviderResult>) -> Self {
        let multihash = STANDARD.encode(cid.hash().to_bytes());
        Self { multihash_results: vec![MultihashResult { multihash, provider_results }] }
    }
}

impl ProviderResult {
    /// `provider` holds the content within `piece` and serves it at `addr`.
    pub(crate) fn new(provider: ProviderId, piece: &PieceInfo, addr: SocketAddr) -> Self {
        Self {
            // A context names a group of multihashes of one provider: here, those of one piece.
            context_id: STANDARD.encode(piece.cid.to_bytes()),
            metadata: STANDARD.encode(metadata(&[TRUSTLESS_GATEWAY, PIECE_HTTP])),
            provider: AddrInfo { id: peer_id(provider), addrs: vec![multiaddr(addr)] },
        }
    }
}

/// The protocols' codes as uvarints, ascending as the specification wants them.
fn metadata(protocols: &[u64]) -> Vec<u8> {
    protocols.iter().copied().flat_map(uvarint).collect()
}

/// A number as an unsigned varint (LEB128), as multiformats write it.
pub(super) fn uvarint(mut rest: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// The address of an HTTP server as a multiaddr.
fn multiaddr(addr: SocketAddr) -> String {
    let family = if addr.is_ipv4() { "ip4" } else { "ip6" };
    format!("/{family}/{}/tcp/{}/http", addr.ip(), addr.port())
}

/// A peer id of the form of an Ed25519 key's, the same for the same provider. No key stands behind
/// it: nothing here speaks libp2p.
pub(crate) fn peer_id(provider: ProviderId) -> String {
    // Identity multihash (code 0x00) of 36 bytes: a protobuf PublicKey {Type: Ed25519 = 1, Data: 32
    // bytes}, as libp2p's peer-id specification lays it out.
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    let seed = format!("raas-devnet provider {provider}");
    let key = blake2b_simd::Params::new().hash_length(32).hash(seed.as_bytes());
    bytes.extend_from_slice(key.as_bytes());
    // A peer id is bare base58btc: multibase's without its prefix letter.
    multibase::encode(multibase::Base::Base58Btc, bytes).split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_the_ascending_uvarints_of_both_protocols() {
        assert_eq!(STANDARD.encode(metadata(&[TRUSTLESS_GATEWAY])), "oBI=");
        assert_eq!(metadata(&[TRUSTLESS_GATEWAY, PIECE_HTTP]), [0xa0, 0x12, 0xb0, 0x12]);
    }

    #[test]
    fn a_peer_id_looks_like_an_ed25519_one_and_differs_by_provider() {
        let (one, other) = (peer_id(ProviderId::new(1000)), peer_id(ProviderId::new(1001)));
        assert!(one.starts_with("12D3KooW"), "{one}");
        assert_eq!(one.len(), 52);
        assert_eq!(one, peer_id(ProviderId::new(1000)));
        assert_ne!(one, other);
    }

    #[test]
    fn an_address_is_an_http_multiaddr() {
        assert_eq!(multiaddr(([127, 0, 0, 1], 8080).into()), "/ip4/127.0.0.1/tcp/8080/http");
    }
}
