//! [`FakeWorld`]: the harness around [`FakeLotusChain`], and around wrappers of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cid::{Cid, multihash::Multihash};
use raas_types::{
    ChainEpoch, DealActivation, DealId, DealProposal, EpochDelta, Network, OnChainDeal, PaddedSize,
    PieceInfo, ProviderId, SectorHealth, SectorId, SectorNumber, SectorStatus,
};

use super::Harness;
use crate::{FakeFault, FakeLotusChain, LotusChain};

/// The epoch at which a [`FakeWorld`] begins.
const START: ChainEpoch = ChainEpoch::new(6_300_000);

/// The provider that holds every sector of a [`FakeWorld`].
const PROVIDER: ProviderId = ProviderId::new(1000);

/// The first deal of a [`FakeWorld`].
const FIRST_DEAL: u64 = 100;

/// A harness whose chain is a [`FakeLotusChain`], or something that wraps one.
#[derive(Debug)]
pub struct FakeWorld {
    fake: FakeLotusChain,
    served: Arc<dyn LotusChain>,
    look_back: Option<EpochDelta>,
    made: Mutex<Made>,
}

/// What has been made to happen so far.
#[derive(Debug, Default)]
struct Made {
    proposals: BTreeMap<DealId, DealProposal>,
    deals: BTreeMap<SectorId, DealId>,
}

impl FakeWorld {
    /// A world with the fake itself under test.
    pub fn new() -> Self {
        Self::wrapped(|fake| Arc::new(fake))
    }

    /// A world in which what `wrap` makes of the fake is under test.
    pub fn wrapped(wrap: impl FnOnce(FakeLotusChain) -> Arc<dyn LotusChain>) -> Self {
        let network = Network { name: "fakenet".to_owned(), version: 28 };
        let fake = FakeLotusChain::new(network, START);
        let served = wrap(fake.clone());
        Self { fake, served, look_back: None, made: Mutex::default() }
    }

    /// The same, with a chain that can be read no further below its head than this.
    #[must_use]
    pub fn looking_back(mut self, epochs: EpochDelta) -> Self {
        self.look_back = Some(epochs);
        self
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the health of a sector; gives the epoch.
    fn set_health(&self, sector: SectorId, health: SectorHealth) -> ChainEpoch {
        self.fake.advance(EpochDelta::DEADLINE);
        let now = self.fake.epoch();
        let first_missed = (health == SectorHealth::Faulty).then_some(now);
        let status = SectorStatus { first_missed, ..status(health) };
        self.fake.set_sector(sector, Some(status));
        now
    }
}

impl Default for FakeWorld {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Harness for FakeWorld {
    fn chain(&self) -> Arc<dyn LotusChain> {
        self.served.clone()
    }

    fn look_back(&self) -> Option<EpochDelta> {
        self.look_back
    }

    async fn advance(&self, epochs: EpochDelta) {
        self.fake.advance(epochs);
    }

    async fn publish(&self) -> (DealId, ChainEpoch) {
        let now = self.fake.epoch();
        let mut made = self.made();
        let id = DealId::new(FIRST_DEAL + made.proposals.len() as u64);
        let proposal = proposal(now);
        made.proposals.insert(id, proposal.clone());
        self.fake.set_deal(id, Some(OnChainDeal { proposal, activation: None }));
        (id, now)
    }

    async fn activate(&self, deal: DealId) -> (SectorId, ChainEpoch) {
        let now = self.fake.epoch();
        let mut made = self.made();
        let number = SectorNumber::new(made.deals.len() as u64);
        let sector = SectorId { provider: PROVIDER, number };
        made.deals.insert(sector, deal);
        let proposal = made.proposals[&deal].clone();
        let activation = DealActivation { sector: number, at: now, slashed: None };
        self.fake.set_deal(deal, Some(OnChainDeal { proposal, activation: Some(activation) }));
        self.fake.set_sector(sector, Some(status(SectorHealth::Unproven)));
        (sector, now)
    }

    async fn prove(&self, sector: SectorId) -> ChainEpoch {
        self.set_health(sector, SectorHealth::Active)
    }

    async fn miss_proof(&self, sector: SectorId) -> (ChainEpoch, ChainEpoch) {
        let now = self.set_health(sector, SectorHealth::Faulty);
        (now, now)
    }

    async fn recover(&self, sector: SectorId) -> ChainEpoch {
        self.set_health(sector, SectorHealth::Active)
    }

    async fn terminate(&self, sector: SectorId) -> ChainEpoch {
        let now = self.set_health(sector, SectorHealth::Dead);
        self.fake.set_deal(self.made().deals[&sector], None);
        now
    }

    async fn set_down(&self, down: bool) {
        if down {
            self.fake.fail(FakeFault::Endpoint);
        } else {
            self.fake.heal(FakeFault::Endpoint);
        }
    }

    async fn spoil(&self, deal: DealId, sector: SectorId) -> bool {
        self.fake.fail(FakeFault::Deal(deal));
        self.fake.fail(FakeFault::Sector(sector));
        true
    }

    async fn mend(&self, deal: DealId, sector: SectorId) {
        self.fake.heal(FakeFault::Deal(deal));
        self.fake.heal(FakeFault::Sector(sector));
    }
}

fn status(health: SectorHealth) -> SectorStatus {
    SectorStatus { deadline: Some(42), partition: Some(3), ..SectorStatus::of(health) }
}

fn proposal(now: ChainEpoch) -> DealProposal {
    const FIL_COMMITMENT_UNSEALED: u64 = 0xf101;
    const SHA2_256_TRUNC254_PADDED: u64 = 0x1012;
    let hash = Multihash::<64>::wrap(SHA2_256_TRUNC254_PADDED, &[7; 32]);
    let cid = Cid::new_v1(FIL_COMMITMENT_UNSEALED, hash.expect("32 bytes fit into 64"));
    let start = now + EpochDelta::DAY;
    DealProposal {
        piece: PieceInfo { cid, size: PaddedSize::MIN },
        provider: PROVIDER,
        start,
        end: start + EpochDelta::MIN_DEAL_DURATION,
        verified: false,
        label: String::new(),
    }
}
