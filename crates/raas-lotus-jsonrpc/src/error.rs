//! What goes wrong with a call, in detail; the port knows three kinds of it.

use std::time::SystemTime;

use jsonrpsee::{
    core::{BoxError, client::Error as RpcError, http_helpers::HttpError},
    http_client::transport::Error as HttpTransportError,
};
use raas_lotus::Error;

/// The longest message of a node that is passed on, in characters; a node may send megabytes.
const MAX_MESSAGE: usize = 300;

/// A call that brought no result.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The node understood and says no.
    #[error("{message} (code {code})")]
    Rpc { code: i32, message: String },
    /// The node says no to a batch as a whole.
    #[error("a batch is refused as a whole: {message} (code {code})")]
    BatchRefused { code: i32, message: String },
    /// The server in front of it says no.
    #[error("HTTP status {0}{hint}", hint = status_hint(*.0))]
    Http(u16),
    #[error(
        "HTTP status 429: it asks for no requests until {}",
        httpdate::fmt_http_date(*until)
    )]
    Throttled { until: SystemTime },
    #[error("no turn to ask in time: too many requests wait for this endpoint")]
    NoTurn,
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Unreachable(String),
    #[error("the answer is larger than max_response")]
    TooLarge,
    #[error("{0}")]
    Garbled(String),
}

impl Trouble {
    /// Nobody was reached, as the error and what caused it say.
    pub(crate) fn unreachable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unreachable(clip(&chain(error)))
    }

    /// Whether the node has no such method, or none for us: -32601 in Lotus, its gateway and
    /// Forest, -32001 in Forest for methods that it knows and does not carry out, -32003 in Forest
    /// for those that the token does not allow, -32004 in proxies (EIP-1474), which also number it as
    /// they like and say it in words.
    pub(crate) fn is_missing_method(&self) -> bool {
        match self {
            Self::Rpc { code: -32601 | -32001 | -32003 | -32004, .. } => true,
            Self::Rpc { message, .. } => says_no_method(message),
            _ => false,
        }
    }

    /// Whether fewer items at a time may be answered: the batch is refused, for what it is or for a
    /// reason that is not said, or its answer would be too large. Not being heard, and 429, say
    /// nothing of size.
    pub(crate) fn asks_for_less(&self) -> bool {
        self.refuses_batches() || self.may_refuse_batches() || matches!(self, Self::TooLarge)
    }

    /// Whether it is said that a batch of this size is not taken: -32010 is a batch too large
    /// (jsonrpsee's servers, so Forest), HTTP 413 a body too large.
    pub(crate) fn refuses_batches(&self) -> bool {
        match self {
            Self::BatchRefused { code: -32010, .. } | Self::Http(413) => true,
            Self::BatchRefused { message, .. } => message.to_lowercase().contains("batch"),
            _ => false,
        }
    }

    /// Whether it may be for its size, or for being one, that a batch is not taken: HTTP 400, or one
    /// object with an error of the protocol, is what servers give that know no batches, and what
    /// proxies give for much else.
    pub(crate) fn may_refuse_batches(&self) -> bool {
        matches!(self, Self::Http(400) | Self::BatchRefused { code: -32602..=-32600 | -32700, .. })
    }

    /// Whether the endpoint may no longer be what it was found to be: it was away, or misses a
    /// method.
    pub(crate) fn casts_doubt(&self) -> bool {
        self.is_missing_method() || matches!(self, Self::Timeout | Self::Unreachable(_))
    }

    /// As the port tells it.
    pub(crate) fn into_error(self, endpoint: &str) -> Error {
        let endpoint = endpoint.to_owned();
        let reason = self.to_string();
        let is_missing_method = self.is_missing_method();
        match self {
            Self::Http(408 | 429 | 500..)
            | Self::Throttled { .. }
            | Self::NoTurn
            | Self::Timeout
            | Self::BatchRefused { .. }
            | Self::Unreachable(_) => Error::Unavailable { endpoint, reason },
            Self::Http(_) => Error::Refused { endpoint, reason },
            // Forest for a method that the token does not allow.
            Self::Rpc { code: -32003, .. } => {
                let reason = format!("{reason}; check the token's permissions");
                Error::Refused { endpoint, reason }
            }
            Self::Rpc { .. } if is_missing_method => {
                let reason = format!("{reason}; give a full node's API, at /rpc/v1");
                Error::Refused { endpoint, reason }
            }
            // lotus-gateway, for state more than a day old (`gateway/node.go`).
            Self::Rpc { ref message, .. } if says_too_old(message) => {
                let reason = format!("{reason}; give a node that keeps older state");
                Error::Refused { endpoint, reason }
            }
            Self::Rpc { .. } => Error::Unavailable { endpoint, reason },
            Self::TooLarge | Self::Garbled(_) => Error::Malformed { endpoint, reason },
        }
    }
}

/// Whether a gateway says that it does not look back so far (`lookbacks of more than 24h0m0s are
/// disallowed`).
pub(crate) fn says_too_old(message: &str) -> bool {
    message.contains("lookbacks of more than")
}

/// Whether a message says of the method that it is not to be had.
fn says_no_method(message: &str) -> bool {
    let message = message.to_lowercase();
    let whats = [
        "not found",
        "not supported",
        "unsupported",
        "not available",
        "not allowed",
        "not enabled",
        "not implemented",
        "does not exist",
        "no such method",
        "unknown method",
    ];
    message.contains("method") && whats.iter().any(|what| message.contains(what))
}

impl From<RpcError> for Trouble {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Call(error) => {
                Self::Rpc { code: error.code(), message: clip(error.message()) }
            }
            RpcError::RequestTimeout => Self::Timeout,
            RpcError::Transport(error) => from_transport(error),
            // serde's own message may quote the reply.
            RpcError::ParseError(error) => Self::Garbled(clip(&error.to_string())),
            other => Self::Garbled(clip(&other.to_string())),
        }
    }
}

fn from_transport(error: BoxError) -> Trouble {
    // What went wrong in the exchange comes through jsonrpsee as an error of the stream.
    if let Some(HttpTransportError::Http(HttpError::Stream(inner))) = error.downcast_ref()
        && let Some(trouble) = inner.downcast_ref::<Trouble>()
    {
        return trouble.clone();
    }
    Trouble::unreachable(&*error)
}

/// An error with what caused it: hyper keeps "connection refused" three levels down.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

fn status_hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ": check the token",
        300..=399 | 404 | 405 | 415 => ": check the URL, a node answers at /rpc/v1",
        413 => ": lower max_batch",
        429 => ": it asks for fewer requests",
        _ => "",
    }
}

/// Bounds what a stranger said, and keeps it on one line.
pub(crate) fn clip(message: &str) -> String {
    let line = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clipped: String = line.take(MAX_MESSAGE).collect();
    if message.chars().nth(MAX_MESSAGE).is_some() {
        clipped.push_str("...");
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i32, message: &str) -> Trouble {
        Trouble::Rpc { code, message: message.to_owned() }
    }

    #[test]
    fn what_may_pass_is_temporary_and_what_must_be_changed_is_not() {
        for trouble in [Trouble::Timeout, Trouble::Http(429), Trouble::Http(502), rpc(1, "busy")] {
            assert!(trouble.into_error("node").is_temporary());
        }
        let old = "bad tipset: lookbacks of more than 24h0m0s are disallowed";
        let refusals =
            [Trouble::Http(401), Trouble::Http(404), rpc(-32601, "no such method"), rpc(1, old)];
        for trouble in refusals {
            let error = trouble.into_error("node");
            assert!(matches!(error, Error::Refused { .. }), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_change() {
        let said = |trouble: Trouble| trouble.into_error("node").to_string();
        assert!(said(Trouble::Http(401)).contains("check the token"));
        assert!(said(Trouble::Http(404)).contains("/rpc/v1"));
        assert!(said(rpc(-32003, "missing permission")).contains("permissions"));
    }

    #[test]
    fn a_missing_method_is_told_by_its_code_or_in_words() {
        let words = ["Method Not Supported", "the method is not allowed", "unknown method 'x'"];
        for trouble in words.map(|said| rpc(-32000, said)) {
            assert!(trouble.is_missing_method(), "{trouble}");
        }
        for trouble in [-32601, -32001, -32003, -32004].map(|code| rpc(code, "?")) {
            assert!(trouble.is_missing_method(), "{trouble}");
        }
        for said in ["deal 9 not found", "sector not found", "busy", "bad method argument"] {
            assert!(!rpc(1, said).is_missing_method(), "{said}");
        }
    }

    #[test]
    fn a_batch_is_refused_for_its_size_only_where_that_is_said() {
        let whole =
            |code, message: &str| Trouble::BatchRefused { code, message: message.to_owned() };
        for said in [Trouble::Http(413), whole(-32010, "?"), whole(-1, "Batches are off")] {
            assert!(said.refuses_batches() && !said.may_refuse_batches(), "{said}");
        }
        for unsaid in [Trouble::Http(400), whole(-32600, "?"), whole(-32700, "?")] {
            assert!(!unsaid.refuses_batches() && unsaid.may_refuse_batches(), "{unsaid}");
        }
        for other in [Trouble::Http(502), whole(-32005, "limit exceeded"), Trouble::Timeout] {
            assert!(!other.asks_for_less(), "{other}");
        }
    }

    #[test]
    fn a_long_message_is_cut_and_kept_on_one_line() {
        let said = clip(&"a\nb".repeat(1_000_000));
        assert_eq!(said.chars().count(), MAX_MESSAGE + 3);
        assert!(!said.contains('\n'));
        assert_eq!(clip("short"), "short");
    }
}
