//! What people see of a node with two endpoints, one of which lies.

mod support;

use std::fs;

use raas_devnet::{Lie, RpcMode};
use raas_types::DealId;
use serde_json::Value;
use support::{Process, client, raas, until, ward::Ward};

/// A node that reads the Lotus node of a ward and has the Forest node for a witness.
async fn node(ward: &Ward) -> Process {
    let path = ward.dir.path().join("raas.toml");
    fs::write(&path, ward.config(&[ward.node(0), ward.node(1)])).expect("written");
    blocking(move || {
        let mut command = raas();
        command.args(["run", "--json", "--listen", "127.0.0.1:0", "--config"]);
        Process::start(command.arg(path))
    })
    .await
}

/// Other processes wait for the devnet, which is in this one.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it runs")
}

fn why(node: &Process, job: &str) -> Value {
    tokio::task::block_in_place(|| client(node, &["why", job]).0)
}

fn in_words(node: &Process, job: &str) -> String {
    let mut command = raas();
    command.args(["why", job, "--api", &node.url("api"), "--token", &node.url("token")]);
    String::from_utf8(command.output().expect("it runs").stdout).expect("text")
}

async fn alerts(node: &Process) -> Vec<Value> {
    let request = reqwest::Client::new().get(format!("{}/v1/alerts", node.url("api")));
    let answer = request.bearer_auth(node.url("token")).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    answer["alerts"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_a_deal_is_an_alert_with_both_answers_until_it_ends() {
    let ward = Ward::open().await;
    let node = node(&ward).await;
    let path = ward.dir.path().join("data.bin");
    fs::write(&path, b"seen twice").expect("written");
    let path = path.to_str().expect("a path").to_owned();
    let (stored, code, errors) = tokio::task::block_in_place(|| {
        client(&node, &["store", &path, "--replicas", "2", "--repair-after", "1d"])
    });
    assert_eq!(code, Some(0), "{errors}");
    let job = stored["job"].as_str().expect("a job").to_owned();
    let replica = until("a proven replica", async || {
        ward.devnet.advance(60).await;
        let seen = why(&node, &job);
        let replicas = seen["replicas"].as_array().expect("replicas").clone();
        replicas.into_iter().find(|replica| replica["verdict"] == "active")
    })
    .await;
    let said = &replica["evidence"]["said"];
    assert_eq!(said["deal"]["method"], "StateMarketStorageDeal", "{replica}");
    assert_eq!(said["deal"]["provider"], replica["provider"], "{replica}");
    assert_eq!(said["deal"]["sector"], replica["sector"], "{replica}");
    assert_eq!(said["sector"]["method"], "StateMinerPartitions", "{replica}");
    assert!(said["sector"]["deadline"].is_u64() && said["sector"]["next_deadline_end"].is_i64());

    let deal = DealId::new(replica["deal"].as_u64().expect("an id"));
    ward.devnet.set_rpc_mode(RpcMode::Lie { deal, as_: Lie::Missing });
    let alert = until("an alert", async || {
        ward.devnet.advance(60).await;
        alerts(&node).await.into_iter().find(|alert| alert["code"] == "disagreement")
    })
    .await;
    assert!(alert["about"].as_str().is_some_and(|about| about.contains(&deal.get().to_string())));
    let disputed = async || {
        let seen = why(&node, &job);
        let replicas = seen["replicas"].as_array().expect("replicas").clone();
        replicas.into_iter().find(|replica| replica["deal"].as_u64() == Some(deal.get()))
    };
    let replica = until("the verdict", async || {
        ward.devnet.advance(60).await;
        disputed().await.filter(|replica| replica["verdict"] == "unknown")
    })
    .await;
    let evidence = &replica["evidence"];
    assert_eq!(evidence["said"]["deal"]["answer"], "not_found", "{replica}");
    assert_eq!(evidence["witness"]["said"]["deal"]["answer"], "found", "{replica}");
    assert_ne!(evidence["witness"]["endpoint"], evidence["endpoint"], "{replica}");
    let text = until("the disagreement in words", async || {
        ward.devnet.advance(60).await;
        let text = tokio::task::block_in_place(|| in_words(&node, &job));
        text.contains("the endpoints disagree").then_some(text)
    })
    .await;
    assert!(text.contains("no such deal, the next id is"), "{text}");

    ward.devnet.set_rpc_mode(RpcMode::Ok);
    until("the alert ends", async || {
        ward.devnet.advance(60).await;
        alerts(&node).await.is_empty().then_some(())
    })
    .await;
    until("it is active again", async || {
        disputed().await.filter(|replica| replica["verdict"] == "active")
    })
    .await;
    // Two replicas were asked for, and two were ordered.
    let orders = why(&node, &job)["orders"].as_array().map(Vec::len);
    assert_eq!(orders, Some(2));
}
