//! What Forest says otherwise than Lotus: texts, codes and a few answers, as recorded from a node.

use serde_json::{Value, json};

use super::error::{
    APPLICATION, Cause, INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, PARSE, RpcError,
};
use crate::chain::{ChainView as _, View};

/// The most entries of a batch (jsonrpsee `BatchRequestConfig::Limit`, as Forest sets it).
pub(super) const BATCH_LIMIT: usize = 100;
/// jsonrpsee's number for a batch that is too long.
const BATCH_TOO_LONG: i64 = -32010;

/// The one object that answers a batch over the limit.
pub(super) fn batch_too_long() -> RpcError {
    RpcError {
        data: Some(json!(format!("Exceeded max limit of {BATCH_LIMIT}"))),
        ..RpcError::new(BATCH_TOO_LONG, "The batch request was too large")
    }
}

/// The error in Forest's words and numbers.
pub(super) fn translate(method: &str, error: RpcError) -> RpcError {
    match &error.cause {
        Cause::Final => error,
        Cause::Tipset => RpcError::new(INTERNAL, "Key for header not found"),
        Cause::Named => bad_params("this method only accepts arguments by-position", None),
        Cause::Count { got, want } if got > want => {
            bad_params("unexpected trailing arguments", Some(json!({"count": got - want})))
        }
        Cause::Count { got, want } => {
            let (name, kind) = parameter(method, *got);
            let data = json!({"index": got, "n_required": want, "name": name, "type": kind});
            bad_params("missing required parameter", Some(data))
        }
        Cause::Param { index, why } => {
            let (name, kind) = parameter(method, *index);
            let data = json!({"error": why, "index": index, "name": name, "type": kind});
            bad_params("error deserializing parameter", Some(data))
        }
        Cause::Told => match error.code {
            METHOD_NOT_FOUND => RpcError::new(METHOD_NOT_FOUND, "Method not found"),
            PARSE => RpcError::new(PARSE, "Parse error"),
            APPLICATION => RpcError { code: INTERNAL, message: reworded(error.message), ..error },
            _ => error,
        },
    }
}

/// The parameters, with what Forest understands and Lotus does not put in Lotus's words: the tags
/// `finalized` and `safe` as bounds of a log query.
pub(super) fn understood(method: &str, params: &[Value], view: &View<'_>) -> Option<Vec<Value>> {
    if method != "eth_getLogs" {
        return None;
    }
    let mut params = params.to_vec();
    let filter = params.first_mut()?.as_object_mut()?;
    for bound in ["fromBlock", "toBlock"] {
        let Some(text) = filter.get_mut(bound) else { continue };
        let epoch = match text.as_str() {
            Some("finalized") => view.finalized(),
            Some("safe") => view.finalized().max(view.head_epoch() - SAFE_DISTANCE),
            _ => continue,
        };
        *text = json!(format!("{epoch:#x}"));
    }
    Some(params)
}

/// `SAFE_HEIGHT_DISTANCE` of Forest 0.36.
const SAFE_DISTANCE: i64 = 200;

/// The answer as Forest orders it: logs of the newest tipset come first.
pub(super) fn reordered(method: &str, mut answer: Value) -> Value {
    if method == "eth_getLogs"
        && let Some(logs) = answer.as_array_mut()
    {
        // Stable: the logs of one tipset keep their order.
        logs.sort_by_key(|log| std::cmp::Reverse(number(&log["blockNumber"])));
    }
    answer
}

fn number(hex: &Value) -> u64 {
    let digits = hex.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

fn bad_params(what: &str, data: Option<Value>) -> RpcError {
    let data = data.map(|data| format!("\tdata: {data}\n")).unwrap_or_default();
    let text = format!("JSON-RPC error:\n\tcode: {INVALID_PARAMS}\n\tmessage: {what}\n{data}");
    RpcError::new(INVALID_PARAMS, text)
}

/// Texts of single methods that differ. Most are word for word Lotus's, as Forest tests it against
/// Lotus.
fn reworded(text: String) -> String {
    if text.starts_with("requested a future epoch") {
        return "requested a future epoch (beyond \"latest\")".to_owned();
    }
    if text.starts_with("invalid block range") {
        return "failed to parse events for filter".to_owned();
    }
    match text.strip_prefix("failed to load the deadline: ") {
        Some(why) => format!("ActorError(exit_code: ExitCode {{ value: 16 }}, msg: {why})"),
        None => text,
    }
}

/// Name and Rust type of a parameter, which Forest tells in its errors.
fn parameter(method: &str, index: usize) -> (&'static str, String) {
    const TIPSET: (&str, &str) = ("tipsetKey", "forest::rpc::types::ApiTipsetKey");
    const MINER: (&str, &str) = ("minerAddress", "forest::shim::address::Address");
    const SECTOR: (&str, &str) = ("sectorNumber", "u64");
    const BLOCK: (&str, &str) = ("blockParam", "forest::rpc::methods::eth::BlockNumberOrHash");
    const CALL: (&str, &str) = ("tx", "forest::rpc::methods::eth::types::EthCallMessage");
    let short = method.strip_prefix("Filecoin.").unwrap_or(method);
    let all: &[(&str, &str)] = match short {
        "StateMarketStorageDeal" => &[("dealId", "u64"), TIPSET],
        "StateCall" => &[("message", "forest::shim::message::Message"), TIPSET],
        "StateReadState" => &[("actorAddress", "forest::shim::address::Address"), TIPSET],
        "StateLookupID" => &[("address", "forest::shim::address::Address"), TIPSET],
        "StateSectorGetInfo" | "StateSectorPartition" | "StateSectorExpiration" => {
            &[MINER, SECTOR, TIPSET]
        }
        "StateMinerPartitions" => &[MINER, ("deadlineIndex", "u64"), TIPSET],
        "StateMinerSectors" => &[MINER, ("sectors", "core::option::Option<BitField>"), TIPSET],
        "ChainGetTipSetByHeight" => &[("height", "i64"), TIPSET],
        "ChainGetTipSet" | "StateNetworkVersion" | "StateListMiners" => &[TIPSET],
        "eth_call" | "eth_estimateGas" => &[CALL, BLOCK],
        "eth_getLogs" => &[("ethFilter", "forest::rpc::methods::eth::types::EthFilterSpec")],
        "eth_getBlockByNumber" => &[BLOCK, ("fullTxInfo", "bool")],
        name if name.starts_with("StateMiner") => &[MINER, TIPSET],
        _ => &[],
    };
    let (name, kind) = all.get(index).copied().unwrap_or(("param", "serde_json::Value"));
    (name, format!("forest::lotus_json::LotusJson<{kind}>"))
}
