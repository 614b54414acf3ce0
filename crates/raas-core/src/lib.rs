//! Decides what a RaaS node should do next.
//!
//! Pure: no I/O, no clock, no randomness, no async. The caller observes the world at one pinned
//! tipset, calls [`plan`], and carries out the [`Plan`] it gets back.
//!
//! ```text
//! DealReading ---+
//! SectorReading -+-> verdict() --> Replica --+
//! DealMemory ----+       |                   |
//!                        |  ProviderBook ----+--> Observation --+
//!                        |  Order -----------+                  |
//!                        |  AggregatorView --+                  +--> plan() --> Plan --> explain()
//!                        |                                      |
//!                        |      Jobs --> combine() --> Wanted --+
//!                        v
//!                    Sighting --> Breaker::after() --> spend, or stop and say why
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
//! # Where a rule lives
//!
//! | question | module |
//! |---|---|
//! | what is true of a replica, and what is remembered of it | `verdict`, `memory` |
//! | what all jobs on a CID want together; whether terms make sense | `wanted`, `terms` |
//! | who holds a slot, and why another does not | `slots`, `sorting`, `succession` |
//! | what is ordered for a missing slot | `renewal`, `repair`, `replication` |
//! | with whom, and with whom not | `aggregators`, `placement` |
//! | how much in a day | `budget` |
//! | what goes first | `urgency`, `risk` |
//! | what is not believed | `breaker` |
//! | what is written to the contract | `record` |
//! | the look at a CID that lacks nothing | `satisfied` |
//! | why, as data and in words | `reason`, `explain` |
//!
//! # What [`plan`] promises, each pinned by a test in `tests/`
//!
//! - The same inputs give the same plan; a satisfied job gives an empty one, without allocating;
//!   planning twice before an ordered deal lands orders once; two jobs on one CID order once.
//! - What is not known is not lost: [`Unknown`](raas_types::Unknown) never causes spending.
//! - A loss is spent upon only once confirmed by a second look ([`CONFIRMATION`] epochs later).
//! - Renewal is make-before-break, one successor per deal and term; the successor may be where the
//!   old deal is.
//! - No more than the maximum is ever ordered, no more than the budget allows in a day, and never
//!   from whom the terms exclude. A replica beyond a cap or with an excluded provider is replaced
//!   beside itself, and left to lapse.
//! - Who brings nothing is asked ever more rarely, whatever it is that it ignores
//!   ([`RETRY_DELAY_MAX`]).
//! - A worse world never yields less care: not fewer orders, and not less urgent ones ([`Risk`]).
//! - Every plan carries its reasons as data; [`explain`] makes sentences of them.
//!
//! The [`Breaker`] stops spending when more seems to die within a day than is plausible, and says
//! why; a slow trickle never trips it, what is not known neither trips nor heals it.
//!
//! What is *not* decided here: how to read the chain, when to wake, and how to send an order so
//! that a crash cannot send it twice. That is the runtime's.

mod aggregators;
mod breaker;
mod budget;
mod explain;
mod memory;
mod observation;
mod placement;
mod plan;
mod reason;
mod record;
mod renewal;
mod repair;
mod replication;
mod risk;
mod satisfied;
mod slots;
mod sorting;
mod succession;
mod terms;
mod urgency;
mod verdict;
mod wanted;

pub use aggregators::{FRUITLESS_LIMIT, RETRY_DELAY_MAX};
pub use breaker::{BREAKER_WINDOW, Breaker, BreakerLimits, Implausible, Sighting, Tripped};
pub use explain::explain;
pub use memory::{CONFIRMATION, is_confirmed, is_stale, last_known, remember};
pub use observation::{AggregatorView, DataView, JobView, Observation, Replica};
pub use placement::COOLING;
pub use plan::{MAX_AGE, ORDER_POLL, Plan, Reasons, Step, plan};
pub use reason::Reason;
pub use risk::Risk;
pub use terms::{MAX_TARGET, TermError, TermWarning, check_terms};
pub use urgency::{Lane, SLOW_LANE, Trouble, Urgency, Waiting};
pub use verdict::{corroborate, judge, sector_of, verdict};
pub use wanted::{Wanted, combine};
