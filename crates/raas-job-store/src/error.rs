//! What can go wrong with a store, told by what the caller can do about it.

use raas_types::JobId;

/// A read or write that did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A job with this id is there already. Read it and decide.
    #[error("job {0} exists already")]
    Exists(JobId),
    /// Someone else wrote the job since it was read. Read it again and start over.
    #[error("job {0} was changed by someone else since it was read")]
    Stale(JobId),
    /// The lease that the change was to be written under is not held any more: it was granted anew since,
    /// and whoever holds it now may have written something else. Nothing that was decided under the old
    /// one is to be done.
    #[error("the lease {0:?} was granted anew since; what was decided under it is void")]
    LeaseLost(String),
    /// The store cannot be used now: locked, full, unreachable. Try again later.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// What is stored cannot be read: damaged, or written by a newer version. An operator must look.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
}

impl Error {
    /// Whether a later attempt may succeed with nothing changed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Stale(_))
    }
}

/// The result of a read or write.
pub type Result<T> = std::result::Result<T, Error>;
