//! The error object of a JSON-RPC answer, with constructors for the codes that Filecoin nodes use.
//!
//! Numbers and texts are those of go-jsonrpc and Lotus (`go-jsonrpc/errors.go`,
//! `lotus/api/api_errors.go`); the dialect in [`super::dialect`] decides how they are sent.

use serde_json::{Value, json};

/// An application error with no code of its own (go-jsonrpc: unregistered error).
pub(crate) const APPLICATION: i64 = 1;
/// The call reverted; `data` holds the revert bytes as hex.
pub(crate) const REVERTED: i64 = 3;
/// The block asked for lies at a null round; `data` holds the epoch.
pub(crate) const NULL_ROUND: i64 = 12;
/// More epochs were asked for than one query may span.
pub(crate) const LIMIT_EXCEEDED: i64 = -32005;
/// The request is no JSON, or a parameter does not decode.
pub(crate) const PARSE: i64 = -32700;
/// The request is no JSON-RPC call.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// There is no such method here.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The number of parameters is wrong.
pub(crate) const INVALID_PARAMS: i64 = -32602;
/// Forest's number for everything that has none of its own.
pub(crate) const INTERNAL: i64 = -32603;
/// Forest's number for a caller without permission.
pub(crate) const FORBIDDEN: i64 = -32003;

/// What went wrong, for nodes that word it otherwise than Lotus does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Whatever code and text say.
    #[default]
    Told,
    /// So many parameters were sent, so many are needed.
    Count { got: usize, want: usize },
    /// The parameter at this position does not decode.
    Param { index: usize, why: String },
    /// The parameters are no array.
    Named,
    /// There is no tipset with that key.
    Tipset,
    /// Code and text are already as the node says them.
    Final,
}

/// What stands under `"error"` in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    /// The number a client may branch on.
    pub code: i64,
    /// The text a client often has to branch on.
    pub message: String,
    /// Revert bytes, a null round's epoch, or nothing.
    pub data: Option<Value>,
    /// Not on the wire.
    pub cause: Cause,
}

impl RpcError {
    /// An error with this code and text and no data.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, cause: Cause::Told }
    }

    /// An error of the method itself.
    pub(crate) fn application(message: impl Into<String>) -> Self {
        Self::new(APPLICATION, message)
    }

    /// The call reverted with these bytes (`data`, `0x…` hex).
    pub(crate) fn reverted(message: impl Into<String>, data: impl Into<String>) -> Self {
        Self { data: Some(json!(data.into())), ..Self::new(REVERTED, message) }
    }

    /// The block at this epoch does not exist: the round was null.
    pub(crate) fn null_round(epoch: i64) -> Self {
        let message = format!("requested epoch was a null round ({epoch})");
        Self { data: Some(json!(epoch)), ..Self::new(NULL_ROUND, message) }
    }

    /// A log query spans `got` epochs; `maximum` is allowed.
    pub(crate) fn range_exceeded(maximum: i64, got: i64) -> Self {
        let message = format!("block range exceeds maximum of {maximum} (got {got})");
        Self::new(LIMIT_EXCEEDED, message)
    }

    /// Not JSON, or a parameter of the wrong shape.
    pub(crate) fn parse(message: impl Into<String>) -> Self {
        Self::new(PARSE, message)
    }

    /// A parameter of `method` does not decode.
    pub(crate) fn bad_param(method: &str, index: usize, why: impl std::fmt::Display) -> Self {
        let why = why.to_string();
        let text = format!("unmarshaling params for '{method}' (param {index}): {why}");
        Self { cause: Cause::Param { index, why }, ..Self::parse(text) }
    }

    /// The parameters of `method` are no array.
    pub(crate) fn named_params(method: &str) -> Self {
        let text = format!(
            "unmarshaling params for '{method}': positional parameters (an array) are needed"
        );
        Self { cause: Cause::Named, ..Self::parse(text) }
    }

    /// A tipset whose key begins with this CID is not on the node's chain.
    pub(crate) fn unknown_tipset(first: &raas_types::Cid) -> Self {
        let text = format!("loading tipset: get block {first}: ipld: could not find {first}");
        Self { cause: Cause::Tipset, ..Self::application(text) }
    }

    /// No JSON-RPC call at all.
    pub(crate) fn invalid_request() -> Self {
        Self::new(INVALID_REQUEST, "Invalid request")
    }

    /// No such method.
    pub(crate) fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("method '{method}' not found"))
    }

    /// `method` takes `want` parameters and got `got`.
    pub(crate) fn param_count(method: &str, got: usize, want: usize) -> Self {
        let text = format!("wrong param count (method '{method}'): {got} != {want}");
        Self { cause: Cause::Count { got, want }, ..Self::new(INVALID_PARAMS, text) }
    }

    /// The object that goes on the wire.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = json!({"code": self.code, "message": self.message});
        if let Some(data) = &self.data {
            object["data"] = data.clone();
        }
        object
    }
}
