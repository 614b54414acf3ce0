//! [`DataSource`](raas_retrieval::DataSource) over HTTP: trustless gateways, piece retrieval, and
//! IPNI to find who has what.
//!
//! [`GatewaySource`] asks one gateway that the operator named. [`IpniSource`] asks an index who
//! holds the CID, or a piece that holds it, and then each of them in turn, at `/ipfs/` and at
//! `/piece/`. Whatever is answered goes through a `Staging`, which believes nothing.
//!
//! Addresses from an index are written by strangers. [`AddressPolicy`] refuses those that are not
//! public, also behind a name, unless the operator allowed them; redirects are never followed; and
//! every request has limits on time, size and rate ([`ClientOptions`]). Bitswap, graphsync and
//! payment are left out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod address;
mod client;
mod error;
mod find;
mod gateway;
mod ipni;
mod multiaddr;
mod piece;

pub use address::AddressPolicy;
pub use client::ClientOptions;
pub use error::HttpError;
pub use gateway::GatewaySource;
pub use ipni::IpniSource;
