//! Parameters of the Ethereum methods, and numbers as they write them.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::execute::CallRequest;
use crate::{chain::view::ChainView, rpc::error::RpcError};

/// The positional parameters of one call.
#[derive(Clone, Copy)]
pub(super) struct Params<'a> {
    pub(super) method: &'a str,
    pub(super) values: &'a [Value],
}

impl Params<'_> {
    /// Lotus takes exactly as many parameters as a method has.
    pub(super) fn exactly(&self, count: usize) -> Result<(), RpcError> {
        self.between(count, count)
    }

    /// For the few methods whose last parameters may be left out.
    pub(super) fn between(&self, least: usize, most: usize) -> Result<(), RpcError> {
        let got = self.values.len();
        if (least..=most).contains(&got) {
            Ok(())
        } else {
            Err(RpcError::param_count(self.method, got, most))
        }
    }

    /// The parameter at `index`, which is there.
    pub(super) fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        let value = self.values.get(index).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|error| self.bad(index, error))
    }

    /// A number, in hex or plain.
    pub(super) fn number(&self, index: usize) -> Result<u64, RpcError> {
        match self.values.get(index) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => parse_quantity(text),
            _ => None,
        }
        .ok_or_else(|| self.bad(index, "not a number"))
    }

    /// An error of one parameter.
    pub(super) fn bad(&self, index: usize, why: impl std::fmt::Display) -> RpcError {
        RpcError::bad_param(self.method, index, why)
    }

    /// The epoch of the state that a block parameter asks for: after that epoch. A null round
    /// silently means the tipset before it.
    pub(super) fn state_epoch(&self, index: usize, chain: &dyn ChainView) -> Result<i64, RpcError> {
        let epoch = match self.values.get(index) {
            Some(Value::String(text)) => self.block_epoch(index, text, chain)?,
            Some(Value::Object(object)) => {
                match (object.get("blockHash"), object.get("blockNumber")) {
                    (Some(hash), _) => {
                        let hash: B256 = serde_json::from_value(hash.clone())
                            .map_err(|error| self.bad(index, error))?;
                        epoch_of_hash(hash, chain)?
                    }
                    (None, Some(Value::String(text))) => self.block_epoch(index, text, chain)?,
                    _ => return Err(self.bad(index, "neither blockHash nor blockNumber")),
                }
            }
            _ => return Err(self.bad(index, "not a block parameter")),
        };
        Ok(before_null_rounds(epoch, chain))
    }

    /// The epoch that a block number or tag names; perhaps of a null round.
    pub(super) fn block_epoch(
        &self,
        index: usize,
        text: &str,
        chain: &dyn ChainView,
    ) -> Result<i64, RpcError> {
        let latest = latest(chain);
        match text {
            "latest" => Ok(latest),
            "pending" => Ok(chain.head_epoch()),
            "finalized" => Ok(finalized(chain)),
            "safe" => {
                let distant = before_null_rounds(chain.head_epoch() - SAFE_DISTANCE, chain);
                Ok(finalized(chain).max(distant))
            }
            "earliest" => Err(RpcError::application("block param \"earliest\" is not supported")),
            number => {
                let epoch = number
                    .starts_with("0x")
                    .then(|| parse_quantity(number))
                    .flatten()
                    .and_then(|number| i64::try_from(number).ok())
                    .ok_or_else(|| {
                        self.bad(index, format!("cannot parse block number {text:?}"))
                    })?;
                if epoch > latest {
                    let why = "requested a future epoch (beyond 'latest')";
                    return Err(RpcError::application(why));
                }
                Ok(epoch)
            }
        }
    }

    /// The first parameter of `eth_call` and `eth_estimateGas`.
    pub(super) fn call_request(&self) -> Result<CallRequest, RpcError> {
        let object: Value = self.get(0)?;
        let field = |name: &str| object.get(name).filter(|value| !value.is_null()).cloned();
        let read = |error| self.bad(0, error);
        let from: Option<Address> =
            field("from").map(serde_json::from_value).transpose().map_err(read)?;
        let to = field("to").map(serde_json::from_value).transpose().map_err(read)?;
        let gas: Option<U256> =
            field("gas").map(serde_json::from_value).transpose().map_err(read)?;
        let value: Option<U256> =
            field("value").map(serde_json::from_value).transpose().map_err(read)?;
        // Newer clients say "input", older ones "data", careful ones both.
        let data: Option<Bytes> = field("input")
            .or_else(|| field("data"))
            .map(serde_json::from_value)
            .transpose()
            .map_err(read)?;
        Ok(CallRequest {
            from: from.unwrap_or_default(),
            to,
            gas: gas.map(|gas| gas.saturating_to()),
            value: value.unwrap_or_default(),
            data: data.unwrap_or_default(),
        })
    }
}

/// `safe` lies this far behind the head at most (lotus since v1.34).
const SAFE_DISTANCE: i64 = 200;

/// `latest`: the parent of the head, because the head's messages are executed by its child.
pub(super) fn latest(chain: &dyn ChainView) -> i64 {
    chain.parent_epoch(chain.head_epoch())
}

/// The last final tipset, as far as it has been executed.
pub(super) fn finalized(chain: &dyn ChainView) -> i64 {
    chain.finalized_epoch().clamp(0, latest(chain))
}

/// The epoch itself, or the last one below it that is not null.
pub(super) fn before_null_rounds(mut epoch: i64, chain: &dyn ChainView) -> i64 {
    while epoch > 0 && chain.is_null(epoch) {
        epoch -= 1;
    }
    epoch
}

/// The tipset of this hash.
pub(super) fn epoch_of_hash(hash: B256, chain: &dyn ChainView) -> Result<i64, RpcError> {
    chain.epoch_of_block_hash(hash.0).ok_or_else(|| {
        RpcError::application(format!("cannot get tipset by hash: {hash} not found"))
    })
}

/// A hex number with its prefix, or a decimal one without.
pub(super) fn parse_quantity(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// An epoch as a block number.
pub(super) fn quantity(number: i64) -> String {
    format!("{number:#x}")
}
