//! Several endpoints for reads: who is asked when, and what is said when all fail.

mod script;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use raas_deal_status::{DealRecorder as _, DealStatusSource as _, Error, Record};
use raas_deal_status_evm::{EndpointSettings, EvmDealRecorder, EvmDealStatus, SigningKey};
use raas_types::{ChainEpoch, EpochDelta};
use script::{ACTIVE, ALL, Answer, Script, cid, cids, deals, ids, is, is_about, pin, replies};
use serde_json::{Value, json};

/// An endpoint at which all is well: every key has deal 1, and there are no requests. It knows
/// whatever block is asked for, at epoch 9.
fn good(method: &str, params: &Value) -> Answer {
    Ok(match method {
        "eth_call" => deals(&[(1, 1000)]),
        "eth_getBlockByHash" => json!({"number": "0x9", "hash": params[0]}),
        "eth_getBlockByNumber" => json!({"number": "0x9", "hash": parents()}),
        "eth_getLogs" => json!([]),
        "eth_estimateGas" => json!("0x100000"),
        "eth_feeHistory" => json!({
            "oldestBlock": "0x1",
            "baseFeePerGas": ["0x64", "0x64"],
            "gasUsedRatio": [0.0],
            "reward": [["0x186a0"]],
        }),
        _ => json!("0x5"),
    })
}

/// The block hash of [`pin`]'s parents: BLAKE2b-256 of the key as a CBOR byte string.
fn parents() -> String {
    let key = cid().to_bytes();
    let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
    state.update(&[0x58, u8::try_from(key.len()).expect("short")]).update(&key);
    format!("0x{}", state.finalize().to_hex())
}

fn well(body: &Value) -> Option<Response> {
    Some(Json(replies(body, &good)).into_response())
}

fn refuse(body: &Value, code: i64, message: &str) -> Option<Response> {
    let error = json!({"code": code, "message": message});
    Some(Json(replies(body, &|_, _| Err(error.clone()))).into_response())
}

/// A source that asks the one and then the other.
fn both(first: EndpointSettings, second: &Script) -> EvmDealStatus {
    let settings = raas_deal_status_evm::Settings { endpoint: first, ..second.settings() };
    let source = EvmDealStatus::new(settings).expect("a source");
    source.also(second.endpoint()).expect("another endpoint")
}

async fn look(source: &EvmDealStatus) -> Result<Vec<u64>, Error> {
    let mut answers = source.listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
    answers.remove(0).map(|listing| ids(listing.all))
}

#[tokio::test]
async fn whatever_is_wrong_with_the_first_endpoint_the_next_one_answers() {
    type Wrong = fn(&Value) -> Option<Response>;
    let wrongs: [(&str, Wrong); 11] = [
        ("silent", |_| None),
        ("down", |_| Some(StatusCode::SERVICE_UNAVAILABLE.into_response())),
        ("the token is not known", |_| Some(StatusCode::UNAUTHORIZED.into_response())),
        ("not there", |_| Some(StatusCode::NOT_FOUND.into_response())),
        ("crowded", |_| {
            Some((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")]).into_response())
        }),
        ("no JSON", |_| Some("<html>502 Bad Gateway</html>".into_response())),
        ("lagging", |body| refuse(body, 1, "cannot get tipset by hash: 0x12 not found")),
        ("pruned", |body| refuse(body, -32000, "header not found")),
        ("a gateway", |body| {
            refuse(body, 1, "bad tipset: lookbacks of more than 24h0m0s are disallowed")
        }),
        ("without Ethereum", |body| refuse(body, -32601, "method 'eth_call' not found")),
        ("nobody's contract", |body| {
            Some(Json(replies(body, &|_, _| Ok(json!("0x")))).into_response())
        }),
    ];
    for (what, wrong) in wrongs {
        let bad = Script::over_http(wrong).await;
        let other = Script::over_http(well).await;
        let mut first = bad.endpoint();
        first.timeout = Duration::from_millis(200);
        let source = both(first.clone(), &other);
        assert_eq!(look(&source).await.expect(what), [1], "{what}");
        assert!(!bad.take_sizes().is_empty(), "{what}: the first is asked first");
        let read = both(first, &other).requests_since(None, &pin(10)).await.expect(what);
        assert_eq!((read.cursor.epoch, read.more), (ChainEpoch::new(9), false), "{what}");
        assert_eq!(source.usage().len(), 2, "each counts for itself");
    }
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_passed_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let url = format!("http://{}/rpc/v1", listener.local_addr().expect("an address"));
    drop(listener);
    let other = Script::over_http(well).await;
    let source = both(EndpointSettings::new(url.parse().expect("a URL")), &other);
    assert_eq!(look(&source).await.expect("the other answers"), [1]);
}

#[tokio::test]
async fn only_what_the_first_did_not_answer_is_asked_elsewhere_and_a_revert_is_an_answer() {
    let all = cids(3);
    let (busy, reverts) = (all[1], all[2]);
    let first = Script::serve(move |method, params| {
        if is_about(params, &busy) {
            return Err(json!({"code": 1, "message": "server busy. please try again later"}));
        }
        if is_about(params, &reverts) && is(params, ALL) {
            return Err(json!({"code": 3, "message": "reverted", "data": "0x"}));
        }
        good(method, params)
    })
    .await;
    let second = Script::over_http(well).await;
    let source = both(first.endpoint(), &second);
    let answers = source.listings(&all, EpochDelta::DAY, &pin(10)).await;
    let found: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(found, [true, true, false]);
    assert!(matches!(answers[2], Err(Error::Rejected { .. })), "{answers:?}");
    let asked = second.asked("eth_call");
    assert_eq!(asked.len(), 3, "all, active and expiring of one CID");
    assert!(asked.iter().all(|params| is_about(params, &busy)), "{asked:?}");
}

#[tokio::test]
async fn a_call_that_fails_everywhere_sets_no_endpoint_aside() {
    let heavy = |method: &str, params: &Value| match is(params, ACTIVE) {
        true => Err(json!({"code": 2, "message": "call ran out of gas"})),
        false => good(method, params),
    };
    let (first, second) = (Script::serve(heavy).await, Script::serve(heavy).await);
    let source = both(first.endpoint(), &second);
    for _ in 0..3 {
        let mut answers = source.listings(&[cid()], EpochDelta::DAY, &pin(10)).await;
        let active = answers.remove(0).expect("a listing").active.expect_err("out of gas");
        assert!(active.contains("out of gas"), "{active}");
    }
    let asked = second.asked("eth_call");
    assert!(asked.iter().all(|params| is(params, ACTIVE)), "the first goes on being the first");
}

#[tokio::test]
async fn a_first_endpoint_that_is_dead_is_tried_now_and_then_and_preferred_again_when_it_is_back() {
    let dead = Arc::new(AtomicBool::new(true));
    let is_dead = dead.clone();
    let first = Script::over_http(move |body| match is_dead.load(Ordering::Relaxed) {
        true => None,
        false => well(body),
    })
    .await;
    let second = Script::over_http(well).await;
    let mut endpoint = first.endpoint();
    endpoint.timeout = Duration::from_millis(500);
    let source = both(endpoint, &second);
    // A look has three questions: all, active, expiring. After its first failure an endpoint is tried
    // last for 8 questions, then for 16.
    for _ in 0..9 {
        assert_eq!(look(&source).await.expect("the second answers"), [1]);
    }
    let keys = first.asked("eth_call").len();
    assert_eq!(keys, 3 * 2, "two keys each at questions 1, 10 and 27");

    dead.store(false, Ordering::Relaxed);
    second.take_sizes();
    // 32 more questions at most.
    for _ in 0..11 {
        look(&source).await.expect("an answer");
    }
    first.take_sizes();
    second.take_sizes();
    look(&source).await.expect("an answer");
    assert!(!first.take_sizes().is_empty() && second.take_sizes().is_empty());
}

#[tokio::test]
async fn when_all_fail_each_is_named_and_what_may_pass_is_temporary() {
    let unknown = |_: &Value| Some(StatusCode::UNAUTHORIZED.into_response());
    let first = Script::over_http(unknown).await;
    let down = |_: &Value| Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
    for (second, temporary) in
        [(Script::over_http(down).await, true), (Script::over_http(unknown).await, false)]
    {
        let source = both(first.endpoint(), &second);
        let error = look(&source).await.expect_err("both fail");
        assert_eq!(error.is_temporary(), temporary, "{error}");
        let read = source.requests_since(None, &pin(10)).await.expect_err("both fail");
        assert_eq!(read.is_temporary(), temporary, "{read}");
        for text in [error.to_string(), read.to_string(), source.contract()] {
            for host in [first.address.to_string(), second.address.to_string()] {
                assert!(text.contains(&host), "{text}");
            }
            assert!(!text.contains("/rpc/v1"), "{text}");
        }
        assert!(error.to_string().contains("token"), "{error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_given_twice_is_asked_once() {
    let script = Script::over_http(|_| Some(StatusCode::SERVICE_UNAVAILABLE.into_response())).await;
    let source = both(script.endpoint(), &script);
    look(&source).await.expect_err("down");
    assert_eq!(script.take_sizes().len(), 1);
}

#[tokio::test]
async fn a_recorder_writes_through_the_first_endpoint_and_counts_with_the_source_it_was_made_from()
{
    let first = Script::over_http(|body| match body {
        Value::Array(_) => Some(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        single => well(single),
    })
    .await;
    let second = Script::over_http(well).await;
    let source = both(first.endpoint(), &second);
    // Reads go elsewhere now.
    look(&source).await.expect("the second answers");
    second.take_sizes();

    let key = SigningKey::from_bytes(&[7; 32]).expect("a key");
    let beside = EvmDealRecorder::beside(&source, key);
    let terms = raas_deal_status::RequestedTerms {
        replication_target: 1,
        repair_threshold: 0,
        renewal_threshold: 0,
    };
    let record = Record::Submit { cid: cid(), terms };
    beside.prepare(&record, None).await.expect("prepared");
    assert_eq!(second.take_sizes().len(), 0, "nothing for writing is asked of the second");
    let usage = source.usage().remove(&first.address.to_string()).expect("by host and port");
    assert_eq!(usage.methods["eth_estimateGas"].calls, 1);
    assert_eq!(usage, beside.usage());

    let alone = first.recorder();
    alone.prepare(&record, None).await.expect("prepared");
    assert_eq!(alone.usage().requests, 4, "chain id, gas, fees, nonce");
    assert_eq!(source.usage()[&first.address.to_string()], usage);
}

#[tokio::test]
async fn a_slow_endpoint_gives_the_events_of_the_time_it_has() {
    // 35 queries of 60 ms would take 2.1 s; four time-outs are 1 s.
    let script = Script::over_http(|body| {
        if body["method"] == "eth_getLogs" {
            std::thread::sleep(Duration::from_millis(60));
        }
        let pinned = json!({"number": "0x186a0", "hash": parents()});
        let answer = |method: &str, params: &Value| match method {
            "eth_getBlockByHash" | "eth_getBlockByNumber" => Ok(pinned.clone()),
            _ => good(method, params),
        };
        Some(Json(replies(body, &answer)).into_response())
    })
    .await;
    let mut settings = script.settings();
    settings.endpoint.timeout = Duration::from_millis(250);
    let source = EvmDealStatus::new(settings).expect("a source");
    let until = pin(100_001);
    let (mut cursor, mut answers, mut failures) = (None, 0, 0);
    loop {
        let read = match source.requests_since(cursor, &until).await {
            Ok(read) => read,
            // A machine that is busy may be slower than the endpoint.
            Err(error) if error.is_temporary() && failures < 20 => {
                failures += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        answers += 1;
        assert!(read.cursor.epoch > cursor.map_or(ChainEpoch::new(-1), |c| c.epoch), "progress");
        cursor = Some(read.cursor);
        if !read.more {
            break;
        }
    }
    assert!(answers > 1, "one answer took as long as it liked");
    let mut next = 0;
    for params in script.asked("eth_getLogs") {
        let bound = |name: &str| {
            let text = params[0][name].as_str().expect("a number");
            i64::from_str_radix(&text[2..], 16).expect("hex")
        };
        assert!(bound("fromBlock") <= next, "nothing is skipped");
        next = bound("toBlock") + 1;
    }
    assert_eq!(next, 100_001);
}
