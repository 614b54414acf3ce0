//! How a node does: well, not at all, or late.

use serde::{Deserialize, Serialize};

/// How far a lagging node is behind unless told otherwise: a day.
pub(crate) const DEFAULT_LAG: i64 = 2_880;

/// How the node behind the RPC endpoint does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RpcMode {
    /// It answers and is at the head.
    #[default]
    Ok,
    /// It answers nothing but HTTP 503.
    Down,
    /// It answers everything as of an older head.
    Lagging {
        /// How many epochs its head is behind.
        behind: i64,
    },
}

impl RpcMode {
    /// How many epochs its head is behind.
    pub(crate) fn behind(self) -> i64 {
        match self {
            Self::Ok | Self::Down => 0,
            Self::Lagging { behind } => behind,
        }
    }
}
