//! What can go wrong in a node, told by what the caller can do about it.

use raas_core::TermError;
use raas_types::JobId;

/// A node could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] raas_job_store::Error),
    /// There is no such job.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// The bytes could not be had or kept.
    #[error(transparent)]
    Data(#[from] raas_retrieval::Error),
    /// Nobody who was asked has the bytes.
    #[error(transparent)]
    Unavailable(#[from] raas_retrieval::Unavailable),
}

/// A job was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The terms do not make sense; all that is wrong with them.
    #[error("{}", join(.0))]
    Terms(Vec<TermError>),
    /// The store failed; nothing was kept.
    #[error(transparent)]
    Store(#[from] raas_job_store::Error),
}

fn join(errors: &[TermError]) -> String {
    errors.iter().map(TermError::to_string).collect::<Vec<_>>().join("; ")
}
