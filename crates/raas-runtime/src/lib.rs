//! Runs RaaS jobs: observe, plan, record, act.
//!
//! A [`Node`] owns the adapters: one per port, and as many endpoints of the chain, aggregators and
//! sources as there are. A *pass* takes all jobs that are due; a *look* is one CID's share of it:
//!
//! ```text
//! gate ──> pin one final tipset ──> ask after orders and transactions
//!                 │
//!                 └─> observe ──> plan() ──> record the intent ──> act ──> transfers
//!                        ^                                                   │
//!                        └───────────────── wake the CID ────────────────────┘
//! ```
//!
//! A pass is idempotent and never uses *why* it was woken. One job's failure is reported and does
//! not stop the others, and what takes long - fetching bytes, sending orders - goes on beside the
//! passes, one at a time for each CID. Nothing is retried within a pass: the next one is the retry.
//! Whatever is to be sent is durable before it is sent, so a crash at any instruction loses no job and
//! orders nothing twice.
//!
//! Embedding it takes an adapter per port and a builder; `examples/embed.rs` is a runnable version.

mod alerts;
mod breaker;
mod builder;
mod data;
mod endpoints;
mod error;
mod evaluate;
mod gate;
mod jobs;
mod landing;
mod log;
mod look;
mod node;
mod observe;
mod orders;
mod pass;
mod planner;
mod providers;
mod queue;
mod reach;
mod readings;
mod record;
mod report;
mod selection;
mod settings;
mod subject;
mod transactions;
mod transfers;
mod view;

pub use alerts::{Alert, AlertCode};
pub use builder::{BuildError, NodeBuilder};
pub use data::Retrieved;
pub use endpoints::EndpointStatus;
pub use error::{RegisterError, RuntimeError};
pub use evaluate::{Evaluation, Obstacle, Outlook};
pub use jobs::{Registered, Registration};
pub use log::{Decided, Replayed, Unreadable, replay};
pub use node::{Node, NodeStatus};
pub use planner::{CorePlanner, Planner};
pub use providers::{FactsSource, KnownProvider, ProviderError, tidy_facts};
pub use report::{Event, PassReport, Totals};
pub use settings::Settings;
pub use view::{ContractView, JobStatus, LookRecord, ReplicaStatus};

// What the node's own API speaks of, so that embedding it takes one dependency.
pub use {
    raas_aggregator as aggregator, raas_core as core, raas_deal_status as deal_status,
    raas_job_store as job_store, raas_lotus as lotus, raas_retrieval as retrieval,
    raas_types as types,
};

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
