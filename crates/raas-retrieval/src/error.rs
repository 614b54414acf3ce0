//! What can go wrong on the way from a source to the store, by what the caller should do.

use std::io;

use raas_types::Cid;

use crate::Attempt;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes did not arrive, were not kept, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source does not have it. Ask another.
    #[error("{cid} is not there")]
    NotFound {
        /// What was asked for.
        cid: Cid,
    },
    /// The source does not answer, or broke off. Try again later, or another.
    #[error("{message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// What lies beneath.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The bytes are not what they claim to be. Do not ask this source for them again.
    #[error("{0}")]
    Corrupt(String),
    /// Some blocks are missing. Another source may have them.
    #[error("{missing} blocks are missing, the first is {first}")]
    Incomplete {
        /// How many blocks are known to be missing; those below them are not known yet.
        missing: usize,
        /// The next one in depth-first order.
        first: Cid,
    },
    /// A limit was passed. Raise it or give less.
    #[error("{0}")]
    TooLarge(String),
    /// A codec or hash function that this crate cannot check. Give up.
    #[error("{0}")]
    Unsupported(String),
    /// The DAG is sound, but it is no single file: ask for it as a CAR.
    #[error("{0}; ask for it as a CAR")]
    NotAFile(String),
    /// Not done because a rule forbids it. The message names the setting or the call to change.
    #[error("{0}")]
    Refused(String),
    /// The bytes being imported stopped before their end. Send them again.
    #[error("the upload was cut short: {0}")]
    Interrupted(#[source] io::Error),
    /// The local disk failed. Mend it.
    #[error("the local blob store: {0}")]
    Store(#[from] io::Error),
    /// A source that asks several parties asked them all.
    #[error("{}", list(.0))]
    Tried(Vec<Attempt>),
}

impl Error {
    /// Whether asking the same source again may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Interrupted(_) => true,
            Self::Tried(attempts) => attempts.iter().any(|a| a.error.is_temporary()),
            _ => false,
        }
    }

    /// That a source does not answer, with what lies beneath.
    pub fn unavailable(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { message: message.into(), source: Some(source.into()) }
    }

    /// The error that a stream of bytes carries: what [`From<Error>`] for `io::Error` put in, or
    /// that the stream broke.
    pub fn from_stream(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => Self::unavailable(format!("the bytes stopped coming: {error}"), error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Store(inner) => inner.kind(),
            Error::NotFound { .. } => io::ErrorKind::NotFound,
            Error::Corrupt(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

fn list(attempts: &[Attempt]) -> String {
    let tried: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    if tried.is_empty() { "there was nobody to ask".to_owned() } else { tried.join("; ") }
}
