//! `raas run`: the node, until a signal.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::{Context, Result};
use raas_runtime::{Node, Without};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{cli::Run, config::Config, output, wiring};

/// A node that is serving: its loop and its HTTP face.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    shutdown: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Serving {
    /// Starts the face of a node, and its loop where `looping`.
    pub(crate) async fn start(
        config: &Config,
        listen: SocketAddr,
        node: Node,
        looping: bool,
    ) -> Result<Self> {
        let (face, token) = wiring::face_from_config(config, node.clone())?;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}: is something else there? try --listen 127.0.0.1:0")
        })?;
        let address = listener.local_addr().context("the listener has no address")?;
        let shutdown = CancellationToken::new();
        let closing = shutdown.clone().cancelled_owned();
        let served = axum::serve(listener, raas_api::router(face)).with_graceful_shutdown(closing);
        let mut tasks = vec![tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the HTTP face stopped");
            }
        })];
        if looping {
            let stop = shutdown.clone();
            tasks.push(tokio::spawn(async move { node.run(stop).await }));
        }
        Ok(Self { address, token, shutdown, tasks })
    }

    /// The base URL of the face.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets what is under way finish, then stops.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// `raas run`.
pub(crate) async fn run(args: Run) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let node = wiring::node_from_config(&config, Without::default())?;
    if args.once {
        return Ok(once(&node, args.json).await);
    }
    let listen = args.listen.unwrap_or(config.api.listen);
    let serving = Serving::start(&config, listen, node, true).await?;
    let api = serving.api();
    if args.json {
        output::json(&json!({ "event": "ready", "api": api, "token": serving.token }));
    } else {
        output::line(format!("The node is at {api}"));
        output::line(format!("export RAAS_API={api} RAAS_TOKEN={}", serving.token));
    }
    signal().await;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// One pass, and a summary of it.
async fn once(node: &Node, json: bool) -> ExitCode {
    let report = node.pass().await;
    if json {
        output::json(&report);
    } else if let Some(reason) = &report.gated {
        output::line(format!("No pass: {reason}"));
    } else {
        output::line(format!(
            "Epoch {}: {} jobs due, {} CIDs looked at, {} deals and {} sectors read, {} things \
             went wrong, {:.1} s",
            report.epoch.map_or(0, raas_types::ChainEpoch::get),
            report.jobs,
            report.cids,
            report.deals,
            report.sectors,
            report.errors.len(),
            report.seconds
        ));
        report.errors.iter().for_each(|error| output::line(format!("  {error}")));
    }
    let well = report.gated.is_none() && report.errors.is_empty();
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns on Ctrl-C or a request to terminate.
pub(crate) async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
