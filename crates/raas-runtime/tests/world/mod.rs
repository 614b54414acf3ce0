//! A world of fakes around a node: a chain, a contract, aggregators, a store and bytes. Time passes
//! when a test says so, deals are made when a test says so, and a node that dies is started anew.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod deals;
mod mortal;
mod several;
mod shy;
mod watched;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use raas_aggregator::{Capabilities, DealIds, FakeAggregator, Repeat};
use raas_deal_status::FakeDealStatus;
use raas_job_store::{JobStore, MemoryJobStore};
use raas_lotus::{FakeLotusChain, LotusChain};
use raas_retrieval::{BlobStore, DataSource};
use raas_runtime::{
    Alert, AlertCode, Event, Node, PassReport, RegisterError, Registered, Settings,
};
use raas_types::{
    ChainEpoch, Cid, DealId, DealMemory, EpochDelta, Evidence, JobId, Network, OnChainDeal, Order,
    ProviderId, Renewal, Repair, Replication, Terms, Transaction, Verdict, VerdictKind,
};
use tempfile::TempDir;

use shy::Shy;
#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use {
    deals::{STRANGERS, healthy, proof_of},
    mortal::{Fate, Mortal},
    several::{FIRST, LOST, missing, registered, satisfied},
    watched::{Question, Watched},
};

pub(crate) const START: ChainEpoch = ChainEpoch::new(6_300_000);
pub(crate) const MONTH: EpochDelta = EpochDelta::days(30);
/// Above the fake's finality lag of 30 epochs, so that what was done shows at the next pin.
pub(crate) const SOON: EpochDelta = EpochDelta::DEADLINE;

/// Three replicas, renewed a month ahead, repaired after a day.
pub(crate) fn terms(target: u32) -> Terms {
    Terms {
        replication: Some(Replication::around(target)),
        renewal: Some(Renewal { threshold: MONTH }),
        repair: Some(Repair { threshold: EpochDelta::DAY }),
        ..Terms::default()
    }
}

/// What a service without order ids and without a choice of providers can do.
pub(crate) fn like_lighthouse() -> Capabilities {
    Capabilities {
        idempotent: false,
        excludes_providers: false,
        copies: 1,
        repeat: Repeat::Undocumented,
        proofs: true,
        latency: EpochDelta::DAY,
        deal_duration: EpochDelta::MIN_DEAL_DURATION,
    }
}

/// An aggregator without order ids that makes a deal of every order, on ever other providers.
pub(crate) fn lighthouse(name: &str) -> FakeAggregator {
    let aggregator = FakeAggregator::with(name, like_lighthouse());
    aggregator.repeats_make_deals(true);
    aggregator.set_providers(providers(1000..1040));
    aggregator
}

pub(crate) fn providers(ids: std::ops::Range<u64>) -> Vec<ProviderId> {
    ids.map(ProviderId::new).collect()
}

/// Everything outside the node, and the node.
pub(crate) struct World {
    /// What is true of the chain, told by the endpoint that nodes are given first.
    pub(crate) chain: FakeLotusChain,
    /// More endpoints of the same chain.
    pub(crate) others: Vec<FakeLotusChain>,
    /// The endpoints that nodes are given instead of `chain` and `others`, where there are any.
    pub(crate) endpoints: Vec<Arc<dyn LotusChain>>,
    pub(crate) contract: FakeDealStatus,
    /// Whether the node writes to the contract.
    pub(crate) records: bool,
    pub(crate) aggregators: Vec<FakeAggregator>,
    /// Whether aggregators that give proofs do not have them yet.
    pub(crate) proofs_are_hidden: Arc<AtomicBool>,
    pub(crate) inner_store: MemoryJobStore,
    /// The store that nodes use, where it is not the one in memory itself.
    pub(crate) store: Option<Arc<dyn JobStore>>,
    pub(crate) blobs: BlobStore,
    pub(crate) sources: Vec<Arc<dyn DataSource>>,
    pub(crate) settings: Settings,
    pub(crate) ids: DealIds,
    /// All that happened, restarts included.
    pub(crate) events: Vec<Event>,
    /// How often the node died.
    pub(crate) deaths: u32,
    pub(crate) fate: Fate,
    node: Option<Node>,
    deals: BTreeMap<DealId, OnChainDeal>,
    dir: TempDir,
}

impl World {
    /// With one aggregator like Lighthouse.
    pub(crate) fn new() -> Self {
        Self::with(vec![lighthouse("lighthouse")])
    }

    pub(crate) fn with(aggregators: Vec<FakeAggregator>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ids = DealIds::starting_at(DealId::new(100));
        for aggregator in &aggregators {
            aggregator.set_deal_ids(ids.clone());
        }
        let network = Network { name: "fakenet".to_owned(), version: 28 };
        let chain = FakeLotusChain::new(network, START);
        chain.set_next_deal_id(DealId::new(100));
        chain.advance(SOON);
        Self {
            chain,
            others: Vec::new(),
            endpoints: Vec::new(),
            contract: FakeDealStatus::new(),
            records: true,
            aggregators,
            proofs_are_hidden: Arc::default(),
            inner_store: MemoryJobStore::new(),
            store: None,
            blobs: BlobStore::open(dir.path()).unwrap(),
            sources: Vec::new(),
            settings: Settings { concurrency: 1, ..Settings::default() },
            ids,
            events: Vec::new(),
            deaths: 0,
            fate: Fate::immortal(),
            node: None,
            deals: BTreeMap::new(),
            dir,
        }
    }

    /// Where the blob store keeps its files.
    pub(crate) fn blob_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    // The node.

    /// The node that runs, or a new one over the same store.
    pub(crate) fn node(&mut self) -> Node {
        if let Some(node) = &self.node {
            return node.clone();
        }
        let fate = self.fate.clone();
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::new(Mortal { inner: self.inner_store.clone(), fate: fate.clone() }),
        };
        let mut builder = Node::builder()
            .contract(Arc::new(self.contract.clone()))
            .store(store)
            .blobs(self.blobs.clone())
            .settings(self.settings.clone());
        for endpoint in self.endpoints() {
            builder = builder.chain(endpoint);
        }
        if self.records {
            let inner = self.contract.clone();
            builder = builder.recorder(Arc::new(Mortal { inner, fate: fate.clone() }));
        }
        for aggregator in self.aggregators.clone() {
            let inner = Shy { inner: aggregator, hidden: Arc::clone(&self.proofs_are_hidden) };
            builder = builder.aggregator(Arc::new(Mortal { inner, fate: fate.clone() }));
        }
        for source in &self.sources {
            builder = builder.source(Arc::clone(source));
        }
        self.node.insert(builder.build().unwrap()).clone()
    }

    /// What the node is built with: the first is the one to read.
    fn endpoints(&self) -> Vec<Arc<dyn LotusChain>> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        let all = std::iter::once(&self.chain).chain(&self.others);
        all.map(|chain| Arc::new(chain.clone()) as Arc<dyn LotusChain>).collect()
    }

    /// One more endpoint that tells the truth, for nodes from the next one on.
    pub(crate) fn another(&mut self, name: &str) -> FakeLotusChain {
        let another = self.chain.also(name);
        self.others.push(another.clone());
        self.restart();
        another
    }

    /// The node is gone; the next one lives for ever.
    pub(crate) fn restart(&mut self) {
        self.restart_with(Fate::immortal());
    }

    pub(crate) fn restart_with(&mut self, fate: Fate) {
        self.node = None;
        self.fate = fate;
    }

    /// One pass; where the node dies in it, another node's.
    pub(crate) async fn pass(&mut self) -> PassReport {
        loop {
            let (node, fate) = (self.node(), self.fate.clone());
            let report = tokio::select! {
                biased;
                () = fate.death() => None,
                report = node.pass() => Some(report),
            };
            match report {
                Some(report) => {
                    self.events.extend(report.events.iter().cloned());
                    return report;
                }
                None => {
                    self.deaths += 1;
                    self.restart();
                }
            }
        }
    }

    /// Registers a job; a client whose node dies over it asks again.
    pub(crate) async fn try_register(
        &mut self,
        cid: Cid,
        terms: Terms,
    ) -> Result<Registered, RegisterError> {
        loop {
            let (node, fate) = (self.node(), self.fate.clone());
            let registered = tokio::select! {
                biased;
                () = fate.death() => None,
                registered = node.register(cid, terms.clone()) => Some(registered),
            };
            match registered {
                Some(registered) => return registered,
                None => {
                    self.deaths += 1;
                    self.restart();
                }
            }
        }
    }

    pub(crate) async fn register(&mut self, cid: Cid, terms: Terms) -> JobId {
        self.try_register(cid, terms).await.unwrap().job.id
    }

    // What can be seen.

    pub(crate) fn submits(&self) -> u64 {
        self.aggregators.iter().map(|a| a.calls().submits).sum()
    }

    pub(crate) async fn orders(&self, cid: &Cid) -> Vec<Order> {
        self.inner_store.orders_of(cid).await.unwrap()
    }

    /// The orders in short, for messages.
    pub(crate) async fn told(&self, cid: &Cid) -> Vec<String> {
        let tell = |o: Order| {
            let number = o.id.as_str().rsplit('-').next().unwrap_or_default().to_owned();
            format!("{number} at {}: {:?}, {:?}", o.created, o.cause, o.state)
        };
        self.orders(cid).await.into_iter().map(tell).collect()
    }

    pub(crate) async fn memories(&self, cid: &Cid) -> Vec<DealMemory> {
        self.inner_store.deal_memories(cid).await.unwrap()
    }

    pub(crate) async fn transactions(&self, job: &JobId) -> Vec<Transaction> {
        self.inner_store.transactions_of(job).await.unwrap()
    }

    /// What each deal was last judged to be.
    pub(crate) async fn verdicts(&self, cid: &Cid) -> BTreeMap<u64, VerdictKind> {
        let memories = self.memories(cid).await.into_iter();
        memories.filter_map(|m| Some((m.listed.deal.get(), m.last?.0.kind()))).collect()
    }

    /// The deals that were last seen active and end in more than a month.
    pub(crate) async fn lasting(&self, cid: &Cid) -> Vec<DealId> {
        let memories = self.memories(cid).await;
        let active = memories.iter().filter(|m| {
            m.last.as_ref().is_some_and(|(v, _)| v.kind() == VerdictKind::Active)
                && self.end_of(m.listed.deal) > self.now() + MONTH
        });
        active.map(|m| m.listed.deal).collect()
    }

    /// What was last judged of a deal, and from what.
    pub(crate) async fn last(&self, cid: &Cid, deal: DealId) -> (Verdict, Evidence) {
        let memory = self.memories(cid).await.into_iter().find(|m| m.listed.deal == deal);
        memory.and_then(|m| m.last).expect("the deal was judged")
    }

    /// The epoch that was pinned last.
    pub(crate) fn pinned(&mut self) -> ChainEpoch {
        self.node().status().epoch.expect("a pass got through the gate")
    }

    /// The alerts that stand about a matter.
    pub(crate) fn alerts(&mut self, code: AlertCode) -> Vec<Alert> {
        let standing = self.node().alerts_standing();
        standing.into_iter().filter(|alert| alert.code == code).collect()
    }

    /// Why each endpoint that is not believed now is not.
    pub(crate) fn aside(&mut self) -> BTreeMap<String, String> {
        let all = self.node().endpoints_status().into_iter();
        all.filter_map(|status| Some((status.endpoint, status.set_aside?))).collect()
    }

    /// The last look in words.
    pub(crate) async fn words(&mut self, job: &JobId) -> Vec<String> {
        self.node().job_status(job).await.unwrap().last_look.map(|l| l.words).unwrap_or_default()
    }

    async fn words_of(&mut self, cid: &Cid) -> Vec<String> {
        match self.inner_store.jobs_of(cid).await.unwrap().first() {
            Some(stored) => self.words(&stored.value.job.id.clone()).await,
            None => Vec::new(),
        }
    }

    pub(crate) async fn says(&mut self, job: &JobId, what: &str) -> bool {
        self.words(job).await.iter().any(|words| words.contains(what))
    }
}
