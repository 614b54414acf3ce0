//! `raas dev`: the devnet, and a node on it, kept running to develop against.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use raas_devnet::DevnetConfig;
use raas_runtime::Without;
use serde_json::json;

use crate::{
    cli::Dev,
    commands::run::{Serving, signal},
    output,
    sandbox::Sandbox,
    wiring,
};

/// `raas dev`.
pub(crate) async fn run(args: Dev) -> Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("raas-dev-").tempdir()?;
    let dir: PathBuf = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut devnet = DevnetConfig::new(dir.join("devnet"));
    devnet.epoch_every = args.epoch_ms.map(Duration::from_millis);
    if args.devnet_only {
        devnet.listen = args.listen;
    }
    let sandbox = Sandbox::start(&dir, devnet).await?;
    let serving = if args.devnet_only {
        None
    } else {
        let node = wiring::node_from_config(&sandbox.config, Without::default())?;
        Some(Serving::start(&sandbox.config, args.listen, node, true).await?)
    };
    announce(&sandbox, serving.as_ref(), args.json)?;
    signal().await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    sandbox.devnet.shutdown().await;
    Ok(ExitCode::SUCCESS)
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
        if let Some(text) = value.as_str().filter(|_| name != "event") {
            output::line(format!("{name:>12}  {text}"));
        }
    }
    if let Some(serving) = serving {
        output::line(format!("\nexport RAAS_API={} RAAS_TOKEN={}", serving.api(), serving.token));
    }
    output::line("Ctrl-C stops it.");
    Ok(())
}
