//! [`Aggregator`](raas_aggregator::Aggregator) over the Lighthouse HTTP API.
//!
//! Lighthouse makes one deal for each upload or pin. It has no order ids, takes no wishes about
//! providers or copies, and does not say what a repeated pin does; [`LighthouseAggregator`] says so
//! in its capabilities and leaves the consequences to the runtime. Data it does not know is
//! uploaded as a stream, data it knows is pinned.
//!
//! No retries and no caching: the runtime's next pass is the retry. What is odd on the wire
//! (hexadecimal without `0x`, `dealId` null, providers as `f01000`, `t01000` or `1000`) ends in
//! the `wire` module. Downloads are not made here: [`LighthouseAggregator::gateway_url`] is an
//! address for the retrieval adapter.

mod client; // LighthouseAggregator: impl Aggregator
mod config; // LighthouseConfig, ApiKey
mod http; // requests within limits, and what their failures mean
mod merge; // one list of deals from two endpoints
mod upload; // the payload as a multipart stream
mod wire; // serde shapes as Lighthouse sends them

pub use client::LighthouseAggregator;
pub use config::{ApiKey, LighthouseConfig};
