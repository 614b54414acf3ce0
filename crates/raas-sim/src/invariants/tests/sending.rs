//! What leaves a node: who may send it, upon what, and that nobody is bothered twice.

use raas_job_store::Change;
use raas_types::{
    Cause, DealId, EpochDelta, JobId, Transaction, TransactionPurpose, TransactionState, TxHash,
};

use super::{DAY, Invariant, ONE, Stage};

#[test]
fn an_order_from_a_node_that_lost_the_store_is_seen() {
    let mut stage = Stage::new();
    let order = stage.order("order", Cause::Replication);
    stage.watch.leased(0);
    assert_eq!(stage.take(&order), []);
    let second = stage.order("second", Cause::Replication);
    stage.watch.leased(1);
    assert_eq!(stage.take(&second), [Invariant::OneAtATime]);
}

#[test]
fn an_order_that_was_decided_at_the_head_is_seen() {
    let finality = EpochDelta::new(30);
    let broken = |ago: EpochDelta| {
        let mut stage = Stage::new();
        stage.world.weather.finality = finality;
        let mut order = stage.order("order", Cause::Replication);
        order.created = stage.world.now - ago;
        stage.take(&order)
    };
    assert_eq!(broken(finality), []);
    assert_eq!(broken(finality - ONE), [Invariant::FinalOnly]);
}

#[test]
fn an_order_that_does_not_leave_out_who_has_the_data_is_seen() {
    let broken = |left_out: bool| {
        let mut stage = Stage::new();
        stage.world.services[0].capabilities.excludes_providers = true;
        stage.deals(1);
        let holder = stage.world.providers[0].id;
        let mut order = stage.order("order", Cause::Replication);
        order.exclude.extend(left_out.then_some(holder));
        stage.take(&order)
    };
    assert_eq!(broken(true), []);
    assert_eq!(broken(false), [Invariant::OwnProvider]);
}

#[test]
fn giving_up_an_order_that_was_taken_is_seen() {
    let broken = |taken: bool, late: bool| {
        let mut stage = Stage::new();
        let order = stage.order("order", Cause::Replication);
        if taken {
            assert_eq!(stage.take(&order), []);
        }
        if late {
            let latency = stage.world.services[0].capabilities.latency;
            stage.world.advance_to(stage.world.now + latency);
        }
        stage.fail(&order);
        stage.broken()
    };
    assert_eq!(broken(true, false), [Invariant::WaitedFor]);
    assert_eq!(broken(false, false), []);
    assert_eq!(broken(true, true), []);
}

#[test]
fn asking_again_at_once_who_brought_nothing_is_seen() {
    let broken = |days: i64| {
        let mut stage = Stage::new();
        stage.world.services[0].capabilities.latency = DAY;
        for name in ["first", "second"] {
            let order = stage.order(name, Cause::Replication);
            stage.fail(&order);
        }
        // After two in a row the pause is two days.
        stage.world.advance_to(stage.world.now + DAY.times(days));
        let order = stage.order("third", Cause::Replication);
        stage.take(&order)
    };
    assert_eq!(broken(2), []);
    assert_eq!(broken(1), [Invariant::AskedMoreRarely]);
}

#[test]
fn writing_the_same_twice_is_seen() {
    let purpose = TransactionPurpose::Complete { job: JobId::new("job"), deal: DealId::new(1) };
    let write = |stage: &mut Stage, nonce: u64, state: TransactionState| {
        let (hash, purpose) = (TxHash(nonce.to_string()), purpose.clone());
        let transactions = vec![Transaction { hash, purpose, raw: Vec::new(), nonce, state }];
        let change = Change { transactions, ..Change::default() };
        stage.watch.committed(&mut stage.world, 0, &change);
        stage.broken()
    };
    let mut stage = Stage::new();
    let at = stage.world.now;
    let done = TransactionState::Done { at, submission: None };
    let failed = TransactionState::Failed { reason: "out of gas".to_owned(), at };
    assert_eq!(write(&mut stage, 1, TransactionState::Prepared), []);
    assert_eq!(write(&mut stage, 1, failed), []);
    assert_eq!(write(&mut stage, 2, TransactionState::Prepared), []);
    assert_eq!(write(&mut stage, 2, done), []);
    assert_eq!(write(&mut stage, 3, TransactionState::Prepared), [Invariant::RecordedOnce]);
}
