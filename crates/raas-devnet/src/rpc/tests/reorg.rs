//! Reorganisations and finality as a client meets them.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Bytes, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};

use super::*;

/// A signed transaction that makes a contract which logs nothing and does nothing.
fn transaction(lab: &Lab, nonce: u64) -> Bytes {
    let key = PrivateKeySigner::from_slice(&lab.devnet.funded_key()).unwrap();
    let tx = TxEip1559 {
        chain_id: crate::CHAIN_ID,
        nonce,
        gas_limit: 1_000_000_000,
        max_fee_per_gas: 1_000_000,
        max_priority_fee_per_gas: 100_000,
        to: TxKind::Create,
        value: U256::ZERO,
        access_list: Default::default(),
        // LOG0 of nothing, then an empty contract.
        input: vec![0x60, 0, 0x60, 0, 0xa0, 0x60, 0, 0x60, 0, 0xf3].into(),
    };
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

#[tokio::test]
async fn keys_and_hashes_of_orphaned_tipsets_are_unknown() {
    let lab = Lab::with(|_| {}).await;
    lab.devnet.advance(100).await;
    let old = lab.result("Filecoin.ChainHead", json!([])).await;
    let block = lab.result("eth_getBlockByNumber", json!(["latest", false])).await;
    let below = lab.now() - 30;
    let kept = lab.result("Filecoin.ChainGetTipSetByHeight", json!([below, null])).await;

    let head = lab.devnet.reorg(20).unwrap();
    let new = lab.result("Filecoin.ChainHead", json!([])).await;
    assert_ne!(new["Cids"], old["Cids"]);
    assert_eq!(new["Height"], head.head.get());
    assert!(head.head.get() >= old["Height"].as_i64().unwrap());
    let (code, text) = lab.error("Filecoin.ChainGetTipSet", json!([old["Cids"]])).await;
    assert!(code == 1 && text.contains("could not find"), "{code} {text}");
    let params = json!([7, old["Cids"]]);
    let (_, text) = lab.error("Filecoin.StateMarketStorageDeal", params).await;
    assert!(text.contains("could not find"), "{text}");
    let (_, text) = lab.error("eth_getBlockByHash", json!([block["hash"], false])).await;
    assert!(text.contains("not found"), "{text}");
    let again = lab.result("Filecoin.ChainGetTipSet", json!([kept["Cids"]])).await;
    assert_eq!(again, kept, "below the fork all is as it was");
}

#[tokio::test]
async fn the_parents_of_the_new_fork_lead_to_the_old_chain() {
    let lab = Lab::with(|config| config.null_every = 3).await;
    lab.devnet.advance(100).await;
    let now = lab.now();
    lab.devnet.reorg(25).unwrap();
    let mut tipset = lab.result("Filecoin.ChainHead", json!([])).await;
    assert_eq!(tipset["Height"], now, "the head of a fork is not null");
    while tipset["Height"].as_i64().unwrap() > now - 40 {
        let parents = tipset["Blocks"][0]["Parents"].clone();
        tipset = lab.result("Filecoin.ChainGetTipSet", json!([parents])).await;
    }
}

#[tokio::test]
async fn a_transaction_of_an_orphaned_tipset_waits_and_is_executed_again() {
    let lab = Lab::exact().await;
    lab.devnet.advance(10).await;
    let hash = lab.result("eth_sendRawTransaction", json!([transaction(&lab, 0)])).await;
    lab.devnet.advance(3).await;
    let receipt = lab.result("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
    let contract = receipt["contractAddress"].clone();
    let logs = json!([{"fromBlock": format!("{:#x}", lab.now() - 10)}]);
    assert_eq!(lab.result("eth_getLogs", logs.clone()).await.as_array().unwrap().len(), 1);

    lab.devnet.reorg(5).unwrap();
    assert_eq!(lab.result("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(lab.result("eth_getLogs", logs.clone()).await, json!([]));
    let waiting = lab.result("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["hash"], &waiting["blockHash"]), (&hash, &Value::Null));
    let account = &receipt["from"];
    let nonce = lab.result("eth_getTransactionCount", json!([account, "latest"])).await;
    assert_eq!(nonce, "0x0");

    lab.devnet.advance(2).await;
    let again = lab.result("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&again["status"], &again["contractAddress"]), (&json!("0x1"), &contract));
    assert_ne!(again["blockHash"], receipt["blockHash"]);
    assert_eq!(lab.result("eth_getLogs", logs).await.as_array().unwrap().len(), 1);
    let nonce = lab.result("eth_getTransactionCount", json!([account, "latest"])).await;
    assert_eq!(nonce, "0x1");
}

#[tokio::test]
async fn a_deal_of_an_orphaned_tipset_is_gone_and_comes_back() {
    let lab = Lab::exact().await;
    lab.devnet.advance(10).await;
    let deal = lab.publish();
    lab.devnet.advance(5).await;
    assert!(lab.deal_at(deal, &Value::Null).await.is_ok());
    lab.devnet.reorg(10).unwrap();
    assert_eq!(lab.deal_at(deal, &Value::Null).await, Err(not_found(deal)));
    let state = lab.result("Filecoin.StateReadState", json!(["f05", null])).await;
    assert_eq!(state["State"]["NextID"], deal, "as if it had never been published");
    lab.devnet.advance(2).await;
    assert!(lab.deal_at(deal, &Value::Null).await.is_ok());
}

#[tokio::test]
async fn nothing_final_is_reorganised() {
    let lab = Lab::exact().await;
    lab.devnet.advance(100).await;
    let error = lab.devnet.reorg(31).unwrap_err().to_string();
    assert!(error.contains("write 1 to 30"), "{error}");
    let before = lab.result("Filecoin.ChainGetFinalizedTipSet", json!([])).await;
    lab.devnet.reorg(30).unwrap();
    assert_eq!(lab.result("Filecoin.ChainGetFinalizedTipSet", json!([])).await, before);
}

#[tokio::test]
async fn stalled_finality_stands_still_in_both_families_of_methods() {
    let lab = Lab::exact().await;
    lab.devnet.advance(100).await;
    let stood = lab.now() - 30;
    let finalized = async || {
        let tipset = lab.result("Filecoin.ChainGetFinalizedTipSet", json!([])).await;
        let block = lab.result("eth_getBlockByNumber", json!(["finalized", false])).await;
        let safe = lab.result("eth_getBlockByNumber", json!(["safe", false])).await;
        let number = |block: &Value| {
            let text = block["number"].as_str().unwrap().trim_start_matches("0x").to_owned();
            i64::from_str_radix(&text, 16).unwrap()
        };
        (tipset["Height"].as_i64().unwrap(), number(&block), number(&safe))
    };
    assert_eq!(finalized().await, (stood, stood, stood));
    let head = lab.devnet.stall_finality(true);
    assert_eq!(head.finalized.get(), stood);
    lab.devnet.advance(500).await;
    assert_eq!(finalized().await, (stood, stood, lab.now() - 200), "safe is 200 behind at most");
    lab.devnet.advance(1_000).await;
    let fallback = lab.now() - 900;
    assert_eq!(finalized().await, (fallback, fallback, lab.now() - 200));
    lab.devnet.stall_finality(false);
    let healthy = lab.now() - 30;
    assert_eq!(finalized().await, (healthy, healthy, healthy));
}
