//! What can go wrong between a client and a node, told by what the caller can do about it.

use std::{io, path::Path};

use raas_api_types::Problem;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node was not reached, or the connection broke. Check that it runs and where; then call
    /// again.
    #[error("{url} {what}: {}; is the node running there? (`raas run` and `raas dev` print their URL)", chain(.source.as_ref()))]
    Connect {
        /// The URL that was called.
        url: String,
        /// What happened: "cannot be reached", "broke off".
        what: &'static str,
        /// What lies beneath.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node refused. Its detail says what to change.
    #[error("{0}")]
    Problem(Problem),
    /// What answered does not speak like a RaaS node. Check the URL and the versions.
    #[error("{0}")]
    Protocol(String),
    /// The bytes that came are not those of the CID, or cannot be made into a file. Nothing was
    /// written.
    #[error("what the node sent cannot be used: {0}")]
    Data(#[source] raas_retrieval::Error),
    /// This machine's own disk or the given reader or writer failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What lies beneath.
        source: io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 408 | 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn at(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("cannot {verb} {}", path.display()))
    }

    pub(crate) fn connect(
        url: impl Into<String>,
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Connect { url: url.into(), what, source: source.into() }
    }

    /// An error of the HTTP client, by what it means.
    pub(crate) fn of_transport(error: reqwest::Error) -> Self {
        let url = error.url().map_or_else(|| "the node".to_owned(), ToString::to_string);
        let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
        Self::connect(url, what, error.without_url())
    }
}

/// An error with its causes: the outermost of an HTTP client's says little.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
