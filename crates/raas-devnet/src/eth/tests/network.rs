//! Accounts, the pool, tipsets, and what the methods say of them.

use super::*;

/// Runtime code that stores the first word of its input and emits it as a log with one topic:
/// PUSH1 0 CALLDATALOAD DUP1 PUSH1 0 SSTORE PUSH1 0 MSTORE PUSH1 7 PUSH1 32 PUSH1 0 LOG1.
const STORE_AND_LOG: &str = "600035806000556000526007602060 00a1";
/// Runtime code that answers what is stored.
const LOAD: &str = "60005460005260206000f3";

fn store_and_log() -> Vec<u8> {
    hex::decode(STORE_AND_LOG.replace(' ', "")).expect("hex")
}

/// Stores with any input, answers with none: CALLDATASIZE PUSH1 14 JUMPI, LOAD, JUMPDEST, STORE.
fn counter() -> Vec<u8> {
    let load = hex::decode(LOAD).expect("hex");
    let jump = u8::try_from(4 + load.len()).expect("short");
    let mut code = vec![0x36, 0x60, jump, 0x57];
    code.extend(load);
    code.push(0x5b);
    code.extend(store_and_log());
    code
}

fn word(n: u64) -> Vec<u8> {
    B256::from(U256::from(n)).to_vec()
}

fn stored(net: &mut Net, at: Address, block: Value) -> Result<u64, RpcError> {
    let answer = net.rpc("eth_call", json!([{"to": at, "data": "0x"}, block]))?;
    let bytes: Bytes = serde_json::from_value(answer).expect("bytes");
    Ok(U256::from_be_slice(&bytes).to())
}

#[test]
fn nothing_of_the_head_is_told_before_it_has_a_child() {
    let mut net = Net::new();
    let tx = net.transaction(TxKind::Call(signer(2).address()), vec![]);
    let hash = net.send(tx).expect("sent");
    assert!(net.eth.has_pending());
    net.advance(1);
    assert!(!net.eth.has_pending());
    assert_eq!(net.ok("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(net.ok("eth_getTransactionByHash", json!([hash]))["blockHash"], Value::Null);
    net.advance(1);
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(number(&receipt["blockNumber"]), 11);
    assert_eq!(number(&net.ok("eth_blockNumber", json!([]))), 11);
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["transactions"], json!([hash]));
    assert_eq!(block["hash"], receipt["blockHash"]);
}

#[test]
fn a_call_sees_the_state_after_the_block_it_names() {
    let mut net = Net::new();
    let at = net.deploy_code(&counter());
    let first = net.execute(TxKind::Call(at), word(5));
    let second = net.execute(TxKind::Call(at), word(6));
    assert_eq!(stored(&mut net, at, json!("latest")).ok(), Some(6));
    assert_eq!(stored(&mut net, at, second["blockNumber"].clone()).ok(), Some(6));
    assert_eq!(stored(&mut net, at, first["blockNumber"].clone()).ok(), Some(5));
    assert_eq!(stored(&mut net, at, json!({"blockHash": first["blockHash"]})).ok(), Some(5));
    let before = number(&first["blockNumber"]) - 1;
    assert_eq!(stored(&mut net, at, json!(format!("{before:#x}"))).ok(), Some(0));
    let unknown = stored(&mut net, at, json!({"blockHash": B256::ZERO}));
    assert_eq!(unknown.map_err(|error| error.code), Err(1));
}

#[test]
fn a_null_round_is_an_error_as_a_block_and_the_tipset_before_as_a_state() {
    let mut net = Net::new();
    net.chain.nulls.extend([14, 15]);
    let at = net.deploy_code(&counter());
    assert_eq!(net.chain.head, 12);
    net.execute(TxKind::Call(at), word(9));
    net.advance(4);
    let error = net.rpc("eth_getBlockByNumber", json!(["0xe", false])).expect_err("null");
    assert_eq!(error.code, 12);
    assert_eq!(error.message, "requested epoch was a null round (14)");
    assert_eq!(error.data, Some(json!(14)));
    assert_eq!(stored(&mut net, at, json!("0xf")).ok(), Some(9));
    assert_eq!(stored(&mut net, at, json!("0xc")).ok(), Some(0));
    let child = net.ok("eth_getBlockByNumber", json!(["0x10", false]));
    let parent = net.ok("eth_getBlockByNumber", json!(["0xd", false]));
    assert_eq!(child["parentHash"], parent["hash"]);
}

#[test]
fn the_future_and_the_beginning_are_refused() {
    let mut net = Net::new();
    let future = net.rpc("eth_getBlockByNumber", json!(["0xa", false])).expect_err("the head");
    assert_eq!(future.message, "requested a future epoch (beyond 'latest')");
    let earliest = net.rpc("eth_getBlockByNumber", json!(["earliest", false])).expect_err("tag");
    assert_eq!(earliest.message, "block param \"earliest\" is not supported");
    let pending = net.ok("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(number(&pending["number"]), 10);
}

#[test]
fn the_number_of_parameters_must_be_right() {
    let mut net = Net::new();
    let error = net.rpc("eth_call", json!([{"data": "0x"}])).expect_err("one parameter");
    assert_eq!(error.code, -32602);
    assert_eq!(error.message, "wrong param count (method 'eth_call'): 1 != 2");
    assert!(net.eth.call("eth_subscribe", &[], &net.chain).is_none());
}

#[test]
fn logs_are_found_by_address_and_topic_and_not_before_they_are_told() {
    let mut net = Net::new();
    let at = net.deploy_code(&counter());
    let receipt = net.execute(TxKind::Call(at), word(5));
    let topic = B256::from(U256::from(7));
    let range = json!({"fromBlock": "earliest", "toBlock": "latest"});
    let with = |key: &str, value: Value| {
        let mut filter = range.clone();
        filter[key] = value;
        json!([filter])
    };
    let all = net.ok("eth_getLogs", json!([range]));
    assert_eq!(all, receipt["logs"]);
    assert_eq!(all[0]["logIndex"], "0x0");
    for (key, value, found) in [
        ("address", json!(at), 1),
        ("address", json!([at, Address::ZERO]), 1),
        ("address", json!(Address::ZERO), 0),
        ("topics", json!([topic]), 1),
        ("topics", json!([[topic, B256::ZERO]]), 1),
        ("topics", json!([null]), 1),
        ("topics", json!([B256::ZERO]), 0),
        ("topics", json!([topic, topic]), 0),
    ] {
        let logs = net.ok("eth_getLogs", with(key, value.clone()));
        assert_eq!(logs.as_array().map(Vec::len), Some(found), "{key} {value}");
    }
    let hash = receipt["blockHash"].clone();
    assert_eq!(net.ok("eth_getLogs", json!([{"blockHash": hash}])), all);
}

#[test]
fn log_queries_keep_the_nodes_limits() {
    let mut net = Net::new();
    net.advance(5_000);
    let head = net.chain.head;
    let query = |from: i64, to: i64| json!([{"fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}")}]);
    assert_eq!(net.ok("eth_getLogs", query(10, 2_890)), json!([]));
    let wide = net.rpc("eth_getLogs", query(10, 2_891)).expect_err("2881 epochs");
    assert_eq!(wide.code, -32005);
    assert_eq!(wide.message, "block range exceeds maximum of 2880 (got 2881)");
    let open = net.rpc("eth_getLogs", json!([{"fromBlock": "0x1"}])).expect_err("to the head");
    assert_eq!(open.code, -32005);
    for tag in ["finalized", "safe", "pending", "123"] {
        let error = net.rpc("eth_getLogs", json!([{"fromBlock": tag}])).expect_err(tag);
        assert_eq!(error.message, "FromBlock is not a hex");
    }
    let early = net.rpc("eth_getLogs", query(head, head)).expect_err("the head");
    assert_eq!(early.message, "events for the requested block are not yet available");
    assert!(net.rpc("eth_getLogs", query(20, 10)).is_err());
}

#[test]
fn the_pool_refuses_what_can_never_be_included() {
    let mut net = Net::new();
    let good = net.transaction(TxKind::Call(Address::ZERO), vec![]);
    let cases: [(&str, TxEip1559); 5] = [
        ("invalid chain id", TxEip1559 { chain_id: 1, ..good.clone() }),
        ("not enough funds", TxEip1559 { value: U256::MAX, ..good.clone() }),
        ("'GasLimit'", TxEip1559 { gas_limit: gas::BLOCK_GAS_LIMIT + 1, ..good.clone() }),
        ("base fee", TxEip1559 { max_fee_per_gas: 1, ..good.clone() }),
        ("nonce gap", TxEip1559 { nonce: 5_000, ..good.clone() }),
    ];
    for (expected, tx) in cases {
        let error = net.send(tx).expect_err(expected);
        assert!(error.message.contains(expected), "{expected}: {}", error.message);
    }
    net.send(good.clone()).expect("good");
    net.advance(2);
    let late = net.send(good).expect_err("used");
    assert_eq!(late.message, "minimum expected nonce is 1: message nonce too low");
}

#[test]
fn nonces_are_executed_in_order_and_a_gap_waits() {
    let mut net = Net::new();
    let first = net.transaction(TxKind::Call(Address::ZERO), vec![]);
    let second = TxEip1559 { nonce: 1, ..first.clone() };
    let address = net.key.address();
    let hash = net.send(second).expect("ahead of its time");
    assert!(!net.eth.has_pending());
    net.advance(3);
    assert_eq!(net.ok("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(net.nonce(address), 0);
    net.send(first).expect("fills the gap");
    assert_eq!(net.nonce(address), 2);
    net.advance(2);
    assert_eq!(net.ok("eth_getTransactionReceipt", json!([hash]))["transactionIndex"], "0x1");
    assert_eq!(net.ok("eth_getTransactionCount", json!([address, "latest"])), "0x2");
}

#[test]
fn the_same_bytes_again_are_refused_and_a_better_price_replaces() {
    let mut net = Net::new();
    let first = net.transaction(TxKind::Call(Address::ZERO), vec![]);
    net.send(first.clone()).expect("sent");
    let again = net.send(first.clone()).expect_err("known");
    assert!(again.message.contains("already"), "{}", again.message);
    let same_price = TxEip1559 { value: U256::from(1), ..first.clone() };
    assert!(net.send(same_price.clone()).expect_err("cheap").message.contains("GasPremium"));
    let better = TxEip1559 { max_priority_fee_per_gas: 125_000, ..same_price };
    let hash = net.send(better).expect("a quarter more");
    net.advance(2);
    assert_eq!(net.ok("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
}

#[test]
fn a_transaction_pays_for_its_gas_and_a_failed_one_too() {
    let mut net = Net::new();
    let address = net.key.address();
    let balance = |net: &mut Net| -> U256 {
        let text = net.ok("eth_getBalance", json!([address, "latest"]));
        serde_json::from_value(text).expect("a number")
    };
    // PUSH1 0 PUSH1 0 REVERT.
    let at = net.deploy_code(&[0x60, 0, 0x60, 0, 0xfd]);
    let before = balance(&mut net);
    let receipt = net.execute(TxKind::Call(at), vec![1]);
    assert_eq!(receipt["status"], "0x0");
    let price = number(&receipt["effectiveGasPrice"]);
    let paid = U256::from(number(&receipt["gasUsed"]) * price);
    assert_eq!(price, 100_100);
    assert_eq!(before - balance(&mut net), paid);
}

#[test]
fn a_revert_is_code_3_with_its_bytes_for_calls_and_estimates() {
    let mut net = Net::new();
    // PUSH4 0xd4bb6671 PUSH1 224 SHL PUSH1 0 MSTORE PUSH1 4 PUSH1 0 REVERT.
    let code = hex::decode("63d4bb667160e01b60005260046000fd").expect("hex");
    let at = net.deploy_code(&code);
    for method in ["eth_call", "eth_estimateGas"] {
        let error = net.rpc(method, json!([{"to": at}, "latest"])).expect_err("reverts");
        assert_eq!(error.code, 3, "{method}");
        assert_eq!(error.data, Some(json!("0xd4bb6671")));
        let start = "message execution failed (exit=[33], revert reason=[0xd4bb6671], vm error=[";
        assert!(error.message.starts_with(start), "{}", error.message);
    }
}

#[test]
fn an_estimate_is_enough_and_alloy_reads_blocks_receipts_and_fees() {
    let mut net = Net::new();
    let at = net.deploy_code(&counter());
    let call = json!([{"to": at, "data": Bytes::from(word(5))}]);
    let estimate = number(&net.ok("eth_estimateGas", call));
    let tx = TxEip1559 { gas_limit: estimate, ..net.transaction(TxKind::Call(at), word(5)) };
    let hash = net.send(tx).expect("sent");
    net.advance(2);
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1");

    use alloy::rpc::types as rpc;
    let _: rpc::TransactionReceipt = serde_json::from_value(receipt).expect("a receipt");
    let tx = net.ok("eth_getTransactionByHash", json!([hash]));
    let _: rpc::Transaction = serde_json::from_value(tx).expect("a transaction");
    let block = net.ok("eth_getBlockByNumber", json!(["latest", true]));
    let _: rpc::Block = serde_json::from_value(block).expect("a block");
    let fees = net.ok("eth_feeHistory", json!(["0x5", "latest", [20.0]]));
    let fees: rpc::FeeHistory = serde_json::from_value(fees).expect("fees");
    assert_eq!(fees.base_fee_per_gas, vec![100; 6]);
    assert_eq!(fees.oldest_block, 9);
}

#[test]
fn what_does_not_fit_into_a_block_waits_for_the_next() {
    let mut net = Net::new();
    let mut tx = net.transaction(TxKind::Call(Address::ZERO), vec![]);
    // INVALID consumes all its gas: two of these fill a block.
    let at = net.deploy_code(&[0xfe]);
    tx.to = TxKind::Call(at);
    tx.gas_limit = gas::BLOCK_GAS_LIMIT * 2 / 5;
    let hashes: Vec<Value> =
        (1..=3).map(|nonce| net.send(TxEip1559 { nonce, ..tx.clone() }).expect("sent")).collect();
    net.advance(3);
    let epochs = hashes
        .iter()
        .map(|hash| number(&net.ok("eth_getTransactionReceipt", json!([hash]))["blockNumber"]));
    assert_eq!(epochs.collect::<Vec<_>>(), [13, 13, 14]);
}
