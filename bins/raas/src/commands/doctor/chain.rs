//! The endpoints of the chain: each by itself, and whether they tell of one chain.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures::future::join_all;
use raas_lotus_jsonrpc::{
    Capabilities, FaultDating, FinalitySource, JsonRpcLotus, LookBack, SectorAccess,
};
use raas_runtime::{
    Settings,
    lotus::{Error, Head, LotusChain},
};
use raas_types::{EpochDelta, Network, Tipset};
use serde::Deserialize;

use super::{Findings, Level, Unanswered, soon};
use crate::{
    config::{EndpointConfig, LotusConfig},
    secret::read_secret,
    wiring,
};

/// When the public networks began, in seconds since 1970, and what they call themselves.
const GENESIS: [(&str, u64); 2] =
    [("testnetnet", 1_598_306_400), ("calibrationnet", 1_667_326_380)];

/// Seconds an epoch.
const EPOCH: u64 = 30;

/// Permissions that reading does not need.
const MORE_THAN_READ: [&str; 3] = ["write", "sign", "admin"];

/// An endpoint that introduced itself.
struct Met {
    chain: JsonRpcLotus,
    network: Network,
    finalized: Option<Tipset>,
    head: Option<Tipset>,
}

/// What is found of the endpoints, and the final tipset and the head of one of them, to ask the
/// contract at.
pub(super) async fn check(config: &LotusConfig, within: Duration) -> (Findings, Vec<Tipset>) {
    let each = config.endpoints.iter().map(|endpoint| meet(config, endpoint, within));
    let (mut findings, mut met) = (Findings::default(), Vec::new());
    for (of_one, who) in join_all(each).await {
        findings.extend(of_one);
        met.extend(who);
    }
    together(config, &met, within, &mut findings).await;
    let pins = met.into_iter().find_map(|who| Some(vec![who.finalized?, who.head?]));
    (findings, pins.unwrap_or_default())
}

/// One endpoint by itself.
async fn meet(
    config: &LotusConfig,
    endpoint: &EndpointConfig,
    within: Duration,
) -> (Findings, Option<Met>) {
    let mut findings = Findings::default();
    let chain = match wiring::chain_from_config(config, endpoint) {
        Ok(chain) => chain,
        Err(error) => {
            let about = format!("lotus {}", endpoint.url.host_str().unwrap_or("?"));
            findings.fail(about, error, "correct its section [[lotus.endpoint]]");
            return (findings, None);
        }
    };
    let about = format!("lotus {}", chain.endpoint());
    let network = match soon(within, chain.network()).await {
        Ok(network) => network,
        Err(why) => {
            findings.fail(&about, &why, mend(&why));
            return (findings, None);
        }
    };
    of_network(&about, config, &network, &mut findings);
    let head = soon(within, chain.head()).await;
    of_head(&about, &network, &head, &mut findings);
    let finalized = soon(within, chain.finalized()).await;
    let finalized = finalized
        .inspect_err(|why| findings.fail(&about, why, "without a final tipset nothing is read"))
        .ok();
    match soon(within, chain.capabilities()).await {
        Ok(able) => of_capabilities(&about, &able, finalized.as_ref(), &mut findings),
        Err(why) => findings.warn(&about, why, "what it can do was not found out: ask again later"),
    }
    of_token(&about, endpoint, &mut findings);
    (findings, Some(Met { chain, network, finalized, head: head.ok().map(|head| head.tipset) }))
}

/// What to do about an endpoint that gives no answer.
fn mend(why: &Unanswered<Error>) -> &'static str {
    let Unanswered::Failed(error) = why else {
        return "see whether the node is overloaded, or give --timeout";
    };
    match error {
        Error::Unavailable { .. } => "start the node, or correct the url of its [[lotus.endpoint]]",
        Error::Refused { .. } => {
            "give it a token that it takes (token_file), or correct the url of its [[lotus.endpoint]]"
        }
        Error::Malformed { .. } => {
            "name the JSON-RPC of a Lotus or Forest node, such as http://127.0.0.1:1234/rpc/v1"
        }
    }
}

fn of_network(about: &str, config: &LotusConfig, network: &Network, findings: &mut Findings) {
    let Network { name, version } = network;
    match &config.network {
        Some(expected) if expected != name => findings.fail(
            about,
            format!("it is on network {name}, and the configuration wants {expected}"),
            "name an endpoint of that network, or change lotus.network",
        ),
        _ => findings.ok(about, format!("network {name}, version {version}")),
    }
}

fn of_head(
    about: &str,
    network: &Network,
    head: &Result<Head, Unanswered<Error>>,
    findings: &mut Findings,
) {
    let Head { tipset, behind } = match head {
        Ok(head) => head,
        Err(why) => return findings.fail(about, why, "without its head nothing is read"),
    };
    let max_behind = Settings::default().max_behind;
    let by_the_clock = epoch_by_the_clock(&network.name).map(|now| now - tipset.epoch.get());
    if *behind > max_behind {
        let says = format!("it is {behind} behind the network by its own word");
        findings.fail(about, says, "wait until it is in sync: until then it is not believed");
    } else if let Some(late) = by_the_clock.filter(|late| *late > max_behind.get()) {
        findings.warn(
            about,
            format!("its head, epoch {}, is {late} epochs behind the clock", tipset.epoch),
            "see whether it is in sync, and whether this machine's clock is right",
        );
    } else {
        findings.ok(about, format!("in sync, its head is at epoch {}", tipset.epoch));
    }
}

/// The epoch that it is on a public network.
fn epoch_by_the_clock(network: &str) -> Option<i64> {
    let (_, genesis) = GENESIS.iter().find(|(name, _)| *name == network)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(now.checked_sub(*genesis)? / EPOCH).ok()
}

fn of_capabilities(
    about: &str,
    able: &Capabilities,
    finalized: Option<&Tipset>,
    findings: &mut Findings,
) {
    // The first of its words is of the network, which was told of already.
    let words = able.words().into_iter().skip(1);
    let observed = FaultDating::Observed.to_string();
    for (mut says, (more, wrong)) in words.zip(meanings(able, finalized)) {
        if says == observed {
            // Either way, and in as few words as the rest.
            let off = EpochDelta::PROVING_PERIOD.get();
            says = format!("faults dated by observation, +-{off} epochs");
        }
        says.push_str(&more);
        match wrong {
            Some((level, mend)) => findings.wrong(level, about, says, mend),
            None => findings.ok(about, says),
        }
    }
}

/// What to add to the words of a capability, and where it is wanting how bad that is and how to mend
/// it.
type Meaning = (String, Option<(Level, &'static str)>);

/// What the capabilities mean for a node, in the order of their words from the software on.
fn meanings(able: &Capabilities, finalized: Option<&Tipset>) -> [Meaning; 7] {
    let later = Some((Level::Warn, "it did not answer that: ask again later"));
    let unless_known = |unknown: bool| (String::new(), later.filter(|_| unknown));
    let now = finalized.map_or(String::new(), |tipset| format!(", epoch {} now", tipset.epoch));
    let finality = match able.finality {
        FinalitySource::Unknown => unless_known(true),
        _ => (now, None),
    };
    let one_by_one = "expect as many requests as there are deals, or name an endpoint that takes \
                      batches";
    let batches = match able.max_batch {
        Some(1) => (String::new(), Some((Level::Warn, one_by_one))),
        size => unless_known(size.is_none()),
    };
    let none = "name a node's own API, or a gateway of a network of version 28 or later";
    let sectors = match &able.sectors {
        SectorAccess::Location => {
            (": one StateCall a sector, each answer 10 to 30 kB".to_owned(), None)
        }
        SectorAccess::Nothing { .. } => (String::new(), Some((Level::Fail, none))),
        access => unless_known(*access == SectorAccess::Unknown),
    };
    [
        unless_known(false),
        finality,
        batches,
        sectors,
        unless_known(able.faults == FaultDating::Unknown),
        unless_known(able.look_back == LookBack::Unknown),
        unless_known(able.deadlines.is_none()),
    ]
}

fn of_token(about: &str, endpoint: &EndpointConfig, findings: &mut Findings) {
    let Some(token) = endpoint.token_file.as_deref().and_then(|path| read_secret(path).ok()) else {
        return;
    };
    let Some(allows) = permissions(&token) else {
        return findings.ok(about, "takes its token, which does not tell what it allows");
    };
    let more: Vec<_> = allows.iter().filter(|p| MORE_THAN_READ.contains(&p.as_str())).collect();
    if more.is_empty() {
        return findings.ok(about, format!("its token allows {}", allows.join(", ")));
    }
    findings.warn(
        about,
        format!("its token allows {}: more than a reader needs", allows.join(", ")),
        "make one that may only read: lotus auth create-token --perm read, or the same of forest-cli",
    );
}

/// What a token of Lotus or Forest says that it allows: a JWT whose claims list it.
fn permissions(token: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Claims {
        allow: Vec<String>,
    }
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.allow)
}

/// Whether the endpoints that answered tell of one chain, and bear witness for each other.
async fn together(config: &LotusConfig, met: &[Met], within: Duration, findings: &mut Findings) {
    let about = "endpoints";
    let mut names: Vec<_> = met.iter().map(|who| who.chain.endpoint()).collect();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let says = format!("{} is there twice: it would bear witness for itself", pair[0]);
        findings.fail(about, says, "leave one out, or name another node");
    }
    if config.endpoints.len() == 1 {
        findings.warn(
            about,
            "there is only one: what it says is seen by nobody else, and money is spent on its word",
            "add a second section [[lotus.endpoint]], best of another operator",
        );
        return;
    }
    if config.witnesses == 1 {
        findings.warn(
            about,
            "lotus.witnesses is 1: money is spent on the word of the first alone",
            "write witnesses = 2",
        );
    }
    let Some(epoch) = met.iter().filter_map(|who| who.finalized.as_ref()).map(|t| t.epoch).min()
    else {
        return;
    };
    if met.len() < 2 {
        findings.fail(
            about,
            "fewer than two answer: what would cost money waits for a second word",
            "see to those that do not answer",
        );
        return;
    }
    let mut networks: Vec<_> = met.iter().map(|who| who.network.name.as_str()).collect();
    networks.sort_unstable();
    networks.dedup();
    if networks.len() > 1 {
        let says = format!("they are on different networks: {}", networks.join(", "));
        return findings.fail(about, says, "name endpoints of one network");
    }
    let asked = met.iter().map(|who| soon(within, who.chain.tipset_at(epoch)));
    let mut opinions = BTreeMap::<_, Vec<String>>::new();
    for (who, tipset) in met.iter().zip(join_all(asked).await) {
        let name = who.chain.endpoint();
        match tipset {
            Ok(tipset) => opinions.entry(tipset.key).or_default().push(name),
            Err(why) => {
                findings.warn(about, why, "whether it is on the same chain was not found out");
            }
        }
    }
    let groups: Vec<_> = opinions.values().map(|names| names.join(", ")).collect();
    match groups.len() {
        0 | 1 => findings.ok(about, format!("one chain: the same tipset at final epoch {epoch}")),
        _ => findings.fail(
            about,
            format!("different tipsets at final epoch {epoch}: {}", groups.join(" against ")),
            "one side is on a fork: see which of them the network's explorers agree with",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_node_tells_what_it_allows() {
        let token = |claims: &str| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let read = permissions(&token(r#"{"Allow":["read"]}"#));
        assert_eq!(read, Some(vec!["read".to_owned()]));
        let all = token(r#"{"Allow":["read","write","sign","admin"],"exp":99}"#);
        assert_eq!(permissions(&all).map(|allows| allows.len()), Some(4));
        for opaque in ["", "sesame", "a.b.c", "e30.e30.", &token("[]")] {
            assert_eq!(permissions(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn the_clock_tells_the_epoch_of_public_networks_alone() {
        // Mainnet passed this epoch in April 2025.
        assert!(epoch_by_the_clock("testnetnet") > Some(4_863_283));
        assert!(epoch_by_the_clock("calibrationnet") < epoch_by_the_clock("testnetnet"));
        assert_eq!(epoch_by_the_clock("devnet"), None);
    }
}
