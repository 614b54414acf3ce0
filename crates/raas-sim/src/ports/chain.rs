//! An endpoint of the chain, as a node reaches it.

use std::time::Duration;

use async_trait::async_trait;
use raas_lotus::{Head, LotusChain, Result};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, SectorId, SectorReading, Tipset,
};

use super::Link;

/// One endpoint of the world, by its number.
#[derive(Debug)]
pub(crate) struct SimChain {
    pub(crate) link: Link,
    pub(crate) number: usize,
    pub(crate) name: String,
}

impl SimChain {
    /// Before it answers: the node may die, and an endpoint that hangs takes its time.
    async fn asked(&self) {
        self.link.fate.read().await;
        let silence = self.link.scene.world().silence(self.number);
        if let Some(seconds) = silence {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    async fn answer<T>(&self, answer: T) -> T {
        self.link.fate.read().await;
        answer
    }
}

#[async_trait]
impl LotusChain for SimChain {
    fn endpoint(&self) -> String {
        self.name.clone()
    }

    async fn network(&self) -> Result<Network> {
        self.asked().await;
        let network = self.link.scene.world().network(self.number);
        self.answer(network).await
    }

    async fn head(&self) -> Result<Head> {
        self.asked().await;
        let head = self.link.scene.world().head(self.number);
        // The chain does not wait for a pass to end.
        if self.link.percent(4) {
            let mut world = self.link.scene.world();
            let at = world.now + EpochDelta::new(1 + self.link.percent(30) as i64);
            world.advance_to(at);
        }
        self.answer(head).await
    }

    async fn finalized(&self) -> Result<Tipset> {
        self.asked().await;
        let tipset = self.link.scene.world().finalized(self.number);
        self.answer(tipset).await
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        self.asked().await;
        let tipset = self.link.scene.world().tipset_at(self.number, epoch);
        self.answer(tipset).await
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.asked().await;
        let readings = self.link.scene.world().read_deals(self.number, ids, at);
        self.answer(readings).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.asked().await;
        let readings = self.link.scene.world().read_sectors(self.number, ids, at);
        self.answer(readings).await
    }
}
