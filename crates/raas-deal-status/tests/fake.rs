//! The fake keeps the ports' promises, and does what its documentation says.

mod common;

use common::{World, data, proof, tipset};
use raas_deal_status::{
    Cursor, DealRecorder as _, DealStatusSource as _, Error, FakeDealStatus, Listing,
    MockDealRecorder, MockDealStatusSource, Prepared, Record, RequestedTerms, TransactionStatus,
    conformance,
};
use raas_types::{ChainEpoch, DealId, EpochDelta, ListedDeal, ProviderId, SubmissionId};

const TERMS: RequestedTerms =
    RequestedTerms { replication_target: 2, repair_threshold: 0, renewal_threshold: 0 };

#[tokio::test]
async fn the_fake_passes_the_suite_mined_by_hand_and_by_itself() {
    for auto_mine in [false, true] {
        conformance::all(&async || {
            let fake = FakeDealStatus::new();
            fake.auto_mine(auto_mine);
            World::new(fake.clone(), fake)
        })
        .await;
    }
}

#[tokio::test]
async fn the_fake_passes_the_suite_when_its_answers_are_short() {
    conformance::all(&async || {
        let fake = FakeDealStatus::new();
        fake.set_page(1);
        World::new(fake.clone(), fake)
    })
    .await;
}

#[tokio::test]
async fn a_world_that_has_seen_every_check_passes_them_again() {
    let fake = FakeDealStatus::new();
    let world = World::new(fake.clone(), fake);
    for _ in 0..2 {
        conformance::requests_come_once_and_in_order(&world).await;
        conformance::a_nonce_given_is_used(&world).await;
        conformance::listings_answer_every_cid_in_order(&world).await;
        conformance::completing_an_unknown_submission_is_refused(&world).await;
    }
}

#[tokio::test]
async fn what_a_test_lists_is_tidied_and_follows_its_ends() {
    let fake = FakeDealStatus::new();
    let (one, two, zero) = (deal(1), deal(2), deal(0));
    for listed in [one, zero, two, one] {
        fake.list(data(1), listed);
    }
    fake.list_at(ChainEpoch::new(50), data(1), deal(3));
    fake.set_end(one.deal, ChainEpoch::new(40));
    fake.set_end(two.deal, ChainEpoch::new(60));

    let early = listing(&fake, 30, 20).await;
    assert_eq!(early.all, [one, two]);
    assert_eq!((early.active, early.expiring), (Ok(vec![one, two]), Ok(vec![one])));
    let late = listing(&fake, 51, 9).await;
    assert_eq!(late.all, [one, two, deal(3)]);
    assert_eq!((late.active, late.expiring), (Ok(vec![two, deal(3)]), Ok(vec![two])));
    assert_eq!(fake.recorded(&data(1)).len(), 5, "as the contract has them, untidied");

    fake.set_active(data(1), Err("ActorError(32)".to_owned()));
    fake.set_expiring(data(1), Ok(vec![zero, two, two]));
    let told = listing(&fake, 51, 9).await;
    assert_eq!(told.active, Err("ActorError(32)".to_owned()));
    assert_eq!(told.expiring, Ok(vec![two]));
}

#[tokio::test]
async fn one_cid_that_fails_spoils_no_other() {
    let fake = FakeDealStatus::new();
    fake.list(data(2), deal(2));
    fake.fail_listing_of(data(1), Some("out of gas".to_owned()));
    let answers = fake.listings(&[data(1), data(2)], EpochDelta::DAY, &tipset(9)).await;
    assert!(
        matches!(&answers[0], Err(Error::Unavailable { reason, .. }) if reason == "out of gas")
    );
    assert!(matches!(&answers[1], Ok(listing) if listing.all == [deal(2)]));

    fake.fail_listing_of(data(1), None);
    assert!(fake.listings(&[data(1)], EpochDelta::DAY, &tipset(9)).await[0].is_ok());
    let calls = fake.calls();
    assert_eq!((calls.listings, calls.cids), (2, 3));
}

#[tokio::test]
async fn each_switch_fails_its_own_call_until_it_is_turned_off() {
    let fake = FakeDealStatus::new();
    for on in [true, false] {
        fake.fail_listings(on);
        fake.fail_requests(on);
        fake.fail_prepare(on);
        fake.fail_status(on);
        let listings = fake.listings(&[data(1)], EpochDelta::DAY, &tipset(1)).await;
        assert_eq!(listings[0].is_err(), on);
        assert_eq!(fake.requests_since(None, &tipset(1)).await.is_err(), on);
        assert_eq!(fake.prepare(&submission(1), None).await.is_err(), on);
        let status = fake.status(&raas_types::TxHash("0x00".to_owned())).await;
        assert_eq!(status.is_err(), on);
    }
}

#[tokio::test]
async fn a_lost_answer_hides_a_transaction_that_was_taken() {
    let fake = FakeDealStatus::new();
    let prepared = prepare(&fake, 1).await;
    fake.fail_send(true);
    assert!(fake.send(&prepared.raw).await.is_err());
    assert_eq!(fake.transactions_sent(), 0, "nothing left the house");

    fake.fail_send(false);
    fake.fail_send_answer(true);
    assert!(fake.send(&prepared.raw).await.is_err_and(|error| error.is_temporary()));
    assert!(matches!(status(&fake, &prepared).await, TransactionStatus::Done { .. }));
    fake.fail_send_answer(false);
    assert!(fake.send(&prepared.raw).await.is_ok());
    assert_eq!((fake.transactions_sent(), fake.calls().sends), (1, 3));
}

#[tokio::test]
async fn a_nonce_serves_once_and_a_gap_holds_up_what_follows() {
    let fake = FakeDealStatus::new();
    let (first, rival) = (prepare(&fake, 1).await, prepare(&fake, 2).await);
    assert_eq!(first.nonce, rival.nonce, "neither is sent yet");
    let second = fake.prepare(&submission(3), Some(1)).await.expect("a nonce ahead");
    fake.send(&second.raw).await.expect("it may wait");
    assert_eq!(status(&fake, &second).await, TransactionStatus::Waiting, "nonce 0 is missing");

    fake.send(&first.raw).await.expect("it is its turn");
    let refused = fake.send(&rival.raw).await;
    assert!(matches!(refused, Err(Error::Rejected { reason, .. }) if reason.contains("nonce 0")));
    assert!(matches!(status(&fake, &second).await, TransactionStatus::Done { .. }));
    assert!(matches!(fake.send(b"nonsense").await, Err(Error::Rejected { .. })));

    let other = fake.with_account("another");
    assert_eq!(prepare(&other, 4).await.nonce, 0, "each account counts for itself");
}

#[tokio::test]
async fn a_transaction_that_reverts_says_why_and_leaves_nothing() {
    let fake = FakeDealStatus::new();
    fake.revert_next("out of gas");
    let (first, at) = (prepare(&fake, 1).await, ChainEpoch::GENESIS);
    fake.send(&first.raw).await.expect("sent");
    let reverted = TransactionStatus::Reverted { at, reason: "out of gas".to_owned() };
    assert_eq!(status(&fake, &first).await, reverted);
    let second = prepare(&fake, 1).await;
    assert_eq!(second.nonce, 1, "a reverted transaction has used its nonce");
    fake.send(&second.raw).await.expect("sent");
    let done = TransactionStatus::Done { at, submission: Some(SubmissionId(1)) };
    assert_eq!(status(&fake, &second).await, done);
}

#[tokio::test]
async fn a_short_answer_keeps_epochs_whole() {
    let fake = FakeDealStatus::new();
    fake.set_page(1);
    for epoch in [5, 5, 8] {
        fake.mine(ChainEpoch::new(epoch));
        fake.submit("a key that is no CID", Some(TERMS));
    }
    let first = fake.requests_since(None, &tipset(9)).await.expect("told");
    assert_eq!((first.requests.len(), first.more), (2, true), "both of epoch 5");
    assert_eq!(first.cursor, Cursor { epoch: ChainEpoch::new(5) });
    let rest = fake.requests_since(Some(first.cursor), &tipset(9)).await.expect("told");
    assert_eq!((rest.requests.len(), rest.more), (1, false));
    assert_eq!(rest.requests[0].submission, SubmissionId(3));
    assert_eq!(rest.cursor, Cursor { epoch: ChainEpoch::new(8) });
}

#[tokio::test]
async fn a_client_may_submit_a_cid_as_text_or_in_binary() {
    for key in [data(1).to_string().into_bytes(), data(1).to_bytes()] {
        let fake = FakeDealStatus::new();
        let submission = fake.submit(key, None);
        let record = completion(submission, deal(4));
        let prepared = fake.prepare(&record, None).await.expect("the submission is there");
        fake.send(&prepared.raw).await.expect("sent");
        assert_eq!(listing(&fake, 1, 0).await.all, [deal(4)]);
    }
}

#[tokio::test]
async fn a_reorganisation_undoes_what_was_mined_above() {
    let fake = FakeDealStatus::new();
    fake.mine(ChainEpoch::new(10));
    let submission = fake.submit(data(1).to_string(), Some(TERMS));
    fake.mine(ChainEpoch::new(20));
    fake.submit("gone", None);
    let record = completion(submission, deal(4));
    let prepared = fake.prepare(&record, None).await.expect("the submission is there");
    fake.send(&prepared.raw).await.expect("sent");
    assert_eq!(listing(&fake, 21, 0).await.all, [deal(4)]);

    fake.reorg(ChainEpoch::new(15));
    assert_eq!(status(&fake, &prepared).await, TransactionStatus::Waiting);
    assert_eq!(listing(&fake, 21, 0).await.all, []);
    let left = fake.requests_since(None, &tipset(21)).await.expect("told").requests;
    assert_eq!(left.iter().map(|r| r.submission).collect::<Vec<_>>(), [submission]);
    fake.mine(ChainEpoch::new(22));
    assert_eq!(listing(&fake, 23, 0).await.all, [deal(4)], "mined again");
}

#[tokio::test]
async fn the_mocks_answer_what_a_test_expects() {
    let mut source = MockDealStatusSource::new();
    source.expect_listings().times(1).returning(|cids, _, _| {
        let gone = |_: &raas_types::Cid| {
            let (contract, reason) = ("mock".to_owned(), "gone".to_owned());
            Err(Error::Unavailable { contract, reason })
        };
        cids.iter().map(gone).collect()
    });
    let answers = source.listings(&[data(1), data(2)], EpochDelta::DAY, &tipset(1)).await;
    assert!(answers.len() == 2 && answers.iter().all(Result::is_err));

    let mut recorder = MockDealRecorder::new();
    recorder.expect_send().withf(|raw| raw == b"raw").times(1).returning(|_| Ok(()));
    assert!(recorder.send(b"raw").await.is_ok());
}

fn deal(n: u64) -> ListedDeal {
    ListedDeal { deal: DealId::new(n), provider: ProviderId::new(if n == 0 { 0 } else { 1000 }) }
}

fn submission(n: u64) -> Record {
    Record::Submit { cid: data(n), terms: TERMS }
}

fn completion(submission: SubmissionId, listed: ListedDeal) -> Record {
    let ListedDeal { deal, provider } = listed;
    Record::Complete { submission, deal, provider, proof: proof(1) }
}

async fn prepare(fake: &FakeDealStatus, n: u64) -> Prepared {
    fake.prepare(&submission(n), None).await.expect("a submission is always accepted")
}

async fn status(fake: &FakeDealStatus, prepared: &Prepared) -> TransactionStatus {
    fake.status(&prepared.hash).await.expect("status is on")
}

async fn listing(fake: &FakeDealStatus, at: i64, within: i64) -> Listing {
    let mut answers = fake.listings(&[data(1)], EpochDelta::new(within), &tipset(at)).await;
    answers.remove(0).expect("listings are on")
}
