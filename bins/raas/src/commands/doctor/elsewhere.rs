//! Services of others: aggregators, gateways, the index.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use raas_runtime::aggregator::Error;
use url::Url;

use super::{Findings, Unanswered, http_client, nothing, soon};
use crate::{
    config::{AggregatorConfig, Config},
    wiring,
};

/// What is found of the aggregators and of where bytes are fetched from.
pub(super) async fn check(config: &Config, within: Duration) -> Findings {
    let mut findings = Findings::default();
    let mut names: Vec<_> = config.aggregators.iter().map(|a| a.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let says = format!("two are named {:?}", pair[0]);
        findings.fail("aggregators", says, "rename one: orders could not be told apart");
    }
    if config.aggregators.is_empty() {
        findings.warn(
            "aggregators",
            "there is none: the node watches, and can order nothing",
            "add a section [[aggregator]]",
        );
    }
    let aggregators = config.aggregators.iter().map(|one| aggregator(one, within));
    join_all(aggregators).await.into_iter().for_each(|of_one| findings.extend(of_one));
    findings.extend(sources(config, within).await);
    findings
}

/// Whether an aggregator answers a question that costs nothing.
async fn aggregator(config: &AggregatorConfig, within: Duration) -> Findings {
    let mut findings = Findings::default();
    let about = format!("aggregator {}", config.name);
    let adapter = match wiring::aggregator_from_config(config) {
        Ok(adapter) => adapter,
        Err(error) => {
            findings.fail(about, error, "correct its section [[aggregator]]");
            return findings;
        }
    };
    match soon(within, adapter.deals(&nothing())).await {
        Ok(_) => findings.ok(about, "answers questions with this key"),
        Err(Unanswered::Failed(error @ Error::Misconfigured { .. })) => {
            findings.fail(about, error, "write a valid key into its key_file, or correct its api");
        }
        Err(Unanswered::Failed(error @ Error::Rejected { .. })) => findings.warn(
            about,
            error,
            "it answers, and not as it should: see whether it is the api",
        ),
        Err(why) => findings.fail(about, why, "see whether it is there, or correct its api"),
    }
    findings
}

/// Whether those answer whom bytes are fetched from. Nothing is fetched: any answer will do.
async fn sources(config: &Config, within: Duration) -> Findings {
    let mut findings = Findings::default();
    if let Err(error) = wiring::sources_from_config(config) {
        findings.fail("retrieval", error, "correct the section [retrieval]");
        return findings;
    }
    let gateways = config.aggregators.iter().map(|a| &a.gateway).chain(&config.retrieval.gateways);
    let urls = gateways.chain(&config.retrieval.ipni);
    let hosts: BTreeMap<_, _> = urls.map(|url| (host(url), url)).collect();
    let asked = join_all(hosts.values().map(|url| soon(within, knock(url)))).await;
    for (host, answer) in hosts.into_keys().zip(asked) {
        let about = format!("retrieval {host}");
        match answer {
            Ok(()) => findings.ok(about, "answers"),
            Err(why) => findings.warn(about, why, "bytes cannot be fetched from there now"),
        }
    }
    findings
}

async fn knock(url: &Url) -> Result<(), String> {
    // What the client says of its failures names the URL, which may hold a secret.
    let answer = http_client()?.head(url.clone()).send().await;
    answer.map(drop).map_err(|_| "no connection, or no answer".to_owned())
}

/// Host and port: a URL may hold a password or a key.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
