//! Each reply of the recording that the adapter could meet, put before it alone: the right reading,
//! or an error of the right kind. See `forest.rs` for the recording, and what happens without it.

#![expect(clippy::unwrap_used, reason = "a recording that does not parse should stop")]

mod support;

use std::path::Path;

use raas_lotus::{Error, LotusChain as _};
use raas_lotus_jsonrpc::{Dialect, JsonRpcLotus};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, SectorHealth, SectorReading, Tipset,
};
use serde_json::{Value, json};
use support::{Reply, Server, deal_ids, each, missing_method, probed, sector, some_tipset};

const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/forest/replies.jsonl");

type Answered = Result<Value, (i64, String)>;

/// One exchange of the recording.
#[derive(Clone)]
struct Exchange {
    name: String,
    method: String,
    params: Value,
    status: u16,
    response: Value,
}

impl Exchange {
    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).unwrap();
        let request = line["request"].as_object().filter(|_| line["path"] == "/rpc/v1")?;
        Some(Self {
            name: line["name"].as_str()?.to_owned(),
            method: request.get("method")?.as_str()?.to_owned(),
            params: request.get("params").cloned().unwrap_or_default(),
            status: u16::try_from(line["status"].as_u64()?).ok()?,
            response: line["response"].clone(),
        })
    }

    fn answer(&self) -> Answered {
        match self.response.get("error") {
            None => Ok(self.response["result"].clone()),
            Some(error) => {
                let message = error["message"].as_str().unwrap().to_owned();
                Err((error["code"].as_i64().unwrap(), message))
            }
        }
    }

    fn result(&self) -> &Value {
        &self.response["result"]
    }

    fn number(&self) -> Option<u64> {
        self.params.get(1)?.as_u64()
    }

    /// A node that gives this reply to its method, and the others as told.
    async fn serve(&self, others: fn(&str, &Value) -> Answered) -> JsonRpcLotus {
        let own = self.clone();
        let server = Server::node(move |method, params| {
            if method != own.method || params[0] == "f00" {
                return probed(method, params).unwrap_or_else(|| others(method, params));
            }
            own.answer()
        });
        server.await.lotus()
    }
}

fn no_others(method: &str, _: &Value) -> Answered {
    Err(missing_method(method))
}

#[tokio::test]
async fn every_recorded_reply_is_read_as_what_it_is() {
    if !Path::new(RECORDING).exists() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: every_recorded_reply_is_read_as_what_it_is, without {RECORDING}");
        }
        return;
    }
    let text = std::fs::read_to_string(RECORDING).unwrap();
    let exchanges: Vec<_> = text.lines().filter_map(Exchange::read).collect();
    let mut checked = 0;
    for exchange in &exchanges {
        let known = if exchange.status != 200 {
            refused(exchange).await;
            true
        } else {
            check(exchange).await
        };
        checked += usize::from(known);
    }
    let named = |prefix: &str| exchanges.iter().filter(|e| e.method.starts_with(prefix)).count();
    assert!(checked > 120, "{checked} of {}", exchanges.len());
    assert!(checked >= named("Filecoin.StateMarketStorageDeal") + named("Filecoin.StateSector"));
}

/// Checks one exchange; `false` when the adapter makes no such call.
async fn check(exchange: &Exchange) -> bool {
    match exchange.method.as_str() {
        "Filecoin.StateMarketStorageDeal" => deal(exchange).await,
        "Filecoin.StateSectorPartition" => place(exchange).await,
        "Filecoin.StateMinerPartitions" => partitions(exchange).await,
        "Filecoin.StateSectorExpiration" => expiration(exchange).await,
        "Filecoin.StateMinerProvingDeadline" => schedule(exchange).await,
        "Filecoin.StateReadState" => next_id(exchange).await,
        "Filecoin.Version" => version(exchange).await,
        "Filecoin.StateNetworkName" | "Filecoin.StateNetworkVersion" => network(exchange).await,
        "Filecoin.ChainHead" | "Filecoin.SyncState" | "eth_syncing" => head(exchange).await,
        "Filecoin.ChainGetFinalizedTipSet" | "Filecoin.ChainGetTipSetByHeight" => {
            tipset(exchange).await;
        }
        _ => return false,
    }
    true
}

async fn refused(exchange: &Exchange) {
    let status = exchange.status;
    let server = Server::start(move |_| Reply::Status(status, String::new())).await;
    let error = server.lotus().network().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { .. }), "{}: {error}", exchange.name);
}

async fn deal(exchange: &Exchange) {
    let name = &exchange.name;
    let id = exchange.params.get(0).and_then(Value::as_u64).unwrap_or_default();
    let lotus = exchange.serve(no_others).await;
    let reading = lotus.deals(&deal_ids([id]), &some_tipset()).await.pop().unwrap();
    match (exchange.answer(), reading) {
        (Ok(told), DealReading::Found(deal)) => {
            let start = told["State"]["SectorStartEpoch"].as_i64().unwrap();
            let activated = deal.activation.as_ref().map(|activation| activation.at.get());
            assert_eq!(activated, (start >= 0).then_some(start), "{name}");
            assert_eq!(json!(deal.proposal.end.get()), told["Proposal"]["EndEpoch"], "{name}");
            assert_eq!(json!(deal.proposal.label), told["Proposal"]["Label"], "{name}");
        }
        (Err((_, told)), DealReading::NotFound { next_id: None }) => {
            assert!(told.starts_with(&format!("deal {id} not found")), "{name}: {told}");
        }
        // A key that it does not know, or parameters that we never send.
        (Err((code, told)), DealReading::Failed(_)) => {
            assert!(code == -32602 || told == "Key for header not found" || code == -32600);
        }
        (_, reading) => panic!("{name}: {reading:?}"),
    }
}

/// A provider's sectors at once, where they are said to lie.
async fn place(exchange: &Exchange) {
    let number = exchange.number().unwrap();
    let lotus = exchange
        .serve(|method, params| match method {
            "Filecoin.StateMinerPartitions" => {
                // Every sector there is, in every partition there might be.
                let all = json!([0, 1_000]);
                let partition = json!({"AllSectors": all, "LiveSectors": all,
                    "ActiveSectors": all, "FaultySectors": [0]});
                assert!(params[1].as_u64().unwrap() < 48);
                Ok(json!(vec![partition; 10]))
            }
            _ => no_others(method, params),
        })
        .await;
    let reading = lotus.sectors(&[sector(1000, number)], &some_tipset()).await.pop().unwrap();
    match (exchange.answer(), reading) {
        (Ok(told), SectorReading::Found(status)) => {
            assert_eq!(json!(status.deadline), told["Deadline"], "{}", exchange.name);
            assert_eq!(json!(status.partition), told["Partition"], "{}", exchange.name);
        }
        (Err((_, told)), SectorReading::NotFound) => assert!(told.contains("not due"), "{told}"),
        (_, reading) => panic!("{}: {reading:?}", exchange.name),
    }
}

/// The sets, by a reckoning of its own.
fn members(lengths: &Value) -> Vec<u64> {
    let mut members = Vec::new();
    let mut position = 0;
    for (at, length) in lengths.as_array().unwrap().iter().enumerate() {
        let end = position + length.as_u64().unwrap();
        if at % 2 == 1 {
            members.extend(position..end);
        }
        position = end;
    }
    members
}

async fn partitions(exchange: &Exchange) {
    let name = &exchange.name;
    let lotus = exchange
        .serve(|method, params| match method {
            "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": 0, "Partition": 0})),
            _ => no_others(method, params),
        })
        .await;
    let Ok(told) = exchange.answer() else {
        let reading = lotus.sectors(&[sector(1000, 1)], &some_tipset()).await;
        assert!(matches!(&reading[0], SectorReading::Failed(why) if why.contains("deadline")));
        return;
    };
    for (at, partition) in told.as_array().unwrap().iter().enumerate() {
        let set = |field: &str| members(&partition[field]);
        let [live, faulty, active] = ["LiveSectors", "FaultySectors", "ActiveSectors"].map(set);
        for number in set("AllSectors") {
            let expected = if !live.contains(&number) {
                SectorHealth::Dead
            } else if faulty.contains(&number) {
                SectorHealth::Faulty
            } else if active.contains(&number) {
                SectorHealth::Active
            } else {
                SectorHealth::Unproven
            };
            let reading = lotus.sectors(&[sector(1000, number)], &some_tipset()).await;
            let SectorReading::Found(status) = &reading[0] else { panic!("{name}: {reading:?}") };
            assert_eq!(status.health, expected, "{name}: sector {number}");
            assert_eq!(status.partition, Some(at as u64), "{name}: sector {number}");
        }
    }
}

/// Asked of a sector that is faulty.
async fn expiration(exchange: &Exchange) {
    let lotus = exchange
        .serve(|method, params| match method {
            "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": 0, "Partition": 0})),
            "Filecoin.StateMinerPartitions" => {
                let all = json!([0, 10_000]);
                Ok(json!([{"AllSectors": all, "LiveSectors": all, "ActiveSectors": [0],
                    "FaultySectors": all}]))
            }
            _ => no_others(method, params),
        })
        .await;
    let number = exchange.number().unwrap();
    let reading = lotus.sectors(&[sector(1000, number)], &some_tipset()).await.pop().unwrap();
    let SectorReading::Found(status) = reading else { panic!("{}: {reading:?}", exchange.name) };
    assert_eq!(status.health, SectorHealth::Faulty);
    let told =
        |field: &str| exchange.result().get(field).and_then(Value::as_i64).filter(|e| *e > 0);
    assert_eq!(status.first_missed.map(ChainEpoch::get), told("Early").map(|e| e - 120_960));
    assert_eq!(status.expiration.map(ChainEpoch::get), told("OnTime"));
}

/// Asked of a sector in the deadline that is open, which ends at `Close`.
async fn schedule(exchange: &Exchange) {
    let told = exchange.result().clone();
    let (index, close) = (told["Index"].as_u64().unwrap(), told["Close"].as_i64().unwrap());
    let own = exchange.clone();
    let server = Server::full_node(move |method, params| match method {
        "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": index, "Partition": 0})),
        "Filecoin.StateMinerPartitions" => {
            let all = json!([0, 10]);
            Ok(json!([{"AllSectors": all, "LiveSectors": all, "ActiveSectors": all,
                "FaultySectors": [0]}]))
        }
        "Filecoin.StateMinerProvingDeadline" => own.answer(),
        _ => no_others(method, params),
    })
    .await;
    let epoch = ChainEpoch::new(told["CurrentEpoch"].as_i64().unwrap());
    let at = Tipset { epoch, ..some_tipset() };
    let reading = server.lotus().sectors(&[sector(1000, 1)], &at).await.pop().unwrap();
    let SectorReading::Found(status) = reading else { panic!("{}: {reading:?}", exchange.name) };
    assert_eq!(status.next_deadline_end, Some(ChainEpoch::new(close)), "{}", exchange.name);
}

async fn next_id(exchange: &Exchange) {
    let lotus = exchange.serve(|_, _| Err((-32603, "deal 7 not found - gone".to_owned()))).await;
    let reading = lotus.deals(&deal_ids([7]), &some_tipset()).await.pop().unwrap();
    let told = exchange.result()["State"]["NextID"].as_u64().map(DealId::new);
    assert_eq!(told.is_some(), exchange.name.ends_with("market"));
    assert_eq!(reading, DealReading::NotFound { next_id: told });
}

async fn version(exchange: &Exchange) {
    let lotus = exchange.serve(no_others).await;
    let found = lotus.capabilities().await.unwrap();
    if exchange.result().is_null() {
        // An error, or nothing, to a request without its version or id.
        assert_eq!(found.node, None, "{}", exchange.name);
    } else {
        assert_eq!(found.dialect, Dialect::Forest, "{}", exchange.name);
        assert_eq!(found.node.as_deref(), Some("forest 0.39.0+git.unknown"));
    }
}

async fn network(exchange: &Exchange) {
    let others = |method: &str, params: &Value| match method {
        "Filecoin.StateNetworkName" => Ok(json!("butterflynet")),
        _ => no_others(method, params),
    };
    let network = exchange.serve(others).await.network().await.unwrap();
    assert_eq!((network.name.as_str(), network.version), ("butterflynet", 28));
}

async fn head(exchange: &Exchange) {
    let others = |method: &str, params: &Value| match method {
        "Filecoin.ChainHead" => Ok(fixture!("chain_head")),
        _ => no_others(method, params),
    };
    let head = exchange.serve(others).await.head().await.unwrap();
    assert_eq!(head.behind, EpochDelta::ZERO, "{}", exchange.name);
    if exchange.method == "Filecoin.ChainHead" {
        assert_eq!(json!(head.tipset.epoch.get()), exchange.result()["Height"]);
    }
}

async fn tipset(exchange: &Exchange) {
    let lotus = exchange.serve(no_others).await;
    let tipset = match exchange.params.get(0).and_then(Value::as_i64) {
        Some(epoch) => {
            let tipset = lotus.tipset_at(ChainEpoch::new(epoch)).await.unwrap();
            // 3 is a null round.
            assert_eq!(tipset.epoch.get(), if epoch == 3 { 2 } else { epoch });
            tipset
        }
        None => lotus.finalized().await.unwrap(),
    };
    assert_eq!(json!(tipset.epoch.get()), exchange.result()["Height"], "{}", exchange.name);
    let cids = exchange.result()["Cids"].as_array().unwrap().len();
    assert_eq!(tipset.key.blocks().len(), cids);
}

/// What Forest says of batches that it does not take, and smaller ones that it takes.
#[tokio::test]
async fn a_batch_that_forest_refuses_is_sent_in_parts() {
    if !Path::new(RECORDING).exists() {
        return;
    }
    let text = std::fs::read_to_string(RECORDING).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refusals = lines.filter(|line| {
        line["request"].is_array() && line["response"].is_object() && line["status"] == 200
    });
    let mut refused = 0;
    for refusal in refusals {
        let response = refusal["response"].clone();
        let server = Server::start(move |request| match request.as_array() {
            Some(batch) if batch.len() > 40 => Reply::Json(response.clone()),
            _ => Reply::Json(each(request, &|_, _| Ok(fixture!("deal_active")))),
        })
        .await;
        let readings = server.lotus().deals(&deal_ids(0..100), &some_tipset()).await;
        let found = |reading: &DealReading| matches!(reading, DealReading::Found(_));
        assert!(readings.iter().all(found), "{}", refusal["name"]);
        refused += 1;
    }
    assert_eq!(refused, 2, "101 items, and none");
}
