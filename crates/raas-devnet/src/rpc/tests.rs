//! The endpoint over real HTTP, as a client meets it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
        let request = self.http.post(&self.devnet.urls().lotus).body(body.into());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
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

fn only(sector: u64) -> Value {
    json!([sector, 1])
}

#[tokio::test]
async fn a_deal_is_seen_one_tipset_after_each_of_its_steps() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    let published = lab.now() + 1;
    lab.advance_to(published + 200).await;

    let at = |height| lab.key_at(height);
    assert_eq!(lab.deal_at(deal, &at(published).await).await, Err(not_found(deal)));
    let state = lab.deal_at(deal, &at(published + 1).await).await.unwrap();
    let none = json!({
        "SectorNumber": 0, "SectorStartEpoch": -1, "LastUpdatedEpoch": -1, "SlashEpoch": -1
    });
    assert_eq!(state, none);

    let activated = published + 60;
    assert_eq!(lab.deal_at(deal, &at(activated).await).await.unwrap(), none);
    let state = lab.deal_at(deal, &at(activated + 1).await).await.unwrap();
    assert_eq!(state["SectorStartEpoch"], activated);
    assert_eq!((&state["LastUpdatedEpoch"], &state["SlashEpoch"]), (&json!(-1), &json!(-1)));

    let whole = lab.result("Filecoin.StateMarketStorageDeal", json!([deal, []])).await;
    let start = published + 2 * 60 + 20;
    assert_eq!(
        whole["Proposal"],
        json!({
            "PieceCID": {"/": PIECE}, "PieceSize": 2_048, "VerifiedDeal": false,
            "Client": "t02000", "Provider": MINER, "Label": "bafkqaaa",
            "StartEpoch": start, "EndEpoch": start + 518_400,
            "StoragePricePerEpoch": "0", "ProviderCollateral": "100000000000000000",
            "ClientCollateral": "0",
        })
    );
}

#[tokio::test]
async fn the_next_id_tells_never_existed_from_gone() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    let never = lab.error("Filecoin.StateMarketStorageDeal", json!([deal + 1, null])).await;
    assert_eq!(never, (1, not_found(deal + 1)));
    let before = lab.result("Filecoin.StateReadState", json!(["f05", null])).await;
    assert_eq!(before["State"]["NextID"], deal);
    lab.devnet.advance(2).await;
    let after = lab.result("Filecoin.StateReadState", json!(["t05", null])).await;
    assert_eq!(after["State"]["NextID"], deal + 1);
    assert!(after["State"]["Proposals"]["/"].is_string());
}

#[tokio::test]
async fn a_new_sector_is_live_but_not_active_until_its_first_proof() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    lab.devnet.advance(63).await;
    let state = lab.deal_at(deal, &Value::Null).await.unwrap();
    let sector = state["SectorNumber"].as_u64().unwrap();
    let at = lab.result("Filecoin.StateSectorPartition", json!([MINER, sector, null])).await;
    let params = json!([MINER, at["Deadline"], null]);
    let partition = lab.result("Filecoin.StateMinerPartitions", params.clone()).await;
    assert_eq!(
        partition,
        json!([{
            "AllSectors": only(sector), "LiveSectors": only(sector), "ActiveSectors": [0],
            "FaultySectors": [0], "RecoveringSectors": [0],
        }])
    );
    lab.devnet.advance(2 * 2_880).await;
    let partition = lab.result("Filecoin.StateMinerPartitions", params).await;
    assert_eq!(partition[0]["ActiveSectors"], only(sector));
}

/// FILECOIN: a missed window proof, from the fault to the recovery.
#[tokio::test]
async fn a_missed_proof_and_its_recovery_follow_the_worked_time_line() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let (last, sector) = (proven.last, proven.sector);
    let early = last + 120_960;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(last + 1).await;

    // Parent state: the key of the deadline's last epoch does not show it, the next one does.
    let before = lab.key_at(last).await;
    let after = lab.key_at(last + 1).await;
    let partition = lab.partition_at(&proven, &before).await;
    assert_eq!(
        (&partition["FaultySectors"], &partition["ActiveSectors"]),
        (&json!([0]), &only(sector))
    );
    let on_time = lab.expiration_at(&proven, &before).await;
    assert_eq!(on_time["Early"], 0);
    assert!(on_time["OnTime"].as_i64().unwrap() > early);
    let partition = lab.partition_at(&proven, &after).await;
    assert_eq!(
        (&partition["FaultySectors"], &partition["ActiveSectors"]),
        (&only(sector), &json!([0]))
    );
    assert_eq!(partition["LiveSectors"], only(sector));
    assert_eq!(lab.expiration_at(&proven, &after).await, json!({"OnTime": 0, "Early": early}));
    let faults = lab.result("Filecoin.StateMinerFaults", json!([MINER, after])).await;
    assert_eq!(faults, only(sector));
    let count = lab.result("Filecoin.StateMinerSectorCount", json!([MINER, after])).await;
    assert_eq!(count, json!({"Live": 1, "Active": 0, "Faulty": 1}));
    assert!(lab.deal_at(proven.deal, &after).await.is_ok(), "the market knows nothing of it");

    lab.devnet.control_provider(PROVIDER, ProviderAction::Recover).unwrap();
    lab.devnet.advance(2).await;
    let partition = lab.partition_at(&proven, &Value::Null).await;
    assert_eq!(partition["RecoveringSectors"], only(sector));
    assert_eq!(partition["FaultySectors"], only(sector), "only the proof clears the fault");
    lab.advance_to(last + 2_880 + 1).await;
    let partition = lab.partition_at(&proven, &Value::Null).await;
    assert_eq!(partition["ActiveSectors"], only(sector));
    assert_eq!(partition["RecoveringSectors"], json!([0]));
    assert_eq!(lab.expiration_at(&proven, &Value::Null).await, on_time, "no trace is left");
    // The past can still be asked for.
    assert_eq!(lab.expiration_at(&proven, &after).await["Early"], early);
}

/// FILECOIN: the same, never recovered.
#[tokio::test]
async fn a_sector_that_never_recovers_is_terminated_after_forty_two_days_with_its_deal() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let early = proven.last + 120_960;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(early + 1).await;

    let before = lab.key_at(early).await;
    assert!(lab.deal_at(proven.deal, &before).await.is_ok());
    assert_eq!(lab.partition_at(&proven, &before).await["LiveSectors"], only(proven.sector));

    let after = lab.key_at(early + 1).await;
    assert_eq!(lab.deal_at(proven.deal, &after).await, Err(not_found(proven.deal)));
    assert_dead(&lab, &proven, &after).await;
}

#[tokio::test]
async fn terminated_sectors_stay_in_the_tables_and_leave_the_live_ones() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Terminate).unwrap();
    let head = lab.key_at(lab.now()).await;
    assert!(lab.deal_at(proven.deal, &head).await.is_ok(), "the head shows its parent's state");
    lab.devnet.advance(1).await;
    assert_eq!(lab.deal_at(proven.deal, &Value::Null).await, Err(not_found(proven.deal)));
    assert_dead(&lab, &proven, &Value::Null).await;
    let truth = &lab.devnet.deals()[0];
    assert_eq!(truth.state, crate::DealState::Terminated, "ground truth still lists it");
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

/// FILECOIN: a deal that is never activated.
#[tokio::test]
async fn a_deal_that_misses_its_start_lingers_until_its_slot() {
    let lab = Lab::exact().await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    let deal = lab.publish();
    lab.devnet.advance(2).await;
    let found = lab.result("Filecoin.StateMarketStorageDeal", json!([deal, null])).await;
    let start = found["Proposal"]["StartEpoch"].as_i64().unwrap();
    lab.advance_to(start + 86_402).await;
    let slot = lock(&lab.devnet.parts().world).deals()[0].removal.unwrap().0;
    assert!((start + 1..=start + 86_400).contains(&slot));
    for height in [start, start + 1, slot] {
        let state = lab.deal_at(deal, &lab.key_at(height).await).await.unwrap();
        assert_eq!(state["SectorStartEpoch"], -1, "at {height}");
    }
    assert_eq!(lab.deal_at(deal, &lab.key_at(slot + 1).await).await, Err(not_found(deal)));
}

/// FILECOIN: a deal that ends.
#[tokio::test]
async fn an_ended_deal_looks_active_until_somebody_settles_it() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let found = lab.result("Filecoin.StateMarketStorageDeal", json!([proven.deal, null])).await;
    let end = found["Proposal"]["EndEpoch"].as_i64().unwrap();
    lab.advance_to(end + 10_000).await;
    let state = lab.deal_at(proven.deal, &Value::Null).await.unwrap();
    assert_eq!(state, found["State"], "nothing tells that it is over");
    lab.devnet.settle(DealId::new(proven.deal)).unwrap();
    lab.devnet.advance(1).await;
    assert_eq!(lab.deal_at(proven.deal, &Value::Null).await, Err(not_found(proven.deal)));
    assert!(lab.devnet.settle(DealId::new(proven.deal)).is_err());
}

#[tokio::test]
async fn null_rounds_answer_with_the_tipset_before_and_are_no_parents() {
    let lab = Lab::with(|config| config.null_every = 3).await;
    lab.devnet.advance(60).await;
    let mut heights = Vec::new();
    let mut tipset = lab.result("Filecoin.ChainHead", json!([])).await;
    while tipset["Height"].as_i64().unwrap() > 6_300_000 {
        heights.push(tipset["Height"].as_i64().unwrap());
        let parents = tipset["Blocks"][0]["Parents"].clone();
        for block in tipset["Blocks"].as_array().unwrap() {
            assert_eq!(block["Parents"], parents);
            assert_eq!(block["Height"], tipset["Height"]);
        }
        assert_eq!(
            tipset["Cids"].as_array().unwrap().len(),
            tipset["Blocks"].as_array().unwrap().len()
        );
        tipset = lab.result("Filecoin.ChainGetTipSet", json!([parents])).await;
        assert_eq!(tipset["Cids"], parents);
    }
    let head = heights[0];
    let empty = (6_300_000..head).rev().find(|height| !heights.contains(height)).unwrap();
    let before = heights.iter().find(|height| **height < empty).unwrap();
    let got = lab.result("Filecoin.ChainGetTipSetByHeight", json!([empty, null])).await;
    assert_eq!(got["Height"], *before);

    let params = json!([format!("{empty:#x}"), false]);
    let (_, answer) = lab.call("eth_getBlockByNumber", params).await;
    assert_eq!(answer["error"]["code"], 12);
    assert_eq!(answer["error"]["data"], empty);
}

#[tokio::test]
async fn tipsets_are_found_by_key_and_height_from_a_starting_point() {
    let lab = Lab::exact().await;
    lab.devnet.advance(50).await;
    let method = "Filecoin.ChainGetTipSetByHeight";
    let key = lab.key_at(6_300_020).await;
    let older = lab.result(method, json!([6_300_010, key])).await;
    assert_eq!(older["Height"], 6_300_010);
    let (code, text) = lab.error(method, json!([6_300_030, key])).await;
    assert_eq!(
        (code, text.as_str()),
        (1, "looking for tipset with height greater than start point")
    );
    let unknown = json!([[{"/": PIECE}]]);
    let (code, text) = lab.error("Filecoin.ChainGetTipSet", unknown).await;
    assert_eq!(code, 1);
    assert!(text.contains("could not find"), "{text}");
    let finalized = lab.result("Filecoin.ChainGetFinalizedTipSet", json!([])).await;
    assert_eq!(finalized["Height"], 6_300_020);
    let genesis = lab.result("Filecoin.ChainGetGenesis", json!([])).await;
    assert_eq!(
        (&genesis["Height"], &genesis["Blocks"][0]["Timestamp"]),
        (&json!(0), &json!(1_598_306_400))
    );
}

#[tokio::test]
async fn the_ethereum_hash_of_a_block_is_the_digest_of_its_tipset_key() {
    use multihash_codetable::{Code, MultihashDigest as _};

    let lab = Lab::with(|_| {}).await;
    lab.devnet.advance(100).await;
    let head = lab.result("Filecoin.ChainHead", json!([])).await;
    let parents = head["Blocks"][0]["Parents"].as_array().unwrap();
    let cids = parents.iter().map(|cid| cid["/"].as_str().unwrap().parse::<Cid>().unwrap());
    let key: Vec<u8> = cids.flat_map(|cid| cid.to_bytes()).collect();
    let mut cbor = vec![0x58, u8::try_from(key.len()).unwrap()];
    cbor.extend(&key);
    let hash = Code::Blake2b256.digest(&cbor);
    let hash = format!("0x{}", hex::encode(hash.digest()));

    let by_hash = lab.result("eth_getBlockByHash", json!([hash, false])).await;
    let latest = lab.result("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(by_hash, latest, "latest is the parent of the head");
    assert_eq!(latest["hash"], json!(hash));
}

#[tokio::test]
async fn a_miner_tells_its_deadlines_and_itself() {
    let lab = Lab::exact().await;
    lab.devnet.advance(10).await;
    let now = lab.now();
    let due = lab.result("Filecoin.StateMinerProvingDeadline", json!([MINER, null])).await;
    let get = |name: &str| due[name].as_i64().unwrap();
    assert_eq!(get("CurrentEpoch"), now);
    assert_eq!(get("Open"), get("PeriodStart") + get("Index") * 60);
    assert!((get("Open")..get("Close")).contains(&now));
    assert_eq!((get("Challenge"), get("FaultCutoff")), (get("Open") - 20, get("Open") - 70));
    assert_eq!((get("WPoStPeriodDeadlines"), get("WPoStProvingPeriod")), (48, 2_880));

    let info = lab.result("Filecoin.StateMinerInfo", json!(["f01002", null])).await;
    assert_eq!((&info["Owner"], &info["Multiaddrs"]), (&json!("t0102"), &Value::Null));
    assert_eq!(lab.result("Filecoin.StateLookupID", json!(["f01002", null])).await, json!(MINER));
    let (code, text) = lab.error("Filecoin.StateMinerInfo", json!(["t09999", null])).await;
    assert_eq!((code, text.contains("actor not found")), (1, true));
}

#[tokio::test]
async fn a_miner_without_sectors_answers_as_lotus_does() {
    let lab = Lab::exact().await;
    let none = lab.result("Filecoin.StateMinerPartitions", json!([MINER, 0, null])).await;
    assert_eq!(none, Value::Null);
    assert_eq!(lab.result("Filecoin.StateMinerFaults", json!([MINER, null])).await, json!([0]));
    assert_eq!(
        lab.result("Filecoin.StateSectorGetInfo", json!([MINER, 5, null])).await,
        Value::Null
    );
    let partition = lab.error("Filecoin.StateSectorPartition", json!([MINER, 5, null])).await;
    assert_eq!(partition, (1, "sector 5 not due at any deadline".to_owned()));
    let expiration = lab.error("Filecoin.StateSectorExpiration", json!([MINER, 5, null])).await;
    assert_eq!(expiration, (1, "failed to find sector 5".to_owned()));
    let (code, text) = lab.error("Filecoin.StateMinerPartitions", json!([MINER, 48, null])).await;
    assert_eq!(code, 1);
    assert!(text.contains("invalid deadline index 48 of 48"), "{text}");
}

#[tokio::test]
async fn the_miner_actor_tells_where_a_sector_is() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let ask = |params: Vec<u8>| {
        json!([{
            "Version": 0, "To": MINER, "From": "f00", "Nonce": 0, "Value": "0", "GasLimit": 0,
            "GasFeeCap": "0", "GasPremium": "0", "Method": 1_321_604_665_u64,
            "Params": super::json::base64(&params),
        }, null])
    };
    let sector = u8::try_from(proven.sector).unwrap();
    let number = if sector < 24 { vec![sector] } else { vec![0x18, sector] };
    let answer = lab.result("Filecoin.StateCall", ask([vec![0x81], number].concat())).await;
    assert_eq!(answer["MsgRct"]["ExitCode"], 0);
    let deadline = u8::try_from(proven.deadline).unwrap();
    let place = if deadline < 24 { vec![deadline] } else { vec![0x18, deadline] };
    let aux = [vec![0x82], place, vec![0]].concat();
    let header = vec![0x82, 1, 0x40 + u8::try_from(aux.len()).unwrap()];
    let expected = super::json::base64(&[header, aux].concat());
    assert_eq!(answer["MsgRct"]["Return"], json!(expected));

    // A sector that never was: dead, at (-1, -1).
    let answer = lab.result("Filecoin.StateCall", ask(vec![0x81, 0x00])).await;
    assert_eq!(answer["MsgRct"]["Return"], "ggBDgiAg");
    let broken = lab.result("Filecoin.StateCall", ask(vec![0x00])).await;
    assert_eq!(broken["MsgRct"]["ExitCode"], 21);
}

#[tokio::test]
async fn the_network_says_what_it_is() {
    let lab = Lab::with(|config| config.network_name = "mynet".to_owned()).await;
    assert_eq!(lab.result("Filecoin.StateNetworkName", json!([])).await, "mynet");
    assert_eq!(lab.result("Filecoin.StateNetworkVersion", json!([null])).await, 28);
    let params = lab.result("Filecoin.StateGetNetworkParams", json!([])).await;
    assert_eq!(
        (&params["NetworkName"], &params["Eip155ChainID"]),
        (&json!("mynet"), &json!(31_415_926))
    );
    assert_eq!(params["BlockDelaySecs"], 30);
    let version = lab.result("Filecoin.Version", json!([])).await;
    assert_eq!(version["APIVersion"], 0x0002_0300);
}

#[tokio::test]
async fn protocol_errors_fail_the_http_request_and_carry_a_body() {
    let lab = Lab::exact().await;
    let (status, answer) = lab.call("Filecoin.StateMarketStorageDeal", json!([1])).await;
    assert_eq!(status, 500);
    let text = "wrong param count (method 'Filecoin.StateMarketStorageDeal'): 1 != 2";
    assert_eq!(answer["error"], json!({"code": -32602, "message": text}));
    assert_eq!(answer["id"], 1);
    let (status, answer) = lab.call("Filecoin.Nothing", json!([])).await;
    assert_eq!(status, 500);
    let text = "method 'Filecoin.Nothing' not found";
    assert_eq!(answer["error"], json!({"code": -32601, "message": text}));
    let (status, answer) = lab.call("Filecoin.StateMinerFaults", json!([5, null])).await;
    assert_eq!((status, &answer["error"]["code"]), (500, &json!(-32700)));
    let (status, answer) =
        lab.call("Filecoin.StateMarketStorageDeal", json!([999_999, null])).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(1)), "not a protocol error");
    let (status, answer) = lab.call("Filecoin.ChainHead", Value::Null).await;
    assert_eq!((status, answer["result"].is_object()), (200, true), "null means no parameters");
}

#[tokio::test]
async fn bodies_that_are_no_calls_are_refused() {
    let lab = Lab::exact().await;
    for (body, status, code) in [
        ("{\"jsonrpc\"", 500, -32700),
        ("", 400, -32600),
        ("[]", 400, -32600),
        ("7", 400, -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"Filecoin.Version\"}", 400, -32600),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Filecoin.Version\",\"params\":{}}",
            500,
            -32700,
        ),
    ] {
        let (got, text) = lab.post(body).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{body}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_notifications_are_not_answered() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    lab.devnet.advance(2).await;
    let call = |id: Value, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let good = json!([
        call(json!(1), "Filecoin.StateMarketStorageDeal", json!([deal, null])),
        {"jsonrpc": "2.0", "method": "Filecoin.ChainHead", "params": []},
        call(json!("two"), "Filecoin.StateMarketStorageDeal", json!([7, null])),
    ]);
    let (status, body) = lab.post(good.to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!((status, answers.len()), (200, 2));
    assert_eq!((&answers[0]["id"], answers[0]["result"].is_object()), (&json!(1), true));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("two"), &json!(1)));

    let mixed = json!([
        call(json!(1), "Filecoin.No", json!([])),
        call(json!(2), "Filecoin.Version", json!([]))
    ]);
    let (status, body) = lab.post(mixed.to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 500, "one bad element fails the HTTP request");
    assert_eq!(answers[0]["error"]["code"], -32601);
    assert!(answers[1]["result"].is_object(), "the others are answered all the same");

    let (status, body) = lab.post(json!({"method": "Filecoin.ChainHead"}).to_string()).await;
    assert_eq!((status, body.as_str()), (200, ""));

    let stats = lab.devnet.stats();
    assert_eq!(stats.batches, 2);
    assert_eq!(stats.calls["Filecoin.StateMarketStorageDeal"], 2);
    assert_eq!(stats.calls["Filecoin.ChainHead"], 2);
}

#[tokio::test]
async fn a_lagging_node_is_in_the_past_and_says_so() {
    let lab = Lab::exact().await;
    let early = lab.publish();
    lab.devnet.advance(4_000).await;
    let late = lab.publish();
    lab.devnet.advance(10).await;
    assert!(lab.deal_at(late, &Value::Null).await.is_ok());
    assert_eq!(lab.result("eth_syncing", json!([])).await, false);
    let synced = lab.result("Filecoin.SyncState", json!([])).await;
    let sync = &synced["ActiveSyncs"][0];
    assert_eq!((&sync["Height"], &sync["Stage"]), (&sync["Target"]["Height"], &json!(4)));
    let head = lab.now();
    let key = lab.key_at(head).await;

    lab.devnet.set_rpc_mode(RpcMode::Lagging { behind: 2_880 });
    let seen = lab.result("Filecoin.ChainHead", json!([])).await["Height"].clone();
    assert_eq!(seen, head - 2_880);
    assert_eq!(lab.deal_at(late, &Value::Null).await, Err(not_found(late)));
    assert!(lab.deal_at(early, &Value::Null).await.is_ok());
    let next = lab.result("Filecoin.StateReadState", json!(["f05", null])).await;
    assert_eq!(next["State"]["NextID"], late);
    assert!(lab.deal_at(early, &key).await.unwrap_err().contains("could not find"));
    let number = lab.result("eth_blockNumber", json!([])).await;
    assert_eq!(number, format!("{:#x}", head - 2_881));
    let syncing = lab.result("eth_syncing", json!([])).await;
    assert_eq!(syncing["highestblock"], format!("{head:#x}"));
    let synced = lab.result("Filecoin.SyncState", json!([])).await;
    let sync = &synced["ActiveSyncs"][0];
    assert_eq!((&sync["Height"], &sync["Target"]["Height"]), (&json!(head - 2_880), &json!(head)));

    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert!(lab.deal_at(late, &key).await.is_ok());
}

#[tokio::test]
async fn a_node_that_is_down_answers_503_until_it_is_up() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Down);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "Filecoin.ChainHead", "params": []});
    assert_eq!(lab.post(call.to_string()).await, (503, String::new()));
    assert_eq!(lab.devnet.stats().refused, 1);
    assert!(lab.devnet.stats().calls.is_empty());
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert!(lab.result("Filecoin.ChainHead", json!([])).await.is_object());
}

#[tokio::test]
async fn v0_answers_as_v1_does_and_other_paths_do_not() {
    let lab = Lab::exact().await;
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "Filecoin.StateNetworkName", "params": []});
    for (path, status) in [("/rpc/v0", 200), ("/rpc/v1", 200), ("/rpc/v7", 404)] {
        let url = format!("{}{path}", lab.devnet.urls().base);
        let response = lab.http.post(url).body(call.to_string()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_year_passes_and_all_that_was_due_has_happened() {
    let lab = Lab::with(|_| {}).await;
    for _ in 0..50 {
        lab.publish();
    }
    let before = lab.now();
    lab.devnet.advance(u32::try_from(EpochDelta::YEAR.get()).unwrap()).await;
    assert_eq!(lab.now(), before + EpochDelta::YEAR.get());
    let deals = lab.devnet.deals();
    assert_eq!(deals.len(), 50);
    assert!(deals.iter().all(|deal| deal.state == crate::DealState::Ended));
    let head = lab.result("Filecoin.ChainHead", json!([])).await;
    let again = lab.result("Filecoin.ChainGetTipSet", json!([head["Cids"]])).await;
    assert_eq!(again, head);
}
