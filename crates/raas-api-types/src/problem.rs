//! Errors as RFC 9457 problem details.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RegisterResult;

/// What went wrong with a request (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A short name of the kind of problem.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to change.
    pub detail: String,
}

/// The answer of `POST /register_jobs` when no job was accepted: a problem that also says what
/// became of each (`application/problem+json`, 400, or 503 where it was the store that failed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterProblem {
    /// All of it in one.
    #[serde(flatten)]
    pub problem: Problem,
    /// One a job, in the order asked.
    pub results: Vec<RegisterResult>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.title, self.status, self.detail)
    }
}

impl std::error::Error for Problem {}
