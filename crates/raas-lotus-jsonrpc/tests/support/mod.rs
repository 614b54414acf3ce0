//! A server on a port of its own that answers as a test says, and what tests ask of it.

#![expect(clippy::expect_used, reason = "a test that cannot set up its server should stop")]
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::{
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{
    ChainEpoch, Cid, DealId, EpochDelta, ProviderId, SectorId, SectorNumber, Tipset, TipsetKey,
};
use serde_json::{Value, json};

/// A running server; it stops with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) body: Value,
    pub(crate) authorization: Option<String>,
}

type Answer = Arc<dyn Fn(&Value) -> Reply + Send + Sync>;

/// What a server does with a request.
pub(crate) enum Reply {
    Json(Value),
    Status(u16, String),
    Hang,
}

impl Server {
    /// Answers whole requests, batches or not, with `answer`.
    pub(crate) async fn start(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let state: (Answer, _) = (Arc::new(answer), heard.clone());
        let app = Router::new().fallback(handle).with_state(state);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url: format!("http://{address}/rpc/v1"), heard }
    }

    /// Answers each call with `answer(method, params)`, as a node does.
    pub(crate) async fn node(
        answer: impl Fn(&str, &Value) -> Result<Value, (i64, String)> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |request| Reply::Json(each(request, &answer))).await
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic in the server").clone()
    }

    /// How often a method was called, items of batches included.
    pub(crate) fn calls(&self, method: &str) -> usize {
        let heard = self.heard();
        let calls = heard.iter().flat_map(|heard| match &heard.body {
            Value::Array(items) => items.clone(),
            single => vec![single.clone()],
        });
        calls.filter(|call| call["method"] == method).count()
    }

    pub(crate) fn config(&self) -> JsonRpcLotusConfig {
        let mut config = JsonRpcLotusConfig::new(self.url.parse().expect("a URL"));
        // Long for a reply on this machine, short for one that never comes.
        config.request_timeout = Duration::from_secs(5);
        config
    }

    pub(crate) fn lotus(&self) -> JsonRpcLotus {
        JsonRpcLotus::new(self.config()).expect("a good configuration")
    }
}

async fn handle(
    State((answer, heard)): State<(Answer, Arc<Mutex<Vec<Heard>>>)>,
    request: Request,
) -> Response {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&bytes).expect("JSON");
    let reply = answer(&body);
    heard.lock().expect("no panic in the server").push(Heard { body, authorization });
    match reply {
        Reply::Json(value) => axum::Json(value).into_response(),
        Reply::Status(status, body) => {
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// One reply a call, in order.
pub(crate) fn each(
    request: &Value,
    answer: &impl Fn(&str, &Value) -> Result<Value, (i64, String)>,
) -> Value {
    let one = |call: &Value| {
        let method = call["method"].as_str().expect("a method");
        match answer(method, &call["params"]) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
            Err((code, message)) => {
                let error = json!({"code": code, "message": message});
                json!({"jsonrpc": "2.0", "id": call["id"], "error": error})
            }
        }
    };
    match request {
        Value::Array(calls) => calls.iter().map(one).collect(),
        call => one(call),
    }
}

/// The result in a reply of `testdata/lotus/`.
#[macro_export]
macro_rules! fixture {
    ($name:literal) => {{
        let text = include_str!(concat!("../../../testdata/lotus/", $name, ".json"));
        let reply: serde_json::Value = serde_json::from_str(text).expect("JSON");
        reply["result"].clone()
    }};
}

pub(crate) fn not_found(id: u64) -> (i64, String) {
    (1, format!("deal {id} not found - deal may not have completed sealing"))
}

pub(crate) fn missing_method(method: &str) -> (i64, String) {
    (-32601, format!("method '{method}' not found"))
}

pub(crate) fn deal_ids(ids: impl IntoIterator<Item = u64>) -> Vec<DealId> {
    ids.into_iter().map(DealId::new).collect()
}

pub(crate) fn sector(provider: u64, number: u64) -> SectorId {
    SectorId { provider: ProviderId::new(provider), number: SectorNumber::new(number) }
}

/// A tipset to read at, as the head in `testdata/lotus/` names it.
pub(crate) fn some_tipset() -> Tipset {
    let blocks = [
        "bafy2bzacecnamqgqmifpluoeldx7zzglxcljo6oja4vrmtj7432rphldpdmm2",
        "bafy2bzacecyaggy24wol5ruvs6qm73gjibs2l2iyhcqmvi7r7a4ph7zx3yqd4",
    ];
    let blocks = blocks.map(|text| Cid::try_from(text).expect("a CID")).to_vec();
    let epoch = ChainEpoch::new(6_302_600);
    let parents = TipsetKey::new(vec![blocks[0]]);
    Tipset { key: TipsetKey::new(blocks), epoch: epoch + EpochDelta::ZERO, parents }
}

pub(crate) fn some_key() -> Value {
    let blocks = some_tipset().key.blocks().to_vec();
    blocks.iter().map(|cid| json!({"/": cid.to_string()})).collect()
}
