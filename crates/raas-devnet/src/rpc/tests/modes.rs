//! The ways in which a node fails its clients, and that it recovers from each.

use std::time::{Duration, Instant};

use super::*;
use crate::{Lie, NodeConfig};

/// Four calls with ids 0 to 3.
async fn batch(lab: &Lab) -> Vec<Value> {
    let (status, text) = lab.post(batch_of(4).to_string()).await;
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

fn ids(answers: &[Value]) -> Vec<Value> {
    answers.iter().map(|answer| answer["id"].clone()).collect()
}

#[tokio::test]
async fn a_hanging_node_answers_when_it_stops_hanging() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Hang);
    let (url, http) = (lab.devnet.urls().lotus.clone(), lab.http.clone());
    let asked = tokio::spawn(http.post(url).body(batch_of(1).to_string()).send());
    while lab.devnet.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished());
    assert!(lab.devnet.stats().calls.is_empty(), "it has not looked at the request");
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_hanging_node_does_not_hold_up_the_end() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Hang);
    let (url, http) = (lab.devnet.urls().lotus.clone(), lab.http.clone());
    let asked = tokio::spawn(http.post(url).body(batch_of(1).to_string()).send());
    while lab.devnet.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    let before = Instant::now();
    lab.devnet.shutdown().await;
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    assert!(asked.await.unwrap().is_ok_and(|answer| answer.status() == 503));
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_hanging_node_can_ask_again() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Hang);
    let request = lab.http.post(&lab.devnet.urls().lotus).body(batch_of(1).to_string());
    let given_up = request.timeout(Duration::from_millis(50)).send().await;
    assert!(given_up.unwrap_err().is_timeout());
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert_eq!(batch(&lab).await.len(), 4);
}

#[tokio::test]
async fn a_slow_node_answers_no_sooner_than_it_says() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Slow { milliseconds: 60 });
    let before = Instant::now();
    assert_eq!(batch(&lab).await.len(), 4);
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn garbage_is_a_success_without_json() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Garbage);
    let request = lab.http.post(&lab.devnet.urls().lotus).body(batch_of(1).to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let bytes = response.bytes().await.unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
    assert!(serde_json::from_slice::<Value>(&bytes).is_err());
}

#[tokio::test]
async fn half_a_batch_is_answered_and_a_single_call_whole() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::HalfBatches);
    assert_eq!(ids(&batch(&lab).await), [0, 2]);
    assert_eq!(lab.result("Filecoin.StateNetworkName", json!([])).await, "devnet");
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_comes() {
    let lab = Lab::exact().await;
    let whole = lab.post(batch_of(50).to_string()).await.1;
    lab.devnet.set_rpc_mode(RpcMode::Truncated);
    let request = lab.http.post(&lab.devnet.urls().lotus).body(batch_of(50).to_string());
    let mut response = request.send().await.unwrap();
    assert_eq!(response.content_length(), Some(whole.len() as u64));
    let mut got = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => got.extend(chunk),
            end => break end,
        }
    };
    assert!(end.is_err(), "the connection breaks off");
    assert_eq!(got, whole.as_bytes()[..whole.len() / 2]);
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert_eq!(batch(&lab).await.len(), 4);
}

#[tokio::test]
async fn wrong_ids_are_ids_that_nobody_sent() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::WrongIds);
    let answers = batch(&lab).await;
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| answer["id"].as_u64().unwrap() > 3));
    let call = json!({"jsonrpc": "2.0", "id": "me", "method": "Filecoin.Version", "params": []});
    let (_, text) = lab.post(call.to_string()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_ne!(answer["id"], "me");
}

#[tokio::test]
async fn swapped_replies_are_all_there_in_another_order() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Swapped);
    assert_eq!(ids(&batch(&lab).await), [3, 2, 1, 0]);
}

#[tokio::test]
async fn a_busy_node_says_when_to_come_again() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::TooManyRequests { retry_after: 7 });
    let request = lab.http.post(&lab.devnet.urls().lotus).body(batch_of(1).to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(lab.devnet.stats().refused, 1);
}

#[tokio::test]
async fn a_forked_node_knows_none_of_the_others_tipsets_above_the_fork() {
    let lab = Lab::with(|config| config.nodes = vec![NodeConfig::default(); 2]).await;
    let deal = lab.publish();
    lab.devnet.advance(100).await;
    let since = lab.now() - 10;
    lab.devnet.set_node_mode(1, RpcMode::Forked { since }).unwrap();
    let head = async |node: usize| {
        lab.ask(node, "Filecoin.ChainHead", json!([])).await.1["result"].clone()
    };
    let latest = async |node: usize| {
        let params = json!(["latest", false]);
        lab.ask(node, "eth_getBlockByNumber", params).await.1["result"]["hash"].clone()
    };
    let (good, forked) = (head(0).await, head(1).await);
    assert_eq!(good["Height"], forked["Height"]);
    assert_ne!(good["Cids"], forked["Cids"]);
    let hashes = (latest(0).await, latest(1).await);
    assert_ne!(hashes.0, hashes.1);
    let of_deal = "Filecoin.StateMarketStorageDeal";
    for (node, own, others, hash) in
        [(0, &good, &forked, &hashes.1), (1, &forked, &good, &hashes.0)]
    {
        let (_, answer) = lab.ask(node, of_deal, json!([deal, own["Cids"]])).await;
        assert!(answer["result"].is_object(), "{answer}");
        let (_, answer) = lab.ask(node, of_deal, json!([deal, others["Cids"]])).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("could not find"));
        let (_, answer) = lab.ask(node, "eth_getBlockByHash", json!([hash, false])).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("not found"));
    }
    let shared = json!([since - 20, null]);
    let method = "Filecoin.ChainGetTipSetByHeight";
    assert_eq!(lab.ask(0, method, shared.clone()).await, lab.ask(1, method, shared).await);
    lab.devnet.set_node_mode(1, RpcMode::Ok).unwrap();
    assert_eq!(head(1).await, good);
}

#[tokio::test]
async fn requests_at_once_and_long_batches_are_counted() {
    let lab = Lab::exact().await;
    lab.devnet.set_rpc_mode(RpcMode::Hang);
    let asked: Vec<_> = (0..3)
        .map(|_| {
            let request = lab.http.post(&lab.devnet.urls().lotus).body(batch_of(7).to_string());
            tokio::spawn(request.send())
        })
        .collect();
    while lab.devnet.stats().requests < 3 {
        tokio::task::yield_now().await;
    }
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    for request in asked {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    batch(&lab).await;
    let stats = lab.devnet.stats();
    assert_eq!((stats.most_at_once, stats.longest_batch, stats.requests), (3, 7, 4));
}

#[tokio::test]
async fn another_network_tells_so_by_name_chain_id_and_genesis_only() {
    let lab = Lab::exact().await;
    lab.devnet.advance(10).await;
    let methods = [
        "Filecoin.StateNetworkName",
        "Filecoin.StateGetNetworkParams",
        "Filecoin.ChainGetGenesis",
        "eth_chainId",
        "net_version",
    ];
    let mut own = Vec::new();
    for method in methods {
        own.push(lab.result(method, json!([])).await);
    }
    let head = lab.result("Filecoin.ChainHead", json!([])).await;
    lab.devnet.set_rpc_mode(RpcMode::OtherNetwork);
    for (method, own) in methods.into_iter().zip(own) {
        assert_ne!(lab.result(method, json!([])).await, own, "{method}");
    }
    let params = lab.result("Filecoin.StateGetNetworkParams", json!([])).await;
    assert_eq!(lab.result("Filecoin.StateNetworkName", json!([])).await, params["NetworkName"]);
    assert_eq!(lab.result("eth_chainId", json!([])).await, "0x1df5e77");
    assert_eq!(params["Eip155ChainID"], 31_415_927);
    let genesis = lab.result("Filecoin.ChainGetGenesis", json!([])).await;
    assert_eq!(genesis["Blocks"][0]["Timestamp"], params["GenesisTimestamp"]);
    let first = lab.result("Filecoin.ChainGetTipSetByHeight", json!([0, null])).await;
    assert_eq!(first, genesis);
    assert_eq!(lab.result("Filecoin.ChainHead", json!([])).await, head);
}

/// What a node says of a deal's provider and of its sector: in the partition's faulty, live and
/// active sets, when it leaves, and by the status byte of the miner actor.
async fn told(lab: &Lab, proven: &Proven) -> Result<(Value, [bool; 3], Value, u8), String> {
    let params = json!([proven.deal, null]);
    let (_, answer) = lab.call("Filecoin.StateMarketStorageDeal", params).await;
    if let Some(error) = answer["error"]["message"].as_str() {
        return Err(error.to_owned());
    }
    let partition = lab.partition_at(proven, &Value::Null).await;
    let sets = ["FaultySectors", "LiveSectors", "ActiveSectors"];
    let sets = sets.map(|set| partition[set] == only(proven.sector));
    let params = json!([MINER, proven.sector, null]);
    let (_, expiration) = lab.call("Filecoin.StateSectorExpiration", params).await;
    let location = lab.result("Filecoin.StateCall", location_of(proven.sector)).await;
    let bytes = location["MsgRct"]["Return"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, bytes).unwrap();
    let early = expiration["result"]["Early"].clone();
    Ok((answer["result"]["Proposal"]["Provider"].clone(), sets, early, bytes[1]))
}

fn lie(proven: &Proven, as_: Lie) -> RpcMode {
    RpcMode::Lie { deal: DealId::new(proven.deal), as_ }
}

#[tokio::test]
async fn a_liar_says_all_it_is_told_to_of_one_deal() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let truth = told(&lab, &proven).await.unwrap();
    assert_eq!(truth, (json!(MINER), [false, true, true], json!(0), 1));

    lab.devnet.set_rpc_mode(lie(&proven, Lie::Missing));
    assert_eq!(told(&lab, &proven).await, Err(not_found(proven.deal)));
    lab.devnet.set_rpc_mode(lie(&proven, Lie::Elsewhere));
    assert_eq!(told(&lab, &proven).await.unwrap().0, "t01003");
    lab.devnet.set_rpc_mode(lie(&proven, Lie::Dead));
    let dead = told(&lab, &proven).await.unwrap();
    assert_eq!((dead.1, dead.2, dead.3), ([false; 3], Value::Null, 0));
    lab.devnet.set_rpc_mode(lie(&proven, Lie::Faulty));
    let faulty = told(&lab, &proven).await.unwrap();
    assert_eq!((faulty.1, faulty.3), ([true, true, false], 2));
    let early = faulty.2.as_i64().unwrap();
    let missed = early - 120_960;
    assert!(missed < lab.now() && missed >= lab.now() - 2_880, "the last that closed: {missed}");
    assert_eq!((missed - proven.last).rem_euclid(2_880), 0);
    let faults = lab.result("Filecoin.StateMinerFaults", json!([MINER, null])).await;
    assert_eq!(faults, only(proven.sector));

    lab.devnet.set_rpc_mode(RpcMode::Lie { deal: DealId::new(proven.deal + 1), as_: Lie::Dead });
    assert_eq!(told(&lab, &proven).await.unwrap(), truth, "not of other deals");
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert_eq!(told(&lab, &proven).await.unwrap(), truth);
}

#[tokio::test]
async fn a_liar_calls_a_faulty_and_even_a_terminated_sector_healthy() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let healthy = told(&lab, &proven).await.unwrap();
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(proven.last + 2).await;
    assert_eq!(told(&lab, &proven).await.unwrap().3, 2);
    lab.devnet.set_rpc_mode(lie(&proven, Lie::Healthy));
    assert_eq!(told(&lab, &proven).await.unwrap(), healthy);
    lab.devnet.control_provider(PROVIDER, ProviderAction::Terminate).unwrap();
    lab.devnet.advance(2).await;
    assert_eq!(told(&lab, &proven).await.unwrap(), healthy);
    lab.devnet.set_rpc_mode(RpcMode::Ok);
    assert_eq!(told(&lab, &proven).await, Err(not_found(proven.deal)));
}

#[tokio::test]
async fn each_node_fails_for_itself() {
    let lab = Lab::with(|config| config.nodes = vec![NodeConfig::default(); 2]).await;
    lab.devnet.set_node_mode(1, RpcMode::Down).unwrap();
    assert_eq!(
        (lab.devnet.node_mode(0), lab.devnet.node_mode(1)),
        (Some(RpcMode::Ok), Some(RpcMode::Down))
    );
    assert_eq!(lab.ask(0, "Filecoin.StateNetworkName", json!([])).await.0, 200);
    let url = lab.devnet.urls().nodes[1].clone();
    assert_eq!(lab.post_to(&url, "{}").await, (503, String::new()));
    assert_eq!(lab.devnet.node_stats(1).unwrap().refused, 1);
    let error = lab.devnet.set_node_mode(2, RpcMode::Ok).unwrap_err();
    assert_eq!(error.to_string(), "there is no node 2: write a number below 2");
}
