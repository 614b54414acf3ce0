//! Batches as endpoints take them and do not; pauses that endpoints ask for; what is counted.

mod script;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use raas_deal_status::{DealStatusSource as _, Error, Listing};
use raas_deal_status_evm::EvmDealStatus;
use raas_types::{Cid, EpochDelta, RpcUsage};
use script::{ALL, Answer, Script, calls, cids, deals, ids, is, is_about, pin, replies};
use serde_json::{Value, json};

/// Each CID has its number's deal as text, and none under its bytes.
fn numbered(_: &str, params: &Value) -> Answer {
    let place = cids(u8::MAX).iter().position(|cid| is_about(params, cid));
    Ok(place.map_or(deals(&[]), |place| deals(&[(place as u64 + 1, 1000)])))
}

fn well(body: &Value) -> Option<Response> {
    Some(Json(replies(body, &numbered)).into_response())
}

async fn listings(source: &EvmDealStatus, cids: &[Cid]) -> Vec<Result<Listing, Error>> {
    source.listings(cids, EpochDelta::DAY, &pin(10)).await
}

/// Asserts that each CID has its own deal, active and expiring too.
fn assert_numbered(answers: Vec<Result<Listing, Error>>) {
    for (place, answer) in answers.into_iter().enumerate() {
        let listing = answer.unwrap_or_else(|error| panic!("CID {place}: {error}"));
        let expected = vec![place as u64 + 1];
        assert_eq!(ids(listing.all), expected);
        assert_eq!(listing.active.map(ids), Ok(expected.clone()));
        assert_eq!(listing.expiring.map(ids), Ok(expected));
    }
}

fn usage(source: &EvmDealStatus, script: &Script) -> RpcUsage {
    let mut usage = source.usage();
    assert_eq!(usage.len(), 1);
    usage.remove(&script.address.to_string()).expect("by host and port")
}

#[tokio::test]
async fn many_cids_are_asked_in_few_requests_and_all_of_it_is_counted() {
    let sent = Arc::new(AtomicUsize::new(0));
    let bytes = sent.clone();
    let script = Script::over_http(move |body| {
        let text = replies(body, &numbered).to_string();
        bytes.fetch_add(text.len(), Ordering::Relaxed);
        Some(text.into_response())
    })
    .await;
    let source = script.source();
    assert_eq!(usage(&source, &script), RpcUsage::default());
    assert_numbered(listings(&source, &cids(60)).await);
    // Two keys of 60 CIDs in batches of 50; one of them has deals, in batches of 10.
    let sizes = script.take_sizes();
    assert_eq!(sizes.len(), 3 + 6 + 6);
    assert_eq!(sizes.iter().sum::<usize>(), 120 + 60 + 60);
    let usage = usage(&source, &script);
    let method = usage.methods["eth_call"];
    assert_eq!((usage.requests, usage.throttled), (15, 0));
    assert_eq!((method.calls, method.elements, usage.methods.len()), (15, 240, 1));
    assert_eq!(usage.bytes_sent, script.bytes() as u64);
    assert_eq!(usage.bytes_received, sent.load(Ordering::Relaxed) as u64);
}

#[tokio::test]
async fn an_endpoint_that_refuses_batches_is_asked_in_smaller_ones_and_that_is_remembered() {
    let error = |code: i64, message: &str| json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    let forest = error(-32010, "The batch request was too large");
    let refusals: [(usize, StatusCode, String); 6] = [
        (20, StatusCode::OK, forest.to_string()),
        (1, StatusCode::OK, error(-32600, "Invalid Request").to_string()),
        (1, StatusCode::INTERNAL_SERVER_ERROR, error(-32700, "cannot unmarshal").to_string()),
        (3, StatusCode::OK, json!([error(-32000, "batch limit exceeded")]).to_string()),
        (7, StatusCode::PAYLOAD_TOO_LARGE, "<html>no</html>".to_owned()),
        (1, StatusCode::BAD_REQUEST, String::new()),
    ];
    for (takes, status, refusal) in refusals {
        let said = refusal.clone();
        let script = Script::over_http(move |body| {
            if calls(body).len() > takes {
                return Some((status, said.clone()).into_response());
            }
            well(body)
        })
        .await;
        let source = script.source();
        assert_numbered(listings(&source, &cids(30)).await);
        script.take_sizes();
        assert_numbered(listings(&source, &cids(30)).await);
        let sizes = script.take_sizes();
        assert!(sizes.iter().all(|size| *size <= takes), "{refusal}: {sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 60 + 30 + 30, "nothing is asked twice");
    }
}

#[tokio::test]
async fn an_error_for_a_whole_batch_that_is_not_about_batches_fails_it_and_says_so() {
    let script = Script::over_http(|_| {
        let error = json!({"code": 1, "message": "server busy. please try again later"});
        Some(Json(json!({"jsonrpc": "2.0", "id": null, "error": error})).into_response())
    })
    .await;
    let answers = listings(&script.source(), &cids(10)).await;
    for answer in &answers {
        let error = answer.as_ref().expect_err("busy");
        assert!(error.is_temporary() && error.to_string().contains("server busy"), "{error}");
    }
    assert_eq!(script.take_sizes(), [20], "it is not asked the more");
}

#[tokio::test]
async fn what_a_batch_leaves_out_is_asked_again_and_the_order_of_replies_is_nobodys_promise() {
    // Every second reply is missing, the others come last first.
    let script = Script::over_http(|body| {
        let mut reply = replies(body, &numbered);
        if let Some(list) = reply.as_array_mut() {
            let mut place = 0;
            list.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            list.reverse();
        }
        Some(Json(reply).into_response())
    })
    .await;
    assert_numbered(listings(&script.source(), &cids(5)).await);
}

#[tokio::test]
async fn replies_to_other_requests_are_not_taken_for_ours() {
    type Distort = fn(&mut Value);
    let distortions: [(&str, Distort); 5] = [
        ("another request", |reply| reply["id"] = json!(77)),
        ("another request", |reply| reply["id"] = json!("1")),
        ("another request", |reply| reply["id"] = Value::Null),
        ("twice", |reply| reply["id"] = json!(1)),
        ("another request", |reply| *reply = json!("nonsense")),
    ];
    for (says, distort) in distortions {
        let script = Script::over_http(move |body| {
            let mut reply = replies(body, &numbered);
            reply.as_array_mut().expect("a batch").iter_mut().for_each(distort);
            Some(Json(reply).into_response())
        })
        .await;
        let error = listings(&script.source(), &cids(1)).await.remove(0).expect_err(says);
        assert!(error.is_temporary() && error.to_string().contains(says), "{error}");
    }
    // A single reply too, be it a revert.
    for reply in [
        json!({"jsonrpc": "2.0", "id": 2, "result": deals(&[])}),
        json!({"jsonrpc": "2.0", "id": 2, "error": {"code": 3, "message": "no", "data": "0x"}}),
    ] {
        let script = Script::over_http(move |body| match body {
            Value::Array(_) => Some(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            _ => Some(Json(reply.clone()).into_response()),
        })
        .await;
        let error = listings(&script.source(), &cids(1)).await.remove(0).expect_err("not ours");
        assert!(error.is_temporary() && error.to_string().contains("another request"), "{error}");
    }
}

#[tokio::test]
async fn a_batch_that_is_no_list_or_breaks_off_fails_and_nothing_is_made_up() {
    for body in ["[]", "{}", "7", "null", "\"0x\"", "[{\"jsonrpc\":\"2.0\",\"id\":1,\"resu", ""] {
        let script = Script::over_http(move |_| Some(body.into_response())).await;
        let error = listings(&script.source(), &cids(1)).await.remove(0).expect_err(body);
        assert!(error.is_temporary() && error.to_string().contains("unreadable"), "{error}");
    }
}

#[tokio::test]
async fn one_call_that_hangs_costs_its_own_answer_only() {
    let stuck = cids(60)[7];
    let script = Script::over_http(move |body| {
        let hangs = |call: &&Value| is_about(&call["params"], &stuck);
        if calls(body).iter().any(hangs) { None } else { well(body) }
    })
    .await;
    let mut settings = script.settings();
    settings.endpoint.timeout = Duration::from_secs(1);
    let source = EvmDealStatus::new(settings).expect("a source");
    // 120 lists are three batches: two are answered.
    let answers = listings(&source, &cids(60)).await;
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), place == 7, "CID {place}: {answer:?}");
    }
    let error = answers[7].as_ref().expect_err("it hangs");
    assert!(error.is_temporary() && error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_large_reading_at_an_endpoint_that_hangs_takes_one_time_out() {
    let script = Script::over_http(|_| None).await;
    let mut settings = script.settings();
    settings.endpoint.timeout = Duration::from_millis(200);
    let source = EvmDealStatus::new(settings).expect("a source");
    let many: Vec<Cid> = cids(250).into_iter().cycle().take(5_000).collect();
    let began = Instant::now();
    let answers = listings(&source, &many).await;
    assert_eq!(answers.len(), 5_000);
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(Error::is_temporary)));
    // 200 batches would be 25 rounds.
    assert!(script.take_sizes().len() < 20);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn answers_that_are_too_long_together_are_asked_for_one_by_one() {
    // 9 MiB of zeros after each list, which a reader passes over; 16 MiB are read of an answer.
    let script = Script::serve(|method, params| {
        let list = numbered(method, params)?;
        let zeros = if is(params, ALL) { 9 << 20 } else { 0 };
        Ok(json!(format!("{}{}", list.as_str().expect("text"), "0".repeat(zeros))))
    })
    .await;
    assert_numbered(listings(&script.source(), &cids(1)).await);
    assert_eq!(script.take_sizes(), [2, 1, 1, 1, 1]);
}

fn too_many(retry_after: &'static str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", retry_after)]).into_response()
}

#[tokio::test]
async fn a_short_pause_is_waited_for_once() {
    let refused = Arc::new(AtomicU64::new(0));
    let count = refused.clone();
    let script = Script::over_http(move |body| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Some(too_many("1")),
        _ => well(body),
    })
    .await;
    let source = script.source();
    let began = Instant::now();
    assert_numbered(listings(&source, &cids(1)).await);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let usage = usage(&source, &script);
    assert_eq!((usage.requests, usage.throttled), (4, 1));
    assert_eq!((usage.methods["eth_call"].calls, usage.methods["eth_call"].elements), (4, 6));
}

#[tokio::test]
async fn an_endpoint_that_goes_on_asking_for_pauses_is_asked_twice_and_left() {
    let script = Script::over_http(|_| Some(too_many("0"))).await;
    let error = listings(&script.source(), &cids(1)).await.remove(0).expect_err("refused");
    assert!(error.is_temporary() && error.to_string().contains("429"), "{error}");
    assert_eq!(script.take_sizes().len(), 2);
}

#[tokio::test]
async fn a_long_pause_is_kept_and_not_waited_for() {
    let script = Script::over_http(|_| Some(too_many("3600"))).await;
    let source = script.source();
    let began = Instant::now();
    for _ in 0..3 {
        let error = listings(&source, &cids(1)).await.remove(0).expect_err("refused");
        assert!(error.is_temporary(), "{error}");
        // An hour is more than anybody's word is good for.
        assert!(error.to_string().contains("no requests for 600 s"), "{error}");
    }
    assert_eq!(script.take_sizes().len(), 1, "nothing is sent in a pause");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_endpoint_that_was_away_is_used_again_when_it_is_back() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = away.clone();
    let script = Script::over_http(move |body| match is_away.load(Ordering::Relaxed) {
        true => Some(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        false => well(body),
    })
    .await;
    let source = script.source();
    let error = listings(&source, &cids(1)).await.remove(0).expect_err("away");
    assert!(error.is_temporary() && error.to_string().contains("HTTP 503"), "{error}");
    away.store(false, Ordering::Relaxed);
    assert_numbered(listings(&source, &cids(1)).await);
}
