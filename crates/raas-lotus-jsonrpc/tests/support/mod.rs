//! A server on a port of its own that answers as a test says, and what tests ask of it.

#![expect(clippy::expect_used, reason = "a test that cannot set up its server should stop")]
#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod world;

use std::{
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{AppendHeaders, IntoResponse as _, Response},
};
use cid::multihash::Multihash;
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{ChainEpoch, Cid, DealId, ProviderId, SectorId, SectorNumber, Tipset, TipsetKey};
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
    pub(crate) bytes: usize,
    pub(crate) authorization: Option<String>,
}

type Answer = Arc<dyn Fn(&Value) -> Reply + Send + Sync>;

/// What a server does with a request.
pub(crate) enum Reply {
    Json(Value),
    Status(u16, String),
    /// HTTP 429, with this in `Retry-After`.
    TooMany(Option<String>),
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

    /// A full node that answers each call with `answer(method, params)`, and what it is probed with
    /// by itself.
    pub(crate) async fn full_node(
        answer: impl Fn(&str, &Value) -> Result<Value, (i64, String)> + Send + Sync + 'static,
    ) -> Self {
        Self::node(move |method, params| match probed(method, params) {
            Some(answer) => answer,
            None => answer(method, params),
        })
        .await
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic in the server").clone()
    }

    /// How often a method was called, items of batches included, and probes not.
    pub(crate) fn calls(&self, method: &str) -> usize {
        let heard = self.heard();
        let calls = heard.iter().flat_map(|heard| match &heard.body {
            Value::Array(items) => items.clone(),
            single => vec![single.clone()],
        });
        let calls = calls.filter(|call| call["method"] == method);
        calls.filter(|call| call["params"][0] != "f00").count()
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
    heard.lock().expect("no panic in the server").push(Heard {
        body,
        bytes: bytes.len(),
        authorization,
    });
    match reply {
        Reply::Json(value) => axum::Json(value).into_response(),
        Reply::Status(status, body) => {
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
        Reply::TooMany(after) => {
            let after = after.into_iter().map(|after| ("retry-after", after));
            let headers = AppendHeaders(after.collect::<Vec<_>>());
            (StatusCode::TOO_MANY_REQUESTS, headers).into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// What a full node says to what it is probed with for reading sectors; `None` for other calls.
pub(crate) fn probed(method: &str, params: &Value) -> Option<Result<Value, (i64, String)>> {
    match method {
        "Filecoin.StateNetworkVersion" => Some(Ok(json!(28))),
        "Filecoin.StateCall" if params[0]["To"] == "f00" => {
            Some(Ok(json!({"MsgRct": {"ExitCode": 0, "Return": null, "GasUsed": 0}})))
        }
        _ if params[0] == "f00" => {
            Some(Err((1, "failed to load miner actor state: unknown actor code".to_owned())))
        }
        _ => None,
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
    let parents = TipsetKey::new(vec![blocks[0]]);
    Tipset { key: TipsetKey::new(blocks), epoch: ChainEpoch::new(6_302_600), parents }
}

/// The tipset so many epochs after [`some_tipset`], on a chain without null rounds.
pub(crate) fn tipset(after: i64) -> Tipset {
    tipset_of(6_302_600 + after)
}

/// A tipset of one block that is named after its epoch.
pub(crate) fn tipset_of(epoch: i64) -> Tipset {
    const DAG_CBOR: u64 = 0x71;
    const BLAKE2B_256: u64 = 0xb220;
    let key = |epoch: i64| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&epoch.to_be_bytes());
        let hash = Multihash::<64>::wrap(BLAKE2B_256, &digest).expect("32 bytes fit into 64");
        TipsetKey::new(vec![Cid::new_v1(DAG_CBOR, hash)])
    };
    Tipset { key: key(epoch), epoch: ChainEpoch::new(epoch), parents: key(epoch - 1) }
}

/// A tipset's key as a parameter.
pub(crate) fn key_of(tipset: &Tipset) -> Value {
    tipset.key.blocks().iter().map(|cid| json!({"/": cid.to_string()})).collect()
}

pub(crate) fn some_key() -> Value {
    key_of(&some_tipset())
}

/// A gateway whose every sector is active, in deadline 42, partition 3.
pub(crate) fn gateway(method: &str, params: &Value) -> Result<Value, (i64, String)> {
    match method {
        "Filecoin.StateCall" | "Filecoin.StateNetworkVersion" => {
            let active = || located(0, "ggFEghgqAw==");
            probed(method, params).unwrap_or_else(|| Ok(active()))
        }
        "Filecoin.StateMinerProvingDeadline" if params[0] != "f00" => Ok(schedule(6_300_000)),
        "Filecoin.StateMinerProvingDeadline" => Err((1, "unknown actor code".to_owned())),
        _ => Err(missing_method(method)),
    }
}

/// A reply to a StateCall, with the trace that nodes send along.
pub(crate) fn located(exit_code: i64, returned: &str) -> Value {
    let call = json!({"Msg": {"From": "f00", "Params": "gQk=", "ParamsCodec": 81},
        "MsgRct": {"ExitCode": 33, "Return": "ggBDgiAg", "ReturnCodec": 81},
        "GasCharges": [{"Name": "OnChainMessage", "tg": 38_863, "cg": 38_863}], "Subcalls": null});
    let trace = json!({"Msg": {}, "Subcalls": vec![call; 60]});
    json!({
        "MsgCid": null, "Msg": {},
        "MsgRct": {"ExitCode": exit_code, "Return": returned, "GasUsed": 5_000_000,
            "EventsRoot": null},
        "ExecutionTrace": trace, "Error": "", "Duration": 1_000_000,
    })
}

/// A reply to StateMinerProvingDeadline, of which only the start is read.
pub(crate) fn schedule(period_start: i64) -> Value {
    json!({"CurrentEpoch": 6_302_600, "PeriodStart": period_start, "Index": 43, "Open": 6_302_580,
        "Close": 6_302_640, "Challenge": 6_302_560, "FaultCutoff": 6_302_510,
        "WPoStPeriodDeadlines": 48, "WPoStProvingPeriod": 2880, "WPoStChallengeWindow": 60,
        "WPoStChallengeLookback": 20, "FaultDeclarationCutoff": 70})
}
