//! The log of decisions: each order can be traced to what it rests on, every entry gives the same plan
//! again, and a world in which nothing is to be done leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_core::{JobView, Observation, Plan, Step};
use raas_job_store::{Decision, JobStore};
use raas_runtime::{CorePlanner, Decided, Planner, Replayed, Unreadable, replay};
use raas_types::{Cause, Cid, EpochDelta, Order};
use world::*;

/// All that the log has, oldest first, with their numbers.
async fn logged(world: &World, cid: Option<Cid>) -> Vec<(u64, Decision)> {
    let mut all = world.inner_store.decisions(cid, None, usize::MAX).await.unwrap();
    all.reverse();
    all
}

async fn decided(world: &World, cid: &Cid) -> Vec<Decided> {
    let all = logged(world, Some(*cid)).await;
    all.iter().map(|(_, decision)| Decided::decode(&decision.body).unwrap()).collect()
}

/// Whether a decision is the one that an order came of.
fn led_to(decided: &Decided, order: &Order) -> bool {
    let asks = |step: &Step| matches!(step, Step::Order { aggregator, cause, .. } if *aggregator == order.aggregator && *cause == order.cause);
    decided.plan.at == order.created && decided.plan.steps.iter().any(asks)
}

/// Three replicas, of which one is lost and replaced.
async fn repaired() -> (World, Cid) {
    let (mut world, cid, _) = satisfied(1, 3).await;
    world.fault(LOST);
    world.advance(EpochDelta::DAY);
    world.step(EpochDelta::new(720)).await;
    world.settle_down(cid, 3).await;
    assert!(world.orders(&cid).await.iter().any(|o| o.cause == Cause::Repair { deal: LOST }));
    (world, cid)
}

#[tokio::test]
async fn every_order_is_traced_to_a_decision_with_what_was_seen() {
    let (world, cid) = repaired().await;
    let decided = decided(&world, &cid).await;
    for order in world.orders(&cid).await {
        let Some(decision) = decided.iter().find(|decided| led_to(decided, &order)) else {
            panic!("no decision led to {order:?}: {decided:#?}")
        };
        assert_eq!(decision.seen.cid, cid);
        assert_eq!(decision.seen.at, decision.plan.at);
        assert_eq!(decision.jobs.len(), 1);
        if let Cause::Repair { deal } = order.cause {
            let replica = decision.seen.replicas.iter().find(|replica| replica.deal == deal);
            assert!(replica.is_some_and(|replica| replica.confirmed), "{decision:#?}");
        }
    }
    assert!(decided.iter().all(|decided| !decided.plan.steps.is_empty()));
}

#[tokio::test]
async fn every_entry_gives_the_same_plan_again() {
    let (world, cid) = repaired().await;
    let all = logged(&world, None).await;
    assert!(all.len() >= 4, "three orders and a repair at least");
    for (number, decision) in &all {
        assert_eq!((decision.cid, replay(&decision.body, &CorePlanner)), (cid, Replayed::Same));
        let size = decision.body.len();
        assert!(size < 8_000, "decision {number} takes {size} bytes");
    }
    let numbers: Vec<u64> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_satisfied_job_leaves_nothing_in_the_log() {
    let (mut world, _, _) = satisfied(1, 3).await;
    let before = logged(&world, None).await.len();
    // What still had to be recorded in the contract.
    world.step(EpochDelta::DAY).await;
    let settled = logged(&world, None).await.len();
    assert!(before > 0);
    // Whoever trims after every pass, and not only where something was added, is found out.
    world.settings.decisions_kept = 0;
    world.restart();
    for _ in 0..5 {
        world.advance(EpochDelta::DAY);
        let report = world.pass().await;
        assert_eq!((report.cids, report.decisions), (1, 0));
    }
    assert_eq!(logged(&world, None).await.len(), settled);
}

#[tokio::test]
async fn what_waits_for_others_is_logged_when_it_is_ordered_and_not_before() {
    let mut world = World::new();
    world.records = false;
    world.settings.orders_in_flight = 1;
    let cids = [world.store_file(b"one").await, world.store_file(b"another").await];
    for cid in cids {
        world.register(cid, terms(1)).await;
    }
    let report = world.pass().await;
    assert_eq!((world.submits(), report.decisions), (1, 1));
    for cid in cids {
        let (orders, decisions) = (world.orders(&cid).await, decided(&world, &cid).await);
        assert_eq!(orders.len(), decisions.len(), "{decisions:#?}");
    }
}

/// A death after every effect of a first order: whatever order is found then, its decision is too.
#[tokio::test]
async fn no_death_leaves_an_order_without_its_decision() {
    let mut death = 0;
    loop {
        let mut world = World::new();
        let cid = world.store_file(b"what must be explained").await;
        world.register(cid, terms(2)).await;
        world.restart_with(Fate::dies_after(death));
        let (node, fate) = (world.node(), world.fate.clone());
        tokio::select! {
            biased;
            () = fate.death() => {}
            _ = node.pass() => break,
        }
        let decided = decided(&world, &cid).await;
        for order in world.orders(&cid).await {
            assert!(decided.iter().any(|decided| led_to(decided, &order)), "at effect {death}");
        }
        let looked =
            world.inner_store.jobs_of(&cid).await.unwrap()[0].value.record.last_plan.is_some();
        assert_eq!(!decided.is_empty(), looked, "a look and its decision are one, at {death}");
        death += 1;
    }
    assert!(death > 5, "{death} effects are no story");
}

#[tokio::test]
async fn the_log_keeps_the_newest() {
    let mut world = World::new();
    world.settings.decisions_kept = 2;
    let cid = world.store_file(b"much is decided").await;
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    world.step(EpochDelta::DAY).await;
    let kept = logged(&world, None).await;
    assert_eq!(kept.len(), 2);
    let newest = kept[1].0;
    assert!(newest > 3, "{newest} decisions are no story");
    world.fault(LOST);
    world.step(EpochDelta::days(2)).await;
    world.step(EpochDelta::DAY).await;
    let later = logged(&world, None).await;
    assert_eq!(later.len(), 2);
    assert!(later[1].0 > newest, "numbers go on");
    let last = world.node().decisions(Some(cid), None, 1).await.unwrap();
    assert_eq!(last, later[1..]);
}

/// Rules by which nothing is ever ordered.
#[derive(Debug)]
struct Stingy;

impl Planner for Stingy {
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
        let mut plan = CorePlanner.plan(jobs, seen);
        plan.steps.retain(|step| !matches!(step, Step::Order { .. }));
        plan
    }
}

#[tokio::test]
async fn other_rules_are_found_out() {
    let (mut world, cid, _) = registered(1, 3).await;
    world.pass().await;
    let (_, first) = logged(&world, Some(cid)).await.remove(0);
    let Replayed::Differs { then, now } = replay(&first.body, &Stingy) else {
        panic!("the same by other rules")
    };
    assert!(then.is_of_this_version());
    assert_eq!(then.plan, Decided::decode(&first.body).unwrap().plan);
    let mut expected = then.plan.clone();
    expected.steps.retain(|step| !matches!(step, Step::Order { .. }));
    assert_eq!(now, expected);
}

#[tokio::test]
async fn entries_of_other_versions_are_told_from_damaged_ones() {
    let (mut world, cid, _) = registered(1, 3).await;
    world.pass().await;
    let (_, first) = logged(&world, Some(cid)).await.remove(0);
    let entry = Decided::decode(&first.body).unwrap();
    let with = |by: &str, json: &str| [&[1], json.replace("VERSION", by).as_bytes()].concat();
    let unreadable = |body: &[u8]| match replay(body, &CorePlanner) {
        Replayed::Unreadable(why) => why,
        other => panic!("{other:?}"),
    };
    for (by, known) in [("0.0.1", false), (&entry.by, true)] {
        let why = unreadable(&with(by, r#"{"by":"VERSION","jobs":"in a way of its own"}"#));
        assert_eq!(matches!(why, Unreadable::Damaged(_)), known, "{why}");
        assert_eq!(why == Unreadable::OtherVersion { by: by.to_owned() }, !known, "{why}");
    }
    let newer = [&[2], &first.body[1..]].concat();
    assert!(matches!(unreadable(&newer), Unreadable::OtherVersion { .. }));
    for damaged in [&[][..], &first.body[..first.body.len() - 1], &[1], b"\x01null"] {
        assert!(matches!(unreadable(damaged), Unreadable::Damaged(_)), "{damaged:?}");
    }
    // An older version decided the same: nothing is wrong with it.
    let older = Decided { by: "0.0.1".to_owned(), ..entry };
    let older = with("", &serde_json::to_string(&older).unwrap());
    assert_eq!(replay(&older, &CorePlanner), Replayed::Same);
    assert!(!Decided::decode(&older).unwrap().is_of_this_version());
}
