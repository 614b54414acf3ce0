//! One module a command, or a family of them.

mod client;
mod demo;
mod dev;
mod run;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Command;

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Dev(args) => dev::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Store(args) => client::store(args).await,
        Command::Register(args) => client::register(args).await,
        Command::Jobs(args) => client::jobs(args).await,
        Command::Why(args) => client::why(args).await,
        Command::Get(args) => client::get(args).await,
        Command::Rm(args) => client::rm(args).await,
    }
}
