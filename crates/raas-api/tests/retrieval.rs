//! `GET` and `HEAD /ipfs/{cid}` over a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{CID, World, bytes, problem};
use raas_api::Face;
use raas_retrieval::{
    BlobStore, DataSource, Error, ImportProfile, MemorySource, Result, Served, Staging, Wanted,
    file_blocks,
};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

#[tokio::test]
async fn five_mebibytes_come_back_byte_for_byte() {
    let world = World::new().await;
    let content = bytes(5 << 20);
    let cid = world.upload(content.clone()).await;
    let path = format!("/ipfs/{cid}");
    let answer = world.get(&path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["content-length"], "5242880");
    assert_eq!(headers["etag"], format!("\"{cid}\""));
    assert_eq!(headers["accept-ranges"], "bytes");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-raas-source"], "local store");
    assert!(answer.bytes().await.unwrap() == content, "other bytes came back");

    let head = world.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for name in ["content-type", "content-length", "etag", "accept-ranges", "x-raas-source"] {
        assert_eq!(head.headers()[name], headers[name], "{name}");
    }
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_range_is_just_that_part() {
    let world = World::new().await;
    let content = bytes(1_000_000);
    let path = format!("/ipfs/{}", world.upload(content.clone()).await);
    // Across the borders of chunks of 262 144 bytes.
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=262143-262144", 262_143..262_145),
        ("bytes=100-900000", 100..900_001),
        ("bytes=999999-", 999_999..1_000_000),
        ("bytes=-5", 999_995..1_000_000),
    ] {
        let answer = world.get(&path).header("range", range).send().await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        let stated = format!("bytes {}-{}/1000000", part.start, part.end - 1);
        assert_eq!(answer.headers()["content-range"], stated);
        assert_eq!(answer.headers()["content-length"], part.len().to_string());
        assert!(answer.bytes().await.unwrap() == content[part], "{range} came back otherwise");
    }
    let beyond = world.get(&path).header("range", "bytes=1000000-").send().await.unwrap();
    assert_eq!(beyond.headers()["content-range"], "bytes */1000000");
    assert!(problem(beyond, 416).await.contains("1000000 bytes"));
    let other = world.get(&path).header("range", "bytes=0-1").header("if-range", "\"other\"");
    assert_eq!(other.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_copy_that_the_client_has_is_not_sent_again() {
    let world = World::new().await;
    let cid = world.upload(b"x".to_vec()).await;
    for (query, etag) in [("", format!("\"{cid}\"")), ("?format=car", format!("\"{cid}.car\""))] {
        let path = format!("/ipfs/{cid}{query}");
        let same = world.get(&path).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(same.status(), 304);
        assert_eq!(same.headers()["etag"], etag);
        let other = world.get(&path).header("if-none-match", "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), 200);
    }
}

#[tokio::test]
async fn a_car_holds_the_whole_dag() {
    let world = World::new().await;
    let content = bytes(600_000);
    let cid = world.upload(content.clone()).await;
    let by_query = world.get(&format!("/ipfs/{cid}?format=car"));
    let by_header = world.get(&format!("/ipfs/{cid}")).header("accept", "application/vnd.ipld.car");
    for request in [by_query, by_header] {
        let answer = request.send().await.unwrap();
        let media = answer.headers()["content-type"].to_str().unwrap();
        assert!(media.starts_with("application/vnd.ipld.car; version=1"), "{media}");
        let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let car = answer.bytes().await.unwrap();
        assert_eq!(car.len(), length);
        assert!(file_in(&cid, car).await == content, "the CAR holds another file");
    }
}

#[tokio::test]
async fn raw_is_the_root_block() {
    let world = World::new().await;
    let content = bytes(600_000);
    let cid = world.upload(content.clone()).await;
    let (root, blocks) = file_blocks(&content, &ImportProfile::default());
    let answer = world.get(&format!("/ipfs/{cid}?format=raw")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/vnd.ipld.raw");
    assert_eq!(answer.bytes().await.unwrap(), blocks.last().unwrap().1);
    assert_eq!(root.to_string(), cid);
}

#[tokio::test]
async fn what_is_not_here_is_fetched_and_says_who_had_it_and_who_failed() {
    let content = bytes(700_000);
    let (honest, cid) = MemorySource::new("honest.example").with_file(&content);
    let (_, mut blocks) = file_blocks(&content, &ImportProfile::default());
    blocks[0].1 = blocks[1].1.clone();
    let liar = MemorySource::new("liar.example").with_blocks(blocks);
    let world =
        World::with(vec![Arc::new(Rude), Arc::new(liar), Arc::new(honest)], |face| face).await;
    let path = format!("/ipfs/{cid}");
    let answer = world.get(&path).send().await.unwrap();
    assert_eq!(answer.headers()["x-raas-source"], "honest.example");
    let tried: Vec<_> = answer.headers().get_all("x-raas-tried").iter().cloned().collect();
    assert_eq!(tried[0], "rude.example: no?Set-Cookie: evil");
    assert!(tried[1].to_str().unwrap().starts_with("liar.example: "), "{tried:?}");
    assert!(answer.bytes().await.unwrap() == content, "other bytes came back");
    let again = world.get(&path).send().await.unwrap();
    assert_eq!(again.headers()["x-raas-source"], "local store");
    assert!(!again.headers().contains_key("x-raas-tried"));
}

#[tokio::test]
async fn clients_that_ask_for_one_cid_at_once_share_one_fetch() {
    let content = bytes(700_000);
    let (source, cid) = MemorySource::new("s").with_file(&content);
    let slow = Slow { source, begun: Arc::default(), go: Arc::default() };
    let world = World::with(vec![Arc::new(slow.clone())], |face| face).await;
    let path = format!("/ipfs/{cid}");
    // More than may be fetched at once.
    let asks = (0..20).map(|_| async {
        let answer = world.get(&path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap()
    });
    let let_go = async {
        while slow.begun.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        slow.go.notify_one();
    };
    let (answers, ()) = futures::join!(futures::future::join_all(asks), let_go);
    assert!(answers.iter().all(|answer| *answer == content), "other bytes came back");
    assert_eq!(slow.begun.load(Ordering::Relaxed), 1);
}

/// Waits to be let go, and counts how often it was asked.
#[derive(Clone, Debug)]
struct Slow {
    source: MemorySource,
    begun: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

#[async_trait]
impl DataSource for Slow {
    fn name(&self) -> String {
        self.source.name()
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.go.notified().await;
        self.source.fetch(wanted, staging).await
    }
}

#[tokio::test]
async fn what_nobody_has_is_not_found_and_who_was_asked_is_said() {
    let empty = MemorySource::new("empty.example");
    let world = World::with(vec![Arc::new(empty.clone())], |face| face).await;
    let answer = world.get(&format!("/ipfs/{CID}")).send().await.unwrap();
    assert!(problem(answer, 404).await.contains("empty.example"));
    let world = World::with(vec![Arc::new(empty), Arc::new(Rude)], |face| face).await;
    let answer = world.get(&format!("/ipfs/{CID}")).send().await.unwrap();
    let detail = problem(answer, 504).await;
    assert!(detail.contains("empty.example") && detail.contains("rude.example"), "{detail}");
}

#[tokio::test]
async fn a_directory_is_had_as_a_car_only() {
    // An empty UnixFS directory, as kubo writes it.
    let block = bytes::Bytes::from_static(&[0x0a, 0x02, 0x08, 0x01]);
    let cid = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    let source = MemorySource::new("s").with_blocks([(cid.parse().unwrap(), block)]);
    let world = World::with(vec![Arc::new(source)], |face| face).await;
    let answer = world.get(&format!("/ipfs/{cid}")).send().await.unwrap();
    assert!(problem(answer, 406).await.contains("?format=car"));
    let car = world.get(&format!("/ipfs/{cid}?format=car")).send().await.unwrap();
    assert_eq!(car.status(), 200);
    let below = world.get(&format!("/ipfs/{cid}/index.html")).send().await.unwrap();
    assert!(problem(below, 404).await.contains("?format=car"));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_with_what_to_ask_for() {
    let world = World::new().await;
    let cid = world.upload(b"x".to_vec()).await;
    for (path, says) in [
        ("/ipfs/garbage".to_owned(), "is no CID"),
        (format!("/ipfs/{cid}?format=tar"), "give car or raw"),
        ("/ipfs/%ff".to_owned(), "UTF-8"),
    ] {
        let detail = problem(world.get(&path).send().await.unwrap(), 400).await;
        assert!(detail.contains(says), "{path}: {detail}");
    }
}

#[tokio::test]
async fn strangers_get_what_is_here_and_the_data_of_jobs_where_retrieval_is_public() {
    let (ours, theirs) = (bytes(1_000), bytes(2_000));
    let (source, job) = MemorySource::new("s").with_file(&ours);
    let (source, other) = source.with_file(&theirs);
    let public = |mut face: Face| {
        face.public_retrieval = true;
        face
    };
    let world = World::with(vec![Arc::new(source)], public).await;
    let stranger = async |cid: &str| {
        world.stranger(Method::GET, &format!("/ipfs/{cid}")).send().await.unwrap()
    };
    let here = world.upload(b"here".to_vec()).await;
    assert_eq!(stranger(&here).await.text().await.unwrap(), "here");
    assert!(problem(stranger(&job.to_string()).await, 401).await.contains("token"));
    let body = json!({"cid": job.to_string(), "replication": {"target": 1}});
    world.post("/register_jobs").json(&body).send().await.unwrap();
    assert_eq!(stranger(&job.to_string()).await.bytes().await.unwrap(), ours);
    assert!(problem(stranger(&other.to_string()).await, 401).await.contains("token"));
    let known = world.get(&format!("/ipfs/{other}")).send().await.unwrap();
    assert_eq!(known.bytes().await.unwrap(), theirs);
    // Writing is nobody's without a token.
    let post = world.stranger(Method::POST, &format!("/ipfs/{here}")).send().await.unwrap();
    assert_eq!(post.status(), 401);
}

/// Fails with text that would break a header.
#[derive(Debug)]
struct Rude;

#[async_trait]
impl DataSource for Rude {
    fn name(&self) -> String {
        "rude.example".to_owned()
    }

    async fn fetch(&self, _: &Wanted, _: &mut Staging) -> Result<Served> {
        let message = "no\nSet-Cookie: evil".to_owned();
        Err(Error::Unavailable { message, source: None })
    }
}

/// The file that a CAR holds, verified by a store of its own.
async fn file_in(cid: &str, car: bytes::Bytes) -> Vec<u8> {
    use futures::{StreamExt, TryStreamExt};
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path()).unwrap();
    let cid = cid.parse().unwrap();
    let mut staging = store.stage(&cid).await.unwrap();
    staging.put_car(futures::stream::iter([Ok(car)]).boxed()).await.unwrap();
    staging.commit().await.unwrap();
    let body = store.file(&cid, None).await.unwrap().unwrap();
    body.stream
        .try_fold(Vec::new(), |mut all, next| async move {
            all.extend_from_slice(&next);
            Ok(all)
        })
        .await
        .unwrap()
}
