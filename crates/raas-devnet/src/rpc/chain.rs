//! `Filecoin.Chain*`, the node's own facts, and the network's.

use raas_types::Cid;
use serde_json::{Value, json};

use super::{
    Node,
    error::RpcError,
    json::{Params, cid, tipset},
};
use crate::{
    chain::{ChainView as _, Clock},
    config::NodeKind,
};

/// Version 2.3.0 of the v1 API: one byte each.
const API_VERSION: u64 = 0x0002_0300;
/// Sync stages of Lotus: 1 is fetching headers, 4 is complete.
const STAGE_HEADERS: u64 = 1;
const STAGE_COMPLETE: u64 = 4;

/// Answers the methods of this module; `None` when `method` is none of them.
pub(super) fn call(
    node: &Node<'_>,
    method: &str,
    values: &[Value],
) -> Option<Result<Value, RpcError>> {
    let params = |want| Params::new(method, values, want);
    let none = |answer: Value| params(0).map(|_| answer);
    Some(match method {
        "Filecoin.Version" => none(version(node)),
        "Filecoin.ChainHead" => none(tipset(&node.view, node.view.head_epoch())),
        "Filecoin.ChainGetGenesis" => none(genesis(node)),
        "Filecoin.ChainGetFinalizedTipSet" => none(tipset(&node.view, node.view.finalized())),
        "Filecoin.ChainGetTipSet" => params(1).and_then(|p| by_key(node, &p.key(0)?)),
        "Filecoin.ChainGetTipSetByHeight" => {
            params(2).and_then(|p| by_height(node, p.signed(0)?, &p.key(1)?))
        }
        "Filecoin.StateNetworkName" => none(json!(network_name(node))),
        "Filecoin.StateNetworkVersion" => params(1).and_then(|p| {
            node.tipset_of(&p.key(0)?)?;
            Ok(json!(node.view.world().config().network_version))
        }),
        "Filecoin.StateGetNetworkParams" => none(network_params(node)),
        "Filecoin.SyncState" if node.dialect.kind != NodeKind::Forest => none(sync_state(node)),
        "eth_syncing" | "Filecoin.EthSyncing" => none(node.syncing()),
        "eth_chainId" if node.is_elsewhere() => none(json!(format!("{:#x}", chain_id(node)))),
        "net_version" if node.is_elsewhere() => none(json!(chain_id(node).to_string())),
        _ => return None,
    })
}

fn version(node: &Node<'_>) -> Value {
    json!({
        "Version": match node.dialect.kind {
            NodeKind::Forest => concat!("0.39.0+raas-devnet-", env!("CARGO_PKG_VERSION")),
            _ => concat!("1.36.2+raas-devnet-", env!("CARGO_PKG_VERSION")),
        },
        "APIVersion": API_VERSION,
        "BlockDelay": Clock::BLOCK_DELAY,
        "Agent": node.dialect.agent,
    })
}

fn by_key(node: &Node<'_>, key: &[Cid]) -> Result<Value, RpcError> {
    if key.is_empty() {
        let message = "NewTipSet called with zero length array of blocks";
        return Err(RpcError::application(message));
    }
    node.tipset_of(key).map(|epoch| tipset(&node.view, epoch))
}

/// A null round answers with the tipset before it.
fn by_height(node: &Node<'_>, height: i64, from: &[Cid]) -> Result<Value, RpcError> {
    let from = node.tipset_of(from)?;
    if height > from {
        let message = "looking for tipset with height greater than start point";
        return Err(RpcError::application(message));
    }
    if height < 0 {
        return Err(RpcError::application(format!("negative tipset height {height}")));
    }
    match node.view.clock().at_or_before(height) {
        0 => Ok(genesis(node)),
        epoch => Ok(tipset(&node.view, epoch)),
    }
}

fn genesis(node: &Node<'_>) -> Value {
    let mut genesis = tipset(&node.view, 0);
    if node.is_elsewhere() {
        let other = node.view.clock().root("the genesis of another network", 0);
        genesis["Cids"] = json!([cid(&other)]);
        genesis["Blocks"][0]["Timestamp"] = json!(genesis_timestamp(node));
    }
    genesis
}

fn network_name(node: &Node<'_>) -> String {
    let own = &node.view.world().config().network_name;
    if node.is_elsewhere() { format!("{own}-elsewhere") } else { own.clone() }
}

fn chain_id(node: &Node<'_>) -> u64 {
    node.view.world().config().chain_id + u64::from(node.is_elsewhere())
}

/// Another network began 1000 epochs earlier.
fn genesis_timestamp(node: &Node<'_>) -> i64 {
    let own = node.view.world().config().clock.genesis_timestamp;
    if node.is_elsewhere() { own - 1_000 * Clock::BLOCK_DELAY } else { own }
}

fn network_params(node: &Node<'_>) -> Value {
    json!({
        "NetworkName": network_name(node),
        "BlockDelaySecs": Clock::BLOCK_DELAY,
        "ConsensusMinerMinPower": "2040",
        "PreCommitChallengeDelay": 10,
        // All upgrades up to network version 28 lie before genesis, as on any new network.
        "ForkUpgradeParams": {"UpgradeDragonHeight": -25, "UpgradeFireHorseHeight": -31},
        "Eip155ChainID": chain_id(node),
        "GenesisTimestamp": genesis_timestamp(node),
    })
}

/// One worker: done when the node is at the head, else on its way from its own head to the true.
fn sync_state(node: &Node<'_>) -> Value {
    let world = node.view.world();
    let (base, target) = (node.view.head_epoch(), world.head_epoch());
    let stage = if base == target { STAGE_COMPLETE } else { STAGE_HEADERS };
    json!({
        "ActiveSyncs": [{
            "WorkerID": 1,
            "Base": tipset(&node.view, base),
            "Target": tipset(&world.view(), target),
            "Stage": stage,
            "Height": base,
            "Start": "0001-01-01T00:00:00Z",
            "End": "0001-01-01T00:00:00Z",
            "Message": "",
        }],
        "VMApplied": base,
    })
}
