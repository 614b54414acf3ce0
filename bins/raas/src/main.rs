//! The `raas` binary: parses arguments, wires adapters, runs. Everything else is in the crates.

mod cli;
mod commands;
mod config;
mod output;
mod providers;
mod sandbox;
mod secret;
mod signals;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Also the way `--help` and `--version` come out, which are no errors.
            let _ = error.print();
            return if error.use_stderr() { output::bad_input() } else { ExitCode::SUCCESS };
        }
    };
    output::log(cli.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error.into()),
    };
    let done = runtime.block_on(commands::run(cli.command));
    // Whoever had to finish something was waited for: nothing else may hold the process up.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => output::fail(&error),
    }
}
