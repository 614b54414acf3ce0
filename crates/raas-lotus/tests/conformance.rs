//! The suite accepts the fake and rejects what is broken: one test for each way to be wrong.

#![expect(clippy::expect_used, reason = "a test that cannot set up its world should stop")]

use std::sync::Arc;

use async_trait::async_trait;
use raas_lotus::{
    FakeLotusChain, Head, LotusChain, Result,
    conformance::{self, FakeWorld, Violation},
};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, SectorHealth, SectorId, SectorReading,
    SectorStatus, SectorWay, Tipset,
};

#[tokio::test]
async fn the_fake_conforms() {
    assert_eq!(conformance::all(&FakeWorld::new()).await, Ok(()));
}

#[tokio::test]
async fn a_chain_that_drops_a_failed_item_is_rejected() {
    assert_eq!(rejected_by(Flaw::DropsFailed).await, "one failed item spoils no other");
}

#[tokio::test]
async fn a_chain_that_ignores_the_pin_is_rejected() {
    let check = rejected_by(Flaw::ReadsAtHead).await;
    assert_eq!(check, "a deal shows from the tipset after each change on");
}

#[tokio::test]
async fn a_chain_that_reads_sectors_at_the_head_is_rejected() {
    assert_eq!(rejected_by(Flaw::ReadsSectorsAtHead).await, "health follows the proofs");
}

#[tokio::test]
async fn a_chain_that_shows_state_after_a_tipset_is_rejected() {
    let check = rejected_by(Flaw::ShowsPostState).await;
    assert_eq!(check, "a deal shows from the tipset after each change on");
}

#[tokio::test]
async fn a_chain_that_says_not_found_for_what_it_could_not_read_is_rejected() {
    assert_eq!(rejected_by(Flaw::FailedIsNotFound).await, "one failed item spoils no other");
}

#[tokio::test]
async fn a_chain_that_lets_one_failure_spoil_all_is_rejected() {
    assert_eq!(rejected_by(Flaw::OneSpoilsAll).await, "one failed item spoils no other");
}

#[tokio::test]
async fn a_chain_that_answers_in_its_own_order_is_rejected() {
    let check = rejected_by(Flaw::Sorts).await;
    assert_eq!(check, "every deal is answered in the order asked");
}

#[tokio::test]
async fn a_chain_that_answers_the_first_hundred_is_rejected() {
    assert_eq!(rejected_by(Flaw::StopsAtHundred).await, "many items are answered at once");
}

#[tokio::test]
async fn a_chain_that_keeps_the_next_id_to_itself_is_rejected() {
    let check = rejected_by(Flaw::HidesNextId).await;
    assert_eq!(check, "a deal shows from the tipset after each change on");
}

#[tokio::test]
async fn a_chain_whose_final_tipset_is_its_next_one_is_rejected() {
    let check = rejected_by(Flaw::FinalAfterHead).await;
    assert_eq!(check, "tipsets link and the final one trails the head");
}

#[tokio::test]
async fn a_chain_that_takes_its_head_for_every_epoch_is_rejected() {
    let check = rejected_by(Flaw::HeadForEveryEpoch).await;
    assert_eq!(check, "an epoch leads to its tipset or the one before");
}

#[tokio::test]
async fn a_chain_that_cannot_tell_new_sectors_from_proven_ones_says_how_it_reads() {
    assert_eq!(conformance::all(&world(Flaw::HearsTheActor)).await, Ok(()));
    assert_eq!(rejected_by(Flaw::TakesNewForProven).await, "health follows the proofs");
    assert_eq!(rejected_by(Flaw::HearsNothingOfFaults).await, "health follows the proofs");
}

#[tokio::test]
async fn a_chain_that_forgets_is_asked_no_further_back_than_its_harness_says() {
    let reach = world(Flaw::Forgets).looking_back(REACH);
    assert_eq!(conformance::all(&reach).await, Ok(()));
    let check = rejected_by(Flaw::Forgets).await;
    assert_eq!(check, "a deal shows from the tipset after each change on", "nobody said not to");
    let further = world(Flaw::Forgets).looking_back(REACH + REACH);
    assert!(conformance::all(&further).await.is_err(), "less than its harness says");
}

#[tokio::test]
async fn a_chain_that_ignores_the_pin_is_rejected_though_it_is_not_asked_far_back() {
    for flaw in [Flaw::ReadsAtHead, Flaw::ReadsSectorsAtHead, Flaw::ShowsPostState] {
        let world = world(flaw).looking_back(REACH);
        assert!(conformance::all(&world).await.is_err(), "{flaw:?}");
    }
}

fn world(flaw: Flaw) -> FakeWorld {
    FakeWorld::wrapped(|fake| Arc::new(Broken { fake, flaw }))
}

/// The check that rejects a chain with this flaw.
async fn rejected_by(flaw: Flaw) -> &'static str {
    let Violation { check, .. } =
        conformance::all(&world(flaw)).await.expect_err("must be rejected");
    check
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    DropsFailed,
    ReadsAtHead,
    ReadsSectorsAtHead,
    ShowsPostState,
    FailedIsNotFound,
    OneSpoilsAll,
    Sorts,
    StopsAtHundred,
    HidesNextId,
    FinalAfterHead,
    HeadForEveryEpoch,
    /// Says that new sectors are active, and that it has that from their provider's actor.
    HearsTheActor,
    /// Says so without saying where it has that from.
    TakesNewForProven,
    /// Says that all live sectors are active, and that it has that from their provider's actor.
    HearsNothingOfFaults,
    /// Fails at tipsets more than [`REACH`] below the head.
    Forgets,
}

/// In a [`FakeWorld`] a sector is left alone for a deadline before each change, and seen changed an
/// epoch later. So from the tipset that shows one change to the one that shows the next it is as many.
const REACH: EpochDelta = EpochDelta::new(EpochDelta::DEADLINE.get() + 1);

#[derive(Debug)]
struct Broken {
    fake: FakeLotusChain,
    flaw: Flaw,
}

impl Broken {
    fn pin(&self, at: &Tipset) -> Tipset {
        let head = self.fake.epoch();
        match self.flaw {
            Flaw::ReadsAtHead => self.fake.tipset(head),
            Flaw::ShowsPostState => {
                let next = at.epoch + EpochDelta::new(1);
                self.fake.tipset(next.min(head))
            }
            _ => at.clone(),
        }
    }

    fn has_forgotten(&self, at: &Tipset) -> bool {
        self.flaw == Flaw::Forgets && at.epoch < self.fake.epoch() - REACH
    }
}

#[async_trait]
impl LotusChain for Broken {
    fn endpoint(&self) -> String {
        self.fake.endpoint()
    }

    async fn network(&self) -> Result<Network> {
        self.fake.network().await
    }

    async fn head(&self) -> Result<Head> {
        self.fake.head().await
    }

    async fn finalized(&self) -> Result<Tipset> {
        let finalized = self.fake.finalized().await?;
        let next: ChainEpoch = self.fake.epoch() + EpochDelta::new(1);
        Ok(if self.flaw == Flaw::FinalAfterHead { self.fake.tipset(next) } else { finalized })
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        match self.flaw {
            Flaw::HeadForEveryEpoch => Ok(self.fake.head().await?.tipset),
            _ => self.fake.tipset_at(epoch).await,
        }
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        let mut ids = ids.to_vec();
        match self.flaw {
            Flaw::Sorts => ids.sort_unstable(),
            Flaw::StopsAtHundred => ids.truncate(100),
            _ => {}
        }
        let mut answers = self.fake.deals(&ids, &self.pin(at)).await;
        if self.has_forgotten(at) {
            answers.fill(DealReading::Failed("too far back".to_owned()));
        }
        let failed = |answer: &DealReading| matches!(answer, DealReading::Failed(_));
        match self.flaw {
            Flaw::DropsFailed => answers.retain(|answer| !failed(answer)),
            Flaw::OneSpoilsAll if answers.iter().any(failed) => {
                answers.fill(DealReading::Failed("spoilt".to_owned()));
            }
            Flaw::FailedIsNotFound => {
                for answer in answers.iter_mut().filter(|answer| failed(answer)) {
                    *answer = DealReading::NotFound { next_id: None };
                }
            }
            Flaw::HidesNextId => {
                for answer in &mut answers {
                    if let DealReading::NotFound { next_id } = answer {
                        *next_id = None;
                    }
                }
            }
            _ => {}
        }
        answers
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        let at = match self.flaw {
            Flaw::ReadsSectorsAtHead => self.fake.tipset(self.fake.epoch()),
            _ => self.pin(at),
        };
        let mut answers = self.fake.sectors(ids, &at).await;
        if self.has_forgotten(&at) {
            answers.fill(SectorReading::Failed("too far back".to_owned()));
        }
        for answer in &mut answers {
            if let SectorReading::Found(status) = answer {
                self.flaw.retell(status);
            }
        }
        answers
    }
}

impl Flaw {
    fn retell(self, status: &mut SectorStatus) {
        let taken_for_active: &[_] = match self {
            Self::HearsTheActor | Self::TakesNewForProven => &[SectorHealth::Unproven],
            Self::HearsNothingOfFaults => &[SectorHealth::Unproven, SectorHealth::Faulty],
            _ => return,
        };
        if self != Self::TakesNewForProven {
            status.way = SectorWay::Location;
        }
        if taken_for_active.contains(&status.health) {
            status.health = SectorHealth::Active;
        }
    }
}
