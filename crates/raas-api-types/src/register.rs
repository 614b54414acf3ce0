//! `POST /register_jobs`.

use serde::{Deserialize, Serialize};

use crate::{BudgetTerms, PlacementTerms};

/// A job, as a client asks for it. At least one of the three terms is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The data.
    pub cid: String,
    /// How many replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<ReplicationTerms>,
    /// When deals are renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<RenewalTerms>,
    /// When replicas are repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairTerms>,
    /// The epoch until which the job stands; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Aggregators to use, best first; all that are configured when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregators: Vec<String>,
    /// `"proven"` (the default) or `"contract"`: which deals count as replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// Where replicas may be; anywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementTerms>,
    /// What may be spent in a day; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetTerms>,
}

/// How many replicas are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicationTerms {
    /// As many as this.
    pub target: i64,
    /// Below this the data is in danger; one less than the target when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Never more than this; two more than the target when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// When deals are renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalTerms {
    /// This long before their end.
    pub threshold: Span,
}

/// When replicas are repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairTerms {
    /// This long after the first missed proof.
    pub threshold: Span,
}

/// A span of time: epochs (30 seconds each), or text such as `"30d"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// A number of epochs.
    Epochs(i64),
    /// A number with a unit.
    Text(String),
}

/// One job or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

/// What became of each job, in the order asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResponse {
    /// One a job.
    pub results: Vec<RegisterResult>,
}

/// What became of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResult {
    /// The job's id, where it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The data, as it was asked for.
    pub cid: String,
    /// What became of it.
    pub status: RegisterStatus,
    /// What will not be as it seems.
    pub warnings: Vec<String>,
    /// Why it was not accepted and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterStatus {
    /// It is new.
    Created,
    /// The same CID and terms were there already.
    Existing,
    /// It was not accepted.
    Error,
}
