//! Tipsets, and how far a node is with them.

use raas_types::EpochDelta;
use serde::{Deserialize, Deserializer, de};

use super::{Key, List, epoch};

/// A tipset: its key, its epoch, and block headers of which only the parents are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tipset {
    cids: Key,
    blocks: List<BlockHeader>,
    height: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BlockHeader {
    parents: Option<Key>,
}

impl TryFrom<Tipset> for raas_types::Tipset {
    type Error = String;

    fn try_from(tipset: Tipset) -> Result<Self, String> {
        let Tipset { cids: Key(cids), blocks: List(blocks), height } = tipset;
        let epoch = epoch(height, "a tipset's height")?;
        let mut parents = blocks.iter().map(|block| block.parents.clone().unwrap_or_default());
        let Some(first) = parents.next().filter(|_| cids.len() == blocks.len()) else {
            return Err(format!("a tipset of {} CIDs and {} blocks", cids.len(), blocks.len()));
        };
        if parents.any(|other| other != first) {
            return Err("a tipset whose blocks have different parents".to_owned());
        }
        Ok(Self { key: Key(cids).into(), epoch, parents: first.into() })
    }
}

/// `Filecoin.SyncState`: what a Lotus node's sync workers are at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SyncState {
    active_syncs: List<ActiveSync>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ActiveSync {
    target: Option<Target>,
    stage: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    height: i64,
}

impl SyncState {
    /// How far the highest target under way lies above the head. A worker that failed still
    /// counts: it wanted to go somewhere, and the head passes that target when another gets there.
    pub(crate) fn behind(&self, head: raas_types::ChainEpoch) -> EpochDelta {
        // Stages of lotus `api.SyncStateStage`.
        const IDLE: i64 = 0;
        const COMPLETE: i64 = 4;
        let List(syncs) = &self.active_syncs;
        let under_way = syncs.iter().filter(|sync| ![IDLE, COMPLETE].contains(&sync.stage));
        let targets = under_way.filter_map(|sync| sync.target.as_ref());
        let highest = targets.map(|target| target.height).max().unwrap_or_default();
        raas_types::ChainEpoch::new(highest).since(head).max(EpochDelta::ZERO)
    }
}

/// `eth_syncing`: `false`, or how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum EthSyncing {
    Is(bool),
    From {
        #[serde(alias = "currentblock", alias = "currentBlock", deserialize_with = "hex")]
        current: u32,
        #[serde(alias = "highestblock", alias = "highestBlock", deserialize_with = "hex")]
        highest: u32,
    },
}

impl EthSyncing {
    pub(crate) fn behind(self) -> EpochDelta {
        match self {
            Self::Is(_) => EpochDelta::ZERO,
            Self::From { current, highest } => {
                EpochDelta::new(i64::from(highest.saturating_sub(current)))
            }
        }
    }
}

/// `"0x1a"`. Epochs fit into 32 bits for four thousand years: 2^32 x 30 s.
fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u32::from_str_radix(digits, 16)
        .map_err(|_| de::Error::custom(format!("{text:?} is no hexadecimal epoch")))
}
