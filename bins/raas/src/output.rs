//! What people and scripts see: exit codes, errors, lines.

#![expect(clippy::print_stderr, reason = "this is where the binary speaks")]

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// What was given cannot be worked with: exit code 2, and the message says how to mend it.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BadInput {}

/// The exit code of bad input.
pub(crate) fn bad_input() -> ExitCode {
    ExitCode::from(2)
}

/// Says what went wrong, and the exit code for it.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("raas: {error:#}");
    if is_bad_input(error) { bad_input() } else { ExitCode::FAILURE }
}

/// Whether it was what was given that is wrong: by our own word, or by a node's (a 4xx that asks for
/// other input, and no trouble with the node or the token).
fn is_bad_input(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(raas_client::Error::Problem(problem)) => {
            matches!(problem.status, 400 | 404 | 406 | 409 | 413 | 415 | 422)
        }
        _ => error.is::<BadInput>(),
    }
}

/// A line for people.
pub(crate) fn line(text: impl fmt::Display) {
    // A reader that has gone away (`raas jobs | head -1`) is no error of ours.
    let _ = writeln!(io::stdout(), "{text}");
}

/// A line for scripts: one JSON object.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => eprintln!("raas: {error}"),
    }
}

/// Whether a person is watching.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Logs to standard error; `RUST_LOG` overrides.
pub(crate) fn log(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
