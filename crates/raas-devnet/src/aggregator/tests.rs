//! The aggregator over its real HTTP face.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use raas_piece::{commitment_from_v1, commitment_of, verify};
use raas_types::{
    Commitment, DealId, InclusionProof, MerkleProof, PaddedSize, PieceInfo, ProviderId,
};
use reqwest::{
    Client, Response, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::chain::{Clock, Forks, WorldConfig};

const KEY: &str = "sesame";
const HELLO: &[u8] = b"hello world\n";
/// The CID of [`HELLO`], from the UnixFS specification.
const HELLO_CID: &str = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

struct Lab {
    world: SharedWorld,
    aggregator: Aggregator,
    providers: Providers,
    base: String,
    client: Client,
    dir: TempDir,
}

impl Lab {
    async fn start(patch: Value) -> Self {
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
            providers: 4,
            sealing_epochs: 5,
            finality_lag: 10,
            partition_size: 2,
            first_deal: 100,
        })));
        let providers = Providers::start(world.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config =
            AggregatorConfig { dir: dir.path().to_owned(), api_key: Some(KEY.to_owned()), seed: 1 };
        let aggregator = Aggregator::start(config, world.clone(), providers.clone()).await.unwrap();
        aggregator.configure(serde_json::from_value(patch).unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = aggregator.router().merge(providers.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { world, aggregator, providers, base, client: Client::new(), dir }
    }

    async fn upload(&self, bytes: impl Into<Vec<u8>>) -> Value {
        let part = Part::bytes(bytes.into()).file_name("a file.bin");
        let url = format!("{}/api/v0/add?wrap-with-directory=false&cid-version=1", self.base);
        let request = self.client.post(url).bearer_auth(KEY);
        let response = request.multipart(Form::new().part("file", part)).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    }

    async fn pin(&self, cid: &str) -> StatusCode {
        let request = self.client.post(format!("{}/api/lighthouse/pin", self.base));
        let request = request.bearer_auth(KEY).json(&json!({ "cid": cid, "fileName": "x" }));
        request.send().await.unwrap().status()
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(KEY);
        request.send().await.unwrap()
    }

    async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.error_for_status().unwrap().json().await.unwrap()
    }

    async fn proofs(&self, cid: &str) -> Vec<Value> {
        let answer = self.get_json(&format!("/api/lighthouse/get_proof?cid={cid}")).await;
        answer["dealInfo"].as_array().unwrap().clone()
    }

    async fn advance(&self, epochs: i64) {
        self.aggregator.idle().await;
        chain::lock(&self.world).advance(epochs);
    }

    /// Files of the blob store, unfinished ones included.
    fn blob_files(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("aggregator/blobs")).unwrap().count()
    }

    /// Waits for what another task is about to do.
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), wait).await.unwrap();
    }

    /// The provider that the chain has for a deal.
    fn provider_of(&self, entry: &Value) -> ProviderId {
        let world = chain::lock(&self.world);
        let id = DealId::new(entry["dealId"].as_u64().unwrap());
        match world.deal_at(id, world.now()) {
            MarketDeal::Found(deal) => deal.provider,
            other => panic!("deal {id} is {other:?}"),
        }
    }
}

fn hex_number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn merkle_proof(value: &Value) -> MerkleProof {
    let nodes = value["path"].as_array().unwrap().iter();
    let path = nodes.map(|node| Commitment::try_from(node.as_str().unwrap().to_owned()).unwrap());
    MerkleProof { index: hex_number(&value["index"]), path: path.collect() }
}

fn segment_and_proof(proof: &Value) -> (PieceInfo, InclusionProof) {
    let data = &proof["verifierData"];
    let cid = hex::decode(data["commPc"].as_str().unwrap()).unwrap();
    let segment = PieceInfo {
        cid: Cid::try_from(cid).unwrap(),
        size: PaddedSize::new(hex_number(&data["sizePc"])).unwrap(),
    };
    let paths = &proof["inclusionProof"];
    let (subtree, index) = (&paths["proofSubtree"], &paths["proofIndex"]);
    (segment, InclusionProof { subtree: merkle_proof(subtree), index: merkle_proof(index) })
}

#[tokio::test]
async fn a_proof_verifies_to_the_very_piece_of_the_market_deal() {
    let lab = Lab::start(json!({ "delay_epochs": 10 })).await;
    let added = lab.upload(HELLO).await;
    assert_eq!(added, json!({ "Name": "a file.bin", "Size": "12", "Hash": HELLO_CID }));
    assert_eq!(lab.pin(HELLO_CID).await, StatusCode::OK);
    lab.aggregator.idle().await;

    let waiting = lab.proofs(HELLO_CID).await;
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|entry| entry["dealId"].is_null()), "{waiting:?}");

    lab.advance(11).await;
    let entries = lab.proofs(HELLO_CID).await;
    let car = lab.get(&format!("/ipfs/{HELLO_CID}?format=car")).await.bytes().await.unwrap();
    let mut pieces = Vec::new();
    for entry in &entries {
        let id = DealId::new(entry["dealId"].as_u64().unwrap());
        let deal = match chain::lock(&lab.world).deal_at(id, 10_011) {
            MarketDeal::Found(deal) => deal,
            other => panic!("{other:?}"),
        };
        let (segment, inclusion) = segment_and_proof(&entry["proof"]);
        assert_eq!(verify(&segment, &inclusion), Ok(deal.piece.clone()));
        assert_eq!(segment, commitment_of(&car).piece_info(), "the segment is the payload's CAR");
        assert_eq!(deal.label, HELLO_CID);
        pieces.push(deal.piece.cid);
    }
    assert_ne!(pieces[0], pieces[1]);
    let spelled: Vec<&str> =
        entries.iter().map(|entry| entry["storageProvider"].as_str().unwrap()).collect();
    assert!(spelled[0].starts_with("t0") && !spelled[1].starts_with("t0"), "{spelled:?}");
    let record = &entries[0]["proof"]["indexRecord"];
    assert_eq!(record["size"], 128);
    assert_eq!(record["checksum"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_deal_is_published_when_its_delay_is_over_and_not_before() {
    let lab = Lab::start(json!({ "delay_epochs": 100 })).await;
    lab.upload(HELLO).await;
    lab.advance(99).await;
    assert!(lab.proofs(HELLO_CID).await[0]["dealId"].is_null());
    lab.advance(1).await;
    assert_eq!(lab.proofs(HELLO_CID).await[0]["dealId"], 100);

    let path = format!("/api/lighthouse/deal_status?cid={HELLO_CID}");
    let status = lab.get_json(&path).await;
    assert_eq!(status[0]["dealStatus"], "Sealing: PreCommit1");
    assert_eq!(status[0]["chainDealID"], 100);
    assert_eq!(status[0]["payloadCid"], HELLO_CID);
    // A header of 59 bytes, then one section: its length 1, CID 36, data 12.
    assert_eq!(status[0]["carFileSize"], 108);
    lab.advance(5).await;
    assert_eq!(lab.get_json(&path).await[0]["dealStatus"], "Sealing: Proving");
}

#[tokio::test]
async fn deals_of_one_cid_spread_over_healthy_providers() {
    let lab = Lab::start(json!({ "delay_epochs": 1 })).await;
    lab.providers.set_offline(ProviderId::new(1001), true).unwrap();
    chain::lock(&lab.world).fault(ProviderId::new(1002)).unwrap();
    lab.upload(HELLO).await;
    lab.pin(HELLO_CID).await;
    lab.advance(2).await;
    let mut chosen: Vec<u64> =
        lab.proofs(HELLO_CID).await.iter().map(|entry| lab.provider_of(entry).get()).collect();
    chosen.sort_unstable();
    assert_eq!(chosen, [1000, 1003]);
}

#[tokio::test]
async fn with_placement_same_each_further_deal_is_a_duplicate() {
    let lab = Lab::start(json!({ "delay_epochs": 1, "placement": "same" })).await;
    lab.upload(HELLO).await;
    lab.pin(HELLO_CID).await;
    lab.upload(HELLO).await;
    lab.advance(2).await;
    let entries = lab.proofs(HELLO_CID).await;
    assert_eq!(entries.len(), 3);
    let first = lab.provider_of(&entries[0]);
    assert!(entries.iter().all(|entry| lab.provider_of(entry) == first));
}

#[tokio::test]
async fn a_repeat_is_ignored_where_that_is_its_nature() {
    let lab = Lab::start(json!({ "delay_epochs": 1, "repeat_pin": "ignored" })).await;
    lab.upload(HELLO).await;
    assert_eq!(lab.pin(HELLO_CID).await, StatusCode::OK);
    lab.upload(HELLO).await;
    lab.advance(2).await;
    assert_eq!(lab.proofs(HELLO_CID).await.len(), 1);
    assert_eq!(lab.aggregator.calls()["pin"], 1);
    assert_eq!(lab.aggregator.calls()["add"], 2);
}

#[tokio::test]
async fn what_is_unknown_or_no_cid_is_told_apart() {
    let lab = Lab::start(json!({})).await;
    assert_eq!(lab.pin(HELLO_CID).await, StatusCode::OK, "an unknown pin is taken in silence");
    lab.aggregator.idle().await;
    assert!(lab.proofs(HELLO_CID).await.is_empty());
    let query = format!("?cid={HELLO_CID}");
    assert_eq!(lab.get_json(&format!("/api/lighthouse/deal_status{query}")).await, json!([]));
    let info = lab.get(&format!("/api/lighthouse/file_info{query}")).await;
    assert_eq!(info.status(), StatusCode::NOT_FOUND);
    for query in ["?cid=", "", "?cid=garbage"] {
        for call in ["get_proof", "deal_status", "file_info"] {
            let answer = lab.get(&format!("/api/lighthouse/{call}{query}")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{call}{query}");
        }
    }
    assert_eq!(lab.pin("garbage").await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_api_asks_for_its_key_and_the_gateway_does_not() {
    let lab = Lab::start(json!({})).await;
    lab.upload(HELLO).await;
    let url = format!("{}/api/lighthouse/file_info?cid={HELLO_CID}", lab.base);
    let without = lab.client.get(&url).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    let wrong = lab.client.get(&url).bearer_auth("other").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = lab.get_json(&format!("/api/lighthouse/file_info?cid={HELLO_CID}")).await;
    assert_eq!(right["fileSizeInBytes"], "12");
    assert_eq!(right["fileName"], "a file.bin");

    let url = format!("{}/ipfs/{HELLO_CID}", lab.base);
    let file = lab.client.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(file, HELLO);
    let part = lab.client.get(&url).header("Range", "bytes=6-").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 6-11/12");
    assert_eq!(part.bytes().await.unwrap(), HELLO[6..]);

    lab.aggregator.configure(serde_json::from_value(json!({ "gateway": "off" })).unwrap()).unwrap();
    let off = lab.client.get(&url).send().await.unwrap();
    assert_eq!(off.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_upload_cut_short_leaves_nothing() {
    use tokio::io::AsyncWriteExt;

    let lab = Lab::start(json!({})).await;
    let address = lab.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v0/add HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nthe beginning"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    lab.until(|lab| lab.aggregator.calls().contains_key("add")).await;
    drop(socket);
    lab.upload(HELLO).await;
    lab.until(|lab| lab.blob_files() == 1).await;
    let files = lab.get_json("/api/user/files_uploaded?lastKey=null").await;
    assert_eq!(files["totalFiles"], 1);
    assert_eq!(files["fileList"][0]["cid"], HELLO_CID);
    let next = lab.get_json(&format!("/api/user/files_uploaded?lastKey={HELLO_CID}")).await;
    assert_eq!(next["fileList"], json!([]));
}

#[tokio::test]
async fn a_large_file_comes_back_from_its_piece_and_any_inner_block_from_the_gateway() {
    let lab = Lab::start(json!({ "delay_epochs": 1 })).await;
    let data: Vec<u8> =
        (0..700_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let added = lab.upload(data.clone()).await;
    let cid = added["Hash"].as_str().unwrap();
    lab.advance(10).await;
    let entry = &lab.proofs(cid).await[0];
    let (segment, inclusion) = segment_and_proof(&entry["proof"]);
    let piece = verify(&segment, &inclusion).unwrap();
    let addr = lab.providers.addr(lab.provider_of(entry)).unwrap();
    let url = format!("http://{addr}/piece/{}", piece.cid);
    let bytes = lab.client.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, piece.size.unpadded());
    assert_eq!(Ok(commitment_of(&bytes).commitment), commitment_from_v1(&piece.cid));

    let root = lab.get(&format!("/ipfs/{cid}?format=raw")).await.bytes().await.unwrap();
    for child in raas_retrieval::links(&cid.parse().unwrap(), &root).unwrap() {
        let block = lab.get(&format!("/ipfs/{child}?format=raw")).await.bytes().await.unwrap();
        raas_retrieval::verify_block(&child, &block).unwrap();
    }
    assert_eq!(lab.get(&format!("/ipfs/{cid}")).await.bytes().await.unwrap(), data);
}
