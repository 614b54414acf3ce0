//! What can go wrong with a whole request, told by what the caller can do about it.

/// A request to the chain that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint did not answer, or answered that it cannot now. Ask again in the next pass.
    #[error("{endpoint} cannot be asked now: {reason}")]
    Unavailable {
        /// Who was asked.
        endpoint: String,
        /// What happened.
        reason: String,
    },
    /// The endpoint refuses: a missing method, a bad token, too old a state. Asking again will not
    /// help; the configuration must change.
    #[error("{endpoint} refuses: {reason}")]
    Refused {
        /// Who was asked.
        endpoint: String,
        /// What it said, and what to change.
        reason: String,
    },
    /// The answer is no answer: it does not parse or contradicts itself.
    #[error("{endpoint} answered what cannot be: {reason}")]
    Malformed {
        /// Who was asked.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Whether the next pass may succeed with nothing changed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Malformed { .. })
    }
}

/// The result of a request to the chain.
pub type Result<T> = std::result::Result<T, Error>;
