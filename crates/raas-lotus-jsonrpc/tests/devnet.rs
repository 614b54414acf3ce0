//! The suite of `raas-lotus` over a socket: the adapter against a simulated chain that keeps the
//! rules, null rounds and deadlines included.

#![expect(clippy::expect_used, reason = "a test that cannot set up its world should stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use raas_devnet::{
    DealTruth, Devnet, DevnetConfig, NodeConfig, NodeKind, Plant, ProviderAction, RpcMode,
};
use raas_lotus::{
    LotusChain,
    conformance::{self, Harness},
};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{
    ChainEpoch, DealId, EpochDelta, ProviderId, SectorHealth, SectorId, SectorReading, SectorStatus,
};

/// The suite makes some fifteen deals; each needs a provider that it has for itself.
const PROVIDERS: usize = 60;

/// A gateway tells of the last 24 hours by its clock, which null rounds keep ahead of the head: by an
/// hour of them never.
const GATEWAY_LOOK_BACK: EpochDelta =
    EpochDelta::new(EpochDelta::DAY.get() - EpochDelta::HOUR.get());

/// Runs the suite against a node of this kind.
async fn conforms(kind: NodeKind, null_every: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = DevnetConfig::new(dir.path());
    config.null_every = null_every;
    config.nodes = vec![NodeConfig { kind, token: None }];
    let world = World::start(config).await;
    assert_eq!(conformance::all(&world).await, Ok(()));
    world.devnet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_on_lotus() {
    conforms(NodeKind::Lotus, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_on_forest() {
    conforms(NodeKind::Forest, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_on_a_gateway() {
    conforms(NodeKind::Gateway, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_where_every_other_round_is_null() {
    conforms(NodeKind::Lotus, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_on_a_gateway_where_every_other_round_is_null() {
    conforms(NodeKind::Gateway, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_node_says_how_far_it_is_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = DevnetConfig::new(dir.path());
    config.null_every = 0;
    let world = World::start(config).await;
    world.advance(EpochDelta::new(1_000)).await;
    assert_eq!(world.lotus.head().await.expect("a head").behind, EpochDelta::ZERO);

    world.devnet.set_rpc_mode(RpcMode::Lagging { behind: 500 });
    let head = world.lotus.head().await.expect("a head");
    assert_eq!(head.behind, EpochDelta::new(500));
    assert_eq!(head.tipset.epoch, world.devnet.head().head - EpochDelta::new(500));
    world.devnet.shutdown().await;
}

/// Providers stop proving, and each sector is read from the first tipset at or above the end of its
/// deadline on, until it is faulty: with the first whose parents have the deadline's last epoch or a
/// later one. Until then the end is said to be that one, and from then on the next.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_over_with_the_tipset_that_shows_it_whatever_rounds_are_null() {
    let dir = tempfile::tempdir().expect("a directory");
    let (devnet, lotus) = unproven_world(DevnetConfig::new(dir.path())).await;
    let mut due = BTreeMap::new();
    let at = lotus.head().await.expect("a head").tipset;
    let sectors: Vec<_> = devnet.deals().iter().map(sector_of).collect();
    for (sector, reading) in sectors.iter().zip(lotus.sectors(&sectors, &at).await) {
        let status = found(reading);
        assert_eq!(status.health, SectorHealth::Active);
        due.insert(*sector, status.next_deadline_end.expect("a schedule"));
    }

    let (mut parents, mut hidden) = (at.epoch, 0);
    while !due.is_empty() {
        devnet.advance(1).await;
        let epoch = devnet.head().head;
        if epoch == parents {
            continue;
        }
        let ended: Vec<_> = due.iter().filter(|(_, end)| **end <= epoch).map(|(s, _)| *s).collect();
        if !ended.is_empty() {
            let at = lotus.head().await.expect("a head").tipset;
            for (sector, reading) in ended.iter().zip(lotus.sectors(&ended, &at).await) {
                let (status, end) = (found(reading), due[sector]);
                let shown = parents >= end - EpochDelta::new(1);
                let (health, next) = if shown {
                    due.remove(sector);
                    (SectorHealth::Faulty, end + EpochDelta::PROVING_PERIOD)
                } else {
                    hidden += 1;
                    (SectorHealth::Active, end)
                };
                assert_eq!((status.health, status.next_deadline_end), (health, Some(next)));
            }
        }
        parents = epoch;
    }
    assert!(hidden > 0, "null rounds hid some of these ends");
    devnet.shutdown().await;
}

/// Forty sectors of as many providers, proven until now and not any more; every other round is null.
async fn unproven_world(mut config: DevnetConfig) -> (Devnet, JsonRpcLotus) {
    config.null_every = 2;
    config.providers = 40;
    let (start, end) = (config.start_epoch, config.start_epoch + EpochDelta::YEAR);
    let devnet = Devnet::start(config).await.expect("a devnet");
    let lotus = JsonRpcLotusConfig::new(devnet.urls().lotus.parse().expect("a URL"));
    let lotus = JsonRpcLotus::new(lotus).expect("a configuration");
    for provider in devnet.providers() {
        let provider = provider.id.parse().expect("a provider");
        let activate = Some(start + EpochDelta::new(1));
        let plant = Plant { activate, ..Plant::new(provider, start + EpochDelta::DEADLINE, end) };
        devnet.plant(plant).expect("a deal");
    }
    // The first proof of each, whichever its deadline.
    devnet.advance(2 * 2_880).await;
    for deal in devnet.deals() {
        let provider = sector_of(&deal).provider;
        devnet.control_provider(provider, ProviderAction::Fault).expect("a provider");
    }
    (devnet, lotus)
}

fn sector_of(truth: &DealTruth) -> SectorId {
    let provider = truth.provider.parse().expect("a provider");
    SectorId { provider, number: truth.sector.expect("a sector") }
}

fn found(reading: SectorReading) -> SectorStatus {
    let SectorReading::Found(status) = reading else { panic!("{reading:?}") };
    status
}

/// A devnet, the adapter on it, and what has been made so far.
struct World {
    devnet: Devnet,
    lotus: Arc<JsonRpcLotus>,
    look_back: Option<EpochDelta>,
    http: reqwest::Client,
    /// A provider is faulted and terminated as a whole, so each deal gets one of its own.
    used: Mutex<BTreeSet<String>>,
    deals: Mutex<BTreeMap<SectorId, DealId>>,
    files: Mutex<u64>,
}

impl World {
    async fn start(mut config: DevnetConfig) -> Self {
        let gateway = config.nodes.iter().any(|node| node.kind == NodeKind::Gateway);
        let look_back = gateway.then_some(GATEWAY_LOOK_BACK);
        config.providers = PROVIDERS;
        config.aggregator_delay_epochs = EpochDelta::ZERO;
        let devnet = Devnet::start(config).await.expect("a devnet");
        let lotus = JsonRpcLotusConfig::new(devnet.urls().lotus.parse().expect("a URL"));
        let lotus = Arc::new(JsonRpcLotus::new(lotus).expect("a configuration"));
        Self {
            devnet,
            lotus,
            look_back,
            http: reqwest::Client::new(),
            used: Mutex::default(),
            deals: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Advances epoch by epoch until a deal is as wanted; not at all when it is so already.
    async fn until(&self, deal: DealId, wanted: impl Fn(&DealTruth) -> bool) -> DealTruth {
        // Nothing takes longer than two proving periods: a recovery that came after the cutoff.
        for _ in 0..3 * EpochDelta::PROVING_PERIOD.get() {
            let truth = self.devnet.deals().into_iter().find(|truth| truth.id == deal);
            let truth = truth.expect("a published deal");
            if wanted(&truth) {
                return truth;
            }
            self.devnet.advance(1).await;
        }
        panic!("deal {deal} does not come to be as wanted");
    }

    /// Advances out of a null round, if this is one; gives the epoch of the tipset that carries
    /// what happened since the one before.
    async fn carrier(&self) -> ChainEpoch {
        loop {
            let head = self.devnet.head();
            if head.epoch == head.head {
                return head.head;
            }
            self.devnet.advance(1).await;
        }
    }

    fn deal_of(&self, sector: SectorId) -> DealId {
        self.deals.lock().expect("no panic")[&sector]
    }

    fn control(&self, provider: ProviderId, action: ProviderAction) {
        self.devnet.control_provider(provider, action).expect("a provider");
    }

    /// Uploads a file that was never there before; gives its CID.
    async fn upload(&self) -> String {
        let number = {
            let mut files = self.files.lock().expect("no panic");
            *files += 1;
            *files
        };
        let file = reqwest::multipart::Part::text(format!("file {number}")).file_name("file");
        let form = reqwest::multipart::Form::new().part("file", file);
        let url = format!("{}/api/v0/add", self.devnet.urls().aggregator.upload);
        let answer = self.http.post(url).multipart(form).send().await.expect("an answer");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        answer["Hash"].as_str().expect("a CID").to_owned()
    }
}

#[async_trait]
impl Harness for World {
    fn chain(&self) -> Arc<dyn LotusChain> {
        self.lotus.clone()
    }

    fn look_back(&self) -> Option<EpochDelta> {
        self.look_back
    }

    async fn advance(&self, epochs: EpochDelta) {
        self.devnet.advance(u32::try_from(epochs.get()).expect("a span")).await;
    }

    async fn publish(&self) -> (DealId, ChainEpoch) {
        loop {
            let cid = self.upload().await;
            let truth = loop {
                self.devnet.advance(1).await;
                let deals = self.devnet.deals();
                if let Some(truth) = deals.into_iter().find(|truth| truth.cids.contains(&cid)) {
                    break truth;
                }
            };
            if self.used.lock().expect("no panic").insert(truth.provider) {
                return (truth.id, ChainEpoch::new(truth.published));
            }
        }
    }

    async fn activate(&self, deal: DealId) -> (SectorId, ChainEpoch) {
        let truth = self.until(deal, |truth| truth.activated.is_some()).await;
        let sector = sector_of(&truth);
        self.deals.lock().expect("no panic").insert(sector, deal);
        (sector, ChainEpoch::new(truth.activated.expect("an epoch")))
    }

    async fn prove(&self, sector: SectorId) -> ChainEpoch {
        self.until(self.deal_of(sector), |truth| !truth.unproven).await;
        self.carrier().await
    }

    async fn miss_proof(&self, sector: SectorId) -> (ChainEpoch, ChainEpoch) {
        self.control(sector.provider, ProviderAction::Fault);
        let truth = self.until(self.deal_of(sector), |truth| truth.fault_since.is_some()).await;
        let missed = ChainEpoch::new(truth.fault_since.expect("an epoch"));
        (missed, self.carrier().await)
    }

    async fn recover(&self, sector: SectorId) -> ChainEpoch {
        self.control(sector.provider, ProviderAction::Recover);
        self.until(self.deal_of(sector), |truth| truth.fault_since.is_none()).await;
        self.carrier().await
    }

    async fn terminate(&self, sector: SectorId) -> ChainEpoch {
        // A message lands in a tipset, and a null round has none.
        let now = self.carrier().await;
        self.control(sector.provider, ProviderAction::Terminate);
        now
    }

    async fn set_down(&self, down: bool) {
        self.devnet.set_rpc_mode(if down { RpcMode::Down } else { RpcMode::Ok });
    }

    async fn spoil(&self, _: DealId, _: SectorId) -> bool {
        // A node that fails at single items: see `misbehaviour.rs`.
        false
    }

    async fn mend(&self, _: DealId, _: SectorId) {}
}
