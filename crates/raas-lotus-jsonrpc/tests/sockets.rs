//! Servers that break off, trickle, or never stop talking; on bare sockets, as no HTTP library would
//! do it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use raas_lotus::LotusChain as _;
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{DealReading, SectorReading};
use support::{deal_ids, sector, some_tipset};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Answers every connection's first request with these pieces, so long apart; the last of them over
/// and over when it is to go on `forever`.
struct Bare {
    pieces: Vec<String>,
    apart: Duration,
    forever: bool,
}

impl Bare {
    /// A client of it, and how many connections it got.
    async fn serve(self, max_response: u32) -> (JsonRpcLotus, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/rpc/v1", listener.local_addr().unwrap());
        let (bare, connections) = (Arc::new(self), Arc::new(AtomicUsize::new(0)));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let bare = bare.clone();
                tokio::spawn(async move { bare.talk(stream).await });
            }
        });
        let mut config = JsonRpcLotusConfig::new(url.parse().unwrap());
        config.request_timeout = TIMEOUT;
        config.max_response = max_response;
        (JsonRpcLotus::new(config).unwrap(), connections)
    }

    async fn talk(&self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        for piece in &self.pieces {
            if stream.write_all(piece.as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(self.apart).await;
        }
        let Some(last) = self.pieces.last().filter(|_| self.forever) else { return };
        while stream.write_all(last.as_bytes()).await.is_ok() {
            tokio::time::sleep(self.apart).await;
        }
    }
}

/// Everything fails, and in its time.
async fn fails(name: &str, bare: Bare) {
    let (lotus, connections) = bare.serve(100_000).await;
    let start = Instant::now();
    let at = some_tipset();
    let deals = lotus.deals(&deal_ids(0..3), &at).await;
    assert!(deals.iter().all(|r| matches!(r, DealReading::Failed(_))), "{name}: {deals:?}");
    let sectors = lotus.sectors(&[sector(1000, 1)], &at).await;
    assert!(matches!(sectors[..], [SectorReading::Failed(_)]), "{name}: {sectors:?}");
    assert!(lotus.head().await.is_err(), "{name}");
    assert!(start.elapsed() < TIMEOUT * 8, "{name} took {:?}", start.elapsed());
    assert!(connections.load(Ordering::Relaxed) < 10, "{name}");
}

fn bare(pieces: &[&str], apart_ms: u64, forever: bool) -> Bare {
    let pieces = pieces.iter().map(|piece| (*piece).to_owned()).collect();
    Bare { pieces, apart: Duration::from_millis(apart_ms), forever }
}

const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n";
const OPEN: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_server_that_breaks_off_fails() {
    fails("closes at once", bare(&[], 0, false)).await;
    fails("half a status line", bare(&["HTTP/1."], 0, false)).await;
    fails("no body", bare(&[LONG], 0, false)).await;
    fails("half a body", bare(&[LONG, "[{\"jsonrpc\":\"2.0\",\"id\":0,\"res"], 0, false)).await;
    fails("half a body of unknown length", bare(&[OPEN, "[{\"jsonrpc\":"], 0, false)).await;
    fails("no HTTP", bare(&["220 mail.example ESMTP\r\n"], 0, false)).await;
}

#[tokio::test]
async fn a_server_that_trickles_fails_in_its_time() {
    fails("a header at a time", bare(&["HTTP/1.1 200 OK\r\n", "x-more: 1\r\n"], 20, true)).await;
    fails("a byte at a time", bare(&[LONG, "[", " "], 20, true)).await;
}

#[tokio::test]
async fn a_server_that_never_stops_is_cut_off() {
    let much = "[0,".to_owned() + &"0,".repeat(10_000);
    fails("a body without end", bare(&[OPEN, &much, &much], 0, true)).await;
    let chunk = format!("{:x}\r\n{much}\r\n", much.len());
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    fails("chunks without end", bare(&[chunked, &chunk, &chunk], 0, true)).await;
    // It says so beforehand.
    let (lotus, _) =
        bare(&["HTTP/1.1 200 OK\r\ncontent-length: 4000000000\r\n\r\n[", " "], 0, true)
            .serve(100_000)
            .await;
    let start = Instant::now();
    let error = lotus.network().await.unwrap_err();
    assert!(error.to_string().contains("max_response"), "{error}");
    assert!(start.elapsed() < TIMEOUT, "nothing of it is read");
}

#[tokio::test]
async fn nested_json_without_end_is_no_stack_without_end() {
    let deep = "[".repeat(90_000);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", deep.len());
    fails("nested", bare(&[&head, &deep], 0, false)).await;
    // As the result of a call, where it is passed over as it stands.
    let reply = format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{deep}");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
    fails("a nested result", bare(&[&head, &reply], 0, false)).await;
}
