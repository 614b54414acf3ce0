//! Several endpoints of one chain: `fake`, `second` and `third`.

use raas_lotus::FakeLotusChain;
use raas_types::{Cid, DealId, DealReading, EpochDelta, JobId, SectorHealth, SectorStatus};

use super::{SOON, World, deals::healthy, terms};

/// The first deal of every world.
pub(crate) const FIRST: DealId = DealId::new(100);

/// The second deal, which is lost or lied about.
pub(crate) const LOST: DealId = DealId::new(101);

/// A job for which nothing was done yet, in a world of so many endpoints.
pub(crate) async fn registered(endpoints: usize, target: u32) -> (World, Cid, JobId) {
    let mut world = World::new();
    for name in ["second", "third"].iter().take(endpoints - 1) {
        world.another(name);
    }
    let cid = world.store_file(b"seen by several").await;
    let job = world.register(cid, terms(target)).await;
    (world, cid, job)
}

/// A satisfied job, in a world of so many endpoints.
pub(crate) async fn satisfied(endpoints: usize, target: u32) -> (World, Cid, JobId) {
    let (mut world, cid, job) = registered(endpoints, target).await;
    world.settle_down(cid, target as usize).await;
    assert_eq!(world.submits(), u64::from(target));
    (world, cid, job)
}

/// The market's answer for a deal that it made and does not have any more.
pub(crate) fn missing() -> DealReading {
    DealReading::NotFound { next_id: Some(DealId::new(200)) }
}

impl World {
    /// The endpoint of that place.
    pub(crate) fn endpoint(&self, at: usize) -> FakeLotusChain {
        if at == 0 { self.chain.clone() } else { self.others[at - 1].clone() }
    }

    /// A day passes, then so many looks are taken, one deadline apart.
    pub(crate) async fn looks(&mut self, n: u32) {
        self.live(EpochDelta::DAY).await;
        for _ in 1..n {
            self.live(SOON).await;
        }
    }

    /// The deal's sector is proven, and its deadline ends so many epochs from now.
    pub(crate) fn prove(&self, deal: DealId, in_epochs: i64) {
        let next_deadline_end = Some(self.now() + EpochDelta::new(in_epochs));
        let status = SectorStatus { next_deadline_end, ..healthy(SectorHealth::Active) };
        self.chain.set_sector(self.sector(deal), Some(status));
    }
}
