//! [`LotusChain`](raas_lotus::LotusChain) over Lotus JSON-RPC, for Lotus and Forest.
//!
//! Talks to one endpoint with jsonrpsee: deals and sectors in JSON-RPC batches, everything at the
//! tipset key given. No retries and no caching: the runtime's next pass is the retry. Sentinel
//! values on the wire (`-1` epochs, `"t01000"`, run-length bitfields) become proper types in `wire`
//! and are seen nowhere else.
//!
//! jsonrpsee's HTTP client expects what its own server does, and Lotus differs twice; two small
//! layers make up for it (`transport`):
//!
//! - Lotus answers HTTP 500 or 400 for a batch in which *one* element is at fault, with the whole
//!   answer in the body. jsonrpsee would drop the body.
//! - A batch may come back short, or with ids that nobody asked with. jsonrpsee would give the whole
//!   batch up; here the items without exactly one reply fail and the others stand.
//!
//! Needs a node's own API (`/rpc/v1`): public gateways lack the partition methods by which sectors
//! are judged, and answer [`Error::Refused`](raas_lotus::Error::Refused) or failed items for them.
//!
//! ```
//! use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig, Token};
//!
//! let mut config = JsonRpcLotusConfig::new("http://127.0.0.1:1234/rpc/v1".parse()?);
//! config.token = Some(Token::new("eyJhbGciOi..."));
//! let lotus = JsonRpcLotus::new(config)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Tested against replies in `testdata/lotus/`, recorded exchanges of a Forest node where they are
//! at hand, the devnet over a socket with the suite of `raas-lotus`, and servers that misbehave.

mod api; // one method per Lotus call
mod ask; // many questions of one kind, in batches
mod client; // JsonRpcLotus: impl LotusChain
mod config;
mod deals;
mod error; // private detail, converted to raas_lotus::Error
mod sectors;
mod transport; // where Lotus differs from what jsonrpsee expects
mod wire; // serde shapes as Lotus sends them

pub use client::JsonRpcLotus;
pub use config::{JsonRpcLotusConfig, Token};
