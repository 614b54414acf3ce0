//! One module a command, or a family of them.

mod client;
mod demo;
mod dev;
mod doctor;
mod dry_run;
mod providers;
mod replay;
mod run;
mod why;

use std::{fs, path::Path, process::ExitCode};

use anyhow::Result;

use crate::{cli::Command, output::BadInput};

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Dev(args) => dev::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Store(args) => client::store(args).await,
        Command::Register(args) => client::register(args).await,
        Command::Jobs(args) => client::jobs(args).await,
        Command::Why(args) => client::why(args).await,
        Command::Resume(args) => client::resume(args).await,
        Command::Get(args) => client::get(args).await,
        Command::Rm(args) => client::rm(args).await,
        Command::Providers(args) => providers::run(args).await,
    }
}

/// Refuses what is no file that can be read. A pipe is not even opened: that would wait for its other
/// end.
fn readable(path: &Path) -> Result<(), BadInput> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| BadInput(format!("{shown}: {error}")))?;
    if metadata.is_dir() {
        return Err(BadInput(format!(
            "{shown} is a directory: name a file to store, such as an archive of it"
        )));
    }
    if !metadata.is_file() {
        return Err(BadInput(format!("{shown} is not a file: name a file to store")));
    }
    fs::File::open(path).map_err(|error| BadInput(format!("{shown} cannot be read: {error}")))?;
    Ok(())
}
