//! What can be set about a node, in the units of the chain; each with its default and its reason.

use std::time::Duration;

use raas_core::BreakerLimits;
use raas_types::EpochDelta;

/// How a node behaves, apart from which adapters it uses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this node is, for leases. Must survive restarts.
    pub name: String,
    /// The network it must be on, such as `testnetnet`; any when `None`.
    pub network: Option<String>,
    /// An endpoint further behind than this is not believed: 20 epochs (10 minutes) is more than a
    /// healthy node is ever late.
    pub max_behind: EpochDelta,
    /// How many endpoints must say a thing before money is spent on it, where so many are
    /// configured: 2. With 1 the first is believed alone.
    pub witnesses: usize,
    /// The time between passes when nobody wakes the node.
    pub period: Duration,
    /// CIDs that are observed together. 1024 CIDs of 3 deals are 31 batches of 100 requests, enough to
    /// keep 16 in flight; seven times as many, some 10 kB each, are in memory: 70 MB.
    pub batch: usize,
    /// When more of the world seems to die at once than is believed.
    pub breaker: BreakerLimits,
    /// Orders outstanding at most, over all CIDs.
    pub orders_in_flight: usize,
    /// Transfers worked on at the same time: so many fetches, and so many for each aggregator.
    pub concurrency: usize,
    /// How long a pass waits for the transfers it started; what takes longer goes on beside the next
    /// passes. The default of 5 s is a sixth of a period.
    pub transfer_wait: Duration,
    /// An order is given up after this many times its aggregator's latency.
    pub order_patience: i64,
    /// How long bytes that nobody had are left before they are asked for again.
    pub data_retry: EpochDelta,
    /// Decisions that are kept in the log; a pass exceeds it by what it adds until it ends. 50 000 of
    /// 1 to 3 kB are 50 to 150 MB. A CID of three deals of a year and a half renews two a year, which takes
    /// an order and a record each, and a repair now and then makes some 5 decisions: of 1 000 such CIDs the
    /// log holds ten years, of 100 000 five weeks.
    pub decisions_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "raas".to_owned(),
            network: None,
            max_behind: EpochDelta::new(20),
            witnesses: 2,
            period: Duration::from_secs(30),
            batch: 1_024,
            breaker: BreakerLimits::default(),
            orders_in_flight: 1_000,
            concurrency: 4,
            transfer_wait: Duration::from_secs(5),
            order_patience: 3,
            data_retry: EpochDelta::HOUR,
            decisions_kept: 50_000,
        }
    }
}
