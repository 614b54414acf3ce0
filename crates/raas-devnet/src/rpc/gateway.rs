//! What a lotus-gateway does before it asks the node behind it (lotus `gateway/`): it has a list of
//! methods, and it refuses to look back further than a day.
//!
//! The day is counted from the present epoch, which stands for the gateway's wall clock.

use raas_types::Cid;
use serde_json::Value;

use super::{Node, error::RpcError, json::Params};
use crate::chain::ChainView as _;

/// `DefaultMaxLookbackDuration`: 24 hours of 120 epochs.
const LOOKBACK: i64 = 24 * 120;
/// As Go prints that duration.
const TOO_OLD: &str = "lookbacks of more than 24h0m0s are disallowed";
/// Where the gateway takes `finalized` to be: 900 epochs behind the head (`policy.ChainFinality`).
const FINALIZED: i64 = 900;
/// Where it takes `safe` to be (`ethtypes.SafeEpochDelay`).
const SAFE: i64 = 200;

/// Methods with the position of the tipset key among their parameters, where they take one.
const METHODS: [(&str, Option<usize>); 38] = [
    ("Filecoin.Version", None),
    ("Filecoin.ChainHead", None),
    ("Filecoin.ChainGetGenesis", None),
    ("Filecoin.ChainGetFinalizedTipSet", None),
    // The gateway looks these two up itself.
    ("Filecoin.ChainGetTipSet", None),
    ("Filecoin.ChainGetTipSetByHeight", None),
    ("Filecoin.StateNetworkName", None),
    ("Filecoin.StateGetNetworkParams", None),
    ("Filecoin.StateNetworkVersion", Some(0)),
    ("Filecoin.StateListMiners", Some(0)),
    ("Filecoin.StateMarketStorageDeal", Some(1)),
    ("Filecoin.StateReadState", Some(1)),
    ("Filecoin.StateLookupID", Some(1)),
    ("Filecoin.StateCall", Some(1)),
    ("Filecoin.StateSectorGetInfo", Some(2)),
    ("Filecoin.StateMinerInfo", Some(1)),
    ("Filecoin.StateMinerProvingDeadline", Some(1)),
    ("Filecoin.StateMinerSectorCount", Some(1)),
    ("Filecoin.EthSyncing", None),
    ("eth_syncing", None),
    ("eth_chainId", None),
    ("net_version", None),
    ("web3_clientVersion", None),
    ("eth_blockNumber", None),
    ("eth_getBlockByNumber", None),
    ("eth_getBlockByHash", None),
    ("eth_call", None),
    ("eth_estimateGas", None),
    ("eth_gasPrice", None),
    ("eth_maxPriorityFeePerGas", None),
    ("eth_feeHistory", None),
    ("eth_getTransactionCount", None),
    ("eth_sendRawTransaction", None),
    ("eth_getTransactionReceipt", None),
    ("eth_getTransactionByHash", None),
    ("eth_getLogs", None),
    ("eth_getBalance", None),
    ("eth_getCode", None),
];

/// Whether the gateway passes the call on.
pub(super) fn admit(node: &Node<'_>, method: &str, values: &[Value]) -> Result<(), RpcError> {
    let known = METHODS.iter().find(|(name, _)| *name == method);
    let (_, key) = known.ok_or_else(|| RpcError::method_not_found(method))?;
    if let Some(index) = key {
        // What does not decode is refused by the node behind.
        let key = Params::new(method, values, values.len())?.key(*index).unwrap_or_default();
        return check_key(node, &key);
    }
    match method {
        "Filecoin.ChainGetTipSetByHeight" => by_height(node, method, values),
        "eth_call" => check_block(node, values.get(1)),
        "eth_getBalance" | "eth_getCode" | "eth_getTransactionCount" => {
            check_block(node, values.get(1))
        }
        "eth_getLogs" => check_logs(node, values.first()),
        "eth_feeHistory" => check_tag(node, values.get(1).and_then(Value::as_str)),
        _ => Ok(()),
    }
}

fn by_height(node: &Node<'_>, method: &str, values: &[Value]) -> Result<(), RpcError> {
    let params = Params::new(method, values, 2)?;
    let from = node.tipset_of(&params.key(1)?)?;
    check_epoch(node, from, "bad tipset")?;
    let height = params.signed(0)?;
    if height > from {
        return Err(RpcError::application("tipset height in future"));
    }
    check_epoch(node, height, "bad tipset height")
}

fn check_key(node: &Node<'_>, key: &[Cid]) -> Result<(), RpcError> {
    match key {
        [] => Ok(()),
        key => check_epoch(node, node.tipset_of(key)?, "bad tipset"),
    }
}

fn check_logs(node: &Node<'_>, filter: Option<&Value>) -> Result<(), RpcError> {
    let field = |name: &str| filter.and_then(|filter| filter.get(name)).and_then(Value::as_str);
    check_tag(node, field("fromBlock"))?;
    check_tag(node, field("toBlock"))?;
    field("blockHash").map_or(Ok(()), |hash| check_hash(node, hash))
}

/// A block parameter that is text everywhere, as in log queries.
fn check_tag(node: &Node<'_>, tag: Option<&str>) -> Result<(), RpcError> {
    let head = node.view.head_epoch();
    let height = match tag {
        None | Some("" | "latest" | "pending") => return Ok(()),
        Some("earliest") => return Err(earliest()),
        Some("safe") => head - SAFE,
        Some("finalized") => head - FINALIZED,
        Some(number) => match parse_height(number) {
            Some(height) => height,
            None => return Ok(()),
        },
    };
    check_height(node, height)
}

/// A block parameter that may be a hash too, as in `eth_call`.
fn check_block(node: &Node<'_>, block: Option<&Value>) -> Result<(), RpcError> {
    let (text, hash) = match block {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Object(object)) => (
            object.get("blockNumber").and_then(Value::as_str),
            object.get("blockHash").and_then(Value::as_str),
        ),
        _ => (None, None),
    };
    match (text, hash) {
        (_, Some(hash)) => check_hash(node, hash),
        (Some("latest" | "pending") | None, None) => Ok(()),
        (Some("earliest"), None) => Err(earliest()),
        // The real gateway takes these two for epoch 0 here, and so refuses them.
        (Some("safe" | "finalized"), None) => check_height(node, 0),
        (Some(number), None) => parse_height(number).map_or(Ok(()), |h| check_height(node, h)),
    }
}

fn check_hash(node: &Node<'_>, hash: &str) -> Result<(), RpcError> {
    let bytes = hash.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    match hash.and_then(|hash| node.view.epoch_of_block_hash(hash)) {
        Some(epoch) => check_epoch(node, epoch, "bad tipset"),
        // The node behind says what is wrong with it.
        None => Ok(()),
    }
}

fn check_height(node: &Node<'_>, height: i64) -> Result<(), RpcError> {
    if height > node.view.head_epoch() {
        return Err(RpcError::application("tipset height in future"));
    }
    check_epoch(node, height, "bad tipset height")
}

fn check_epoch(node: &Node<'_>, epoch: i64, what: &str) -> Result<(), RpcError> {
    if node.view.world().now() - epoch > LOOKBACK {
        return Err(RpcError::application(format!("{what}: {TOO_OLD}")));
    }
    Ok(())
}

fn earliest() -> RpcError {
    RpcError::application("block param \"earliest\" is not supported")
}

fn parse_height(text: &str) -> Option<i64> {
    i64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
