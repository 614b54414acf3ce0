//! Observing: everything about a batch of CIDs, read and judged at one pinned tipset; and, before
//! money is spent on it, read again from two endpoints.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use raas_core::{MAX_AGE, combine, is_confirmed, is_stale, judge, remember};
use raas_types::{
    ChainEpoch, DealId, DealMemory, EpochDelta, ListedDeal, Provenance, Tipset, Verdict,
};

use crate::{
    Node, PassReport,
    readings::{Read, Readings},
    subject::{Subject, dispute},
    transfers::Claim,
};

/// Deals remembered of one CID on the contract's word: ten years of the most replicas that can be
/// asked for (100, renewed every half year) are 2000. More is somebody's flood, and is not read.
const LISTED_LIMIT: usize = 2_000;

/// A batch of CIDs as they were observed.
pub(crate) struct Observed {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) read: Read,
    /// CIDs that could not be observed, and why.
    pub(crate) errors: Vec<String>,
}

impl Node {
    /// Reads what the store, the contract and the chain say of each CID, and brings the memories up
    /// to date. Replicas whose sectors cannot have changed since they were read are not read.
    pub(crate) async fn observe(&self, claims: Vec<Claim>, readings: &Readings) -> Observed {
        let pin = readings.pin();
        let mut errors = Vec::new();
        let cids: Vec<Cid> = claims.iter().map(Claim::cid).collect();
        let dossiers = self.store().dossiers(&cids).await;
        let mut subjects = Vec::with_capacity(claims.len());
        for (claim, dossier) in claims.into_iter().zip(dossiers) {
            match dossier {
                Ok(dossier) => subjects.push(Subject::of(claim, dossier)),
                Err(error) => errors.push(format!("{}: {error}", claim.cid())),
            }
        }
        self.ask_contract(&mut subjects, pin).await;
        let needs_witness = self.needs_witness();
        let stale = |subject: &Subject| -> BTreeSet<DealId> {
            let is_stale = |id: &DealId| {
                let memory = &subject.memories[id];
                is_stale(memory, pin.epoch) && (subject.may_count(memory) || is_old(memory, pin))
            };
            open_deals(subject, needs_witness).filter(is_stale).collect()
        };
        let each: Vec<_> = subjects.iter().map(stale).collect();
        let all = each.iter().flatten().copied().collect();
        let read = readings.read(&all).await;
        if needs_witness {
            readings.witness(&to_witness(&subjects, readings)).await;
        }
        // A batch that waits for its turn to ask was woken just now, and would be run by this thread
        // once this batch is judged and planned for: it goes first, so that the endpoint has work.
        tokio::task::yield_now().await;
        for (subject, ids) in subjects.iter_mut().zip(&each) {
            judge_deals(subject, ids, readings, needs_witness);
        }
        Observed { subjects, read, errors }
    }

    /// Asks the contract, all CIDs with one renewal window at once; deals that it lists and that were
    /// not known are remembered from now on.
    async fn ask_contract(&self, subjects: &mut [Subject], pin: &Tipset) {
        let views = self.aggregator_views();
        let window = |subject: &Subject| {
            let jobs = subject.jobs.iter().map(|j| &j.value.job);
            combine(jobs, &views, pin.epoch).and_then(|wanted| wanted.renewal)
        };
        let mut by_window: BTreeMap<EpochDelta, Vec<&mut Subject>> = BTreeMap::new();
        for subject in subjects {
            let window = window(subject).unwrap_or(EpochDelta::ZERO);
            by_window.entry(window).or_default().push(subject);
        }
        for (window, subjects) in by_window {
            let cids: Vec<Cid> = subjects.iter().map(|s| s.cid).collect();
            let listings = self.ports().contract.listings(&cids, window, pin).await;
            for (subject, listing) in subjects.into_iter().zip(listings) {
                subject.listing = listing.map_err(|e| e.to_string());
                hear(subject, self.dated(pin));
            }
        }
    }

    /// Reads all that is open of these CIDs anew, at this pin and from two endpoints where there are
    /// two, and judges it again: what a plan would spend money on. Whether the bytes are here is looked
    /// up too.
    pub(crate) async fn verify(
        &self,
        subjects: &mut [&mut Subject],
        readings: &Readings,
        report: &mut PassReport,
    ) {
        if subjects.is_empty() {
            return;
        }
        let needs_witness = self.needs_witness();
        let open = subjects.iter().flat_map(|subject| open_deals(subject, needs_witness));
        let open: BTreeSet<DealId> = open.collect();
        report.read(readings.read(&open).await);
        if needs_witness {
            readings.witness(&open).await;
        }
        for subject in subjects {
            subject.data = self.data_view(&subject.cid).await;
            let open: BTreeSet<_> = open_deals(subject, needs_witness).collect();
            judge_deals(subject, &open, readings, needs_witness);
            if needs_witness {
                subject.unwitnessed = unwitnessed(subject, &open);
            }
        }
    }

    /// Whether what money is spent on must be seen by two endpoints.
    fn needs_witness(&self) -> bool {
        self.settings().witnesses.min(self.endpoints().len()) > 1
    }
}

/// The deals of a CID that are not over beyond doubt. (One that never existed may yet come to be.) What
/// was judged in this very look is still open: it may be judged anew.
fn open_deals(subject: &Subject, needs_witness: bool) -> impl Iterator<Item = DealId> {
    let open = subject.memories.values().filter(move |memory| {
        subject.before.contains_key(&memory.listed.deal) || !is_settled(memory, needs_witness)
    });
    open.map(|memory| memory.listed.deal)
}

/// The deals that a second endpoint is asked about whether or not money is to be spent: those that
/// were found and whose terms are not remembered yet, as they are remembered for good; and those that
/// the endpoints disagreed about.
fn to_witness(subjects: &[Subject], readings: &Readings) -> BTreeSet<DealId> {
    let memories = subjects.iter().flat_map(|s| s.memories.values().map(move |m| (s, m)));
    let is_disputed = |m: &DealMemory| m.last.as_ref().is_some_and(|(v, _)| dispute(v).is_some());
    let wanted = memories.filter(|(subject, m)| {
        let is_new = || m.proposal.is_none() && readings.is_found(m.listed.deal);
        subject.may_count(m) && (is_disputed(m) || is_new())
    });
    wanted.map(|(_, m)| m.listed.deal).collect()
}

/// Judges those deals by what was read of them, and remembers that. What was judged in this look
/// before is judged anew, from what was remembered before the look.
fn judge_deals(
    subject: &mut Subject,
    ids: &BTreeSet<DealId>,
    readings: &Readings,
    needs_witness: bool,
) {
    for memory in subject.memories.values_mut() {
        let id = memory.listed.deal;
        let Some(evidence) = readings.evidence(id).filter(|_| ids.contains(&id)) else { continue };
        let before = subject.before.get(&id).unwrap_or(memory);
        let judged = judge(&evidence, before);
        let alone = needs_witness && evidence.witness.is_none();
        let mut after = remember(before, &judged, evidence);
        if alone && before.proposal.is_none() {
            (after.proposal, after.sector) = (None, None);
        }
        let replaced = std::mem::replace(memory, after);
        subject.before.entry(id).or_insert(replaced);
    }
}

/// Why nothing may be spent on what was seen of a CID, where one endpoint alone saw a deal that may
/// count.
fn unwitnessed(subject: &Subject, open: &BTreeSet<DealId>) -> Option<String> {
    let count = subject.memories.values().filter(|memory| subject.may_count(memory));
    let alone = count.filter(|memory| open.contains(&memory.listed.deal)).find_map(|memory| {
        let (_, evidence) = memory.last.as_ref()?;
        evidence.witness.is_none().then_some((memory.listed.deal, &evidence.endpoint))
    });
    alone.map(|(deal, endpoint)| format!("of deal {deal} only {endpoint} was heard"))
}

/// Remembers the deals that the contract lists and that were not known.
fn hear(subject: &mut Subject, at: ChainEpoch) {
    let Ok(listing) = &subject.listing else { return };
    let room = LISTED_LIMIT.saturating_sub(subject.memories.len());
    let unknown = |listed: &&ListedDeal| !subject.memories.contains_key(&listed.deal);
    let new: Vec<ListedDeal> = listing.all.iter().filter(unknown).take(room).copied().collect();
    for listed in new {
        let memory = DealMemory::first_heard(listed, Provenance::Contract, at);
        subject.memories.insert(listed.deal, memory);
        subject.heard.push(listed.deal);
    }
}

/// Whether a deal was not read for so long that even a stranger's is read again. Anyone may have any
/// number of deals listed, and have us read them all.
fn is_old(memory: &DealMemory, pin: &Tipset) -> bool {
    memory.last.as_ref().is_none_or(|(_, evidence)| {
        evidence.epoch > pin.epoch || evidence.epoch + MAX_AGE <= pin.epoch
    })
}

/// Whether a deal was seen to be over by as many as must see it before money is spent.
fn is_settled(memory: &DealMemory, needs_witness: bool) -> bool {
    memory.last.as_ref().is_some_and(|(verdict, evidence)| {
        let seen = evidence.witness.is_some() || !needs_witness;
        verdict.is_over() && *verdict != Verdict::NeverExisted && is_confirmed(memory) && seen
    })
}
