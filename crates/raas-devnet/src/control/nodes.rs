//! Control of the nodes: how each of them does.

use axum::{
    Json,
    extract::{Query, State},
};
use bytes::Bytes;
use raas_types::DealId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, parse};
use crate::{
    devnet::Parts,
    rpc::{DEFAULT_LAG, Lie, RpcMode},
};

/// The longest lag of a node: a year.
const MAX_LAG: i64 = 1_051_897;
/// The longest delay of an answer: ten minutes, which is beyond any timeout.
const MAX_DELAY: u64 = 600_000;
/// How late a slow node answers unless told otherwise: a second.
const DEFAULT_DELAY: u64 = 1_000;
/// What a busy node asks for unless told otherwise, in seconds.
const DEFAULT_RETRY_AFTER: u64 = 1;

/// The body of `POST /devnet/rpc`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rpc {
    /// Which node; 0 when left out.
    #[serde(default)]
    node: usize,
    mode: Mode,
    behind: Option<i64>,
    milliseconds: Option<u64>,
    retry_after: Option<u64>,
    since: Option<i64>,
    deal: Option<DealId>,
    #[serde(rename = "as")]
    as_: Option<Lie>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Ok,
    Down,
    Lagging,
    Hang,
    Slow,
    Garbage,
    HalfBatches,
    Truncated,
    WrongIds,
    Swapped,
    TooManyRequests,
    Forked,
    OtherNetwork,
    Lie,
}

impl Rpc {
    fn mode(&self) -> Result<RpcMode, ControlError> {
        self.check_fields()?;
        Ok(match self.mode {
            Mode::Ok => RpcMode::Ok,
            Mode::Down => RpcMode::Down,
            Mode::Hang => RpcMode::Hang,
            Mode::Garbage => RpcMode::Garbage,
            Mode::HalfBatches => RpcMode::HalfBatches,
            Mode::Truncated => RpcMode::Truncated,
            Mode::WrongIds => RpcMode::WrongIds,
            Mode::Swapped => RpcMode::Swapped,
            Mode::OtherNetwork => RpcMode::OtherNetwork,
            Mode::Lagging => match self.behind.unwrap_or(DEFAULT_LAG) {
                behind @ 0..=MAX_LAG => RpcMode::Lagging { behind },
                behind => {
                    return refuse(format!(
                        "behind is {behind}: write a number of epochs from 0 to {MAX_LAG}"
                    ));
                }
            },
            Mode::Slow => match self.milliseconds.unwrap_or(DEFAULT_DELAY) {
                milliseconds @ 0..=MAX_DELAY => RpcMode::Slow { milliseconds },
                much => {
                    return refuse(format!("milliseconds is {much}: write at most {MAX_DELAY}"));
                }
            },
            Mode::TooManyRequests => {
                let retry_after = self.retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
                RpcMode::TooManyRequests { retry_after }
            }
            Mode::Forked => match self.since {
                Some(since) => RpcMode::Forked { since },
                None => {
                    return refuse(
                        "a fork needs \"since\", the last epoch that it shares with the others"
                            .to_owned(),
                    );
                }
            },
            Mode::Lie => match (self.deal, self.as_) {
                (Some(deal), Some(as_)) => RpcMode::Lie { deal, as_ },
                _ => {
                    return refuse(
                        "a lie needs \"deal\", a deal id, and \"as\": missing, elsewhere, \
                         healthy, faulty or dead"
                            .to_owned(),
                    );
                }
            },
        })
    }

    /// A field that the mode has no use for is a mistake.
    fn check_fields(&self) -> Result<(), ControlError> {
        let mode = self.mode;
        for (name, is_there, belongs, to) in [
            ("behind", self.behind.is_some(), matches!(mode, Mode::Lagging), "lagging"),
            ("milliseconds", self.milliseconds.is_some(), matches!(mode, Mode::Slow), "slow"),
            (
                "retry_after",
                self.retry_after.is_some(),
                matches!(mode, Mode::TooManyRequests),
                "too_many_requests",
            ),
            ("since", self.since.is_some(), matches!(mode, Mode::Forked), "forked"),
            ("deal", self.deal.is_some(), matches!(mode, Mode::Lie), "lie"),
            ("as", self.as_.is_some(), matches!(mode, Mode::Lie), "lie"),
        ] {
            if is_there && !belongs {
                return refuse(format!("{name} goes with mode \"{to}\" only"));
            }
        }
        Ok(())
    }
}

/// The query of `GET /devnet/rpc`.
#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    node: usize,
}

/// `POST /devnet/rpc`.
pub(super) async fn set_mode(
    State(parts): State<Parts>,
    body: Bytes,
) -> Result<Json<RpcMode>, ControlError> {
    let rpc: Rpc = parse(&body)?;
    let mode = rpc.mode()?;
    let node = parts.node(rpc.node)?;
    node.set_mode(mode);
    Ok(Json(node.mode()))
}

/// `GET /devnet/rpc?node=0`.
pub(super) async fn mode(
    State(parts): State<Parts>,
    Query(which): Query<Which>,
) -> Result<Json<RpcMode>, ControlError> {
    Ok(Json(parts.node(which.node)?.mode()))
}

/// What `GET /devnet/stats` says of all nodes.
pub(super) fn all(parts: &Parts) -> Vec<Value> {
    let nodes = parts.nodes.iter().map(|node| {
        let stats = node.stats();
        json!({
            "kind": node.kind(),
            "mode": node.mode(),
            "calls": stats.calls,
            "batches": stats.batches,
            "refused": stats.refused,
            "requests": stats.requests,
            "longest_batch": stats.longest_batch,
            "most_at_once": stats.most_at_once,
        })
    });
    nodes.collect()
}

fn refuse<T>(why: String) -> Result<T, ControlError> {
    Err(ControlError::BadInput(why))
}
