//! Why a plan is as it is, as data: codes with their numbers. [`explain`](crate::explain()) makes
//! sentences of them.

use std::collections::BTreeSet;

use raas_types::{
    AggregatorName, Cause, ChainEpoch, DealId, Grouping, OrderId, ProviderId, VerdictKind,
};
use serde::{Deserialize, Serialize};

/// One reason, with the numbers it rests on. `Display` is the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "Display in explain.rs says what each means")]
pub enum Reason {
    // The whole CID.
    NoJobStands,
    Satisfied { held: u32, target: u32 },
    Missing { held: u32, target: u32 },
    BelowMin { safe: u32, min: u32 },
    AboveTarget { held: u32, target: u32 },
    KeepsWhatItFound { found: Option<u32> },
    EvidenceMissing { what: String },
    FetchFirst,
    AwaitingData { tried: Vec<String>, retry_at: ChainEpoch },
    TargetUnreachable { have: u32, target: u32 },
    // One replica.
    Holds { deal: DealId, provider: ProviderId, verdict: VerdictKind },
    NotKnown { deal: DealId, provider: ProviderId },
    ProviderMismatch { deal: DealId, provider: ProviderId },
    NotProven { deal: DealId, provider: ProviderId },
    AddsNothing { deal: DealId, provider: ProviderId },
    Excluded { deal: DealId, provider: ProviderId },
    OverCap { deal: DealId, provider: ProviderId, by: Grouping, cap: u32 },
    FactsAbsent { by: Grouping, providers: BTreeSet<ProviderId> },
    Succeeded { deal: DealId },
    FaultWaits { deal: DealId, since: ChainEpoch, repair_at: ChainEpoch },
    FaultNotRepaired { deal: DealId, since: ChainEpoch },
    AwaitingSecondLook { deal: DealId, verdict: VerdictKind },
    Lost { deal: DealId, verdict: VerdictKind },
    Over { deal: DealId, verdict: VerdictKind },
    Ending { deal: DealId, end: ChainEpoch, second_half: bool },
    // One order.
    Outstanding { order: OrderId, cause: Cause, since: ChainEpoch },
    Busy { aggregator: AggregatorName },
    BackingOff { aggregator: AggregatorName, fruitless: u32, retry_at: ChainEpoch },
    Unreachable { aggregator: AggregatorName, until: ChainEpoch },
    TooManyCopies { aggregator: AggregatorName, copies: u32, most: u32 },
    NoAggregator,
    WaitsForOthers { most: u32 },
    DealsSpent { ordered: u32, per_day: u32, again_at: ChainEpoch },
    SizeUnknown { per_day: u64 },
    BytesSpent { handed_over: u64, copy: u64, per_day: u64, again_at: ChainEpoch },
    Ordering { cause: Cause, aggregator: AggregatorName },
}
