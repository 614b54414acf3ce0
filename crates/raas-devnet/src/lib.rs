//! A simulated Filecoin served over the real wire protocols.
//!
//! One process, real sockets, nothing installed: a chain of tipsets with null rounds, deferred
//! execution and reorganisations, a market actor, miners whose sectors miss and recover proofs,
//! Lotus, Forest and gateway JSON-RPC, Ethereum JSON-RPC over a real EVM, an aggregator that packs
//! real pieces, and providers that serve them. A control API drives it, and makes nodes fail in the
//! ways in which real ones do. It keeps the chain's rules strictly enough that a wrong client fails
//! on it; it does not check proofs, signatures of blocks, or money.
//!
//! ```text
//!             ┌ /rpc/v1, /node/{i}/rpc/v1 ── rpc ──┬── chain ── deadlines, deals, sectors
//!  one server ┤                                    └── eth ──── EVM, logs, precompiles
//!             ├ /api, /ipfs ── aggregator ──> deals, pieces
//!             ├ /cid ── providers (IPNI)          │
//!             └ /devnet ── control                v
//!  a server each ───────── providers: /piece, /ipfs
//! ```
//!
//! Time moves by [`Devnet::advance`], by `POST /devnet/advance`, or by a clock of chosen speed
//! ([`DevnetConfig::epoch_every`]). The same seed and the same requests give the same history.
//!
//! Several nodes may serve the one world ([`DevnetConfig::nodes`]), each of its own [`NodeKind`] and
//! in its own [`RpcMode`].

mod aggregator;
mod chain;
mod config;
mod control;
mod devnet;
mod eth;
mod providers;
mod rpc;

pub use chain::{DealState, DealTruth};
pub use config::{CHAIN_ID, DevnetConfig, FUNDED_KEY, NodeConfig, NodeKind};
pub use control::{ControlError, Plant, ProviderAction, ProviderTruth};
pub use devnet::{AggregatorUrls, Devnet, DevnetError, Head, Urls};
pub use rpc::{Lie, RpcMode, Stats};
