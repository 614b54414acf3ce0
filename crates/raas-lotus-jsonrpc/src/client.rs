//! [`JsonRpcLotus`]: the port, call by call.

use std::fmt;

use async_trait::async_trait;
use raas_lotus::{Error, Head, LotusChain, Result};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, SectorId, SectorReading, Tipset,
};

use crate::{
    api::{EthClient as _, FilecoinClient as _},
    ask::Asking,
    config::{JsonRpcLotusConfig, MAX_BATCH, Token},
    error::Trouble,
    transport::{self, Client},
    wire,
};

/// A Lotus or Forest node, asked over JSON-RPC. Cheap to keep, safe to share; connections are made
/// when needed and kept.
pub struct JsonRpcLotus {
    pub(crate) endpoint: String,
    pub(crate) client: Client,
    pub(crate) max_batch: usize,
    pub(crate) max_in_flight: usize,
    token: Option<Token>,
    finality_fallback: EpochDelta,
}

impl JsonRpcLotus {
    /// Prepares to ask an endpoint; asks nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the configuration cannot work, saying what to change.
    pub fn new(config: JsonRpcLotusConfig) -> Result<Self> {
        let endpoint = endpoint(&config);
        let refused =
            |reason: &str| Error::Refused { endpoint: endpoint.clone(), reason: reason.to_owned() };
        if !matches!(config.url.scheme(), "http" | "https") {
            return Err(refused("the URL must begin with http:// or https://"));
        }
        if !(1..=MAX_BATCH).contains(&config.max_batch) {
            return Err(refused("max_batch must be 1 to 100"));
        }
        if config.max_in_flight == 0 {
            return Err(refused("max_in_flight must be at least 1"));
        }
        if config.finality_fallback < EpochDelta::ZERO {
            return Err(refused("finality_fallback must not be negative"));
        }
        let client = transport::client(&config).map_err(|reason| refused(&reason))?;
        Ok(Self {
            client,
            max_batch: config.max_batch,
            max_in_flight: config.max_in_flight,
            finality_fallback: config.finality_fallback,
            token: config.token,
            endpoint,
        })
    }

    /// A reading that sends its batches to this endpoint.
    pub(crate) fn asking(&self) -> Asking<'_> {
        Asking::new(&self.client, self.max_in_flight)
    }

    /// A reading's failure, under the endpoint's name.
    pub(crate) fn failure(&self, reason: impl fmt::Display) -> String {
        format!("{}: {}", self.endpoint, self.redact(&reason.to_string()))
    }

    fn error(&self, trouble: impl Into<Trouble>) -> Error {
        let mut error = trouble.into().into_error(&self.endpoint);
        let (Error::Unavailable { reason, .. }
        | Error::Refused { reason, .. }
        | Error::Malformed { reason, .. }) = &mut error;
        *reason = self.redact(reason);
        error
    }

    /// What an endpoint says may quote the request that it did not like.
    fn redact(&self, said: &str) -> String {
        match &self.token {
            Some(token) if !token.expose().is_empty() => said.replace(token.expose(), "***"),
            _ => said.to_owned(),
        }
    }

    fn tipset(&self, tipset: wire::Tipset) -> Result<Tipset> {
        let malformed = |reason| Error::Malformed { endpoint: self.endpoint.clone(), reason };
        tipset.try_into().map_err(malformed)
    }

    /// How far the node knows itself to be behind, by what it is synchronising with. A node that
    /// cannot be asked for it counts as in sync; one that is not heard does not.
    async fn behind(&self, head: ChainEpoch) -> Result<EpochDelta> {
        match self.client.sync_state().await.map_err(Trouble::from) {
            Ok(state) => return Ok(state.behind(head)),
            Err(Trouble::Rpc { .. } | Trouble::Garbled(_)) => {}
            Err(trouble) => return Err(self.error(trouble)),
        }
        // Forest has no SyncState, and no eth_syncing either while it does not synchronise.
        match self.client.syncing().await.map_err(Trouble::from) {
            Ok(syncing) => Ok(syncing.behind()),
            Err(Trouble::Rpc { .. } | Trouble::Garbled(_)) => Ok(EpochDelta::ZERO),
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    /// The tipset that is final because nothing so far below the head is ever reorganised.
    async fn final_by_distance(&self) -> Result<Tipset> {
        let head = self.client.chain_head().await.map_err(|e| self.error(e))?;
        let head = self.tipset(head)?;
        let epoch = (head.epoch - self.finality_fallback).max(ChainEpoch::GENESIS);
        let below = wire::Key::from(&head.key);
        let tipset = self.client.chain_get_tipset_by_height(epoch.get(), below).await;
        let tipset = self.tipset(tipset.map_err(|e| self.error(e))?)?;
        if tipset.epoch > epoch {
            let reason = format!("asked for epoch {epoch}, got a tipset of {}", tipset.epoch);
            return Err(Error::Malformed { endpoint: self.endpoint.clone(), reason });
        }
        Ok(tipset)
    }
}

impl fmt::Debug for JsonRpcLotus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRpcLotus").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[async_trait]
impl LotusChain for JsonRpcLotus {
    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    async fn network(&self) -> Result<Network> {
        let name = self.client.state_network_name().await.map_err(|e| self.error(e))?;
        let version = self.client.state_network_version(wire::Key::HEAD).await;
        Ok(Network { name, version: version.map_err(|e| self.error(e))? })
    }

    async fn head(&self) -> Result<Head> {
        let tipset = self.client.chain_head().await.map_err(|e| self.error(e))?;
        let tipset = self.tipset(tipset)?;
        let behind = self.behind(tipset.epoch).await?;
        Ok(Head { tipset, behind })
    }

    async fn finalized(&self) -> Result<Tipset> {
        match self.client.chain_get_finalized_tipset().await.map_err(Trouble::from) {
            Ok(tipset) => self.tipset(tipset),
            // Lotus before 1.34.
            Err(trouble) if trouble.is_missing_method() => self.final_by_distance().await,
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.read_deals(ids, at).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.read_sectors(ids, at).await
    }
}

/// Host and port: a URL may hold a password or a key.
fn endpoint(config: &JsonRpcLotusConfig) -> String {
    let host = config.url.host_str().unwrap_or("an endpoint without a host");
    match config.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
