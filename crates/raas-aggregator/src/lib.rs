//! Who makes storage deals for us: the [`Aggregator`] port and an in-memory aggregator.
//!
//! Implement [`Aggregator`] for a service of your own, then run `conformance::all` (feature
//! `test-util`) against it. Feature `mock` generates `MockAggregator` for tests of code that *uses*
//! an aggregator; for tests of behaviour, prefer [`FakeAggregator`].
//!
//! Adapters are stateless. What was ordered, when, and what to do when an answer is lost is the
//! runtime's outbox to know.

mod error;
mod fake;
#[cfg(feature = "mock")]
mod mock;
mod payload;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use error::{Error, Result};
pub use fake::{Answer, Calls, DealIds, Delay, FakeAggregator};
#[cfg(feature = "mock")]
pub use mock::MockAggregator;
pub use payload::BytesPayload;

use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;
use raas_types::{AggregatorDeal, AggregatorName, EpochDelta, Order, Ticket};

/// The bytes of an order's data, opened only when the aggregator needs them.
#[async_trait]
pub trait Payload: Send + Sync {
    /// The size of the file in bytes.
    fn size(&self) -> u64;

    /// The file's bytes from the beginning; may be opened more than once.
    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>>;
}

/// Makes storage deals.
///
/// # Contract
///
/// - [`submit`](Self::submit) asks for one more deal of the order's CID ([`Capabilities::copies`]
///   more), opening the payload only when the aggregator does not have the data. When it returns an
///   error for which [`Error::was_not_sent`] holds, nothing was ordered; after any other error the
///   order may have gone through, and [`find`](Self::find) is asked.
/// - The aggregator's copy must have the CID ordered; when it answers with another, that is
///   [`Error::Rejected`] and the order does not count.
/// - [`find`](Self::find) never orders. It says *landed* only on evidence that was not there when
///   the order was intended ([`Order::known_deals`]), and *absent* only when it is sure.
/// - [`deals`](Self::deals) shows every deal the aggregator has for a CID, those still being made
///   with no deal id. An unknown CID is an empty list. One malformed entry spoils no other.
/// - [`capabilities`](Self::capabilities) tells the truth about the service, not about wishes.
#[async_trait]
pub trait Aggregator: fmt::Debug + Send + Sync + 'static {
    /// The name under which the configuration knows it.
    fn name(&self) -> AggregatorName;

    /// What it can and cannot do.
    fn capabilities(&self) -> Capabilities;

    /// Orders.
    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket>;

    /// Whether an order whose answer was lost went through.
    async fn find(&self, order: &Order) -> Result<Found>;

    /// The deals it has for a CID, with their inclusion proofs where it gives them.
    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>>;
}

/// What an aggregator can and cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes an order id: the same order sent twice is one order.
    pub idempotent: bool,
    /// It lets one exclude providers, and prefer some.
    pub excludes_providers: bool,
    /// How many deals one order makes.
    pub copies: u32,
    /// What a second order for the same CID does.
    pub repeat: Repeat,
    /// It gives proofs of inclusion.
    pub proofs: bool,
    /// How long from order to a deal on chain, at the worst that is usual.
    pub latency: EpochDelta,
    /// How long its deals last, at the least.
    pub deal_duration: EpochDelta,
}

/// What a second order for the same CID does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Makes one more deal.
    NewDeal,
    /// Nothing.
    Ignored,
    /// It is not documented; one must try and see.
    Undocumented,
}

/// Whether an order went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It did, and this is its ticket.
    Landed(Ticket),
    /// It did not; it may be sent again.
    Absent,
    /// There is no telling. It must not be sent again until it shows or its time is up.
    CannotTell,
}
