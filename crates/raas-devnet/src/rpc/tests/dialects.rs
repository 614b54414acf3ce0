//! Three kinds of nodes over one world, each as its kind answers.

use super::*;
use crate::{NodeConfig, NodeKind};

pub(super) const LOTUS: usize = 0;
const FOREST: usize = 1;
pub(super) const GATEWAY: usize = 2;

pub(super) async fn three() -> Lab {
    Lab::with(|config| {
        config.null_every = 0;
        let kinds = [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway];
        config.nodes = kinds.map(|kind| NodeConfig { kind, token: None }).to_vec();
    })
    .await
}

pub(super) async fn with_token(kind: NodeKind) -> Lab {
    Lab::with(|config| {
        config.nodes = vec![NodeConfig { kind, token: Some("letmein".to_owned()) }];
    })
    .await
}

#[tokio::test]
async fn all_nodes_show_the_same_world_and_count_for_themselves() {
    let lab = three().await;
    let deal = lab.publish();
    lab.devnet.advance(10).await;
    let mut told = Vec::new();
    for node in [LOTUS, FOREST, GATEWAY] {
        let params = json!([deal, null]);
        told.push(lab.ask(node, "Filecoin.StateMarketStorageDeal", params).await);
    }
    assert_eq!(told[0].0, 200);
    assert!(told[0].1["result"].is_object());
    assert_eq!((&told[1], &told[2]), (&told[0], &told[0]));
    lab.ask(GATEWAY, "Filecoin.ChainHead", json!([])).await;
    let counts: Vec<_> =
        [LOTUS, FOREST, GATEWAY].map(|node| lab.devnet.node_stats(node).unwrap().requests).into();
    assert_eq!(counts, [1, 1, 2]);
    assert_eq!(lab.devnet.stats().requests, 1);
    assert_eq!(lab.devnet.node_stats(3), None);
}

#[tokio::test]
async fn node_zero_has_two_addresses() {
    let lab = three().await;
    let (_, one) = lab.ask(LOTUS, "Filecoin.ChainHead", json!([])).await;
    let two = lab.result("Filecoin.ChainHead", json!([])).await;
    assert_eq!(one["result"], two);
    assert_eq!(lab.devnet.stats().calls["Filecoin.ChainHead"], 2);
    assert_eq!(lab.devnet.urls().nodes.len(), 3);
}

#[tokio::test]
async fn a_missing_deal_has_one_text_and_two_codes() {
    let lab = three().await;
    for (node, code) in [(LOTUS, 1), (FOREST, -32603), (GATEWAY, 1)] {
        let (status, answer) =
            lab.ask(node, "Filecoin.StateMarketStorageDeal", json!([7, null])).await;
        assert_eq!(status, 200);
        assert_eq!(answer["error"], json!({"code": code, "message": not_found(7)}));
    }
}

/// Word for word what a Forest node was recorded to say.
#[tokio::test]
async fn forest_words_its_errors_in_its_own_way() {
    let lab = three().await;
    let bad = "JSON-RPC error:\n\tcode: -32602\n\tmessage: ";
    let deal = "Filecoin.StateMarketStorageDeal";
    let unknown = json!([{"/": PIECE}]);
    for (method, params, code, text) in [
        ("Filecoin.NoSuchMethod", json!([]), -32601, "Method not found".to_owned()),
        ("Filecoin.SyncState", json!([]), -32601, "Method not found".to_owned()),
        ("eth_noSuch", json!([]), -32601, "Method not found".to_owned()),
        (
            deal,
            json!([0]),
            -32602,
            format!(
                "{bad}missing required parameter\n\tdata: {}\n",
                r#"{"index":1,"n_required":2,"name":"tipsetKey","type":"forest::lotus_json::LotusJson<forest::rpc::types::ApiTipsetKey>"}"#
            ),
        ),
        (
            deal,
            json!([]),
            -32602,
            format!(
                "{bad}missing required parameter\n\tdata: {}\n",
                r#"{"index":0,"n_required":2,"name":"dealId","type":"forest::lotus_json::LotusJson<u64>"}"#
            ),
        ),
        (
            deal,
            json!({"dealId": 0}),
            -32602,
            format!("{bad}this method only accepts arguments by-position\n"),
        ),
        (
            deal,
            json!([0, null, 1]),
            -32602,
            format!("{bad}unexpected trailing arguments\n\tdata: {{\"count\":1}}\n"),
        ),
        (deal, json!([0, unknown]), -32603, "Key for header not found".to_owned()),
        (
            "Filecoin.StateMinerInfo",
            json!(["t09999", null]),
            -32603,
            "Miner actor t09999 not found at epoch 6300000".to_owned(),
        ),
        (
            "Filecoin.StateMinerPartitions",
            json!([MINER, 48, null]),
            -32603,
            "ActorError(exit_code: ExitCode { value: 16 }, msg: invalid deadline index 48 of 48)"
                .to_owned(),
        ),
        (
            "Filecoin.StateSectorExpiration",
            json!([MINER, 5_000, null]),
            -32603,
            "sector 5000 not due at any deadline".to_owned(),
        ),
        (
            "eth_getBlockByNumber",
            json!(["0xffffff", false]),
            -32603,
            "requested a future epoch (beyond \"latest\")".to_owned(),
        ),
    ] {
        let (status, answer) = lab.ask(FOREST, method, params.clone()).await;
        assert_eq!(status, 200, "{method} {params}");
        assert_eq!(answer["error"], json!({"code": code, "message": text}), "{method} {params}");
    }
    let (_, answer) = lab.ask(FOREST, deal, json!(["0", null])).await;
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.starts_with(&format!("{bad}error deserializing parameter\n\tdata: ")), "{text}");
    assert!(text.contains("\"index\":0,\"name\":\"dealId\""), "{text}");
}

/// Likewise: single bodies and batches, most of them recorded.
#[tokio::test]
async fn forest_reads_requests_as_jsonrpsee_does() {
    let lab = three().await;
    let url = lab.devnet.urls().nodes[FOREST].clone();
    let parse =
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "Parse error"}});
    let invalid = |id: Value| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32600, "message": "Invalid request"}});
    let name = |id: Value| json!({"jsonrpc": "2.0", "id": id, "result": "devnet"});
    let call = |id: Value| json!({"jsonrpc": "2.0", "id": id, "method": "Filecoin.StateNetworkName", "params": []});
    let silent = json!({"jsonrpc": "2.0", "method": "Filecoin.StateNetworkName", "params": []});
    for (body, status, expected) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,".to_owned(), 200, parse.clone()),
        ("7".to_owned(), 400, parse.clone()),
        (String::new(), 400, parse),
        ("[]".to_owned(), 200, invalid(Value::Null)),
        ("[1, 2]".to_owned(), 200, json!([invalid(Value::Null), invalid(Value::Null)])),
        (json!({"id": 1, "method": "Filecoin.Version"}).to_string(), 200, invalid(json!(1))),
        (json!([silent, call(json!(2))]).to_string(), 200, json!([name(json!(2))])),
        (
            json!([call(json!(1)), call(json!(1))]).to_string(),
            200,
            json!([name(json!(1)), name(json!(1))]),
        ),
        (call(Value::Null).to_string(), 200, name(Value::Null)),
    ] {
        let (got, text) = lab.post_to(&url, body.clone()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((got, answer), (status, expected), "{body}");
    }
    let calls = lab.devnet.node_stats(FOREST).unwrap().calls["Filecoin.StateNetworkName"];
    assert_eq!(lab.post_to(&url, silent.to_string()).await, (200, String::new()));
    assert_eq!(lab.post_to(&url, json!([silent]).to_string()).await, (200, String::new()));
    let after = lab.devnet.node_stats(FOREST).unwrap().calls["Filecoin.StateNetworkName"];
    assert_eq!(after, calls, "notifications are not even run");

    let plain = lab.http.post(&url).body(call(json!(1)).to_string()).send().await.unwrap();
    assert_eq!(plain.status(), 415, "no content type is the wrong one");
}

#[tokio::test]
async fn forest_takes_a_hundred_entries_in_a_batch_and_the_others_take_more() {
    let lab = three().await;
    for (node, most) in [(LOTUS, 500), (FOREST, 100), (GATEWAY, 500)] {
        let url = lab.devnet.urls().nodes[node].clone();
        let (status, text) = lab.post_to(&url, batch_of(most).to_string()).await;
        let answers: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((status, answers.len()), (200, most));
        for (position, answer) in answers.iter().enumerate() {
            assert_eq!(answer["id"], position);
        }
    }
    let url = lab.devnet.urls().nodes[FOREST].clone();
    let (status, text) = lab.post_to(&url, batch_of(101).to_string()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "jsonrpc": "2.0", "id": null,
        "error": {
            "code": -32010, "message": "The batch request was too large",
            "data": "Exceeded max limit of 100",
        },
    });
    assert_eq!((status, answer), (200, expected));
    let calls = lab.devnet.node_stats(FOREST).unwrap().calls["Filecoin.StateNetworkName"];
    assert_eq!(calls, 100, "nothing of the refused batch was run");
}

#[tokio::test]
async fn an_empty_list_is_null_or_empty_by_method_and_kind() {
    let lab = three().await;
    for (method, params, lotus, forest) in [
        ("Filecoin.StateMinerPartitions", json!([MINER, 0, null]), Value::Null, json!([])),
        ("Filecoin.StateMinerSectors", json!([MINER, null, null]), Value::Null, Value::Null),
        ("Filecoin.StateMinerActiveSectors", json!([MINER, null]), Value::Null, Value::Null),
        ("eth_getLogs", json!([{}]), json!([]), json!([])),
    ] {
        let (_, answer) = lab.ask(LOTUS, method, params.clone()).await;
        assert_eq!(answer["result"], lotus, "lotus {method}");
        assert!(answer.get("error").is_none(), "{answer}");
        let (_, answer) = lab.ask(FOREST, method, params).await;
        assert_eq!(answer["result"], forest, "forest {method}");
        assert!(answer.get("error").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn sectors_are_listed_whole_or_by_bitfield() {
    let lab = three().await;
    let proven = lab.proven().await;
    let all = lab.result("Filecoin.StateMinerSectors", json!([MINER, null, null])).await;
    assert_eq!(all[0]["SectorNumber"], proven.sector);
    let params = json!([MINER, only(proven.sector), null]);
    assert_eq!(lab.result("Filecoin.StateMinerSectors", params).await, all);
    let params = json!([MINER, [0, proven.sector], null]);
    assert_eq!(lab.result("Filecoin.StateMinerSectors", params).await, Value::Null);
    assert_eq!(lab.result("Filecoin.StateMinerActiveSectors", json!([MINER, null])).await, all);
    let (code, _) = lab.error("Filecoin.StateMinerSectors", json!([MINER, [-1], null])).await;
    assert_eq!(code, -32700);
}

#[tokio::test]
async fn forest_knows_finalized_in_log_queries_and_lotus_does_not() {
    let lab = three().await;
    lab.devnet.advance(100).await;
    let params = json!([{"fromBlock": "finalized", "toBlock": "latest"}]);
    let (_, answer) = lab.ask(FOREST, "eth_getLogs", params.clone()).await;
    assert_eq!(answer["result"], json!([]));
    let (_, answer) = lab.ask(LOTUS, "eth_getLogs", params).await;
    assert_eq!(answer["error"]["message"], "FromBlock is not a hex");
}

#[tokio::test]
async fn full_nodes_let_anybody_read_and_nobody_in_with_a_bad_token() {
    for (kind, code, text) in [
        (NodeKind::Lotus, 1, "missing permission to invoke 'AuthNew' (need 'admin')"),
        (
            NodeKind::Forest,
            -32003,
            "missing permission to invoke 'Filecoin.AuthNew' (need 'admin')",
        ),
    ] {
        let lab = with_token(kind).await;
        let auth_new =
            json!({"jsonrpc": "2.0", "id": 1, "method": "Filecoin.AuthNew", "params": [["read"]]});
        let send = async |token: Option<&str>| {
            let mut request = lab.http.post(&lab.devnet.urls().lotus);
            request = request.header("content-type", "application/json");
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let response = request.body(auth_new.to_string()).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let (status, body) = send(None).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["error"]), (200, &json!({"code": code, "message": text})));
        let read = lab.ask(0, "Filecoin.ChainHead", json!([])).await;
        assert!(read.1["result"].is_object(), "no token is permission to read");
        for wrong in ["Bearer nonsense", "letmein", "Basic bGV0bWVpbg==", ""] {
            assert_eq!(send(Some(wrong)).await, (401, String::new()), "{kind:?} {wrong:?}");
        }
        let (status, body) = send(Some("Bearer letmein")).await;
        assert_eq!((status, body.contains("allowed with this token")), (200, true), "{body}");
        assert_eq!(lab.devnet.stats().refused, 4);
    }
}

#[tokio::test]
async fn a_state_call_carries_the_trace_of_its_execution() {
    let lab = three().await;
    let proven = lab.proven().await;
    for node in [LOTUS, FOREST, GATEWAY] {
        let (_, answer) = lab.ask(node, "Filecoin.StateCall", location_of(proven.sector)).await;
        let trace = &answer["result"]["ExecutionTrace"];
        assert!(trace["Subcalls"][0]["GasCharges"].is_array());
        let size = trace.to_string().len();
        assert!((10_000..30_000).contains(&size), "{size} bytes");
    }
}
