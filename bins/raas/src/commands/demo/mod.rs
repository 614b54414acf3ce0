//! `raas demo`: the whole story on a devnet, told as it happens and judged by the devnet's ground
//! truth, not by the node's account of itself.

mod plot;
mod stage;
mod teller;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::Result;
use raas_runtime::Without;

use self::{plot::Plot, stage::Stage, teller::Teller};
use crate::{cli::Demo, output::BadInput};

/// What is stored when no file is named.
const BUILT_IN: &str =
    "Data lives in deals, and deals end. This text is kept alive all the same.\n";

/// `raas demo`.
pub(crate) async fn run(args: Demo) -> Result<ExitCode> {
    let started = Instant::now();
    let dir = tempfile::Builder::new().prefix("raas-demo-").tempdir()?;
    let file = match args.file {
        Some(file) => readable(&file)?,
        None => built_in(dir.path())?,
    };
    let without = Without {
        repair: args.without.iter().any(|part| part == "repair"),
        renewal: args.without.iter().any(|part| part == "renewal"),
    };
    let mut teller = Teller::new(args.json);
    let stage = Stage::set(dir.path(), without).await?;
    let mut plot = Plot::new(stage, file, &mut teller);
    let played = plot.play().await;
    let summary = plot.judge(started.elapsed());
    if let Err(error) = played {
        teller.trouble(&error);
    }
    teller.summary(&summary);
    Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file that can be read, or how to mend it.
fn readable(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| BadInput(format!("{shown}: {error}")))?;
    if !metadata.is_file() {
        return Err(BadInput(format!("{shown} is not a file: name a file to store")).into());
    }
    fs::File::open(path).map_err(|error| BadInput(format!("{shown} cannot be read: {error}")))?;
    Ok(path.to_owned())
}

fn built_in(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("story.txt");
    fs::write(&path, BUILT_IN)?;
    Ok(path)
}
