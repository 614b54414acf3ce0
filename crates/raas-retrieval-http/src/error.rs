//! What is wrong with the settings of a source. What goes wrong while fetching is
//! [`raas_retrieval::Error`].

/// Why a source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The base URL cannot be used.
    #[error("{url:?} is no base URL of a source: {why}; give one like https://gateway.example")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule of an address policy is neither a network nor a host.
    #[error(
        "{0:?} is no address, network or host name; give one like 127.0.0.1, 10.0.0.0/8 or sp.example"
    )]
    BadRule(String),
    /// The HTTP client cannot start: no certificates, or no TLS.
    #[error("the HTTP client cannot start: {0}")]
    Client(#[from] reqwest::Error),
}
