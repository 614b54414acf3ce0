//! The providers' servers and the IPNI endpoint over real sockets. The pieces are put in the
//! library by hand; the aggregator's tests see to the way there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Mutex;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use raas_piece::{commitment_from_v1, commitment_of};
use raas_retrieval::{ImportProfile, file_blocks, links, verify_block};
use raas_types::PieceInfo;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    library::{Segment, Source, index_car},
    *,
};
use crate::chain::{Clock, DealSpec, Forks, World, WorldConfig};

const HOLDER: ProviderId = ProviderId::new(1000);
const OTHER: ProviderId = ProviderId::new(1001);

/// Two providers; the first holds a piece with a file of five chunks after 127 other bytes.
struct Lab {
    world: SharedWorld,
    providers: Providers,
    client: Client,
    file: Cid,
    piece: PieceInfo,
    /// The piece's data as it should be.
    data: Vec<u8>,
    _dir: TempDir,
}

impl Lab {
    async fn start() -> Self {
        let clock = Clock {
            seed: 1,
            null_every: 0,
            genesis_timestamp: 0,
            start_epoch: 10_000,
            forks: Forks::default(),
        };
        let world = Arc::new(Mutex::new(World::new(WorldConfig {
            period_start: None,
            clock,
            network_name: "test".to_owned(),
            network_version: 28,
            chain_id: 31_415_926,
            providers: 2,
            sealing_epochs: 1,
            finality_lag: 10,
            partition_size: 2,
            first_deal: 100,
        })));
        let providers = Providers::start(world.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();

        let contents: Vec<u8> = (0..1_200_000u32).map(|i| (i.wrapping_mul(i) / 7) as u8).collect();
        let (file, blocks) = file_blocks(&contents, &ImportProfile::KUBO_V1);
        let path = dir.path().join("payload.car");
        let mut car = dag_header(&file);
        for (cid, block) in blocks.iter().rev() {
            let name = cid.to_bytes();
            car.extend(ipni::uvarint((name.len() + block.len()) as u64));
            car.extend(name);
            car.extend_from_slice(block);
        }
        std::fs::write(&path, &car).unwrap();
        let mut data = vec![7; 127];
        data.extend_from_slice(&car);
        let commitment = commitment_of(&data);
        let piece = commitment.piece_info();
        data.resize(piece.size.unpadded() as usize, 0);
        let segment = Arc::new(Segment {
            piece: commitment_of(&car).piece_info(),
            len: car.len() as u64,
            blocks: index_car(&path).unwrap(),
            car: path,
        });
        let filler = Source::Bytes(Bytes::from_static(&[7; 127]));
        let parts = vec![(0, filler), (127, Source::Car(segment.clone()))];
        providers.library().add(StoredPiece::new(piece.clone(), segment, parts));

        let spec = DealSpec {
            piece: piece.clone(),
            provider: HOLDER,
            label: String::new(),
            duration: 518_400,
            payload: vec![file],
        };
        lock(&world).schedule_deal(0, spec);
        lock(&world).advance(5);
        Self { world, providers, client: Client::new(), file, piece, data, _dir: dir }
    }

    fn url(&self, provider: ProviderId, path: &str) -> String {
        format!("http://{}{path}", self.providers.addr(provider).unwrap())
    }

    fn piece_url(&self, provider: ProviderId) -> String {
        self.url(provider, &format!("/piece/{}", self.piece.cid))
    }

    async fn bytes(&self, url: String) -> Bytes {
        let response = self.client.get(url).send().await.unwrap();
        response.error_for_status().unwrap().bytes().await.unwrap()
    }

    async fn status(&self, url: String) -> StatusCode {
        self.client.get(url).send().await.unwrap().status()
    }
}

fn dag_header(root: &Cid) -> Vec<u8> {
    let mut map = b"\xa2eroots\x81\xd8\x2a\x58\x25\x00".to_vec();
    map.extend(root.to_bytes());
    map.extend(b"gversion\x01");
    let mut header = ipni::uvarint(map.len() as u64);
    header.extend(map);
    header
}

/// The blocks of a CAR in the order of its sections.
fn car_blocks(dir: &TempDir, car: &[u8]) -> Vec<(Cid, Vec<u8>)> {
    let path = dir.path().join("received.car");
    std::fs::write(&path, car).unwrap();
    let mut ranges: Vec<_> = index_car(&path).unwrap().into_values().collect();
    ranges.sort_by_key(|range| range.start);
    let read = |range: std::ops::Range<u64>| {
        let start = range.start as usize;
        // The CIDs here have 36 bytes.
        let cid = Cid::try_from(&car[start - 36..start]).unwrap();
        (cid, car[start..range.end as usize].to_vec())
    };
    ranges.into_iter().map(read).collect()
}

#[tokio::test]
async fn a_piece_is_served_whole_with_its_zero_tail_by_who_holds_it_only() {
    let lab = Lab::start().await;
    let response = lab.client.get(lab.piece_url(HOLDER)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/piece");
    assert_eq!(response.content_length(), Some(lab.piece.size.unpadded()));
    let bytes = response.bytes().await.unwrap();
    assert!(bytes == lab.data, "the bytes are the piece's");
    assert_eq!(Ok(commitment_of(&bytes).commitment), commitment_from_v1(&lab.piece.cid));

    assert_eq!(lab.status(lab.piece_url(OTHER)).await, StatusCode::NOT_FOUND);
    assert_eq!(lab.status(lab.url(HOLDER, "/piece/garbage")).await, StatusCode::BAD_REQUEST);
    let served = lab.providers.served();
    assert_eq!(served[&HOLDER].pieces, 1);
    assert_eq!(served[&HOLDER].bytes, lab.data.len() as u64);
    assert_eq!(served[&OTHER], Served::default());
}

#[tokio::test]
async fn ranges_of_a_piece_are_served_and_head_tells_the_size() {
    let lab = Lab::start().await;
    let len = lab.data.len();
    let last = format!("bytes {}-{}/{len}", len - 5, len - 1);
    for (asked, told, range) in [
        ("bytes=0-0", &format!("bytes 0-0/{len}"), 0..1),
        ("bytes=120-400000", &format!("bytes 120-400000/{len}"), 120..400_001),
        ("bytes=-5", &last, len - 5..len),
    ] {
        let request = lab.client.get(lab.piece_url(HOLDER)).header("Range", asked);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{asked}");
        assert_eq!(response.headers()["content-range"], told.as_str());
        assert!(response.bytes().await.unwrap() == lab.data[range], "{asked}");
    }
    let beyond = format!("bytes={len}-");
    let beyond = lab.client.get(lab.piece_url(HOLDER)).header("Range", beyond).send().await;
    assert_eq!(beyond.unwrap().status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let head = lab.client.head(lab.piece_url(HOLDER)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], len.to_string().as_str());
    assert_eq!(head.headers()["accept-ranges"], "bytes");
}

#[tokio::test]
async fn blocks_and_cars_verify_against_what_was_asked_for() {
    let lab = Lab::start().await;
    let root = lab.bytes(lab.url(HOLDER, &format!("/ipfs/{}?format=raw", lab.file))).await;
    verify_block(&lab.file, &root).unwrap();
    let children = links(&lab.file, &root).unwrap();
    assert_eq!(children.len(), 5);

    let car = lab.bytes(lab.url(HOLDER, &format!("/ipfs/{}?format=car", lab.file))).await;
    let blocks = car_blocks(&lab._dir, &car);
    let expected: Vec<Cid> = std::iter::once(lab.file).chain(children.clone()).collect();
    assert_eq!(blocks.iter().map(|(cid, _)| *cid).collect::<Vec<_>>(), expected);
    for (cid, block) in &blocks {
        verify_block(cid, block).unwrap();
    }

    let leaf = children[2];
    let car = lab.bytes(lab.url(HOLDER, &format!("/ipfs/{leaf}?format=car"))).await;
    assert_eq!(car_blocks(&lab._dir, &car)[0].0, leaf);
    let path = format!("/ipfs/{}?format=car&dag-scope=block", lab.file);
    assert_eq!(car_blocks(&lab._dir, &lab.bytes(lab.url(HOLDER, &path)).await).len(), 1);

    let plain = lab.url(HOLDER, &format!("/ipfs/{}", lab.file));
    assert_eq!(lab.status(plain).await, StatusCode::NOT_ACCEPTABLE);
    let other = lab.url(OTHER, &format!("/ipfs/{}?format=raw", lab.file));
    assert_eq!(lab.status(other).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_corrupt_provider_serves_wrong_bytes_until_it_is_mended() {
    let lab = Lab::start().await;
    lab.providers.set_corrupt(HOLDER, true).unwrap();
    let bytes = lab.bytes(lab.piece_url(HOLDER)).await;
    assert_eq!(bytes.len(), lab.data.len());
    assert_ne!(Ok(commitment_of(&bytes).commitment), commitment_from_v1(&lab.piece.cid));
    let raw = lab.url(HOLDER, &format!("/ipfs/{}?format=raw", lab.file));
    assert!(verify_block(&lab.file, &lab.bytes(raw.clone()).await).is_err());

    lab.providers.set_corrupt(HOLDER, false).unwrap();
    verify_block(&lab.file, &lab.bytes(raw).await).unwrap();
}

#[tokio::test]
async fn an_offline_provider_drops_new_and_open_connections() {
    let lab = Lab::start().await;
    let info = || lab.client.get(lab.url(HOLDER, "/info")).send();
    assert_eq!(info().await.unwrap().status(), StatusCode::OK);
    lab.providers.set_offline(HOLDER, true).unwrap();
    // The client first tries the connection that it still has, then a new one.
    assert!(info().await.is_err());
    assert!(Client::new().get(lab.url(HOLDER, "/info")).send().await.is_err());
    assert!(lab.providers.served()[&HOLDER].refused >= 1);
    lab.providers.set_offline(HOLDER, false).unwrap();
    assert_eq!(info().await.unwrap().status(), StatusCode::OK);

    let unknown = ProviderId::new(7);
    assert_eq!(lab.providers.set_offline(unknown, true), Err(UnknownProvider(unknown)));
}

#[tokio::test]
async fn ipni_names_every_holder_with_an_address_that_answers() {
    let lab = Lab::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = lab.providers.router();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let addr = lab.providers.addr(HOLDER).unwrap();
    for cid in [lab.file, lab.piece.cid] {
        let found: Value =
            serde_json::from_slice(&lab.bytes(format!("{base}/cid/{cid}")).await).unwrap();
        let result = &found["MultihashResults"][0];
        assert_eq!(result["Multihash"], STANDARD.encode(cid.hash().to_bytes()));
        let providers = result["ProviderResults"].as_array().unwrap();
        assert_eq!(providers.len(), 1);
        assert_eq!(providers[0]["Metadata"], STANDARD.encode([0xa0, 0x12, 0xb0, 0x12]));
        assert_eq!(providers[0]["Provider"]["ID"], ipni::peer_id(HOLDER));
        let multiaddr = format!("/ip4/127.0.0.1/tcp/{}/http", addr.port());
        assert_eq!(providers[0]["Provider"]["Addrs"][0], multiaddr);
        assert_eq!(
            STANDARD.decode(providers[0]["ContextID"].as_str().unwrap()).unwrap(),
            lab.piece.cid.to_bytes()
        );
    }
    let (unknown, _) = file_blocks(b"unknown", &ImportProfile::KUBO_V1);
    assert_eq!(lab.status(format!("{base}/cid/{unknown}")).await, StatusCode::NOT_FOUND);
    assert_eq!(lab.status(format!("{base}/cid/garbage")).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_terminated_sector_takes_its_piece_away() {
    let lab = Lab::start().await;
    assert_eq!(lab.status(lab.piece_url(HOLDER)).await, StatusCode::OK);
    lock(&lab.world).terminate(HOLDER).unwrap();
    assert_eq!(lab.status(lab.piece_url(HOLDER)).await, StatusCode::NOT_FOUND);
}
