//! Tokens, methods, health and metrics over a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeMap;

use common::{CID, TOKEN, World, problem};
use raas_api_types::{AlertList, EndpointView, Ready};
use raas_lotus::FakeFault;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_token_is_asked_for_everywhere_but_at_the_probes() {
    let world = World::new().await;
    let cid = world.upload(b"x".to_vec()).await;
    let retrieval = format!("/ipfs/{cid}");
    for (method, path) in [
        (Method::POST, "/register_jobs"),
        (Method::POST, "/v1/data"),
        (Method::GET, "/v1/jobs"),
        (Method::GET, "/v1/jobs/x"),
        (Method::DELETE, "/v1/jobs/x"),
        (Method::GET, "/v1/alerts"),
        (Method::GET, "/v1/spending"),
        (Method::POST, "/v1/spending/resume"),
        (Method::GET, "/metrics"),
        (Method::GET, &retrieval),
        (Method::HEAD, &retrieval),
        (Method::GET, "/nothing"),
        (Method::GET, "//healthz"),
        (Method::GET, "/healthz/"),
    ] {
        let request = || world.stranger(method.clone(), path);
        let bare = request().send().await.unwrap();
        assert_eq!(bare.headers()["www-authenticate"], "Bearer realm=\"raas\"");
        assert_eq!(bare.status(), 401, "{method} {path}");
        for wrong in [format!("{TOKEN}x"), TOKEN[1..].to_owned(), TOKEN.to_uppercase()] {
            let answer = request().bearer_auth(wrong).send().await.unwrap();
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("invalid_token"), "{challenge}");
            assert_eq!(answer.status(), 401, "{method} {path}");
        }
        let basic = request().basic_auth("raas", Some(TOKEN)).send().await.unwrap();
        assert_eq!(basic.status(), 401);
    }
    let answer = world.stranger(Method::GET, "/v1/jobs").send().await.unwrap();
    assert!(problem(answer, 401).await.contains("Authorization: Bearer TOKEN"));
    let health = world.stranger(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(health.status(), 200);
    let ready = world.stranger(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 503);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let world = World::new().await;
    let lost = world.get("/v2/jobs").send().await.unwrap();
    assert!(problem(lost, 404).await.contains("nothing at /v2/jobs"));
    for (method, path, allowed) in [
        (Method::GET, "/register_jobs", "POST"),
        (Method::PUT, "/v1/jobs", "GET,HEAD"),
        (Method::PATCH, "/v1/jobs/x", "GET,HEAD,DELETE"),
        (Method::GET, "/v1/data", "POST"),
        (Method::POST, "/v1/alerts", "GET,HEAD"),
        (Method::GET, "/v1/spending/resume", "POST"),
        (Method::DELETE, "/ipfs/x", "GET,HEAD"),
    ] {
        let answer = world.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
        assert!(problem(answer, 405).await.contains(method.as_str()));
    }
}

#[tokio::test]
async fn ready_is_a_node_whose_last_pass_got_through_the_gate() {
    let world = World::new().await;
    let ready = async || world.stranger(Method::GET, "/readyz").send().await.unwrap();
    assert!(problem(ready().await, 503).await.contains("no pass"));
    world.node.pass().await;
    let answer = ready().await;
    assert_eq!(answer.status(), 200);
    let body: Ready = answer.json().await.unwrap();
    let epoch = world.node.status().epoch.unwrap().get();
    assert_eq!((body.status.as_str(), body.epoch, body.endpoints.len()), ("ready", epoch, 1));
    world.chain.fail(FakeFault::Endpoint);
    world.node.pass().await;
    let reason = world.node.status().gated.unwrap();
    assert_eq!(problem(ready().await, 503).await, reason);
    world.chain.heal(FakeFault::Endpoint);
    world.node.pass().await;
    assert_eq!(ready().await.status(), 200);
}

#[tokio::test]
async fn metrics_are_the_nodes_own_counts() {
    let world = World::new().await;
    let before = metrics(&world).await;
    assert_eq!((before["raas_passes_total"], before.get("raas_last_epoch")), (0, None));
    world.post("/v1/data?replicas=2").body("x").send().await.unwrap();
    world.node.pass().await;
    let after = metrics(&world).await;
    let status = world.node.status();
    assert_eq!((after["raas_passes_total"], after["raas_looks_total"]), (1, 1));
    assert_eq!(after["raas_last_epoch"], status.epoch.unwrap().get());
    let orders = after["raas_orders_total{cause=\"replication\"}"];
    assert_eq!(orders, i64::try_from(status.totals.orders_replication).unwrap());
    assert!(orders > 0);
    assert_eq!((after["raas_orders_total{cause=\"repair\"}"], after["raas_gate_shut"]), (0, 0));
    world.chain.fail(FakeFault::Endpoint);
    world.node.pass().await;
    let gated = metrics(&world).await;
    assert_eq!((gated["raas_passes_gated_total"], gated["raas_gate_shut"]), (1, 1));
}

#[tokio::test]
async fn the_token_opens_and_no_answer_repeats_it() {
    let world = World::new().await;
    let job = json!({"cid": CID, "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for path in ["/v1/jobs", "/metrics", "/readyz", "/nothing"] {
        let text = world.get(path).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains(TOKEN), "{path}");
    }
}

/// An endpoint that is set aside is told of everywhere, and when it is back nowhere.
#[tokio::test]
async fn an_endpoint_that_is_set_aside_shows_until_it_is_back() {
    let (world, second) = World::twice_seen().await;
    let shown = async || {
        let alerts = world.get("/v1/alerts").send().await.unwrap();
        let alerts: AlertList = alerts.json().await.unwrap();
        let ready = world.stranger(Method::GET, "/readyz").send().await.unwrap();
        let text = ready.text().await.unwrap();
        assert!(
            text.contains(r#""set_aside":null"#),
            "it is there for those that are believed: {text}"
        );
        let ready: Ready = serde_json::from_str(&text).unwrap();
        (alerts.alerts, ready.endpoints, metrics(&world).await)
    };
    let gauge = "raas_endpoint_set_aside{endpoint=\"second.example\"}";
    let alerts_gauge = "raas_alerts{code=\"endpoint_aside\"}";
    world.node.pass().await;
    let (alerts, endpoints, metrics) = shown().await;
    assert_eq!((alerts, metrics[gauge], metrics[alerts_gauge]), (vec![], 0, 0));
    let well = EndpointView { endpoint: "second.example".to_owned(), set_aside: None };
    assert_eq!(endpoints[1], well);

    second.fail(FakeFault::Endpoint);
    world.node.pass().await;
    let (alerts, endpoints, metrics) = shown().await;
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!((alert.code.as_str(), alert.about.as_str()), ("endpoint_aside", "second.example"));
    assert_eq!((alert.since, alert.words.is_empty()), (Some(9970), false));
    assert_eq!(endpoints[1].set_aside.as_ref(), Some(&alert.words));
    assert_eq!(endpoints[0].set_aside, None);
    assert_eq!((metrics[gauge], metrics[alerts_gauge]), (1, 1));
    assert_eq!(metrics["raas_endpoints_set_aside_total"], 1);

    second.heal(FakeFault::Endpoint);
    world.node.pass().await;
    let (alerts, _, metrics) = shown().await;
    assert_eq!((alerts, metrics[gauge], metrics[alerts_gauge]), (vec![], 0, 0));
}

#[tokio::test]
async fn metrics_tell_what_each_endpoint_was_asked() {
    let (world, _) = World::twice_seen().await;
    world.node.pass().await;
    let metrics = metrics(&world).await;
    let mut asked = 0;
    for (endpoint, usage) in world.node.rpc_usage() {
        for (name, value) in [
            ("requests", usage.requests),
            ("throttled", usage.throttled),
            ("bytes_sent", usage.bytes_sent),
            ("bytes_received", usage.bytes_received),
        ] {
            let sample = format!("raas_rpc_{name}_total{{endpoint=\"{endpoint}\"}}");
            assert_eq!(metrics[&sample], i64::try_from(value).unwrap(), "{sample}");
        }
        for (method, of) in usage.methods {
            let labels = format!("endpoint=\"{endpoint}\",method=\"{method}\"");
            for (name, value) in [("calls", of.calls), ("elements", of.elements)] {
                let sample = format!("raas_rpc_{name}_total{{{labels}}}");
                assert_eq!(metrics[&sample], i64::try_from(value).unwrap(), "{sample}");
                asked += value;
            }
        }
    }
    assert!(asked > 0, "{metrics:?}");
}

/// Samples by name and labels; every line must be one, or a comment.
async fn metrics(world: &World) -> BTreeMap<String, i64> {
    let answer = world.get("/metrics").send().await.unwrap();
    let media = answer.headers()["content-type"].to_str().unwrap();
    assert!(media.starts_with("application/openmetrics-text"), "{media}");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}
