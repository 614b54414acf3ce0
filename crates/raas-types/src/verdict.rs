//! Verdicts: what is true of one replica, and what that is known from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ChainEpoch, DealReading, SectorReading, TipsetKey};

/// Since when a sector has not been proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultSince {
    /// The chain says: the last epoch of the first deadline missed.
    Exact(ChainEpoch),
    /// The chain does not say: our last observation of health or, where we never saw it healthy,
    /// our first of the fault. Off by up to one proving period.
    Observed(ChainEpoch),
}

impl FaultSince {
    /// The epoch from which a repair threshold counts.
    pub const fn epoch(self) -> ChainEpoch {
        match self {
            Self::Exact(epoch) | Self::Observed(epoch) => epoch,
        }
    }
}

/// Why nothing can be said of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The market could not be asked.
    Deal(String),
    /// The sector could not be asked.
    Sector(String),
    /// The market does not know the deal, and which id comes next could not be asked.
    NextId,
    /// The market has not handed out this id, yet we were told of the deal: the endpoint is behind,
    /// or the telling was wrong.
    AheadOfChain,
    /// Contract and proposal name different providers.
    ProviderMismatch,
    /// Two endpoints say different things of one replica at one tipset; the evidence holds both
    /// answers.
    Disagreement {
        /// What the answer of the first comes to.
        first: VerdictKind,
        /// What the answer of the second comes to.
        second: VerdictKind,
    },
}

/// What is true of one replica at one tipset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    /// Published; its sector is still to be sealed.
    Pending {
        /// The epoch by which it must be activated.
        start: ChainEpoch,
    },
    /// Published and never activated in time; it cannot be any more.
    StartMissed,
    /// In a live sector that is being proven.
    Active {
        /// When the deal ends.
        end: ChainEpoch,
    },
    /// In a live sector that is not being proven.
    Faulty {
        /// Since when.
        since: FaultSince,
        /// When the deal ends.
        end: ChainEpoch,
    },
    /// The sector died before the deal's end.
    Terminated,
    /// Past its end, not yet settled.
    Ended,
    /// Past its end and settled.
    Completed,
    /// The market never made this deal.
    NeverExisted,
    /// The market made it, no longer has it, and we never saw it: ended or terminated, either way
    /// gone.
    Gone,
    /// Nothing can be said. Never spent upon, never counted as lost.
    Unknown {
        /// Why not.
        why: Unknown,
    },
}

/// A [`Verdict`] without its particulars: for tables, counts and comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the variant of Verdict with its name")]
pub enum VerdictKind {
    Pending,
    StartMissed,
    Active,
    Faulty,
    Terminated,
    Ended,
    Completed,
    NeverExisted,
    Gone,
    Unknown,
}

impl Verdict {
    /// The verdict without its particulars.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Pending { .. } => VerdictKind::Pending,
            Self::StartMissed => VerdictKind::StartMissed,
            Self::Active { .. } => VerdictKind::Active,
            Self::Faulty { .. } => VerdictKind::Faulty,
            Self::Terminated => VerdictKind::Terminated,
            Self::Ended => VerdictKind::Ended,
            Self::Completed => VerdictKind::Completed,
            Self::NeverExisted => VerdictKind::NeverExisted,
            Self::Gone => VerdictKind::Gone,
            Self::Unknown { .. } => VerdictKind::Unknown,
        }
    }

    /// Whether the replica is lost for good: nothing can make this deal hold the data again.
    pub const fn is_over(&self) -> bool {
        matches!(
            self,
            Self::StartMissed
                | Self::Terminated
                | Self::Ended
                | Self::Completed
                | Self::NeverExisted
                | Self::Gone
        )
    }
}

impl VerdictKind {
    /// The verdict's name, as JSON and metrics write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::StartMissed => "start_missed",
            Self::Active => "active",
            Self::Faulty => "faulty",
            Self::Terminated => "terminated",
            Self::Ended => "ended",
            Self::Completed => "completed",
            Self::NeverExisted => "never_existed",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a verdict is known from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The tipset that every read was pinned to.
    pub tipset: TipsetKey,
    /// Its epoch.
    pub epoch: ChainEpoch,
    /// Whether the tipset was final.
    pub finalized: bool,
    /// Who was asked (no secrets: a host, not a token).
    pub endpoint: String,
    /// What it answered; absent from evidence kept by versions that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Who else was asked at the same tipset, before money was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// What an endpoint said of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Of the deal (`StateMarketStorageDeal`).
    pub deal: DealReading,
    /// Of the sector, where the deal is in one; its `way` names the method.
    pub sector: Option<SectorReading>,
}

/// A second endpoint's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Who was asked.
    pub endpoint: String,
    /// What it answered.
    pub said: Said,
}
