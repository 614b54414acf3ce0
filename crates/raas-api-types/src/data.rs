//! `POST /v1/data`: storing bytes.

use serde::{Deserialize, Serialize};

use crate::Span;

/// The query of `POST /v1/data`: terms for a job over what is uploaded. None: the bytes are kept
/// and no job is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreQuery {
    /// Replicas wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Renew deals this long before their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_within: Option<Span>,
    /// Repair replicas this long after the first missed proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair_after: Option<Span>,
}

/// The answer of `POST /v1/data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The CID: that of kubo's `ipfs add --cid-version=1`.
    pub cid: String,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The id of the job, where terms were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// What will not be as it seems.
    #[serde(default)]
    pub warnings: Vec<String>,
}
