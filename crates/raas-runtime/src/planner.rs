//! Who decides: a [`Planner`], by default [`raas_core::plan()`].

use std::fmt;

use raas_core::{JobView, Observation, Plan};

/// Decides what to do about one CID.
///
/// The node observes, asks its planner, and carries the plan out with everything that keeps money
/// safe: intents are durable first, losses are seen twice, and so on. Give a planner of your own to
/// [`NodeBuilder::planner`](crate::NodeBuilder::planner) to decide by other rules, or to wrap
/// [`raas_core::plan()`] and change what goes in or comes out.
///
/// # Contract
///
/// The same arguments give the same plan: it is made anew from the decision log, and more than once in
/// one look. It neither waits nor fails.
pub trait Planner: fmt::Debug + Send + Sync + 'static {
    /// Decides what to do, for all jobs of the CID together.
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan;
}

/// The rules of [`raas_core::plan()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CorePlanner;

impl Planner for CorePlanner {
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
        raas_core::plan(jobs, seen)
    }
}
