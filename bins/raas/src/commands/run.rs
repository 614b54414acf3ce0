//! `raas run`: the node, until a signal.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use raas_runtime::{CorePlanner, Node};
use raas_types::RpcUsage;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{cli::Run, config::Config, output, signals::Signals, wiring};

/// How long what is under way may take when the node stops: less than supervisors wait before they
/// kill (systemd 90 s, Kubernetes 30 s). An upload that is cut short leaves nothing, and a pass goes
/// on at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// A node that is serving: its loop and its HTTP face.
pub(crate) struct Serving {
    address: SocketAddr,
    pub(crate) token: String,
    /// The file that holds the token.
    token_path: PathBuf,
    shutdown: CancellationToken,
    /// None of them ends before it is told to.
    tasks: JoinSet<Result<()>>,
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
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { served.await.context("the HTTP face stopped") });
        if looping {
            let stop = shutdown.clone();
            tasks.spawn(async move {
                node.run(stop).await;
                Ok(())
            });
        }
        Ok(Self { address, token, token_path: wiring::token_path(config), shutdown, tasks })
    }

    /// The base URL of the face.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a person types to use the node. The token stays in its file, and so out of terminals'
    /// histories and of logs.
    pub(crate) fn exports(&self) -> String {
        let path = quoted(&std::path::absolute(&self.token_path).unwrap_or_default());
        format!("export RAAS_API={} RAAS_TOKEN=\"$(cat {path})\"", self.api())
    }

    /// Serves until a signal comes, then stops. An error where a part of the node fails before.
    pub(crate) async fn until(mut self, signals: &mut Signals) -> Result<ExitCode> {
        tokio::select! {
            _ = signals.next() => Ok(self.stop(signals).await),
            error = self.broken() => Err(error),
        }
    }

    /// Waits until a part ends by itself, which none should: with half a node it is better to end
    /// and be started again than to look alive.
    async fn broken(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow!("a part of the node broke down: {error}"),
            Some(Ok(Ok(()))) | None => anyhow!("a part of the node ended by itself"),
        }
    }

    /// Lets what is under way finish, up to a deadline or to the next signal.
    pub(crate) async fn stop(mut self, signals: &mut Signals) -> ExitCode {
        self.shutdown.cancel();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            drained = tokio::time::timeout(DRAIN, drained) => {
                if drained.is_err() {
                    let seconds = DRAIN.as_secs();
                    tracing::warn!(seconds, "what was under way is cut short");
                }
                ExitCode::SUCCESS
            }
            code = signals.next() => ExitCode::from(code),
        }
    }
}

/// `raas run`.
pub(crate) async fn run(args: Run) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let node = wiring::node_from_config(&config, Arc::new(CorePlanner))?;
    if args.once {
        return Ok(once(&node, args.json).await);
    }
    let mut signals = Signals::listen()?;
    let listen = args.listen.unwrap_or(config.api.listen);
    let serving = Serving::start(&config, listen, node, true).await?;
    let api = serving.api();
    if args.json {
        output::json(&json!({ "event": "ready", "api": api, "token": serving.token }));
    } else {
        output::line(format!("The node is at {api}"));
        output::line(serving.exports());
    }
    serving.until(&mut signals).await
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
        for (endpoint, usage) in &report.rpc {
            output::line(format!("  {endpoint}: {}", asked(usage)));
        }
        report.errors.iter().for_each(|error| output::line(format!("  {error}")));
    }
    let well = report.gated.is_none() && report.errors.is_empty();
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What an endpoint was asked, in a line.
fn asked(usage: &RpcUsage) -> String {
    let throttled = match usage.throttled {
        0 => String::new(),
        n => format!(", {n} of them put off with 429"),
    };
    let kilobytes = |bytes: u64| format!("{:.1} kB", bytes as f64 / 1e3);
    format!(
        "{} requests{throttled}, {} calls in them, {} sent, {} received",
        usage.requests,
        usage.elements(),
        kilobytes(usage.bytes_sent),
        kilobytes(usage.bytes_received)
    )
}

/// A path as a shell takes it, whatever is in it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(task: impl Future<Output = Result<()>> + Send + 'static) -> Serving {
        let mut tasks = JoinSet::new();
        // Another part that lives on.
        tasks.spawn(std::future::pending());
        tasks.spawn(task);
        Serving {
            address: ([127, 0, 0, 1], 1).into(),
            token: "s3cret".to_owned(),
            token_path: "/it's here/api-token".into(),
            shutdown: CancellationToken::new(),
            tasks,
        }
    }

    #[tokio::test]
    async fn a_part_that_breaks_down_ends_the_node_with_an_error() {
        let mut signals = Signals::listen().expect("signals");
        let broken = serving(async { panic!("a bug") });
        assert!(broken.until(&mut signals).await.is_err());
        let ended = serving(async { Ok(()) });
        assert!(ended.until(&mut signals).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_finish_is_cut_short() {
        let mut signals = Signals::listen().expect("signals");
        let started = tokio::time::Instant::now();
        assert_eq!(serving(std::future::pending()).stop(&mut signals).await, ExitCode::SUCCESS);
        assert_eq!(started.elapsed().as_secs(), DRAIN.as_secs());
    }

    #[tokio::test]
    async fn what_is_typed_names_the_token_s_file_and_not_the_token() {
        let exports = serving(std::future::pending()).exports();
        assert!(!exports.contains("s3cret"), "{exports}");
        assert!(exports.contains(r#"RAAS_TOKEN="$(cat '/it'\''s here/api-token')""#), "{exports}");
    }
}
