//! How an endpoint that asks for fewer requests gets them, and what is counted.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use raas_lotus::{Error, LotusChain as _};
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{ChainEpoch, DealReading, MethodUsage};
use serde_json::{Value, json};
use support::{Reply, Server, deal_ids, each, missing_method, some_tipset};

fn node(method: &str, _: &Value) -> Result<Value, (i64, String)> {
    match method {
        "Filecoin.StateNetworkName" => Ok(json!("testnetnet")),
        "Filecoin.StateNetworkVersion" => Ok(json!(28)),
        "Filecoin.StateMarketStorageDeal" => Ok(fixture!("deal_active")),
        "Filecoin.ChainHead" => Ok(fixture!("chain_head")),
        _ => Err(missing_method(method)),
    }
}

/// A server that answers its first requests with 429, and then as it should.
async fn throttling(first: usize, retry_after: Option<&'static str>) -> Server {
    let requests = AtomicUsize::new(0);
    Server::start(move |request| {
        if requests.fetch_add(1, Ordering::Relaxed) < first {
            return Reply::TooMany(retry_after.map(str::to_owned));
        }
        Reply::Json(each(request, &node))
    })
    .await
}

/// Serves it on a port of its own; gives what to ask it with.
async fn serve(app: axum::Router) -> JsonRpcLotusConfig {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/rpc/v1", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    JsonRpcLotusConfig::new(url)
}

#[tokio::test]
async fn a_request_that_may_come_again_soon_is_sent_again() {
    for (retry_after, pause) in [(Some("0"), 0), (Some("1"), 1), (None, 1), (Some("soon"), 1)] {
        let server = throttling(1, retry_after).await;
        let lotus = server.lotus();
        let start = Instant::now();
        assert_eq!(lotus.network().await.unwrap().name, "testnetnet", "{retry_after:?}");
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(pause), "{retry_after:?}: {took:?}");
        let usage = lotus.usage();
        assert_eq!((usage.requests, usage.throttled), (3, 1));
    }
}

#[tokio::test]
async fn a_date_to_come_again_at_is_read_as_well() {
    // Fractions of a second get lost on the way: asked for in two, it is more than one from now.
    let requests = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if requests.fetch_add(1, Ordering::Relaxed) == 0 {
            let at = std::time::SystemTime::now() + Duration::from_secs(2);
            return Reply::TooMany(Some(httpdate::fmt_http_date(at)));
        }
        Reply::Json(each(request, &node))
    })
    .await;
    let start = Instant::now();
    server.lotus().network().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_request_is_sent_again_once_and_not_for_ever() {
    let server = throttling(usize::MAX, Some("0")).await;
    let error = server.lotus().finalized().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
    assert_eq!(server.heard().len(), 2);
}

#[tokio::test]
async fn a_pause_longer_than_the_timeout_fails_everybody_at_once_and_says_until_when() {
    let server = throttling(1, Some("100")).await;
    let lotus = server.lotus();
    let start = Instant::now();
    let error = lotus.finalized().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("429") && error.to_string().contains("GMT"), "{error}");
    let readings = lotus.deals(&deal_ids(0..500), &some_tipset()).await;
    assert!(readings.iter().all(|reading| matches!(reading, DealReading::Failed(_))));
    assert!(lotus.network().await.is_err() && lotus.head().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(server.heard().len(), 1, "nobody asks in the pause");
}

#[tokio::test]
async fn a_batch_that_is_throttled_is_answered_after_the_pause() {
    let server = throttling(3, Some("1")).await;
    let lotus = server.lotus();
    let readings = lotus.deals(&deal_ids(0..300), &some_tipset()).await;
    assert!(readings.iter().all(|reading| matches!(reading, DealReading::Found(_))));
    assert_eq!(lotus.usage().throttled, 3);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_configured() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (now.clone(), most.clone());
    // A server of its own, which takes a while for each request.
    let app = axum::Router::new().fallback(move |body: String| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            axum::Json(each(&serde_json::from_str(&body).unwrap(), &node))
        }
    });
    let mut config = serve(app).await;
    config.max_batch = 1;
    config.max_in_flight = 3;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let at = some_tipset();
    let ids = deal_ids(0..20);
    let readings = futures::future::join_all((0..4).map(|_| lotus.deals(&ids, &at))).await;
    assert!(readings.iter().flatten().all(|reading| matches!(reading, DealReading::Found(_))));
    assert_eq!(highest.load(Ordering::SeqCst), 3, "over all readings together");
    assert_eq!(counted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_two_calls_of_a_network_and_of_a_head_go_at_the_same_time() {
    // A server that answers nobody until another one has come.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let app = axum::Router::new().fallback(move |body: String| {
        let both = both.clone();
        async move {
            both.wait().await;
            let answer = |method: &str, params: &Value| match method {
                "Filecoin.SyncState" => Ok(json!({"ActiveSyncs": null, "VMApplied": 0})),
                _ => node(method, params),
            };
            axum::Json(each(&serde_json::from_str(&body).unwrap(), &answer))
        }
    });
    let mut config = serve(app).await;
    config.request_timeout = Duration::from_secs(5);
    let lotus = JsonRpcLotus::new(config).unwrap();
    assert_eq!(lotus.network().await.unwrap().version, 28);
    assert_eq!(lotus.head().await.unwrap().tipset.epoch, ChainEpoch::new(6_302_600));
}

#[tokio::test]
async fn requests_keep_to_the_pace() {
    let server = throttling(0, None).await;
    let mut config = server.config();
    config.requests_per_second = Some(20.0);
    config.max_batch = 10;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let start = Instant::now();
    let readings = lotus.deals(&deal_ids(0..110), &some_tipset()).await;
    assert!(readings.iter().all(|reading| matches!(reading, DealReading::Found(_))));
    // Eleven requests, ten spaces of 50 ms.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_call_ends_after_twice_the_timeout_whatever_happens() {
    let server = Server::start(|_| Reply::Hang).await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(300);
    config.max_in_flight = 1;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let start = Instant::now();
    let calls = futures::future::join_all((0..5).map(|_| lotus.head())).await;
    assert!(calls.iter().all(Result::is_err));
    // One is sent after the other; those that get no turn in their time are not sent at all.
    assert!(start.elapsed() < Duration::from_millis(1_000), "{:?}", start.elapsed());
    let said: Vec<_> = calls.iter().map(|call| call.as_ref().unwrap_err().to_string()).collect();
    assert!(said.iter().any(|said| said.contains("no turn")), "{said:?}");
}

#[tokio::test]
async fn what_is_asked_is_counted() {
    let server = throttling(0, None).await;
    let lotus = server.lotus();
    assert_eq!(lotus.usage(), Default::default());
    lotus.network().await.unwrap();
    lotus.deals(&deal_ids(0..250), &some_tipset()).await;
    lotus.head().await.unwrap();
    let usage = lotus.usage();
    let method = |calls, elements| MethodUsage { calls, elements };
    let expected = [
        ("Filecoin.ChainHead", method(1, 1)),
        ("Filecoin.StateMarketStorageDeal", method(3, 250)),
        ("Filecoin.StateNetworkName", method(1, 1)),
        ("Filecoin.StateNetworkVersion", method(1, 1)),
        ("Filecoin.SyncState", method(1, 1)),
        ("eth_syncing", method(1, 1)),
    ];
    let counted: Vec<_> = usage.methods.iter().map(|(name, m)| (name.as_str(), *m)).collect();
    assert_eq!(counted, expected);
    assert_eq!(usage.requests, 8);
    let sent: usize = server.heard().iter().map(|heard| heard.bytes).sum();
    assert_eq!(usage.bytes_sent, sent as u64);
    let deal = fixture!("deal_active").to_string().len() as u64;
    assert!(usage.bytes_received > 250 * deal, "{usage:?}");
}
