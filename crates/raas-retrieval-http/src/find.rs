//! What an IPNI index answers: who holds a CID, by which protocols, and where.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use raas_types::Cid;
use serde::Deserialize;
use url::Url;

use crate::multiaddr::base_url;

/// The protocol code of a trustless HTTP gateway.
const TRUSTLESS_GATEWAY: u64 = 0x0920;
/// The protocol code of piece retrieval over HTTP.
const PIECE_HTTP: u64 = 0x0930;
const BITSWAP: u64 = 0x0900;
const GRAPHSYNC: u64 = 0x0910;

/// The most results that are read from one answer; the rest of a popular CID's holders are not
/// needed.
const MAX_RESULTS: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Somebody who says they hold what was asked for and speak HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The peer id.
    pub(crate) id: String,
    /// The base URLs of its HTTP servers.
    pub(crate) urls: Vec<Url>,
    /// Whether it is a trustless gateway for it.
    pub(crate) gateway: bool,
    /// Whether it serves pieces.
    pub(crate) pieces: bool,
    /// The piece that the claim is about, where its context is one.
    pub(crate) piece: Option<Cid>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FindResponse {
    multihash_results: Option<Vec<MultihashResult>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MultihashResult {
    provider_results: Option<Vec<ProviderResult>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProviderResult {
    #[serde(rename = "ContextID")]
    context_id: Option<String>,
    metadata: Option<String>,
    provider: Option<AddrInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AddrInfo {
    #[serde(rename = "ID")]
    id: String,
    addrs: Option<Vec<String>>,
}

/// Reads an answer, as JSON or as a line of JSON for each result; holders without HTTP are passed
/// over. `None` where it is neither.
pub(crate) fn parse(body: &[u8]) -> Option<Vec<Holder>> {
    let results = match serde_json::from_slice::<FindResponse>(body) {
        Ok(FindResponse { multihash_results: Some(results) }) => {
            results.into_iter().flat_map(|r| r.provider_results.unwrap_or_default()).collect()
        }
        // A single line of NDJSON is valid JSON too, with other fields.
        _ => lines(body)?,
    };
    Some(results.into_iter().take(MAX_RESULTS).filter_map(holder).collect())
}

fn lines(body: &[u8]) -> Option<Vec<ProviderResult>> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn holder(result: ProviderResult) -> Option<Holder> {
    let provider = result.provider?;
    let protocols = protocols(&BASE64.decode(result.metadata?).ok()?);
    let gateway = protocols.contains(&TRUSTLESS_GATEWAY);
    let pieces = protocols.contains(&PIECE_HTTP);
    let urls: Vec<Url> =
        provider.addrs.unwrap_or_default().iter().filter_map(|addr| base_url(addr)).collect();
    let piece = result.context_id.and_then(|id| Cid::try_from(BASE64.decode(id).ok()?).ok());
    let useful = (gateway || pieces) && !urls.is_empty();
    useful.then_some(Holder { id: provider.id, urls, gateway, pieces, piece })
}

/// The protocol codes of a metadata field: ascending uvarints, of which graphsync is followed by a
/// CBOR map of its own. Reading ends at a code that is not known, whose payload cannot be skipped.
fn protocols(metadata: &[u8]) -> Vec<u64> {
    let mut rest = metadata;
    let mut codes = Vec::new();
    while let Some(code) = uvarint(&mut rest) {
        match code {
            BITSWAP | TRUSTLESS_GATEWAY | PIECE_HTTP => codes.push(code),
            GRAPHSYNC if skip_cbor(&mut rest, 0).is_some() => codes.push(code),
            _ => break,
        }
    }
    codes
}

fn uvarint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for i in 0..9 {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Skips one CBOR item of definite length (RFC 8949, section 3); maps of graphsync are two deep.
fn skip_cbor(bytes: &mut &[u8], depth: u8) -> Option<()> {
    let head = *bytes.split_off_first()?;
    let argument = match head & 0x1f {
        short @ 0..=23 => u64::from(short),
        size @ 24..=27 => {
            let big_endian = bytes.split_off(..1 << (size - 24))?;
            big_endian.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
        }
        _ => return None,
    };
    let items = match head >> 5 {
        0 | 1 | 7 => 0,
        2 | 3 => {
            bytes.split_off(..usize::try_from(argument).ok()?)?;
            0
        }
        4 => argument,
        5 => argument.checked_mul(2)?,
        _ => 1,
    };
    if items > 0 && depth >= 4 {
        return None;
    }
    // Each item takes a byte at least, so that this ends with the bytes.
    (0..items).try_for_each(|_| skip_cbor(bytes, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(metadata: &str, addr: &str) -> String {
        format!(
            r#"{{"ContextID":"AXASIA==","Metadata":"{metadata}","Provider":{{"ID":"12D3Koo","Addrs":["{addr}"]}}}}"#
        )
    }

    fn wrapped(result: &str) -> String {
        format!(r#"{{"MultihashResults":[{{"Multihash":"EiA=","ProviderResults":[{result}]}}]}}"#)
    }

    const ADDR: &str = "/dns4/sp.example/tcp/443/https";

    #[test]
    fn json_and_ndjson_say_the_same() {
        let result = answer("oBI=", ADDR);
        let json = parse(wrapped(&result).as_bytes()).unwrap();
        assert_eq!(json.len(), 1);
        assert!(json[0].gateway && !json[0].pieces);
        assert_eq!(json[0].urls[0].as_str(), "https://sp.example/");
        assert_eq!(parse(result.as_bytes()).unwrap(), json);
        let two = parse(format!("{result}\n\n{result}\n").as_bytes()).unwrap();
        assert_eq!(two, [json[0].clone(), json[0].clone()]);
    }

    #[test]
    fn an_empty_answer_has_no_holders_and_rubbish_is_no_answer() {
        assert_eq!(parse(br#"{"MultihashResults":null}"#), Some(vec![]));
        assert_eq!(parse(br#"{"MultihashResults":[{"ProviderResults":null}]}"#), Some(vec![]));
        assert_eq!(parse(b""), Some(vec![]));
        assert_eq!(parse(b"<html>"), None);
        assert_eq!(parse(br#"{"MultihashResults":"#), None);
    }

    #[test]
    fn protocols_are_read_across_graphsyncs_payload() {
        // 0x0910, then {"PieceCID": 42(h'0155'), "VerifiedDeal": true, "FastRetrieval": false}.
        let mut metadata = vec![0x90, 0x12, 0xa3, 0x68];
        metadata.extend_from_slice(b"PieceCID\xd8\x2a\x43\x00\x01\x55\x6cVerifiedDeal\xf5");
        metadata.extend_from_slice(b"\x6dFastRetrieval\xf4");
        metadata.extend_from_slice(&[0xa0, 0x12, 0xb0, 0x12]);
        assert_eq!(protocols(&metadata), [GRAPHSYNC, TRUSTLESS_GATEWAY, PIECE_HTTP]);
        assert_eq!(protocols(&[0x80, 0x12, 0xa0, 0x12]), [BITSWAP, TRUSTLESS_GATEWAY]);
        assert!(protocols(&metadata[..20]).is_empty());
        assert!(protocols(&[0xff; 30]).is_empty());
    }

    #[test]
    fn holders_without_http_are_passed_over() {
        for (metadata, addr) in
            [("gBI=", ADDR), ("oBI=", "/ip4/1.2.3.4/tcp/24001"), ("not base64!", ADDR), ("", ADDR)]
        {
            let holders = parse(wrapped(&answer(metadata, addr)).as_bytes()).unwrap();
            assert_eq!(holders, [], "{metadata} {addr}");
        }
    }
}
