//! How a node does: well, or one of the ways in which real ones fail their clients.

use raas_types::DealId;
use serde::{Deserialize, Serialize};

/// How far a lagging node is behind unless told otherwise: a day.
pub(crate) const DEFAULT_LAG: i64 = 2_880;

/// How the node behind an RPC endpoint does.
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
    /// It accepts requests and says nothing until the mode changes; then it answers them.
    Hang,
    /// It answers everything, this much later.
    Slow {
        /// How much later, in milliseconds.
        milliseconds: u64,
    },
    /// HTTP 200, and a body that is no JSON.
    Garbage,
    /// Every second reply of a batch is missing. Single calls are answered.
    HalfBatches,
    /// The body ends in its middle, though `content-length` promises all of it, and the connection
    /// is closed.
    Truncated,
    /// Every reply, of a batch or single, has an id that nobody sent.
    WrongIds,
    /// The replies of a batch come in reverse order, which JSON-RPC allows.
    Swapped,
    /// HTTP 429 to everything.
    TooManyRequests {
        /// What the `Retry-After` header says, in seconds.
        retry_after: u64,
    },
    /// It follows another fork: all its tipsets above an epoch have other keys and hashes, and it
    /// does not know those of the others. Deals and sectors are the same on both.
    Forked {
        /// The last epoch that both chains share.
        since: i64,
    },
    /// It belongs to another network: network name, chain id and genesis are others. All the rest
    /// is as on a good node, so that nothing but asking for the network tells.
    OtherNetwork,
    /// It lies about one deal in its `Filecoin.*` answers and tells the truth about all others and
    /// in `eth_call`.
    Lie {
        /// The deal it lies about.
        deal: DealId,
        /// What it says of it.
        #[serde(rename = "as")]
        as_: Lie,
    },
}

/// What a lying node says of a deal. A sector is told so by every method that tells of sectors, at
/// every tipset since its activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// The deal is not found.
    Missing,
    /// Another provider than its own is in the proposal: the next one by id.
    Elsewhere,
    /// The deal is in the market, though it may have been removed, and its sector is proven,
    /// though it may be faulty or terminated.
    Healthy,
    /// Its sector has missed the last deadline that closed.
    Faulty,
    /// Its sector is terminated; the deal is in the market as it truly is.
    Dead,
}

impl RpcMode {
    /// How many epochs its head is behind.
    pub(crate) fn behind(self) -> i64 {
        match self {
            Self::Lagging { behind } => behind,
            _ => 0,
        }
    }

    /// What it says of the deal instead of the truth.
    pub(crate) fn lie_about(self, id: DealId) -> Option<Lie> {
        match self {
            Self::Lie { deal, as_ } if deal == id => Some(as_),
            _ => None,
        }
    }
}
