//! The suite can fail: each flaw here is rejected, by the sentence that names the broken promise.

mod common;

use std::sync::Mutex;

use async_trait::async_trait;
use cid::Cid;
use common::World;
use raas_deal_status::{
    Cursor, DealRecorder, DealStatusSource, FakeDealStatus, Listing, Prepared, Record, Requests,
    Result, TransactionStatus, conformance,
};
use raas_types::{ChainEpoch, DealId, EpochDelta, ListedDeal, ProviderId, Tipset, TxHash};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    IgnoresPin,
    ReadsAfterThePin,
    LeavesHoles,
    Repeats,
    SortsAnswers,
    SubmitsTwice,
    SkipsAhead,
    ReadsAgain,
    NewestFirst,
    SendsEarly,
    IgnoresNonce,
    CompletesAnything,
}

/// A fake with one flaw.
#[derive(Debug)]
struct Broken {
    fake: FakeDealStatus,
    flaw: Flaw,
    /// The records prepared, to do again what must not be done again.
    prepared: Mutex<Vec<(Record, Prepared)>>,
}

impl Broken {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn remembered(&self, wanted: impl Fn(&Prepared) -> bool) -> Option<Record> {
        let prepared = self.prepared.lock().expect("no test panics while it holds this");
        prepared.iter().find(|(_, p)| wanted(p)).map(|(record, _)| record.clone())
    }
}

#[async_trait]
impl DealStatusSource for Broken {
    fn contract(&self) -> String {
        self.fake.contract()
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &Tipset,
    ) -> Vec<Result<Listing>> {
        let mut at = at.clone();
        match self.flaw {
            Flaw::IgnoresPin => at.epoch = ChainEpoch::new(i64::MAX),
            // The state after the tipset's own messages instead of after its parents'.
            Flaw::ReadsAfterThePin => at.epoch = at.epoch + EpochDelta::new(1),
            _ => {}
        }
        let mut cids = cids.to_vec();
        if self.has(Flaw::SortsAnswers) {
            cids.sort();
        }
        let mut answers = self.fake.listings(&cids, within, &at).await;
        for listing in answers.iter_mut().flatten().filter(|listing| !listing.all.is_empty()) {
            let hole = ListedDeal { deal: DealId::new(0), provider: ProviderId::new(0) };
            match self.flaw {
                Flaw::LeavesHoles => listing.active = Ok(vec![hole]),
                Flaw::Repeats => listing.all.extend(listing.all.clone()),
                _ => {}
            }
        }
        answers
    }

    async fn requests_since(&self, cursor: Option<Cursor>, until: &Tipset) -> Result<Requests> {
        let mut answer = self.fake.requests_since(cursor, until).await?;
        match self.flaw {
            Flaw::SkipsAhead => answer.cursor.epoch = answer.cursor.epoch.max(until.epoch),
            Flaw::ReadsAgain => {
                let back = answer.cursor.epoch - EpochDelta::new(1);
                answer.cursor.epoch = cursor.map_or(back, |cursor| back.max(cursor.epoch));
            }
            Flaw::NewestFirst => answer.requests.reverse(),
            _ => {}
        }
        Ok(answer)
    }
}

#[async_trait]
impl DealRecorder for Broken {
    fn account(&self) -> String {
        self.fake.account()
    }

    async fn prepare(&self, record: &Record, nonce: Option<u64>) -> Result<Prepared> {
        let mut record = record.clone();
        if self.has(Flaw::CompletesAnything)
            && let Record::Complete { submission, .. } = &mut record
        {
            *submission = self.fake.submit(common::data(1).to_string(), None);
        }
        let nonce = if self.has(Flaw::IgnoresNonce) { None } else { nonce };
        let prepared = self.fake.prepare(&record, nonce).await?;
        if self.has(Flaw::SendsEarly) {
            self.fake.send(&prepared.raw).await?;
        }
        let mut known = self.prepared.lock().expect("no test panics while it holds this");
        known.push((record, prepared.clone()));
        Ok(prepared)
    }

    async fn send(&self, raw: &[u8]) -> Result<()> {
        self.fake.send(raw).await?;
        if self.has(Flaw::SubmitsTwice)
            && let Some(Record::Submit { cid, terms }) = self.remembered(|p| p.raw == raw)
        {
            // The first sending is one submission; every sending is one more.
            self.fake.submit(cid.to_string(), Some(terms));
        }
        Ok(())
    }

    async fn status(&self, hash: &TxHash) -> Result<TransactionStatus> {
        self.fake.status(hash).await
    }
}

fn world(flaw: Flaw) -> World {
    let fake = FakeDealStatus::new();
    fake.auto_mine(false);
    World::new(fake.clone(), Broken { fake, flaw, prepared: Mutex::default() })
}

#[tokio::test]
#[should_panic(expected = "must be listed at pins above it only")]
async fn a_reader_that_ignores_the_pin_is_rejected() {
    conformance::a_completed_deal_shows_above_its_epoch_and_once(&world(Flaw::IgnoresPin)).await;
}

#[tokio::test]
#[should_panic(expected = "must be listed at pins above it only")]
async fn a_reader_of_the_state_after_the_pinned_tipset_is_rejected() {
    let world = world(Flaw::ReadsAfterThePin);
    conformance::a_completed_deal_shows_above_its_epoch_and_once(&world).await;
}

#[tokio::test]
#[should_panic(expected = "must leave out zeroed entries")]
async fn a_list_with_holes_is_rejected() {
    conformance::a_completed_deal_shows_above_its_epoch_and_once(&world(Flaw::LeavesHoles)).await;
}

#[tokio::test]
#[should_panic(expected = "must tell each deal once")]
async fn a_list_with_repeats_is_rejected() {
    conformance::a_completed_deal_shows_above_its_epoch_and_once(&world(Flaw::Repeats)).await;
}

#[tokio::test]
#[should_panic(expected = "must come in the order of the CIDs asked for")]
async fn answers_out_of_order_are_rejected() {
    conformance::listings_answer_every_cid_in_order(&world(Flaw::SortsAnswers)).await;
}

#[tokio::test]
#[should_panic(expected = "the same bytes sent twice must be one submission")]
async fn a_sender_that_submits_again_is_rejected() {
    conformance::the_same_bytes_sent_twice_are_one_submission(&world(Flaw::SubmitsTwice)).await;
}

#[tokio::test]
#[should_panic(expected = "read step by step, each request must come")]
async fn a_cursor_that_skips_is_rejected() {
    conformance::requests_come_once_and_in_order(&world(Flaw::SkipsAhead)).await;
}

#[tokio::test]
#[should_panic(expected = "read step by step, each request must come")]
async fn a_cursor_that_repeats_is_rejected() {
    conformance::requests_come_once_and_in_order(&world(Flaw::ReadsAgain)).await;
}

#[tokio::test]
#[should_panic(expected = "read at once, requests must come oldest first")]
async fn requests_newest_first_are_rejected() {
    conformance::requests_come_once_and_in_order(&world(Flaw::NewestFirst)).await;
}

#[tokio::test]
#[should_panic(expected = "what was only prepared must not be sent")]
async fn a_prepare_that_sends_is_rejected() {
    conformance::preparing_has_no_effect(&world(Flaw::SendsEarly)).await;
}

#[tokio::test]
#[should_panic(expected = "a nonce that is given must be used")]
async fn a_nonce_of_its_own_is_rejected() {
    conformance::a_nonce_given_is_used(&world(Flaw::IgnoresNonce)).await;
}

#[tokio::test]
#[should_panic(expected = "what nobody submitted must not be completed")]
async fn a_recorder_that_completes_anything_is_rejected() {
    let world = world(Flaw::CompletesAnything);
    conformance::completing_an_unknown_submission_is_refused(&world).await;
}

/// The frame is sound: a flaw fails the checks of its own promise and no others.
#[tokio::test]
async fn a_flaw_that_does_not_matter_to_a_check_passes_it() {
    conformance::a_nonce_given_is_used(&world(Flaw::LeavesHoles)).await;
    conformance::requests_come_once_and_in_order(&world(Flaw::IgnoresPin)).await;
    conformance::the_same_bytes_sent_twice_are_one_submission(&world(Flaw::Repeats)).await;
    conformance::preparing_has_no_effect(&world(Flaw::SkipsAhead)).await;
    conformance::listings_answer_every_cid_in_order(&world(Flaw::IgnoresNonce)).await;
}
