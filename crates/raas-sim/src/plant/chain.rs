//! Bugs in how the chain is read: at the head, or by the word of one endpoint.

use std::sync::Arc;

use async_trait::async_trait;
use raas_lotus::{Head, LotusChain, Result};
use raas_types::{ChainEpoch, DealId, DealReading, Network, SectorId, SectorReading, Tipset};

use super::Plant;

/// The endpoints with a bug.
pub(super) fn plant(plant: Plant, endpoints: Vec<Arc<dyn LotusChain>>) -> Vec<Arc<dyn LotusChain>> {
    let last = endpoints.last().cloned();
    let planted = |own: Arc<dyn LotusChain>| -> Arc<dyn LotusChain> {
        let name = own.endpoint();
        let inner = match plant {
            Plant::OneWitness => last.clone().unwrap_or(own),
            _ => own,
        };
        Arc::new(Planted { plant, name, inner })
    };
    endpoints.into_iter().map(planted).collect()
}

/// An endpoint that is read with a bug, by its own name.
#[derive(Debug)]
struct Planted {
    plant: Plant,
    name: String,
    inner: Arc<dyn LotusChain>,
}

#[async_trait]
impl LotusChain for Planted {
    fn endpoint(&self) -> String {
        self.name.clone()
    }

    async fn network(&self) -> Result<Network> {
        self.inner.network().await
    }

    async fn head(&self) -> Result<Head> {
        self.inner.head().await
    }

    async fn finalized(&self) -> Result<Tipset> {
        match self.plant {
            Plant::FinalityIgnored => Ok(self.inner.head().await?.tipset),
            _ => self.inner.finalized().await,
        }
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        self.inner.tipset_at(epoch).await
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.inner.deals(ids, at).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.inner.sectors(ids, at).await
    }
}
