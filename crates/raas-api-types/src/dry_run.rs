//! `POST /register_jobs?dry_run=true`: what would become of jobs, with nothing kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Problem;

/// What would become of each job, in the order asked. Each is looked at with the jobs that stand, as
/// if it were the only new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunResponse {
    /// One a job.
    pub results: Vec<DryRunResult>,
}

/// The answer when every job would be refused: a problem that also says so of each
/// (`application/problem+json`, 400, or 503 where it was the store that failed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunProblem {
    /// All of it in one.
    #[serde(flatten)]
    pub problem: Problem,
    /// One a job, in the order asked.
    pub results: Vec<DryRunResult>,
}

/// What would become of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunResult {
    /// The id that it would have, or has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The data, as it was asked for.
    pub cid: String,
    /// What would become of it.
    pub status: DryRunStatus,
    /// What would not be as it seems.
    pub warnings: Vec<String>,
    /// Why it would not be accepted and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What would be done now for its CID, for all its jobs together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    /// Why there is no plan, where there is none: nothing could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// What cannot be met as things are, and what to loosen.
    #[serde(default)]
    pub cannot: Vec<ObstacleView>,
}

/// What would become of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DryRunStatus {
    /// It is new, and would be accepted.
    WouldCreate,
    /// The same CID and terms are there already.
    Existing,
    /// It would not be accepted.
    Error,
}

/// What would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// The pinned epoch.
    pub epoch: i64,
    /// The reasons in words.
    pub words: Vec<String>,
    /// The steps as data.
    pub steps: Value,
    /// The reasons as data: codes with their numbers.
    pub reasons: Value,
    /// What would be done next, were the bytes here and all else as it is; absent where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_bytes: Option<Box<PlanView>>,
}

/// Something that cannot be met as things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObstacleView {
    /// What, in words.
    pub what: String,
    /// The term to loosen, such as `placement.per_country`; absent where no term would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loosen: Option<String>,
}
