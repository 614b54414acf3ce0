//! Servers on ports of their own, and the DAGs they serve.

#![allow(dead_code, reason = "each test binary uses its share")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use raas_retrieval::{BlobStore, DataSource, Fetched, ImportProfile, Unavailable, Wanted};
use raas_retrieval::{fetch_into, file_blocks, links};
use raas_retrieval_http::ClientOptions;
use raas_types::Cid;

pub(crate) type Blocks = Vec<(Cid, Bytes)>;

/// Starts a server on loopback and answers its base URL.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A port where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Short enough for tests, long enough for a loaded machine.
pub(crate) fn options() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
        ..ClientOptions::default()
    }
}

/// A file of several blocks in a DAG of 1000 byte leaves.
pub(crate) fn file(length: usize) -> (Cid, Blocks) {
    let bytes: Vec<u8> = (0..length).map(|i| (i / 1000 * 7 + i % 251) as u8).collect();
    file_blocks(&bytes, &ImportProfile { chunk_bytes: 1000, ..ImportProfile::default() })
}

/// Fetches a CID into a store of its own.
pub(crate) async fn fetch(
    source: impl DataSource,
    wanted: &Wanted,
) -> Result<Fetched, Unavailable> {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path()).unwrap();
    let fetched = fetch_into(&store, wanted, &[Arc::new(source) as Arc<dyn DataSource>]).await;
    assert_eq!(store.has(&wanted.cid).await, fetched.is_ok());
    if fetched.is_err() {
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }
    fetched
}

/// A trustless gateway over these blocks, right or wrong. It wants both ways of asking.
pub(crate) fn gateway(blocks: Blocks) -> Router {
    let blocks: BTreeMap<Cid, Bytes> = blocks.into_iter().collect();
    Router::new().route("/ipfs/{cid}", get(ipfs)).with_state(Arc::new(blocks))
}

async fn ipfs(
    State(blocks): State<Arc<BTreeMap<Cid, Bytes>>>,
    Path(cid): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let cid: Cid = cid.parse().unwrap();
    let accept = headers.get("accept").map(|value| value.to_str().unwrap()).unwrap_or_default();
    if !blocks.contains_key(&cid) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match query.get("format").map(String::as_str) {
        Some("car") if accept.starts_with("application/vnd.ipld.car") => {
            car(&cid, &blocks).into_response()
        }
        Some("raw") if accept == "application/vnd.ipld.raw" => blocks[&cid].clone().into_response(),
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// A CAR of what is there, depth first; it ends at the first missing block, as a gateway's does.
pub(crate) fn car(root: &Cid, blocks: &BTreeMap<Cid, Bytes>) -> Vec<u8> {
    // Roots that are none of ours: a client must not believe them.
    let mut car = hex::decode("11a265726f6f7473806776657273696f6e01").unwrap();
    let mut waiting = vec![*root];
    let mut seen = BTreeSet::new();
    while let Some(cid) = waiting.pop() {
        let Some(block) = blocks.get(&cid) else { break };
        if !seen.insert(cid) {
            continue;
        }
        let name = cid.to_bytes();
        let mut length = name.len() + block.len();
        while length >= 0x80 {
            car.push(length as u8 | 0x80);
            length >>= 7;
        }
        car.push(length as u8);
        car.extend_from_slice(&name);
        car.extend_from_slice(block);
        waiting.extend(links(&cid, block).unwrap_or_default().into_iter().rev());
    }
    car
}

/// The CAR of a whole DAG.
pub(crate) fn whole_car(root: &Cid, blocks: &Blocks) -> Vec<u8> {
    car(root, &blocks.iter().cloned().collect())
}
