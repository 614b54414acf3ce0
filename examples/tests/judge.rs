//! `judge` as people run it, against a devnet in each dialect.

#[path = "../judge.rs"]
#[allow(dead_code, reason = "it is a program of its own")]
mod judge;

use raas_devnet::{Devnet, DevnetConfig, NodeConfig, NodeKind, Plant, ProviderAction};
use raas_types::{DealId, EpochDelta, ProviderId};
use serde_json::{Value, json};

const HEALTHY: ProviderId = ProviderId::new(1000);
const FAULTY: ProviderId = ProviderId::new(1001);

async fn judged(args: &[&str]) -> anyhow::Result<String> {
    let mut out = Vec::new();
    judge::run(args.iter().map(|arg| (*arg).to_owned()).collect(), &mut out).await?;
    Ok(String::from_utf8(out)?)
}

/// A devnet of the three kinds of nodes, and deals: one proven, one not proven for two days, one that
/// was terminated, one still to be activated.
async fn world(dir: &std::path::Path) -> (Devnet, [DealId; 4]) {
    let mut config = DevnetConfig::new(dir);
    let node = |kind| NodeConfig { kind, ..NodeConfig::default() };
    config.nodes = [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway].map(node).to_vec();
    let devnet = Devnet::start(config).await.expect("a devnet");
    let now = devnet.head().epoch;
    let start = now + EpochDelta::days(30);
    let activated = |provider| Plant {
        activate: Some(now + EpochDelta::new(60)),
        ..Plant::new(provider, start, start + EpochDelta::days(180))
    };
    let plant = |plant| devnet.plant(plant).expect("a deal");
    let deals = [
        plant(activated(HEALTHY)),
        plant(activated(FAULTY)),
        plant(activated(HEALTHY)),
        plant(Plant::new(HEALTHY, start, start + EpochDelta::days(180))),
    ];
    // Proven once, then not any more.
    devnet.advance(2 * 2880).await;
    devnet.control_provider(FAULTY, ProviderAction::Fault).expect("a provider");
    let truth = devnet.deals();
    let doomed = truth.iter().find(|deal| deal.id == deals[2]).and_then(|deal| deal.sector);
    devnet.terminate_sector(HEALTHY, doomed.expect("a sector"), false).expect("a sector");
    devnet.advance(2 * 2880).await;
    (devnet, deals)
}

#[tokio::test]
async fn each_deal_gets_its_verdict_in_every_dialect() {
    let dir = tempfile::tempdir().expect("a directory");
    let (devnet, deals) = world(dir.path()).await;
    let ids = deals.map(|id| id.to_string());
    let never = "99999999";
    let truth = devnet.deals();
    let fault = truth.iter().find(|deal| deal.id == deals[1]).and_then(|deal| deal.fault_since);
    for (node, dates_faults) in [(0, true), (1, true), (2, false)] {
        let url = devnet.urls().nodes[node].clone();
        let args = [&["--json", &url][..], &ids.each_ref().map(String::as_str), &[never]].concat();
        let out = judged(&args).await.expect("verdicts");
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].clone()).collect();
        assert_eq!(verdicts, ["active", "faulty", "gone", "pending", "never_existed"], "{url}");
        for (line, id) in lines.iter().zip(deals) {
            assert_eq!(line["deal"], json!(id), "{line}");
            assert_eq!(line["epoch"], json!(devnet.head().finalized), "{line}");
            assert!(line["tipset"][0].is_string() && line["said"]["deal"].is_object(), "{line}");
        }
        assert_eq!(
            (&lines[0]["provider"], &lines[1]["provider"]),
            (&json!("f01000"), &json!("f01001"))
        );
        assert!(lines[1]["sector"].is_u64() && lines[2]["provider"].is_null(), "{out}");
        assert_eq!((&lines[0]["since"], &lines[3]["sector"]), (&Value::Null, &Value::Null));
        let since = if dates_faults { json!(fault) } else { lines[1]["epoch"].clone() };
        assert_eq!(lines[1]["since"], since, "{}", lines[1]);
        let is = if dates_faults { "exact" } else { "observed" };
        assert_eq!((&lines[1]["since_is"], &lines[0]["since_is"]), (&json!(is), &Value::Null));
        assert!(lines.iter().all(|line| line["finalized"] == true), "{out}");
        let words = judged(&[&url, &ids[1]]).await.expect("a verdict");
        for told in [format!("\"since\": {since}"), format!("\"since_is\": \"{is}\"")] {
            assert!(words.contains(&told), "{told} in {words}");
        }
    }
}

#[tokio::test]
async fn in_words_the_verdict_comes_first_and_the_evidence_below() {
    let dir = tempfile::tempdir().expect("a directory");
    let devnet = Devnet::start(DevnetConfig::new(dir.path())).await.expect("a devnet");
    let out = judged(&[&devnet.urls().lotus, "99999999"]).await.expect("a verdict");
    assert!(out.starts_with("99999999: never_existed {\n"), "{out}");
    assert!(out.contains("\"next_id\"") && out.contains("\"finalized\": true"), "{out}");
}

#[tokio::test]
async fn what_cannot_be_judged_is_an_error() {
    let usage = judged(&[]).await.expect_err("no endpoint").to_string();
    assert!(usage.contains("ENDPOINT DEAL_ID"), "{usage}");
    assert!(judged(&["http://127.0.0.1:1/rpc/v1", "seven"]).await.is_err());
    let gone = judged(&["http://127.0.0.1:1/rpc/v1", "7"]).await.expect_err("nobody there");
    assert!(gone.to_string().contains("127.0.0.1:1"), "{gone}");
}

#[test]
fn the_example_is_forty_lines_at_most() {
    assert!(include_str!("../judge.rs").lines().count() <= 40);
}
