//! Observing: everything about a batch of CIDs, read at one pinned tipset. What several CIDs share
//! - deals, sectors - is read once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cid::Cid;
use raas_core::{combine, is_confirmed, remember, sector_of, verdict};
use raas_types::{
    DealId, DealMemory, DealReading, EpochDelta, Evidence, Job, ListedDeal, Provenance, SectorId,
    SectorReading, SubmissionId, Tipset, Transaction, TransactionPurpose, TransactionState,
    Verdict,
};

use crate::{Event, Node, PassReport, subject::Subject, transfers::Claim};

/// What was read of the chain in one pass, all of it at one tipset: no deal and no sector is read
/// twice, however many CIDs share it.
#[derive(Default)]
pub(crate) struct Readings {
    deals: BTreeMap<DealId, DealReading>,
    sectors: BTreeMap<SectorId, SectorReading>,
}

/// Readings kept at most: 50 000 deals of some 600 bytes are 30 MB. Beyond, a deal shared by CIDs of
/// different batches is read once for each batch.
const READINGS_LIMIT: usize = 50_000;

/// Deals remembered of one CID on the contract's word: ten years of the most replicas that can be
/// asked for (100, renewed every half year) are 2000. More is somebody's flood, and is not read.
const LISTED_LIMIT: usize = 2_000;

impl Node {
    /// Reads what the store, the contract and the chain say of each CID, and brings the memories up
    /// to date.
    pub(crate) async fn observe(
        &self,
        claims: Vec<Claim>,
        pin: &Tipset,
        readings: &mut Readings,
        report: &mut PassReport,
    ) -> Vec<Subject> {
        let mut subjects = Vec::with_capacity(claims.len());
        for claim in claims {
            let cid = claim.cid();
            match self.load(claim).await {
                Ok(subject) => subjects.push(subject),
                Err(error) => report.error(format!("{cid}: {error}")),
            }
        }
        self.ask_contract(&mut subjects, pin).await;
        self.ask_chain(&mut subjects, pin, readings, report).await;
        subjects
    }

    async fn load(&self, claim: Claim) -> raas_job_store::Result<Subject> {
        let cid = &claim.cid();
        let store = self.store();
        let mut jobs = store.jobs_of(cid).await?;
        let memories = store.deal_memories(cid).await?;
        let mut transactions = Vec::new();
        for job in &mut jobs {
            let mine = store.transactions_of(&job.value.job.id).await?;
            // A job that was removed and came back has its number still.
            let record = &mut job.value.record;
            record.submission = record.submission.or_else(|| mine.iter().find_map(number_given));
            transactions.extend(mine);
        }
        Ok(Subject {
            cid: *cid,
            jobs,
            memories: memories.into_iter().map(|m| (m.listed.deal, m)).collect(),
            orders: store.orders_of(cid).await?,
            listing: Err("the contract was not asked".to_owned()),
            transactions,
            data: self.data_view(cid).await,
            claim: Arc::new(claim),
        })
    }

    /// Asks the contract, all CIDs with one renewal window at once; deals that it lists and that were
    /// not known are remembered from now on.
    async fn ask_contract(&self, subjects: &mut [Subject], pin: &Tipset) {
        let views = self.aggregator_views();
        let window = |subject: &Subject| {
            let jobs: Vec<&Job> = subject.jobs.iter().map(|j| &j.value.job).collect();
            combine(&jobs, &views, pin.epoch).and_then(|wanted| wanted.renewal)
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
                hear(subject, pin);
            }
        }
    }

    /// Reads each distinct deal and sector once and judges every replica.
    async fn ask_chain(
        &self,
        subjects: &mut [Subject],
        pin: &Tipset,
        readings: &mut Readings,
        report: &mut PassReport,
    ) {
        let chain = &self.ports().chain;
        if readings.deals.len() > READINGS_LIMIT {
            *readings = Readings::default();
        }
        let asked = subjects.iter().flat_map(|s| s.memories.values());
        let ids: BTreeSet<DealId> =
            asked.filter(|m| !is_settled(m)).map(|m| m.listed.deal).collect();
        let unread = |id: &&DealId| !readings.deals.contains_key(*id);
        let new: Vec<DealId> = ids.iter().filter(unread).copied().collect();
        if !new.is_empty() {
            readings.deals.extend(new.iter().copied().zip(chain.deals(&new, pin).await));
            report.deals += new.len() as u64;
        }
        let sector_ids: BTreeSet<SectorId> =
            ids.iter().filter_map(|id| sector_of(readings.deals.get(id)?)).collect();
        let unread = |id: &&SectorId| !readings.sectors.contains_key(*id);
        let new: Vec<SectorId> = sector_ids.iter().filter(unread).copied().collect();
        if !new.is_empty() {
            readings.sectors.extend(new.iter().copied().zip(chain.sectors(&new, pin).await));
            report.sectors += new.len() as u64;
        }

        let evidence = Evidence {
            tipset: pin.key.clone(),
            epoch: pin.epoch,
            finalized: true,
            endpoint: chain.endpoint(),
        };
        for subject in subjects {
            let cid = subject.cid;
            for memory in subject.memories.values_mut() {
                if !ids.contains(&memory.listed.deal) {
                    continue;
                }
                let Some(deal) = readings.deals.get(&memory.listed.deal) else { continue };
                let sector = sector_of(deal).and_then(|id| readings.sectors.get(&id));
                let judged = verdict(deal, sector, memory, pin.epoch);
                let next = remember(memory, deal, &judged, evidence.clone());
                report_change(cid, memory, &judged, report);
                *memory = next;
            }
        }
    }
}

/// Remembers the deals that the contract lists and that were not known.
fn hear(subject: &mut Subject, pin: &Tipset) {
    let Ok(listing) = &subject.listing else { return };
    let room = LISTED_LIMIT.saturating_sub(subject.memories.len());
    let unknown = |listed: &&ListedDeal| !subject.memories.contains_key(&listed.deal);
    let new: Vec<ListedDeal> = listing.all.iter().filter(unknown).take(room).copied().collect();
    for listed in new {
        let memory = DealMemory::first_heard(listed, Provenance::Contract, pin.epoch);
        subject.memories.entry(listed.deal).or_insert(memory);
    }
}

fn report_change(cid: Cid, before: &DealMemory, judged: &Verdict, report: &mut PassReport) {
    let from = before.last.as_ref().map(|(verdict, _)| verdict.kind());
    let to = judged.kind();
    if from != Some(to) {
        let ListedDeal { deal, provider } = before.listed;
        let replaces = before.replaces();
        report.event(Event::Judged { cid, deal, provider, from, to, replaces });
    }
}

/// A deal that is over beyond doubt is not read again. (One that never existed may yet come to be.)
fn is_settled(memory: &DealMemory) -> bool {
    memory.last.as_ref().is_some_and(|(verdict, evidence)| {
        verdict.is_over()
            && *verdict != Verdict::NeverExisted
            && is_confirmed(memory, evidence.epoch)
    })
}

/// The number that the contract gave to a job, where this is what announced it.
fn number_given(transaction: &Transaction) -> Option<SubmissionId> {
    match (&transaction.purpose, &transaction.state) {
        (TransactionPurpose::Submit { .. }, TransactionState::Done { submission, .. }) => {
            *submission
        }
        _ => None,
    }
}
