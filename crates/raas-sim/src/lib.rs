//! Years of trouble in minutes: a deterministic simulation of RaaS nodes.
//!
//! A *seed* is a world: a chain with reorganisations and rounds without a block, endpoints that lag, fork
//! and lie, providers that fail alone and together, aggregators of several natures, clients with data.
//! In it the real runtime and the real planner run over fakes of the ports, on a paused clock and one
//! thread, and die at any call of a port. After every step the promises of the planner and the runtime
//! are held against what is true.
//!
//! ```text
//! rng ──> weather ──> world ──────> ports ──> keeper (ours: Node)
//!                       │             │          │
//!                       └─────────────┴──> invariants ──> chronicle, story
//! ```
//!
//! The same seed gives the same history to the byte: no wall clock, no order of a hash map, no threads,
//! no chance but that of [`rng`](crate). A seed that breaks a promise is shrunk to a short story and the
//! command that tells it again.

mod chronicle;
mod invariants;
mod keeper;
mod options;
mod ours;
mod play;
mod ports;
mod rng;
mod run;
mod shrink;
mod tally;
mod weather;
mod world;

pub use invariants::{Invariant, Violation};
pub use options::{Options, Policy, Trouble, Troubles};
pub use run::{Outcome, Summary, run};
pub use shrink::Broken;
pub use tally::Tally;
