//! [`MockAggregator`]. Written out, because `automock` cannot derive it: the impl that it generates
//! loses the lifetime bound of `&dyn Payload` that `async_trait` puts on the trait (E0195).

use async_trait::async_trait;
use cid::Cid;
use raas_types::{AggregatorDeal, AggregatorName, Order, Ticket};

use crate::{Aggregator, Capabilities, Found, Payload, Result};

mockall::mock! {
    /// An [`Aggregator`] that answers what each test expects it to be asked: `expect_submit()`,
    /// `expect_find()` and so on, as mockall has them.
    #[derive(Debug)]
    pub Aggregator {
        /// See [`Aggregator::name`](crate::Aggregator::name).
        pub fn name(&self) -> AggregatorName;
        /// See [`Aggregator::capabilities`](crate::Aggregator::capabilities).
        pub fn capabilities(&self) -> Capabilities;
        /// See [`Aggregator::submit`](crate::Aggregator::submit).
        pub fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket>;
        /// See [`Aggregator::find`](crate::Aggregator::find).
        pub fn find(&self, order: &Order) -> Result<Found>;
        /// See [`Aggregator::deals`](crate::Aggregator::deals).
        pub fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>>;
    }
}

#[async_trait]
impl Aggregator for MockAggregator {
    fn name(&self) -> AggregatorName {
        Self::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        Self::capabilities(self)
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        Self::submit(self, order, payload)
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        Self::find(self, order)
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        Self::deals(self, cid)
    }
}
