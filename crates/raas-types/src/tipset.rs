//! Where on the chain something was read: [`Tipset`] and its key.

use std::{fmt, sync::Arc};

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::ChainEpoch;

/// The block CIDs that name a tipset, in the chain's order. Never empty for a real tipset.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TipsetKey(
    // Shared: whatever is read in a pass is kept under the same key.
    Arc<[Cid]>,
);

impl TipsetKey {
    /// The key made of these block CIDs.
    pub fn new(blocks: Vec<Cid>) -> Self {
        Self(blocks.into())
    }

    /// The block CIDs.
    pub fn blocks(&self) -> &[Cid] {
        &self.0
    }
}

impl fmt::Display for TipsetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cid) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            cid.fmt(f)?;
        }
        Ok(())
    }
}

impl Serialize for TipsetKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Cid::to_string))
    }
}

impl<'de> Deserialize<'de> for TipsetKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let blocks = texts.iter().map(|text| Cid::try_from(text.as_str()));
        blocks.collect::<Result<_, _>>().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A point of the chain to which reads are pinned.
///
/// State read at a tipset's key is the state *before* its messages ran, which is the state after
/// those of its parents (FILECOIN: deferred execution). Readers that ask for the state *after* a
/// block (`eth_call`) therefore use [`parents`](Self::parents) to see the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tipset {
    /// The tipset's own key.
    pub key: TipsetKey,
    /// The epoch it was mined at.
    pub epoch: ChainEpoch,
    /// The key of its parent tipset.
    pub parents: TipsetKey,
}

/// Which network an endpoint speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The name, such as `testnetnet` (mainnet) or `calibrationnet`.
    pub name: String,
    /// The network version, such as 28.
    pub version: u32,
}
