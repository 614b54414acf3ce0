//! What goes wrong with a call, in detail; the port knows three kinds of it.

use jsonrpsee::{
    core::{BoxError, client::Error as RpcError, http_helpers::HttpError},
    http_client::transport::Error as HttpTransportError,
};
use raas_lotus::Error;

/// The longest message of a node that is passed on, in characters; a node may send megabytes.
const MAX_MESSAGE: usize = 300;

/// A call that brought no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The node understood and says no.
    #[error("{message} (code {code})")]
    Rpc { code: i32, message: String },
    /// The server in front of it says no.
    #[error("HTTP status {0}{hint}", hint = status_hint(*.0))]
    Http(u16),
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
    /// Whether the node has no such method, or none for us: -32601 in Lotus, its gateway and
    /// Forest, -32001 in Forest for methods that it knows and does not carry out.
    pub(crate) fn is_missing_method(&self) -> bool {
        matches!(self, Self::Rpc { code: -32601 | -32001, .. })
    }

    /// As the port tells it.
    pub(crate) fn into_error(self, endpoint: &str) -> Error {
        let endpoint = endpoint.to_owned();
        let reason = self.to_string();
        match self {
            Self::Http(408 | 429 | 500..) | Self::Timeout | Self::Unreachable(_) => {
                Error::Unavailable { endpoint, reason }
            }
            Self::Http(_) => Error::Refused { endpoint, reason },
            Self::Rpc { .. } if self.is_missing_method() => {
                let reason = format!("{reason}; give a full node's API, at /rpc/v1");
                Error::Refused { endpoint, reason }
            }
            // Forest for a method that the token does not allow.
            Self::Rpc { code: -32003, .. } => {
                let reason = format!("{reason}; check the token's permissions");
                Error::Refused { endpoint, reason }
            }
            // lotus-gateway, for state more than a day old (`gateway/node.go`).
            Self::Rpc { ref message, .. } if message.contains("lookbacks of more than") => {
                let reason = format!("{reason}; give a node that keeps older state");
                Error::Refused { endpoint, reason }
            }
            Self::Rpc { .. } => Error::Unavailable { endpoint, reason },
            Self::TooLarge | Self::Garbled(_) => Error::Malformed { endpoint, reason },
        }
    }
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
    match error.downcast_ref::<HttpTransportError>() {
        Some(HttpTransportError::Rejected { status_code }) => Trouble::Http(*status_code),
        Some(HttpTransportError::Http(HttpError::TooLarge)) => Trouble::TooLarge,
        Some(HttpTransportError::Http(HttpError::Malformed)) => {
            Trouble::Garbled("the answer is no JSON-RPC".to_owned())
        }
        Some(HttpTransportError::Http(HttpError::Stream(error))) => {
            Trouble::Unreachable(clip(&chain(&**error)))
        }
        _ => Trouble::Unreachable(clip(&chain(&*error))),
    }
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
    fn a_long_message_is_cut_and_kept_on_one_line() {
        let said = clip(&"a\nb".repeat(1_000_000));
        assert_eq!(said.chars().count(), MAX_MESSAGE + 3);
        assert!(!said.contains('\n'));
        assert_eq!(clip("short"), "short");
    }
}
