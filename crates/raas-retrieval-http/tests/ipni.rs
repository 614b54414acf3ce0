//! Finding holders through an index, and what becomes of good and bad ones.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::{fetch, file, gateway, nobody, options, serve, whole_car};
use raas_piece::{Aggregate, commitment_of};
use raas_retrieval::{DataSource, Error, PieceHint, Wanted, conformance};
use raas_retrieval_http::{AddressPolicy, IpniSource};
use raas_types::{Cid, PaddedSize, PieceInfo, ProviderId, SegmentProof};

const GATEWAY: &[u8] = &[0xa0, 0x12];
const PIECE: &[u8] = &[0xb0, 0x12];

/// A line of an index.
#[derive(Clone)]
struct Claim {
    cid: Cid,
    context: Vec<u8>,
    metadata: Vec<u8>,
    addr: String,
}

impl Claim {
    fn new(cid: Cid, metadata: &[u8], base: &str) -> Self {
        Self { cid, context: b"ctx".to_vec(), metadata: metadata.to_vec(), addr: multiaddr(base) }
    }

    fn result(&self, i: usize) -> serde_json::Value {
        serde_json::json!({
            "ContextID": STANDARD.encode(&self.context),
            "Metadata": STANDARD.encode(&self.metadata),
            "Provider": {"ID": format!("12D3Peer{i}"), "Addrs": [self.addr]},
        })
    }
}

/// `http://127.0.0.1:80` as a multiaddr.
fn multiaddr(base: &str) -> String {
    let (host, port) = base.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let kind = if host.parse::<std::net::Ipv4Addr>().is_ok() { "ip4" } else { "dns" };
    format!("/{kind}/{host}/tcp/{port}/http")
}

/// An index of these claims.
async fn index(claims: Vec<Claim>, ndjson: bool) -> String {
    let find = move |Path(cid): Path<String>| {
        let claims = claims.clone();
        async move {
            let cid: Cid = cid.parse().unwrap();
            let found = claims.iter().enumerate().filter(|(_, claim)| claim.cid == cid);
            let results: Vec<_> = found.map(|(i, claim)| claim.result(i)).collect();
            if results.is_empty() {
                return StatusCode::NOT_FOUND.into_response();
            }
            if ndjson {
                let lines: String = results.iter().map(|result| format!("{result}\n")).collect();
                return ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response();
            }
            let multihash = STANDARD.encode(cid.hash().to_bytes());
            let all = serde_json::json!({
                "MultihashResults": [{"Multihash": multihash, "ProviderResults": results}],
            });
            axum::Json(all).into_response()
        }
    };
    serve(Router::new().route("/cid/{cid}", get(find))).await
}

fn source(index: &str) -> IpniSource {
    let policy = AddressPolicy::allowing(["127.0.0.1"]).unwrap();
    IpniSource::new(index, policy, options()).unwrap()
}

#[tokio::test]
async fn the_ipni_source_passes_the_suite() {
    conformance::all(async |blocks| {
        let base = serve(gateway(blocks)).await;
        // An index that says that this server has everything.
        let addr = multiaddr(&base);
        let find = move |Path(_): Path<String>| {
            let claim = Claim {
                cid: Cid::default(),
                context: vec![1],
                metadata: GATEWAY.to_vec(),
                addr: addr.clone(),
            };
            async move {
                axum::Json(serde_json::json!({
                    "MultihashResults": [{"Multihash": "", "ProviderResults": [claim.result(0)]}],
                }))
            }
        };
        let index = serve(Router::new().route("/cid/{cid}", get(find))).await;
        Arc::new(source(&index)) as Arc<dyn DataSource>
    })
    .await;
}

#[tokio::test]
async fn bad_holders_are_reported_and_the_good_one_serves() {
    let (root, blocks) = file(5000);
    let mut spoiled = blocks.clone();
    spoiled[0].1 = Bytes::from_static(b"spoiled");
    let corrupt = serve(gateway(spoiled)).await;
    let gone = nobody().await;
    let empty = serve(gateway(Vec::new())).await;
    let good = serve(gateway(blocks)).await;
    let claims = [&corrupt, &gone, &empty, &good].map(|base| Claim::new(root, GATEWAY, base));
    for ndjson in [false, true] {
        let index = index(claims.to_vec(), ndjson).await;
        let fetched = fetch(source(&index), &Wanted::new(root)).await.unwrap();
        assert_eq!(fetched.by, good.replace("http://", "provider 12D3Peer3 at ") + " by /ipfs");
        let [one, two, three] = &fetched.attempts[..] else { panic!("{:?}", fetched.attempts) };
        assert!(one.source.contains("12D3Peer0") && matches!(one.error, Error::Corrupt(_)));
        assert!(matches!(two.error, Error::Unavailable { .. }), "{two}");
        assert!(matches!(three.error, Error::NotFound { .. }), "{three}");
    }
}

#[tokio::test]
async fn what_nobody_holds_is_not_found() {
    let (root, _) = file(10);
    let index = index(Vec::new(), false).await;
    let failed = fetch(source(&index), &Wanted::new(root)).await.unwrap_err();
    assert!(matches!(failed.attempts[0].error, Error::NotFound { .. }), "{failed}");
}

#[tokio::test]
async fn an_index_that_is_down_or_talks_rubbish_is_told() {
    let (root, _) = file(10);
    let failed = fetch(source(&nobody().await), &Wanted::new(root)).await.unwrap_err();
    assert!(failed.is_temporary() && failed.attempts[0].source.starts_with("ipni "), "{failed}");
    let rubbish = serve(Router::new().fallback(async || "<html>")).await;
    let failed = fetch(source(&rubbish), &Wanted::new(root)).await.unwrap_err();
    assert!(matches!(failed.attempts[0].error, Error::Corrupt(_)), "{failed}");
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed_by_name() {
    let (root, blocks) = file(2000);
    let base = serve(gateway(blocks)).await;
    let localhost = base.replace("127.0.0.1", "localhost");
    for (addr, allowed) in [(&base, "127.0.0.1"), (&localhost, "localhost")] {
        let index = index(vec![Claim::new(root, GATEWAY, addr)], false).await;
        let strict = IpniSource::new(&index, AddressPolicy::public_only(), options()).unwrap();
        let failed = fetch(strict, &Wanted::new(root)).await.unwrap_err();
        let [attempt] = &failed.attempts[..] else { panic!("{failed}") };
        assert!(matches!(attempt.error, Error::Refused(_)), "{failed}");
        assert!(failed.to_string().contains("a loopback address"), "{failed}");

        let policy = AddressPolicy::allowing([allowed]).unwrap();
        let open = IpniSource::new(&index, policy, options()).unwrap();
        fetch(open, &Wanted::new(root)).await.unwrap();
    }
}

/// A DAG's CAR as a segment of an aggregate beside others' data.
struct Packed {
    root: Cid,
    hint: PieceHint,
    /// The aggregate's data.
    bytes: Vec<u8>,
    /// Where the CAR ends in it.
    car_end: usize,
}

fn packed() -> Packed {
    let (root, blocks) = file(20_000);
    let car = whole_car(&root, &blocks);
    let other = vec![7; 127 * 512];
    let pieces = [commitment_of(&other), commitment_of(&car)];
    let segments = pieces.map(|piece| (piece.commitment, piece.size));
    let size = PaddedSize::new(1 << 20).unwrap();
    let aggregate = Aggregate::pack(&segments, size).unwrap();
    let mut bytes = vec![0; size.unpadded() as usize];
    for (data, at) in [&other, &car].into_iter().zip(aggregate.placements()) {
        let start = at.unpadded_offset() as usize;
        bytes[start..start + data.len()].copy_from_slice(data);
    }
    let (start, index) = aggregate.unpadded_index();
    bytes[start as usize..start as usize + index.len()].copy_from_slice(&index);
    let at = aggregate.placements()[1];
    assert!(at.offset > 0, "the segment must not come first for the test to mean anything");
    let segment =
        SegmentProof { segment: pieces[1].piece_info(), inclusion: aggregate.proof(1).unwrap() };
    let hint = PieceHint {
        piece: aggregate.piece(),
        provider: Some(ProviderId::new(1001)),
        segment: Some(segment),
    };
    Packed { root, hint, bytes, car_end: at.unpadded_offset() as usize + car.len() }
}

/// A provider that serves these bytes for a piece, in ranges where it knows them.
async fn provider(piece: &PieceInfo, bytes: Vec<u8>, knows_ranges: bool) -> String {
    let pieces = Arc::new(BTreeMap::from([(piece.cid.to_string(), Bytes::from(bytes))]));
    let serve_piece = move |Path(cid): Path<String>, headers: HeaderMap| {
        let pieces = pieces.clone();
        async move {
            let Some(bytes) = pieces.get(&cid) else {
                return StatusCode::NOT_FOUND.into_response();
            };
            let range = headers.get(header::RANGE).filter(|_| knows_ranges);
            range.map_or_else(
                || bytes.clone().into_response(),
                |range| part(bytes, range.to_str().unwrap()),
            )
        }
    };
    serve(Router::new().route("/piece/{cid}", get(serve_piece))).await
}

fn part(bytes: &Bytes, range: &str) -> Response {
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    let end = (end + 1).min(bytes.len());
    let content_range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    let headers = [(header::CONTENT_RANGE, content_range)];
    (StatusCode::PARTIAL_CONTENT, headers, Body::from(bytes.slice(start..end))).into_response()
}

fn wanted(packed: &Packed) -> Wanted {
    Wanted { cid: packed.root, pieces: vec![packed.hint.clone()] }
}

#[tokio::test]
async fn a_segment_is_cut_out_of_its_piece() {
    let packed = packed();
    // booster-http serves the padding, Curio leaves it out; both with ranges and without.
    let without_tail = packed.bytes[..packed.car_end].to_vec();
    for (bytes, knows_ranges) in
        [(packed.bytes.clone(), true), (packed.bytes.clone(), false), (without_tail, true)]
    {
        let base = provider(&packed.hint.piece, bytes, knows_ranges).await;
        let index = index(vec![Claim::new(packed.hint.piece.cid, PIECE, &base)], false).await;
        let fetched = fetch(source(&index), &wanted(&packed)).await.unwrap();
        let expected = base.replace("http://", "provider f01001 at ") + " by /piece";
        assert_eq!(fetched.by, expected.replace("f01001", &ProviderId::new(1001).to_string()));
    }
}

#[tokio::test]
async fn a_piece_that_is_the_car_itself_is_read() {
    let (root, blocks) = file(9000);
    let car = whole_car(&root, &blocks);
    let piece = commitment_of(&car);
    let hint = PieceHint { piece: piece.piece_info(), provider: None, segment: None };
    let mut padded = car.clone();
    padded.resize(piece.size.unpadded() as usize, 0);
    for bytes in [car, padded] {
        let base = provider(&hint.piece, bytes, true).await;
        let index = index(vec![Claim::new(hint.piece.cid, PIECE, &base)], false).await;
        let wanted = Wanted { cid: root, pieces: vec![hint.clone()] };
        let fetched = fetch(source(&index), &wanted).await.unwrap();
        assert!(fetched.by.contains("12D3Peer0"), "{}", fetched.by);
    }
}

#[tokio::test]
async fn a_corrupt_piece_is_reported_and_the_next_provider_serves() {
    let packed = packed();
    for (spoiled_at, knows_ranges) in [(packed.car_end - 1, true), (3, false)] {
        let mut spoiled = packed.bytes.clone();
        spoiled[spoiled_at] ^= 1;
        let bad = provider(&packed.hint.piece, spoiled, knows_ranges).await;
        let good = provider(&packed.hint.piece, packed.bytes.clone(), true).await;
        let claims = [&bad, &good].map(|base| Claim::new(packed.hint.piece.cid, PIECE, base));
        let index = index(claims.to_vec(), false).await;
        let fetched = fetch(source(&index), &wanted(&packed)).await.unwrap();
        assert!(fetched.by.contains(good.trim_start_matches("http://")));
        let [attempt] = &fetched.attempts[..] else { panic!("{:?}", fetched.attempts) };
        assert!(attempt.source.contains(bad.trim_start_matches("http://")));
        assert!(attempt.error.to_string().contains("another commitment"), "{attempt}");
    }
}

#[tokio::test]
async fn a_holder_is_asked_for_the_dag_first_and_then_for_the_piece() {
    let packed = packed();
    let base = provider(&packed.hint.piece, packed.bytes.clone(), true).await;
    let mut claim = Claim::new(packed.root, &[GATEWAY, PIECE].concat(), &base);
    // A context that names the piece tells which provider this is.
    claim.context = packed.hint.piece.cid.to_bytes();
    let index = index(vec![claim], false).await;
    let fetched = fetch(source(&index), &wanted(&packed)).await.unwrap();
    assert!(fetched.by.ends_with("by /piece"), "{}", fetched.by);
    assert!(fetched.by.contains(&ProviderId::new(1001).to_string()), "{}", fetched.by);
    let [attempt] = &fetched.attempts[..] else { panic!("{:?}", fetched.attempts) };
    assert!(attempt.source.ends_with("by /ipfs"), "{attempt}");
    assert!(matches!(attempt.error, Error::NotFound { .. }), "{attempt}");
}

#[tokio::test]
async fn a_hint_whose_proof_is_about_another_piece_is_refused() {
    let packed = packed();
    let base = provider(&packed.hint.piece, packed.bytes.clone(), true).await;
    let index = index(vec![Claim::new(packed.hint.piece.cid, PIECE, &base)], false).await;
    let mut wanted = wanted(&packed);
    let proof = wanted.pieces[0].segment.as_mut().unwrap();
    proof.inclusion.subtree.path[0].0[0] ^= 1;
    let failed = fetch(source(&index), &wanted).await.unwrap_err();
    assert!(failed.to_string().contains("no proof"), "{failed}");
}

#[tokio::test]
async fn a_piece_longer_than_it_can_be_is_given_up() {
    let packed = packed();
    let mut long = packed.bytes.clone();
    long.extend_from_slice(&[0; 127]);
    let base = provider(&packed.hint.piece, long, false).await;
    let index = index(vec![Claim::new(packed.hint.piece.cid, PIECE, &base)], false).await;
    let failed = fetch(source(&index), &wanted(&packed)).await.unwrap_err();
    assert!(matches!(failed.attempts[0].error, Error::TooLarge(_)), "{failed}");
}
