//! A lotus-gateway: its token, its methods, its day of look-back.

use super::{
    dialects::{GATEWAY, LOTUS, three, with_token},
    *,
};
use crate::NodeKind;

#[tokio::test]
async fn a_gateway_asks_for_the_token_it_has_and_ignores_others() {
    let lab = with_token(NodeKind::Gateway).await;
    let call = batch_of(1).to_string();
    let post = || lab.http.post(&lab.devnet.urls().lotus).body(call.clone());
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(post()).await, 401);
    assert_eq!(status(post().bearer_auth("wrong")).await, 401);
    assert_eq!(status(post().bearer_auth("letmein")).await, 200);
    let lab = three().await;
    let request = lab.http.post(&lab.devnet.urls().nodes[GATEWAY]).body(call.clone());
    assert_eq!(status(request.bearer_auth("whatever")).await, 200);
}

#[tokio::test]
async fn a_gateway_has_the_methods_of_a_gateway_only() {
    let lab = three().await;
    let proven = lab.proven().await;
    for method in [
        "StateSectorPartition",
        "StateSectorExpiration",
        "StateMinerPartitions",
        "StateMinerFaults",
        "StateMinerRecoveries",
        "StateMinerSectors",
        "StateMinerActiveSectors",
        "SyncState",
        "AuthNew",
    ] {
        let method = format!("Filecoin.{method}");
        let (status, answer) = lab.ask(GATEWAY, &method, json!([MINER, null])).await;
        let text = format!("method '{method}' not found");
        let expected = json!({"code": -32601, "message": text});
        assert_eq!((status, &answer["error"]), (500, &expected));
    }
    for (method, params) in [
        ("Filecoin.StateMarketStorageDeal", json!([proven.deal, null])),
        ("Filecoin.StateReadState", json!(["f05", null])),
        ("Filecoin.StateSectorGetInfo", json!([MINER, proven.sector, null])),
        ("Filecoin.StateMinerProvingDeadline", json!([MINER, null])),
        ("Filecoin.StateMinerInfo", json!([MINER, null])),
        ("Filecoin.StateNetworkName", json!([])),
        ("Filecoin.StateNetworkVersion", json!([null])),
        ("Filecoin.ChainGetFinalizedTipSet", json!([])),
        ("Filecoin.StateLookupID", json!([MINER, null])),
        ("Filecoin.StateCall", location_of(proven.sector)),
        ("eth_blockNumber", json!([])),
        ("eth_getLogs", json!([{"fromBlock": "latest"}])),
    ] {
        let gateway = lab.ask(GATEWAY, method, params.clone()).await;
        assert_eq!(gateway, lab.ask(LOTUS, method, params).await, "{method}");
        assert!(gateway.1.get("result").is_some(), "{method}: {}", gateway.1);
    }
}

#[tokio::test]
async fn a_gateway_looks_back_a_day_and_not_an_epoch_more() {
    let lab = three().await;
    lab.devnet.advance(5_000).await;
    let now = lab.now();
    let (oldest, older) = (now - 2_880, now - 2_881);
    let too_old = |what: &str| json!({"code": 1, "message": format!("{what}: lookbacks of more than 24h0m0s are disallowed")});
    let deal = "Filecoin.StateMarketStorageDeal";
    let by_height = "Filecoin.ChainGetTipSetByHeight";
    let key = lab.key_at(oldest).await;
    let (_, answer) = lab.ask(GATEWAY, deal, json!([1, key])).await;
    assert_eq!(answer["error"]["message"], not_found(1));
    let (_, answer) = lab.ask(GATEWAY, by_height, json!([oldest, null])).await;
    assert_eq!(answer["result"]["Height"], oldest);

    let key = lab.key_at(older).await;
    let (status, answer) = lab.ask(GATEWAY, deal, json!([1, key])).await;
    assert_eq!((status, &answer["error"]), (200, &too_old("bad tipset")));
    let (_, answer) = lab.ask(GATEWAY, by_height, json!([older, null])).await;
    assert_eq!(answer["error"], too_old("bad tipset height"));
    let (_, answer) = lab.ask(GATEWAY, by_height, json!([now + 1, null])).await;
    assert_eq!(answer["error"]["message"], "tipset height in future");
    let (_, answer) = lab.ask(GATEWAY, deal, json!([1, [{"/": PIECE}]])).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("could not find"));

    let hex = |epoch: i64| format!("{epoch:#x}");
    let call = json!({"to": "0x0000000000000000000000000000000000000001", "data": "0x"});
    for (block, refused) in [
        (json!("latest"), false),
        (json!(hex(oldest)), false),
        (json!(hex(older)), true),
        // A flaw of the real one: it takes the tag for epoch 0.
        (json!("finalized"), true),
    ] {
        let (_, answer) = lab.ask(GATEWAY, "eth_call", json!([call, block])).await;
        let error = if refused { too_old("bad tipset height") } else { Value::Null };
        assert_eq!(answer["error"], error, "{block}");
        let (_, answer) = lab.ask(LOTUS, "eth_call", json!([call, block])).await;
        assert_eq!(answer["error"], Value::Null, "{block}");
    }
    let logs = |from: i64| json!([{"fromBlock": hex(from), "toBlock": hex(from + 5)}]);
    let (_, answer) = lab.ask(GATEWAY, "eth_getLogs", logs(oldest)).await;
    assert_eq!(answer["result"], json!([]));
    let (_, answer) = lab.ask(GATEWAY, "eth_getLogs", logs(older)).await;
    assert_eq!(answer["error"], too_old("bad tipset height"));
    let (_, block) = lab.ask(LOTUS, "eth_getBlockByNumber", json!([hex(older), false])).await;
    let pinned = json!([call, {"blockHash": block["result"]["hash"]}]);
    let (_, answer) = lab.ask(GATEWAY, "eth_call", pinned).await;
    assert_eq!(answer["error"], too_old("bad tipset"));
}
