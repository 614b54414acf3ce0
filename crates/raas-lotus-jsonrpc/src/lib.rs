//! [`LotusChain`](raas_lotus::LotusChain) over Lotus JSON-RPC: for Lotus, for Forest, and for the
//! gateways that public endpoints run.
//!
//! Talks to one endpoint with jsonrpsee: deals and sectors in JSON-RPC batches, everything at the
//! tipset key given. Sentinel values on the wire (`-1` epochs, `"t01000"`, run-length bitfields, CBOR)
//! become proper types in `wire` and are seen nowhere else.
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
//! # What an endpoint can do
//!
//! Is found out by asking it, remembered, and forgotten when it is in doubt or an hour old. Nobody has
//! to ask for all of it first:
//!
//! | call | finds out before it does its work | learns from what it meets |
//! |---|---|---|
//! | [`capabilities`](JsonRpcLotus::capabilities) | everything: a dozen calls, and a batch of each size tried | |
//! | a reading of sectors | how sectors are read, in one batch of at most six calls | the size of batches |
//! | a reading of deals | nothing | the size of batches |
//! | `finalized` | nothing | whether the final tipset is named, or found by distance |
//! | `network` | nothing | name and version |
//!
//! A batch that is refused for its size, and says so, is asked again in halves, and no batch after it
//! is as large. One that is refused and does not say why (HTTP 400) is asked again in parts as well; what
//! size the endpoint takes is then found out with calls that nobody can object to, once in a reading, so
//! that one item which a proxy does not like costs no other reading its batches. What else differs
//! between kinds of nodes (codes, texts, `null`) is read in each answer, whoever gave it.
//!
//! Sectors are read in the cheapest way that there is:
//!
//! | endpoint | way | start of a fault |
//! |---|---|---|
//! | a full node's own API | partitions of each (provider, deadline), shared by the sectors there | exact |
//! | a gateway, network version 28 and above | `StateCall` of `GenerateSectorLocation`, a call a sector | by observation |
//! | a gateway before that | none: every sector fails, and says why | |
//!
//! # No retries, and no answer for another tipset
//!
//! The runtime's next pass is the retry. Three things are asked twice, as what came first was no answer:
//! a request that met *429 Too Many Requests*, once more after the pause when that is short; a batch that
//! was refused or answered with too much, in parts; and where a sector lies, when the
//! partitions there do not hold it.
//!
//! What was read at a tipset cannot change there. A pass reads at one tipset, in many readings that touch
//! the same deadlines, so the partitions of a deadline are kept until another tipset is read at; so is
//! the epoch of that tipset's parents, by which a deadline's end that null rounds hide is told from one
//! that shows. Nothing of it is said at another tipset, and no answer that failed is kept.
//!
//! What only helps to ask less is kept between tipsets: where each sector was found, which the
//! partition itself confirms each time, and when each provider's proving periods start, which never
//! changes. So a first reading of sectors takes a call for each sector, each (provider, deadline),
//! each provider and each faulty sector; at the next tipset, one for each (provider, deadline) and each
//! faulty sector, and one in all where a deadline has ended in the last ten epochs; once more at that
//! tipset, one for each faulty sector.
//!
//! # What it bounds
//!
//! Requests in flight and per second, the time of each, those that wait, the size of answers, and
//! what is remembered. An endpoint that hangs, trickles, breaks off or talks nonsense makes items
//! fail, each with its reason; it never makes one *not found*, and the next reading with the same
//! client is none the worse for it.
//!
//! # Where Lotus differs from what jsonrpsee expects
//!
//! Two small layers make up for it (`exchange`, `transport`):
//!
//! - Lotus answers HTTP 500 or 400 for a batch in which *one* element is at fault, with the whole
//!   answer in the body. jsonrpsee would drop the body.
//! - A batch may come back short, or with ids that nobody asked with. jsonrpsee would give the whole
//!   batch up; here the items without exactly one reply fail and the others stand.
//!
//! Tested against replies in `testdata/lotus/`, recorded exchanges of a Forest node where they are
//! at hand, the devnet's three kinds of nodes over sockets with the suite of `raas-lotus`, servers
//! that misbehave in every way we could think of, and random bytes.

mod api; // one method per Lotus call
mod ask;
mod batch; // many questions of one kind, in batches
mod bounded; // a map that forgets
mod capabilities; // what the endpoint can do
mod client; // JsonRpcLotus: impl LotusChain
mod config;
mod deals;
mod error; // private detail, converted to raas_lotus::Error
mod exchange; // one HTTP exchange: turn, time, 429, counting
mod known; // what is known of the endpoint, and when it is doubted
mod pace; // when the next request may go
mod probe; // finding out what it can do
mod sectors; // by partitions, or one by one
mod sizes; // batches that were too slow
mod tally; // what was asked
mod transport; // where Lotus differs from what jsonrpsee expects
mod wire; // serde shapes as Lotus sends them

#[cfg(test)]
mod fuzz; // every decoder against whatever a server may send

pub use capabilities::{
    Capabilities, Dialect, FaultDating, FinalitySource, LookBack, SectorAccess,
};
pub use client::JsonRpcLotus;
pub use config::{JsonRpcLotusConfig, Token};
