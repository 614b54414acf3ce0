//! The JSON-RPC endpoint: `Filecoin.*` methods answered here, `eth_*` and its kin by the EVM side.
//!
//! ```text
//! HTTP ── serve ── envelope ──> Endpoint::call ──> [gateway] ──> chain, state | the EVM side
//! ```
//!
//! Several endpoints serve one world. What differs between kinds of nodes is in [`dialect`],
//! [`forest`] and [`gateway`]; the ways in which a node fails its clients are in [`mode`], [`serve`]
//! and [`lie`].

mod chain;
pub(crate) mod dialect;
mod envelope;
pub(crate) mod error;
mod forest;
mod gateway;
mod json;
mod lie;
mod mode;
mod serve;
mod state;
mod state_call;
mod stats;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use axum::{Router, extract::DefaultBodyLimit, routing::post};
use raas_types::{Cid, ProviderId};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::mode::DEFAULT_LAG;
use self::{dialect::Dialect, error::RpcError};
pub use self::{
    mode::{Lie, RpcMode},
    stats::Stats,
};
use crate::{
    chain::{ChainView as _, Miner, SharedWorld, View, lock, provider_text},
    config::{NodeConfig, NodeKind},
};

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
    token: Option<String>,
    mode: watch::Sender<RpcMode>,
    stats: Mutex<Stats>,
    in_progress: AtomicU64,
    /// Requests that hang are let go when this is cancelled.
    stop: CancellationToken,
}

impl Endpoint {
    /// A healthy node over that world.
    pub(crate) fn new(world: SharedWorld, config: NodeConfig, stop: CancellationToken) -> Self {
        let (mode, _) = watch::channel(RpcMode::Ok);
        let dialect = Dialect::of(config.kind);
        let token = config.token;
        let (stats, in_progress) = (Mutex::default(), AtomicU64::new(0));
        let shared = Shared { world, dialect, token, mode, stats, in_progress, stop };
        Self { shared: Arc::new(shared) }
    }

    /// `POST /rpc/v0` and `/rpc/v1` under a prefix.
    pub(crate) fn router(&self, prefix: &str) -> Router {
        Router::new()
            .route(&format!("{prefix}/rpc/v0"), post(serve::serve))
            .route(&format!("{prefix}/rpc/v1"), post(serve::serve))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(self.clone())
    }

    /// How the node is doing.
    pub(crate) fn mode(&self) -> RpcMode {
        *self.shared.mode.borrow()
    }

    /// Makes it do so from the next request on, and for those that hang.
    pub(crate) fn set_mode(&self, mode: RpcMode) {
        self.shared.mode.send_replace(mode);
    }

    /// What kind of node it is.
    pub(crate) fn kind(&self) -> NodeKind {
        self.shared.dialect.kind
    }

    /// The calls so far.
    pub(crate) fn stats(&self) -> Stats {
        self.counters().clone()
    }

    /// Answers one call of somebody, or of the owner of the node's token.
    fn call(
        &self,
        method: &str,
        params: &[Value],
        mode: RpcMode,
        owner: bool,
    ) -> Result<Value, RpcError> {
        self.counters().count_call(method);
        let dialect = self.shared.dialect;
        let answer = match dialect.forbids(method, owner) {
            Some(error) => Err(error),
            None => self.run(method, params, mode),
        };
        answer.map_err(|error| dialect.translate(method, error))
    }

    fn run(&self, method: &str, params: &[Value], mode: RpcMode) -> Result<Value, RpcError> {
        let dialect = self.shared.dialect;
        let behind = mode.behind();
        let mut world = lock(&self.shared.world);
        let names = match mode {
            RpcMode::Forked { since } => Some(world.clock().forked_node(since)),
            _ => None,
        };
        let view = world.view_behind(behind);
        let view = names.as_ref().map_or(view, |clock| view.named_by(clock));
        let node = Node { view, dialect, mode };
        if dialect.kind == NodeKind::Gateway {
            gateway::admit(&node, method, params)?;
        }
        let own = chain::call(&node, method, params).or_else(|| state::call(&node, method, params));
        if let Some(answer) = own {
            return answer;
        }
        let understood = dialect.jsonrpsee.then(|| forest::understood(method, params, &node.view));
        let understood = understood.flatten();
        let params = understood.as_deref().unwrap_or(params);
        let answer = world.call_evm(method, params, behind, names.as_ref());
        let answer = answer.unwrap_or_else(|| Err(RpcError::method_not_found(method)))?;
        Ok(if dialect.jsonrpsee { forest::reordered(method, answer) } else { answer })
    }

    fn counters(&self) -> MutexGuard<'_, Stats> {
        self.shared.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's knowledge during one call.
struct Node<'a> {
    view: View<'a>,
    dialect: Dialect,
    mode: RpcMode,
}

impl<'a> Node<'a> {
    /// The epoch of the tipset with that key; the empty key is the head.
    fn tipset_of(&self, key: &[Cid]) -> Result<i64, RpcError> {
        let Some(first) = key.first() else { return Ok(self.view.head_epoch()) };
        self.view.epoch_of_key(key).ok_or_else(|| RpcError::unknown_tipset(first))
    }

    /// The epoch after which state is read for that key: its parent's.
    fn state_at(&self, key: &[Cid]) -> Result<i64, RpcError> {
        self.tipset_of(key).map(|epoch| self.view.parent_epoch(epoch))
    }

    /// The provider's actor.
    fn miner(&self, id: ProviderId) -> Result<Cow<'a, Miner>, RpcError> {
        let miner = self.view.world().miner(id);
        miner.map(|miner| lie::miner(self, miner)).ok_or_else(|| {
            RpcError::application(match self.dialect.kind {
                NodeKind::Forest => {
                    format!(
                        "Miner actor {} not found at epoch {}",
                        provider_text(id),
                        self.view.head_epoch()
                    )
                }
                _ => "failed to load miner actor: actor not found".to_owned(),
            })
        })
    }

    /// Whether it belongs to another network.
    fn is_elsewhere(&self) -> bool {
        self.mode == RpcMode::OtherNetwork
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
