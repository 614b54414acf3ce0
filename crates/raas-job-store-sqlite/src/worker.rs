//! [`Worker`]: the one thread that uses the database.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
};

use raas_job_store::Error;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    failure::{Failure, Result},
    file::LockedFile,
};

/// Commands that may wait. A durable commit takes 0.2 to 5 ms, so the last of 64 waits for a third
/// of a second at most; further callers wait their turn without holding anything but themselves.
const QUEUE: usize = 64;

type Command = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle on the thread. Dropping it waits until all commands are done and the file is closed.
#[derive(Debug)]
pub(crate) struct Worker {
    path: PathBuf,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. It closes the database and then unlocks the file when it ends.
    pub(crate) fn start(
        db: Connection,
        path: PathBuf,
        lock: Option<LockedFile>,
    ) -> io::Result<Self> {
        let named = path.clone();
        let (commands, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("job-store".to_owned())
            .spawn(move || run(db, queue, &named, lock))?;
        Ok(Self { path, commands: Some(commands), thread: Some(thread) })
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the thread do `work`. It is done whole even when the caller stops waiting.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |db| {
            // A caller that has stopped waiting is no failure.
            let _ = answer.send(work(db));
        });
        let result = match &self.commands {
            Some(commands) if commands.send(command).await.is_ok() => answered.await,
            _ => return Err(Failure::Ended.at(&self.path)),
        };
        result.unwrap_or(Err(Failure::Ended)).map_err(|failure| failure.at(&self.path))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.commands = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(path = %self.path.display(), "the job store's thread panicked");
        }
    }
}

fn run(
    mut db: Connection,
    mut queue: mpsc::Receiver<Command>,
    path: &Path,
    lock: Option<LockedFile>,
) {
    while let Some(command) = queue.blocking_recv() {
        command(&mut db);
    }
    // Empties the log into the database; what is left in the log is found on the next opening.
    if let Err((_, error)) = db.close() {
        tracing::warn!(path = %path.display(), %error, "the job store did not close cleanly");
    }
    drop(lock);
}
