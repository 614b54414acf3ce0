//! Every way in which the devnet's nodes fail their clients, in every dialect: no reading that is
//! wrong, nothing that takes longer than it may, and all well again with the same client.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

use std::time::{Duration, Instant};

use raas_devnet::{Devnet, DevnetConfig, NodeConfig, NodeKind, Plant, RpcMode};
use raas_lotus::{Error, LotusChain as _};
use raas_lotus_jsonrpc::{
    Dialect, FaultDating, JsonRpcLotus, JsonRpcLotusConfig, LookBack, SectorAccess,
};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, ProviderId, SectorHealth, SectorId, SectorReading,
    Tipset,
};

/// Long for an answer on this machine, short for one that never comes.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Deals in sectors of three providers, and one deal and sector that are not there.
struct World {
    devnet: Devnet,
    /// Asked all along.
    lotus: JsonRpcLotus,
    deals: Vec<DealId>,
    sectors: Vec<SectorId>,
    at: Tipset,
    _dir: tempfile::TempDir,
}

impl World {
    async fn start(kind: NodeKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = DevnetConfig::new(dir.path());
        config.null_every = 0;
        config.providers = 3;
        config.nodes = vec![NodeConfig { kind, token: None }];
        let devnet = Devnet::start(config).await.unwrap();
        let now = devnet.head().head;
        let providers = devnet.providers();
        let mut deals = Vec::new();
        for n in 0..30 {
            let provider: ProviderId = providers[n % 3].id.parse().unwrap();
            let end = now + EpochDelta::YEAR;
            let mut plant = Plant::new(provider, now + EpochDelta::new(60), end);
            plant.activate = Some(now + EpochDelta::new(1));
            plant.deadline = Some(n as u64);
            deals.push(devnet.plant(plant).unwrap());
        }
        devnet.advance(5).await;
        let truths = devnet.deals();
        let sectors = truths.iter().map(|truth| SectorId {
            provider: truth.provider.parse().unwrap(),
            number: truth.sector.unwrap(),
        });
        let sectors = sectors.collect();
        let lotus = client(&devnet);
        let at = lotus.head().await.unwrap().tipset;
        Self { devnet, lotus, deals, sectors, at, _dir: dir }
    }

    /// Goes on to the next tipset, of which nothing has been read.
    async fn step(&mut self) {
        let before = self.devnet.head();
        self.devnet.advance(1).await;
        self.at = self.lotus.head().await.unwrap().tipset;
        assert!(self.at.epoch > before.head);
    }

    async fn read(&self) -> (usize, usize) {
        self.read_by(&self.lotus).await
    }

    /// How many deals and sectors were told of; panics when one of them is told wrong.
    async fn read_by(&self, lotus: &JsonRpcLotus) -> (usize, usize) {
        let (deals, sectors) = futures::future::join(
            lotus.deals(&self.deals, &self.at),
            lotus.sectors(&self.sectors, &self.at),
        )
        .await;
        let deals = deals.iter().filter(|reading| match reading {
            DealReading::Found(deal) => deal.activation.is_some(),
            DealReading::Failed(_) => false,
            DealReading::NotFound { .. } => panic!("a deal that is there is not found"),
        });
        let sectors = sectors.iter().filter(|reading| match reading {
            SectorReading::Found(status) => {
                assert!(status.health != SectorHealth::Dead, "{status:?}");
                assert!(status.health != SectorHealth::Faulty, "{status:?}");
                true
            }
            SectorReading::Failed(_) => false,
            SectorReading::NotFound => panic!("a sector that is there is not found"),
        });
        (deals.count(), sectors.count())
    }

    async fn all_well(&self) {
        assert_eq!(self.read().await, (30, 30));
    }
}

fn client(devnet: &Devnet) -> JsonRpcLotus {
    let mut config = JsonRpcLotusConfig::new(devnet.urls().lotus.parse().unwrap());
    config.request_timeout = TIMEOUT;
    JsonRpcLotus::new(config).unwrap()
}

/// Each mode, and the least and most that may be read of thirty in it.
fn modes() -> Vec<(RpcMode, usize, usize)> {
    vec![
        (RpcMode::Down, 0, 0),
        (RpcMode::Hang, 0, 0),
        (RpcMode::Slow { milliseconds: 5_000 }, 0, 0),
        (RpcMode::Slow { milliseconds: 50 }, 30, 30),
        (RpcMode::Garbage, 0, 0),
        (RpcMode::HalfBatches, 0, 29),
        (RpcMode::Truncated, 0, 0),
        (RpcMode::WrongIds, 0, 0),
        (RpcMode::Swapped, 30, 30),
        (RpcMode::TooManyRequests { retry_after: 0 }, 0, 0),
        (RpcMode::TooManyRequests { retry_after: 1 }, 0, 0),
        (RpcMode::OtherNetwork, 30, 30),
    ]
}

async fn survives(kind: NodeKind) {
    let mut world = World::start(kind).await;
    world.all_well().await;
    for (mode, least, most) in modes() {
        world.step().await;
        world.devnet.set_rpc_mode(mode);
        // One that knows the endpoint, and one that meets it like this.
        let fresh = client(&world.devnet);
        let start = Instant::now();
        let both = futures::future::join(world.read(), world.read_by(&fresh));
        let (warm, cold) = both.await;
        let took = start.elapsed();
        // Probes, places, deadlines: each no longer than two time-outs.
        assert!(took < TIMEOUT * 6, "{kind:?} {mode:?} took {took:?}");
        for read in [warm.0, warm.1, cold.0, cold.1] {
            assert!((least..=most).contains(&read), "{kind:?} {mode:?}: {warm:?} {cold:?}");
        }
        if most == 0 {
            let whole = futures::future::join3(fresh.head(), fresh.finalized(), fresh.network());
            let (head, finalized, network) = whole.await;
            assert!(head.is_err() && finalized.is_err() && network.is_err(), "{kind:?} {mode:?}");
            if let Ok(found) = fresh.capabilities().await {
                assert_eq!(found.sectors, SectorAccess::Unknown, "{kind:?} {mode:?}");
                assert_eq!((found.max_batch, found.network), (None, None), "{kind:?} {mode:?}");
            }
        }
        world.devnet.set_rpc_mode(RpcMode::Ok);
        if let RpcMode::TooManyRequests { retry_after } = mode {
            tokio::time::sleep(Duration::from_secs(retry_after)).await;
        }
        world.step().await;
        world.all_well().await;
        assert_eq!(world.read_by(&fresh).await, (30, 30), "{kind:?} after {mode:?}");
    }
    world.devnet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lotus_may_fail_in_every_way() {
    survives(NodeKind::Lotus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forest_may_fail_in_every_way() {
    survives(NodeKind::Forest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_fail_in_every_way() {
    survives(NodeKind::Gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tipset_that_was_orphaned_cannot_be_read_at() {
    for kind in [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway] {
        let mut world = World::start(kind).await;
        world.all_well().await;
        world.step().await;
        world.devnet.reorg(3).unwrap();
        assert_eq!(world.read().await, (0, 0), "{kind:?}: the key is gone with its fork");
        let at = world.lotus.head().await.unwrap().tipset;
        assert_ne!(at.key, world.at.key);
        world.devnet.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_does_not_look_back_beyond_a_day_and_nothing_is_missing_for_it() {
    let world = World::start(NodeKind::Gateway).await;
    world.all_well().await;
    world.devnet.advance(2_881 + 10).await;
    let deals = world.lotus.deals(&world.deals, &world.at).await;
    for reading in &deals {
        assert!(matches!(reading, DealReading::Failed(why) if why.contains("lookbacks")));
    }
    assert_eq!(world.read().await, (0, 0));
    let error = world.lotus.tipset_at(ChainEpoch::new(world.at.epoch.get())).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { .. }), "{error}");
    world.devnet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_kind_of_node_can_do_is_found_out() {
    for (kind, dialect, sectors, faults) in [
        (NodeKind::Lotus, Dialect::Lotus, SectorAccess::Partitions, FaultDating::Exact),
        (NodeKind::Forest, Dialect::Forest, SectorAccess::Partitions, FaultDating::Exact),
        (NodeKind::Gateway, Dialect::Gateway, SectorAccess::Location, FaultDating::Observed),
    ] {
        let world = World::start(kind).await;
        world.devnet.advance(3 * 2_880).await;
        let found = world.lotus.capabilities().await.unwrap();
        assert_eq!((found.dialect, found.sectors, found.faults), (dialect, sectors, faults));
        assert_eq!((found.max_batch, found.deadlines), (Some(100), Some(true)), "{kind:?}");
        let far = if kind == NodeKind::Gateway { LookBack::Day } else { LookBack::Unlimited };
        assert_eq!(found.look_back, far, "{kind:?}");
        world.devnet.shutdown().await;
    }
}
