//! Jobs: a client's standing request for one CID.

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{AggregatorName, Budget, ChainEpoch, EpochDelta, JobId, Placement};

/// How many replicas are wanted, each on a provider of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// As many as this, when nothing more urgent waits.
    pub target: u32,
    /// Below this the data is in danger: filled up to the target first of all.
    pub min: u32,
    /// Never more than this, the pair of an ending deal and its successor counted once.
    pub max: u32,
}

impl Replication {
    /// The usual band around a target: one less may be missing for a while, two more do no harm.
    pub const fn around(target: u32) -> Self {
        let min = if target > 1 { target - 1 } else { target };
        Self { target, min, max: target.saturating_add(2) }
    }
}

/// When a deal is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// This long before its end.
    pub threshold: EpochDelta,
}

/// When a replica that is not proven is given up and made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// This long after the first missed proof.
    pub threshold: EpochDelta,
}

/// Which deals count as replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Those we ordered, and those proven to hold the data.
    #[default]
    Proven,
    /// Whatever the contract lists, too.
    Contract,
}

/// What the client asks for. At least one of replication, renewal and repair is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Keep this many replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// Renew deals before they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    /// Replace replicas that are no longer proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// Stand until this epoch; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<ChainEpoch>,
    /// Aggregators to use, best first; all that are configured when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregators: Vec<AggregatorName>,
    /// Which deals count.
    #[serde(default)]
    pub trust: Trust,
    /// Where replicas may be.
    #[serde(default, skip_serializing_if = "Placement::is_free")]
    pub placement: Placement,
    /// What may be spent in a day.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
}

/// A client's standing request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Derived from CID and terms: the same request is the same job.
    pub id: JobId,
    /// The data.
    #[serde(with = "crate::cid_text")]
    pub cid: Cid,
    /// What is asked for.
    pub terms: Terms,
    /// The pinned epoch of its registration; `None` until the first look.
    pub registered: Option<ChainEpoch>,
    /// How many replicas the first complete look found. A job without replication terms keeps this
    /// count and never adds to it.
    pub found: Option<u32>,
}
