//! The control API under `/devnet`: what a laboratory may do that no chain allows.
//!
//! Everything here is also a method of [`Devnet`]. Bodies are JSON, and empty where none is named; an
//! error is HTTP 400 with `{"error": "..."}`.
//!
//! ```text
//! POST advance                      {"epochs": 100}
//! POST reorg                        {"depth": 20}
//! POST finality                     {"stalled": true}
//! POST rpc                          {"node": 1, "mode": "lagging", "behind": 100}
//!                                   {"mode": "slow", "milliseconds": 500}
//!                                   {"mode": "too_many_requests", "retry_after": 2}
//!                                   {"mode": "forked", "since": 6300100}
//!                                   {"mode": "lie", "deal": 100000, "as": "missing"}
//!                                   modes without more: ok, down, hang, garbage, half_batches,
//!                                   truncated, wrong_ids, swapped, other_network
//! POST plant                        {"provider": "t01000", "start": 1, "end": 2, "activate": 1,
//!                                    "deadline": 42, "piece": "baga...", "piece_size": 512}
//! POST providers/{id}/{action}      fault, recover, terminate, offline, online, corrupt, honest
//! POST providers/{id}/sectors/{number}/{action}
//!                                   declare_fault, recover, lose_dispute,
//!                                   terminate; {"swallow_deal": true}
//! POST providers/{id}/deadlines/{deadline}/compact
//! POST deals/{id}/settle
//! POST aggregator                   any of its settings
//! GET  head, providers, deals, aggregator, stats, rpc?node=1
//! ```

mod exact;
mod nodes;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use raas_types::{DealId, ProviderId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use self::exact::Plant;
use crate::{
    chain::{DealTruth, lock, provider_text},
    devnet::{Devnet, Head, Parts},
};

/// The most epochs one call advances: ten years, so that a slip of the finger ends.
const MAX_ADVANCE: u32 = 10 * 1_051_897;

/// A request to control that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no provider of that id.
    #[error("there is no provider {0}: GET /devnet/providers lists those there are")]
    UnknownProvider(ProviderId),
    /// There is no node of that number.
    #[error("there is no node {node}: write a number below {nodes}")]
    UnknownNode {
        /// The number asked for.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// The input makes no sense; the text says what would.
    #[error("{0}")]
    BadInput(String),
}

/// What can be done to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderAction {
    /// It stops proving: its sectors become faulty as their deadlines pass.
    Fault,
    /// It proves again and declares its faults recovered.
    Recover,
    /// It terminates all its sectors; their deals are gone.
    Terminate,
    /// Its server drops every connection.
    Offline,
    /// Its server answers again.
    Online,
    /// Its server sends wrong bytes.
    Corrupt,
    /// Its server sends right bytes again.
    Honest,
}

impl FromStr for ProviderAction {
    type Err = ControlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(json!(text)).map_err(|_| {
            ControlError::BadInput(format!(
                "nothing called {text:?} can be done to a provider: write fault, recover, \
                 terminate, offline, online, corrupt or honest"
            ))
        })
    }
}

/// A provider as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTruth {
    /// Its address, as `t01000`.
    pub id: String,
    /// Where its server answers (`/piece/…`, `/ipfs/…`).
    pub url: String,
    /// Whether it will send its next proof.
    pub proving: bool,
    /// Whether its server drops every connection.
    pub offline: bool,
    /// Whether its server sends wrong bytes.
    pub corrupt: bool,
    /// Sectors that are not terminated, faulty ones included.
    pub live_sectors: u64,
    /// Sectors that missed a proof.
    pub faulty_sectors: u64,
}

impl Devnet {
    /// Does something to a provider.
    pub fn control_provider(
        &self,
        id: ProviderId,
        action: ProviderAction,
    ) -> Result<ProviderTruth, ControlError> {
        self.parts().control_provider(id, action)
    }

    /// Somebody calls `SettleDealPayments` for the deal: one that has ended is completed and leaves
    /// the market, one that missed its start is removed. No provider here does so of itself.
    pub fn settle(&self, id: DealId) -> Result<(), ControlError> {
        self.parts().settle(id)
    }

    /// All providers, ascending by id.
    pub fn providers(&self) -> Vec<ProviderTruth> {
        self.parts().provider_truths()
    }

    /// Changes how the aggregator behaves, as `POST /devnet/aggregator` does: a JSON object with
    /// any of `repeat_pin`, `placement`, `delay_epochs`, `duration_epochs`, `api`, `gateway`.
    /// Answers all settings. A patch with anything wrong in it changes nothing.
    pub fn configure_aggregator(&self, patch: Value) -> Result<Value, ControlError> {
        self.parts().configure_aggregator(patch)
    }
}

/// The control API.
pub(crate) fn router(parts: Parts) -> Router {
    Router::new()
        .route("/devnet/advance", post(advance))
        .route("/devnet/providers", get(providers))
        .route("/devnet/providers/{id}/{action}", post(provider))
        .route("/devnet/providers/{id}/sectors/{sector}/{action}", post(exact::sector))
        .route("/devnet/providers/{id}/deadlines/{deadline}/compact", post(exact::compact))
        .route("/devnet/plant", post(exact::plant))
        .route("/devnet/reorg", post(exact::reorg))
        .route("/devnet/finality", post(exact::finality))
        .route("/devnet/aggregator", get(aggregator_settings).post(aggregator))
        .route("/devnet/rpc", get(nodes::mode).post(nodes::set_mode))
        .route("/devnet/deals", get(deals))
        .route("/devnet/deals/{id}/settle", post(settle))
        .route("/devnet/stats", get(stats))
        .route("/devnet/head", get(head))
        .with_state(parts)
}

impl Parts {
    fn control_provider(
        &self,
        id: ProviderId,
        action: ProviderAction,
    ) -> Result<ProviderTruth, ControlError> {
        let unknown = || ControlError::UnknownProvider(id);
        match action {
            ProviderAction::Fault => lock(&self.world).fault(id).map_err(|_| unknown()),
            ProviderAction::Recover => lock(&self.world).recover(id).map_err(|_| unknown()),
            ProviderAction::Terminate => lock(&self.world).terminate(id).map_err(|_| unknown()),
            ProviderAction::Offline | ProviderAction::Online => {
                let offline = action == ProviderAction::Offline;
                self.providers.set_offline(id, offline).map_err(|_| unknown())
            }
            ProviderAction::Corrupt | ProviderAction::Honest => {
                let corrupt = action == ProviderAction::Corrupt;
                self.providers.set_corrupt(id, corrupt).map_err(|_| unknown())
            }
        }?;
        self.provider_truth(id).ok_or_else(unknown)
    }

    fn settle(&self, id: DealId) -> Result<(), ControlError> {
        if lock(&self.world).settle(id) {
            return Ok(());
        }
        let message = format!("the market has no deal {id}: GET /devnet/deals lists all");
        Err(ControlError::BadInput(message))
    }

    fn provider_truths(&self) -> Vec<ProviderTruth> {
        let ids = lock(&self.world).providers();
        ids.into_iter().filter_map(|id| self.provider_truth(id)).collect()
    }

    fn provider_truth(&self, id: ProviderId) -> Option<ProviderTruth> {
        let world = lock(&self.world);
        let miner = world.miner(id)?;
        let now = world.now();
        let live = miner.sectors().filter_map(|sector| sector.after(now));
        let live: Vec<_> = live.filter(|condition| !condition.terminated).collect();
        let faulty = live.iter().filter(|condition| condition.fault.is_some()).count();
        Some(ProviderTruth {
            id: provider_text(id),
            url: self.providers.addr(id).map(|addr| format!("http://{addr}"))?,
            proving: miner.is_proving(),
            offline: self.providers.is_offline(id),
            corrupt: self.providers.is_corrupt(id),
            live_sectors: live.len() as u64,
            faulty_sectors: faulty as u64,
        })
    }

    fn configure_aggregator(&self, patch: Value) -> Result<Value, ControlError> {
        let patch = serde_json::from_value(patch).map_err(bad_input)?;
        let settings = self.aggregator.configure(patch).map_err(bad_input)?;
        serde_json::to_value(settings).map_err(bad_input)
    }
}

/// The body of `POST /devnet/advance`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    epochs: u32,
}

async fn advance(State(parts): State<Parts>, body: Bytes) -> Result<Json<Head>, ControlError> {
    let Advance { epochs } = parse(&body)?;
    if epochs > MAX_ADVANCE {
        let message = format!("epochs is {epochs}: write at most {MAX_ADVANCE}, ten years");
        return Err(ControlError::BadInput(message));
    }
    Ok(Json(parts.advance(epochs).await))
}

async fn providers(State(parts): State<Parts>) -> Json<Vec<ProviderTruth>> {
    Json(parts.provider_truths())
}

async fn provider(
    State(parts): State<Parts>,
    Path((id, action)): Path<(String, String)>,
) -> Result<Json<ProviderTruth>, ControlError> {
    let id = id.parse().map_err(bad_input)?;
    parts.control_provider(id, action.parse()?).map(Json)
}

async fn aggregator(State(parts): State<Parts>, body: Bytes) -> Result<Json<Value>, ControlError> {
    parts.configure_aggregator(parse(&body)?).map(Json)
}

async fn aggregator_settings(State(parts): State<Parts>) -> Result<Json<Value>, ControlError> {
    serde_json::to_value(parts.aggregator.settings()).map(Json).map_err(bad_input)
}

async fn deals(State(parts): State<Parts>) -> Json<Vec<DealTruth>> {
    Json(lock(&parts.world).ground_truth())
}

async fn settle(
    State(parts): State<Parts>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let number = id.parse().map_err(|_| ControlError::BadInput(format!("{id:?} is no deal id")))?;
    parts.settle(DealId::new(number))?;
    Ok(Json(json!({"settled": number})))
}

async fn head(State(parts): State<Parts>) -> Json<Head> {
    Json(parts.head())
}

async fn stats(State(parts): State<Parts>) -> Json<Value> {
    let stats = parts.node_zero().stats();
    let served = parts.providers.served().into_iter().map(|(id, served)| {
        let counts = json!({
            "pieces": served.pieces,
            "blocks": served.blocks,
            "bytes": served.bytes,
            "refused": served.refused,
        });
        (provider_text(id), counts)
    });
    Json(json!({
        "calls": stats.calls,
        "batches": stats.batches,
        "refused": stats.refused,
        "requests": stats.requests,
        "nodes": nodes::all(&parts),
        "http": {
            "aggregator": parts.aggregator.calls(),
            "providers": served.collect::<serde_json::Map<_, _>>(),
        },
    }))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(bad_input)
}

fn bad_input(error: impl std::fmt::Display) -> ControlError {
    ControlError::BadInput(error.to_string())
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.to_string()}))).into_response()
    }
}
