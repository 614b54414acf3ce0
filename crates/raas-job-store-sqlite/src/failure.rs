//! [`Failure`]: what goes wrong in detail, and which of the port's errors that is.

use std::{io, path::Path};

use raas_job_store::Error;
use raas_types::JobId;
use rusqlite::ErrorCode;

/// Why something was not done. Private to this crate; callers see [`Error`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("job {0} exists already")]
    Exists(JobId),
    #[error("job {0} was changed meanwhile")]
    Stale(JobId),
    #[error("the lease {0:?} was granted anew")]
    LeaseLost(String),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{action}: {source}")]
    Io { action: &'static str, source: io::Error },
    #[error(
        "in use by another node; stop that one first, or give this one a file of its own \
         (the lock is held on the file of the same name with .lock)"
    )]
    InUse,
    #[error("this is a directory; name a file in it")]
    Directory,
    #[error("the file system keeps no write-ahead log ({0} instead); use a local disk")]
    NoWal(String),
    #[error("the store's thread has ended; open the store again")]
    Ended,
    #[error("{kind} {key:?} is damaged: {reason}")]
    Row { kind: &'static str, key: String, reason: String },
    #[error("this SQLite database is not a job store; name another file")]
    Foreign,
    #[error(
        "written by a newer version of this program (schema {found}, here {known}); \
         upgrade, or open a backup from before"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "written by an older version of this program (schema {found}, here {known}); \
         start a node on it once, which brings it up to date"
    )]
    Older { found: i64, known: i64 },
    #[error("cannot be brought to schema {to}, and stays as it was: {source}")]
    Migration { to: i64, source: rusqlite::Error },
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The port's error for this failure of the store in the file `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        let text = format!("{}: {self}", path.display());
        match self {
            Self::Exists(id) => Error::Exists(id),
            Self::Stale(id) => Error::Stale(id),
            Self::LeaseLost(name) => Error::LeaseLost(name),
            Self::Io { .. } | Self::InUse | Self::Directory | Self::NoWal(_) | Self::Ended => {
                Error::Unavailable(text)
            }
            Self::Row { .. } | Self::Foreign | Self::Newer { .. } | Self::Older { .. } => {
                Error::Corrupt(text)
            }
            Self::Sqlite(source) | Self::Migration { source, .. } => {
                if sqlite_found_damage(&source) {
                    Error::Corrupt(text)
                } else {
                    Error::Unavailable(text)
                }
            }
        }
    }

    /// Whether what SQLite itself stumbled over is in the file, so that other reads may succeed.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite(source) if sqlite_found_damage(source))
    }
}

/// Whether SQLite says that what is stored is at fault, rather than the disk, memory or a lock.
fn sqlite_found_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        // Unknown is SQLITE_ERROR: a table or column that should be there is not, or JSON that
        // a migration reads is none.
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::TypeMismatch
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown
        ),
        // Not from SQLite: a value of a type that was not written here.
        None => true,
    }
}
