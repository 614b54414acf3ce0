//! The adapter against an endpoint that says what a test wants: the starter kit's contract with its
//! defects, older nodes, nodes that hide what they know.

mod script;

use std::sync::{Arc, Mutex};

use axum::{Json, response::IntoResponse as _};
use raas_deal_status::{DealRecorder as _, DealStatusSource as _, Error};
use raas_deal_status_evm::{EvmDealRecorder, EvmDealStatus, SigningKey};
use raas_types::{ChainEpoch, Cid, EpochDelta};
use script::{
    ACTIVE, ALL, EXPIRING, SILENCE, Script, cid, deals, ids, is, is_about_text, pin, word,
};
use serde_json::{Value, json};

#[tokio::test]
async fn both_spellings_of_a_cid_are_asked_and_holes_are_left_out() {
    let script = Script::serve(|_, params| {
        let text = is_about_text(params);
        Ok(match (is(params, ALL), is(params, ACTIVE), text) {
            (true, _, true) => deals(&[(1, 1000), (2, 1001)]),
            (true, _, false) => deals(&[(2, 1001), (3, 1002)]),
            (_, true, true) => deals(&[(1, 1000), (0, 0)]),
            (_, true, false) => deals(&[(0, 0), (3, 1002)]),
            _ => deals(&[(0, 0), (0, 0)]),
        })
    })
    .await;
    let mut answers = script.source().listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
    let listing = answers.remove(0).expect("a listing");
    assert_eq!(ids(listing.all), [1, 2, 3]);
    assert_eq!(listing.active.map(ids), Ok(vec![1, 3]));
    assert_eq!(listing.expiring.map(ids), Ok(vec![]));
    for params in script.asked("eth_call") {
        let hash = params[1]["blockHash"].as_str().expect("a hash in an object");
        assert_eq!(hash.len(), 66);
        assert_eq!(params.as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn a_contract_that_reverts_for_one_dead_deal_still_lists_them_all() {
    let script = Script::serve(|_, params| {
        if is(params, ALL) {
            return Ok(if is_about_text(params) { deals(&[(1, 1000)]) } else { deals(&[]) });
        }
        let revert = format!("0xd4bb6671{}", word(if is(params, EXPIRING) { 17 } else { 32 }));
        Err(json!({
            "code": 3,
            "message": "message execution failed (exit=[33], revert reason=[…], vm error=[…])",
            "data": revert,
        }))
    })
    .await;
    let mut answers = script.source().listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
    let listing = answers.remove(0).expect("a listing");
    assert_eq!(ids(listing.all), [1]);
    let active = listing.active.expect_err("reverts");
    assert!(active.contains("exit code 32") && active.contains("gone"), "{active}");
    let expiring = listing.expiring.expect_err("reverts");
    assert!(expiring.contains("exit code 17"), "{expiring}");
}

#[tokio::test]
async fn a_question_that_fails_for_whatever_reason_leaves_the_list_of_all_deals() {
    for (failure, says) in [
        (json!({"code": 1, "message": "call ran out of gas"}), "out of gas"),
        (json!({"code": -32601, "message": "method not found"}), "method not found"),
        (json!({"code": -32003, "message": "missing permission"}), "missing permission"),
        (json!(SILENCE), "no answer in time"),
        (Value::Null, "unreadable"),
    ] {
        for question in [ACTIVE, EXPIRING] {
            let failure = failure.clone();
            let script = Script::serve(move |_, params| {
                if is(params, question) {
                    return if failure.is_null() { Ok(json!(7)) } else { Err(failure.clone()) };
                }
                Ok(deals(&[(1, 1000)]))
            })
            .await;
            let mut settings = script.settings();
            // What answers at all answers much faster.
            settings.endpoint.timeout = std::time::Duration::from_millis(500);
            let source = EvmDealStatus::new(settings).expect("a source");
            let mut answers = source.listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
            let listing = answers.remove(0).expect("all deals are known");
            assert_eq!(ids(listing.all), [1]);
            let (failed, answered) = match question {
                ACTIVE => (listing.active, listing.expiring),
                _ => (listing.expiring, listing.active),
            };
            assert!(failed.as_ref().is_err_and(|why| why.contains(says)), "{says}: {failed:?}");
            assert_eq!(answered.map(ids), Ok(vec![1]));
        }
    }
}

#[tokio::test]
async fn what_an_endpoint_says_is_repeated_on_one_line_clipped_and_without_the_token() {
    let said = format!("bad request:\n Bearer sesame-0123\r\n{}", "x".repeat(100_000));
    for code in [1, 3, -32601, -32003] {
        let message = said.clone();
        let script = Script::serve(move |_, params| {
            if is(params, ALL) && !is_about_text(params) {
                return Ok(deals(&[]));
            }
            if is(params, ALL) && params[1]["blockHash"].is_string() {
                return Ok(deals(&[(1, 1000)]));
            }
            Err(json!({"code": code, "message": message, "data": revert(&message)}))
        })
        .await;
        let mut settings = script.settings();
        settings.endpoint.token = Some("sesame-0123".to_owned());
        let source = EvmDealStatus::new(settings.clone()).expect("a source");
        let mut answers = source.listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
        let inner = answers.remove(0).expect("all deals are known").active.expect_err("refused");
        let recorder =
            EvmDealRecorder::new(settings, SigningKey::from_bytes(&[7; 32]).expect("a key"));
        let record = raas_deal_status::Record::Submit { cid: cid(), terms: terms() };
        let outer =
            recorder.expect("a recorder").prepare(&record, None).await.expect_err("refused");
        for text in [inner, outer.to_string(), format!("{outer:?}")] {
            assert!(text.contains("bad request: Bearer *** x"), "{code}: {text}");
            assert!(!text.contains("sesame") && !text.contains('\n'), "{code}: {text}");
            assert!(text.chars().count() < 700, "{code}: {} characters", text.len());
        }
    }
}

/// ABI of `Error(string)`.
fn revert(message: &str) -> String {
    let hex: String = message.bytes().map(|byte| format!("{byte:02x}")).collect();
    let padding = "0".repeat((64 - hex.len() % 64) % 64);
    format!("0x08c379a0{}{}{hex}{padding}", word(0x20), word(message.len() as u64))
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_into_memory() {
    let script = Script::serve(|_, _| Ok(json!("0".repeat((16 << 20) + 1)))).await;
    let mut answers = script.source().listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
    let error = answers.remove(0).expect_err("too long").to_string();
    assert!(error.contains("longer than 16777216 bytes"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_neither_a_result_nor_an_error_is_not_taken_for_nothing() {
    let empty = || Some(Json(json!({"jsonrpc": "2.0", "id": 1})).into_response());
    let script = Script::over_http(move |_| empty()).await;
    let hash = raas_types::TxHash(format!("0x{}", word(1)));
    let error = script.recorder().status(&hash).await.expect_err("no answer");
    assert!(error.to_string().contains("no result"), "{error}");
}

#[tokio::test]
async fn one_cid_that_fails_spoils_no_other() {
    let good = Cid::try_from("bafkqaaa").expect("a CID");
    let script = Script::serve(|_, params| {
        if is_about_text(params) {
            Err(json!({"code": 1, "message": "actor not found"}))
        } else {
            Ok(deals(&[]))
        }
    })
    .await;
    let answers = script.source().listings(&[good, cid(), good], EpochDelta::DAY, &pin(10)).await;
    let failed: Vec<_> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
}

#[tokio::test]
async fn a_pin_on_another_fork_reads_nothing_and_leaves_the_cursor() {
    // The block is known, and the chain has another one at its height.
    let script = Script::serve(|method, _| match method {
        "eth_getBlockByHash" => Ok(json!({"number": "0x9"})),
        "eth_getBlockByNumber" => Ok(json!({"hash": format!("0x{}", word(1))})),
        _ => Ok(json!([])),
    })
    .await;
    let error = script.source().requests_since(None, &pin(10)).await.expect_err("reorganised");
    assert!(error.is_temporary() && error.to_string().contains("reorganised"), "{error}");
    assert!(script.asked("eth_getLogs").is_empty());
}

/// The number that a log filter names.
fn bound(params: &Value, name: &str) -> i64 {
    let text = params[0][name].as_str().expect("a number");
    i64::from_str_radix(&text[2..], 16).expect("hex")
}

#[tokio::test]
async fn a_node_with_a_narrower_span_is_asked_for_less() {
    // The node knows whatever block is asked for, at epoch 4999.
    let asked = Arc::new(Mutex::new(Value::Null));
    let script = Script::serve(move |method, params| match method {
        "eth_getBlockByHash" => {
            *asked.lock().expect("no panic") = params[0].clone();
            Ok(json!({"number": "0x1387"}))
        }
        "eth_getBlockByNumber" => Ok(json!({"hash": *asked.lock().expect("no panic")})),
        "eth_getLogs" if bound(params, "toBlock") - bound(params, "fromBlock") > 1000 => {
            let why = "invalid epoch range: from block is too far in the past (maximum: 1000)";
            Err(json!({"code": 1, "message": why}))
        }
        _ => Ok(json!([])),
    })
    .await;
    let read = script.source().requests_since(None, &pin(5000)).await.expect("requests");
    assert_eq!((read.cursor.epoch, read.more), (ChainEpoch::new(4999), false));
    let mut next = 0;
    for params in script.asked("eth_getLogs") {
        let (from, to) = (bound(&params, "fromBlock"), bound(&params, "toBlock"));
        if to - from <= 1000 {
            assert_eq!(from, next, "nothing is skipped and nothing read twice");
            next = to + 1;
        }
    }
    assert_eq!(next, 5000);
}

fn terms() -> raas_deal_status::RequestedTerms {
    raas_deal_status::RequestedTerms {
        replication_target: 1,
        repair_threshold: 0,
        renewal_threshold: 0,
    }
}

/// A signed transaction of the script's recorder.
async fn signed() -> Vec<u8> {
    let script = Script::serve(|method, _| {
        Ok(match method {
            "eth_feeHistory" => json!({
                "oldestBlock": "0x1",
                "baseFeePerGas": ["0x64", "0x64"],
                "gasUsedRatio": [0.0],
                "reward": [["0x186a0"]],
            }),
            "eth_getTransactionCount" => json!("0x5"),
            _ => json!("0x100000"),
        })
    })
    .await;
    let record = raas_deal_status::Record::Submit { cid: cid(), terms: terms() };
    let prepared = script.recorder().prepare(&record, None).await.expect("prepared");
    assert_eq!(prepared.nonce, 5);
    assert!(script.asked("eth_sendRawTransaction").is_empty());
    prepared.raw
}

/// What becomes of sending, where the node refuses with these words and knows this much.
async fn refused(words: &'static str, known: bool, executed: &'static str) -> Result<(), Error> {
    let raw = signed().await;
    let script = Script::serve(move |method, _| match method {
        "eth_sendRawTransaction" => Err(json!({"code": 1, "message": words})),
        "eth_getTransactionByHash" if known => Ok(json!({"blockHash": null})),
        "eth_getTransactionCount" => Ok(json!(executed)),
        _ => Ok(Value::Null),
    })
    .await;
    script.recorder().send(&raw).await
}

#[tokio::test]
async fn bytes_that_the_network_has_already_are_sent() {
    for words in [
        "already known",
        "message from f410f with nonce 5 already in mpool: message with nonce already exists",
        "minimum expected nonce is 6: message nonce too low",
    ] {
        let sent = refused(words, true, "0x6").await;
        assert!(sent.is_ok(), "{words}: {sent:?}");
    }
}

#[tokio::test]
async fn a_nonce_that_another_transaction_used_is_final_once_that_is_executed() {
    let words = "minimum expected nonce is 6: message nonce too low";
    let settled = refused(words, false, "0x6").await.expect_err("another's");
    assert!(matches!(&settled, Error::Rejected { .. }), "{settled}");
    let open = refused(words, false, "0x5").await.expect_err("not known yet");
    assert!(open.is_temporary(), "{open}");
}

#[tokio::test]
async fn other_refusals_say_whether_to_wait_or_to_mend() {
    let funds = refused("mpool push: not enough funds to execute transaction", false, "0x5").await;
    assert!(matches!(funds, Err(Error::Misconfigured { .. })), "{funds:?}");
    let full = refused("mempool is full", false, "0x5").await;
    assert!(full.as_ref().is_err_and(Error::is_temporary), "{full:?}");
}

#[tokio::test]
async fn an_endpoint_without_ethereum_is_a_matter_of_configuration() {
    let script = Script::serve(|method, _| {
        Err(json!({"code": -32601, "message": format!("method '{method}' not found")}))
    })
    .await;
    let mut answers = script.source().listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
    let error = answers.remove(0).expect_err("no method");
    assert!(matches!(&error, Error::Misconfigured { .. }), "{error}");
    assert!(error.to_string().contains("EnableEthRPC"), "{error}");
}
