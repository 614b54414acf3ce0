//! An endpoint that says what a test wants, and notes what was asked.

#![allow(dead_code, reason = "each test file uses its share")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    response::{IntoResponse as _, Response},
    routing::post,
};
use raas_deal_status_evm::{
    ContractAddress, EndpointSettings, EvmDealRecorder, EvmDealStatus, Settings, SigningKey,
};
use raas_types::{ChainEpoch, Cid, Tipset, TipsetKey};
use serde_json::{Value, json};

pub const ALL: &str = "0x496a9d21";
pub const ACTIVE: &str = "0xf5034301";
pub const EXPIRING: &str = "0x81bcd88c";

/// The error of an endpoint that takes a request and never answers it.
pub const SILENCE: &str = "silence";

/// A result, or an error object.
pub type Answer = Result<Value, Value>;

/// Serves a function as an endpoint.
pub struct Script {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What was asked.
#[derive(Default)]
struct Seen {
    /// Calls, each element of a batch being one: method and parameters.
    calls: Vec<(String, Value)>,
    /// The calls in each request.
    sizes: Vec<usize>,
    /// The bytes of all requests.
    bytes: usize,
}

impl Script {
    /// Well-behaved over HTTP; the function answers single calls, also of a batch. Where it says
    /// [`SILENCE`], the whole request is never answered.
    pub async fn serve(
        answer: impl Fn(&str, &Value) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::over_http(move |body| {
            let reply = replies(body, &answer);
            (!reply.to_string().contains(SILENCE)).then(|| Json(reply).into_response())
        })
        .await
    }

    /// The function answers request bodies; `None` is never answered.
    pub async fn over_http(
        answer: impl Fn(&Value) -> Option<Response> + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        let handler = move |body: Bytes| async move {
            let request: Value = serde_json::from_slice(&body).expect("JSON");
            {
                let mut seen = noted.lock().expect("no panic");
                let calls = calls(&request);
                seen.bytes += body.len();
                seen.sizes.push(calls.len());
                seen.calls.extend(calls.into_iter().map(|call| {
                    let method = call["method"].as_str().unwrap_or_default();
                    (method.to_owned(), call["params"].clone())
                }));
            }
            match answer(&request) {
                Some(response) => response,
                None => std::future::pending().await,
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(post(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    pub fn endpoint(&self) -> EndpointSettings {
        let url = format!("http://{}/rpc/v1", self.address);
        EndpointSettings::new(url.parse().expect("a URL"))
    }

    pub fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint(),
            contract: ContractAddress([1; 20]),
            from_epoch: ChainEpoch::GENESIS,
        }
    }

    pub fn source(&self) -> EvmDealStatus {
        EvmDealStatus::new(self.settings()).expect("a source")
    }

    pub fn recorder(&self) -> EvmDealRecorder {
        let key = SigningKey::from_bytes(&[7; 32]).expect("a key");
        EvmDealRecorder::new(self.settings(), key).expect("a recorder")
    }

    /// The parameters of the calls of a method.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let seen = self.seen.lock().expect("no panic");
        let calls = seen.calls.iter().filter(|(name, _)| name == method);
        calls.map(|(_, params)| params.clone()).collect()
    }

    /// How many calls there were in each request, since this was last asked.
    pub fn take_sizes(&self) -> Vec<usize> {
        std::mem::take(&mut self.seen.lock().expect("no panic").sizes)
    }

    /// The bytes of all requests.
    pub fn bytes(&self) -> usize {
        self.seen.lock().expect("no panic").bytes
    }
}

/// The calls in a request's body.
pub fn calls(body: &Value) -> Vec<&Value> {
    body.as_array().map_or_else(|| vec![body], |batch| batch.iter().collect())
}

/// The replies of a well-behaved endpoint.
pub fn replies(body: &Value, answer: &impl Fn(&str, &Value) -> Answer) -> Value {
    let reply = |request: &Value| {
        let method = request["method"].as_str().unwrap_or_default();
        match answer(method, &request["params"]) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": request["id"], "error": error}),
        }
    };
    match body {
        Value::Array(batch) => batch.iter().map(reply).collect(),
        single => reply(single),
    }
}

pub fn cid() -> Cid {
    Cid::try_from("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy").expect("a CID")
}

/// So many CIDs, each another.
pub fn cids(count: u8) -> Vec<Cid> {
    // CIDv1, raw, identity, one byte.
    let bytes = (0..count).map(|number| [1, 0x55, 0, 1, number]);
    bytes.map(|bytes| Cid::try_from(&bytes[..]).expect("a CID")).collect()
}

pub fn pin(epoch: i64) -> Tipset {
    let key = TipsetKey::new(vec![cid()]);
    Tipset { key: key.clone(), epoch: ChainEpoch::new(epoch), parents: key }
}

pub fn word(number: u64) -> String {
    format!("{number:064x}")
}

/// ABI of an array of (deal, provider).
pub fn deals(deals: &[(u64, u64)]) -> Value {
    let mut words = vec![word(0x20), word(deals.len() as u64)];
    words.extend(deals.iter().flat_map(|(deal, provider)| [word(*deal), word(*provider)]));
    json!(format!("0x{}", words.concat()))
}

/// Whether a call is this question.
pub fn is(params: &Value, selector: &str) -> bool {
    params[0]["input"].as_str().is_some_and(|input| input.starts_with(selector))
}

/// Whether a call is about the one CID, as text.
pub fn is_about_text(params: &Value) -> bool {
    is_about(params, &cid())
}

/// Whether a call is about this CID, as text.
pub fn is_about(params: &Value, cid: &Cid) -> bool {
    let text = hex(cid.to_string().as_bytes());
    params[0]["input"].as_str().is_some_and(|input| input.contains(&text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn ids(deals: Vec<raas_types::ListedDeal>) -> Vec<u64> {
    deals.iter().map(|listed| listed.deal.get()).collect()
}
