//! An aggregator that shows a deal first and its proof later.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use raas_aggregator::{Aggregator, Capabilities, FakeAggregator, Found, Payload, Result};
use raas_types::{AggregatorDeal, AggregatorName, Cid, Order, Ticket};

#[derive(Debug)]
pub(crate) struct Shy {
    pub(crate) inner: FakeAggregator,
    pub(crate) hidden: Arc<AtomicBool>,
}

#[async_trait]
impl Aggregator for Shy {
    fn name(&self) -> AggregatorName {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        self.inner.submit(order, payload).await
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        self.inner.find(order).await
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        let mut deals = self.inner.deals(cid).await?;
        if self.hidden.load(Ordering::Relaxed) {
            deals.iter_mut().for_each(|deal| deal.proof = None);
        }
        Ok(deals)
    }
}
