//! The endpoint over real HTTP, as a client meets it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod dialects;
mod exact;
mod gateway;
mod modes;
mod protocol;
mod reorg;
mod state;

use raas_types::{Cid, DealId, EpochDelta, PaddedSize, PieceInfo, ProviderId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Devnet, DevnetConfig, ProviderAction, RpcMode,
    chain::{DealSpec, lock},
};

const PIECE: &str = "baga6ea4seaqes3nobte6ezpp4wqan2age2s5yxcatzotcvobhgcmv5wi2xh5mbi";
const PROVIDER: ProviderId = ProviderId::new(1_002);
const MINER: &str = "t01002";

/// A batch of as many calls that ask for the network's name, with ids from 0.
fn batch_of(calls: usize) -> Value {
    let calls = (0..calls).map(|id| {
        json!({"jsonrpc": "2.0", "id": id, "method": "Filecoin.StateNetworkName", "params": []})
    });
    calls.collect()
}

/// A devnet with a client.
struct Lab {
    devnet: Devnet,
    http: reqwest::Client,
    _dir: TempDir,
}

/// The sector of the lab's deal and the window it was first proven in, relative to which the
/// worked time lines are told.
struct Proven {
    deal: u64,
    sector: u64,
    deadline: u64,
    /// Last epoch of the window that follows at least a day after the first proof.
    last: i64,
}

impl Lab {
    /// A world without null rounds, for tests that count epochs.
    async fn exact() -> Self {
        Self::with(|config| config.null_every = 0).await
    }

    async fn with(set: impl FnOnce(&mut DevnetConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = DevnetConfig::new(dir.path());
        config.seed = 11;
        set(&mut config);
        let devnet = Devnet::start(config).await.unwrap();
        Self { devnet, http: reqwest::Client::new(), _dir: dir }
    }

    fn now(&self) -> i64 {
        self.devnet.head().epoch.get()
    }

    async fn advance_to(&self, epoch: i64) {
        self.devnet.advance(u32::try_from(epoch - self.now()).unwrap()).await;
    }

    /// Has a deal published in the next tipset.
    fn publish(&self) -> u64 {
        let piece =
            PieceInfo { cid: PIECE.parse().unwrap(), size: PaddedSize::new(2_048).unwrap() };
        let spec = DealSpec {
            piece,
            provider: PROVIDER,
            label: "bafkqaaa".to_owned(),
            duration: 518_400,
            payload: vec!["bafkqaaa".parse().unwrap()],
        };
        let mut world = lock(&self.devnet.parts().world);
        let next = world.deals().len() as u64;
        world.schedule_deal(0, spec);
        world.config().first_deal + next
    }

    /// A deal whose sector has been proven, at an epoch some days before its next worked window.
    async fn proven(&self) -> Proven {
        let deal = self.publish();
        self.devnet.advance(2 * 2_880).await;
        let state = self.result("Filecoin.StateMarketStorageDeal", json!([deal, null])).await;
        let sector = state["State"]["SectorNumber"].as_u64().unwrap();
        let at = self.result("Filecoin.StateSectorPartition", json!([MINER, sector, null])).await;
        let deadline = at["Deadline"].as_u64().unwrap();
        let due = self.result("Filecoin.StateMinerProvingDeadline", json!([MINER, null])).await;
        let period = due["PeriodStart"].as_i64().unwrap() + 2_880;
        let last = period + deadline.cast_signed() * 60 + 59;
        Proven { deal, sector, deadline, last }
    }

    async fn post(&self, body: impl Into<String>) -> (u16, String) {
        self.post_to(&self.devnet.urls().lotus, body).await
    }

    async fn post_to(&self, url: &str, body: impl Into<String>) -> (u16, String) {
        let request = self.http.post(url).header("content-type", "application/json");
        let response = request.body(body.into()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Asks one of several nodes.
    async fn ask(&self, node: usize, method: &str, params: Value) -> (u16, Value) {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.post_to(&self.devnet.urls().nodes[node], call.to_string()).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn call(&self, method: &str, params: Value) -> (u16, Value) {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.post(call.to_string()).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn result(&self, method: &str, params: Value) -> Value {
        let (status, mut answer) = self.call(method, params.clone()).await;
        assert_eq!(status, 200, "{method} {params}: {answer}");
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// The code and text of the error that the call is answered with.
    async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let (_, answer) = self.call(method, params).await;
        let error = &answer["error"];
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// The key of the tipset at that height, which must not be null.
    async fn key_at(&self, height: i64) -> Value {
        let tipset = self.result("Filecoin.ChainGetTipSetByHeight", json!([height, null])).await;
        assert_eq!(tipset["Height"], height);
        tipset["Cids"].clone()
    }

    async fn deal_at(&self, deal: u64, key: &Value) -> Result<Value, String> {
        let (_, answer) = self.call("Filecoin.StateMarketStorageDeal", json!([deal, key])).await;
        match answer.get("result") {
            Some(result) => Ok(result["State"].clone()),
            None => Err(answer["error"]["message"].as_str().unwrap().to_owned()),
        }
    }

    /// The partition that holds the sector, at a tipset.
    async fn partition_at(&self, proven: &Proven, key: &Value) -> Value {
        let params = json!([MINER, proven.deadline, key]);
        self.result("Filecoin.StateMinerPartitions", params).await[0].clone()
    }

    async fn expiration_at(&self, proven: &Proven, key: &Value) -> Value {
        let params = json!([MINER, proven.sector, key]);
        self.result("Filecoin.StateSectorExpiration", params).await
    }
}

fn not_found(deal: u64) -> String {
    format!(
        "deal {deal} not found - deal may not have completed sealing before deal proposal start \
         epoch, or deal may have been slashed"
    )
}

/// The parameters of a StateCall that asks the miner actor where a sector is.
fn location_of(sector: u64) -> Value {
    let number = u8::try_from(sector).unwrap();
    let number = if number < 24 { vec![number] } else { vec![0x18, number] };
    state_call([vec![0x81], number].concat())
}

fn state_call(params: Vec<u8>) -> Value {
    json!([{
        "Version": 0, "To": MINER, "From": "f00", "Nonce": 0, "Value": "0", "GasLimit": 0,
        "GasFeeCap": "0", "GasPremium": "0", "Method": 1_321_604_665_u64,
        "Params": super::json::base64(&params),
    }, null])
}

fn only(sector: u64) -> Value {
    json!([sector, 1])
}

async fn assert_dead(lab: &Lab, proven: &Proven, key: &Value) {
    let params = json!([MINER, proven.sector, key]);
    let info = lab.result("Filecoin.StateSectorGetInfo", params.clone()).await;
    assert_eq!(info["SectorNumber"], proven.sector, "compaction never comes");
    let at = lab.result("Filecoin.StateSectorPartition", params.clone()).await;
    assert_eq!(at["Deadline"], proven.deadline);
    let error = lab.error("Filecoin.StateSectorExpiration", params).await;
    assert_eq!(error, (1, format!("failed to find sector {}", proven.sector)));
    let partition = lab.partition_at(proven, key).await;
    assert_eq!(partition["AllSectors"], only(proven.sector));
    for set in ["LiveSectors", "ActiveSectors", "FaultySectors", "RecoveringSectors"] {
        assert_eq!(partition[set], json!([0]), "{set}");
    }
}
