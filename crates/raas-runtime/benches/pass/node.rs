//! The node under measurement: jobs of three replicas each, which a contract lists and the endpoint
//! holds to be well.

use std::{sync::Arc, time::Duration};

use raas_aggregator::FakeAggregator;
use raas_deal_status::FakeDealStatus;
use raas_job_store::{JobStore, MemoryJobStore};
use raas_job_store_sqlite::SqliteJobStore;
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_retrieval::BlobStore;
use raas_runtime::Node;
use raas_types::{Cid, EpochDelta, Renewal, Repair, Replication, Terms, Trust};
use tempfile::TempDir;

use crate::endpoint::Endpoint;

const REPLICAS: u64 = 3;

/// Where the node keeps its jobs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StoreKind {
    Memory,
    Sqlite,
}

/// A node with all its jobs registered, before its first pass.
pub(crate) struct BenchNode {
    node: Node,
    _dir: TempDir,
}

impl BenchNode {
    pub(crate) async fn new(endpoint: &Endpoint, store: StoreKind) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn JobStore> = match store {
            StoreKind::Memory => Arc::new(MemoryJobStore::new()),
            StoreKind::Sqlite => {
                let store = SqliteJobStore::open(dir.path().join("bench.sqlite"));
                Arc::new(store.expect("a store"))
            }
        };
        let contract = FakeDealStatus::new();
        // What does not divide by three is a fourth replica of the last.
        let jobs = endpoint.world.deals / REPLICAS;
        for (n, deal) in (0..).zip(endpoint.world.listed()) {
            contract.list(cid_of((n / REPLICAS).min(jobs - 1)), deal);
        }
        let lotus = JsonRpcLotus::new(JsonRpcLotusConfig::new(endpoint.url.clone()));
        let lotus = lotus.expect("an adapter");
        // What an endpoint can do is found out once, when it is first met.
        lotus.capabilities().await.expect("capabilities");
        let node = Node::builder()
            .chain(Arc::new(lotus))
            .contract(Arc::new(contract))
            .aggregator(Arc::new(FakeAggregator::new("nobody")))
            .store(store)
            .blobs(BlobStore::open(dir.path().join("blobs")).expect("a blob store"))
            .build()
            .expect("a node");
        for n in 0..jobs {
            node.register(cid_of(n), terms()).await.expect("registered");
        }
        Self { node, _dir: dir }
    }

    /// One pass: how long it took, and how many elements it asked for.
    pub(crate) async fn pass(&self) -> (Duration, u64) {
        let report = self.node.pass().await;
        assert_eq!((report.gated.as_ref(), report.errors.first()), (None, None));
        assert!(report.deals > 0 && report.cids > 0, "nothing was due: {report:?}");
        assert_eq!(report.events.iter().filter(|e| is_trouble(e)).count(), 0);
        let elements = report.rpc.values().map(raas_types::RpcUsage::elements).sum();
        (Duration::from_secs_f64(report.seconds), elements)
    }
}

/// Every replica is well in this world.
fn is_trouble(event: &raas_runtime::Event) -> bool {
    use raas_types::VerdictKind::Active;
    !matches!(event, raas_runtime::Event::Judged { to: Active, .. })
}

fn terms() -> Terms {
    Terms {
        replication: Some(Replication::around(REPLICAS as u32)),
        renewal: Some(Renewal { threshold: EpochDelta::days(30) }),
        repair: Some(Repair { threshold: EpochDelta::days(3) }),
        trust: Trust::Contract,
        ..Terms::default()
    }
}

fn cid_of(n: u64) -> Cid {
    let mut digest = [9; 32];
    digest[24..].copy_from_slice(&n.to_be_bytes());
    let hash = cid::multihash::Multihash::wrap(0x12, &digest).expect("32 bytes fit");
    Cid::new_v1(0x70, hash)
}
