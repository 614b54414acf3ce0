//! How one kind of node says what all kinds mean: error codes, HTTP statuses, empty lists.

use super::error::{
    APPLICATION, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE, RpcError,
};

/// The habits of a kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// What stands for an error that has no code of its own.
    pub application_code: i64,
    /// Protocol errors (unknown method, bad parameters) are sent with HTTP 500 or 400 instead of
    /// 200. The body is valid all the same.
    pub protocol_errors_fail_http: bool,
    /// A list with nothing in it is `null` instead of `[]`.
    pub empty_list_is_null: bool,
    /// The software that the node says it is.
    pub agent: &'static str,
}

impl Dialect {
    /// Lotus over go-jsonrpc.
    pub(crate) const LOTUS: Self = Self {
        application_code: APPLICATION,
        protocol_errors_fail_http: true,
        empty_list_is_null: true,
        agent: "lotus",
    };

    /// The error as this kind of node numbers it.
    pub(crate) fn translate(self, error: RpcError) -> RpcError {
        if error.code == APPLICATION {
            RpcError { code: self.application_code, ..error }
        } else {
            error
        }
    }

    /// The HTTP status that goes with an error.
    pub(crate) fn status(self, error: &RpcError) -> u16 {
        match error.code {
            INVALID_REQUEST if self.protocol_errors_fail_http => 400,
            PARSE | METHOD_NOT_FOUND | INVALID_PARAMS if self.protocol_errors_fail_http => 500,
            _ => 200,
        }
    }
}
