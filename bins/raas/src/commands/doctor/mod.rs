//! `raas doctor`: whether a node with this configuration would work, and how to mend what is wrong.
//!
//! Asks whatever the node would ask, once and within a time limit, and changes nothing: no order is
//! made, no transaction sent, and no state made that is not there.

mod chain;
mod contract;
mod elsewhere;
mod findings;
mod local;

use std::{fmt, future::Future, process::ExitCode, time::Duration};

use anyhow::Result;

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
    if let Err(error) = wiring::settings_from_config(config, Default::default()) {
        findings.fail("configuration", error, "write a number of seconds such as 30.0");
    }
    if config.lotus.network.is_none() {
        findings.warn(
            "configuration",
            "lotus.network is not set: the node takes whatever network its first endpoint is on",
            "write network = \"testnetnet\" for mainnet, or \"calibrationnet\"",
        );
    }
}

/// What comes of a question within the limit, or why nothing does.
async fn soon<T, E: fmt::Display>(
    within: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(within, question).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", within.as_secs_f64())),
    }
}
