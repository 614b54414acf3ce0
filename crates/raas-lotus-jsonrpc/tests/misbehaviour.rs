//! Servers that hang, refuse, talk nonsense or lose half of a batch.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use std::time::Duration;

use raas_lotus::{Error, LotusChain as _};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig, Token};
use raas_types::{DealReading, EpochDelta, SectorReading};
use serde_json::{Value, json};
use support::{Reply, Server, deal_ids, each, missing_method, not_found, sector, some_tipset};

/// Every deal is active.
fn all_active(_: &str, _: &Value) -> Result<Value, (i64, String)> {
    Ok(fixture!("deal_active"))
}

async fn read(server: &Server, ids: impl IntoIterator<Item = u64>) -> Vec<DealReading> {
    server.lotus().deals(&deal_ids(ids), &some_tipset()).await
}

fn failures(readings: &[DealReading]) -> Vec<&str> {
    let failed = readings.iter().filter_map(|reading| match reading {
        DealReading::Failed(why) => Some(why.as_str()),
        _ => None,
    });
    failed.collect()
}

#[tokio::test]
async fn a_batch_answered_with_http_500_is_read_all_the_same() {
    for status in [500, 400] {
        let server = Server::start(move |request| {
            let replies = each(request, &|method, params| match params[0].as_u64() {
                Some(2) => Err((-32601, format!("method '{method}' not found"))),
                Some(3) => Err(not_found(3)),
                _ => all_active(method, params),
            });
            Reply::Status(status, replies.to_string())
        })
        .await;
        let readings = read(&server, [1, 2, 3]).await;
        use DealReading::{Failed, Found, NotFound};
        let good = matches!(readings[..], [Found(_), Failed(_), NotFound { .. }]);
        assert!(good, "HTTP {status}: {readings:?}");
    }
}

#[tokio::test]
async fn a_single_call_answered_with_http_500_is_read_all_the_same() {
    // A method that is missing, and go-jsonrpc's status for it; then the node's way around it.
    let server = Server::start(|request| match request["method"].as_str() {
        Some("Filecoin.ChainHead") => {
            Reply::Json(each(request, &|_, _| Ok(fixture!("chain_head"))))
        }
        _ => {
            let reply = each(request, &|method, _| Err(missing_method(method)));
            Reply::Status(500, reply.to_string())
        }
    })
    .await;
    assert_eq!(server.lotus().head().await.unwrap().behind, EpochDelta::ZERO);
    let refused = server.lotus().network().await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn a_server_error_without_json_is_unavailable() {
    for (status, body) in [(500, "<html>"), (500, ""), (502, "{}"), (503, "busy"), (429, "")] {
        let server = Server::start(move |_| Reply::Status(status, body.to_owned())).await;
        let error = server.lotus().finalized().await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable { .. }), "{status} {body:?}: {error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(failures(&read(&server, [1, 2]).await).len(), 2, "{status} {body:?}");
    }
}

#[tokio::test]
async fn a_refused_token_is_refused_and_never_shown() {
    let server = Server::start(|_| Reply::Status(401, String::new())).await;
    let mut config = server.config();
    config.token = Some(Token::new("s3cr3t-token"));
    assert!(!format!("{config:?}").contains("s3cr3t"));
    let lotus = JsonRpcLotus::new(config).unwrap();
    assert!(!format!("{lotus:?}").contains("s3cr3t"));
    let error = lotus.network().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("check the token")));
    assert!(!format!("{error:?} {error}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_token_that_the_endpoint_quotes_is_not_passed_on() {
    let quoting = "JWT verification failed: s3cr3t-token";
    let server = Server::node(move |_, _| Err((1, quoting.to_owned()))).await;
    let mut config = server.config();
    config.token = Some(Token::new("s3cr3t-token"));
    let lotus = JsonRpcLotus::new(config).unwrap();
    let error = lotus.network().await.unwrap_err();
    assert!(error.to_string().contains("failed: ***"), "{error}");
    let readings = lotus.deals(&deal_ids([1]), &some_tipset()).await;
    assert!(failures(&readings)[0].contains("failed: ***"), "{readings:?}");
}

#[tokio::test]
async fn a_password_or_key_in_the_url_is_not_shown() {
    let url = "http://user:hunter2@127.0.0.1:9/rpc/v1?key=hunter3".parse().unwrap();
    let lotus = JsonRpcLotus::new(JsonRpcLotusConfig::new(url)).unwrap();
    assert_eq!(lotus.endpoint(), "127.0.0.1:9");
    let shown = format!("{lotus:?} {}", lotus.network().await.unwrap_err());
    assert!(!shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn garbage_is_malformed_and_finds_nothing_missing() {
    for body in ["", "deal 1 not found", "{", "[]", "null", "{\"jsonrpc\":\"2.0\"}", "[{}]", "[1]"]
    {
        let server = Server::start(move |_| Reply::Status(200, body.to_owned())).await;
        let error = server.lotus().network().await.unwrap_err();
        assert!(matches!(&error, Error::Malformed { .. }), "{body:?}: {error}");
        assert_eq!(failures(&read(&server, [1, 2]).await).len(), 2, "{body:?}");
        let sectors = server.lotus().sectors(&[sector(1000, 9)], &some_tipset()).await;
        assert!(matches!(sectors[..], [SectorReading::Failed(_)]), "{body:?}: {sectors:?}");
    }
}

#[tokio::test]
async fn a_batch_cut_short_fails_what_is_missing_alone() {
    // Go stops in the middle of a batch; here the first, a middle and the last reply are gone.
    for gone in [0, 1, 2] {
        let server = Server::start(move |request| {
            let mut replies = each(request, &all_active);
            replies.as_array_mut().unwrap().remove(gone);
            Reply::Json(replies)
        })
        .await;
        let readings = read(&server, [1, 2, 3]).await;
        for (at, reading) in readings.iter().enumerate() {
            let failed = matches!(reading, DealReading::Failed(_));
            assert_eq!(failed, at == gone, "reply {gone} is gone: {readings:?}");
        }
    }
}

#[tokio::test]
async fn json_that_breaks_off_fails_the_batch() {
    let server = Server::start(|request| {
        let replies = each(request, &all_active).to_string();
        Reply::Status(200, replies[..replies.len() / 2].to_owned())
    })
    .await;
    assert_eq!(failures(&read(&server, [1, 2, 3]).await).len(), 3);
}

#[tokio::test]
async fn replies_in_another_order_are_told_apart_by_their_ids() {
    let server = Server::start(|request| {
        let mut replies = each(request, &|_, params| match params[0].as_u64() {
            Some(1) => Ok(fixture!("deal_published")),
            _ => Ok(fixture!("deal_active")),
        });
        replies.as_array_mut().unwrap().reverse();
        Reply::Json(replies)
    })
    .await;
    let readings = read(&server, [1, 2, 3]).await;
    let active: Vec<_> = readings
        .iter()
        .map(|reading| matches!(reading, DealReading::Found(deal) if deal.activation.is_some()))
        .collect();
    assert_eq!(active, [false, true, true]);
}

#[tokio::test]
async fn strange_ids_fail_the_items_they_leave_without_a_reply() {
    let strange: [fn(&mut Value); 4] = [
        // Nobody's.
        |replies| replies[1]["id"] = json!(4_711),
        |replies| replies[1]["id"] = json!(null),
        |replies| replies[1]["id"] = json!("abc"),
        // One more for item 1, from nowhere: neither of the two can be trusted.
        |replies| {
            let again = replies[1].clone();
            replies.as_array_mut().unwrap().push(again);
        },
    ];
    for change in strange {
        let server = Server::start(move |request| {
            let mut replies = each(request, &all_active);
            change(&mut replies);
            Reply::Json(replies)
        })
        .await;
        let readings = read(&server, [1, 2, 3]).await;
        use DealReading::{Failed, Found};
        assert!(matches!(readings[..], [Found(_), Failed(_), Found(_)]), "{readings:?}");
    }
}

fn batch_too_large() -> Reply {
    let error = json!({"code": -32010, "message": "The batch request was too large"});
    Reply::Json(json!({"jsonrpc": "2.0", "id": null, "error": error}))
}

#[tokio::test]
async fn an_endpoint_that_takes_smaller_batches_gets_them() {
    let server = Server::start(|request| match request.as_array() {
        Some(items) if items.len() > 30 => batch_too_large(),
        _ => Reply::Json(each(request, &all_active)),
    })
    .await;
    let lotus = server.lotus();
    for reading in 0..2 {
        let readings = lotus.deals(&deal_ids(0..100), &some_tipset()).await;
        assert_eq!(failures(&readings), [""; 0]);
        let sizes = server.heard().into_iter().map(|heard| heard.body.as_array().unwrap().len());
        let sizes: Vec<_> = sizes.collect();
        // 100 and 50 are refused; what is found out is remembered.
        let expected = [&[100, 50, 25, 25, 25, 25][..], &[25; 4]];
        assert_eq!(sizes, expected[..=reading].concat());
    }
}

#[tokio::test]
async fn an_endpoint_without_batches_is_asked_one_by_one() {
    for refusal in [|| Reply::Status(400, "what?".to_owned()), || Reply::Status(413, String::new())]
    {
        let server = Server::start(move |request| match request {
            Value::Array(_) => refusal(),
            _ => Reply::Json(each(request, &all_active)),
        })
        .await;
        let lotus = server.lotus();
        assert_eq!(failures(&lotus.deals(&deal_ids(0..9), &some_tipset()).await), [""; 0]);
        let before = server.heard().len();
        assert_eq!(failures(&lotus.deals(&deal_ids(0..9), &some_tipset()).await), [""; 0]);
        assert_eq!(server.heard().len() - before, 9, "no more batches");
    }
}

#[tokio::test]
async fn a_batch_refused_for_what_is_in_it_leaves_the_next_as_large() {
    // A proxy that does not like deal 7, whoever asks with it.
    let server = Server::start(|request| {
        let calls = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
        match calls.iter().any(|call| call["params"][0] == 7) {
            true => Reply::Status(400, "<html>".to_owned()),
            false => Reply::Json(each(request, &all_active)),
        }
    })
    .await;
    let lotus = server.lotus();
    let readings = lotus.deals(&deal_ids(0..100), &some_tipset()).await;
    assert_eq!(failures(&readings).len(), 1, "{:?}", failures(&readings));
    assert!(matches!(readings[7], DealReading::Failed(_)), "{:?}", readings[7]);

    let before = server.heard().len();
    assert_eq!(failures(&lotus.deals(&deal_ids(100..300), &some_tipset()).await), [""; 0]);
    assert_eq!(server.heard().len() - before, 2, "batches of 100");
}

#[tokio::test]
async fn an_endpoint_that_refuses_batches_and_hangs_when_asked_why_is_asked_why_once() {
    let server = Server::start(|request| match request.as_array() {
        Some(calls) if calls[0]["method"] == "Filecoin.Version" => Reply::Hang,
        Some(_) => Reply::Status(400, String::new()),
        None => Reply::Json(each(request, &all_active)),
    })
    .await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(200);
    let lotus = JsonRpcLotus::new(config).unwrap();
    let readings = lotus.deals(&deal_ids(0..400), &some_tipset()).await;
    assert_eq!(failures(&readings), [""; 0]);
    let why = server.heard().iter().filter(|h| h.body[0]["method"] == "Filecoin.Version").count();
    assert_eq!(why, 1);
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_fails_every_item_and_is_soon_left_alone() {
    let server = Server::start(|_| batch_too_large()).await;
    let readings = read(&server, 0..100).await;
    assert_eq!(failures(&readings).len(), 100);
    assert!(server.heard().len() < 20, "{} requests", server.heard().len());
}

#[tokio::test]
async fn a_batch_refused_for_another_reason_is_not_asked_for_again() {
    let server = Server::start(|_| {
        let error = json!({"code": -32005, "message": "limit exceeded"});
        Reply::Json(json!({"jsonrpc": "2.0", "id": null, "error": error}))
    })
    .await;
    let readings = read(&server, 0..100).await;
    assert!(failures(&readings)[99].contains("limit exceeded"), "{}", failures(&readings)[99]);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn an_answer_too_large_is_asked_for_in_parts() {
    // Ten deals take some 10 kB.
    let server = Server::node(all_active).await;
    let mut config = server.config();
    config.max_response = 4_000;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let readings = lotus.deals(&deal_ids(0..10), &some_tipset()).await;
    assert_eq!(failures(&readings), [""; 0]);

    // One that is too large alone fails alone, and says what to change.
    let server = Server::node(|method, params| {
        let mut deal = all_active(method, params)?;
        if params[0] == 3 {
            deal["Padding"] = json!("x".repeat(4_000));
        }
        Ok(deal)
    })
    .await;
    let mut config = server.config();
    config.max_response = 4_000;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let readings = lotus.deals(&deal_ids(0..10), &some_tipset()).await;
    assert_eq!(failures(&readings).len(), 1, "{readings:?}");
    assert!(matches!(&readings[3], DealReading::Failed(why) if why.contains("max_response")));
}

#[tokio::test]
async fn a_single_reply_to_somebody_else_is_not_taken() {
    let server = Server::start(|request| {
        let mut reply = each(request, &|_, _| Err(not_found(1)));
        reply["id"] = json!(4_711);
        Reply::Json(reply)
    })
    .await;
    assert_eq!(failures(&read(&server, [1]).await).len(), 1);
    let error = server.lotus().network().await.unwrap_err();
    assert!(matches!(&error, Error::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn one_undecodable_reply_fails_alone() {
    let server = Server::node(|method, params| match params[0].as_u64() {
        Some(2) => Ok(json!({"Proposal": "?"})),
        Some(3) => Ok(json!(null)),
        _ => all_active(method, params),
    })
    .await;
    let readings = read(&server, [1, 2, 3, 4]).await;
    use DealReading::{Failed, Found};
    assert!(matches!(readings[..], [Found(_), Failed(_), Failed(_), Found(_)]), "{readings:?}");
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_one_time_out_and_not_one_a_batch() {
    let server = Server::start(|_| Reply::Hang).await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(100);
    config.max_batch = 1;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let readings = lotus.deals(&deal_ids(0..1_000), &some_tipset()).await;
    assert_eq!(failures(&readings).len(), 1_000);
    assert!(failures(&readings)[0].contains("no answer in time"));
    assert!(failures(&readings)[999].contains("not asked"));
    assert!(server.heard().len() < 20, "{} requests", server.heard().len());

    let error = lotus.head().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_hangs_at_the_sync_state_is_not_taken_to_be_in_sync() {
    let server = Server::start(|request| match request["method"].as_str() {
        Some("Filecoin.ChainHead") => {
            Reply::Json(each(request, &|_, _| Ok(fixture!("chain_head"))))
        }
        _ => Reply::Hang,
    })
    .await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(200);
    let error = JsonRpcLotus::new(config).unwrap().head().await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read() {
    let server = Server::start(|request| {
        let mut reply = each(request, &|_, _| Ok(json!("testnetnet")));
        reply["padding"] = json!("x".repeat(20_000));
        Reply::Json(reply)
    })
    .await;
    let mut config = server.config();
    config.max_response = 10_000;
    let error = JsonRpcLotus::new(config).unwrap().network().await.unwrap_err();
    assert!(matches!(&error, Error::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("max_response"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/rpc/v1").parse().unwrap();
    let lotus = JsonRpcLotus::new(JsonRpcLotusConfig::new(url)).unwrap();
    let error = lotus.head().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_wrong_path_is_refused_with_the_right_one() {
    let server = Server::start(|_| Reply::Status(404, String::new())).await;
    let error = server.lotus().head().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("/rpc/v1")));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let config = |url: &str| JsonRpcLotusConfig::new(url.parse().unwrap());
    let good = || config("https://lotus.example/rpc/v1");
    assert!(JsonRpcLotus::new(good()).is_ok());
    let ws = config("ws://lotus.example/rpc/v1");
    let mut bad = [good(), good(), good(), good(), good(), good(), ws];
    bad[0].max_batch = 0;
    bad[1].max_batch = 101;
    bad[2].max_in_flight = 0;
    bad[3].finality_fallback = EpochDelta::new(-1);
    bad[4].token = Some(Token::new("two\nlines"));
    bad[5].requests_per_second = Some(0.0);
    for config in bad {
        let refused = JsonRpcLotus::new(config.clone());
        assert!(matches!(refused, Err(Error::Refused { .. })), "{config:?}");
    }
}
