//! The suite of `raas-lotus` over a socket: the adapter against a simulated chain that keeps the
//! rules, null rounds and deadlines included.

#![expect(clippy::expect_used, reason = "a test that cannot set up its world should stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use raas_devnet::{DealTruth, Devnet, DevnetConfig, ProviderAction, RpcMode};
use raas_lotus::{
    LotusChain,
    conformance::{self, Harness},
};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{ChainEpoch, DealId, EpochDelta, ProviderId, SectorId};

/// The suite makes some fifteen deals; each needs a provider that it has for itself.
const PROVIDERS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_over_a_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::start(DevnetConfig::new(dir.path())).await;
    assert_eq!(conformance::all(&world).await, Ok(()));
    world.devnet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_where_every_other_round_is_null() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = DevnetConfig::new(dir.path());
    config.null_every = 2;
    let world = World::start(config).await;
    assert_eq!(conformance::all(&world).await, Ok(()));
    world.devnet.shutdown().await;
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

/// A devnet, the adapter on it, and what has been made so far.
struct World {
    devnet: Devnet,
    lotus: Arc<JsonRpcLotus>,
    http: reqwest::Client,
    /// A provider is faulted and terminated as a whole, so each deal gets one of its own.
    used: Mutex<BTreeSet<String>>,
    deals: Mutex<BTreeMap<SectorId, DealId>>,
    files: Mutex<u64>,
}

impl World {
    async fn start(mut config: DevnetConfig) -> Self {
        config.providers = PROVIDERS;
        config.aggregator_delay_epochs = EpochDelta::ZERO;
        let devnet = Devnet::start(config).await.expect("a devnet");
        let url = devnet.urls().lotus.parse().expect("a URL");
        let lotus = JsonRpcLotus::new(JsonRpcLotusConfig::new(url)).expect("a configuration");
        Self {
            devnet,
            lotus: Arc::new(lotus),
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
        let provider = truth.provider.parse().expect("a provider");
        let sector = SectorId { provider, number: truth.sector.expect("a sector") };
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
