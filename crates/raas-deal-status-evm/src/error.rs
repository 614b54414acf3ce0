//! What an endpoint's errors mean: Lotus, Forest, gateways and proxies have few codes and many words.

use alloy::{primitives::Bytes, rpc::json_rpc::ErrorPayload};
use raas_deal_status::Error;
use serde_json::{Value, value::RawValue};

use crate::{endpoint::Endpoint, line::Lost, reverts};

/// `eth_call` and `eth_estimateGas`: the contract reverted; the data is what it said.
const CODE_REVERTED: i64 = 3;
/// There is no block of that number (lotus `api/api_errors.go`, `ErrNullRound`; Forest likewise).
pub(crate) const CODE_NULL_ROUND: i64 = 12;
/// JSON-RPC: the endpoint does not have the method, or refuses its parameters. -32001 is Forest's
/// for a method that it does not carry out, -32004 is a proxy's (EIP-1474).
const CODES_OF_A_WRONG_ENDPOINT: [i64; 5] = [-32600, -32601, -32602, -32001, -32004];
/// Forest: the token does not permit it.
const CODE_NOT_PERMITTED: i64 = -32003;
/// A batch with too many calls in it (jsonrpsee, so Forest).
const CODE_BATCH_TOO_LONG: i64 = -32010;
/// JSON-RPC: what the request is made of, rather than what it asks for, is refused. Servers that know
/// no batches answer one so.
const CODES_OF_THE_PROTOCOL: [i64; 4] = [-32600, -32601, -32602, -32700];

/// Why a call brought no result.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// The contract reverted and said these bytes.
    Reverted(Bytes),
    /// The endpoint answered with this error.
    Refused { code: i64, message: String },
    /// There was no answer, or none that can be read.
    Lost { method: &'static str, why: Lost },
    /// There is an answer, and it is not that of a DealStatus contract.
    NoContract(String),
}

impl CallError {
    /// Whether the contract said so: every endpoint would answer the same.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Reverted(_))
    }

    /// Whether it is the endpoint's fault for certain. Other refusals may be the call's: it runs out of
    /// gas, say.
    pub(crate) fn is_about_endpoint(&self) -> bool {
        match self {
            Self::Reverted(_) => false,
            Self::Lost { .. } | Self::NoContract(_) => true,
            Self::Refused { code, message } => {
                CODES_OF_A_WRONG_ENDPOINT.contains(code)
                    || *code == CODE_NOT_PERMITTED
                    || is_too_often(message)
                    || is_unknown_block(message)
                    || is_too_old(message)
            }
        }
    }

    /// Whether there was an answer, and what is wrong is the answer: another call's may be better.
    pub(crate) fn is_about_one_answer(&self) -> bool {
        matches!(self, Self::Lost { why: Lost::Unreadable(_) | Lost::TooLong, .. })
    }

    /// Whether a batch is refused for what it is, and a smaller one, or one call at a time, may do.
    pub(crate) fn refuses_batches(&self) -> bool {
        match self {
            Self::Refused { code, message } => {
                *code == CODE_BATCH_TOO_LONG
                    || CODES_OF_THE_PROTOCOL.contains(code)
                    || message.to_lowercase().contains("batch")
            }
            Self::Lost { why: Lost::Status(400 | 413), .. } => true,
            _ => false,
        }
    }
}

impl Endpoint {
    /// The port's error for a call's.
    pub(crate) fn error(&self, error: CallError) -> Error {
        match error {
            CallError::Reverted(data) => self.rejected(self.censor.quote(&reverts::reason(&data))),
            CallError::Refused { code, message } => self.refusal(code, &message),
            CallError::Lost { method, why } if why.is_misconfiguration() => {
                self.misconfigured(format!("{method}: {why}"))
            }
            CallError::Lost { method, why } => self.unavailable(format!("{method}: {why}")),
            CallError::NoContract(reason) => self.misconfigured(reason),
        }
    }

    /// Why a call brought no result, in words alone: for where the contract need not be named.
    pub(crate) fn words(&self, error: CallError) -> String {
        reason(self.error(error))
    }

    fn refusal(&self, code: i64, message: &str) -> Error {
        let message = self.censor.quote(message);
        if is_too_often(&message) {
            return self
                .unavailable(format!("{message} (code {code}): it asks for fewer requests"));
        }
        if is_unknown_block(&message) {
            let hint = "it lags, is on another fork, or does not keep that state";
            return self.unavailable(format!("{message} (code {code}); {hint}"));
        }
        if is_too_old(&message) {
            let hint = "give a node of your own, or one that keeps older state";
            return self.misconfigured(format!("{message} (code {code}); {hint}"));
        }
        if CODES_OF_A_WRONG_ENDPOINT.contains(&code) {
            let hint = "is this the Ethereum endpoint of a node with EnableEthRPC?";
            return self.misconfigured(format!("{message} (code {code}); {hint}"));
        }
        if code == CODE_NOT_PERMITTED {
            return self.misconfigured(format!("the token does not permit it: {message}"));
        }
        if is_about_funds(&message) {
            return self.misconfigured(format!("the account needs funds: {message}"));
        }
        self.unavailable(format!("{message} (code {code})"))
    }
}

/// What the port's error says, without the contract's name.
pub(crate) fn reason(error: Error) -> String {
    match error {
        Error::Unavailable { reason, .. }
        | Error::Rejected { reason, .. }
        | Error::Misconfigured { reason, .. } => reason,
    }
}

/// Whether the endpoint asks for fewer requests, in words: lotus-gateway's limiter, and what proxies
/// say with code -32005 or -32000.
pub(crate) fn is_too_often(message: &str) -> bool {
    says(message, &["server busy", "rate limit", "request rate", "too many requests"])
}

/// Whether the endpoint does not have the block, or no more of it than its name: it is behind, on
/// another fork, or prunes. Words of Lotus, Forest, the gateway and proxies.
fn is_unknown_block(message: &str) -> bool {
    let words = [
        "cannot get tipset by hash",
        "block not found",
        "header not found",
        "unknown block",
        "requested a future epoch",
        "tipset height in future",
        "could not find block",
    ];
    says(message, &words)
}

/// Whether a gateway says that it does not look back so far (lotus `gateway/node.go`: `lookbacks of
/// more than 24h0m0s are disallowed`).
fn is_too_old(message: &str) -> bool {
    says(message, &["lookbacks of more than"])
}

/// Whether a node's refusal is about the account's balance: Lotus and Forest have words, no codes.
fn is_about_funds(message: &str) -> bool {
    says(message, &["not enough funds", "insufficient funds", "insufficient balance"])
}

fn says(message: &str, any_of: &[&str]) -> bool {
    let message = message.to_lowercase();
    any_of.iter().any(|words| message.contains(words))
}

/// The error in a reply.
pub(crate) fn error_in(reply: &Value) -> Option<CallError> {
    let payload: ErrorPayload<Box<RawValue>> =
        serde_json::from_value(reply.get("error")?.clone()).ok()?;
    let ErrorPayload { code, message, data } = payload;
    if code == CODE_REVERTED {
        let data = data.and_then(|data| serde_json::from_str(data.get()).ok());
        return Some(CallError::Reverted(data.unwrap_or_default()));
    }
    Some(CallError::Refused { code, message: message.into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EndpointSettings;

    fn meaning(code: i64, message: &str) -> Error {
        let settings = EndpointSettings::new("http://node.example/rpc/v1".parse().unwrap());
        let endpoint = Endpoint::new(settings, "a contract").unwrap();
        endpoint.error(CallError::Refused { code, message: message.to_owned() })
    }

    #[test]
    fn what_may_pass_is_temporary_and_what_must_be_changed_is_not() {
        for (code, message) in [
            // Lotus, Forest and a proxy that lag, each with a number of its own.
            (1, "cannot get tipset by hash: 0x12 not found"),
            (-32603, "requested a future epoch (beyond \"latest\")"),
            (-32001, "header not found"),
            (1, "tipset height in future"),
            (1, "failed to load state tree: blockstore: block not found"),
            // No round, a migration, a crowd.
            (12, "requested epoch was a null round (6310001)"),
            (-32002, "required historical state unavailable: refusing explicit call"),
            (1, "server busy. please try again later"),
            (-32005, "daily request rate exceeded"),
            (1, "whatever it may be"),
        ] {
            let error = meaning(code, message);
            assert!(error.is_temporary() && error.to_string().contains(message), "{error}");
        }
        for (code, message, mend) in [
            (1, "bad tipset: lookbacks of more than 24h0m0s are disallowed", "keeps older state"),
            (-32601, "method 'eth_call' not found", "EnableEthRPC"),
            (-32001, "unsupported method", "EnableEthRPC"),
            (-32003, "missing permission", "token"),
            (1, "mpool push: not enough funds", "funds"),
        ] {
            let error = meaning(code, message);
            assert!(matches!(error, Error::Misconfigured { .. }), "{error}");
            assert!(error.to_string().contains(mend), "{error}");
        }
    }

    #[test]
    fn a_refused_batch_is_told_from_a_node_in_trouble() {
        let refused = |code, message: &str| {
            CallError::Refused { code, message: message.to_owned() }.refuses_batches()
        };
        assert!(refused(-32010, "The batch request was too large"));
        assert!(refused(-32600, "Invalid Request"));
        assert!(refused(-32000, "Batch limit exceeded"));
        assert!(!refused(1, "server busy"));
        assert!(!refused(-32003, "missing permission"));
        let lost = |why| CallError::Lost { method: "eth_call", why }.refuses_batches();
        assert!(lost(Lost::Status(413)) && !lost(Lost::Status(503)) && !lost(Lost::NoAnswer));
    }
}
