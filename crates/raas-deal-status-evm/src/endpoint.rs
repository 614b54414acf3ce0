//! One Ethereum JSON-RPC endpoint, and what its errors mean.
//!
//! Requests are made here and not by alloy's transport, which would read an answer of any length
//! into memory.

use std::fmt;

use alloy::{
    consensus::TxEnvelope,
    primitives::{Address, B256, Bytes, TxHash, U64, U128},
    rpc::{
        json_rpc::ErrorPayload,
        types::{
            BlockNumberOrTag, FeeHistory, Filter, Log, TransactionReceipt, TransactionRequest,
        },
    },
    transports::http::reqwest,
};
use raas_deal_status::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use crate::{EndpointSettings, reverts, words::Censor};

/// The longest answer that is read, in bytes. A listed deal is two words, 128 digits of hex: this is
/// room for 131 072 deals of one CID; and for as many events of a span as there are kilobytes, 16 384.
const MAX_ANSWER: usize = 16 << 20;

/// `eth_call` and `eth_estimateGas`: the contract reverted; the data is what it said.
const CODE_REVERTED: i64 = 3;
/// JSON-RPC: the endpoint does not have the method, or refuses its parameters.
const CODES_OF_A_WRONG_ENDPOINT: [i64; 4] = [-32600, -32601, -32602, -32001];
/// Forest: the token does not permit it.
const CODE_NOT_PERMITTED: i64 = -32003;

/// No parameters.
const NONE: [(); 0] = [];

/// A connection, and the name under which it appears in errors.
#[derive(Clone)]
pub(crate) struct Endpoint {
    http: reqwest::Client,
    censor: Censor,
    pub(crate) settings: EndpointSettings,
    /// What is asked there, for errors: never a path or a token.
    pub(crate) name: String,
}

/// The name only: the client would print its URL, whose path may be a secret.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The block on whose state a call runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    /// The one with this hash.
    Hash(B256),
    /// The one of this epoch, or the last before it where that round was null.
    Number(u64),
}

/// Why a call brought no result.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The contract reverted and said these bytes.
    Reverted(Bytes),
    /// The endpoint answered with this error.
    Refused { code: i64, message: String },
    /// There was no answer, or none that can be read.
    Failed(Error),
}

impl Endpoint {
    /// Prepares to ask; nothing is sent. `what` is asked about there.
    pub(crate) fn new(settings: EndpointSettings, what: &str) -> Result<Self> {
        let host = settings.url.host_str().unwrap_or("?");
        let name = match settings.url.port() {
            Some(port) => format!("{what} at {host}:{port}"),
            None => format!("{what} at {host}"),
        };
        let wrong = |reason: String| Error::Misconfigured { contract: name.clone(), reason };
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(token) = &settings.token {
            let mut value = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| wrong("the token has characters that no header may have".into()))?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .default_headers(headers)
            // A node that moved is a matter of configuration, and tokens go nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, censor: Censor::of(&settings), settings, name })
    }

    /// The network's EIP-155 number.
    pub(crate) async fn chain_id(&self) -> Result<u64> {
        let id: U64 = self.plain("eth_chainId", NONE).await?;
        Ok(id.to())
    }

    /// What a call returns on the state after a block; the revert bytes are kept apart.
    pub(crate) async fn call(
        &self,
        request: &TransactionRequest,
        block: Block,
    ) -> std::result::Result<Bytes, CallError> {
        // Filecoin nodes take a hash in an object only (EIP-1898); alloy would send it bare.
        let block = match block {
            Block::Hash(hash) => json!({ "blockHash": hash }),
            Block::Number(number) => json!(U64::from(number)),
        };
        self.ask("eth_call", (request, block)).await
    }

    /// The gas that a transaction needs.
    pub(crate) async fn estimate_gas(
        &self,
        request: &TransactionRequest,
    ) -> std::result::Result<u64, CallError> {
        let gas: U64 = self.ask("eth_estimateGas", (request,)).await?;
        Ok(gas.to())
    }

    /// The nonce of an account's next transaction, counted at a tag.
    pub(crate) async fn nonce(&self, account: Address, tag: BlockNumberOrTag) -> Result<u64> {
        let nonce: U64 = self.plain("eth_getTransactionCount", (account, tag)).await?;
        Ok(nonce.to())
    }

    /// What was paid lately.
    pub(crate) async fn fee_history(&self, blocks: u64) -> Result<FeeHistory> {
        let percentiles = [50.0];
        let params = (U64::from(blocks), BlockNumberOrTag::Latest, percentiles);
        self.plain("eth_feeHistory", params).await
    }

    /// What a unit of gas costs, premium included.
    pub(crate) async fn gas_price(&self) -> Result<u128> {
        let price: U128 = self.plain("eth_gasPrice", NONE).await?;
        Ok(price.to())
    }

    /// Hands in signed bytes.
    pub(crate) async fn send_raw(&self, raw: &[u8]) -> std::result::Result<B256, CallError> {
        self.ask("eth_sendRawTransaction", (Bytes::copy_from_slice(raw),)).await
    }

    /// The receipt of an executed transaction.
    pub(crate) async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>> {
        self.plain("eth_getTransactionReceipt", (hash,)).await
    }

    /// A transaction that the endpoint knows, in a block or not.
    pub(crate) async fn transaction(&self, hash: TxHash) -> Result<Option<Value>> {
        self.plain("eth_getTransactionByHash", (hash,)).await
    }

    /// The number of the block with this hash.
    pub(crate) async fn block_number(&self, hash: B256) -> Result<Option<u64>> {
        let block: Option<Value> = self.plain("eth_getBlockByHash", (hash, false)).await?;
        Ok(block.and_then(|block| field::<U64>(&block, "number")).map(|number| number.to()))
    }

    /// The hash of the block with this number.
    pub(crate) async fn block_hash(&self, number: u64) -> Result<Option<B256>> {
        let params = (BlockNumberOrTag::Number(number), false);
        let block: Option<Value> = self.plain("eth_getBlockByNumber", params).await?;
        Ok(block.and_then(|block| field(&block, "hash")))
    }

    /// Events.
    pub(crate) async fn logs(&self, filter: &Filter) -> std::result::Result<Vec<Log>, CallError> {
        self.ask("eth_getLogs", (filter,)).await
    }

    /// Signed bytes read back; `None` when they are none.
    pub(crate) fn decode(raw: &[u8]) -> Option<TxEnvelope> {
        use alloy::eips::eip2718::Decodable2718;
        let mut rest = raw;
        TxEnvelope::decode_2718(&mut rest).ok().filter(|_| rest.is_empty())
    }

    /// Ask again later.
    pub(crate) fn unavailable(&self, reason: impl AsRef<str>) -> Error {
        let reason = self.censor.reason(reason.as_ref());
        Error::Unavailable { contract: self.name.clone(), reason }
    }

    /// The contract says no.
    pub(crate) fn rejected(&self, reason: impl AsRef<str>) -> Error {
        let reason = self.censor.reason(reason.as_ref());
        Error::Rejected { contract: self.name.clone(), reason }
    }

    /// Something must be changed.
    pub(crate) fn misconfigured(&self, reason: impl AsRef<str>) -> Error {
        let reason = self.censor.reason(reason.as_ref());
        Error::Misconfigured { contract: self.name.clone(), reason }
    }

    /// The port's error for a call's.
    pub(crate) fn error(&self, error: CallError) -> Error {
        match error {
            CallError::Reverted(data) => self.rejected(self.censor.quote(&reverts::reason(&data))),
            CallError::Refused { code, message } => self.refusal(code, &message),
            CallError::Failed(error) => error,
        }
    }

    /// Why a call brought no result, in words alone: for where the contract need not be named.
    pub(crate) fn words(&self, error: CallError) -> String {
        match self.error(error) {
            Error::Unavailable { reason, .. }
            | Error::Rejected { reason, .. }
            | Error::Misconfigured { reason, .. } => reason,
        }
    }

    fn refusal(&self, code: i64, message: &str) -> Error {
        let message = self.censor.quote(message);
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

    /// A request of which no revert is expected.
    async fn plain<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<R> {
        self.ask(method, params).await.map_err(|error| self.error(error))
    }

    async fn ask<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> std::result::Result<R, CallError> {
        let failed = |reason: String| CallError::Failed(self.unavailable(reason));
        // One request a connection at a time: there is no other answer to take this one for.
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        // reqwest's own words end in the URL, whose path may be a secret.
        let lost = |_| failed(format!("{method}: no connection, or no answer in time"));
        let mut response =
            self.http.post(self.settings.url.clone()).json(&request).send().await.map_err(lost)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let reason = format!("{method}: the answer is longer than {MAX_ANSWER} bytes");
                return Err(failed(reason));
            }
            body.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice::<Value>(&body);
        // Lotus sends its protocol errors with status 400 or 500.
        if let Some(payload) = answer.as_ref().ok().and_then(error_in) {
            return Err(answered(payload));
        }
        match status.as_u16() {
            200..=299 => {}
            401 | 403 => {
                let reason = format!("{method}: HTTP {status}: a valid token is needed");
                return Err(CallError::Failed(self.misconfigured(reason)));
            }
            _ => return Err(failed(format!("{method}: HTTP {status}"))),
        }
        let unreadable = |why: String| failed(format!("{method}: unreadable answer: {why}"));
        let mut answer = answer.map_err(|error| unreadable(error.to_string()))?;
        let result = answer.get_mut("result").map(Value::take);
        let result = result.ok_or_else(|| unreadable("it has no result".to_owned()))?;
        serde_json::from_value(result).map_err(|error| unreadable(error.to_string()))
    }
}

/// Whether a node's refusal is about the account's balance: Lotus and Forest have words, no codes.
pub(crate) fn is_about_funds(message: &str) -> bool {
    let message = message.to_lowercase();
    ["not enough funds", "insufficient funds", "insufficient balance"]
        .iter()
        .any(|words| message.contains(words))
}

fn answered(payload: ErrorPayload) -> CallError {
    let ErrorPayload { code, message, data } = payload;
    if code == CODE_REVERTED {
        let data = data.and_then(|data| serde_json::from_str(data.get()).ok());
        return CallError::Reverted(data.unwrap_or_default());
    }
    CallError::Refused { code, message: message.into_owned() }
}

fn error_in(answer: &Value) -> Option<ErrorPayload<Box<RawValue>>> {
    serde_json::from_value(answer.get("error")?.clone()).ok()
}

fn field<T: DeserializeOwned>(object: &Value, name: &str) -> Option<T> {
    serde_json::from_value(object.get(name)?.clone()).ok()
}
