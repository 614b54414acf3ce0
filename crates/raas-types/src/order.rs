//! Orders: what we ask of an aggregator, and how far it has come.

use std::collections::BTreeSet;

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{AggregatorName, ChainEpoch, DealId, ListedDeal, OrderId, ProviderId, SegmentProof};

/// Why an order is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// There are fewer replicas than wanted.
    Replication,
    /// A replica was lost, or has gone unproven for the repair threshold.
    Repair {
        /// The lost deal.
        deal: DealId,
    },
    /// A deal nears its end.
    Renewal {
        /// The ending deal.
        deal: DealId,
    },
}

impl Cause {
    /// The deal that the new one takes the place of.
    pub const fn replaces(self) -> Option<DealId> {
        match self {
            Self::Replication => None,
            Self::Repair { deal } | Self::Renewal { deal } => Some(deal),
        }
    }

    /// The cause's name, as JSON and metrics write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::Repair { .. } => "repair",
            Self::Renewal { .. } => "renewal",
        }
    }
}

/// What an aggregator answers to an order: opaque to everyone but the adapter that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub String);

/// A request for one more deal of a CID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Ours; also the idempotency key where the aggregator takes one.
    pub id: OrderId,
    /// The data.
    #[serde(with = "crate::cid_text")]
    pub cid: Cid,
    /// Who is asked.
    pub aggregator: AggregatorName,
    /// Why.
    pub cause: Cause,
    /// The deals of this CID that the aggregator already showed when the order was intended. A deal
    /// beyond these lands the order.
    pub known_deals: BTreeSet<DealId>,
    /// Providers to avoid, where the aggregator lets one choose.
    pub exclude: BTreeSet<ProviderId>,
    /// Providers to ask for first, where the aggregator lets one choose.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub prefer: BTreeSet<ProviderId>,
    /// How many bytes are handed over: the size of the file. `None` until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The deals that came of it so far, where it makes several: all but the last, with which it has
    /// landed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<ListedDeal>,
    /// The pinned epoch of the decision.
    pub created: ChainEpoch,
    /// How far it has come.
    pub state: OrderState,
}

/// How far an order has come. Each change is durable before the next thing is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OrderState {
    /// Decided; nothing has been sent.
    Intended,
    /// About to be sent, or sent and the answer lost: only the aggregator can tell.
    Sending,
    /// The aggregator took it.
    Sent {
        /// Its answer.
        ticket: Ticket,
    },
    /// A deal came of it, or as many as it makes.
    Landed {
        /// The deal; of several the last.
        deal: DealId,
        /// Its provider, as the aggregator names it.
        provider: ProviderId,
        /// The pinned epoch at which that was seen.
        at: ChainEpoch,
    },
    /// Never sent; a later look found it no longer needed.
    Withdrawn {
        /// The pinned epoch of that look.
        at: ChainEpoch,
    },
    /// No deal came of it, and none is expected any more.
    Failed {
        /// Why, in words.
        reason: String,
        /// The pinned epoch at which it was given up.
        at: ChainEpoch,
    },
}

impl Order {
    /// The deals that came of it, in the order in which they were seen.
    pub fn deals(&self) -> impl Iterator<Item = ListedDeal> {
        let last = match self.state {
            OrderState::Landed { deal, provider, .. } => Some(ListedDeal { deal, provider }),
            _ => None,
        };
        self.made.iter().copied().chain(last)
    }

    /// Whether a deal may still come of it; it then holds a slot.
    pub const fn is_outstanding(&self) -> bool {
        matches!(self.state, OrderState::Intended | OrderState::Sending | OrderState::Sent { .. })
    }
}

/// A deal that an aggregator shows for a CID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregatorDeal {
    /// The deal; `None` while the aggregator is still making it.
    pub deal: Option<DealId>,
    /// Its provider, where named.
    pub provider: Option<ProviderId>,
    /// That the data is in the deal's piece, where the aggregator proves it.
    pub proof: Option<SegmentProof>,
}
