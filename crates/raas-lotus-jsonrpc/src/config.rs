//! What a [`JsonRpcLotus`](crate::JsonRpcLotus) is made from.

use std::{fmt, time::Duration};

use raas_types::EpochDelta;
use url::Url;

/// The largest batch that is sent: what Forest takes; more is answered with one error for all.
pub(crate) const MAX_BATCH: usize = 100;

/// The endpoint, and how to treat it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JsonRpcLotusConfig {
    /// Where JSON-RPC is answered: `http://127.0.0.1:1234/rpc/v1` for Lotus, port 2345 for Forest.
    pub url: Url,
    /// The API token, where the endpoint wants one. Permission to read is enough.
    pub token: Option<Token>,
    /// How long one HTTP exchange may take, answer read; 30 s, half of what Forest allows itself.
    pub request_timeout: Duration,
    /// How long connecting may take; 5 s.
    pub connect_timeout: Duration,
    /// How far below the head a tipset is held to be final where the endpoint does not say; 900
    /// epochs, the chain's own bound (FILECOIN finality).
    pub finality_fallback: EpochDelta,
    /// Items in one batch, 1 to 100; 100.
    pub max_batch: usize,
    /// Batches in flight at a time, at least 1; 4.
    pub max_in_flight: usize,
    /// The largest answer that is read, in bytes; 64 MiB, what Forest sends at most. With
    /// [`max_in_flight`](Self::max_in_flight) it bounds memory: 4 x 64 MiB at worst.
    pub max_response: u32,
}

impl JsonRpcLotusConfig {
    /// The defaults, for this endpoint.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            finality_fallback: EpochDelta::EC_FINALITY,
            max_batch: MAX_BATCH,
            max_in_flight: 4,
            max_response: 64 * 1024 * 1024,
        }
    }
}

/// An API token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token with this text; white space around it (a file's last newline) is dropped.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
