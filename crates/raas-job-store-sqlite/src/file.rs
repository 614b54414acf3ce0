//! The files on disk: finding, locking and creating them.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::failure::{Failure, Result};

/// How often and how long apart a held lock is tried: 20 x 50 ms = 1 s, enough for a node that is
/// just stopping, short enough for a person who started a second one.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A store's file, locked for this process until dropped.
#[derive(Debug)]
pub(crate) struct LockedFile {
    path: PathBuf,
    lock: File,
}

impl LockedFile {
    /// Locks the store at `path` and creates its file when there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = resolve(path).map_err(failed("cannot find the directory; create it first"))?;
        if path.is_dir() {
            return Err(Failure::Directory);
        }
        let lock = lock(&path)?;
        // Only now: closing any handle of the file ends the locks that SQLite has on it (POSIX).
        create(&path).map_err(failed("cannot create the file"))?;
        Ok(Self { path, lock })
    }

    /// Where the file really is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing is not enough where a child process, being started, still shares the handle.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(path = %self.path.display(), %error, "could not unlock the job store");
        }
    }
}

/// The path without links, so that two names of one file have one lock.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Ok(parent.unwrap_or(Path::new(".")).canonicalize()?.join(name))
        }
        (resolved, _) => resolved,
    }
}

fn lock(path: &Path) -> Result<File> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let file = private().create(true).truncate(false).open(&lock_path);
    let file = file.map_err(failed("cannot open the lock file"))?;
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(failed("cannot lock the file")(source)),
        }
    }
    Err(Failure::InUse)
}

/// Creates the file, empty, when there is none; what is there keeps its permissions.
fn create(path: &Path) -> io::Result<()> {
    match private().create_new(true).open(path) {
        Ok(_) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::metadata(path).map(drop),
        Err(error) => Err(error),
    }
}

/// Makes the file's name as durable as what will be in it.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Options for a file that only its owner may read. SQLite gives its log the mode of the database.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::Io { action, source }
}
