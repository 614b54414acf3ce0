//! What is recorded in a real contract by somebody who may record and lies: whatever the contract accepts
//! of it, none of it is a replica, and nothing is spent or left undone for it. The contract, the chain
//! and both adapters are real, over sockets; only the aggregator is a fake.
//!
//! Strangers have no such right on our contract (see raas-deal-status-evm's own tests). On others anyone
//! has, and nothing is checked: those are fakes here, and in `strangers.rs`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod hostile_world;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use devnet_world::{KINDS, adapter, start};
use futures::{StreamExt as _, stream};
use hostile_world::{
    FIRST, SECOND, World as OnAFake, piece_of, proof_of, proof_of_neighbour, terms,
};
use raas_aggregator::{DealIds, FakeAggregator};
use raas_deal_status::{
    DealRecorder as _, DealStatusSource as _, Error, Record, RequestedTerms, TransactionStatus,
};
use raas_deal_status_evm::{
    EndpointSettings, EvmDealRecorder, EvmDealStatus, Settings as Contract, SigningKey, deploy,
};
use raas_devnet::{Devnet, NodeKind, Plant, ProviderAction};
use raas_job_store::{JobStore as _, MemoryJobStore};
use raas_lotus::LotusChain as _;
use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_retrieval::{BlobStore, ImportProfile};
use raas_runtime::{Node, Settings};
use raas_types::{
    Cid, DealId, EpochDelta, JobId, ListedDeal, ProviderId, SegmentProof, SubmissionId, Terms,
    TransactionPurpose, TransactionState, Trust, VerdictKind,
};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// As the devnet numbers its deals. Two forged ones come first.
const FIRST_DEAL: u64 = 100_000;
const OWN: DealId = DealId::new(FIRST_DEAL + 2);
/// Nobody made it.
const MADE_UP: DealId = DealId::new(9_000_000);

/// The aggregator makes its deals with the first five providers, the forger names the others.
const PROVIDERS: std::ops::Range<u64> = 1_000..1_005;
const FORGERS: [ProviderId; 2] = [ProviderId::new(1_005), ProviderId::new(1_006)];

struct World {
    devnet: Devnet,
    lotus: JsonRpcLotus,
    source: EvmDealStatus,
    /// Somebody else with the right to record.
    forger: EvmDealRecorder,
    node: Node,
    aggregator: FakeAggregator,
    store: MemoryJobStore,
    cid: Cid,
    job: JobId,
    _dirs: (TempDir, TempDir),
}

impl World {
    /// A job for which nothing was done yet, on a contract that knows nothing.
    async fn new(terms: Terms) -> Self {
        let (devnet, dir) = start(&[NodeKind::Lotus], |config| config.providers = 7).await;
        let key = || SigningKey::from_bytes(&devnet.funded_key()).unwrap();
        let mut endpoint = EndpointSettings::new(devnet.urls().eth.parse().unwrap());
        endpoint.poll = Duration::from_millis(2);
        let owner = key();
        let deployed = deploy(endpoint.clone(), &owner, PATIENCE);
        let deployed = while_time_passes(&devnet, deployed).await.unwrap();
        let contract =
            Contract { endpoint, contract: deployed.contract, from_epoch: deployed.epoch };
        let source = || EvmDealStatus::new(contract.clone()).unwrap();
        let recorder = || EvmDealRecorder::new(contract.clone(), key()).unwrap();

        let blob_dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(blob_dir.path()).unwrap();
        let bytes = stream::iter([Ok(Bytes::from_static(b"what is kept"))]).boxed();
        let cid = blobs.import(bytes, &ImportProfile::default(), None).await.unwrap().cid;
        let aggregator = FakeAggregator::new("aggregator");
        aggregator.set_deal_ids(DealIds::starting_at(OWN));
        aggregator.set_providers(PROVIDERS.map(ProviderId::new).collect());
        aggregator.set_proof(cid, proof_of(&cid));
        let store = MemoryJobStore::new();
        let node = Node::builder()
            .chain(Arc::new(adapter(&devnet, 0, PATIENCE)))
            .contract(Arc::new(source()))
            .recorder(Arc::new(recorder()))
            .aggregator(Arc::new(aggregator.clone()))
            .store(Arc::new(store.clone()))
            .blobs(blobs)
            .settings(Settings { concurrency: 1, ..Settings::default() })
            .build()
            .unwrap();
        let job = node.register(cid, terms).await.unwrap().job.id;
        Self {
            lotus: adapter(&devnet, 0, PATIENCE),
            source: source(),
            forger: recorder(),
            devnet,
            node,
            aggregator,
            store,
            cid,
            job,
            _dirs: (dir, blob_dir),
        }
    }

    /// A healthy deal of that provider with the data of a CID.
    fn plant(&self, cid: &Cid, provider: ProviderId) -> DealId {
        let now = self.devnet.head().epoch;
        let start = now + EpochDelta::DAY;
        let mut plant = Plant::new(provider, start, start + EpochDelta::days(540));
        plant.piece = Some(piece_of(cid));
        plant.activate = Some(now);
        self.devnet.plant(plant).unwrap()
    }

    // The forger.

    async fn write(&self, record: &Record) -> Result<TransactionStatus, Error> {
        let prepared = self.forger.prepare(record, None).await?;
        self.forger.send(&prepared.raw).await?;
        let receipt = self.forger.await_receipt(&prepared.hash, PATIENCE);
        while_time_passes(&self.devnet, receipt).await
    }

    /// A submission of the job's own CID: anyone may make one.
    async fn submit(&self) -> SubmissionId {
        let submit = Record::Submit { cid: self.cid, terms: RequestedTerms::of(&terms()) };
        match self.write(&submit).await.unwrap() {
            TransactionStatus::Done { submission: Some(submission), .. } => submission,
            other => panic!("{other:?}"),
        }
    }

    /// `complete()` for the job's CID; whether the contract accepted it.
    async fn forge(
        &self,
        submission: SubmissionId,
        (deal, provider): (DealId, ProviderId),
        proof: SegmentProof,
    ) -> bool {
        match self.write(&Record::Complete { submission, deal, provider, proof }).await {
            Ok(TransactionStatus::Done { .. }) => true,
            Err(Error::Rejected { .. }) => false,
            other => panic!("{other:?}"),
        }
    }

    /// Two deals of other data are listed for the job's CID, each with a proof that holds for it. The
    /// contract accepts neither a deal that nobody made nor one under another provider's name.
    async fn forge_what_the_contract_accepts(&self) -> SubmissionId {
        let submission = self.submit().await;
        for (n, provider) in FORGERS.into_iter().enumerate() {
            let other = others(n);
            let deal = self.plant(&other, provider);
            self.pass_epochs(EpochDelta::new(5)).await;
            let elsewhere = ProviderId::new(1_004);
            assert!(!self.forge(submission, (MADE_UP, provider), proof_of(&other)).await);
            assert!(!self.forge(submission, (deal, elsewhere), proof_of(&other)).await);
            assert!(self.forge(submission, (deal, provider), proof_of(&other)).await);
        }
        submission
    }

    // What happens.

    async fn pass_epochs(&self, epochs: EpochDelta) {
        self.devnet.advance(u32::try_from(epochs.get()).unwrap()).await;
    }

    /// The node passes, what it orders becomes deals, and time passes.
    async fn live(&self) {
        let report = self.node.pass().await;
        assert_eq!((report.gated, report.errors), (None, vec![]));
        for (cid, ListedDeal { deal, provider }) in self.aggregator.land_all() {
            assert_eq!(self.plant(&cid, provider), deal, "the ids go together");
        }
        self.pass_epochs(EpochDelta::DEADLINE).await;
    }

    /// Three days of that.
    async fn live_for_days(&self) {
        for _ in 0..3 * 24 * 2 {
            self.live().await;
        }
    }

    // What can be seen.

    fn orders(&self) -> u64 {
        self.aggregator.calls().submits
    }

    /// What the contract lists for the job's CID.
    async fn listed(&self) -> BTreeSet<DealId> {
        let pin = self.lotus.head().await.unwrap().tipset;
        let listing = self.source.listings(&[self.cid], EpochDelta::DAY, &pin).await.remove(0);
        listing.unwrap().all.into_iter().map(|listed| listed.deal).collect()
    }

    /// The deals that the node itself recorded, all of them in blocks.
    async fn recorded(&self) -> BTreeSet<DealId> {
        let mut recorded = BTreeSet::new();
        for transaction in self.store.transactions_of(&self.job).await.unwrap() {
            let is_done = matches!(transaction.state, TransactionState::Done { .. });
            assert!(is_done, "{:?}: {:?}", transaction.purpose, transaction.state);
            if let TransactionPurpose::Complete { deal, .. } = transaction.purpose {
                assert!(recorded.insert(deal), "{deal} is recorded once");
            }
        }
        recorded
    }

    async fn words(&self) -> Vec<String> {
        self.node.job_status(&self.job).await.unwrap().last_look.unwrap().words
    }

    async fn says(&self, what: &str) -> bool {
        self.words().await.iter().any(|words| words.contains(what))
    }

    fn terminate(&self, deal: DealId) {
        let provider = self.provider_of(deal);
        self.devnet.control_provider(provider, ProviderAction::Terminate).unwrap();
    }

    fn provider_of(&self, deal: DealId) -> ProviderId {
        let truth = self.devnet.deals().into_iter().find(|truth| truth.id == deal).unwrap();
        truth.provider.parse().unwrap()
    }
}

/// Somebody else's data.
fn others(n: usize) -> Cid {
    let (cid, _) = raas_retrieval::file_blocks(&n.to_be_bytes(), &ImportProfile::default());
    cid
}

fn own(n: u64) -> DealId {
    DealId::new(OWN.get() + n)
}

/// Runs something that waits for the chain, while somebody else lets it move.
async fn while_time_passes<T>(devnet: &Devnet, wait: impl Future<Output = T>) -> T {
    let time = async {
        loop {
            devnet.advance(1).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = wait => done,
        () = time => unreachable!("time does not end"),
    }
}

#[tokio::test]
async fn deals_of_other_data_that_a_real_contract_lists_are_no_replicas() {
    let world = World::new(terms()).await;
    world.forge_what_the_contract_accepts().await;
    let forged: BTreeSet<_> = [DealId::new(FIRST_DEAL), DealId::new(FIRST_DEAL + 1)].into();
    assert_eq!(world.listed().await, forged);

    world.live_for_days().await;
    let real: BTreeSet<_> = (0..3).map(own).collect();
    assert_eq!(world.orders(), 3, "{:?}", world.words().await);
    assert_eq!(world.recorded().await, real, "nothing else is paid for");
    assert_eq!(world.listed().await, forged.union(&real).copied().collect());
    assert!(world.says("All slots are held: 3 of 3").await, "{:?}", world.words().await);
    assert!(world.says("is not proven to hold the data").await, "{:?}", world.words().await);

    world.terminate(own(1));
    world.live_for_days().await;
    assert_eq!(world.orders(), 4, "they make up for no loss: {:?}", world.words().await);
    assert!(world.says("All slots are held: 3 of 3").await, "{:?}", world.words().await);
}

#[tokio::test]
async fn the_jobs_own_deal_that_another_recorded_with_a_strange_proof_or_provider_counts_once() {
    let world = World::new(terms()).await;
    let submission = world.forge_what_the_contract_accepts().await;
    // The first deal is made, and the node has not come to record it.
    while world.devnet.deals().len() < 3 {
        world.live().await;
    }
    let provider = world.provider_of(OWN);
    assert!(!world.listed().await.contains(&OWN));
    let strange = proof_of_neighbour(&world.cid);
    assert!(!world.forge(submission, (OWN, FORGERS[0]), strange.clone()).await);
    assert!(world.forge(submission, (OWN, provider), strange).await);
    assert!(world.listed().await.contains(&OWN));

    world.live_for_days().await;
    assert_eq!(world.orders(), 3, "{:?}", world.words().await);
    assert_eq!(world.recorded().await, (0..3).map(own).collect(), "nothing fails for it");
    assert_eq!(world.listed().await.len(), 2 + 3);
    assert!(world.says("All slots are held: 3 of 3").await, "{:?}", world.words().await);
}

#[tokio::test]
async fn where_the_contract_is_trusted_what_it_lists_holds_slots() {
    let world = World::new(Terms { trust: Trust::Contract, ..terms() }).await;
    world.forge_what_the_contract_accepts().await;
    world.live_for_days().await;
    assert_eq!(world.orders(), 1, "two of three are there: {:?}", world.words().await);
    assert!(world.says("All slots are held: 3 of 3").await, "{:?}", world.words().await);
    let memories = world.store.deal_memories(&world.cid).await.unwrap();
    let kinds: Vec<_> = memories.iter().map(|m| m.last.as_ref().unwrap().0.kind()).collect();
    assert_eq!(kinds, [VerdictKind::Active; 3], "what counts is judged on the chain all the same");

    // One that is lost is repaired, whoever listed it.
    world.terminate(DealId::new(FIRST_DEAL));
    world.live_for_days().await;
    assert_eq!(world.orders(), 2, "{:?}", world.words().await);
}

#[tokio::test]
async fn what_a_contract_that_checks_nothing_lists_is_no_replica_on_any_kind_of_node() {
    for kind in KINDS {
        let mut world = OnAFake::new(&[kind], terms(), |_| {}).await;
        // Ids that are yet to be handed out, under other providers than will have them, one that never
        // is, and a deal's own id twice.
        for (deal, provider) in
            [(FIRST, FORGERS[0]), (MADE_UP, FORGERS[0]), (SECOND, FORGERS[1]), (FIRST, FORGERS[1])]
        {
            world.contract.list(world.cid, ListedDeal { deal, provider });
        }
        for _ in 0..10 {
            world.pass().await;
            world.advance(EpochDelta::DEADLINE).await;
        }
        assert_eq!(world.orders(), 3, "{kind:?}: {:?}", world.words().await);
        world.fill().await;
        for _ in 0..3 {
            world.look().await;
        }
        assert_eq!(world.orders(), 3, "{kind:?}: {:?}", world.words().await);
        world.terminate(SECOND);
        world.look().await;
        world.fill().await;
        assert_eq!(world.orders(), 4, "{kind:?}: {:?}", world.words().await);
    }
}
