//! An endpoint that introduces itself and then does not answer: it costs a pass a few time-outs,
//! however many batches the pass has, and nothing is lost by it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod hostile_world;
mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hostile_world::Turncoat;
use raas_aggregator::FakeAggregator;
use raas_deal_status::FakeDealStatus;
use raas_devnet::{NodeKind, Plant, RpcMode};
use raas_job_store::MemoryJobStore;
use raas_retrieval::{BlobStore, ImportProfile, file_blocks};
use raas_runtime::{Event, Node, Settings};
use raas_types::{Cid, EpochDelta, ListedDeal, ProviderId, Replication, Terms, Trust, VerdictKind};
use tokio::time::Instant;
use world::*;

/// Each in a batch of its own, and so in a reading of its own.
const CIDS: usize = 40;

/// How long the runtime waits for a reading of an adapter that knows no time-out.
const TIME_OUT: Duration = Duration::from_secs(300);

/// A reading of deals and one of sectors may be under way at the same time, and each of them is begun
/// once more at the most before the first one's time-out is noticed.
const A_FEW: u32 = 4;

/// So many CIDs of one replica each, all of them active, and endpoints that can be made to hang.
async fn many(endpoints: usize) -> (World, Vec<Cid>, Vec<Watched>) {
    let mut world = World::new();
    world.settings.batch = 1;
    if endpoints == 2 {
        world.another("second");
    }
    let watched: Vec<_> = (0..endpoints).map(|at| Watched::over(&world.endpoint(at))).collect();
    for endpoint in &watched {
        world.endpoints.push(Arc::new(endpoint.clone()));
    }
    world.restart();
    let mut cids = Vec::new();
    for n in 0..CIDS {
        let bytes = format!("file {n}").into_bytes().leak();
        let cid = world.store_file(bytes).await;
        world.register(cid, terms(1)).await;
        cids.push(cid);
    }
    for cid in &cids {
        world.settle_down(*cid, 1).await;
    }
    assert_eq!(world.submits(), CIDS as u64);
    (world, cids, watched)
}

/// How many deals were last judged to be what.
async fn tally(world: &World, cids: &[Cid]) -> BTreeMap<VerdictKind, usize> {
    let mut tally = BTreeMap::new();
    for cid in cids {
        for verdict in world.verdicts(cid).await.into_values() {
            *tally.entry(verdict).or_default() += 1;
        }
    }
    tally
}

/// A day passes, after which all of them are due, and then a pass; how long that took on the node's
/// own clock.
async fn a_days_pass(world: &mut World) -> Duration {
    world.wait(EpochDelta::DAY).await;
    let started = Instant::now();
    let report = world.pass().await;
    assert_eq!((report.gated, report.cids), (None, CIDS as u64));
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_only_endpoint_that_hangs_costs_a_pass_a_few_time_outs_and_not_one_for_each_batch() {
    for question in [Question::Deals, Question::Sectors] {
        let (mut world, cids, endpoints) = many(1).await;
        for _ in 0..2 {
            endpoints[0].hang(Some(question));
            let took = a_days_pass(&mut world).await;
            assert!(took >= TIME_OUT, "{question:?}: it was waited for");
            assert!(took <= TIME_OUT * A_FEW, "{question:?}: {CIDS} batches took {took:?}");
            let unknown = [(VerdictKind::Unknown, CIDS)].into();
            assert_eq!(tally(&world, &cids).await, unknown, "{question:?}");
        }
        endpoints[0].hang(None);
        let took = a_days_pass(&mut world).await;
        assert!(took < TIME_OUT, "{question:?}: {took:?}");
        let active = [(VerdictKind::Active, CIDS)].into();
        assert_eq!(tally(&world, &cids).await, active, "{question:?}: no restart");
        assert_eq!(world.submits(), CIDS as u64, "{question:?}: nothing was spent");
    }
}

#[tokio::test(start_paused = true)]
async fn where_one_of_two_hangs_the_other_is_read_within_a_few_time_outs() {
    let both = |at| [(at, Question::Deals), (at, Question::Sectors)];
    for (at, question) in both(0).into_iter().chain(both(1)) {
        let (mut world, cids, endpoints) = many(2).await;
        endpoints[at].hang(Some(question));
        let took = a_days_pass(&mut world).await;
        assert!(took <= TIME_OUT * A_FEW, "endpoint {at} hangs at {question:?}: {took:?}");
        let active = [(VerdictKind::Active, CIDS)].into();
        assert_eq!(tally(&world, &cids).await, active, "endpoint {at} hangs at {question:?}");
        assert_eq!(world.submits(), CIDS as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_set_right_in_the_next_pass_confirms_what_was_lost_meanwhile() {
    let (mut world, cids, endpoints) = many(1).await;
    let lost = world.memories(&cids[0]).await[0].listed.deal;
    endpoints[0].hang(Some(Question::Deals));
    world.terminate(lost);
    a_days_pass(&mut world).await;
    endpoints[0].hang(None);
    a_days_pass(&mut world).await;
    assert_eq!(world.verdicts(&cids[0]).await[&lost.get()], VerdictKind::Terminated);
    assert_eq!(world.submits(), CIDS as u64, "once seen is not enough");
    world.wait(SOON).await;
    world.pass().await;
    assert_eq!(world.submits(), CIDS as u64 + 1);
}

/// Over a socket that stays open and silent; the time-out is the adapter's own.
#[tokio::test]
async fn a_node_that_hangs_once_it_has_introduced_itself_costs_a_pass_a_few_time_outs() {
    // Above the 5 s after which the runtime takes a reading that brings nothing for silence.
    const REQUEST: Duration = Duration::from_millis(5_500);
    let (devnet, _dir) = devnet_world::start(&[NodeKind::Lotus], |_| {}).await;
    let devnet = Arc::new(devnet);
    let endpoint = Turncoat::new(&devnet, 0, REQUEST);
    let (contract, aggregator) = (FakeDealStatus::new(), FakeAggregator::new("aggregator"));
    let blobs = tempfile::tempdir().unwrap();
    let node = Node::builder()
        .chain(Arc::new(endpoint.clone()))
        .contract(Arc::new(contract.clone()))
        .aggregator(Arc::new(aggregator.clone()))
        .store(Arc::new(MemoryJobStore::new()))
        .blobs(BlobStore::open(blobs.path()).unwrap())
        .settings(Settings { batch: 1, ..Settings::default() })
        .build()
        .unwrap();
    let now = devnet.head().epoch;
    for n in 0..CIDS {
        let (cid, _) = file_blocks(&n.to_be_bytes(), &ImportProfile::default());
        let provider = ProviderId::new(1_000 + n as u64 % 6);
        let mut plant = Plant::new(provider, now, now + EpochDelta::days(540));
        plant.activate = Some(now);
        let deal = devnet.plant(plant).unwrap();
        contract.list(cid, ListedDeal { deal, provider });
        let replication = Some(Replication::around(1));
        let terms = Terms { replication, trust: Trust::Contract, ..Terms::default() };
        node.register(cid, terms).await.unwrap();
    }
    devnet.advance(100).await;

    endpoint.turn(RpcMode::Hang);
    let started = std::time::Instant::now();
    let report = node.pass().await;
    assert_eq!((report.gated, report.cids), (None, CIDS as u64));
    let took = started.elapsed();
    assert!(took >= REQUEST && took <= REQUEST * A_FEW, "{CIDS} batches took {took:?}");

    endpoint.set(RpcMode::Ok);
    devnet.advance(2_880).await;
    let started = std::time::Instant::now();
    let report = node.pass().await;
    let is_active = |e: &&Event| matches!(e, Event::Judged { to: VerdictKind::Active, .. });
    let active = report.events.iter().filter(is_active).count();
    assert_eq!((report.gated, active), (None, CIDS), "no restart");
    assert!(started.elapsed() < REQUEST);
    assert_eq!(aggregator.calls().submits, 0, "nothing was spent");
}
