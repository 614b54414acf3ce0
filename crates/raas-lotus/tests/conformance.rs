//! The suite accepts the fake and rejects what is broken: one test for each way to be wrong.

#![expect(clippy::expect_used, reason = "a test that cannot set up its world should stop")]

use std::sync::Arc;

use async_trait::async_trait;
use raas_lotus::{
    FakeLotusChain, Head, LotusChain, Result,
    conformance::{self, FakeWorld, Violation},
};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, SectorId, SectorReading, Tipset,
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

/// The check that rejects a chain with this flaw.
async fn rejected_by(flaw: Flaw) -> &'static str {
    let world = FakeWorld::wrapped(|fake| Arc::new(Broken { fake, flaw }));
    let Violation { check, .. } = conformance::all(&world).await.expect_err("must be rejected");
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
}

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

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        let mut ids = ids.to_vec();
        match self.flaw {
            Flaw::Sorts => ids.sort_unstable(),
            Flaw::StopsAtHundred => ids.truncate(100),
            _ => {}
        }
        let mut answers = self.fake.deals(&ids, &self.pin(at)).await;
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
        self.fake.sectors(ids, &at).await
    }
}
