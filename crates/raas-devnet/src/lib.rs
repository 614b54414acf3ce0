//! A simulated Filecoin served over the real wire protocols.
//!
//! One process, real sockets, nothing installed: a chain of tipsets with null rounds and deferred
//! execution, a market actor, miners whose sectors miss and recover proofs, Lotus JSON-RPC,
//! Ethereum JSON-RPC over a real EVM, an aggregator that packs real pieces, and providers that
//! serve them. A control API drives it. It keeps the chain's rules strictly enough that a wrong
//! client fails on it; it does not check proofs, signatures of blocks, or money.
//!
//! ```text
//!             ┌ /rpc/v1 ── rpc ──┬── chain ── deadlines, deals, sectors
//!  one server ┤                  └── eth ──── EVM, logs, precompiles that read the chain
//!             ├ /api, /ipfs ── aggregator ──> deals, pieces
//!             ├ /cid ── providers (IPNI)          │
//!             └ /devnet ── control                v
//!  a server each ───────── providers: /piece, /ipfs
//! ```
//!
//! Time moves by [`Devnet::advance`], by `POST /devnet/advance`, or by a clock of chosen speed
//! ([`DevnetConfig::epoch_every`]). The same seed and the same requests give the same history.

mod aggregator;
mod chain;
mod config;
mod control;
mod devnet;
mod eth;
mod providers;
mod rpc;

pub use chain::{DealState, DealTruth};
pub use config::{CHAIN_ID, DevnetConfig, FUNDED_KEY};
pub use control::{ControlError, ProviderAction, ProviderTruth};
pub use devnet::{AggregatorUrls, Devnet, DevnetError, Head, Urls};
pub use rpc::{RpcMode, Stats};
