//! Decides what a RaaS node should do next.
//!
//! Pure: no I/O, no clock, no randomness, no async. The caller observes the world at one pinned
//! tipset, calls [`plan`], and carries out the [`Plan`] it gets back.
//!
//! ```text
//! DealReading ---+
//! SectorReading -+-> verdict() --> Replica --+
//! DealMemory ----+                           +--> Observation --+
//!                     Order, AggregatorView -+                  +--> plan() --> Plan --> explain()
//!                                                        Jobs --+
//! ```
//!
//! # The model
//!
//! A CID wants a number of *slots*, each on a provider of its own. A slot is held by a replica that
//! lives, by one of which nothing can be said, by one still sealing, or by an outstanding order. The
//! deficit of a CID is computed once per look (`slots`), and each missing slot gets at most one
//! order, labelled by its cause: `renewal` goes first (a successor is ordered before the old deal
//! ends), then `repair` (a replica that was lost is replaced), then `replication` (there never
//! were enough). A replacement that comes to nothing replaces nothing (`succession`).
//!
//! # What [`plan`] promises, each pinned by a test in `tests/promises.rs`
//!
//! - The same inputs give the same plan; a satisfied job gives an empty one; planning twice before
//!   an ordered deal lands orders once; two jobs on one CID order once.
//! - What is not known is not lost: [`Unknown`](raas_types::Unknown) never causes spending.
//! - A loss is spent upon only once confirmed by a second look ([`CONFIRMATION`] epochs later).
//! - Renewal is make-before-break, one successor per deal and term.
//! - Every plan carries its reasons as data; [`explain`] makes sentences of them.
//!
//! What is *not* decided here: how to read the chain, when to wake, and how to send an order so
//! that a crash cannot send it twice. That is the runtime's.

mod aggregators;
mod explain;
mod memory;
mod observation;
mod plan;
mod reason;
mod record;
mod renewal;
mod repair;
mod replication;
mod slots;
mod succession;
mod terms;
mod verdict;

pub use aggregators::{FRUITLESS_LIMIT, RETRY_DELAY_MAX};
pub use explain::explain;
pub use memory::{CONFIRMATION, is_confirmed, is_stale, remember};
pub use observation::{AggregatorView, DataView, JobView, Observation, Replica};
pub use plan::{MAX_AGE, ORDER_POLL, Plan, Step, Urgency, plan};
pub use reason::Reason;
pub use terms::{MAX_TARGET, TermError, TermWarning, Wanted, check_terms, combine};
pub use verdict::{corroborate, judge, sector_of, verdict};
