//! A node inside another service: `cargo run -p raas-examples --example embed`.
//!
//! The adapters are the ports' own in-memory ones, so that it runs anywhere; put real ones in their
//! place.

use std::sync::Arc;

use anyhow::Result;
use raas_aggregator::FakeAggregator;
use raas_deal_status::FakeDealStatus;
use raas_job_store::MemoryJobStore;
use raas_lotus::FakeLotusChain;
use raas_retrieval::{BlobStore, ImportProfile};
use raas_runtime::{Event, Node};
use raas_types::{ChainEpoch, EpochDelta, Network, Repair, Replication, Terms};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let orders = keep_alive(b"kept alive by a service of one's own").await?;
    #[expect(clippy::print_stdout, reason = "an example says what it saw")]
    {
        println!("the node ordered {orders} deals");
    }
    Ok(())
}

/// Stores bytes, asks for two replicas, and runs a pass. How many deals were ordered.
async fn keep_alive(bytes: &'static [u8]) -> Result<usize> {
    let dir = tempfile::tempdir()?;
    let network = Network { name: "embedded".to_owned(), version: 28 };
    let chain = FakeLotusChain::new(network, ChainEpoch::new(6_300_000));
    chain.advance(EpochDelta::HOUR);
    let node = Node::builder()
        .chain(Arc::new(chain))
        .contract(Arc::new(FakeDealStatus::new()))
        .aggregator(Arc::new(FakeAggregator::new("mine")))
        .store(Arc::new(MemoryJobStore::new()))
        .blobs(BlobStore::open(dir.path())?)
        .build()?;

    let stream = Box::pin(futures::stream::once(async move { Ok(bytes.into()) }));
    let stored = node.blobs().import(stream, &ImportProfile::default(), None).await?;
    let terms = Terms {
        replication: Some(Replication::around(2)),
        repair: Some(Repair { threshold: EpochDelta::DAY }),
        ..Terms::default()
    };
    node.register(stored.cid, terms).await?;

    // One pass by hand, to see what it does; a service runs the loop instead, until it stops.
    let report = node.pass().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (node, stop) = (node.clone(), stop.clone());
        async move { node.run(stop).await }
    });
    stop.cancel();
    running.await?;
    Ok(report.events.iter().filter(|event| matches!(event, Event::Ordered { .. })).count())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn an_embedded_node_orders_what_is_missing() {
        assert_eq!(super::keep_alive(b"two replicas of this").await.expect("a pass"), 2);
    }
}
