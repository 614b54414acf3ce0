//! A node of fakes behind a real socket.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{net::SocketAddr, sync::Arc};

use raas_aggregator::FakeAggregator;
use raas_api::{Face, Token, router};
use raas_deal_status::FakeDealStatus;
use raas_job_store::{JobStore, MemoryJobStore};
use raas_lotus::FakeLotusChain;
use raas_retrieval::{BlobStore, DataSource};
use raas_runtime::Node;
use raas_types::{ChainEpoch, Network};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

pub const TOKEN: &str = "open-sesame";
/// Of the empty file; nothing here has its bytes.
pub const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

/// A served node and its fakes. Everything ends with it.
pub struct World {
    pub node: Node,
    pub chain: FakeLotusChain,
    pub aggregator: FakeAggregator,
    pub address: SocketAddr,
    pub http: Client,
    dir: TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Vec::new(), |face| face).await
    }

    /// With these sources of data and these settings.
    pub async fn with(
        sources: Vec<Arc<dyn DataSource>>,
        settings: impl FnOnce(Face) -> Face,
    ) -> Self {
        Self::over(Arc::new(MemoryJobStore::new()), sources, settings).await
    }

    /// Over this store.
    pub async fn over(
        store: Arc<dyn JobStore>,
        sources: Vec<Arc<dyn DataSource>>,
        settings: impl FnOnce(Face) -> Face,
    ) -> Self {
        Self::reading(chain(), &[], store, sources, settings).await
    }

    /// On a chain that a second endpoint tells of too.
    pub async fn twice_seen() -> (Self, FakeLotusChain) {
        let chain = chain();
        let second = chain.also("second.example");
        let store = Arc::new(MemoryJobStore::new());
        let others = [second.clone()];
        (Self::reading(chain, &others, store, Vec::new(), |face| face).await, second)
    }

    async fn reading(
        chain: FakeLotusChain,
        others: &[FakeLotusChain],
        store: Arc<dyn JobStore>,
        sources: Vec<Arc<dyn DataSource>>,
        settings: impl FnOnce(Face) -> Face,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let aggregator = FakeAggregator::new("lighthouse");
        let builder = Node::builder()
            .chain(Arc::new(chain.clone()))
            .contract(Arc::new(FakeDealStatus::new()))
            .aggregator(Arc::new(aggregator.clone()))
            .store(store)
            .blobs(BlobStore::open(dir.path()).unwrap());
        let builder =
            others.iter().fold(builder, |builder, other| builder.chain(Arc::new(other.clone())));
        let builder = sources.into_iter().fold(builder, |builder, source| builder.source(source));
        let node = builder.build().unwrap();
        let app = router(settings(Face::new(node.clone(), Token::new(TOKEN))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let http = Client::builder().no_proxy().build().unwrap();
        Self { node, chain, aggregator, address, http, dir, server }
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.stranger(method, path).bearer_auth(TOKEN)
    }

    /// A request without.
    pub fn stranger(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Uploads bytes and answers their CID.
    pub async fn upload(&self, bytes: Vec<u8>) -> String {
        let answer = self.post("/v1/data").body(bytes).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.unwrap()["cid"].as_str().unwrap().to_owned()
    }

    /// Whether there is no job, no DAG and no temporary file.
    pub async fn is_untouched(&self) -> bool {
        let jobs = self.node.jobs(None, 1).await.unwrap();
        let files = std::fs::read_dir(self.dir.path()).unwrap().count();
        jobs.is_empty() && files == 0
    }
}

fn chain() -> FakeLotusChain {
    let network = Network { name: "testnetnet".to_owned(), version: 28 };
    FakeLotusChain::new(network, ChainEpoch::new(10_000))
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Bytes that look random and are the same each time.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

/// The detail of a problem, which must be well formed and have this status.
pub async fn problem(answer: reqwest::Response, status: u16) -> String {
    assert_eq!(answer.status().as_u16(), status, "{answer:?}");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(!body["title"].as_str().unwrap().is_empty());
    body["detail"].as_str().unwrap().to_owned()
}
