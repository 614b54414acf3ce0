//! What the planner is given: everything about one CID, seen at one pinned tipset.

use std::collections::BTreeSet;

use cid::Cid;
use raas_types::{
    AggregatorName, ChainEpoch, DealId, EpochDelta, Job, Order, ProviderBook, ProviderId,
    SubmissionId, Verdict,
};
use serde::{Deserialize, Serialize};

/// Everything about one CID at one pinned tipset. Complete: [`plan`](crate::plan()) asks for nothing
/// else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The data.
    #[serde(with = "raas_types::cid_text")]
    pub cid: Cid,
    /// The pinned epoch.
    pub at: ChainEpoch,
    /// The deals known to hold the data, in the order of their ids.
    pub replicas: Vec<Replica>,
    /// Every order ever made for the data, oldest first.
    pub orders: Vec<Order>,
    /// The aggregators that the jobs name, best first.
    pub aggregators: Vec<AggregatorView>,
    /// What is known of providers: of those that hold the data at least, and of all that share a
    /// capped group with one of them.
    #[serde(default, skip_serializing_if = "ProviderBook::is_empty")]
    pub providers: ProviderBook,
    /// Where the bytes are.
    pub data: DataView,
    /// What could not be read at this look. Nothing is ordered while this is not empty.
    pub missing_evidence: Vec<String>,
}

/// A deal that is said to hold the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The deal.
    pub deal: DealId,
    /// Its provider.
    pub provider: ProviderId,
    /// What is true of it.
    pub verdict: Verdict,
    /// Whether a loss was seen at two tipsets far enough apart.
    pub confirmed: bool,
    /// When the verdict grows stale: the chain may say something else from there on.
    pub next_read: Option<ChainEpoch>,
    /// Whether we ordered it or it is proven to hold the data; else it counts only for jobs that
    /// trust the contract.
    pub proven: bool,
    /// The deal it was ordered to replace.
    pub replaces: Option<DealId>,
    /// Whether the contract lists it.
    pub listed: bool,
    /// Whether there is a proof to record it with.
    pub recordable: bool,
}

/// A job, and what is known of its standing on the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// The number that the contract gave it.
    pub submission: Option<SubmissionId>,
    /// Whether a transaction that announces it is under way.
    pub announcing: bool,
    /// The deals for which a transaction that records them is under way or failed for good.
    pub recording: BTreeSet<DealId>,
    /// Whether this node writes to the contract at all.
    pub records: bool,
}

/// What an aggregator can do, and how the planner may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregatorView {
    /// Its name.
    pub name: AggregatorName,
    /// It takes an order id, so that several orders for one CID can be told apart.
    pub idempotent: bool,
    /// How many deals one order makes.
    pub copies: u32,
    /// From order to deal, at the worst that is usual.
    pub latency: EpochDelta,
    /// Its shortest deal.
    pub deal_duration: EpochDelta,
    /// The runtime could not reach it; it is not asked before then.
    pub unavailable_until: Option<ChainEpoch>,
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DataView {
    /// With us, verified.
    Local,
    /// Elsewhere, perhaps; not asked for yet.
    Elsewhere,
    /// Nobody who was asked had them.
    Missing {
        /// Who was asked, and what they said.
        tried: Vec<String>,
        /// When to ask again.
        retry_at: ChainEpoch,
    },
}
