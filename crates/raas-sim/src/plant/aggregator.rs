//! Bugs of an adapter to an aggregator: what it hands over, and how it takes the answers.

use std::sync::Arc;

use async_trait::async_trait;
use raas_aggregator::{Aggregator, BytesPayload, Capabilities, Error, Found, Payload, Result};
use raas_types::{AggregatorDeal, AggregatorName, Cid, Order, OrderId, Ticket};

use super::Plant;

/// An adapter with a bug.
#[derive(Debug)]
pub(super) struct Planted {
    pub(super) plant: Plant,
    pub(super) inner: Arc<dyn Aggregator>,
}

#[async_trait]
impl Aggregator for Planted {
    fn name(&self) -> AggregatorName {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        match self.plant {
            Plant::OrderIdLost => {
                let id = OrderId::new(format!("{}-{}", order.id, order.known_deals.len()));
                self.inner.submit(&Order { id, ..order.clone() }, payload).await
            }
            Plant::BytesGarbled => {
                let other = BytesPayload::new(payload.size().to_be_bytes().to_vec());
                self.inner.submit(order, &other).await
            }
            Plant::RetriedBlindly => match self.inner.submit(order, payload).await {
                Err(Error::Ambiguous { .. }) => self.inner.submit(order, payload).await,
                answer => answer,
            },
            Plant::LostAnswerAsRefusal => {
                let answer = self.inner.submit(order, payload).await;
                answer.map_err(|error| match error {
                    Error::Ambiguous { aggregator, reason } => {
                        Error::Rejected { aggregator, reason }
                    }
                    other => other,
                })
            }
            _ => self.inner.submit(order, payload).await,
        }
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        let found = self.inner.find(order).await?;
        let blind = self.plant == Plant::SentBlindly && found == Found::CannotTell;
        Ok(if blind { Found::Absent } else { found })
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        self.inner.deals(cid).await
    }
}
