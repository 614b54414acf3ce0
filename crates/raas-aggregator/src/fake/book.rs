//! What the fake has been asked to make, and what it has made.

use std::collections::{BTreeMap, BTreeSet};

use cid::{Cid, multihash::Multihash};
use raas_types::{
    AggregatorDeal, Commitment, InclusionProof, ListedDeal, MerkleProof, Order, OrderId,
    PaddedSize, PieceInfo, ProviderId, SegmentProof, Ticket,
};

use super::DealIds;
use crate::Found;

pub(super) struct Book {
    pub(super) ids: DealIds,
    pub(super) providers: Vec<ProviderId>,
    pub(super) proofs: BTreeMap<Cid, SegmentProof>,
    /// Whose turn it is among the providers.
    turn: usize,
    tickets: BTreeMap<OrderId, Ticket>,
    opened: u64,
    entries: BTreeMap<Cid, Vec<Entry>>,
}

/// One deal ordered.
#[derive(Clone)]
struct Entry {
    ticket: Ticket,
    exclude: BTreeSet<ProviderId>,
    prefer: BTreeSet<ProviderId>,
    deal: Option<ListedDeal>,
}

impl Book {
    pub(super) fn new(providers: Vec<ProviderId>) -> Self {
        Self {
            ids: DealIds::default(),
            providers,
            proofs: BTreeMap::new(),
            turn: 0,
            tickets: BTreeMap::new(),
            opened: 0,
            entries: BTreeMap::new(),
        }
    }

    pub(super) fn knows(&self, cid: &Cid) -> bool {
        self.entries.contains_key(cid)
    }

    pub(super) fn ticket_of(&self, order: &OrderId) -> Option<Ticket> {
        self.tickets.get(order).cloned()
    }

    pub(super) fn open(&mut self, order: &Order, copies: u32, excludes: bool) -> Ticket {
        self.opened += 1;
        let ticket = Ticket(format!("{}-{}", order.aggregator, self.opened));
        self.tickets.insert(order.id.clone(), ticket.clone());
        let entries = self.entries.entry(order.cid).or_default();
        let entry = Entry {
            ticket: ticket.clone(),
            exclude: if excludes { order.exclude.clone() } else { BTreeSet::new() },
            prefer: if excludes { order.prefer.clone() } else { BTreeSet::new() },
            deal: None,
        };
        entries.extend((0..copies).map(|_| entry.clone()));
        ticket
    }

    pub(super) fn land(&mut self, cid: &Cid) -> Vec<ListedDeal> {
        let Self { ids, providers, turn, entries, .. } = self;
        let mut landed = Vec::new();
        for entry in entries.get_mut(cid).into_iter().flatten() {
            if entry.deal.is_none()
                && let Some(provider) = next_provider(providers, turn, entry)
            {
                entry.deal = Some(ListedDeal { deal: ids.take(), provider });
                landed.extend(entry.deal);
            }
        }
        landed
    }

    pub(super) fn land_all(&mut self) -> Vec<(Cid, ListedDeal)> {
        let cids: Vec<Cid> = self.entries.keys().copied().collect();
        let landed = cids.into_iter().map(|cid| (cid, self.land(&cid)));
        landed.flat_map(|(cid, deals)| deals.into_iter().map(move |deal| (cid, deal))).collect()
    }

    pub(super) fn land_as(&mut self, cid: &Cid, deal: ListedDeal) -> bool {
        let mut entries = self.entries.get_mut(cid).into_iter().flatten();
        let waiting = entries.find(|entry| entry.deal.is_none());
        waiting.map(|entry| entry.deal = Some(deal)).is_some()
    }

    pub(super) fn lose(&mut self, cid: &Cid) -> usize {
        let Some(entries) = self.entries.get_mut(cid) else { return 0 };
        let before = entries.len();
        entries.retain(|entry| entry.deal.is_some());
        before - entries.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.entries.values().flatten().filter(|entry| entry.deal.is_none()).count()
    }

    /// What can be told of an order by an aggregator that knows data and no order ids.
    pub(super) fn judge(&self, order: &Order) -> Found {
        let Some(entries) = self.entries.get(&order.cid) else { return Found::Absent };
        let new = entries.iter().find(|entry| {
            entry.deal.is_some_and(|listed| !order.known_deals.contains(&listed.deal))
        });
        new.map_or(Found::CannotTell, |entry| Found::Landed(entry.ticket.clone()))
    }

    /// The deals of a CID, with proofs where the size of its data is given.
    pub(super) fn deals(&self, cid: &Cid, proof_of: Option<u64>) -> Vec<AggregatorDeal> {
        let proof = || {
            let known = self.proofs.get(cid).cloned();
            proof_of.and_then(|size| known.or_else(|| plausible_proof(cid, size)))
        };
        let show = |entry: &Entry| AggregatorDeal {
            deal: entry.deal.map(|listed| listed.deal),
            provider: entry.deal.map(|listed| listed.provider),
            proof: entry.deal.and_then(|_| proof()),
        };
        self.entries.get(cid).into_iter().flatten().map(show).collect()
    }
}

fn next_provider(providers: &[ProviderId], turn: &mut usize, entry: &Entry) -> Option<ProviderId> {
    let ahead = || {
        let places = (0..providers.len()).map(|step| (*turn + step) % providers.len());
        places.filter(|place| !entry.exclude.contains(&providers[*place]))
    };
    let preferred = ahead().find(|place| entry.prefer.contains(&providers[*place]));
    let place = preferred.or_else(|| ahead().next())?;
    *turn = place + 1;
    Some(providers[place])
}

/// A proof of the right shape for data of this size; it leads to no deal's piece.
fn plausible_proof(cid: &Cid, size: u64) -> Option<SegmentProof> {
    // The commitment is made of the CID's own digest: other data, other segment.
    let mut node = [0; 32];
    for (to, from) in node.iter_mut().zip(cid.hash().digest()) {
        *to = *from;
    }
    // The top two bits of every node are clear (Fr32).
    node[31] &= 0b0011_1111;
    // 127 bytes of data take 128 of a piece.
    let padded = size.div_ceil(127).checked_mul(128)?.max(128).checked_next_power_of_two()?;
    // fil-commitment-unsealed (0xf101) over sha2-256-trunc254-padded (0x1012).
    let piece = Cid::new_v1(0xf101, Multihash::wrap(0x1012, &node).ok()?);
    let path = || MerkleProof { index: 0, path: vec![Commitment(node)] };
    Some(SegmentProof {
        segment: PieceInfo { cid: piece, size: PaddedSize::new(padded)? },
        inclusion: InclusionProof { subtree: path(), index: path() },
    })
}
