//! An aggregator of one's own, in 40 lines, held against the suite that every adapter runs:
//! `cargo run -p raas-examples --example custom_aggregator`.
//!
//! The service here is a shelf in memory; yours is an HTTP client in its place.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures::TryStreamExt;
use raas_aggregator::conformance::{self, Harness};
use raas_aggregator::{
    Aggregator, BytesPayload, Capabilities, Error, Found, Payload, Repeat, Result,
};
use raas_types::{
    AggregatorDeal, AggregatorName, Cid, DealId, EpochDelta, Order, OrderId, ProviderId, Ticket,
};
use tokio::sync::Mutex;

// --- the adapter begins ---
#[derive(Debug, Default)]
struct Shelf(Mutex<BTreeMap<(Cid, OrderId), u64>>);

#[async_trait]
impl Aggregator for Shelf {
    fn name(&self) -> AggregatorName {
        AggregatorName::new("shelf")
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotent: true,
            excludes_providers: false,
            copies: 1,
            repeat: Repeat::NewDeal,
            proofs: false,
            latency: EpochDelta::HOUR,
            deal_duration: EpochDelta::MIN_DEAL_DURATION,
        }
    }
    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        let unread = |source| Error::Payload { aggregator: "shelf".to_owned(), source };
        let bytes = payload.open().await.map_err(unread)?;
        bytes.try_for_each(async |_| Ok(())).await.map_err(unread)?;
        let mut shelf = self.0.lock().await;
        let next = shelf.len() as u64 + 1;
        shelf.entry((order.cid, order.id.clone())).or_insert(next);
        Ok(Ticket(order.id.to_string()))
    }
    async fn find(&self, order: &Order) -> Result<Found> {
        let there = self.0.lock().await.contains_key(&(order.cid, order.id.clone()));
        Ok(if there { Found::Landed(Ticket(order.id.to_string())) } else { Found::Absent })
    }
    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        let id = |n: u64| (Some(DealId::new(n)), Some(ProviderId::new(1000 + n)));
        let deal = |(deal, provider)| AggregatorDeal { deal, provider, proof: None };
        let shelf = self.0.lock().await;
        Ok(shelf.iter().filter(|((of, _), _)| of == cid).map(|(_, n)| deal(id(*n))).collect())
    }
}
// --- the adapter ends ---

/// What the suite needs to know of the world behind the adapter.
struct ShelfHarness(Arc<Shelf>, Mutex<u8>);

#[async_trait]
impl Harness for ShelfHarness {
    fn aggregator(&self) -> Arc<dyn Aggregator> {
        self.0.clone()
    }
    async fn data(&self) -> (Cid, Arc<dyn Payload>) {
        let mut fresh = self.1.lock().await;
        *fresh += 1;
        let bytes = vec![*fresh; 100];
        let profile = raas_retrieval::ImportProfile::default();
        let (cid, _) = raas_retrieval::file_blocks(&bytes, &profile);
        (cid, Arc::new(BytesPayload::new(bytes)))
    }
    async fn settle(&self) {}
}

#[tokio::main]
async fn main() {
    keeps_every_promise().await;
    #[expect(clippy::print_stdout, reason = "an example says what it saw")]
    {
        println!("the shelf keeps every promise of the port");
    }
}

async fn keeps_every_promise() {
    conformance::all(&async || ShelfHarness(Arc::default(), Mutex::default())).await;
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_shelf_keeps_every_promise() {
        super::keeps_every_promise().await;
    }

    #[test]
    fn the_adapter_is_forty_lines_at_most() {
        let source = include_str!("custom_aggregator.rs");
        let begin = source.find("adapter begins").expect("a beginning");
        let end = source.find("adapter ends").expect("an end");
        let lines = source[begin..end].lines().count() - 2;
        assert!(lines <= 40, "{lines}");
    }
}
