//! An endpoint that keeps what it was asked, and may leave a question without an answer for ever.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use raas_lotus::{FakeLotusChain, Head, LotusChain, Result};
use raas_types::{
    ChainEpoch, DealId, DealReading, Network, RpcUsage, SectorId, SectorReading, Tipset,
};

/// What an endpoint can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Network,
    Head,
    Finalized,
    TipsetAt,
    Deals,
    Sectors,
}

/// Clones are the same endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    inner: FakeLotusChain,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    hangs: Option<Question>,
    deals: Vec<(DealId, ChainEpoch)>,
}

impl Watched {
    pub(crate) fn over(inner: &FakeLotusChain) -> Self {
        Self { inner: inner.clone(), seen: Arc::default() }
    }

    /// This question stays without an answer from now on; `None` has it answer all of them.
    pub(crate) fn hang(&self, at: Option<Question>) {
        self.seen.lock().unwrap().hangs = at;
    }

    /// The deals that were read since this was last asked, in their order, each with the epoch of the
    /// tipset it was read at.
    pub(crate) fn take(&self) -> Vec<(DealId, ChainEpoch)> {
        let mut deals = std::mem::take(&mut self.seen.lock().unwrap().deals);
        deals.sort();
        deals
    }

    async fn heard(&self, question: Question) {
        let hangs = self.seen.lock().unwrap().hangs;
        if hangs == Some(question) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl LotusChain for Watched {
    fn endpoint(&self) -> String {
        self.inner.endpoint()
    }

    async fn network(&self) -> Result<Network> {
        self.heard(Question::Network).await;
        self.inner.network().await
    }

    async fn head(&self) -> Result<Head> {
        self.heard(Question::Head).await;
        self.inner.head().await
    }

    async fn finalized(&self) -> Result<Tipset> {
        self.heard(Question::Finalized).await;
        self.inner.finalized().await
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        self.heard(Question::TipsetAt).await;
        self.inner.tipset_at(epoch).await
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.seen.lock().unwrap().deals.extend(ids.iter().map(|id| (*id, at.epoch)));
        self.heard(Question::Deals).await;
        self.inner.deals(ids, at).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.heard(Question::Sectors).await;
        self.inner.sectors(ids, at).await
    }

    fn usage(&self) -> RpcUsage {
        self.inner.usage()
    }
}
