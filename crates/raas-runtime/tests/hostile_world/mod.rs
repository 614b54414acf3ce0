//! A node over a devnet: a job of three deals, endpoints that may turn on it, and looks that are
//! timed.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod modes;
mod pieces;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use raas_aggregator::{DealIds, FakeAggregator};
use raas_deal_status::FakeDealStatus;
use raas_devnet::{DealTruth, Devnet, DevnetConfig, NodeKind, Plant, ProviderAction, RpcMode};
use raas_job_store::{JobStore as _, MemoryJobStore};
use raas_lotus::{Head, LotusChain, Result};
use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_retrieval::{BlobStore, ImportProfile};
use raas_runtime::{Alert, AlertCode, Event, Node, PassReport, Settings};
use raas_types::{
    ChainEpoch, Cid, DealId, DealReading, EpochDelta, Evidence, JobId, Network, ProviderId,
    Renewal, Repair, Replication, RpcUsage, SectorId, SectorReading, Terms, Tipset, Verdict,
    VerdictKind,
};
use tempfile::TempDir;

use crate::devnet_world::{adapter, start};

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use {
    modes::{Harm, every_mode},
    pieces::{piece_of, proof_of, proof_of_neighbour},
};

/// How long one request may take, and wait for its turn: short, as tests wait for it, and long
/// enough for a busy machine to answer a healthy one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// How long a pass may take over endpoints that do not answer. An introduction, and a reading, is over
/// with the first request that is not answered, and there are two endpoints at the most: 2 x 2
/// requests, each of which may wait for its turn and then for its answer.
pub(crate) const BOUND: Duration = TIMEOUT.saturating_mul(2 * 2 * 2);

/// Two of the three deals of every world.
pub(crate) const FIRST: DealId = DealId::new(FIRST_DEAL);
pub(crate) const SECOND: DealId = DealId::new(FIRST_DEAL + 1);

/// Where the world begins.
const START: ChainEpoch = ChainEpoch::new(6_300_000);
/// As the devnet numbers its deals.
const FIRST_DEAL: u64 = 100_000;
const FIRST_PROVIDER: u64 = 1_000;
const PROVIDERS: u64 = 8;

/// A node, and the world that it watches.
pub(crate) struct World {
    pub(crate) devnet: Arc<Devnet>,
    pub(crate) node: Node,
    pub(crate) endpoints: Vec<Turncoat>,
    pub(crate) cid: Cid,
    pub(crate) job: JobId,
    /// All that happened.
    pub(crate) events: Vec<Event>,
    /// Where the sectors of deals are put; the chain chooses where there is nothing.
    pub(crate) deadline: Option<u64>,
    aggregator: FakeAggregator,
    pub(crate) contract: FakeDealStatus,
    store: MemoryJobStore,
    _dirs: (TempDir, TempDir),
}

impl World {
    /// With an endpoint for each of these nodes, and three deals that were all proven.
    pub(crate) async fn satisfied(kinds: &[NodeKind]) -> Self {
        let mut world = Self::new(kinds, terms(), |_| {}).await;
        world.fill().await;
        for _ in 0..2 {
            world.is_well().await;
        }
        world
    }

    /// On a devnet that is otherwise as `with` makes it, with a job of these terms for which nothing
    /// was done yet.
    pub(crate) async fn new(
        kinds: &[NodeKind],
        terms: Terms,
        with: impl FnOnce(&mut DevnetConfig),
    ) -> Self {
        let (devnet, dir) = start(kinds, |config| {
            config.providers = usize::try_from(PROVIDERS).unwrap();
            config.start_epoch = START;
            with(config);
        })
        .await;
        let devnet = Arc::new(devnet);
        let endpoints: Vec<_> =
            (0..kinds.len()).map(|node| Turncoat::new(&devnet, node, TIMEOUT)).collect();
        let blob_dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(blob_dir.path()).unwrap();
        let bytes = stream::iter([Ok(Bytes::from_static(b"what is kept"))]).boxed();
        let cid = blobs.import(bytes, &ImportProfile::default(), None).await.unwrap().cid;
        let aggregator = FakeAggregator::new("aggregator");
        aggregator.set_deal_ids(DealIds::starting_at(DealId::new(FIRST_DEAL)));
        let providers = FIRST_PROVIDER..FIRST_PROVIDER + PROVIDERS;
        aggregator.set_providers(providers.map(ProviderId::new).collect());
        aggregator.set_proof(cid, proof_of(&cid));
        let (contract, store) = (FakeDealStatus::new(), MemoryJobStore::new());
        let mut builder = Node::builder()
            .contract(Arc::new(contract.clone()))
            .recorder(Arc::new(contract.clone()))
            .aggregator(Arc::new(aggregator.clone()))
            .store(Arc::new(store.clone()))
            .blobs(blobs)
            .settings(Settings { concurrency: 1, ..Settings::default() });
        for endpoint in &endpoints {
            builder = builder.chain(Arc::new(endpoint.clone()));
        }
        let node = builder.build().unwrap();
        let job = node.register(cid, terms).await.unwrap().job.id;
        Self {
            devnet,
            node,
            endpoints,
            cid,
            job,
            events: Vec::new(),
            deadline: None,
            aggregator,
            contract,
            store,
            _dirs: (dir, blob_dir),
        }
    }

    // What happens.

    pub(crate) async fn advance(&self, epochs: EpochDelta) {
        self.devnet.advance(u32::try_from(epochs.get()).unwrap()).await;
    }

    /// A pass, which ends in time.
    pub(crate) async fn pass(&mut self) -> PassReport {
        let started = Instant::now();
        let report = self.node.pass().await;
        let took = started.elapsed();
        assert!(took < BOUND, "a pass took {took:?}, more than {BOUND:?}");
        self.events.extend(report.events.iter().cloned());
        report
    }

    /// A day goes by, and the node looks.
    pub(crate) async fn look(&mut self) -> PassReport {
        self.advance(EpochDelta::DAY).await;
        self.pass().await
    }

    /// A day goes by, and the node looks at noon too: endpoints that are to be compared by what was
    /// pinned last must know of it, and a gateway tells of the last day only.
    pub(crate) async fn look_twice(&mut self) -> PassReport {
        const HALF_A_DAY: EpochDelta = EpochDelta::new(EpochDelta::DAY.get() / 2);
        self.advance(HALF_A_DAY).await;
        self.pass().await;
        self.advance(HALF_A_DAY).await;
        self.pass().await
    }

    /// A day after which all is as it should be: nothing is said but that an endpoint is back.
    pub(crate) async fn is_well(&mut self) {
        let spent = self.spent();
        let report = self.look().await;
        assert_eq!((report.gated.as_deref(), report.errors.as_slice()), (None, &[][..]));
        assert_eq!(self.kinds().await, [VerdictKind::Active; 3], "{:?}", self.words().await);
        assert_eq!(self.spent(), spent, "nothing is to be done");
        assert_eq!(self.node.alerts_standing(), []);
        assert!(self.node.endpoints_status().iter().all(|status| status.set_aside.is_none()));
    }

    /// What was ordered becomes deals in sectors of the devnet, until three are active and recorded.
    pub(crate) async fn fill(&mut self) {
        // An order, its deal and its record take three passes; ten times as many for three of them.
        for _ in 0..90 {
            self.pass().await;
            for (cid, listed) in self.aggregator.land_all() {
                self.plant(cid, listed.deal, listed.provider);
            }
            self.advance(EpochDelta::DEADLINE).await;
            let active = self.active().await;
            let recorded = self.contract.recorded(&self.cid);
            let is_recorded = |deal: &DealId| recorded.iter().any(|listed| listed.deal == *deal);
            let open = self.store.open_transactions().await.unwrap();
            let ordered = self.store.outstanding_orders().await.unwrap();
            if active.len() == 3
                && active.iter().all(is_recorded)
                && open.is_empty()
                && ordered.is_empty()
            {
                return;
            }
        }
        panic!("three deals did not come to be: {:#?}", self.words().await);
    }

    fn plant(&self, cid: Cid, deal: DealId, provider: ProviderId) {
        let now = self.devnet.head().epoch;
        let start = now + EpochDelta::DAY;
        let mut plant = Plant::new(provider, start, start + EpochDelta::days(540));
        plant.piece = Some(piece_of(&cid));
        plant.activate = Some(now);
        plant.deadline = self.deadline;
        assert_eq!(self.devnet.plant(plant).unwrap(), deal, "the ids go together");
    }

    /// The provider of a deal terminates its sectors, and the market forgets the deal.
    pub(crate) fn terminate(&self, deal: DealId) {
        let provider = self.truth(deal).provider.parse().unwrap();
        self.devnet.control_provider(provider, ProviderAction::Terminate).unwrap();
    }

    pub(crate) fn truth(&self, deal: DealId) -> DealTruth {
        self.devnet.deals().into_iter().find(|truth| truth.id == deal).unwrap()
    }

    /// A deal is truly lost: that is seen, seen again, and repaired, once.
    pub(crate) async fn loses_and_repairs(&mut self, deal: DealId) {
        let (spent, orders) = (self.spent(), self.orders());
        self.terminate(deal);
        self.look().await;
        assert_eq!(self.verdict(deal).await, Verdict::Terminated);
        assert_eq!(self.spent(), spent, "once seen is not enough");
        // Above the 60 epochs between two looks that confirm a loss, null rounds included.
        self.advance(EpochDelta::HOUR).await;
        self.pass().await;
        assert_eq!(self.orders(), orders + 1, "twice is: {:?}", self.words().await);
        self.fill().await;
        self.is_well().await;
        assert_eq!(self.orders(), orders + 1, "one repair for one loss");
    }

    /// Half an hour and more of the node's own time: all pauses of endpoints are over.
    pub(crate) async fn sit_out_pauses(&self) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31 * 60)).await;
        tokio::time::resume();
    }

    // What can be seen.

    /// Orders that were sent.
    pub(crate) fn orders(&self) -> u64 {
        self.aggregator.calls().submits
    }

    /// Orders and transactions that were sent.
    pub(crate) fn spent(&self) -> (u64, usize) {
        (self.orders(), self.contract.transactions_sent())
    }

    /// The deals that were last judged to be active.
    pub(crate) async fn active(&self) -> Vec<DealId> {
        let judged = self.judged().await.into_iter();
        judged.filter(|(_, (v, _))| v.kind() == VerdictKind::Active).map(|(deal, _)| deal).collect()
    }

    /// What each deal was last judged to be, and from what.
    pub(crate) async fn judged(&self) -> BTreeMap<DealId, (Verdict, Evidence)> {
        let memories = self.store.deal_memories(&self.cid).await.unwrap().into_iter();
        memories.filter_map(|memory| Some((memory.listed.deal, memory.last?))).collect()
    }

    /// The verdicts of deals that are not over.
    pub(crate) async fn kinds(&self) -> Vec<VerdictKind> {
        let replaced: BTreeSet<_> = self.replaced().await;
        let judged = self.judged().await.into_iter();
        let open = judged.filter(|(deal, _)| !replaced.contains(deal));
        open.map(|(_, (verdict, _))| verdict.kind()).collect()
    }

    async fn replaced(&self) -> BTreeSet<DealId> {
        let memories = self.store.deal_memories(&self.cid).await.unwrap();
        memories.iter().filter_map(|memory| memory.replaces()).collect()
    }

    pub(crate) async fn verdict(&self, deal: DealId) -> Verdict {
        self.judged().await[&deal].0.clone()
    }

    pub(crate) async fn evidence(&self, deal: DealId) -> Evidence {
        self.judged().await[&deal].1.clone()
    }

    /// The last look, in words.
    pub(crate) async fn words(&self) -> Vec<String> {
        let status = self.node.job_status(&self.job).await.unwrap();
        status.last_look.map(|look| look.words).unwrap_or_default()
    }

    pub(crate) fn alerts(&self, code: AlertCode) -> Vec<Alert> {
        let standing = self.node.alerts_standing();
        standing.into_iter().filter(|alert| alert.code == code).collect()
    }
}

/// Three replicas, repaired when they were not proven once.
pub(crate) fn terms() -> Terms {
    Terms {
        replication: Some(Replication::around(3)),
        renewal: Some(Renewal { threshold: EpochDelta::days(30) }),
        repair: Some(Repair { threshold: EpochDelta::DEADLINE }),
        ..Terms::default()
    }
}

/// A node's adapter under a name of its own. The node may fail from some request on: with
/// [`turn`](Self::turn) it introduces itself as if nothing was, and fails when it is read.
#[derive(Clone, Debug)]
pub(crate) struct Turncoat {
    inner: Arc<JsonRpcLotus>,
    devnet: Arc<Devnet>,
    node: usize,
    turns: Arc<Mutex<Option<RpcMode>>>,
}

impl Turncoat {
    /// That node, of which each request may take so long.
    pub(crate) fn new(devnet: &Arc<Devnet>, node: usize, timeout: Duration) -> Self {
        let inner = Arc::new(adapter(devnet, node, timeout));
        Self { inner, devnet: Arc::clone(devnet), node, turns: Arc::default() }
    }

    /// The node does so from now on.
    pub(crate) fn set(&self, mode: RpcMode) {
        *self.turns.lock().unwrap() = None;
        self.devnet.set_node_mode(self.node, mode).unwrap();
    }

    /// The node does so from the reading of deals on, in every pass.
    pub(crate) fn turn(&self, mode: RpcMode) {
        *self.turns.lock().unwrap() = Some(mode);
    }

    fn turned(&self, introducing: bool) {
        if let Some(mode) = *self.turns.lock().unwrap() {
            let mode = if introducing { RpcMode::Ok } else { mode };
            self.devnet.set_node_mode(self.node, mode).unwrap();
        }
    }
}

#[async_trait]
impl LotusChain for Turncoat {
    fn endpoint(&self) -> String {
        format!("node {}", self.node)
    }

    async fn network(&self) -> Result<Network> {
        self.turned(true);
        self.inner.network().await
    }

    async fn head(&self) -> Result<Head> {
        self.inner.head().await
    }

    async fn finalized(&self) -> Result<Tipset> {
        self.inner.finalized().await
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        self.inner.tipset_at(epoch).await
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        self.turned(false);
        self.inner.deals(ids, at).await
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        self.inner.sectors(ids, at).await
    }

    fn usage(&self) -> RpcUsage {
        self.inner.usage()
    }
}
