//! A simulated Filecoin behind sockets, and the adapter that reads it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use raas_devnet::{Devnet, DevnetConfig, NodeConfig, NodeKind};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::ChainEpoch;
use tempfile::TempDir;

/// Every kind of node there is.
pub(crate) const KINDS: [NodeKind; 3] = [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway];

/// A devnet with nodes of these kinds over one world, otherwise as `with` makes it. It lives as long
/// as the directory.
pub(crate) async fn start(
    kinds: &[NodeKind],
    with: impl FnOnce(&mut DevnetConfig),
) -> (Devnet, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = DevnetConfig::new(dir.path());
    config.nodes = kinds.iter().map(|kind| NodeConfig { kind: *kind, token: None }).collect();
    with(&mut config);
    (Devnet::start(config).await.unwrap(), dir)
}

/// The adapter on one of the nodes.
pub(crate) fn adapter(devnet: &Devnet, node: usize, request_timeout: Duration) -> JsonRpcLotus {
    let mut config = JsonRpcLotusConfig::new(devnet.urls().nodes[node].parse().unwrap());
    config.request_timeout = request_timeout;
    config.connect_timeout = request_timeout;
    JsonRpcLotus::new(config).unwrap()
}

/// Lets time pass until that epoch.
pub(crate) async fn advance_to(devnet: &Devnet, epoch: i64) {
    let span = ChainEpoch::new(epoch).since(devnet.head().epoch).get();
    if span > 0 {
        devnet.advance(u32::try_from(span).unwrap()).await;
    }
}
