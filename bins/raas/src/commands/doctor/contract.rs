//! The DealStatus contract, and the account that writes to it.

use std::time::Duration;

use futures::future::join_all;
use raas_deal_status_evm::{
    EndpointSettings, EvmDealStatus, Settings as ContractSettings, SigningKey,
};
use raas_runtime::deal_status::{DealStatusSource, Error};
use raas_types::{EpochDelta, Tipset};
use serde_json::{Value, json};

use super::{Findings, Level, Unanswered, http_client, nothing, soon};
use crate::{config::Config, wiring};

/// attoFIL a FIL.
const FIL: u128 = 1_000_000_000_000_000_000;

/// Below this not even one record is certain to be paid for: 50 million units of gas at the highest
/// fee that is offered, 5 nanoFIL.
const ONE_RECORD: u128 = FIL / 4;

/// Below this, a millionth of a FIL, attoFIL are told.
const SHOWN_AS_FIL: u128 = FIL / 1_000_000;

/// How to mend an account that has too little.
const SEND_SOME: &str = "send it some FIL: a record costs 0.25 FIL at the very most";

/// The longest answer that is read, in bytes: a balance is a hundred.
const MAX_ANSWER: usize = 64 << 10;

/// What is found of the contract, asked at the first of `pins`, which is final, and where it is not
/// there yet at the others.
pub(super) async fn check(config: &Config, pins: &[Tipset], within: Duration) -> Findings {
    let mut findings = Findings::default();
    let settings = match wiring::contract_settings_from_config(config) {
        Ok(settings) => settings,
        Err(error) => {
            findings.fail("contract", error, "correct the section [contract]");
            return findings;
        }
    };
    // They can be had where the settings can, which are made of the first of them.
    let endpoints = wiring::contract_endpoints_from_config(config).unwrap_or_default();
    let asked = endpoints.into_iter().enumerate().map(async |(place, endpoint)| {
        // The others only stand in for the first.
        let severity = if place == 0 { Level::Fail } else { Level::Warn };
        let settings = ContractSettings { endpoint, ..settings.clone() };
        match EvmDealStatus::new(settings) {
            Ok(contract) => ask(&contract, pins, within, severity).await,
            Err(error) => {
                let mut findings = Findings::default();
                findings.wrong(severity, "contract", error, "correct its endpoint");
                findings
            }
        }
    });
    join_all(asked).await.into_iter().for_each(|of_one| findings.extend(of_one));
    match wiring::key_from_config(&config.contract) {
        Ok(Some(key)) => funds(&settings.endpoint, &key, within, &mut findings).await,
        Ok(None) => findings.warn(
            "contract",
            "there is no contract.key_file: the node reads the contract and records nothing in it",
            "name the file of a private key, or leave it so on purpose",
        ),
        Err(error) => findings.fail("contract", error, "correct contract.key_file"),
    }
    findings
}

/// Whether there is a contract that answers like ours.
async fn ask(
    contract: &EvmDealStatus,
    pins: &[Tipset],
    within: Duration,
    severity: Level,
) -> Findings {
    let mut findings = Findings::default();
    let about = contract.contract();
    let [pin, later @ ..] = pins else {
        findings.warn(
            about,
            "it was not asked: no endpoint of the chain names a final tipset to ask it at",
            "see to the endpoints of the chain first",
        );
        return findings;
    };
    let Err(trouble) = answers(contract, pin, within).await else {
        let says = format!("answers like a DealStatus contract at epoch {}", pin.epoch);
        findings.ok(about, says);
        return findings;
    };
    for tipset in later.iter().filter(|_| trouble.may_be_young) {
        if answers(contract, tipset, within).await.is_ok() {
            let says = format!("it was deployed just now: not there yet at epoch {}", pin.epoch);
            findings.warn(about, says, "wait until its epoch is final");
            return findings;
        }
    }
    findings.wrong(severity, about, trouble.why, trouble.mend);
    findings
}

/// Why a contract gave no answer.
struct Trouble {
    why: String,
    mend: &'static str,
    /// Whether it would be the same of a contract that was deployed later than the tipset.
    may_be_young: bool,
}

/// Whether it answers at a tipset.
async fn answers(contract: &EvmDealStatus, at: &Tipset, within: Duration) -> Result<(), Trouble> {
    let cids = [nothing()];
    let listing = contract.listings(&cids, EpochDelta::DAY, at);
    let first = async { listing.await.into_iter().next().transpose() };
    let (why, mend, may_be_young) = match soon(within, first).await {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => ("no answer".to_owned(), "see to its endpoint", false),
        Err(Unanswered::Failed(error)) => {
            (error.to_string(), mend(&error), matches!(error, Error::Misconfigured { .. }))
        }
        Err(late) => (late.to_string(), "see to its endpoint, or correct contract.url", false),
    };
    Err(Trouble { why, mend, may_be_young })
}

fn mend(error: &Error) -> &'static str {
    match error {
        Error::Unavailable { .. } => {
            "see whether its endpoint is on this chain and speaks Ethereum JSON-RPC (Lotus: \
             EnableEthRPC), or correct contract.url"
        }
        Error::Rejected { .. } | Error::Misconfigured { .. } => {
            "correct contract.address, or lotus.network and its endpoints"
        }
    }
}

/// Whether the account that writes can pay for it.
async fn funds(
    endpoint: &EndpointSettings,
    key: &SigningKey,
    within: Duration,
    findings: &mut Findings,
) {
    let about = format!("funds of {}", key.account());
    match soon(within, balance(endpoint, key)).await {
        Ok(0) => {
            findings.fail(about, "the account that writes to the contract has nothing", SEND_SOME);
        }
        Ok(atto) if atto < ONE_RECORD => {
            let has = in_fil(atto);
            let says = format!("{has}, which may not pay for one record where fees are high");
            findings.warn(about, says, SEND_SOME);
        }
        Ok(atto) => findings.ok(about, in_fil(atto)),
        Err(why) => findings.warn(about, why, "what it has was not found out: see to its endpoint"),
    }
}

/// An amount for people, never more than it is: FIL down to the sixth place, less than that as attoFIL.
fn in_fil(atto: u128) -> String {
    if (1..SHOWN_AS_FIL).contains(&atto) {
        return format!("{atto} attoFIL");
    }
    let text = format!("{}.{:06}", atto / FIL, atto % FIL / SHOWN_AS_FIL);
    format!("{} FIL", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What an account has, in attoFIL.
async fn balance(endpoint: &EndpointSettings, key: &SigningKey) -> Result<u128, String> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance",
        "params": [key.account().to_string(), "latest"]});
    let mut request = http_client()?.post(endpoint.url.clone()).json(&call);
    if let Some(token) = &endpoint.token {
        request = request.bearer_auth(token);
    }
    // What the client says of its failures names the URL, whose path may be a secret.
    let lost = |_| "eth_getBalance: no connection, or no answer".to_owned();
    let mut response = request.send().await.map_err(lost)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err("eth_getBalance: the answer is too long".to_owned());
        }
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let digits = answer["result"].as_str().and_then(|text| text.strip_prefix("0x"));
    let atto = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    atto.ok_or_else(|| {
        let why = answer["error"]["message"].as_str().unwrap_or("no balance in the answer");
        format!("eth_getBalance: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_below_and_above_a_fil_are_told_as_they_are() {
        for (atto, text) in [
            (0, "0 FIL"),
            (1, "1 attoFIL"),
            (SHOWN_AS_FIL - 1, "999999999999 attoFIL"),
            (SHOWN_AS_FIL, "0.000001 FIL"),
            (FIL / 10, "0.1 FIL"),
            (ONE_RECORD, "0.25 FIL"),
            (FIL - 1, "0.999999 FIL"),
            (FIL, "1 FIL"),
            (10 * FIL + FIL / 2, "10.5 FIL"),
            (u128::MAX, "340282366920938463463.374607 FIL"),
        ] {
            assert_eq!(in_fil(atto), text, "{atto}");
        }
    }
}
