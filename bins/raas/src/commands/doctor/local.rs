//! What is on this machine: the node's directory, its database, its disk; and the node itself where
//! it runs.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use raas_client::Client;

use super::{
    Findings,
    database::{self, beside},
    soon,
};
use crate::{config::Config, secret::read_secret, wiring};

/// What to do about what is there and cannot be used.
pub(super) const MAKE_USABLE: &str =
    "see whether it is readable and writable for the user that the node runs as";

/// Free space below which it is time to look: one file of a gibibyte fills it.
const LITTLE_SPACE: u64 = 1 << 30;

/// What is found of the node's directory and of a node that works in it.
pub(super) async fn check(config: &Config, within: Duration) -> Findings {
    let mut findings = Findings::default();
    let dir = config.node.dir.clone();
    let looked = tokio::task::spawn_blocking(move || directory(&dir));
    let is_open = match soon(within, looked).await {
        Ok((of_directory, is_open)) => {
            findings.extend(of_directory);
            is_open
        }
        Err(why) => {
            findings.fail("store", why, "see whether the disk answers");
            false
        }
    };
    let token = read_token(&wiring::token_path(config), &mut findings);
    if is_open {
        running(config, token, within, &mut findings).await;
    }
    findings
}

/// The directory and its database; whether a node has it open. Of what a node works on nothing is
/// opened, and of what no node works on nothing is changed.
fn directory(dir: &Path) -> (Findings, bool) {
    let mut findings = Findings::default();
    let Some(there) = dir.ancestors().find(|path| path.exists()).map(Path::to_path_buf) else {
        findings.fail("store", format!("there is no {}", dir.display()), "correct node.dir");
        return (findings, false);
    };
    let file = dir.join("raas.sqlite");
    let is_open = is_held(&file);
    // The file is gone when its handle is.
    match tempfile::tempfile_in(&there) {
        Ok(_) if there == dir => findings.ok("store", format!("{} is writable", dir.display())),
        Ok(_) => findings.ok("store", format!("{} is made at the first start", dir.display())),
        Err(error) => findings.fail(
            "store",
            format!("{} cannot be written to: {error}", there.display()),
            "make it writable for the user that the node runs as, or correct node.dir",
        ),
    }
    space(&there, &mut findings);
    let blobs = dir.join("blobs");
    if blobs.exists()
        && let Err(error) = look_into(&blobs)
    {
        findings.fail("store", format!("{}: {error}", blobs.display()), MAKE_USABLE);
    }
    if is_open {
        findings.ok("store", "a node is working on the database, which is not looked into");
    } else {
        database::check(&file, &mut findings);
    }
    (findings, is_open)
}

/// Whether files can be found in a directory and written to it. What is there is left alone: a node
/// that runs has unfinished ones in it.
fn look_into(dir: &Path) -> io::Result<()> {
    fs::read_dir(dir)?.try_for_each(|entry| entry.map(drop))?;
    tempfile::tempfile_in(dir).map(drop)
}

/// Whether another process holds the lock that an open store holds.
fn is_held(database: &Path) -> bool {
    // The lock stands beside the file itself, whatever links lead there.
    let file = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let lock = File::open(beside(&file, ".lock"));
    // Shared, so that two doctors do not take each other for a node.
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(unix)]
fn space(dir: &Path, findings: &mut Findings) {
    let free = rustix::fs::statvfs(dir).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    match free {
        Ok(free) if free < LITTLE_SPACE => findings.warn(
            "store",
            format!("only {:.2} GB are free on its disk", free as f64 / 1e9),
            "make room: uploads and what is fetched for orders are kept there",
        ),
        Ok(free) => {
            findings.ok("store", format!("{:.1} GB are free on its disk", free as f64 / 1e9))
        }
        Err(error) => findings.warn(
            "store",
            format!("how much is free on its disk is not known: {error}"),
            "see whether the directory is on a disk that answers",
        ),
    }
}

#[cfg(not(unix))]
fn space(_: &Path, _: &mut Findings) {}

/// The API token, which is made at the first start.
fn read_token(path: &Path, findings: &mut Findings) -> Option<String> {
    if !path.exists() {
        return None;
    }
    match read_secret(path) {
        Ok(token) => Some(token),
        Err(error) => {
            findings.fail("token", error, "nobody but the node's user may read it");
            None
        }
    }
}

/// What a node that runs says of itself.
async fn running(
    config: &Config,
    token: Option<String>,
    within: Duration,
    findings: &mut Findings,
) {
    let listen = config.api.listen;
    let (Some(token), true) = (token, listen.port() != 0) else {
        return findings
            .ok("node", "it seems to run, at a port that the configuration leaves open");
    };
    let Ok(client) = Client::new(&format!("http://{listen}"), token) else { return };
    match soon(within, client.alerts()).await {
        Ok(list) if list.alerts.is_empty() => {
            findings.ok("node", format!("runs at {listen}, and no alert stands"));
        }
        Ok(list) => {
            for alert in list.alerts {
                let since = alert.since.map_or(String::new(), |at| format!(" since epoch {at}"));
                let about = format!("node, {}{since}", alert.code);
                findings.warn(about, format!("{}: {}", alert.about, alert.words), "see to it");
            }
        }
        Err(why) => findings.warn(
            "node",
            format!("somebody has its store open, and at {listen} nobody tells of alerts: {why}"),
            "see whether it was started with another --listen, or is stopping",
        ),
    }
}
