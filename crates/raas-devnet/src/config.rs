//! What a devnet is made of.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use raas_types::{ChainEpoch, EpochDelta};
use serde::{Deserialize, Serialize};

/// The private key of the account that has funds unless another is named.
///
/// It is the first of the well-known development accounts that other local Ethereum nodes fund as
/// well (mnemonic "test test … junk"): everybody has it, so it must never hold anything of value.
pub const FUNDED_KEY: [u8; 32] = [
    0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
    0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80,
];

/// The EIP-155 chain id of Filecoin development networks.
pub const CHAIN_ID: u64 = 31_415_926;

/// The most providers: each has a server, and a listening socket, of its own.
pub(crate) const MAX_PROVIDERS: usize = 1_000;
/// The longest sealing: with the start at twice that, a deal still starts within a year.
pub(crate) const MAX_SEALING: i64 = EpochDelta::YEAR.get() / 2;

/// The most nodes over one world: enough for any quorum.
pub(crate) const MAX_NODES: usize = 100;

/// What kind of node answers: each has its own errors, limits and methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A Lotus full node: all methods, protocol errors with HTTP 500, exact parameter counts.
    #[default]
    Lotus,
    /// A Forest full node: its own error codes and texts, at most 100 entries in a batch.
    Forest,
    /// A lotus-gateway, as public endpoints run: no partition methods, 24 hours of look-back.
    Gateway,
}

/// One node over the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// What kind it is.
    #[serde(default)]
    pub kind: NodeKind,
    /// The bearer token it knows; it allows everything. Lotus and Forest let anybody read without
    /// one and answer HTTP 401 to any other; a gateway asks for it where there is one, as hosted
    /// endpoints do, and ignores tokens where there is none. Default: none.
    #[serde(default)]
    pub token: Option<String>,
}

/// Settings of a devnet. All state but the blobs is in memory: a devnet that is started again is a
/// new one.
#[derive(Clone, Debug)]
pub struct DevnetConfig {
    /// Where uploads and pieces are kept. Made when it is not there.
    pub dir: PathBuf,
    /// Where the one server for chain, aggregator, IPNI and control listens. Default: any free port
    /// of 127.0.0.1.
    pub listen: SocketAddr,
    /// Two devnets with the same seed and the same requests have the same history. Default: 0.
    pub seed: u64,
    /// How many storage providers there are; their ids begin at 1000. Default: 6.
    pub providers: usize,
    /// The epoch at which the world begins. Default: 6 300 000, which mainnet passed in 2026.
    pub start_epoch: ChainEpoch,
    /// Epochs from the publication of a deal to its activation. Default: 60.
    pub sealing_epochs: EpochDelta,
    /// Epochs from an order at the aggregator to the publication of its deal. Default: 60.
    pub aggregator_delay_epochs: EpochDelta,
    /// Epochs from start to end of the aggregator's deals. Default: 518 400, the shortest that the
    /// market takes.
    pub deal_duration: EpochDelta,
    /// How many epochs behind the head tipsets are final. Default: 30.
    pub finality_lag: EpochDelta,
    /// One round in so many is null, by the seed; 0 means none. Default: 20.
    pub null_every: u64,
    /// Wall time of an epoch. Default: none, and time stands still until it is advanced.
    pub epoch_every: Option<Duration>,
    /// The private key (secp256k1) of the account with funds. Default: [`FUNDED_KEY`].
    pub funded: [u8; 32],
    /// What `StateNetworkName` answers. Default: `devnet`.
    pub network_name: String,
    /// The epoch at which a proving period of every provider starts (and every 2880 epochs before
    /// and after). Default: none, and each provider has its own by the seed.
    pub period_start: Option<i64>,
    /// The nodes over this world, at least one. Node 0 answers at `/rpc/v1`, every node `i` at
    /// `/node/{i}/rpc/v1`. Default: one Lotus node without a token.
    pub nodes: Vec<NodeConfig>,
}

impl DevnetConfig {
    /// The defaults, with blobs under `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            providers: 6,
            start_epoch: ChainEpoch::new(6_300_000),
            sealing_epochs: EpochDelta::new(60),
            aggregator_delay_epochs: EpochDelta::new(60),
            deal_duration: EpochDelta::MIN_DEAL_DURATION,
            finality_lag: EpochDelta::new(30),
            null_every: 20,
            epoch_every: None,
            funded: FUNDED_KEY,
            network_name: "devnet".to_owned(),
            period_start: None,
            nodes: vec![NodeConfig::default()],
        }
    }
}
