//! [`JsonRpcLotus`]: the port, call by call.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use async_trait::async_trait;
use raas_lotus::{Error, Head, LotusChain, Result};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, ProviderId, RpcUsage, SectorId,
    SectorReading, Tipset, TipsetKey,
};
use tokio::sync::Mutex;

use crate::{
    api::{EthClient as _, FilecoinClient as _},
    bounded::Bounded,
    config::{JsonRpcLotusConfig, Token},
    error::Trouble,
    exchange::Line,
    known::Known,
    pace::Pace,
    sectors::{Deadlines, Place, ProviderNote},
    sizes::Sizes,
    tally::Tally,
    transport::{self, Batches, Client},
    wire,
};

/// Sectors whose place is remembered: a million, at some 40 bytes (a sector's id, 16; its place, 8;
/// a hash map's room for growth) 40 MB when all are used. Mainnet's largest client keeps fewer.
const MAX_PLACES: usize = 1_000_000;

/// Providers of which something is remembered; mainnet has some 6000 that ever stored anything.
const MAX_PROVIDERS: usize = 65_536;

/// A Lotus or Forest node, asked over JSON-RPC. Cheap to keep, safe to share; connections are made
/// when needed and kept.
pub struct JsonRpcLotus {
    pub(crate) endpoint: String,
    pub(crate) client: Client,
    pub(crate) batches: Batches,
    /// The number of the next item of a batch.
    pub(crate) numbers: AtomicU64,
    /// Requests that one reading keeps under way.
    pub(crate) in_flight: usize,
    pub(crate) max_response: usize,
    pub(crate) known: Known,
    pub(crate) sizes: Sizes,
    /// Where each sector was found last.
    pub(crate) places: Bounded<SectorId, Place>,
    pub(crate) providers: Bounded<ProviderId, ProviderNote>,
    /// What was read of whole deadlines at the tipset that is read at.
    pub(crate) deadlines: Deadlines,
    pub(crate) finality_fallback: EpochDelta,
    /// The epoch of the parents of the tipset that was read at last, where it could be asked for.
    parents: Mutex<Option<(TipsetKey, Option<ChainEpoch>)>>,
    pub(crate) line: Arc<Line>,
    token: Option<Token>,
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
        if let Some(complaint) = config.complaint() {
            return Err(refused(complaint));
        }
        let line = Arc::new(Line {
            pace: Pace::new(config.max_in_flight, config.requests_per_second),
            tally: Tally::default(),
            request_timeout: config.request_timeout,
            max_response: config.max_response,
        });
        let (client, batches) =
            transport::client(&config, &line).map_err(|reason| refused(&reason))?;
        Ok(Self {
            client,
            batches,
            numbers: AtomicU64::new(0),
            in_flight: config.in_flight_of_a_reading(),
            max_response: usize::try_from(config.max_response).unwrap_or(usize::MAX),
            known: Known::new(config.max_batch),
            sizes: Sizes::default(),
            places: Bounded::new(MAX_PLACES),
            providers: Bounded::new(MAX_PROVIDERS),
            deadlines: Deadlines::default(),
            parents: Mutex::default(),
            finality_fallback: config.finality_fallback,
            line,
            token: config.token,
            endpoint,
        })
    }

    /// The key to read at, or why there is none.
    pub(crate) fn key(&self, at: &Tipset) -> std::result::Result<wire::Key, String> {
        if at.key.blocks().is_empty() {
            // The node would take no key for its head, whatever that is by then.
            return Err(self.failure("the tipset has no key to read at"));
        }
        Ok(wire::Key::from(&at.key))
    }

    /// The endpoint says which network it is of. What is remembered of another's providers is wrong
    /// here.
    pub(crate) fn heard_of_network(&self, name: String) {
        if self.known.hear_network(&name) {
            tracing::warn!(endpoint = self.endpoint, network = name, "another network than before");
            self.places.clear();
            self.providers.clear();
        }
    }

    /// A reading's failure, under the endpoint's name.
    pub(crate) fn failure(&self, reason: impl fmt::Display) -> String {
        format!("{}: {}", self.endpoint, self.redact(&reason.to_string()))
    }

    pub(crate) fn error(&self, trouble: impl Into<Trouble>) -> Error {
        let trouble = trouble.into();
        self.known.doubt(&trouble);
        let mut error = trouble.into_error(&self.endpoint);
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

    /// What the node knows itself to be synchronising with. One that cannot be asked for it counts as
    /// in sync; one that is not heard does not.
    async fn sync_target(&self) -> Result<SyncTarget> {
        match self.client.sync_state().await.map_err(Trouble::from) {
            Ok(state) => return Ok(SyncTarget::State(state)),
            Err(Trouble::Rpc { .. } | Trouble::Garbled(_)) => {}
            Err(trouble) => return Err(self.error(trouble)),
        }
        // Forest has no SyncState, and no eth_syncing either while it does not synchronise.
        match self.client.syncing().await.map_err(Trouble::from) {
            Ok(syncing) => Ok(SyncTarget::Behind(syncing.behind())),
            Err(Trouble::Rpc { .. } | Trouble::Garbled(_)) => {
                Ok(SyncTarget::Behind(EpochDelta::ZERO))
            }
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    /// The epoch of a tipset's parents, which lies further back where rounds were null; `None` where
    /// it cannot be asked for. Asked for once at a tipset, however that ends: who comes meanwhile waits.
    pub(crate) async fn epoch_of_parents(&self, at: &Tipset) -> Option<ChainEpoch> {
        let mut known = self.parents.lock().await;
        if let Some((key, epoch)) = &*known
            && *key == at.key
        {
            return *epoch;
        }
        let before = at.epoch - EpochDelta::new(1);
        let parents = self.tipset_below(before, wire::Key::from(&at.key)).await;
        if let Err(why) = &parents {
            tracing::debug!(%why, "a tipset's parents cannot be asked for");
        }
        let epoch = parents.ok().map(|parents| parents.epoch);
        *known = Some((at.key.clone(), epoch));
        epoch
    }

    /// The tipset that is final because nothing so far below the head is ever reorganised.
    async fn final_by_distance(&self) -> Result<Tipset> {
        let head = self.client.chain_head().await.map_err(|e| self.error(e))?;
        let head = self.tipset(head)?;
        let epoch = (head.epoch - self.finality_fallback).max(ChainEpoch::GENESIS);
        self.tipset_below(epoch, wire::Key::from(&head.key)).await
    }

    /// The tipset of an epoch, or the last one before it, on the chain of this key.
    async fn tipset_below(&self, epoch: ChainEpoch, below: wire::Key) -> Result<Tipset> {
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
        let name = async { self.client.state_network_name().await.map_err(|e| self.error(e)) };
        let version = self.client.state_network_version(wire::Key::HEAD);
        let version = async { version.await.map_err(|e| self.error(e)) };
        let (name, version) = futures::try_join!(name, version)?;
        self.heard_of_network(name.clone());
        self.known.learn(|facts| facts.network_version = Some(version));
        Ok(Network { name, version })
    }

    async fn head(&self) -> Result<Head> {
        let tipset = async { self.client.chain_head().await.map_err(|e| self.error(e)) };
        let (tipset, target) = futures::try_join!(tipset, self.sync_target())?;
        let tipset = self.tipset(tipset)?;
        let behind = target.behind(tipset.epoch);
        Ok(Head { tipset, behind })
    }

    async fn finalized(&self) -> Result<Tipset> {
        if self.known.facts().names_final == Some(false) {
            return self.final_by_distance().await;
        }
        match self.client.chain_get_finalized_tipset().await.map_err(Trouble::from) {
            Ok(tipset) => self.tipset(tipset),
            // Lotus before 1.34.
            Err(trouble) if trouble.is_missing_method() => {
                self.known.learn(|facts| facts.names_final = Some(false));
                self.final_by_distance().await
            }
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        self.tipset_below(epoch, wire::Key::HEAD).await
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.read_deals(ids, at).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.read_sectors(ids, at).await
    }

    fn usage(&self) -> RpcUsage {
        self.line.tally.so_far()
    }
}

/// How far a node has to go.
enum SyncTarget {
    State(wire::SyncState),
    Behind(EpochDelta),
}

impl SyncTarget {
    fn behind(&self, head: ChainEpoch) -> EpochDelta {
        match self {
            Self::State(state) => state.behind(head),
            Self::Behind(behind) => *behind,
        }
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
