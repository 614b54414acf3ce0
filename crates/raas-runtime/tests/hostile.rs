//! Endpoints that fail in every way the devnet knows: nothing is spent on what they say or leave
//! unsaid, no pass hangs, and when they are well again so is the node, without a restart.
//!
//! A real node, a real adapter and a real socket; only contract and aggregator are fakes. The clock is
//! the machine's: what waits, waits for [`TIMEOUT`](hostile_world::TIMEOUT) and no longer.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod hostile_world;

use devnet_world::KINDS;
use hostile_world::{FIRST, Harm, SECOND, TIMEOUT, World, every_mode};
use raas_devnet::{NodeKind, Plant, RpcMode};
use raas_lotus::LotusChain as _;
use raas_runtime::AlertCode;
use raas_types::{
    DealId, DealReading, EpochDelta, ProviderId, SectorId, SectorNumber, SectorReading, Unknown,
    Verdict, VerdictKind,
};

/// Whether the node fails before it is asked anything, or once it has introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    TheStart,
    TheReading,
}

impl From {
    fn apply(self, world: &World, node: usize, mode: RpcMode) -> Harm {
        match self {
            Self::TheStart => {
                world.endpoints[node].set(mode);
                Harm::of(mode, world.endpoints.len() == 1)
            }
            Self::TheReading => {
                world.endpoints[node].turn(mode);
                Harm::of_turning(mode)
            }
        }
    }
}

// One endpoint.

/// One endpoint of this kind fails in every way: the gate is shut, or the verdicts say why there are
/// none; nothing is spent; the node recovers; a true loss is then repaired.
async fn endures(kind: NodeKind, from: From) {
    let mut world = World::satisfied(&[kind]).await;
    for mode in every_mode(SECOND) {
        let harm = from.apply(&world, 0, mode);
        if harm.is_a_loss() {
            // See liars.rs.
            world.endpoints[0].set(RpcMode::Ok);
            continue;
        }
        let spent = world.spent();
        for _ in 0..2 {
            if from == From::TheReading {
                // An endpoint that asks for a pause gets it, by the next introduction too.
                world.sit_out_pauses().await;
            }
            let report = world.look().await;
            let kinds = world.kinds().await;
            let said = format!("{kind:?}, {mode:?} from {from:?}: {:?}, {kinds:?}", report.gated);
            match harm {
                Harm::None => {
                    assert_eq!(
                        (report.gated, kinds),
                        (None, vec![VerdictKind::Active; 3]),
                        "{said}"
                    );
                }
                Harm::Deaf if from == From::TheReading => {
                    assert_eq!(
                        (report.gated, kinds),
                        (None, vec![VerdictKind::Unknown; 3]),
                        "{said}"
                    );
                    assert_why_unread(&world, FIRST).await;
                }
                Harm::Deaf | Harm::Unfit => {
                    let why = report.gated.expect(&said);
                    assert!(why.contains(word_of(mode)), "{said}");
                    assert_eq!(world.node.status().gated, Some(why));
                    assert_eq!(world.alerts(AlertCode::EndpointAside).len(), 1, "{said}");
                }
                Harm::Partial => {
                    let unread = kinds.iter().filter(|kind| **kind == VerdictKind::Unknown).count();
                    let active = kinds.iter().filter(|kind| **kind == VerdictKind::Active).count();
                    assert!(unread > 0 && unread + active == 3, "{said}");
                }
                Harm::Says(verdict) => {
                    assert_eq!(world.verdict(SECOND).await.kind(), verdict, "{said}");
                }
            }
            assert_eq!(world.spent(), spent, "{said}");
        }
        world.endpoints[0].set(RpcMode::Ok);
        world.sit_out_pauses().await;
        world.is_well().await;
    }
    world.loses_and_repairs(SECOND).await;
}

/// What cannot be read is told with a reason.
async fn assert_why_unread(world: &World, deal: DealId) {
    let verdict = world.verdict(deal).await;
    let Verdict::Unknown { why: Unknown::Deal(why) } = &verdict else {
        panic!("deal {deal} is {verdict:?}");
    };
    assert!(why.contains("127.0.0.1") && why.len() > 20, "it says who and what: {why}");
    let said = world.words().await;
    let words = format!("Nothing can be said of deal {deal}");
    assert!(said.iter().any(|said| said.contains(&words)), "{said:#?}");
}

/// A word of the reason for which the gate is shut.
fn word_of(mode: RpcMode) -> &'static str {
    match mode {
        RpcMode::Down => "503",
        RpcMode::Hang | RpcMode::Slow { .. } => "no answer in time",
        RpcMode::TooManyRequests { .. } => "429",
        RpcMode::Lagging { .. } => "behind",
        RpcMode::OtherNetwork => "this store was made on another",
        RpcMode::Garbage | RpcMode::WrongIds => "answered what cannot be",
        RpcMode::Truncated => "cannot be asked now",
        RpcMode::Ok
        | RpcMode::HalfBatches
        | RpcMode::Swapped
        | RpcMode::Forked { .. }
        | RpcMode::Lie { .. } => {
            panic!("{mode:?} shuts no gate")
        }
    }
}

#[tokio::test]
async fn whatever_a_lotus_node_does_nothing_is_spent_and_the_node_recovers() {
    endures(NodeKind::Lotus, From::TheStart).await;
}

#[tokio::test]
async fn whatever_a_forest_node_does_nothing_is_spent_and_the_node_recovers() {
    endures(NodeKind::Forest, From::TheStart).await;
}

#[tokio::test]
async fn whatever_a_gateway_does_nothing_is_spent_and_the_node_recovers() {
    endures(NodeKind::Gateway, From::TheStart).await;
}

#[tokio::test]
async fn whatever_a_lotus_node_does_in_the_middle_of_a_pass_nothing_is_spent() {
    endures(NodeKind::Lotus, From::TheReading).await;
}

#[tokio::test]
async fn whatever_a_forest_node_does_in_the_middle_of_a_pass_nothing_is_spent() {
    endures(NodeKind::Forest, From::TheReading).await;
}

#[tokio::test]
async fn whatever_a_gateway_does_in_the_middle_of_a_pass_nothing_is_spent() {
    endures(NodeKind::Gateway, From::TheReading).await;
}

// Two endpoints.

/// Of two endpoints one fails in every way: the other is read, and nothing is spent that only that one
/// says; when both are well again, what was lost meanwhile is repaired.
async fn goes_on(kinds: [NodeKind; 2], failing: usize, from: From) {
    let mut world = World::satisfied(&kinds).await;
    let mut lost = FIRST;
    for mode in every_mode(SECOND).filter(|mode| !matches!(mode, RpcMode::Lie { .. })) {
        let harm = from.apply(&world, failing, mode);
        let said = format!("{kinds:?}, node {failing} {mode:?} from {from:?}");
        let report = world.look_twice().await;
        assert_eq!(report.gated, None, "{said}");
        assert_eq!(world.kinds().await, [VerdictKind::Active; 3], "{said}");
        if harm != Harm::Partial {
            let heard = world.evidence(lost).await.endpoint;
            assert_eq!(heard, believed(&world, failing, harm), "{said}");
        }

        let (spent, orders) = (world.spent(), world.orders());
        world.terminate(lost);
        for _ in 0..2 {
            world.look().await;
        }
        assert_eq!(world.verdict(lost).await, Verdict::Terminated, "{said}");
        if harm == Harm::None {
            assert_eq!(world.orders(), orders + 1, "{said}: both say it");
        } else {
            assert_eq!(world.spent(), spent, "{said}: one alone says it");
            assert_eq!(world.alerts(AlertCode::WitnessMissing).len(), 1, "{said}");
            let words = world.words().await;
            assert!(words.iter().any(|words| words.contains("was heard")), "{said}: {words:#?}");
        }

        world.endpoints[failing].set(RpcMode::Ok);
        world.sit_out_pauses().await;
        world.fill().await;
        assert_eq!(world.orders(), orders + 1, "{said}: one repair for one loss");
        world.is_well().await;
        lost = *world.active().await.last().unwrap();
    }
}

/// Who is read.
fn believed(world: &World, failing: usize, harm: Harm) -> String {
    let first = if harm != Harm::None && failing == 0 { 1 } else { 0 };
    world.endpoints[first].endpoint()
}

#[tokio::test]
async fn when_the_first_endpoint_fails_the_second_is_read_and_nothing_is_spent_on_it_alone() {
    goes_on([NodeKind::Lotus, NodeKind::Forest], 0, From::TheStart).await;
}

#[tokio::test]
async fn when_the_second_endpoint_fails_nothing_is_spent_on_the_first_alone() {
    goes_on([NodeKind::Forest, NodeKind::Gateway], 1, From::TheStart).await;
}

#[tokio::test]
async fn when_the_first_endpoint_fails_in_the_middle_of_a_pass_the_second_is_read() {
    goes_on([NodeKind::Gateway, NodeKind::Lotus], 0, From::TheReading).await;
}

#[tokio::test]
async fn when_the_second_endpoint_fails_in_the_middle_of_a_pass_the_first_goes_on() {
    goes_on([NodeKind::Lotus, NodeKind::Lotus], 1, From::TheReading).await;
}

// All endpoints away.

#[tokio::test]
async fn gateways_that_were_away_for_days_are_believed_again() {
    let mut world = World::satisfied(&[NodeKind::Gateway, NodeKind::Gateway]).await;
    for endpoint in &world.endpoints {
        endpoint.set(RpcMode::Down);
    }
    for _ in 0..2 {
        assert!(world.look().await.gated.is_some());
    }
    for endpoint in &world.endpoints {
        endpoint.set(RpcMode::Ok);
    }
    world.sit_out_pauses().await;
    world.is_well().await;
    world.loses_and_repairs(SECOND).await;
}

// The chain itself.

#[tokio::test]
async fn reorganisations_change_nothing_that_is_final() {
    for kind in KINDS {
        let mut world = World::satisfied(&[kind]).await;
        let spent = world.spent();
        for depth in [1, 10, 25] {
            world.advance(EpochDelta::DEADLINE).await;
            world.pass().await;
            world.devnet.reorg(depth).unwrap();
            let report = world.pass().await;
            assert_eq!((report.gated, report.errors), (None, vec![]), "{kind:?}, {depth}");
        }
        world.is_well().await;

        // A termination is in the orphaned tipsets, and then in the one after them.
        world.terminate(SECOND);
        world.advance(EpochDelta::new(25)).await;
        world.devnet.reorg(25).unwrap();
        for _ in 0..2 {
            world.pass().await;
            assert_eq!(world.kinds().await, [VerdictKind::Active; 3], "{kind:?}");
            world.advance(EpochDelta::new(10)).await;
        }
        world.look().await;
        assert_eq!(world.verdict(SECOND).await, Verdict::Terminated, "{kind:?}");
        assert_eq!(world.spent(), spent, "{kind:?}: once seen is not enough");
        world.fill().await;
        assert_eq!(world.orders(), 4, "{kind:?}");
        world.is_well().await;
    }
}

#[tokio::test]
async fn while_finality_stalls_nothing_new_is_seen_nor_spent_upon() {
    for kind in KINDS {
        let mut world = World::satisfied(&[kind]).await;
        let spent = world.spent();
        let pinned = world.pass().await.epoch;
        world.devnet.stall_finality(true);
        world.terminate(SECOND);
        // In less than 900 epochs, after which the chain is final whatever anybody says.
        for _ in 0..4 {
            world.advance(EpochDelta::new(200)).await;
            let report = world.pass().await;
            assert_eq!((report.gated, report.epoch), (None, pinned), "{kind:?}");
            assert_eq!(world.kinds().await, [VerdictKind::Active; 3], "{kind:?}");
        }
        assert_eq!(world.spent(), spent, "{kind:?}");
        world.devnet.stall_finality(false);
        world.look().await;
        assert_eq!(world.verdict(SECOND).await, Verdict::Terminated, "{kind:?}");
        assert_eq!(world.spent(), spent, "{kind:?}: once seen is not enough");
        world.fill().await;
        assert_eq!(world.orders(), 4, "{kind:?}");
        world.is_well().await;
    }
}

#[tokio::test]
async fn at_an_orphaned_tipset_nothing_is_found_missing() {
    for kind in KINDS {
        let (devnet, _dir) = devnet_world::start(&[kind], |config| config.null_every = 0).await;
        let (provider, now) = (ProviderId::new(1000), devnet.head().epoch);
        let mut plant = Plant::new(provider, now, now + EpochDelta::days(540));
        plant.activate = Some(now);
        let deal = devnet.plant(plant).unwrap();
        let truth = devnet.deals().into_iter().find(|truth| truth.id == deal).unwrap();
        let sector = SectorId { provider, number: truth.sector.unwrap() };
        let none = SectorId { provider, number: SectorNumber::new(1_000_000) };
        devnet.advance(100).await;
        let lotus = devnet_world::adapter(&devnet, 0, TIMEOUT);
        let head = lotus.head().await.unwrap().tipset;
        assert!(matches!(lotus.deals(&[deal], &head).await[..], [DealReading::Found(_)]));
        devnet.reorg(5).unwrap();
        let failed = |reading: &DealReading| matches!(reading, DealReading::Failed(_));
        let deals = lotus.deals(&[deal, DealId::new(1)], &head).await;
        assert!(deals.iter().all(failed), "{kind:?}: {deals:?}");
        let failed = |reading: &SectorReading| matches!(reading, SectorReading::Failed(_));
        let sectors = lotus.sectors(&[sector, none], &head).await;
        assert!(sectors.iter().all(failed), "{kind:?}: {sectors:?}");
    }
}
