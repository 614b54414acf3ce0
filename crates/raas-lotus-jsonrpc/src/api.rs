//! The calls that are made one at a time, and the names of those made in batches.
//!
//! Lotus wants parameters by position and exactly as many as it declares.

// The macro writes client methods that take every parameter by value and return long futures.
#![allow(clippy::too_many_arguments, missing_docs, reason = "written by jsonrpsee's macro")]

use jsonrpsee::proc_macros::rpc;

use crate::wire;

pub(crate) const VERSION: &str = "Filecoin.Version";
pub(crate) const CHAIN_GET_FINALIZED_TIPSET: &str = "Filecoin.ChainGetFinalizedTipSet";
pub(crate) const STATE_NETWORK_NAME: &str = "Filecoin.StateNetworkName";
pub(crate) const STATE_NETWORK_VERSION: &str = "Filecoin.StateNetworkVersion";
pub(crate) const STATE_MARKET_STORAGE_DEAL: &str = "Filecoin.StateMarketStorageDeal";
pub(crate) const STATE_SECTOR_PARTITION: &str = "Filecoin.StateSectorPartition";
pub(crate) const STATE_MINER_PARTITIONS: &str = "Filecoin.StateMinerPartitions";
pub(crate) const STATE_SECTOR_EXPIRATION: &str = "Filecoin.StateSectorExpiration";
pub(crate) const STATE_MINER_PROVING_DEADLINE: &str = "Filecoin.StateMinerProvingDeadline";
pub(crate) const STATE_CALL: &str = "Filecoin.StateCall";

#[rpc(client, namespace = "Filecoin", namespace_separator = ".")]
pub(crate) trait Filecoin {
    #[method(name = "ChainHead")]
    async fn chain_head(&self) -> RpcResult<wire::Tipset>;

    #[method(name = "ChainGetFinalizedTipSet")]
    async fn chain_get_finalized_tipset(&self) -> RpcResult<wire::Tipset>;

    /// Goes down to the tipset before where the epoch itself is a null round.
    #[method(name = "ChainGetTipSetByHeight")]
    async fn chain_get_tipset_by_height(
        &self,
        epoch: i64,
        below: wire::Key,
    ) -> RpcResult<wire::Tipset>;

    #[method(name = "StateNetworkName")]
    async fn state_network_name(&self) -> RpcResult<String>;

    #[method(name = "StateNetworkVersion")]
    async fn state_network_version(&self, at: wire::Key) -> RpcResult<u32>;

    #[method(name = "StateReadState")]
    async fn state_read_state(&self, actor: &str, at: wire::Key) -> RpcResult<wire::MarketState>;

    #[method(name = "SyncState")]
    async fn sync_state(&self) -> RpcResult<wire::SyncState>;
}

#[rpc(client, namespace = "eth")]
pub(crate) trait Eth {
    #[method(name = "syncing")]
    async fn syncing(&self) -> RpcResult<wire::EthSyncing>;
}
