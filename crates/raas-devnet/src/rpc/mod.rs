//! The JSON-RPC endpoint: `Filecoin.*` methods answered here, `eth_*` and its kin by the EVM side.
//!
//! ```text
//! HTTP body ── envelope ──> Endpoint::call ──> chain, state | the EVM side
//! ```
//!
//! The envelope is go-jsonrpc's: batches run one after the other, protocol errors fail the HTTP
//! request and still carry a valid body. What differs between kinds of nodes is in [`dialect`].

mod chain;
pub(crate) mod dialect;
mod envelope;
pub(crate) mod error;
mod json;
mod mode;
mod state;
mod state_call;
mod stats;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use raas_types::{Cid, ProviderId};
use serde_json::{Value, json};

pub(crate) use self::mode::DEFAULT_LAG;
use self::{dialect::Dialect, error::RpcError, json::Params};
pub use self::{mode::RpcMode, stats::Stats};
use crate::chain::{ChainView as _, Miner, SharedWorld, View, lock};

/// The largest request: the default of go-jsonrpc, 100 MiB.
const MAX_REQUEST: usize = 100 << 20;

/// One node's endpoint; clones are the same one.
#[derive(Clone)]
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    world: SharedWorld,
    dialect: Dialect,
    mode: Mutex<RpcMode>,
    stats: Mutex<Stats>,
}

impl Endpoint {
    /// A healthy node over that world.
    pub(crate) fn new(world: SharedWorld, dialect: Dialect) -> Self {
        let (mode, stats) = (Mutex::new(RpcMode::Ok), Mutex::default());
        Self { shared: Arc::new(Shared { world, dialect, mode, stats }) }
    }

    /// `POST /rpc/v0` and `/rpc/v1`.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/rpc/v0", post(serve))
            .route("/rpc/v1", post(serve))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(self.clone())
    }

    /// How the node is doing.
    pub(crate) fn mode(&self) -> RpcMode {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it do so from the next request on.
    pub(crate) fn set_mode(&self, mode: RpcMode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// The calls so far.
    pub(crate) fn stats(&self) -> Stats {
        self.counters().clone()
    }

    /// Answers one call.
    fn call(&self, method: &str, params: &[Value]) -> Result<Value, RpcError> {
        self.counters().count_call(method);
        let behind = self.mode().behind();
        let mut world = lock(&self.shared.world);
        let node = Node { view: world.view_behind(behind), dialect: self.shared.dialect };
        if method == "eth_syncing" || method == "Filecoin.EthSyncing" {
            return Params::new(method, params, 0).map(|_| node.syncing());
        }
        let own = chain::call(&node, method, params).or_else(|| state::call(&node, method, params));
        let answer = own.or_else(|| world.call_evm(method, params, behind));
        let answer = answer.unwrap_or_else(|| Err(RpcError::method_not_found(method)));
        answer.map_err(|error| self.shared.dialect.translate(error))
    }

    fn counters(&self) -> MutexGuard<'_, Stats> {
        self.shared.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(endpoint): State<Endpoint>, body: Bytes) -> Response {
    if endpoint.mode() == RpcMode::Down {
        endpoint.counters().refused += 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let answer = envelope::answer(&body, endpoint.shared.dialect, |request| match request {
        envelope::Request::Batch => {
            endpoint.counters().batches += 1;
            Ok(Value::Null)
        }
        envelope::Request::Call { method, params } => endpoint.call(method, params),
    });
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}

/// One node's knowledge during one call.
struct Node<'a> {
    view: View<'a>,
    dialect: Dialect,
}

impl<'a> Node<'a> {
    /// The epoch of the tipset with that key; the empty key is the head.
    fn tipset_of(&self, key: &[Cid]) -> Result<i64, RpcError> {
        let Some(first) = key.first() else { return Ok(self.view.head_epoch()) };
        self.view.epoch_of_key(key).ok_or_else(|| {
            let message =
                format!("loading tipset: get block {first}: ipld: could not find {first}");
            RpcError::application(message)
        })
    }

    /// The epoch after which state is read for that key: its parent's.
    fn state_at(&self, key: &[Cid]) -> Result<i64, RpcError> {
        self.tipset_of(key).map(|epoch| self.view.parent_epoch(epoch))
    }

    /// The provider's actor.
    fn miner(&self, id: ProviderId) -> Result<&'a Miner, RpcError> {
        self.view.world().miner(id).ok_or_else(|| {
            RpcError::application("failed to load miner actor: actor not found".to_owned())
        })
    }

    /// `false`, or how far the node has come and how far it has to go.
    fn syncing(&self) -> Value {
        let (current, highest) = (self.view.head_epoch(), self.view.world().head_epoch());
        if current == highest {
            return json!(false);
        }
        json!({
            "startingblock": format!("{current:#x}"),
            "currentblock": format!("{current:#x}"),
            "highestblock": format!("{highest:#x}"),
        })
    }
}
