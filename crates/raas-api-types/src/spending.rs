//! `/v1/spending`: whether orders are made, and an operator's word that they are to be.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /v1/spending`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Why nothing is ordered now; `null` while orders are made.
    pub stopped: Option<SpendingStop>,
}

/// `POST /v1/spending/resume`: orders are made from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// What had stopped them; `null` where nothing had.
    pub resumed: Option<SpendingStop>,
}

/// More of the world seemed to die at once than is plausible, and nothing was ordered any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingStop {
    /// The pinned epoch at which it stopped.
    pub at: i64,
    /// Why, in words.
    pub why: String,
    /// Why: `share` (too large a part of all replicas), `providers` (too many providers with all of
    /// theirs) or `one_endpoint` (all by one endpoint's word). There may be more in later versions.
    pub code: String,
    /// What was counted, by name; which of them there are goes by the code.
    pub numbers: Value,
    /// The deals that seem lost and have not come back, by id: the first thousand of them.
    pub flipped: Vec<u64>,
    /// How many those are in all.
    pub flipped_in_all: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn that_nothing_is_stopped_is_said_and_not_left_out() {
        assert_eq!(serde_json::to_value(Spending::default()).unwrap(), json!({"stopped": null}));
        assert_eq!(serde_json::to_value(Resumed::default()).unwrap(), json!({"resumed": null}));
    }
}
