//! The adapter against what a real Forest node answered, replayed over a socket.
//!
//! The recording is read where it lies and is no part of this repository; where it is absent these
//! tests say that they are skipped. Its chain: 3 providers with 480 sectors each, deals 0 to 1439 in
//! them; at epoch 1 provider 1002 declares sectors 20 and 21 faulty; at 4 deals 1440 to 1443 are
//! published; at 5 sectors 6 and 7 of provider 1000 are terminated; the head is at 8.

#![expect(clippy::expect_used, reason = "a recording that does not parse should stop")]

mod support;

use std::{collections::HashMap, path::Path};

use raas_lotus::{Error, LotusChain as _};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, SectorHealth, SectorReading, Tipset,
};
use serde_json::{Value, json};
use support::{Reply, Server, deal_ids, each, sector};

const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/forest/replies.jsonl");

/// What was recorded, by method and parameters. Asked at the head's key, a node answers as for the
/// head; so the recordings made without a key serve there too.
struct Recording {
    replies: HashMap<(String, String), Value>,
    head: Value,
}

impl Recording {
    fn read(test: &str) -> Option<Self> {
        if !Path::new(RECORDING).exists() {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: {test}, for {RECORDING} is not there");
            }
            return None;
        }
        let text = std::fs::read_to_string(RECORDING).expect("the recording");
        let mut replies = HashMap::new();
        for line in text.lines() {
            let exchange: Value = serde_json::from_str(line).expect("JSON");
            let request = &exchange["request"];
            if exchange["path"] == "/rpc/v1" && exchange["status"] == 200 && request.is_object() {
                let reply = exchange["response"].clone();
                replies.insert(name(&request["method"], &request["params"]), reply);
            }
        }
        let head = replies[&name(&json!("Filecoin.ChainHead"), &json!([]))]["result"].clone();
        Some(Self { replies, head })
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, (i64, String)> {
        let method = json!(method);
        // The network is a test network; recorded are its own addresses.
        let mut params = params.clone();
        if let Some(address) = params.get(0).and_then(Value::as_str) {
            params[0] = json!(address.replacen('f', "t", 1));
        }
        let mut reply = self.replies.get(&name(&method, &params));
        if let Some(key) = params.as_array_mut().and_then(|params| params.last_mut())
            && (*key == self.head["Cids"] || *key == json!([]))
        {
            *key = Value::Null;
            reply = reply.or_else(|| self.replies.get(&name(&method, &params)));
        }
        let reply = reply.ok_or_else(|| (-32603, format!("not recorded: {method} {params}")))?;
        match reply.get("error") {
            None => Ok(reply["result"].clone()),
            Some(error) => {
                let message = error["message"].as_str().expect("a message").to_owned();
                Err((error["code"].as_i64().expect("a code"), message))
            }
        }
    }

    /// The tipset of an epoch, as the node gave it.
    fn tipset(&self, epoch: i64) -> Tipset {
        let by_height = json!("Filecoin.ChainGetTipSetByHeight");
        let tipset = &self.replies[&name(&by_height, &json!([epoch, null]))]["result"];
        let cids = |value: &Value| {
            let cids = value.as_array().expect("a key").iter();
            let texts = cids.map(|cid| cid["/"].as_str().expect("a CID").to_owned());
            serde_json::from_value(texts.collect()).expect("a key")
        };
        Tipset {
            key: cids(&tipset["Cids"]),
            epoch: ChainEpoch::new(epoch),
            parents: cids(&tipset["Blocks"][0]["Parents"]),
        }
    }

    async fn serve(self) -> Server {
        Server::start(move |request| {
            Reply::Json(each(request, &|method, params| self.answer(method, params)))
        })
        .await
    }
}

fn name(method: &Value, params: &Value) -> (String, String) {
    (method.to_string(), params.to_string())
}

#[tokio::test]
async fn the_head_links_and_forest_is_in_sync() {
    let Some(recording) = Recording::read("the_head_links_and_forest_is_in_sync") else { return };
    let lotus = recording.serve().await.lotus();
    let head = lotus.head().await.expect("a head");
    assert_eq!(head.tipset.epoch, ChainEpoch::new(8));
    assert_eq!((head.tipset.key.blocks().len(), head.tipset.parents.blocks().len()), (1, 1));
    // It has no SyncState, and calls it an error that it is not syncing.
    assert_eq!(head.behind, EpochDelta::ZERO);
    let finalized = lotus.finalized().await.expect("a final tipset");
    assert_eq!(finalized.epoch, ChainEpoch::GENESIS);
    let network = lotus.network().await.expect("a network");
    assert_eq!((network.name.as_str(), network.version), ("butterflynet", 28));
}

#[tokio::test]
async fn deals_read_as_the_chain_has_them() {
    let Some(recording) = Recording::read("deals_read_as_the_chain_has_them") else { return };
    let lotus = recording.serve().await.lotus();
    let head = lotus.head().await.expect("a head").tipset;
    let readings = lotus.deals(&deal_ids([0, 6, 1440, 1444, 999_999, 479]), &head).await;
    let missing = DealReading::NotFound { next_id: Some(DealId::new(1444)) };
    let [active, terminated, published, next, never, last] = &readings[..] else {
        panic!("six answers, not {readings:?}");
    };
    for (reading, sector) in [(active, 0), (last, 479)] {
        let DealReading::Found(deal) = reading else { panic!("{reading:?}") };
        let activation = deal.activation.as_ref().expect("active");
        assert_eq!((activation.sector.get(), activation.at.get()), (sector, 0));
        assert_eq!(deal.proposal.provider.get(), 1000);
    }
    let DealReading::Found(deal) = published else { panic!("{published:?}") };
    assert_eq!(deal.activation, None);
    assert_eq!(deal.proposal.label, "a text label");
    assert_eq!([terminated, next, never], [&missing; 3]);
}

#[tokio::test]
async fn deals_read_at_a_pin_as_they_were_before_it() {
    let Some(recording) = Recording::read("deals_read_at_a_pin_as_they_were_before_it") else {
        return;
    };
    let pins = [1, 4, 5, 6].map(|epoch| recording.tipset(epoch));
    let lotus = recording.serve().await.lotus();
    for (pin, published, terminated) in
        [(0, false, false), (1, false, false), (2, true, false), (3, true, true)]
    {
        // Published at 4, seen from 5 on; terminated at 5, seen from 6 on.
        let readings = lotus.deals(&deal_ids([1440, 6]), &pins[pin]).await;
        let found = |reading: &DealReading| match reading {
            DealReading::Found(_) => true,
            // The next id was recorded at the head only, and is not taken from there.
            DealReading::NotFound { next_id: None } => false,
            other => panic!("{other:?}"),
        };
        let epoch = pins[pin].epoch;
        assert_eq!(found(&readings[0]), published, "deal 1440 at {epoch}");
        assert_eq!(found(&readings[1]), !terminated, "deal 6 at {epoch}");
    }
}

#[tokio::test]
async fn a_key_the_node_does_not_know_fails() {
    let Some(recording) = Recording::read("a_key_the_node_does_not_know_fails") else { return };
    let mut at = recording.tipset(6);
    let unknown = json!(["bafy2bzacecyaggy24wol5ruvs6qm73gjibs2l2iyhcqmvi7r7a4ph7zx3yqd4"]);
    at.key = serde_json::from_value(unknown).expect("a key");
    let lotus = recording.serve().await.lotus();
    let readings = lotus.deals(&deal_ids([0]), &at).await;
    assert!(
        matches!(&readings[..], [DealReading::Failed(why)] if why.contains("Key for header")),
        "{readings:?}"
    );
}

#[tokio::test]
async fn sectors_read_as_their_partitions_have_them() {
    let Some(recording) = Recording::read("sectors_read_as_their_partitions_have_them") else {
        return;
    };
    let lotus = recording.serve().await.lotus();
    let head = lotus.head().await.expect("a head").tipset;
    let ids = [
        sector(1000, 0),
        sector(1000, 6),
        sector(1002, 20),
        sector(1002, 21),
        sector(1000, 480),
        sector(1000, 5000),
    ];
    let readings = lotus.sectors(&ids, &head).await;
    let [active, terminated, recovering, faulty, beyond, far_beyond] = &readings[..] else {
        panic!("six answers, not {readings:?}");
    };
    for (reading, health, place) in [
        (active, SectorHealth::Active, (0, 0)),
        // It still has a place, and lives no more.
        (terminated, SectorHealth::Dead, (3, 0)),
        (recovering, SectorHealth::Faulty, (10, 0)),
        (faulty, SectorHealth::Faulty, (10, 0)),
    ] {
        let SectorReading::Found(status) = reading else { panic!("{reading:?}") };
        assert_eq!(status.health, health);
        assert_eq!((status.deadline, status.partition), (Some(place.0), Some(place.1)));
        // Early termination at 122979; 122979 - 120960 = 2019, to come yet: it was declared.
        let missed = (health == SectorHealth::Faulty).then_some(ChainEpoch::new(2_019));
        assert_eq!(status.first_missed, missed);
    }
    assert_eq!([beyond, far_beyond], [&SectorReading::NotFound; 2]);
}

#[tokio::test]
async fn a_token_that_forest_does_not_take_is_refused() {
    if Recording::read("a_token_that_forest_does_not_take_is_refused").is_none() {
        return;
    }
    let text = std::fs::read_to_string(RECORDING).expect("the recording");
    let exchanges = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let garbage = exchanges.into_iter().find(|exchange| exchange["name"] == "auth.garbage");
    let status = garbage.expect("recorded")["status"].as_u64().expect("a status");
    let status = u16::try_from(status).expect("a status");
    let server = Server::start(move |_| Reply::Status(status, String::new())).await;
    let error = server.lotus().network().await.expect_err("refused");
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("token")), "{error}");
}
