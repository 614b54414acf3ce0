//! Years of trouble in minutes: a deterministic simulation of RaaS nodes.
//!
//! A *seed* is a world: a chain with reorganisations and rounds without a block, endpoints that lag, fork
//! and lie, providers that fail alone and together, aggregators of several natures, clients with data.
//! In it the real runtime and the real planner run over fakes of the ports, on a paused clock and one
//! thread, and die at any call of a port. After every step the promises of the planner and the runtime
//! are held against what is true.
//!
//! ```text
//! rng ──> weather ──> world ──────> ports ──> keeper (ours: Node, or a rival's rules)
//!                       │             │          │
//!                       ├──> ledger   │          │
//!                       └─────────────┴──> invariants ──> chronicle, story
//! ```
//!
//! The same worlds can be given into the hands of models of other systems' rules, to compare what became
//! of the data and what it cost ([`compare`](fn@compare)); the ledger counts that by what is true, the same for
//! all.
//!
//! The same seed gives the same history to the byte: no wall clock, no order of a hash map, no threads,
//! no chance but that of [`rng`](crate). A seed that breaks a promise is shrunk to a short story and the
//! command that tells it again.

mod chronicle;
mod compare;
mod invariants;
mod keeper;
mod ledger;
mod options;
mod ours;
mod plant;
mod play;
mod ports;
mod rivals;
mod rng;
mod run;
mod shrink;
mod tally;
mod weather;
mod world;

pub use compare::{Comparison, Row, compare};
pub use invariants::{Invariant, Violation};
pub use options::{Options, Policy, Trouble, Troubles};
pub use plant::{Plant, first_broken};
pub use play::tell;
pub use run::{Outcome, Summary, run};
pub use shrink::Broken;
pub use tally::Tally;
