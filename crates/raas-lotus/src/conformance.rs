//! What every [`LotusChain`] must do, as checks to run against a new one.
//!
//! Write a [`Harness`]: it gives the chain under test and makes things happen on whatever lies
//! behind it. Then:
//!
//! ```
//! # use raas_lotus::conformance::{self, FakeWorld};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! conformance::all(&FakeWorld::new()).await
//! # }).unwrap();
//! ```
//!
//! The suite can fail: `tests/conformance.rs` shows that it rejects chains that drop a failed item,
//! read at the head instead of the pin, forget that state at a tipset is the parent state, say *not
//! found* for what could not be read, let one failed item spoil the rest, merge duplicates, or
//! answer out of order.
//!
//! It asks for no more than a chain can know. One that hears of a sector from its provider's actor alone
//! ([`SectorWay::Location`](raas_types::SectorWay::Location)) may call a new one active, as the actor
//! does; one that looks back a day is not asked about last week ([`Harness::look_back`]).

mod deals;
mod fake_world;
mod sectors;
mod whole;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use raas_types::{ChainEpoch, DealId, DealReading, EpochDelta, SectorId, SectorReading, Tipset};

pub use fake_world::FakeWorld;

use crate::LotusChain;

/// Makes things happen on the chain that the [`LotusChain`] under test reads.
///
/// What makes something happen returns the epoch whose tipset carries it. State shows it above that
/// epoch, so [`publish`](Self::publish), [`activate`](Self::activate) and
/// [`terminate`](Self::terminate) must not let the chain pass it; the others may let any number of
/// epochs pass, as a deadline has to end before a proof is missed.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The chain under test.
    fn chain(&self) -> Arc<dyn LotusChain>;

    /// How far below its head the chain can be read, where that is bounded, as at a gateway it is by
    /// 24 hours. No check reads further back.
    fn look_back(&self) -> Option<EpochDelta> {
        None
    }

    /// Lets epochs pass.
    async fn advance(&self, epochs: EpochDelta);

    /// Publishes a new deal.
    async fn publish(&self) -> (DealId, ChainEpoch);

    /// Activates a published deal in a new sector of its own.
    async fn activate(&self, deal: DealId) -> (SectorId, ChainEpoch);

    /// Lets a new sector be proven for the first time.
    async fn prove(&self, sector: SectorId) -> ChainEpoch;

    /// Makes a proven sector miss its proof; gives the last epoch of the deadline that it missed,
    /// and the epoch whose tipset carries that (a later one where that round was null).
    async fn miss_proof(&self, sector: SectorId) -> (ChainEpoch, ChainEpoch);

    /// Lets a faulty sector be proven again.
    async fn recover(&self, sector: SectorId) -> ChainEpoch;

    /// Terminates a sector and with it its deal.
    async fn terminate(&self, sector: SectorId) -> ChainEpoch;

    /// Makes the endpoint unreachable, or reachable again.
    async fn set_down(&self, down: bool);

    /// Makes readings of these two fail, and of nothing else; `false` where that cannot be had,
    /// and the check is left out.
    async fn spoil(&self, deal: DealId, sector: SectorId) -> bool;

    /// Undoes [`spoil`](Self::spoil).
    async fn mend(&self, deal: DealId, sector: SectorId);
}

/// What a chain does that it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {what}")]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// What was expected and what came.
    pub what: String,
}

/// Runs every check, one after the other, in one world.
///
/// # Errors
///
/// The first violation found.
pub async fn all(harness: &dyn Harness) -> Result<(), Violation> {
    whole::the_network_is_named_and_stays(harness).await?;
    whole::tipsets_link_and_the_final_one_trails_the_head(harness).await?;
    whole::an_epoch_leads_to_its_tipset_or_the_one_before(harness).await?;
    whole::nothing_asked_is_nothing_answered(harness).await?;
    deals::a_deal_shows_from_the_tipset_after_each_change_on(harness).await?;
    deals::a_missing_deal_comes_with_the_next_id(harness).await?;
    deals::every_deal_is_answered_in_the_order_asked(harness).await?;
    sectors::health_follows_the_proofs(harness).await?;
    sectors::a_sector_shows_from_the_tipset_after_each_change_on(harness).await?;
    sectors::every_sector_is_answered_in_the_order_asked(harness).await?;
    whole::many_items_are_answered_at_once(harness).await?;
    whole::one_failed_item_spoils_no_other(harness).await?;
    whole::an_endpoint_that_is_down_fails_and_finds_nothing_missing(harness).await
}

type Checked<T = ()> = Result<T, Violation>;

/// One check at work: names itself in what it finds.
struct Check<'a> {
    name: &'static str,
    harness: &'a dyn Harness,
    chain: Arc<dyn LotusChain>,
}

impl<'a> Check<'a> {
    fn new(name: &'static str, harness: &'a dyn Harness) -> Self {
        Self { name, harness, chain: harness.chain() }
    }

    fn violation(&self, what: impl Into<String>) -> Violation {
        Violation { check: self.name, what: what.into() }
    }

    fn ensure(&self, holds: bool, what: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.violation(what())) }
    }

    fn equal<T: PartialEq + fmt::Debug>(&self, about: &str, got: &T, expected: &T) -> Checked {
        self.ensure(got == expected, || format!("{about}: expected {expected:?}, got {got:?}"))
    }

    async fn head(&self) -> Checked<Tipset> {
        let head = self.chain.head().await.map_err(|e| self.violation(format!("head: {e}")))?;
        Ok(head.tipset)
    }

    /// Of tipsets seen on the way, those that can still be read at.
    async fn in_reach(&self, seen: &[Tipset]) -> Checked<Vec<Tipset>> {
        let oldest = match self.harness.look_back() {
            Some(look_back) => self.head().await?.epoch - look_back,
            None => ChainEpoch::GENESIS,
        };
        Ok(seen.iter().filter(|at| at.epoch >= oldest).cloned().collect())
    }

    /// Lets the chain come to a tipset above `epoch`, and gives every head on the way there.
    async fn heads_until_above(&self, epoch: ChainEpoch) -> Checked<Vec<Tipset>> {
        // Rounds may be null; forty of them in a row would be a broken world.
        const MAX_STEPS: usize = 40;
        let mut heads = vec![self.head().await?];
        for _ in 0..MAX_STEPS {
            if heads.last().is_some_and(|head| head.epoch > epoch) {
                return Ok(heads);
            }
            self.harness.advance(EpochDelta::new(1)).await;
            let head = self.head().await?;
            if heads.last() != Some(&head) {
                heads.push(head);
            }
        }
        Err(self.violation(format!("the head does not move past epoch {epoch}: {heads:?}")))
    }

    /// The first tipset that shows what happened at `epoch`.
    async fn after(&self, epoch: ChainEpoch) -> Checked<Tipset> {
        let mut heads = self.heads_until_above(epoch).await?;
        heads.pop().ok_or_else(|| self.violation("no head"))
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Checked<Vec<DealReading>> {
        let answers = self.chain.deals(ids, at).await;
        self.equal("answers to deals", &answers.len(), &ids.len())?;
        Ok(answers)
    }

    async fn deal(&self, id: DealId, at: &Tipset) -> Checked<DealReading> {
        let answer = self.deals(&[id], at).await?.pop();
        answer.ok_or_else(|| self.violation("no answer"))
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Checked<Vec<SectorReading>> {
        let answers = self.chain.sectors(ids, at).await;
        self.equal("answers to sectors", &answers.len(), &ids.len())?;
        Ok(answers)
    }

    async fn sector(&self, id: SectorId, at: &Tipset) -> Checked<SectorReading> {
        let answer = self.sectors(&[id], at).await?.pop();
        answer.ok_or_else(|| self.violation("no answer"))
    }

    /// An active deal, its sector, and a tipset that shows them.
    async fn active_deal(&self) -> Checked<(DealId, SectorId, Tipset)> {
        let (deal, published) = self.harness.publish().await;
        self.after(published).await?;
        let (sector, activated) = self.harness.activate(deal).await;
        Ok((deal, sector, self.after(activated).await?))
    }

    /// The next id as the market states it at `at`, learned from a deal that cannot be there.
    async fn next_id(&self, at: &Tipset) -> Checked<DealId> {
        const FAR: DealId = DealId::new(1 << 53);
        match self.deal(FAR, at).await? {
            DealReading::NotFound { next_id: Some(next) } => Ok(next),
            other => {
                Err(self.violation(format!("deal {FAR}: expected the next id, got {other:?}")))
            }
        }
    }
}
