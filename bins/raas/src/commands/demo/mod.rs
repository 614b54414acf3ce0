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
    time::{Duration, Instant},
};

use anyhow::Result;
use raas_runtime::Without;
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
    let without = Without {
        repair: args.without.iter().any(|part| part == "repair"),
        renewal: args.without.iter().any(|part| part == "renewal"),
    };
    let mut teller = Teller::new(args.json);
    let stage = Stage::set(dir, args.chain.into(), without).await?;
    let mut plot = Plot::new(stage, file, &mut teller);
    let played = plot.play().await;
    let summary = plot.judge(started.elapsed());
    if let Err(error) = played {
        teller.trouble(&error);
    }
    teller.summary(&summary);
    Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
