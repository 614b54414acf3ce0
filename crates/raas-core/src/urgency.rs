//! How much an order matters, compared with those for other CIDs.

use raas_types::{Cause, ChainEpoch, Order};
use serde::{Deserialize, Serialize};

use crate::{Observation, Risk, Wanted, risk, slots::Slots};

/// After so many orders in a row that came to nothing, a CID waits in the slow lane: what keeps
/// failing must not keep others waiting.
pub const SLOW_LANE: u32 = 5;

/// How much an order matters. The greater goes first: what is not stubborn, then what is the more
/// endangered, then what has the graver trouble, then what was tried the longest time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Urgency {
    /// Stubborn or not.
    pub lane: Lane,
    /// The probability of losing the last copy within the repair horizon.
    pub risk: Risk,
    /// What is the matter.
    pub trouble: Trouble,
    /// When something was last ordered for the CID; the longer ago, the greater. Never is the greatest.
    pub waiting: Waiting,
}

/// Whether orders for a CID keep coming to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// [`SLOW_LANE`] times in a row.
    Slow,
    /// Not so often.
    Usual,
}

/// What is the matter with a CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Between min and target: when nothing more urgent waits.
    Fill,
    /// An old deal still lives, its successor is due.
    Renew,
    /// Fewer providers prove the data than the minimum.
    Endangered,
}

/// When something was last ordered. Ordered by how long that is ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Waiting(std::cmp::Reverse<Option<ChainEpoch>>);

impl Waiting {
    /// Since the last of these orders.
    pub(crate) fn since_last(orders: &[Order]) -> Self {
        Self(std::cmp::Reverse(orders.iter().map(|order| order.created).max()))
    }
}

/// How much an order for this cause matters.
pub(crate) fn urgency(
    cause: Cause,
    fruitless: u32,
    seen: &Observation,
    wanted: &Wanted,
    slots: &Slots<'_>,
) -> Urgency {
    let trouble = match cause {
        _ if slots.safe < wanted.min => Trouble::Endangered,
        Cause::Renewal { .. } => Trouble::Renew,
        Cause::Repair { .. } | Cause::Replication => Trouble::Fill,
    };
    Urgency {
        lane: if fruitless >= SLOW_LANE { Lane::Slow } else { Lane::Usual },
        risk: risk::risk(seen, wanted),
        trouble,
        waiting: Waiting::since_last(&seen.orders),
    }
}
