//! `raas doctor`: whether a node with this configuration would work, and how to mend what is wrong.
//!
//! Asks whatever the node would ask, once and within a time limit, and changes nothing: no order is
//! made, no transaction sent, and no state made that is not there, brought up to date or tidied up.

mod chain;
mod contract;
mod database;
mod elsewhere;
mod findings;
mod local;

use std::{fmt, future::Future, process::ExitCode, time::Duration};

use anyhow::Result;
use raas_types::{Cid, Grouping};
use reqwest::{Client, redirect::Policy};

use self::findings::{Findings, Level};
use crate::{
    cli::Doctor,
    config::Config,
    output::{self, BadInput},
    wiring,
};

/// `raas doctor`.
pub(crate) async fn run(args: Doctor) -> Result<ExitCode> {
    let within = Duration::try_from_secs_f64(args.timeout).ok().filter(|limit| !limit.is_zero());
    let within = within
        .ok_or_else(|| BadInput(format!("--timeout is {}: give seconds above 0", args.timeout)))?;
    let config = Config::read(&args.config)?;
    let mut findings = Findings::default();
    findings.ok("configuration", format!("{} is well formed", args.config.display()));
    settings(&config, &mut findings);
    let (chain, elsewhere, local) = tokio::join!(
        chain::check(&config.lotus, within),
        elsewhere::check(&config, within),
        local::check(&config, within),
    );
    let (of_chain, pins) = chain;
    findings.extend(of_chain);
    findings.extend(contract::check(&config, &pins, within).await);
    findings.extend(elsewhere);
    findings.extend(local);
    if args.json {
        output::json(&findings);
    } else {
        findings.lines().into_iter().for_each(output::line);
    }
    let well = findings.worst() < Level::Fail;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Settings that are well formed and cannot be worked with all the same.
fn settings(config: &Config, findings: &mut Findings) {
    if let Err(error) = wiring::settings_from_config(config) {
        findings.fail("configuration", error, "write a number of seconds such as 30.0");
    }
    if config.lotus.network.is_none() {
        findings.warn(
            "configuration",
            "lotus.network is not set: the node takes whatever network its first endpoint is on",
            "write network = \"testnetnet\" for mainnet, or \"calibrationnet\"",
        );
    }
    providers(config, findings);
}

/// The file that tells of providers, where there is one; what it does not tell of.
fn providers(config: &Config, findings: &mut Findings) {
    let Some(path) = &config.node.providers else { return };
    match wiring::providers_from_config(config) {
        Ok(book) => {
            let known = |by: Grouping| {
                let count = book.values().filter(|facts| facts.group(by).is_some()).count();
                format!("the {} of {count}", by.name())
            };
            let facts = Grouping::ALL.map(known).join(", ");
            let loss = book.values().filter(|facts| facts.yearly_loss_ppm.is_some()).count();
            let count = book.len();
            let says = format!(
                "{} tells of {count} providers: {facts}, the yearly loss of {loss}",
                path.display()
            );
            findings.ok("providers", says);
        }
        Err(error) => findings.fail(
            "providers",
            error,
            "write a table for each, such as [f01000] with country = \"DE\" below it",
        ),
    }
}

/// Why a question was not answered.
#[derive(Debug)]
enum Unanswered<E> {
    /// The limit passed.
    Late(Duration),
    /// It was refused, or could not be asked.
    Failed(E),
}

impl<E: fmt::Display> fmt::Display for Unanswered<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// What comes of a question within the limit.
async fn soon<T, E>(
    within: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, Unanswered<E>> {
    match tokio::time::timeout(within, question).await {
        Ok(answer) => answer.map_err(Unanswered::Failed),
        Err(_) => Err(Unanswered::Late(within)),
    }
}

/// A CID of nothing (the empty file, in itself), which no deal is made or listed for.
fn nothing() -> Cid {
    Cid::try_from("bafkqaaa").unwrap_or_default()
}

/// A client for questions of the doctor's own. It goes where it is sent and no further.
fn http_client() -> Result<Client, String> {
    let client = Client::builder().redirect(Policy::none()).build();
    client.map_err(|_| "no HTTP client can be made".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_the_empty_file() {
        assert_eq!(nothing().to_string(), "bafkqaaa");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_in_time_is_told_from_one_that_is_no() {
        let limit = Duration::from_millis(1);
        let late = soon(limit, std::future::pending::<Result<(), String>>()).await;
        assert_eq!(late.expect_err("nobody answers").to_string(), "no answer within 0.001 s");
        let refused = soon(Duration::MAX, async { Err::<(), _>("no") }).await;
        assert!(matches!(refused, Err(Unanswered::Failed("no"))));
    }
}
