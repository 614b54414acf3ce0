//! Rust SDK for the HTTP face of a RaaS node.
//!
//! ```no_run
//! # async fn example() -> Result<(), raas_client::Error> {
//! use raas_client::{Client, Span, StoreQuery};
//!
//! let client = Client::new("http://127.0.0.1:8787", "the node's token")?;
//! let terms = StoreQuery {
//!     replicas: Some(3),
//!     renew_within: Some(Span::Text("30d".to_owned())),
//!     repair_after: Some(Span::Text("1d".to_owned())),
//!     ..StoreQuery::default()
//! };
//! let stored = client.store_file("photo.jpg", &terms, |_sent| {}).await?;
//! println!("{} as job {:?}", stored.cid, stored.job);
//! client.get(&stored.cid, "again.jpg", |_received| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Bytes are streamed in both directions and never held in memory. What comes back is verified block
//! by block against the CID that was asked for: a node that lies, or is broken, leaves no file
//! behind.
//!
//! No retries: storing the same file twice is harmless (it is the same CID and the same job), so
//! whoever wants to may just call again.

mod client;
mod error;
mod get;
mod store;

pub use client::Client;
pub use error::{Error, Result};
pub use get::Retrieved;
pub use raas_api_types::{
    AlertList, AlertView, BudgetTerms, ByteSize, DryRunResponse, DryRunResult, DryRunStatus,
    FactsSource, JobList, JobView, LoggedDecision, ObstacleView, PlacementTerms, PlanView, Problem,
    ProviderFacts, ProviderList, ProviderView, RegisterRequest, RegisterResponse, RegisterResult,
    RegisterStatus, RenewalTerms, RepairTerms, ReplicationTerms, Resumed, Span, Spending,
    SpendingStop, StoreQuery, Stored,
};
