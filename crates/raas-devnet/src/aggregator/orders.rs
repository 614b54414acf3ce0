//! What the aggregator remembers: files it was given and deals it makes of them.

use std::{collections::BTreeMap, path::PathBuf};

use cid::Cid;
use raas_types::{PieceInfo, ProviderId, SegmentProof};

use super::settings::Settings;
use crate::chain::DealTicket;

/// Everything the aggregator remembers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) settings: Settings,
    /// Files by CID, and the order in which they came.
    pub(super) files: BTreeMap<Cid, FileRecord>,
    pub(super) uploads: Vec<Cid>,
    /// Deals in the order they were asked for; a deal's number is its place here.
    pub(super) deals: Vec<Phase>,
    by_cid: BTreeMap<Cid, Vec<usize>>,
    pub(super) calls: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
pub(super) struct FileRecord {
    pub(super) name: String,
    pub(super) size: u64,
}

/// One deal, from order to chain.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The CAR is being made and hashed.
    Packing,
    /// Its piece is made, its provider chosen, its publication set.
    Scheduled(Box<ScheduledDeal>),
    /// It could not be made.
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct ScheduledDeal {
    pub(super) piece: PieceInfo,
    pub(super) proof: SegmentProof,
    pub(super) checksum: [u8; 16],
    pub(super) car_size: u64,
    pub(super) provider: ProviderId,
    pub(super) ticket: DealTicket,
}

/// One deal to be made, as it waits for the packer.
#[derive(Debug)]
pub(super) struct DealOrder {
    pub(super) number: usize,
    pub(super) cid: Cid,
    /// As they were when it was ordered.
    pub(super) settings: Settings,
}

impl Ledger {
    pub(super) fn count(&mut self, call: &'static str) {
        *self.calls.entry(call).or_default() += 1;
    }

    /// The deals of a CID with their numbers, oldest first.
    pub(super) fn deals_of(&self, cid: &Cid) -> impl Iterator<Item = (usize, &Phase)> {
        self.by_cid.get(cid).into_iter().flatten().map(|number| (*number, &self.deals[*number]))
    }

    /// Whether a deal of the CID was ever asked for.
    pub(super) fn has_deals_of(&self, cid: &Cid) -> bool {
        self.by_cid.contains_key(cid)
    }

    /// Writes down a new deal.
    pub(super) fn open_deal(&mut self, cid: Cid) -> DealOrder {
        let number = self.deals.len();
        self.deals.push(Phase::Packing);
        self.by_cid.entry(cid).or_default().push(number);
        DealOrder { number, cid, settings: self.settings.clone() }
    }
}

/// What an [`Aggregator`](super::Aggregator) needs to know at its start.
#[derive(Clone, Debug)]
pub(crate) struct AggregatorConfig {
    /// The devnet's directory; blobs and CARs go below `aggregator` in it.
    pub(crate) dir: PathBuf,
    /// The key it asks for as a bearer token; `None` for no key at all.
    pub(crate) api_key: Option<String>,
    /// What filler and placement follow from.
    pub(crate) seed: u64,
}
