//! Calls, batches and errors as Lotus frames them, and a node that is late or down.

use super::*;

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
