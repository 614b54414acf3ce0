//! What can go wrong with the contract, told by what the caller can do about it.

/// A question to, or a transaction for, the contract that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint did not answer, or cannot now. Ask again in the next pass.
    #[error("{contract} cannot be asked now: {reason}")]
    Unavailable {
        /// Which contract.
        contract: String,
        /// What happened.
        reason: String,
    },
    /// The contract says no (it reverts): asking again will not help.
    #[error("{contract} rejects it: {reason}")]
    Rejected {
        /// Which contract.
        contract: String,
        /// What it said.
        reason: String,
    },
    /// The account or the configuration must change: no funds, no permission, no contract there.
    #[error("{contract} cannot be used: {reason}")]
    Misconfigured {
        /// Which contract.
        contract: String,
        /// What to change.
        reason: String,
    },
}

impl Error {
    /// Whether the next pass may succeed with nothing changed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The result of a question to, or a transaction for, the contract.
pub type Result<T> = std::result::Result<T, Error>;
