//! The [`Node`]: what a face or an embedding service holds, and the loop that runs passes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use cid::Cid;
use raas_aggregator::Aggregator;
use raas_core::Breaker;
use raas_deal_status::{DealRecorder, DealStatusSource};
use raas_job_store::{Change, JobStore, Lease};
use raas_lotus::LotusChain;
use raas_retrieval::{BlobStore, DataSource};
use raas_types::{AggregatorName, ChainEpoch, OrderId, RpcUsage, Tipset};
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    Alert, EndpointStatus, NodeBuilder, PassReport, Planner, Retrieved, Settings, Totals,
    alerts::Alerts, data::MissingData, endpoints::Endpoints, landing::Asked, providers::Providers,
    reach::Away, selection::Selection, transfers::Transfers,
};

/// The adapters of a node: one per port, but for the endpoints, aggregators and sources.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) chain: Vec<Arc<dyn LotusChain>>,
    pub(crate) contract: Arc<dyn DealStatusSource>,
    pub(crate) recorder: Option<Arc<dyn DealRecorder>>,
    pub(crate) aggregators: Vec<Arc<dyn Aggregator>>,
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) blobs: BlobStore,
    pub(crate) sources: Vec<Arc<dyn DataSource>>,
}

/// A RaaS node. Cheap to clone; all clones are the same node.
#[derive(Clone, Debug)]
pub struct Node {
    inner: Arc<Inner>,
    /// What a pass and all that it starts write under: once another node was granted the store, nothing
    /// of it is written any more. None where a client or an operator acts.
    lease: Option<Arc<Lease>>,
}

#[derive(Debug)]
struct Inner {
    ports: Ports,
    planner: Arc<dyn Planner>,
    settings: Settings,
    endpoints: Endpoints,
    anchor: Mutex<ChainEpoch>,
    alerts: Mutex<Alerts>,
    woken: Notify,
    /// One pass at a time.
    passing: tokio::sync::Mutex<()>,
    status: Mutex<NodeStatus>,
    missing: Mutex<BTreeMap<Cid, MissingData>>,
    /// Where fetched bytes came from, until a look has told.
    fetched: Mutex<BTreeMap<Cid, Retrieved>>,
    /// When each outstanding order was last asked after.
    asked: Mutex<BTreeMap<OrderId, Asked>>,
    breaker: Mutex<Breaker>,
    /// Aggregators that could not be reached.
    away: Mutex<BTreeMap<AggregatorName, Away>>,
    transfers: Transfers,
    providers: Providers,
    /// What the last pass read, and of whom; or why there was nothing to read.
    selected: Mutex<Result<Selection, String>>,
}

/// How the node is doing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NodeStatus {
    /// The epoch of the last pass that got through the gate.
    pub epoch: Option<ChainEpoch>,
    /// Why the last pass did not get through the gate.
    pub gated: Option<String>,
    /// What went wrong in the last pass.
    pub errors: Vec<String>,
    /// All passes together.
    pub totals: Totals,
}

impl Node {
    /// Starts to put a node together.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    pub(crate) fn new(
        ports: Ports,
        planner: Arc<dyn Planner>,
        settings: Settings,
        providers: Providers,
    ) -> Self {
        let inner = Inner {
            endpoints: Endpoints::new(ports.chain.clone()),
            anchor: Mutex::default(),
            alerts: Mutex::default(),
            ports,
            planner,
            settings,
            woken: Notify::new(),
            passing: tokio::sync::Mutex::default(),
            status: Mutex::default(),
            missing: Mutex::default(),
            fetched: Mutex::default(),
            asked: Mutex::default(),
            breaker: Mutex::default(),
            away: Mutex::default(),
            transfers: Transfers::default(),
            providers,
            selected: Mutex::new(Err("the node has made no pass yet".to_owned())),
        };
        Self { inner: Arc::new(inner), lease: None }
    }

    /// This node, acting under a lease.
    fn under(&self, lease: Lease) -> Self {
        Self { inner: Arc::clone(&self.inner), lease: Some(Arc::new(lease)) }
    }

    /// Runs passes until `shutdown`: on a period, or sooner when [`wake`](Self::wake) is called. A
    /// pass under way is finished first.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut period = tokio::time::interval(self.settings().period);
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.drain().await;
                    return self.release().await;
                }
                () = self.inner.woken.notified() => {}
                _ = period.tick() => {}
            }
            self.pass().await;
        }
    }

    /// Makes the loop run a pass as soon as it can.
    pub fn wake(&self) {
        self.inner.woken.notify_one();
    }

    /// Runs one pass over what is due. Waits for one that is under way.
    pub async fn pass(&self) -> PassReport {
        let _one_at_a_time = self.inner.passing.lock().await;
        let started = Instant::now();
        let before = self.rpc_usage();
        let mut events = Vec::new();
        let selected = self.select(&mut events).await;
        let read = selected.as_ref().map(|(selection, _)| selection.clone());
        *locked(&self.inner.selected) = read.map_err(Clone::clone);
        let mut report = PassReport::default();
        events.into_iter().for_each(|event| report.event(event));
        if let Err(error) = self.read_providers().await {
            report.error(error);
        }
        match selected {
            Ok((selection, lease)) => self.under(lease).pass_at(selection, &mut report).await,
            Err(reason) => {
                tracing::warn!(%reason, "the gate stays shut");
                report.gated = Some(reason);
            }
        }
        report.rpc = self.rpc_usage();
        for (endpoint, usage) in &mut report.rpc {
            if let Some(before) = before.get(endpoint) {
                *usage = usage.since(before);
            }
        }
        report.seconds = started.elapsed().as_secs_f64();
        let mut status = locked(&self.inner.status);
        status.epoch = report.epoch.or(status.epoch);
        status.gated.clone_from(&report.gated);
        status.errors.clone_from(&report.errors);
        status.totals.add(&report);
        report
    }

    /// How the node is doing.
    pub fn status(&self) -> NodeStatus {
        locked(&self.inner.status).clone()
    }

    /// How the endpoints of the chain do, in the order in which they are configured.
    pub fn endpoints_status(&self) -> Vec<EndpointStatus> {
        self.endpoints().status()
    }

    /// What an operator should know, from when it began until it is over.
    pub fn alerts_standing(&self) -> Vec<Alert> {
        self.alerts().list()
    }

    /// What was asked of each endpoint, of the chain and of the contract, since the node started.
    pub fn rpc_usage(&self) -> BTreeMap<String, RpcUsage> {
        let mut usage = BTreeMap::<String, RpcUsage>::new();
        for endpoint in self.endpoints_status() {
            usage.entry(endpoint.endpoint).or_default().add(&endpoint.usage);
        }
        let contract = self.ports().contract.usage();
        for (endpoint, asked) in contract {
            usage.entry(endpoint).or_default().add(&asked);
        }
        usage
    }

    /// Where bytes are kept.
    pub fn blobs(&self) -> &BlobStore {
        &self.inner.ports.blobs
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    pub(crate) fn planner(&self) -> &dyn Planner {
        self.inner.planner.as_ref()
    }

    pub(crate) fn store(&self) -> &dyn JobStore {
        self.inner.ports.store.as_ref()
    }

    /// Writes a change, under the lease that this acts under.
    pub(crate) async fn commit(&self, change: Change) -> raas_job_store::Result<()> {
        let lease = self.lease.as_deref().cloned();
        self.store().commit(&Change { lease, ..change }).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn aggregator(&self, name: &AggregatorName) -> Option<&Arc<dyn Aggregator>> {
        self.inner.ports.aggregators.iter().find(|a| a.name() == *name)
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    /// The last epoch that as many endpoints as must agreed to be final.
    pub(crate) fn anchor(&self) -> ChainEpoch {
        *locked(&self.inner.anchor)
    }

    /// The epoch by which what outlasts a pass is dated: the pin's, where enough endpoints agree.
    pub(crate) fn dated(&self, pin: &Tipset) -> ChainEpoch {
        pin.epoch.min(self.anchor())
    }

    pub(crate) fn set_anchor(&self, epoch: ChainEpoch) {
        *locked(&self.inner.anchor) = epoch;
    }

    pub(crate) fn breaker(&self) -> &Mutex<Breaker> {
        &self.inner.breaker
    }

    pub(crate) fn alerts(&self) -> MutexGuard<'_, Alerts> {
        locked(&self.inner.alerts)
    }

    pub(crate) fn asked(&self) -> MutexGuard<'_, BTreeMap<OrderId, Asked>> {
        locked(&self.inner.asked)
    }

    pub(crate) fn transfers(&self) -> &Transfers {
        &self.inner.transfers
    }

    pub(crate) fn inner_providers(&self) -> &Providers {
        &self.inner.providers
    }

    /// What the last pass was pinned to and whom it read, or why there was no such pass.
    pub(crate) fn selected(&self) -> Result<Selection, String> {
        locked(&self.inner.selected).clone()
    }

    pub(crate) fn away(&self) -> MutexGuard<'_, BTreeMap<AggregatorName, Away>> {
        locked(&self.inner.away)
    }

    pub(crate) fn fetched(&self) -> MutexGuard<'_, BTreeMap<Cid, Retrieved>> {
        locked(&self.inner.fetched)
    }

    pub(crate) fn missing(&self) -> MutexGuard<'_, BTreeMap<Cid, MissingData>> {
        locked(&self.inner.missing)
    }
}

/// A poisoned lock still holds whole values: every write to what is behind it is a single one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
