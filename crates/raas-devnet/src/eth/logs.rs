//! `eth_getLogs`, with the limits of lotus `node/impl/eth/events.go` and `chain/events/filter`.

use alloy::primitives::{Address, B256, Log};
use serde::Deserialize;
use serde_json::Value;

use super::{
    mined::Ledger,
    wire::{epoch_of_hash, latest, parse_quantity},
};
use crate::{chain::view::ChainView, rpc::error::RpcError};

/// One day (lotus `Events.MaxFilterHeightRange`).
const MAX_SPAN: i64 = 2880;
/// The most results of more than one tipset (lotus `Events.MaxFilterResults`).
const MAX_RESULTS: usize = 10_000;
/// An event has at most four topics.
const MAX_TOPICS: usize = 4;

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    from_block: Option<String>,
    to_block: Option<String>,
    block_hash: Option<B256>,
    address: Option<OneOrMany<Address>>,
    topics: Option<Vec<Option<OneOrMany<B256>>>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: PartialEq> OneOrMany<T> {
    /// An empty list admits everything.
    fn admits(&self, value: &T) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Many(many) => many.is_empty() || many.contains(value),
        }
    }
}

impl Filter {
    /// All logs that match, oldest first.
    pub(super) fn answer(&self, ledger: &Ledger, chain: &dyn ChainView) -> Result<Value, RpcError> {
        if self.topics.as_ref().is_some_and(|topics| topics.len() > MAX_TOPICS) {
            return Err(RpcError::application("too many topics: at most 4 are allowed"));
        }
        let (first, last) = self.range(chain)?;
        let mut found = Vec::new();
        for mined in ledger.between(first, last) {
            let matching = (0..mined.logs.len()).filter(|i| self.matches(&mined.logs[*i]));
            found.extend(matching.map(|i| mined.log(i, chain)));
            if found.len() > MAX_RESULTS && first != last {
                let why =
                    format!("filter matches too many events: at most {MAX_RESULTS} are allowed");
                return Err(RpcError::application(why));
            }
        }
        Ok(Value::Array(found))
    }

    fn matches(&self, log: &Log) -> bool {
        let topics = self.topics.as_deref().unwrap_or_default();
        self.address.as_ref().is_none_or(|address| address.admits(&log.address))
            && topics.iter().enumerate().all(|(position, wanted)| {
                wanted.as_ref().is_none_or(|wanted| {
                    log.topics().get(position).is_some_and(|topic| wanted.admits(topic))
                })
            })
    }

    /// The first and the last epoch asked for.
    fn range(&self, chain: &dyn ChainView) -> Result<(i64, i64), RpcError> {
        if let Some(hash) = self.block_hash {
            if self.from_block.is_some() || self.to_block.is_some() {
                let why = "must not specify block hash and from/to block";
                return Err(RpcError::application(why));
            }
            let epoch = epoch_of_hash(hash, chain)?;
            return executed(epoch, chain).map(|()| (epoch, epoch));
        }
        let head = chain.head_epoch();
        let first = bound("FromBlock", self.from_block.as_deref())?.unwrap_or(head);
        let last = bound("ToBlock", self.to_block.as_deref())?;
        let span = last.unwrap_or(head) - first;
        if last.is_some_and(|last| first > last) {
            return Err(RpcError::application(format!(
                "invalid block range: from block ({first}) must be less than or equal to to block \
                 ({})",
                last.unwrap_or(head)
            )));
        }
        if span > MAX_SPAN {
            return Err(RpcError::range_exceeded(MAX_SPAN, span));
        }
        match last {
            Some(last) => executed(last, chain).map(|()| (first, last)),
            None => Ok((first, latest(chain))),
        }
    }
}

/// The head's messages have not been executed, so they have no events yet.
fn executed(epoch: i64, chain: &dyn ChainView) -> Result<(), RpcError> {
    if epoch < chain.head_epoch() {
        Ok(())
    } else {
        Err(RpcError::application("events for the requested block are not yet available"))
    }
}

/// An epoch; `None` for the latest one.
fn bound(name: &str, text: Option<&str>) -> Result<Option<i64>, RpcError> {
    match text {
        None | Some("" | "latest") => Ok(None),
        Some("earliest") => Ok(Some(0)),
        Some(hex) if hex.starts_with("0x") => {
            let epoch = parse_quantity(hex).and_then(|epoch| i64::try_from(epoch).ok());
            epoch
                .map(Some)
                .ok_or_else(|| RpcError::application(format!("{name}: cannot parse {hex:?}")))
        }
        Some(_) => Err(RpcError::application(format!("{name} is not a hex"))),
    }
}
