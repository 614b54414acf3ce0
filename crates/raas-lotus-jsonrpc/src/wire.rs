//! What Lotus and Forest send, as they send it, and what it means to us.
//!
//! Each shape takes only the fields that are used, so that new ones do no harm. A value that cannot
//! be (a negative epoch where no sentinel stands, a piece size that is no power of two) is an
//! error and never a default: a reply that is half understood could pass for a dead deal.

mod bitfield;
mod call;
mod cbor;
mod chain;
mod market;
mod miner;
mod network;

use std::fmt;

use raas_types::{ChainEpoch, TipsetKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

pub(crate) use bitfield::Bitfield;
pub(crate) use call::{Invocation, LOCATION_SINCE, Located, Message};
pub(crate) use chain::{EthSyncing, SyncState, Tipset};
pub(crate) use market::{MARKET_ACTOR, MarketDeal, MarketState, says_deal_not_found};
pub(crate) use miner::{
    Partition, PeriodOffset, ProvingDeadline, SectorExpiration, SectorLocation, provider_address,
    says_no_such_provider, says_sector_not_found,
};
pub(crate) use network::NodeVersion;

/// Reads one reply of a batch.
pub(crate) fn decode<T: de::DeserializeOwned>(reply: &RawValue) -> Result<T, String> {
    serde_json::from_str(reply.get()).map_err(|e| format!("a reply that does not parse: {e}"))
}

/// A CID as Lotus writes it: `{"/": "bafy2..."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cid(pub(crate) cid::Cid);

#[derive(Serialize, Deserialize)]
struct Link<T> {
    #[serde(rename = "/")]
    link: T,
}

impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Link { link: self.0.to_string() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Link { link } = Link::<String>::deserialize(deserializer)?;
        cid::Cid::try_from(link.as_str()).map(Self).map_err(de::Error::custom)
    }
}

/// A tipset key as a parameter or in a header; empty stands for the head, and is sent only where
/// the head is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Key(Vec<Cid>);

impl Key {
    /// Whatever the head is when the call arrives.
    pub(crate) const HEAD: Self = Self(Vec::new());
}

impl From<&TipsetKey> for Key {
    fn from(key: &TipsetKey) -> Self {
        Self(key.blocks().iter().copied().map(Cid).collect())
    }
}

impl From<Key> for TipsetKey {
    fn from(Key(blocks): Key) -> Self {
        Self::new(blocks.into_iter().map(|Cid(cid)| cid).collect())
    }
}

/// A list that Go writes as `null` when it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Option::<Vec<T>>::deserialize(deserializer)?;
        Ok(Self(items.unwrap_or_default()))
    }
}

/// An epoch that is always one: never negative.
fn epoch<E: fmt::Display>(epoch: i64, what: E) -> Result<ChainEpoch, String> {
    if epoch < 0 { Err(format!("{what} is {epoch}")) } else { Ok(ChainEpoch::new(epoch)) }
}

/// An epoch for which -1 stands where there is none.
fn maybe_epoch(epoch: i64) -> Option<ChainEpoch> {
    (epoch >= 0).then_some(ChainEpoch::new(epoch))
}

#[cfg(test)]
pub(crate) use cbor::Reader;

#[cfg(test)]
mod tests;
