//! An aggregator, as a node reaches it. What it takes is told to the watch before it is answered.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use raas_aggregator::{Aggregator, Capabilities, Error, Found, Payload, Result};
use raas_types::{AggregatorDeal, AggregatorName, Cid, Order, Ticket};

use super::Link;
use crate::{invariants::CONNECTED, world::Answer};

/// One aggregator of the world, by its number.
#[derive(Debug)]
pub(crate) struct SimAggregator {
    pub(crate) link: Link,
    pub(crate) number: usize,
    pub(crate) name: AggregatorName,
    pub(crate) capabilities: Capabilities,
}

impl SimAggregator {
    fn error(&self, answer: &Answer) -> Error {
        let (aggregator, reason) = (self.name.to_string(), format!("{answer:?}"));
        match answer {
            Answer::Rejected => Error::Rejected { aggregator, reason },
            Answer::Unavailable => Error::Unavailable { aggregator, reason },
            _ => Error::Ambiguous { aggregator, reason },
        }
    }

    /// Reads what is handed over.
    async fn upload(&self, order: &Order, payload: &dyn Payload) -> Result<()> {
        let failed = |source| Error::Payload { aggregator: self.name.to_string(), source };
        let mut bytes = payload.open().await.map_err(failed)?;
        let mut read = Vec::new();
        while let Some(chunk) = bytes.next().await {
            read.extend_from_slice(&chunk.map_err(failed)?);
        }
        let mut world = self.link.scene.world();
        if let Some(datum) = world.datum_of(&order.cid) {
            world.tally.bytes += world.data[datum].size;
            self.link.scene.watch().uploaded(&world, datum, &read);
        }
        Ok(())
    }
}

#[async_trait]
impl Aggregator for SimAggregator {
    fn name(&self) -> AggregatorName {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        let (node, scene) = (self.link.node, self.link.scene.clone());
        if self.link.fate.effect().await {
            // The connection did not outlive the stop.
            return Err(self.error(&Answer::Unheard));
        }
        let stops = self.link.fate.stops();
        let began = {
            let world = scene.world();
            scene.watch().submitting(&world, node, order);
            world.now
        };
        if self.link.percent(10) {
            let seconds = self.link.dice().between(1, 90);
            tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())).await;
        }
        // Its clock may have stood still meanwhile.
        let is_late = scene.world().now >= began + CONNECTED;
        if is_late || self.link.fate.stops() > stops {
            scene.watch().submitted(node, order);
            return Err(self.error(&Answer::Unheard));
        }
        let (away, has) = {
            let world = scene.world();
            (world.is_away(self.number), world.services[self.number].has(&order.cid))
        };
        let uploaded = if away || has { Ok(()) } else { self.upload(order, payload).await };
        if let Err(error) = uploaded {
            scene.watch().submitted(node, order);
            return Err(error);
        }
        let answer = {
            let mut world = scene.world();
            let again = world.services[self.number].took(&order.id);
            let submitted = world.order(self.number, order);
            let mut watch = scene.watch();
            if matches!(submitted.answer, Answer::Taken(_) | Answer::TakenUnheard) {
                watch.taken(&world, node, order, again, submitted.copies);
            }
            submitted.answer
        };
        self.link.fate.done().await;
        scene.watch().submitted(node, order);
        match answer {
            Answer::Taken(ticket) => Ok(ticket),
            other => Err(self.error(&other)),
        }
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        self.link.fate.read().await;
        let found = self.link.scene.world().find_order(self.number, order);
        self.link.fate.read().await;
        found.ok_or_else(|| self.error(&Answer::Unavailable))
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        self.link.fate.read().await;
        let shown = self.link.scene.world().shown(self.number, cid);
        self.link.fate.read().await;
        shown.ok_or_else(|| self.error(&Answer::Unavailable))
    }
}
