//! What can go wrong with an aggregator, told by what the caller can do about it.

/// A request to an aggregator that brought no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was not reached at all, or said it cannot now before taking anything. Nothing was
    /// ordered; try again later.
    #[error("{aggregator} cannot be reached now: {reason}")]
    Unavailable {
        /// Which aggregator.
        aggregator: String,
        /// What happened.
        reason: String,
    },
    /// The request was sent and its answer is lost: it may have gone through.
    #[error("{aggregator} may or may not have taken the request: {reason}")]
    Ambiguous {
        /// Which aggregator.
        aggregator: String,
        /// What happened.
        reason: String,
    },
    /// It refuses this request for good (the data, not the service, is the matter).
    #[error("{aggregator} rejects it: {reason}")]
    Rejected {
        /// Which aggregator.
        aggregator: String,
        /// What it said, and what to change.
        reason: String,
    },
    /// It refuses us: key, quota, address. The configuration must change.
    #[error("{aggregator} refuses us: {reason}")]
    Misconfigured {
        /// Which aggregator.
        aggregator: String,
        /// What to change.
        reason: String,
    },
    /// The payload could not be read on our side. Nothing was ordered.
    #[error("the data for {aggregator} could not be read: {source}")]
    Payload {
        /// Which aggregator.
        aggregator: String,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether it is certain that nothing was ordered.
    pub const fn was_not_sent(&self) -> bool {
        !matches!(self, Self::Ambiguous { .. })
    }

    /// Whether a later attempt may succeed with nothing changed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Ambiguous { .. })
    }
}

/// The result of a request to an aggregator.
pub type Result<T> = std::result::Result<T, Error>;
