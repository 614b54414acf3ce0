//! `raas demo`: the whole story on a devnet, told as it happens and judged by the devnet's ground
//! truth, not by the node's account of itself.

mod plot;
mod stage;
mod teller;
mod truth;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use raas_runtime::{
    Planner,
    core::{JobView, Observation, Plan, plan},
    types::Job,
};
use tempfile::TempDir;

use self::{plot::Plot, stage::Stage, teller::Teller};
use crate::{cli::Demo, commands::readable, signals::Signals};

/// What is stored when no file is named.
const BUILT_IN: &str =
    "Data lives in deals, and deals end. This text is kept alive all the same.\n";

/// `raas demo`.
pub(crate) async fn run(args: Demo) -> Result<ExitCode> {
    if let Some(file) = &args.file {
        readable(file)?;
    }
    // Before there is a directory to leave behind.
    let mut signals = Signals::listen()?;
    let dir = tempfile::Builder::new().prefix("raas-demo-").tempdir()?;
    let code = tokio::select! {
        code = tell(&args, dir.path()) => code,
        code = signals.next() => Ok(ExitCode::from(code)),
    };
    tokio::select! {
        () = clear(dir) => {}
        _ = signals.next() => {}
    }
    code
}

async fn tell(args: &Demo, dir: &Path) -> Result<ExitCode> {
    let started = Instant::now();
    let file = match &args.file {
        Some(file) => file.clone(),
        None => built_in(dir)?,
    };
    let without = |part: &str| args.without.iter().any(|left_out| left_out == part);
    let planner = Crippled { repair: without("repair"), renewal: without("renewal") };
    let mut teller = Teller::new(args.json);
    let stage = Stage::set(dir, args.chain.into(), Arc::new(planner)).await?;
    let mut plot = Plot::new(stage, file, &mut teller);
    let played = plot.play().await;
    let summary = plot.judge(started.elapsed());
    if let Err(error) = played {
        teller.trouble(&error);
    }
    teller.summary(&summary);
    Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A planner with parts left out: the story fails then, which shows what they are needed for.
#[derive(Debug)]
struct Crippled {
    /// No repair, whatever the terms.
    repair: bool,
    /// No renewal, whatever the terms.
    renewal: bool,
}

impl Planner for Crippled {
    fn plan(&self, jobs: &[JobView], seen: &Observation) -> Plan {
        let mut jobs = jobs.to_vec();
        for Job { terms, .. } in jobs.iter_mut().map(|view| &mut view.job) {
            terms.repair = terms.repair.filter(|_| !self.repair);
            terms.renewal = terms.renewal.filter(|_| !self.renewal);
        }
        plan(&jobs, seen)
    }
}

fn built_in(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("story.txt");
    fs::write(&path, BUILT_IN)?;
    Ok(path)
}

/// Removes the directory. Where the story broke off, something may still be written for a moment.
async fn clear(dir: TempDir) {
    for _ in 0..50 {
        match fs::remove_dir_all(dir.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            _ => return,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
