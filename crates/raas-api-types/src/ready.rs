//! `GET /readyz`.

use serde::{Deserialize, Serialize};

/// A node whose last pass got through the gate. One that is not ready answers with a problem instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `ready`.
    pub status: String,
    /// The epoch that the last pass was pinned to.
    pub epoch: i64,
    /// The endpoints of the chain, as they are configured.
    pub endpoints: Vec<EndpointView>,
    /// Why nothing is ordered now; `null` while orders are made. The node is ready all the same: it
    /// watches, and answers.
    #[serde(default)]
    pub spending_stopped: Option<String>,
}

/// An endpoint of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its name: a host, and no secrets.
    pub endpoint: String,
    /// Why it is not believed now; `null` for one that is.
    pub set_aside: Option<String>,
}
