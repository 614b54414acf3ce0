//! A devnet with the contract on it, and clients of its own to look around with.

#![allow(dead_code, reason = "each test file uses its share")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use raas_deal_status::{
    DealRecorder, DealStatusSource,
    conformance::{Harness, Material},
};
use raas_deal_status_evm::{
    Deployment, EndpointSettings, EvmDealRecorder, EvmDealStatus, Settings, SigningKey, deploy,
};
use raas_devnet::{Devnet, DevnetConfig, NodeConfig};
use raas_types::{
    ChainEpoch, Cid, Commitment, DealId, EpochDelta, InclusionProof, ListedDeal, MerkleProof,
    PaddedSize, PieceInfo, SegmentProof, Tipset, TipsetKey,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running devnet, the contract, and both adapters.
pub struct World {
    pub devnet: Devnet,
    pub deployment: Deployment,
    pub settings: Settings,
    pub source: Arc<EvmDealStatus>,
    pub recorder: Arc<EvmDealRecorder>,
    http: reqwest::Client,
    uploads: AtomicU64,
    _dir: TempDir,
}

impl World {
    /// Every third round null, so that nothing here works by luck; short waits for deals.
    pub async fn start() -> Self {
        Self::over(vec![NodeConfig::default()]).await
    }

    /// The same over these nodes; the adapters use the first.
    pub async fn over(nodes: Vec<NodeConfig>) -> Self {
        let dir = TempDir::new().expect("a directory");
        let mut config = DevnetConfig::new(dir.path());
        config.nodes = nodes;
        config.null_every = 3;
        config.sealing_epochs = EpochDelta::new(5);
        config.aggregator_delay_epochs = EpochDelta::new(5);
        let devnet = Devnet::start(config).await.expect("a devnet");
        let endpoint = endpoint(&devnet);
        let key = SigningKey::from_bytes(&devnet.funded_key()).expect("a key");
        let deployment = while_time_passes(&devnet, deploy(endpoint.clone(), &key, PATIENCE)).await;
        let deployment = deployment.expect("a contract");
        let settings =
            Settings { endpoint, contract: deployment.contract, from_epoch: deployment.epoch };
        Self {
            source: Arc::new(EvmDealStatus::new(settings.clone()).expect("a source")),
            recorder: Arc::new(EvmDealRecorder::new(settings.clone(), key).expect("a recorder")),
            http: reqwest::Client::new(),
            uploads: AtomicU64::new(0),
            devnet,
            deployment,
            settings,
            _dir: dir,
        }
    }

    /// One call of the Lotus or Ethereum API.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.http.post(&self.devnet.urls().eth).json(&body).send().await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The tipset that a Lotus call answered.
    pub async fn tipset(&self, method: &str, params: Value) -> Tipset {
        let tipset = self.rpc(method, params).await;
        let key = |cids: &Value| {
            let cids = cids.as_array().expect("CIDs").iter();
            let cids = cids.map(|cid| Cid::try_from(cid["/"].as_str().expect("text")));
            TipsetKey::new(cids.collect::<Result<_, _>>().expect("CIDs"))
        };
        Tipset {
            key: key(&tipset["Cids"]),
            epoch: ChainEpoch::new(tipset["Height"].as_i64().expect("a height")),
            parents: key(&tipset["Blocks"][0]["Parents"]),
        }
    }

    /// Lets epochs pass until the head has moved.
    pub async fn step(&self) {
        let before = self.devnet.head().head;
        while self.devnet.advance(1).await.head == before {}
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.devnet.urls().aggregator.api);
        let answer = self.http.get(url).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn upload(&self) -> Cid {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        let file = reqwest::multipart::Part::text(format!("file {number}")).file_name("file.txt");
        let form = reqwest::multipart::Form::new().part("file", file);
        let url = format!("{}/api/v0/add?cid-version=1", self.devnet.urls().aggregator.upload);
        let answer = self.http.post(url).multipart(form).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        Cid::try_from(answer["Hash"].as_str().expect("a CID")).expect("a CID")
    }
}

#[async_trait]
impl Harness for World {
    fn source(&self) -> Arc<dyn DealStatusSource> {
        self.source.clone()
    }

    fn recorder(&self) -> Arc<dyn DealRecorder> {
        self.recorder.clone()
    }

    async fn pin(&self) -> Tipset {
        self.tipset("Filecoin.ChainHead", json!([])).await
    }

    async fn advance(&self) {
        self.step().await;
    }

    async fn material(&self) -> Material {
        let cid = self.upload().await;
        for _ in 0..100 {
            self.devnet.advance(5).await;
            let proofs = self.get(&format!("/api/lighthouse/get_proof?cid={cid}")).await;
            let entry = &proofs["dealInfo"][0];
            if let Some(deal) = entry["dealId"].as_u64() {
                // State is told a tipset late.
                self.step().await;
                self.step().await;
                let provider = entry["storageProvider"].as_str().expect("text");
                let provider = provider.parse().expect("a provider");
                let deal = ListedDeal { deal: DealId::new(deal), provider };
                return Material { cid, deal, proof: read_proof(&entry["proof"]) };
            }
        }
        panic!("the aggregator made no deal");
    }
}

/// Settings for tests: looks often.
pub fn endpoint(devnet: &Devnet) -> EndpointSettings {
    let mut endpoint = EndpointSettings::new(devnet.urls().eth.parse().expect("a URL"));
    endpoint.poll = Duration::from_millis(2);
    endpoint
}

/// The same of another node.
pub fn endpoint_of(devnet: &Devnet, node: usize) -> EndpointSettings {
    let url = devnet.urls().nodes[node].parse().expect("a URL");
    EndpointSettings { url, ..endpoint(devnet) }
}

/// Runs something that waits for the chain, while somebody else lets it move.
pub async fn while_time_passes<T>(devnet: &Devnet, wait: impl Future<Output = T>) -> T {
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

/// A proof as the aggregator writes it: hexadecimal without a prefix.
fn read_proof(proof: &Value) -> SegmentProof {
    let number =
        |value: &Value| u64::from_str_radix(value.as_str().expect("hex"), 16).expect("hex");
    let path = |proof: &Value| MerkleProof {
        index: number(&proof["index"]),
        path: proof["path"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| Commitment::try_from(node.as_str().expect("hex").to_owned()).expect("hex"))
            .collect(),
    };
    let comm = proof["verifierData"]["commPc"].as_str().expect("hex");
    // 7 bytes of CID prefix come before the digest.
    let comm = Commitment::try_from(comm[14..].to_owned()).expect("a commitment");
    SegmentProof {
        segment: PieceInfo {
            cid: raas_piece::piece_cid_v1(comm),
            size: PaddedSize::new(number(&proof["verifierData"]["sizePc"])).expect("a size"),
        },
        inclusion: InclusionProof {
            subtree: path(&proof["inclusionProof"]["proofSubtree"]),
            index: path(&proof["inclusionProof"]["proofIndex"]),
        },
    }
}
