//! The adapter against a server that answers whatever a test wants: refusals, garbage, silence.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use cid::Cid;
use futures::{StreamExt as _, stream, stream::BoxStream};
use raas_aggregator::{
    Aggregator as _, BytesPayload, Error, Found, Payload, conformance::test_order,
};
use raas_aggregator_lighthouse::{ApiKey, LighthouseAggregator, LighthouseConfig};
use raas_types::{AggregatorName, DealId, ProviderId};
use serde_json::json;
use tokio::net::TcpListener;

const KEY: &str = "sesame-0123";
const HELLO: &[u8] = b"hello world\n";
const HELLO_CID: &str = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

const ADD: &str = "/up/api/v0/add";
const PIN: &str = "/api/lighthouse/pin";
const PROOF: &str = "/api/lighthouse/get_proof";
const STATUS: &str = "/api/lighthouse/deal_status";
const INFO: &str = "/api/lighthouse/file_info";

/// What was asked: method, path with query, the `Authorization` header, body.
#[derive(Clone, Debug)]
struct Asked {
    what: String,
    authorization: String,
    body: Bytes,
}

/// A server that answers each path as told; what it was not told is 404.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<BTreeMap<&'static str, (u16, String)>>>,
    /// What every answer says about when to come back.
    retry_after: Option<&'static str>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn on(self, path: &'static str, status: u16, body: impl ToString) -> Self {
        self.answers.lock().unwrap().insert(path, (status, body.to_string()));
        self
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap_or_default();
        let authorization = parts.headers.get("authorization").map(|v| v.to_str().unwrap());
        self.asked.lock().unwrap().push(Asked {
            what: format!("{} {}", parts.method, parts.uri),
            authorization: authorization.unwrap_or_default().to_owned(),
            body,
        });
        let (status, text) =
            self.answers.lock().unwrap().get(path.as_str()).cloned().unwrap_or((404, "{}".into()));
        let mut answer = (StatusCode::from_u16(status).unwrap(), text).into_response();
        if let Some(value) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        answer
    }

    async fn start(&self) -> LighthouseAggregator {
        let server = self.clone();
        let app = Router::new().fallback(move |request| server.clone().answer(request));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        adapter(&base, |_| {})
    }
}

fn adapter(base: &str, change: impl FnOnce(&mut LighthouseConfig)) -> LighthouseAggregator {
    let mut config = LighthouseConfig::at(
        AggregatorName::new("lighthouse"),
        base.parse().unwrap(),
        format!("{base}/up/").parse().unwrap(),
        base.parse().unwrap(),
        ApiKey::new(KEY),
    );
    config.grace = Duration::from_millis(1);
    config.timeout = Duration::from_secs(20);
    config.network = Some("testnet".to_owned());
    change(&mut config);
    LighthouseAggregator::new(config).unwrap()
}

fn hello() -> Cid {
    HELLO_CID.parse().unwrap()
}

async fn submit(adapter: &LighthouseAggregator) -> Result<String, Error> {
    let order = test_order(hello(), "order");
    adapter.submit(&order, &BytesPayload::new(HELLO)).await.map(|ticket| ticket.0)
}

fn added(hash: &str) -> String {
    json!({ "Name": "x", "Size": 12, "Hash": hash }).to_string()
}

#[tokio::test]
async fn requests_are_those_that_lighthouse_knows() {
    let server = Server::default().on(ADD, 200, added(HELLO_CID)).on(PIN, 200, "whatever");
    let adapter = server.start().await;
    submit(&adapter).await.unwrap();
    let server = server.on(INFO, 200, json!({ "cid": HELLO_CID })).on(PROOF, 200, "{}");
    submit(&adapter).await.unwrap();
    adapter.deals(&hello()).await.unwrap();

    let asked = server.asked();
    let mut what: Vec<&str> = asked.iter().map(|asked| asked.what.as_str()).collect();
    // The two questions for deals are asked at once.
    what[4..].sort_unstable();
    assert_eq!(
        what,
        [
            &format!("GET {INFO}?cid={HELLO_CID}"),
            &format!("POST {ADD}?wrap-with-directory=false&cid-version=1"),
            &format!("GET {INFO}?cid={HELLO_CID}"),
            &format!("POST {PIN}"),
            &format!("GET {STATUS}?cid={HELLO_CID}"),
            &format!("GET {PROOF}?cid={HELLO_CID}&network=testnet"),
        ]
    );
    assert!(asked.iter().all(|asked| asked.authorization == format!("Bearer {KEY}")));
    let upload = String::from_utf8_lossy(&asked[1].body);
    assert!(upload.contains("name=\"file\"") && upload.contains("hello world\n"), "{upload}");
    let pin: serde_json::Value = serde_json::from_slice(&asked[3].body).unwrap();
    assert_eq!(pin, json!({ "cid": HELLO_CID, "fileName": HELLO_CID }));
}

#[tokio::test]
async fn each_refusal_says_whether_to_wait_to_mend_or_to_give_up() {
    for (status, was_not_sent, is_temporary, kind) in [
        (401, true, false, "refuses us"),
        (402, true, false, "refuses us"),
        (403, true, false, "refuses us"),
        (301, true, false, "refuses us"),
        (400, true, false, "rejects it"),
        (413, true, false, "rejects it"),
        (429, true, true, "cannot be reached now"),
        (503, false, true, "may or may not"),
        (500, false, true, "may or may not"),
        (502, false, true, "may or may not"),
        (504, false, true, "may or may not"),
    ] {
        let says = json!({ "error": { "message": format!("no, {KEY}") } });
        for path in [ADD, PIN] {
            let server = Server::default().on(path, status, &says);
            let server = if path == PIN { server.on(INFO, 200, "{}") } else { server };
            let error = submit(&server.start().await).await.unwrap_err();
            assert_eq!(error.was_not_sent(), was_not_sent, "{path} {status}: {error}");
            assert_eq!(error.is_temporary(), is_temporary, "{path} {status}: {error}");
            let text = error.to_string();
            assert!(text.contains(kind) && text.contains(&status.to_string()), "{text}");
            assert!(text.contains("no, ***") && !text.contains(KEY), "{text}");
            assert!(!format!("{error:?}").contains(KEY));
        }
        // A question orders nothing, whatever becomes of it.
        let error = submit(&Server::default().on(INFO, status, "").start().await).await;
        assert!(error.unwrap_err().was_not_sent(), "{status}");
    }
}

#[tokio::test]
async fn only_a_503_that_says_when_to_come_back_was_surely_not_taken() {
    for (status, retry_after, was_not_sent) in [
        (503, Some("120"), true),
        (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), true),
        (503, None, false),
        // A proxy that says so had passed the request on.
        (502, Some("120"), false),
        (504, Some("120"), false),
        (429, None, true),
    ] {
        for path in [ADD, PIN] {
            let server = Server { retry_after, ..Server::default() }.on(path, status, "");
            let server = if path == PIN { server.on(INFO, 200, "{}") } else { server };
            let error = submit(&server.start().await).await.unwrap_err();
            assert_eq!(error.was_not_sent(), was_not_sent, "{path} {status} {retry_after:?}");
            assert!(error.is_temporary(), "{path} {status} {retry_after:?}: {error}");
        }
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_no_answer_is_ambiguous() {
    for body in ["", "<html>", r#"{"Name":"x"}"#] {
        let adapter = Server::default().on(ADD, 200, body).start().await;
        let error = submit(&adapter).await.unwrap_err();
        assert!(matches!(error, Error::Ambiguous { .. }), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn another_hash_than_the_orders_is_rejected() {
    let other = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    for hash in [other, "garbage", ""] {
        let adapter = Server::default().on(ADD, 200, added(hash)).start().await;
        let error = submit(&adapter).await.unwrap_err();
        assert!(matches!(&error, Error::Rejected { reason, .. } if reason.contains("re-chunked")));
    }
}

#[tokio::test]
async fn one_malformed_deal_spoils_no_other() {
    let server = Server::default()
        .on(
            PROOF,
            200,
            json!({ "dealInfo": [
                { "dealId": 7, "storageProvider": "t01000", "proof": { "verifierData": 5 } },
                "nonsense",
                { "dealId": "x", "storageProvider": "1000" },
                { "dealId": null, "storageProvider": "1002" },
            ] }),
        )
        .on(
            STATUS,
            200,
            json!([
                { "dealId": 7, "chainDealID": 7, "miner": "f01000" },
                { "dealId": 8, "miner": "f01001", "startEpoch": "soon" },
                { "dealId": null, "miner": "t01002" },
                null,
            ]),
        );
    let deals = server.start().await.deals(&hello()).await.unwrap();
    let seen: Vec<_> =
        deals.iter().map(|d| (d.deal.map(DealId::get), d.provider.map(ProviderId::get))).collect();
    assert_eq!(seen, [(Some(7), Some(1000)), (Some(8), Some(1001)), (None, Some(1002))]);
    assert!(deals.iter().all(|deal| deal.proof.is_none()));
}

#[tokio::test]
async fn half_an_answer_about_deals_is_an_error_and_not_a_shorter_list() {
    let deals = json!([{ "dealId": 7, "miner": "f01000" }]);
    let adapter = Server::default().on(PROOF, 500, "").on(STATUS, 200, &deals).start().await;
    assert!(adapter.deals(&hello()).await.unwrap_err().is_temporary());
    let adapter = Server::default().on(PROOF, 200, "{}").on(STATUS, 429, "").start().await;
    assert!(adapter.deals(&hello()).await.unwrap_err().is_temporary());
    let adapter = Server::default().on(PROOF, 200, "[]").on(STATUS, 200, "{}").start().await;
    assert!(adapter.deals(&hello()).await.is_err());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let body = format!("{{\"dealInfo\":[{}]}}", " ".repeat(5 << 20));
    let adapter = Server::default().on(PROOF, 200, body).on(STATUS, 200, "[]").start().await;
    let error = adapter.deals(&hello()).await.unwrap_err();
    assert!(error.to_string().contains("longer than 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn an_order_is_found_by_a_deal_that_is_new_only() {
    let deals = json!([{ "dealId": 7, "miner": "f01000" }, { "dealId": null }]);
    let adapter = Server::default().on(STATUS, 200, &deals).start().await;
    let mut order = test_order(hello(), "order");
    assert!(matches!(adapter.find(&order).await, Ok(Found::Landed(_))));
    order.known_deals.insert(DealId::new(7));
    assert_eq!(adapter.find(&order).await.unwrap(), Found::CannotTell);

    let adapter = Server::default().on(INFO, 200, "{}").start().await;
    assert_eq!(adapter.find(&order).await.unwrap(), Found::CannotTell);
    let adapter = Server::default().start().await;
    assert_eq!(adapter.find(&order).await.unwrap(), Found::Absent);
    let adapter = Server::default().on(INFO, 500, "").start().await;
    assert!(adapter.find(&order).await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn a_lost_upload_that_arrives_late_is_not_called_absent() {
    let server = Server::default();
    let base = server.start().await.gateway_url().to_string();
    let adapter = adapter(base.trim_end_matches('/'), |config| {
        config.grace = Duration::from_millis(300);
    });
    let order = test_order(hello(), "order");
    let (found, ()) = futures::join!(adapter.find(&order), async {
        // Its file shows while the adapter waits: after the first time that it was asked for.
        while !server.asked().iter().any(|asked| asked.what.contains(INFO)) {
            tokio::task::yield_now().await;
        }
        server.clone().on(INFO, 200, "{}");
    });
    assert_eq!(found.unwrap(), Found::CannotTell);
}

#[tokio::test]
async fn nobody_listening_is_unavailable_and_a_dropped_connection_ambiguous() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let dropper = tokio::spawn(async move {
        loop {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut head = [0; 4096];
                let n = socket.read(&mut head).await.unwrap_or(0);
                let known = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                if head[..n].starts_with(b"GET") {
                    let _ = socket.write_all(known).await;
                }
            });
        }
    });
    let pinning = adapter(&base, |_| {});
    let error = submit(&pinning).await.unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error:?}");
    dropper.abort();
    let _ = dropper.await;
    let error = submit(&pinning).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let silent = adapter(&base, |config| config.timeout = Duration::from_millis(50));
    let error = silent.deals(&hello()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

/// A payload that announces one size and gives these chunks.
struct Odd {
    size: u64,
    chunks: fn() -> Vec<io::Result<Bytes>>,
}

#[async_trait]
impl Payload for Odd {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        Ok(stream::iter((self.chunks)()).boxed())
    }
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_our_fault_and_says_why() {
    let broken = || vec![Ok(Bytes::from_static(b"hel")), Err(io::Error::other("disk on fire"))];
    let hello = || vec![Ok(Bytes::from_static(HELLO))];
    for (size, chunks, says) in [
        (12, broken as fn() -> _, "disk on fire"),
        (13, hello as fn() -> _, "announced as 13 bytes, 12 came"),
        (5, hello as fn() -> _, "announced as 5 bytes, 12 came"),
    ] {
        let adapter = Server::default().on(ADD, 200, added(HELLO_CID)).start().await;
        let order = test_order(self::hello(), "order");
        let error = adapter.submit(&order, &Odd { size, chunks }).await.unwrap_err();
        assert!(matches!(error, Error::Payload { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn an_upload_streams_and_is_never_in_memory_as_a_whole() {
    // The server takes no byte before the payload has been asked for its first chunk, and the
    // payload would be 1 TiB: only a stream can begin at all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(|request: Request| async move {
        if request.uri().path() != ADD {
            return (StatusCode::NOT_FOUND, "{}").into_response();
        }
        let mut chunks = Body::into_data_stream(request.into_body());
        let mut read = 0;
        while read < 8 << 20 {
            read += chunks.next().await.unwrap().unwrap().len();
        }
        (StatusCode::PAYLOAD_TOO_LARGE, "enough").into_response()
    });
    tokio::spawn(async move { axum::serve(listener, app).await });

    struct Endless;
    #[async_trait]
    impl Payload for Endless {
        fn size(&self) -> u64 {
            1 << 40
        }
        async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
            Ok(stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65536]))).boxed())
        }
    }
    let adapter = adapter(&base, |_| {});
    let error = adapter.submit(&test_order(hello(), "order"), &Endless).await.unwrap_err();
    // Whether the refusal or the reset comes first is the network's to say.
    assert!(matches!(error, Error::Rejected { .. } | Error::Ambiguous { .. }), "{error:?}");
}

#[test]
fn a_key_that_no_header_can_carry_is_named_as_the_fault() {
    let config = LighthouseConfig::mainnet(ApiKey::new("line\nbreak"));
    let error = LighthouseAggregator::new(config).unwrap_err();
    assert!(matches!(&error, Error::Misconfigured { reason, .. } if reason.contains("API key")));
    assert!(!error.to_string().contains("break"));
}
