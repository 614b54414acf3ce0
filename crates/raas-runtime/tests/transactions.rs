//! What is written to the contract: signed, stored, sent, followed, and never repeated.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_deal_status::{DealRecorder, Record, RequestedTerms};
use raas_runtime::Event;
use raas_types::{
    Cid, EpochDelta, JobId, Transaction, TransactionPurpose, TransactionState, VerdictKind,
};
use world::*;

async fn job_of(target: u32) -> (World, Cid, JobId) {
    let mut world = World::new();
    let cid = world.store_file(b"to be recorded").await;
    let job = world.register(cid, terms(target)).await;
    (world, cid, job)
}

async fn only(world: &World, job: &JobId) -> Transaction {
    let mut transactions = world.transactions(job).await;
    assert_eq!(transactions.len(), 1);
    transactions.pop().unwrap()
}

#[tokio::test]
async fn a_transaction_that_could_not_be_sent_is_sent_again_byte_for_byte() {
    let (mut world, cid, job) = job_of(1).await;
    world.contract.fail_send(true);
    let report = world.pass().await;
    assert!(report.errors.iter().any(|e| e.contains("the test says so")), "{:?}", report.errors);
    let first = only(&world, &job).await;
    world.restart();
    world.step(SOON).await;
    assert_eq!(only(&world, &job).await, first);
    assert_eq!(world.contract.transactions_sent(), 0);
    world.contract.fail_send(false);
    world.step(SOON).await;
    world.step(SOON).await;
    let done = world.transactions(&job).await.remove(0);
    assert_eq!((&done.raw, done.nonce, &done.hash), (&first.raw, first.nonce, &first.hash));
    assert!(matches!(done.state, TransactionState::Done { submission: Some(_), .. }));
    world.settle_down(cid, 1).await;
    assert_eq!(world.contract.transactions_sent(), 2);
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_is_not_made_twice() {
    let (mut world, cid, job) = job_of(1).await;
    world.contract.fail_send_answer(true);
    for _ in 0..4 {
        world.step(SOON).await;
    }
    world.contract.fail_send_answer(false);
    world.settle_down(cid, 1).await;
    assert_eq!(world.transactions(&job).await.len(), 2, "one announces, one records");
    assert_eq!(world.contract.transactions_sent(), 2);
}

#[tokio::test]
async fn a_transaction_that_waits_is_handed_to_the_network_again() {
    let (mut world, _, job) = job_of(1).await;
    world.contract.auto_mine(false);
    world.pass().await;
    world.advance(SOON);
    world.pass().await;
    assert_eq!(world.contract.calls().sends, 2);
    assert_eq!(world.contract.transactions_sent(), 1);
    assert_eq!(only(&world, &job).await.state, TransactionState::Prepared);
}

fn has_failed(transaction: &Transaction) -> bool {
    matches!(transaction.state, TransactionState::Failed { .. })
}

#[tokio::test]
async fn an_announcement_that_always_reverts_is_given_up() {
    let (mut world, cid, job) = job_of(1).await;
    for _ in 0..10 {
        world.contract.revert_next("not on the list");
    }
    for _ in 0..20 {
        world.step(EpochDelta::DAY).await;
    }
    let transactions = world.transactions(&job).await;
    assert_eq!(transactions.len(), 3, "three times in all: {transactions:?}");
    assert!(transactions.iter().all(has_failed));
    let told = |e: &&Event| matches!(e, Event::TransactionFailed { reason, .. } if reason == "not on the list");
    assert_eq!(world.events.iter().filter(told).count(), 3);
    assert_eq!(world.verdicts(&cid).await[&100], VerdictKind::Active, "the data is kept anyway");
}

#[tokio::test]
async fn a_record_that_reverts_is_made_anew_and_delays_no_other() {
    let (mut world, cid, job) = job_of(2).await;
    while world.verdicts(&cid).await.get(&100) != Some(&VerdictKind::Active) {
        world.step(SOON).await;
        // The announcement is through; what is recorded from here on waits.
        world.contract.auto_mine(false);
    }
    world.contract.revert_next("too little gas");
    world.contract.revert_next("too little gas");
    world.contract.auto_mine(true);
    for _ in 0..8 {
        world.step(EpochDelta::DAY).await;
    }
    let transactions = world.transactions(&job).await;
    assert_eq!(transactions.iter().filter(|t| has_failed(t)).count(), 2, "{transactions:?}");
    assert_eq!(world.contract.recorded(&cid).len(), 2);
}

#[tokio::test]
async fn a_transaction_whose_nonce_another_one_used_is_made_anew() {
    let (mut world, cid, job) = job_of(1).await;
    world.contract.fail_send(true);
    world.pass().await;
    world.contract.fail_send(false);
    // The operator sends something with the same key.
    let other = Record::Submit { cid, terms: RequestedTerms::of(&terms(2)) };
    let prepared = world.contract.prepare(&other, None).await.unwrap();
    assert_eq!(prepared.nonce, only(&world, &job).await.nonce);
    world.contract.send(&prepared.raw).await.unwrap();
    world.settle_down(cid, 1).await;
    let transactions = world.transactions(&job).await;
    assert!(has_failed(&transactions[0]), "{transactions:?}");
    assert_eq!(world.contract.recorded(&cid).len(), 1);
}

#[tokio::test]
async fn nonces_follow_one_another_even_while_nothing_is_mined() {
    let mut world = World::new();
    world.contract.auto_mine(false);
    let files: [&[u8]; 20] = std::array::from_fn(|i| &b"01234567890123456789"[i..]);
    let mut jobs = Vec::new();
    for file in files {
        let cid = world.store_file(file).await;
        jobs.push(world.register(cid, terms(1)).await);
    }
    world.pass().await;
    world.advance(SOON);
    world.pass().await;
    let mut nonces = Vec::new();
    for job in &jobs {
        nonces.extend(world.transactions(job).await.into_iter().map(|t| t.nonce));
    }
    nonces.sort_unstable();
    assert_eq!(nonces, (0..16).collect::<Vec<_>>(), "sixteen at a time, none twice");
    world.contract.auto_mine(true);
    for _ in 0..12 {
        world.step(EpochDelta::new(720)).await;
    }
    let mut announced = 0;
    for job in &jobs {
        let done = |t: &Transaction| {
            matches!(t.purpose, TransactionPurpose::Submit { .. })
                && matches!(t.state, TransactionState::Done { .. })
        };
        announced += world.transactions(job).await.iter().filter(|t| done(t)).count();
    }
    assert_eq!(announced, 20, "the rest follows");
}

#[tokio::test]
async fn what_a_reorganisation_undoes_is_done_again() {
    let (mut world, cid, job) = job_of(1).await;
    world.contract.auto_mine(false);
    world.pass().await;
    let pinned = world.node().status().epoch.unwrap();
    // Mined near the head, above the final tipset.
    world.contract.mine(pinned + EpochDelta::new(20));
    world.pass().await;
    assert_eq!(only(&world, &job).await.state, TransactionState::Prepared, "not final yet");
    world.contract.reorg(pinned);
    world.contract.auto_mine(true);
    world.settle_down(cid, 1).await;
    assert_eq!(world.contract.recorded(&cid).len(), 1);
    assert_eq!(world.contract.transactions_sent(), 2);
}

#[tokio::test]
async fn without_a_recorder_nothing_is_written() {
    let mut world = World::new();
    world.records = false;
    let cid = world.store_file(b"to be recorded").await;
    let job = world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    assert_eq!(world.transactions(&job).await, []);
    assert_eq!(world.contract.transactions_sent(), 0);
}

#[tokio::test]
async fn a_contract_that_refuses_to_be_written_to_delays_no_order() {
    let (mut world, cid, job) = job_of(3).await;
    world.contract.fail_prepare(true);
    for _ in 0..12 {
        world.step(SOON).await;
    }
    assert_eq!(world.lasting(&cid).await.len(), 3);
    assert_eq!(world.transactions(&job).await, []);
    world.contract.fail_prepare(false);
    world.settle_down(cid, 3).await;
    assert_eq!(world.contract.recorded(&cid).len(), 3);
}
