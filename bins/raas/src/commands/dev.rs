//! `raas dev`: the devnet, and a node on it, kept running to develop against.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use raas_runtime::{CorePlanner, Node};
use serde_json::json;

use crate::{
    cli::Dev,
    commands::run::Serving,
    output,
    sandbox::{Sandbox, devnet_settings},
    signals::Signals,
    wiring,
};

/// How long the node's first pass may take on a chain of its own.
const READY: Duration = Duration::from_secs(30);

/// `raas dev`.
pub(crate) async fn run(args: Dev) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    match &args.dir {
        Some(dir) => {
            Sandbox::refuse_used(dir)?;
            run_in(dir, &args, &mut signals).await
        }
        None => {
            let temporary = tempfile::Builder::new().prefix("raas-dev-").tempdir()?;
            run_in(temporary.path(), &args, &mut signals).await
        }
    }
}

async fn run_in(dir: &Path, args: &Dev, signals: &mut Signals) -> Result<ExitCode> {
    let mut devnet = devnet_settings(dir, args.chain.into());
    devnet.epoch_every = args.epoch_ms.map(Duration::from_millis);
    if args.devnet_only {
        devnet.listen = args.listen;
    }
    let sandbox = tokio::select! {
        sandbox = Sandbox::start(dir, devnet) => sandbox?,
        code = signals.next() => return Ok(ExitCode::from(code)),
    };
    let code = if args.devnet_only {
        announce(&sandbox, None, args.json)?;
        signals.next().await;
        ExitCode::SUCCESS
    } else {
        let node = wiring::node_from_config(&sandbox.config, Arc::new(CorePlanner))?;
        let serving = Serving::start(&sandbox.config, args.listen, node.clone(), true).await?;
        tokio::select! {
            ready = ready(&node) => ready?,
            code = signals.next() => return Ok(ExitCode::from(code)),
        }
        announce(&sandbox, Some(&serving), args.json)?;
        serving.until(signals).await?
    };
    tokio::select! {
        () = sandbox.devnet.shutdown() => Ok(code),
        code = signals.next() => Ok(ExitCode::from(code)),
    }
}

/// Waits until `/readyz` says ready: all sockets listen before, and what is left is the node's first
/// pass.
async fn ready(node: &Node) -> Result<()> {
    let first_pass = async {
        while node.status().epoch.is_none() || node.status().gated.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(READY, first_pass).await.is_err() {
        let reason = node.status().gated.unwrap_or("its first pass does not end".to_owned());
        bail!("the node is not ready after {} seconds: {reason}", READY.as_secs());
    }
    Ok(())
}

fn announce(sandbox: &Sandbox, serving: Option<&Serving>, json: bool) -> Result<()> {
    let urls = sandbox.devnet.urls();
    let config = std::path::absolute(&sandbox.config_path).context("no absolute path")?;
    let ready = json!({
        "event": "ready",
        "api": serving.map(Serving::api),
        "token": serving.map(|serving| serving.token.clone()),
        "devnet": urls.base,
        "lotus": urls.lotus,
        "eth": urls.eth,
        "contract": sandbox.config.contract.address,
        "aggregator": urls.aggregator.api,
        "ipni": urls.ipni,
        "config": config,
    });
    if json {
        output::json(&ready);
        return Ok(());
    }
    for (name, value) in ready.as_object().into_iter().flatten() {
        if let Some(text) = value.as_str().filter(|_| !matches!(name.as_str(), "event" | "token")) {
            output::line(format!("{name:>12}  {text}"));
        }
    }
    if let Some(serving) = serving {
        output::line(format!("\n{}", serving.exports()));
    }
    output::line("Ctrl-C stops it.");
    Ok(())
}
