//! What crosses the HTTP face of a RaaS node: requests and answers, as plain serde types.
//!
//! Thresholds and epochs are numbers of epochs in answers; in requests a span may also be text such
//! as `"30d"` or `"12h"`. CIDs, providers (`"f01000"`) and hashes are text. Unknown fields of a
//! request are refused, so that a misspelt term is not silently dropped.

mod alert;
mod data;
mod dry_run;
mod evidence;
mod job;
mod policy;
mod problem;
mod provider;
mod ready;
mod register;
mod spending;

pub use alert::{AlertList, AlertView};
pub use data::{StoreQuery, Stored};
pub use dry_run::{
    DryRunProblem, DryRunResponse, DryRunResult, DryRunStatus, ObstacleView, PlanView,
};
pub use evidence::{Answer, DealAnswer, EvidenceView, SaidView, SectorAnswer, WitnessView};
pub use job::{
    ContractAnswer, ContractAnswers, FetchedView, JobList, JobView, LoggedDecision, Look,
    OrderView, ReplicaView, TermsView, TransactionView,
};
pub use policy::{BudgetTerms, ByteSize, PlacementTerms};
pub use problem::{Problem, RegisterProblem};
pub use provider::{FactsSource, ProviderFacts, ProviderList, ProviderView};
pub use ready::{EndpointView, Ready};
pub use register::{
    OneOrMany, RegisterRequest, RegisterResponse, RegisterResult, RegisterStatus, RenewalTerms,
    RepairTerms, ReplicationTerms, Span,
};
pub use spending::{Resumed, Spending, SpendingStop};
