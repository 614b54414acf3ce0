//! What the node remembers of a deal between looks, because the chain forgets it.

use serde::{Deserialize, Serialize};

use crate::{
    AggregatorName, ChainEpoch, DealId, DealProposal, Evidence, ListedDeal, OrderId, SectorNumber,
    SegmentProof, Verdict, VerdictKind,
};

/// How we came to know of a deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// We ordered it.
    Ordered {
        /// The order it landed.
        order: OrderId,
        /// Who made it.
        aggregator: AggregatorName,
        /// The deal it renews or repairs, if any.
        replaces: Option<DealId>,
    },
    /// An aggregator shows it for the CID, though no order of ours explains it.
    Shown {
        /// Which aggregator.
        aggregator: AggregatorName,
    },
    /// The contract listed it.
    Contract,
}

/// A loss seen once, waiting to be seen again before anything is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// What was seen.
    pub kind: VerdictKind,
    /// At which pinned epoch it was first seen; kept while it is seen again.
    pub first_seen: ChainEpoch,
}

/// What is remembered of one deal of one CID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealMemory {
    /// The deal, and the provider as whoever told us of it names it.
    pub listed: ListedDeal,
    /// How we came to know of it.
    pub provenance: Provenance,
    /// The pinned epoch at which we first heard of it.
    pub first_heard: ChainEpoch,
    /// Its terms, from the first time the market had it. A deal that vanishes is judged by these.
    pub proposal: Option<DealProposal>,
    /// The sector it was activated in, when that was seen.
    pub sector: Option<SectorNumber>,
    /// The last pinned epoch at which it was seen Active.
    pub last_active: Option<ChainEpoch>,
    /// The pinned epoch at which the present fault was first seen; `None` while healthy.
    pub first_faulty: Option<ChainEpoch>,
    /// A loss that was seen and awaits confirmation.
    pub suspicion: Option<Suspicion>,
    /// The proof that the data is in the deal's piece, where the aggregator gave one.
    pub proof: Option<SegmentProof>,
    /// The last verdict and what it is known from.
    pub last: Option<(Verdict, Evidence)>,
    /// The pinned epoch from which on the verdict is stale and the chain is read anew; at once when
    /// `None`.
    #[serde(default)]
    pub next_read: Option<ChainEpoch>,
}

impl DealMemory {
    /// All that is known of a deal when it is first heard of.
    pub fn first_heard(listed: ListedDeal, provenance: Provenance, at: ChainEpoch) -> Self {
        Self {
            listed,
            provenance,
            first_heard: at,
            proposal: None,
            sector: None,
            last_active: None,
            first_faulty: None,
            suspicion: None,
            proof: None,
            last: None,
            next_read: None,
        }
    }

    /// The deal that this one was ordered to replace.
    pub fn replaces(&self) -> Option<DealId> {
        match &self.provenance {
            Provenance::Ordered { replaces, .. } => *replaces,
            Provenance::Shown { .. } | Provenance::Contract => None,
        }
    }
}
