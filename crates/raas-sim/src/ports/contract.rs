//! The contract, as a node reaches it.

use async_trait::async_trait;
use raas_deal_status::{
    Cursor, DealRecorder, DealStatusSource, Error, Listing, Prepared, Record, Requests, Result,
    TransactionStatus,
};
use raas_types::{ChainEpoch, Cid, EpochDelta, ListedDeal, Tipset, TxHash};

use super::Link;
use crate::world::{Truth, World};

const NAME: &str = "contract";

/// The world's contract: read, and written to from the nodes' account.
#[derive(Debug)]
pub(crate) struct SimContract {
    pub(crate) link: Link,
}

impl SimContract {
    fn fails(&self, world: &mut World) -> Result<()> {
        let fails = self.link.percent(world.contract.fails);
        world.tally.faults_injected += u64::from(fails);
        if fails { Err(unavailable()) } else { Ok(()) }
    }
}

#[async_trait]
impl DealStatusSource for SimContract {
    fn contract(&self) -> String {
        NAME.to_owned()
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &Tipset,
    ) -> Vec<Result<Listing>> {
        self.link.fate.read().await;
        let listings = {
            let mut world = self.link.scene.world();
            let listing = |cid: &Cid| {
                self.fails(&mut world)?;
                Ok(listing(&world, cid, within, at.epoch))
            };
            cids.iter().map(listing).collect()
        };
        self.link.fate.read().await;
        listings
    }

    async fn requests_since(&self, _cursor: Option<Cursor>, until: &Tipset) -> Result<Requests> {
        self.link.fate.read().await;
        let mut world = self.link.scene.world();
        self.fails(&mut world)?;
        Ok(world.contract.requests(until.epoch))
    }
}

fn listing(world: &World, cid: &Cid, within: EpochDelta, at: ChainEpoch) -> Listing {
    let all = world.contract.listed(cid, at);
    let known =
        |listed: &ListedDeal| world.deals.get(&listed.deal).map(|deal| (deal.truth(at), deal));
    // It reverts as soon as one deal is gone, as the starter kit's does.
    let gone = all.iter().any(|listed| known(listed).is_none_or(|(truth, _)| truth.is_over()));
    let active = || all.iter().copied();
    let ends = |listed: &ListedDeal| {
        known(listed)
            .is_some_and(|(truth, deal)| truth == Truth::Active && deal.proposal.end <= at + within)
    };
    let reverts = || Err("ActorError(32)".to_owned());
    Listing {
        active: if gone { reverts() } else { Ok(active().collect()) },
        expiring: if gone { reverts() } else { Ok(active().filter(ends).collect()) },
        all,
    }
}

#[async_trait]
impl DealRecorder for SimContract {
    fn account(&self) -> String {
        "account".to_owned()
    }

    async fn prepare(&self, record: &Record, nonce: Option<u64>) -> Result<Prepared> {
        self.link.fate.read().await;
        let mut world = self.link.scene.world();
        self.fails(&mut world)?;
        world.contract.prepare(record, nonce).map_err(rejected)
    }

    async fn send(&self, raw: &[u8]) -> Result<()> {
        self.link.fate.effect().await;
        let sent = {
            let mut world = self.link.scene.world();
            let refused = self.fails(&mut world);
            // An answer may be lost as well as a request.
            if refused.is_ok() || self.link.percent(50) {
                let sent = world.contract.send(raw).map_err(rejected);
                world.expect_mining();
                refused.and(sent)
            } else {
                refused
            }
        };
        self.link.fate.done().await;
        sent
    }

    async fn status(&self, hash: &TxHash) -> Result<TransactionStatus> {
        self.link.fate.read().await;
        let mut world = self.link.scene.world();
        self.fails(&mut world)?;
        Ok(world.contract.status(hash))
    }
}

fn unavailable() -> Error {
    Error::Unavailable { contract: NAME.to_owned(), reason: "it answered 503".to_owned() }
}

fn rejected(reason: String) -> Error {
    Error::Rejected { contract: NAME.to_owned(), reason }
}
