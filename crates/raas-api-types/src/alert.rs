//! `GET /v1/alerts`.

use serde::{Deserialize, Serialize};

/// What an operator should know now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertList {
    /// The alerts that stand, by code and then by subject.
    pub alerts: Vec<AlertView>,
}

/// An alert, which stands from when it began until it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// What it is about: `endpoint_aside`, `disagreement`, `witness_missing`, `spending_stopped`. There
    /// may be more in later versions.
    pub code: String,
    /// Whom or what: an endpoint, a deal, a CID.
    pub about: String,
    /// In words, as of the last time it was seen.
    pub words: String,
    /// The pinned epoch at which it was first seen; `null` when none was pinned yet.
    pub since: Option<i64>,
}
