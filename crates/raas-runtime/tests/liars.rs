//! Endpoints that lie about one deal: what one of two says alone is not spent upon, and what a lone one
//! says is believed when it has said so twice.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod hostile_world;

use hostile_world::{Harm, SECOND, World, every_mode};
use raas_devnet::{Lie, NodeKind, RpcMode};
use raas_runtime::{AlertCode, Event};
use raas_types::{Unknown, Verdict, VerdictKind};

/// This holds and is no promise: with one endpoint there is nobody to ask whether it tells the truth.
#[tokio::test]
async fn a_lone_endpoint_that_lies_about_a_loss_is_believed_when_it_has_said_so_twice() {
    for mode in every_mode(SECOND) {
        let Harm::Says(verdict) = Harm::of(mode, true) else { continue };
        let mut world = World::satisfied(&[NodeKind::Lotus]).await;
        world.endpoints[0].set(mode);
        world.look().await;
        assert_eq!((world.verdict(SECOND).await.kind(), world.orders()), (verdict, 3), "{mode:?}");
        world.look().await;
        let orders = if Harm::of(mode, true).is_a_loss() { 4 } else { 3 };
        assert_eq!(world.orders(), orders, "{mode:?}: {:?}", world.words().await);
    }
}

/// What one endpoint alone says is lost is not spent upon, as long as it says so.
async fn contradicts(kinds: [NodeKind; 2], liar: usize) {
    let mut world = World::satisfied(&kinds).await;
    for mode in every_mode(SECOND).filter(|mode| matches!(mode, RpcMode::Lie { .. })) {
        let harm = Harm::of(mode, false);
        let (spent, said) = (world.spent(), format!("{kinds:?}, node {liar} {mode:?}"));
        world.endpoints[liar].set(mode);
        for _ in 0..3 {
            let report = world.look().await;
            assert_eq!((report.gated, world.spent()), (None, spent), "{said}");
        }
        match harm {
            Harm::Says(lie) if liar == 0 && harm.is_a_loss() => {
                assert_disagreement(&world, [lie, VerdictKind::Active], &said).await;
            }
            // It says what no honest endpoint could say, so that nobody else need be asked.
            Harm::Says(lie) if liar == 0 => {
                assert_eq!(world.verdict(SECOND).await.kind(), lie, "{said}");
            }
            // Nobody asks the second as long as the first has nothing to spend on.
            _ => {
                assert_eq!(world.kinds().await, [VerdictKind::Active; 3], "{said}");
                assert_eq!(world.node.alerts_standing(), [], "{said}");
            }
        }
        world.endpoints[liar].set(RpcMode::Ok);
        world.is_well().await;
    }
    world.loses_and_repairs(SECOND).await;
}

/// The second deal is unknown, as its endpoints disagree: both answers are there, and an alert.
async fn assert_disagreement(world: &World, kinds: [VerdictKind; 2], said: &str) {
    let [first, second] = kinds;
    let why = Unknown::Disagreement { first, second };
    assert_eq!(world.verdict(SECOND).await, Verdict::Unknown { why }, "{said}");
    let evidence = world.evidence(SECOND).await;
    let witness = evidence.witness.expect("a witness");
    let endpoints = [evidence.endpoint, witness.endpoint];
    assert_eq!(endpoints, ["node 0", "node 1"], "{said}");
    assert_ne!(evidence.said, Some(witness.said), "{said}");
    let alerts = world.alerts(AlertCode::Disagreement);
    assert!(alerts.len() == 1 && alerts[0].about == SECOND.to_string(), "{said}: {alerts:?}");
    let told = world.events.iter().any(|event| match event {
        Event::Disagreement { deal, verdicts, .. } => (*deal, *verdicts) == (SECOND, kinds),
        _ => false,
    });
    assert!(told, "{said}");
}

#[tokio::test]
async fn what_the_first_endpoint_lies_about_is_not_spent_upon() {
    contradicts([NodeKind::Lotus, NodeKind::Forest], 0).await;
    contradicts([NodeKind::Gateway, NodeKind::Lotus], 0).await;
}

#[tokio::test]
async fn what_the_second_endpoint_lies_about_matters_to_nobody_while_the_first_is_content() {
    contradicts([NodeKind::Forest, NodeKind::Gateway], 1).await;
}

#[tokio::test]
async fn a_loss_that_the_second_endpoint_denies_is_repaired_when_it_admits_it() {
    let mut world = World::satisfied(&[NodeKind::Lotus, NodeKind::Gateway]).await;
    let spent = world.spent();
    world.endpoints[1].set(RpcMode::Lie { deal: SECOND, as_: Lie::Healthy });
    world.terminate(SECOND);
    for _ in 0..3 {
        world.look().await;
        assert_eq!(world.spent(), spent);
    }
    let kinds = [VerdictKind::Terminated, VerdictKind::Active];
    assert_disagreement(&world, kinds, "the second says it is healthy").await;
    world.endpoints[1].set(RpcMode::Ok);
    world.fill().await;
    assert_eq!(world.orders(), 4);
    world.is_well().await;
}

/// This holds and is no promise: a second endpoint is asked before money is spent, and for a replica
/// that the first calls healthy none is to be.
#[tokio::test]
async fn a_loss_that_the_first_endpoint_hides_is_repaired_when_it_shows_it() {
    let mut world = World::satisfied(&[NodeKind::Lotus, NodeKind::Forest]).await;
    world.endpoints[0].set(RpcMode::Lie { deal: SECOND, as_: Lie::Healthy });
    world.terminate(SECOND);
    for _ in 0..3 {
        world.look().await;
        assert_eq!((world.kinds().await, world.orders()), (vec![VerdictKind::Active; 3], 3));
    }
    world.endpoints[0].set(RpcMode::Ok);
    world.look().await;
    assert_eq!((world.verdict(SECOND).await, world.orders()), (Verdict::Terminated, 3));
    world.fill().await;
    assert_eq!(world.orders(), 4);
    world.is_well().await;
}
