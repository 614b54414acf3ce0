//! One Ethereum JSON-RPC endpoint: its methods, and replies read.

use std::{fmt, sync::Arc};

use alloy::{
    consensus::TxEnvelope,
    primitives::{Address, B256, Bytes, TxHash, U64, U128},
    rpc::types::{
        BlockNumberOrTag, FeeHistory, Filter, Log, TransactionReceipt, TransactionRequest,
    },
};
use raas_deal_status::{Error, Result};
use raas_types::RpcUsage;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    EndpointSettings,
    error::{CODE_NULL_ROUND, CallError, error_in},
    line::{Line, Lost, Reply},
    sizes::Sizes,
    words::Censor,
};

/// No parameters.
const NONE: [(); 0] = [];
/// The id of a request that is no batch.
const ID: u64 = 1;

/// A connection, and the name under which it appears in errors. Copies of it share the connection.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) line: Arc<Line>,
    pub(crate) sizes: Arc<Sizes>,
    pub(crate) censor: Censor,
    pub(crate) settings: EndpointSettings,
    /// Host and port.
    pub(crate) host: String,
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

impl Endpoint {
    /// Prepares to ask; nothing is sent. `what` is asked about there.
    pub(crate) fn new(settings: EndpointSettings, what: &str) -> Result<Self> {
        let host = settings.url.host_str().unwrap_or("?");
        let host = match settings.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let name = format!("{what} at {host}");
        let line = Line::new(&settings)
            .map_err(|reason| Error::Misconfigured { contract: name.clone(), reason })?;
        let (line, sizes) = (Arc::new(line), Arc::default());
        Ok(Self { line, sizes, censor: Censor::of(&settings), settings, host, name })
    }

    /// What was asked so far.
    pub(crate) fn usage(&self) -> RpcUsage {
        self.line.tally.so_far()
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
        self.ask("eth_call", (request, block.param())).await
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
    pub(crate) async fn block_number(
        &self,
        hash: B256,
    ) -> std::result::Result<Option<u64>, CallError> {
        let block: Option<Value> = self.ask("eth_getBlockByHash", (hash, false)).await?;
        Ok(block.and_then(|block| field::<U64>(&block, "number")).map(|number| number.to()))
    }

    /// The hash of the block with this number; `None` where that round was null.
    pub(crate) async fn block_hash(
        &self,
        number: u64,
    ) -> std::result::Result<Option<B256>, CallError> {
        let params = (BlockNumberOrTag::Number(number), false);
        match self.ask::<Option<Value>>("eth_getBlockByNumber", params).await {
            Ok(block) => Ok(block.and_then(|block| field(&block, "hash"))),
            Err(CallError::Refused { code: CODE_NULL_ROUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
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

    /// A request of which no revert is expected.
    async fn plain<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<R> {
        self.ask(method, params).await.map_err(|error| self.error(error))
    }

    pub(crate) async fn ask<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> std::result::Result<R, CallError> {
        let request = json!({"jsonrpc": "2.0", "id": ID, "method": method, "params": params});
        let lost = |why| CallError::Lost { method, why };
        let reply = self.line.exchange(method, 1, &request).await.map_err(lost)?;
        let result = single(method, reply)?;
        serde_json::from_value(result).map_err(|error| lost(Lost::Unreadable(error.to_string())))
    }
}

impl Block {
    /// As a parameter. Filecoin nodes take a hash in an object only (EIP-1898); alloy would send it
    /// bare.
    pub(crate) fn param(self) -> Value {
        match self {
            Self::Hash(hash) => json!({ "blockHash": hash }),
            Self::Number(number) => json!(U64::from(number)),
        }
    }
}

/// The result in the reply to a single request.
fn single(method: &'static str, reply: Reply) -> std::result::Result<Value, CallError> {
    let Reply { status, body } = reply;
    let lost = |why| CallError::Lost { method, why };
    let unreadable = |why: &str| lost(Lost::Unreadable(why.to_owned()));
    let others = || unreadable("it answers another request");
    let answer = body.filter(Value::is_object);
    // Lotus sends its protocol errors with status 400 or 500.
    if let Some(error) = answer.as_ref().and_then(error_in) {
        // The answer to a request that could not be read has no id.
        let id = answer.as_ref().and_then(|answer| answer.get("id"));
        let ours = id.is_none_or(|id| id.is_null() || number(id) == Some(ID));
        return Err(if ours { error } else { others() });
    }
    if !(200..=299).contains(&status) {
        return Err(lost(Lost::Status(status)));
    }
    let mut answer = answer.ok_or_else(|| unreadable("it is no JSON object"))?;
    if answer.get("id").and_then(number) != Some(ID) {
        return Err(others());
    }
    answer.get_mut("result").map(Value::take).ok_or_else(|| unreadable("it has no result"))
}

/// A reply's id, where it is a number; Go may have made a float of it.
pub(crate) fn number(id: &Value) -> Option<u64> {
    let float = || id.as_f64().filter(|id| id.fract() == 0.0 && (0.0..1e15).contains(id));
    id.as_u64().or_else(|| float().map(|id| id as u64))
}

fn field<T: DeserializeOwned>(object: &Value, name: &str) -> Option<T> {
    serde_json::from_value(object.get(name)?.clone()).ok()
}
