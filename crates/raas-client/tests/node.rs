//! The client against a real face over a socket, with a node of fakes behind it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use raas_aggregator::FakeAggregator;
use raas_api::{Face, Token, router};
use raas_client::{
    BudgetTerms, ByteSize, Client, DryRunStatus, Error, PlacementTerms, ProviderFacts,
    RegisterRequest, RegisterStatus, RepairTerms, ReplicationTerms, Span, StoreQuery,
};
use raas_deal_status::FakeDealStatus;
use raas_job_store::MemoryJobStore;
use raas_lotus::FakeLotusChain;
use raas_retrieval::{BlobStore, MemorySource};
use raas_runtime::Node;
use raas_types::{ChainEpoch, Network};
use tempfile::TempDir;
use tokio::io::{AsyncRead, ReadBuf};

/// A node behind a socket; nothing of it outlives the test's runtime.
struct World {
    node: Node,
    url: String,
    client: Client,
    /// For the client's own files.
    dir: TempDir,
    _blobs: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(MemorySource::new("empty.example"), 1 << 30).await
    }

    async fn with(source: MemorySource, max_upload: u64) -> Self {
        let blobs = tempfile::tempdir().unwrap();
        let network = Network { name: "testnetnet".to_owned(), version: 28 };
        let node = Node::builder()
            .chain(Arc::new(FakeLotusChain::new(network, ChainEpoch::new(10_000))))
            .contract(Arc::new(FakeDealStatus::new()))
            .aggregator(Arc::new(FakeAggregator::new("lighthouse")))
            .store(Arc::new(MemoryJobStore::new()))
            .blobs(BlobStore::open(blobs.path()).unwrap())
            .source(Arc::new(source))
            .build()
            .unwrap();
        let mut face = Face::new(node.clone(), Token::new("open-sesame"));
        face.max_upload = max_upload;
        let url = serve(router(face)).await;
        let client = Client::new(&url, "open-sesame").unwrap();
        Self { node, url, client, dir: tempfile::tempdir().unwrap(), _blobs: blobs }
    }

    fn file(&self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// What is in the client's directory.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_file_goes_in_and_comes_back_byte_for_byte() {
    let world = World::new().await;
    for (name, content) in [
        ("empty", Vec::new()),
        ("one byte", vec![7]),
        ("a name with spaces and \u{1f980}", bytes(5 << 20)),
    ] {
        let path = world.file(name, &content);
        let query = StoreQuery {
            replicas: Some(3),
            renew_within: Some(Span::Text("30d".to_owned())),
            repair_after: Some(Span::Epochs(2880)),
            ..StoreQuery::default()
        };
        let (sent, watch) = counter();
        let stored = world.client.store_file(&path, &query, watch).await.unwrap();
        assert_eq!((stored.bytes, stored.warnings.len()), (content.len() as u64, 0));
        assert_eq!(sent.load(Ordering::Relaxed), content.len() as u64);
        let job = world.client.job(&stored.job.unwrap()).await.unwrap();
        assert_eq!((job.terms.target, job.terms.repair_threshold), (Some(3), Some(2880)));

        let output = world.dir.path().join("back");
        let (received, watch) = counter();
        let retrieved = world.client.get(&stored.cid, &output, watch).await.unwrap();
        assert_eq!(retrieved.bytes, content.len() as u64);
        assert_eq!(retrieved.source.as_deref(), Some("local store"));
        assert!(received.load(Ordering::Relaxed) >= retrieved.bytes);
        assert!(std::fs::read(&output).unwrap() == content, "{name} came back otherwise");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(world.files(), ["back"], "temporary files are gone");
    }
}

#[tokio::test]
async fn a_file_is_stored_with_limits_on_place_and_spending() {
    let world = World::new().await;
    let placement = PlacementTerms {
        per_country: Some(2),
        exclude: vec!["f01000".to_owned(), "f01001".to_owned()],
        ..PlacementTerms::default()
    };
    let budget = BudgetTerms { deals_per_day: Some(4), bytes_per_day: Some(ByteSize::Bytes(1024)) };
    let query = StoreQuery { replicas: Some(1), ..StoreQuery::default() };
    let query = query.placed(&placement).within(budget.clone());
    let stored = world.client.store(&b"x"[..], Some(1), &query).await.unwrap();
    let terms = world.client.job(&stored.job.unwrap()).await.unwrap().terms;
    assert_eq!((terms.placement, terms.budget), (Some(placement), Some(budget)));
}

#[tokio::test]
async fn a_reader_of_unknown_length_is_stored_to_its_end() {
    let world = World::new().await;
    let content = bytes(700_000);
    let path = world.file("f", &content);
    let known = world.client.store_file(path, &StoreQuery::default(), |_| {}).await.unwrap();
    let reader = io::Cursor::new(content.clone());
    let unknown = world.client.store(reader, None, &StoreQuery::default()).await.unwrap();
    assert_eq!(known, unknown);
    let mut back = Vec::new();
    let retrieved = world.client.get_to(&known.cid, &mut back, |_| {}).await.unwrap();
    assert!(back == content && retrieved.bytes == 700_000, "other bytes came back");
}

#[tokio::test]
async fn a_reader_that_fails_or_ends_early_leaves_nothing_at_the_node() {
    let world = World::new().await;
    let query = StoreQuery { replicas: Some(1), ..StoreQuery::default() };
    let failing = world.client.store(Failing(3), None, &query).await.unwrap_err();
    let Error::Io { source, .. } = &failing else { panic!("{failing:?}") };
    assert_eq!(source.to_string(), "the tape broke");
    let short = io::Cursor::new(bytes(1000));
    let short = world.client.store(short, Some(1001), &query).await.unwrap_err();
    assert!(matches!(short, Error::Io { .. }) && short.to_string().contains("1000 of 1001"));
    assert!(world.node.blobs().list().await.unwrap().is_empty());
    assert!(world.node.jobs(None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let world = World::new().await;
    let missing = world.dir.path().join("missing");
    for path in [missing.as_path(), world.dir.path()] {
        let error =
            world.client.store_file(path, &StoreQuery::default(), |_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn what_the_node_refuses_is_told_even_while_sending() {
    let world = World::with(MemorySource::new("s"), 1 << 20).await;
    // More than sockets buffer, and of no stated length: refused in the middle of it.
    let reader = io::Cursor::new(bytes(24 << 20));
    let error = world.client.store(reader, None, &StoreQuery::default()).await.unwrap_err();
    let Error::Problem(problem) = &error else { panic!("{error:?}") };
    assert!(problem.status == 413 && problem.detail.contains("limit of 1048576"), "{error}");
    let query = StoreQuery { replicas: Some(0), ..StoreQuery::default() };
    let reader = io::Cursor::new(bytes(24 << 20));
    let error = world.client.store(reader, Some(24 << 20), &query).await.unwrap_err();
    let Error::Problem(problem) = &error else { panic!("{error:?}") };
    assert!(problem.status == 400 && problem.detail.contains("give at least 1"), "{error}");
}

#[tokio::test]
async fn jobs_are_registered_listed_shown_and_removed() {
    let world = World::new().await;
    let cid = raas_retrieval::file_blocks(b"x", &raas_retrieval::ImportProfile::default()).0;
    let good = RegisterRequest {
        cid: cid.to_string(),
        replication: Some(ReplicationTerms { target: 2, min: None, max: None }),
        ..RegisterRequest::default()
    };
    let bad = RegisterRequest {
        repair: Some(RepairTerms { threshold: Span::Text("soon".to_owned()) }),
        ..good.clone()
    };
    let mixed = world.client.register(&[good.clone(), bad.clone()]).await.unwrap();
    let statuses: Vec<_> = mixed.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [RegisterStatus::Created, RegisterStatus::Error]);
    let refused = world.client.register(&[bad]).await.unwrap();
    assert!(refused.results[0].error.as_ref().unwrap().contains("such as \"30d\""));
    let again = world.client.register(&[good]).await.unwrap();
    assert_eq!(again.results[0].status, RegisterStatus::Existing);

    assert_eq!(world.client.alerts().await.unwrap().alerts, []);
    assert_eq!(world.client.spending().await.unwrap().stopped, None);
    assert_eq!(world.client.resume_spending().await.unwrap().resumed, None);
    let list = world.client.jobs(None).await.unwrap();
    let [job] = &list.jobs[..] else { panic!("{list:?}") };
    assert_eq!(world.client.job(&job.id).await.unwrap().cid, cid.to_string());
    assert!(world.client.jobs(Some(&job.id)).await.unwrap().jobs.is_empty());
    world.client.remove(&job.id).await.unwrap();
    for error in [
        world.client.remove(&job.id).await.unwrap_err(),
        world.client.job(&job.id).await.map(drop).unwrap_err(),
        // No id leads to another path.
        world.client.job("../../healthz").await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Problem(problem) if problem.status == 404), "{error:?}");
    }
}

#[tokio::test]
async fn a_dry_run_answers_for_each_job_and_keeps_none() {
    let world = World::new().await;
    world.node.pass().await;
    let cid = raas_retrieval::file_blocks(b"x", &raas_retrieval::ImportProfile::default()).0;
    let good = RegisterRequest {
        cid: cid.to_string(),
        replication: Some(ReplicationTerms { target: 2, min: None, max: None }),
        placement: Some(PlacementTerms { per_country: Some(1), ..PlacementTerms::default() }),
        ..RegisterRequest::default()
    };
    let bad = RegisterRequest { replication: None, ..good.clone() };
    let mixed = world.client.dry_run(&[good, bad.clone()]).await.unwrap().results;
    let statuses: Vec<_> = mixed.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [DryRunStatus::WouldCreate, DryRunStatus::Error]);
    assert!(mixed[0].plan.is_some() && mixed[0].warnings.len() == 1, "{mixed:?}");
    // Also where all are refused.
    let refused = world.client.dry_run(&[bad]).await.unwrap().results;
    assert!(refused[0].error.as_ref().unwrap().contains("asks for nothing"), "{refused:?}");
    assert!(world.node.jobs(None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_known_of_providers_is_said_read_and_taken_back() {
    let world = World::new().await;
    let facts = ProviderFacts { country: Some("DE".to_owned()), ..ProviderFacts::default() };
    let set = world.client.set_provider("f01000", &facts).await.unwrap();
    assert_eq!((&*set.provider, set.country.as_deref()), ("f01000", Some("DE")));
    assert_eq!(world.client.provider("f01000").await.unwrap(), set);
    assert_eq!(world.client.providers().await.unwrap().providers, [set]);
    world.client.remove_provider("f01000").await.unwrap();
    for error in [
        world.client.remove_provider("f01000").await.unwrap_err(),
        world.client.provider("f01000").await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Problem(problem) if problem.status == 404), "{error:?}");
    }
    let error = world.client.set_provider("acme", &facts).await.unwrap_err();
    assert!(matches!(&error, Error::Problem(problem) if problem.status == 400), "{error:?}");
}

#[tokio::test]
async fn who_had_the_bytes_is_told() {
    let content = bytes(300_000);
    let (source, cid) = MemorySource::new("provider.example").with_file(&content);
    let world = World::with(source, 0).await;
    let output = world.dir.path().join("out");
    let retrieved = world.client.get(&cid.to_string(), &output, |_| {}).await.unwrap();
    assert_eq!(retrieved.source.as_deref(), Some("provider.example"));
    assert!(std::fs::read(output).unwrap() == content, "other bytes came back");
}

#[tokio::test]
async fn what_nobody_has_leaves_what_was_there_alone() {
    let world = World::new().await;
    let output = world.file("out", b"precious");
    let cid = raas_retrieval::file_blocks(b"x", &raas_retrieval::ImportProfile::default()).0;
    let error = world.client.get(&cid.to_string(), &output, |_| {}).await.unwrap_err();
    let Error::Problem(problem) = &error else { panic!("{error:?}") };
    assert!(problem.status == 404 && problem.detail.contains("empty.example"), "{error}");
    let garbage = world.client.get("garbage", &output, |_| {}).await.unwrap_err();
    assert!(garbage.to_string().contains("is no CID"), "{garbage}");
    assert_eq!(std::fs::read(output).unwrap(), b"precious");
    assert_eq!(world.files(), ["out"]);
}

#[tokio::test]
async fn an_output_that_cannot_be_written_is_named() {
    let world = World::new().await;
    let stored = world.client.store(&b"x"[..], Some(1), &StoreQuery::default()).await.unwrap();
    let nowhere = world.dir.path().join("no such directory").join("out");
    let error = world.client.get(&stored.cid, &nowhere, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("no such directory"), "{error}");
    let error = world.client.get(&stored.cid, world.dir.path(), |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_token_is_a_problem_that_says_so() {
    let world = World::new().await;
    for token in ["", "wrong"] {
        let client = Client::new(&world.url, token).unwrap();
        let error = client.jobs(None).await.unwrap_err();
        let Error::Problem(problem) = &error else { panic!("{error:?}") };
        assert!(problem.status == 401 && problem.detail.contains("Bearer TOKEN"), "{error}");
    }
    assert!(!format!("{:?}", world.client).contains("sesame"));
}

fn counter() -> (Arc<AtomicU64>, impl Fn(u64) + Send + 'static) {
    let count = Arc::new(AtomicU64::new(0));
    let watched = count.clone();
    (count, move |now| assert!(watched.swap(now, Ordering::Relaxed) < now))
}

/// Gives a few reads, then fails.
struct Failing(u32);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 == 0 {
            return Poll::Ready(Err(io::Error::other("the tape broke")));
        }
        self.0 -= 1;
        buffer.put_slice(&[1; 100]);
        Poll::Ready(Ok(()))
    }
}

async fn serve(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

/// Bytes that look random and are the same each time.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}
