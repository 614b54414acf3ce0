//! The control API over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{DevnetConfig, DevnetError, RpcMode};

struct Lab {
    devnet: Devnet,
    http: reqwest::Client,
    dir: TempDir,
}

impl Lab {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut DevnetConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = DevnetConfig::new(dir.path());
        set(&mut config);
        let devnet = Devnet::start(config).await.unwrap();
        Self { devnet, http: reqwest::Client::new(), dir }
    }

    async fn post(&self, path: &str, body: impl Into<String>) -> (u16, Value) {
        let url = format!("{}/devnet/{path}", self.devnet.urls().base);
        let response = self.http.post(url).body(body.into()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/devnet/{path}", self.devnet.urls().base);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }
}

#[tokio::test]
async fn time_passes_on_request() {
    let lab = Lab::start().await;
    let (status, head) = lab.post("advance", r#"{"epochs": 100}"#).await;
    assert_eq!((status, &head["epoch"]), (200, &json!(6_300_100)));
    assert_eq!(lab.get("head").await, head);
    assert!(head["head"].as_i64().unwrap() <= 6_300_100);
    assert!(head["finalized"].as_i64().unwrap() <= head["head"].as_i64().unwrap() - 30);
}

#[tokio::test]
async fn time_passes_by_the_clock() {
    let dir = TempDir::new().unwrap();
    let mut config = DevnetConfig::new(dir.path());
    config.epoch_every = Some(Duration::from_millis(1));
    let devnet = Devnet::start(config).await.unwrap();
    let start = devnet.head().epoch;
    while devnet.head().epoch.since(start).get() < 3 {
        tokio::task::yield_now().await;
    }
    devnet.shutdown().await;
}

#[tokio::test]
async fn a_provider_does_what_it_is_told() {
    let lab = Lab::start().await;
    for (action, field, value) in [
        ("fault", "proving", false),
        ("recover", "proving", true),
        ("offline", "offline", true),
        ("online", "offline", false),
        ("corrupt", "corrupt", true),
        ("honest", "corrupt", false),
    ] {
        let (status, provider) = lab.post(&format!("providers/t01003/{action}"), "").await;
        assert_eq!((status, &provider[field]), (200, &json!(value)), "{action}");
        let listed = lab.get("providers").await;
        assert_eq!(listed[3], provider);
    }
    let listed = lab.get("providers").await;
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    assert_eq!(json!(ids), json!(["t01000", "t01001", "t01002", "t01003", "t01004", "t01005"]));
}

#[tokio::test]
async fn the_aggregator_and_the_node_are_set() {
    let lab = Lab::start().await;
    let patch = r#"{"repeat_pin": "ignored", "delay_epochs": 7, "gateway": "off"}"#;
    let (status, settings) = lab.post("aggregator", patch).await;
    assert_eq!((status, &settings["delay_epochs"]), (200, &json!(7)));
    assert_eq!((&settings["repeat_pin"], &settings["gateway"]), (&json!("ignored"), &json!("off")));
    assert_eq!(lab.get("aggregator").await, settings);

    let (_, mode) = lab.post("rpc", r#"{"mode": "lagging"}"#).await;
    assert_eq!(mode, json!({"mode": "lagging", "behind": 2_880}));
    assert_eq!(lab.devnet.rpc_mode(), RpcMode::Lagging { behind: 2_880 });
    let (_, mode) = lab.post("rpc", r#"{"mode": "down"}"#).await;
    assert_eq!(mode, json!({"mode": "down"}));
    assert_eq!(lab.get("rpc").await, mode, "control answers while the node is down");
}

#[tokio::test]
async fn every_node_is_made_to_fail_in_every_way() {
    let lab = Lab::with(|config| config.nodes = vec![crate::NodeConfig::default(); 2]).await;
    for mode in [
        json!({"mode": "hang"}),
        json!({"mode": "slow", "milliseconds": 5}),
        json!({"mode": "garbage"}),
        json!({"mode": "half_batches"}),
        json!({"mode": "truncated"}),
        json!({"mode": "wrong_ids"}),
        json!({"mode": "swapped"}),
        json!({"mode": "too_many_requests", "retry_after": 3}),
        json!({"mode": "other_network"}),
        json!({"mode": "forked", "since": 6_300_000}),
        json!({"mode": "lie", "deal": 100_000, "as": "elsewhere"}),
        json!({"mode": "down"}),
        json!({"mode": "ok"}),
    ] {
        let mut body = mode.clone();
        body["node"] = json!(1);
        assert_eq!(lab.post("rpc", body.to_string()).await, (200, mode.clone()));
        assert_eq!(lab.get("rpc?node=1").await, mode);
        assert_eq!(serde_json::to_value(lab.devnet.node_mode(1)).unwrap(), mode);
        assert_eq!(lab.get("rpc").await, json!({"mode": "ok"}), "the other one is well");
    }
    let stats = lab.get("stats").await;
    assert_eq!(stats["nodes"][1]["kind"], "lotus");
    assert_eq!(stats["nodes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_changes_nothing() {
    let lab = Lab::start().await;
    for (path, body, reason) in [
        ("advance", "", "EOF"),
        ("advance", "{}", "missing field `epochs`"),
        ("advance", r#"{"epochs": -1}"#, "-1"),
        ("advance", r#"{"epochs": "5"}"#, "expected u32"),
        ("advance", r#"{"epochs": 99999999}"#, "at most 10518970"),
        ("advance", r#"{"epochs": 1, "fast": true}"#, "unknown field `fast`"),
        ("providers/t09999/fault", "", "GET /devnet/providers"),
        ("providers/bob/fault", "", "f01000"),
        ("providers/t01000/sing", "", "terminate"),
        ("aggregator", r#"{"delay": 5}"#, "unknown field `delay`"),
        ("aggregator", r#"{"delay_epochs": -5}"#, "delay_epochs"),
        ("rpc", r#"{"mode": "sleepy"}"#, "lagging"),
        ("rpc", r#"{"mode": "lagging", "behind": -1}"#, "behind is -1"),
        ("rpc", r#"{"mode": "ok", "behind": 5}"#, "lagging"),
        ("rpc", r#"{"mode": "hang", "milliseconds": 5}"#, "slow"),
        ("rpc", r#"{"mode": "slow", "milliseconds": 999999999}"#, "at most 600000"),
        ("rpc", r#"{"mode": "forked"}"#, "since"),
        ("rpc", r#"{"mode": "lie", "deal": 5}"#, "healthy"),
        ("rpc", r#"{"mode": "lie", "deal": 5, "as": "fine"}"#, "healthy"),
        ("rpc", r#"{"mode": "down", "node": 1}"#, "there is no node 1"),
        ("reorg", r#"{"depth": 31}"#, "final"),
        ("reorg", r#"{"depth": 0}"#, "depth is 0"),
        ("reorg", r#"{"depth": -1}"#, "-1"),
        ("reorg", "", "EOF"),
        ("finality", "{}", "missing field `stalled`"),
        ("plant", r#"{"provider": "t01000", "start": 6300100}"#, "missing field `end`"),
        ("plant", r#"{"provider": "t09999", "start": 6300100, "end": 6400000}"#, "providers"),
        ("plant", r#"{"provider": "t01000", "start": 5, "end": 6400000}"#, "from 6300000 on"),
        ("plant", r#"{"provider": "t01000", "start": 6300100, "end": 6300100}"#, "after its start"),
        (
            "plant",
            r#"{"provider": "t01000", "start": 6300100, "end": 6400000, "activate": 6300101}"#,
            "up to the start",
        ),
        (
            "plant",
            r#"{"provider": "t01000", "start": 6300100, "end": 6400000, "deadline": 48}"#,
            "0 to 47",
        ),
        (
            "plant",
            r#"{"provider": "t01000", "start": 6300100, "end": 6400000, "piece_size": 512}"#,
            "write both or neither",
        ),
        ("providers/t01000/sectors/5/terminate", "", "no sector 5"),
        ("providers/t01000/sectors/five/terminate", "", "no sector number"),
        ("providers/t01000/sectors/5/sing", "", "declare_fault"),
        ("providers/t09999/sectors/5/recover", "", "GET /devnet/providers"),
        ("providers/t01000/deadlines/x/compact", "", "0 to 47"),
        ("providers/t01000/deadlines/48/compact", "", "0 to 47"),
        ("deals/x/settle", "", "no deal id"),
        ("deals/5/settle", "", "GET /devnet/deals"),
    ] {
        let (status, answer) = lab.post(path, body).await;
        let error = answer["error"].as_str().unwrap();
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert!(error.contains(reason), "{path} {body}: {error}");
    }
    assert_eq!(lab.devnet.head().epoch.get(), 6_300_000);
    assert_eq!(lab.devnet.rpc_mode(), RpcMode::Ok);
}

#[tokio::test]
async fn an_exact_world_is_built_by_requests() {
    let lab = Lab::with(|config| {
        config.null_every = 0;
        config.period_start = Some(6_300_000);
    })
    .await;
    let piece = "baga6ea4seaqn42av3szurbbscwuu3zjssvfwbpsvbjf6y3tukvlgl2nf5rha6pa";
    let body = json!({
        "provider": "t01001", "start": 6_300_100, "end": 6_400_000, "activate": 6_300_000,
        "deadline": 42, "piece": piece, "piece_size": 1_024,
    });
    let (status, planted) = lab.post("plant", body.to_string()).await;
    assert_eq!((status, &planted), (200, &json!({"deal": 100_000})));
    let deal = lab.get("deals").await[0].clone();
    assert_eq!((&deal["piece"], &deal["piece_size"]), (&json!(piece), &json!(1_024)));
    assert_eq!((&deal["published"], &deal["activated"]), (&json!(6_300_000), &json!(6_300_000)));
    let sector = deal["sector"].as_u64().unwrap();
    lab.post("advance", r#"{"epochs": 3000}"#).await;

    let path = format!("providers/t01001/sectors/{sector}");
    let (status, provider) = lab.post(&format!("{path}/declare_fault"), "").await;
    assert_eq!((status, &provider["faulty_sectors"]), (200, &json!(1)));
    lab.post("advance", r#"{"epochs": 1}"#).await;
    assert_eq!(lab.get("deals").await[0]["fault_since"], 6_305_459);
    assert_eq!(lab.post(&format!("{path}/recover"), "").await.0, 200);
    lab.post("advance", r#"{"epochs": 2880}"#).await;
    assert_eq!(lab.get("deals").await[0]["fault_since"], Value::Null);
    let (status, provider) = lab.post(&format!("{path}/lose_dispute"), "").await;
    assert_eq!((status, &provider["faulty_sectors"]), (200, &json!(1)));
    lab.post("advance", r#"{"epochs": 1}"#).await;
    assert_eq!(lab.get("deals").await[0]["fault_since"], 6_305_459);
    let (status, provider) =
        lab.post(&format!("{path}/terminate"), r#"{"swallow_deal": true}"#).await;
    assert_eq!((status, &provider["live_sectors"]), (200, &json!(0)));
    assert_eq!(lab.post("providers/t01001/deadlines/42/compact", "").await.0, 200);
    assert_eq!(lab.get("deals").await[0]["state"], "terminated");

    lab.post("advance", r#"{"epochs": 1}"#).await;
    let before = lab.get("head").await;
    let (status, stalled) = lab.post("finality", r#"{"stalled": true}"#).await;
    assert_eq!((status, &stalled["finalized"]), (200, &before["finalized"]));
    lab.post("advance", r#"{"epochs": 50}"#).await;
    let head = lab.get("head").await;
    assert_eq!(head["finalized"], before["finalized"]);
    let (status, forked) = lab.post("reorg", r#"{"depth": 60}"#).await;
    assert_eq!((status, &forked["head"]), (200, &head["head"]));
    assert_ne!(forked["key"], head["key"]);
}

#[tokio::test]
async fn an_uploaded_file_becomes_a_deal_in_the_ground_truth() {
    let lab = Lab::start().await;
    let part = reqwest::multipart::Part::bytes(b"hello world\n".to_vec()).file_name("hello.txt");
    let form = reqwest::multipart::Form::new().part("file", part);
    let url = format!("{}/api/v0/add?cid-version=1", lab.devnet.urls().aggregator.upload);
    let added: Value =
        lab.http.post(url).multipart(form).send().await.unwrap().json().await.unwrap();
    let cid = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    assert_eq!(added["Hash"], cid);
    assert_eq!(lab.get("deals").await, json!([]));

    lab.post("advance", r#"{"epochs": 70}"#).await;
    let deals = lab.get("deals").await;
    assert_eq!(deals.as_array().unwrap().len(), 1);
    let deal = &deals[0];
    assert_eq!((&deal["id"], &deal["state"]), (&json!(100_000), &json!("published")));
    assert_eq!((&deal["sector"], &deal["activated"]), (&Value::Null, &Value::Null));
    assert_eq!(deal["cids"], json!([cid]));

    lab.post("advance", r#"{"epochs": 70}"#).await;
    let deal = lab.get("deals").await[0].clone();
    assert_eq!((&deal["state"], &deal["unproven"]), (&json!("active"), &json!(true)));
    assert!(deal["sector"].is_u64());
    let provider = deal["provider"].as_str().unwrap();
    assert!(provider.starts_with("t010"), "{provider}");
    assert!(deal["piece"].as_str().unwrap().starts_with("baga6ea4sea"));
    assert!(deal["piece_size"].as_u64().unwrap().is_power_of_two());
    let read: crate::DealTruth = serde_json::from_value(deal.clone()).unwrap();
    assert_eq!(read.piece.cid.to_string(), deal["piece"]);
    assert_eq!(read.piece.size.get(), deal["piece_size"]);
    assert_eq!(serde_json::to_value(read).unwrap(), deal);

    lab.post(&format!("providers/{provider}/fault"), "").await;
    lab.post("advance", r#"{"epochs": 5760}"#).await;
    let deal = lab.get("deals").await[0].clone();
    assert_eq!(deal["state"], "faulty");
    assert!(deal["fault_since"].is_i64());
    lab.post(&format!("providers/{provider}/terminate"), "").await;
    assert_eq!(lab.get("deals").await[0]["state"], "terminated");

    let stats = lab.get("stats").await;
    assert!(stats["http"]["aggregator"].as_object().unwrap().values().any(|n| n == 1), "{stats}");
    assert_eq!(stats["calls"], json!({}));
}

#[tokio::test]
async fn impossible_settings_are_refused_at_the_start() {
    let dir = TempDir::new().unwrap();
    let start = async |set: fn(&mut DevnetConfig)| {
        let mut config = DevnetConfig::new(dir.path());
        set(&mut config);
        Devnet::start(config).await.unwrap_err()
    };
    for (error, word) in [
        (start(|config| config.providers = 0).await, "providers"),
        (start(|config| config.nodes.clear()).await, "nodes"),
        (start(|config| config.null_every = 1).await, "null_every"),
        (start(|config| config.start_epoch = raas_types::ChainEpoch::GENESIS).await, "start_epoch"),
        (start(|config| config.funded = [0; 32]).await, "key"),
        (start(|config| config.sealing_epochs = raas_types::EpochDelta::new(-1)).await, "sealing"),
    ] {
        assert!(matches!(error, DevnetError::Config(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn shutting_down_or_dropping_it_frees_the_port() {
    let Lab { devnet, http, dir } = Lab::start().await;
    let base = devnet.urls().base.clone();
    http.get(format!("{base}/devnet/head")).send().await.unwrap();
    devnet.shutdown().await;
    assert!(reqwest::get(format!("{base}/devnet/head")).await.is_err());

    let devnet = Devnet::start(DevnetConfig::new(dir.path())).await.unwrap();
    let base = devnet.urls().base.clone();
    drop(devnet);
    // The server notices at its next turn.
    while reqwest::get(format!("{base}/devnet/head")).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
