//! A running devnet: its parts put together, started and stopped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use axum::Router;
use raas_types::ChainEpoch;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    aggregator::{Aggregator, AggregatorConfig, AggregatorPatch},
    chain::{ChainView as _, Clock, DealTruth, Forks, SharedWorld, World, WorldConfig, lock},
    config::{CHAIN_ID, DevnetConfig, MAX_NODES, MAX_PROVIDERS, MAX_SEALING},
    control::{self, ControlError},
    eth::{Eth, EthConfig},
    providers::Providers,
    rpc::{Endpoint, RpcMode, Stats},
};

/// Mainnet's genesis, so that epochs and times go together as they do there.
const GENESIS_TIMESTAMP: i64 = 1_598_306_400;
/// "FireHorse", the network version of mainnet since epoch 6 052 800.
const NETWORK_VERSION: u32 = 28;
/// Few, so that small worlds have more than one partition a deadline.
const PARTITION_SIZE: usize = 2;
/// Deal ids begin here. A client that takes an index for an id fails.
const FIRST_DEAL: u64 = 100_000;
/// How long requests in progress may take when the devnet stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A devnet that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// A setting makes no sense; the text says which and what would.
    #[error("{0}")]
    Config(String),
    /// A directory or socket cannot be had.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Where a devnet answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The server itself; `/devnet/…` is under it.
    pub base: String,
    /// JSON-RPC of node 0, which is a Lotus node unless configured otherwise.
    pub lotus: String,
    /// JSON-RPC of every node, in their order; the first is node 0 under its second address.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Ethereum JSON-RPC: the same endpoint, as on Lotus.
    pub eth: String,
    /// The aggregator's services.
    pub aggregator: AggregatorUrls,
    /// The IPNI endpoint; `/cid/{cid}` is under it.
    pub ipni: String,
}

/// Where the aggregator's services answer; Lighthouse has a host for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregatorUrls {
    /// `/api/lighthouse/…` is under it.
    pub api: String,
    /// `/api/v0/add` is under it.
    pub upload: String,
    /// `/ipfs/{cid}` is under it.
    pub gateway: String,
}

/// Where the chain has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The present epoch; this round may be null.
    pub epoch: ChainEpoch,
    /// The epoch of the heaviest tipset.
    pub head: ChainEpoch,
    /// The epoch of the last final tipset.
    pub finalized: ChainEpoch,
    /// The block CIDs of the heaviest tipset.
    pub key: Vec<String>,
}

/// A simulated Filecoin that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Devnet {
    urls: Urls,
    funded: [u8; 32],
    parts: Parts,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

/// What the control methods act on; clones are the same parts.
#[derive(Clone)]
pub(crate) struct Parts {
    pub world: SharedWorld,
    /// One for each configured node; there is at least one.
    pub nodes: Vec<Endpoint>,
    pub aggregator: Aggregator,
    pub providers: Providers,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("epoch", &lock(&self.world).now()).finish_non_exhaustive()
    }
}

impl Devnet {
    /// Starts all servers; they answer when this returns.
    pub async fn start(config: DevnetConfig) -> Result<Self, DevnetError> {
        let world = world_config(&config)?;
        let signer = PrivateKeySigner::from_slice(&config.funded).map_err(|error| {
            DevnetError::Config(format!("the funded key is no secp256k1 private key: {error}"))
        })?;
        let dir = tokio::fs::create_dir_all(&config.dir).await;
        dir.map_err(|source| io_error(format!("making {}", config.dir.display()), source))?;
        let listener = TcpListener::bind(config.listen).await;
        let listener =
            listener.map_err(|e| io_error(format!("listening on {}", config.listen), e))?;
        let addr = listener.local_addr().map_err(|e| io_error("listening", e))?;

        let mut world = World::new(world);
        world.set_evm(Box::new(Eth::new(EthConfig {
            chain_id: CHAIN_ID,
            funded: vec![signer.address().into_array()],
        })));
        let stop = CancellationToken::new();
        let parts = start_parts(Arc::new(Mutex::new(world)), &config, &stop).await?;
        if let Some(every) = config.epoch_every {
            tokio::spawn(tick(parts.clone(), every, stop.clone()));
        }
        let server = serve(listener, router(&parts), stop.clone());
        let server = Some(tokio::spawn(server));
        Ok(Self { urls: urls(addr, parts.nodes.len()), funded: config.funded, parts, stop, server })
    }

    /// Where it answers.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// The private key of the account with funds.
    pub fn funded_key(&self) -> [u8; 32] {
        self.funded
    }

    /// Lets epochs pass. Orders that the aggregator has taken are packed before.
    pub async fn advance(&self, epochs: u32) -> Head {
        self.parts.advance(epochs).await
    }

    /// Where the chain has come to.
    pub fn head(&self) -> Head {
        self.parts.head()
    }

    /// Ground truth: every deal there ever was, in the order of ids.
    pub fn deals(&self) -> Vec<DealTruth> {
        lock(&self.parts.world).ground_truth()
    }

    /// What node 0 was asked.
    pub fn stats(&self) -> Stats {
        self.parts.node_zero().stats()
    }

    /// What that node was asked; `None` when there is no such node.
    pub fn node_stats(&self, node: usize) -> Option<Stats> {
        self.parts.nodes.get(node).map(Endpoint::stats)
    }

    /// How node 0 does.
    pub fn rpc_mode(&self) -> RpcMode {
        self.parts.node_zero().mode()
    }

    /// How that node does; `None` when there is no such node.
    pub fn node_mode(&self, node: usize) -> Option<RpcMode> {
        self.parts.nodes.get(node).map(Endpoint::mode)
    }

    /// Makes node 0 do so from the next request on.
    pub fn set_rpc_mode(&self, mode: RpcMode) {
        self.parts.node_zero().set_mode(mode);
    }

    /// Makes that node do so from the next request on.
    pub fn set_node_mode(&self, node: usize, mode: RpcMode) -> Result<(), ControlError> {
        self.parts.node(node)?.set_mode(mode);
        Ok(())
    }

    /// Stops all servers; requests in progress get five seconds.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let Some(mut server) = self.server.take() else { return };
        if tokio::time::timeout(DRAIN, &mut server).await.is_err() {
            server.abort();
        }
    }

    /// What control acts on.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Parts {
    /// The first node.
    pub(crate) fn node_zero(&self) -> &Endpoint {
        // Starting refuses a devnet without nodes.
        &self.nodes[0]
    }

    /// The node of that number.
    pub(crate) fn node(&self, node: usize) -> Result<&Endpoint, ControlError> {
        self.nodes.get(node).ok_or(ControlError::UnknownNode { node, nodes: self.nodes.len() })
    }

    /// Lets epochs pass.
    pub(crate) async fn advance(&self, epochs: u32) -> Head {
        self.aggregator.idle().await;
        let parts = self.clone();
        let moved = tokio::task::spawn_blocking(move || {
            lock(&parts.world).advance(i64::from(epochs));
        });
        if let Err(error) = moved.await {
            tracing::error!(%error, "the world did not advance");
        }
        self.head()
    }

    /// Where the chain has come to.
    pub(crate) fn head(&self) -> Head {
        let world = lock(&self.world);
        let view = world.view();
        let head = view.head_epoch();
        Head {
            epoch: ChainEpoch::new(world.now()),
            head: ChainEpoch::new(head),
            finalized: ChainEpoch::new(view.finalized()),
            key: view.key(head).iter().map(ToString::to_string).collect(),
        }
    }
}

fn world_config(config: &DevnetConfig) -> Result<WorldConfig, DevnetError> {
    let check = |holds: bool, message: &str| match holds {
        true => Ok(()),
        false => Err(DevnetError::Config(message.to_owned())),
    };
    check(
        (1..=MAX_PROVIDERS).contains(&config.providers),
        "providers: write a number from 1 to 1000",
    )?;
    check(
        (0..=MAX_SEALING).contains(&config.sealing_epochs.get()),
        "sealing_epochs: write a number from 0 to half a year",
    )?;
    check(
        config.start_epoch.get() > config.finality_lag.get() && config.finality_lag.get() >= 0,
        "finality_lag must not be negative, and start_epoch must lie beyond it",
    )?;
    check(
        config.null_every != 1,
        "null_every: with 1 every round would be null; write 0 for none, or at least 2",
    )?;
    check(
        (1..=MAX_NODES).contains(&config.nodes.len()),
        "nodes: write 1 to 100 of them; node 0 is what answers at /rpc/v1",
    )?;
    Ok(WorldConfig {
        clock: Clock {
            seed: config.seed,
            null_every: config.null_every,
            genesis_timestamp: GENESIS_TIMESTAMP,
            start_epoch: config.start_epoch.get(),
            forks: Forks::default(),
        },
        network_name: config.network_name.clone(),
        network_version: NETWORK_VERSION,
        chain_id: CHAIN_ID,
        providers: config.providers as u64,
        sealing_epochs: config.sealing_epochs.get(),
        finality_lag: config.finality_lag.get(),
        partition_size: PARTITION_SIZE,
        first_deal: FIRST_DEAL,
        period_start: config.period_start,
    })
}

async fn start_parts(
    world: SharedWorld,
    config: &DevnetConfig,
    stop: &CancellationToken,
) -> Result<Parts, DevnetError> {
    let providers = Providers::start(world.clone()).await;
    let providers = providers.map_err(|e| io_error("starting the providers' servers", e))?;
    let aggregator = Aggregator::start(
        AggregatorConfig { dir: config.dir.clone(), seed: config.seed, api_key: None },
        world.clone(),
        providers.clone(),
    );
    let aggregator = aggregator.await.map_err(|e| io_error("starting the aggregator", e))?;
    let patch = AggregatorPatch {
        delay_epochs: Some(config.aggregator_delay_epochs.get()),
        duration_epochs: Some(config.deal_duration.get()),
        ..AggregatorPatch::default()
    };
    aggregator.configure(patch).map_err(|error| DevnetError::Config(error.to_string()))?;
    let nodes = config.nodes.iter().cloned();
    let nodes = nodes.map(|node| Endpoint::new(world.clone(), node, stop.clone())).collect();
    Ok(Parts { world, nodes, aggregator, providers })
}

fn router(parts: &Parts) -> Router {
    let nodes = parts.nodes.iter().enumerate().map(|(i, node)| node.router(&format!("/node/{i}")));
    nodes
        .fold(control::router(parts.clone()), Router::merge)
        .merge(parts.node_zero().router(""))
        .merge(parts.aggregator.router())
        .merge(parts.providers.router())
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let serve = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serve.await {
        tracing::error!(%error, "the devnet's server ended");
    }
}

async fn tick(parts: Parts, every: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once; the first epoch passes after its time.
    ticks.tick().await;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        parts.advance(1).await;
    }
}

fn urls(mut addr: SocketAddr, nodes: usize) -> Urls {
    // Listening on all interfaces is no address to connect to.
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let base = format!("http://{addr}");
    let lotus = format!("{base}/rpc/v1");
    Urls {
        eth: lotus.clone(),
        lotus,
        nodes: (0..nodes).map(|node| format!("{base}/node/{node}/rpc/v1")).collect(),
        aggregator: AggregatorUrls {
            api: base.clone(),
            upload: base.clone(),
            gateway: base.clone(),
        },
        ipni: base.clone(),
        base,
    }
}

fn io_error(what: impl Into<String>, source: io::Error) -> DevnetError {
    DevnetError::Io { what: what.into(), source }
}
