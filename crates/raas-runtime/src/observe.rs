//! Observing: everything about a batch of CIDs, read at one pinned tipset. What several CIDs share
//! - deals, sectors - is read once.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use raas_core::{
    AggregatorView, DataView, JobView, Observation, Replica, combine, is_confirmed, remember,
    sector_of, verdict,
};
use raas_deal_status::Listing;
use raas_job_store::{StoredJob, Versioned};
use raas_types::{
    DealId, DealMemory, DealReading, EpochDelta, Evidence, Job, ListedDeal, Order, OrderState,
    PieceInfo, Provenance, SectorId, SectorReading, SegmentProof, SubmissionId, Tipset,
    Transaction, TransactionPurpose, TransactionState, Verdict,
};

use crate::{Event, Node, PassReport};

/// One CID under observation.
pub(crate) struct Subject {
    pub(crate) cid: Cid,
    pub(crate) jobs: Vec<Versioned<StoredJob>>,
    pub(crate) memories: BTreeMap<DealId, DealMemory>,
    pub(crate) orders: Vec<Order>,
    pub(crate) listing: Result<Listing, String>,
    transactions: Vec<Transaction>,
    data: DataView,
}

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
        cids: &[Cid],
        pin: &Tipset,
        readings: &mut Readings,
        report: &mut PassReport,
    ) -> Vec<Subject> {
        let mut subjects = Vec::with_capacity(cids.len());
        for cid in cids {
            match self.load(cid).await {
                Ok(subject) => subjects.push(subject),
                Err(error) => report.error(format!("{cid}: {error}")),
            }
        }
        self.ask_contract(&mut subjects, pin).await;
        self.ask_chain(&mut subjects, pin, readings, report).await;
        subjects
    }

    async fn load(&self, cid: &Cid) -> raas_job_store::Result<Subject> {
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
        })
    }

    /// Asks the contract for all CIDs at once; deals that it lists and that were not known are
    /// remembered from now on.
    async fn ask_contract(&self, subjects: &mut [Subject], pin: &Tipset) {
        let views = self.aggregator_views();
        let window = |subject: &Subject| {
            let jobs: Vec<&Job> = subject.jobs.iter().map(|j| &j.value.job).collect();
            combine(&jobs, &views, pin.epoch)?.renewal
        };
        let within = subjects.iter().filter_map(window).max().unwrap_or(EpochDelta::ZERO);
        let cids: Vec<Cid> = subjects.iter().map(|s| s.cid).collect();
        let listings = self.ports().contract.listings(&cids, within, pin).await;
        for (subject, listing) in subjects.iter_mut().zip(listings) {
            subject.listing = listing.map_err(|e| e.to_string());
            let Ok(listing) = &subject.listing else { continue };
            let room = LISTED_LIMIT.saturating_sub(subject.memories.len());
            let new = listing.all.iter().filter(|l| !subject.memories.contains_key(&l.deal));
            let new: Vec<ListedDeal> = new.take(room).copied().collect();
            for listed in &new {
                subject.memories.entry(listed.deal).or_insert_with(|| {
                    DealMemory::first_heard(*listed, Provenance::Contract, pin.epoch)
                });
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

impl Subject {
    /// What the planner is given. Orders that were decided and not sent are left out: whether they
    /// are still needed is decided anew.
    pub(crate) fn observation(&self, node: &Node, pin: &Tipset) -> Observation {
        let listed: BTreeSet<ListedDeal> =
            self.listing.iter().flat_map(|listing| listing.all.iter().copied()).collect();
        let sent = |order: &&Order| order.state != OrderState::Intended;
        Observation {
            cid: self.cid,
            at: pin.epoch,
            replicas: self.memories.values().map(|m| replica(m, &listed, pin)).collect(),
            orders: self.orders.iter().filter(sent).cloned().collect(),
            aggregators: self.aggregators(node.aggregator_views()),
            data: self.data.clone(),
            missing_evidence: self.listing.as_ref().err().into_iter().cloned().collect(),
        }
    }

    /// The aggregators that the jobs name, in the order in which they do; where one names none, all
    /// others follow.
    fn aggregators(&self, mut known: Vec<AggregatorView>) -> Vec<AggregatorView> {
        let mut mine = Vec::new();
        for name in self.jobs.iter().flat_map(|job| &job.value.job.terms.aggregators) {
            if let Some(i) = known.iter().position(|view| view.name == *name) {
                mine.push(known.remove(i));
            }
        }
        if self.jobs.iter().any(|job| job.value.job.terms.aggregators.is_empty()) {
            mine.append(&mut known);
        }
        mine
    }

    /// The jobs as the planner sees them.
    pub(crate) fn job_views(&self, node: &Node) -> Vec<JobView> {
        let without = node.settings().without;
        let view = |stored: &Versioned<StoredJob>| {
            let mut job = stored.value.job.clone();
            job.terms.repair = job.terms.repair.filter(|_| !without.repair);
            job.terms.renewal = job.terms.renewal.filter(|_| !without.renewal);
            let mine = || self.transactions.iter().filter(|t| is_about(t, &job));
            let closed = mine().filter(|t| is_closed(&t.purpose, mine())).map(|t| &t.purpose);
            let recording = closed.clone().filter_map(|purpose| match purpose {
                TransactionPurpose::Complete { deal, .. } => Some(*deal),
                TransactionPurpose::Submit { .. } => None,
            });
            let submit =
                |purpose: &TransactionPurpose| matches!(purpose, TransactionPurpose::Submit { .. });
            JobView {
                submission: stored.value.record.submission,
                announcing: closed.clone().any(submit),
                recording: recording.collect(),
                records: node.ports().recorder.is_some(),
                job,
            }
        };
        self.jobs.iter().map(view).collect()
    }
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

/// A write that failed is made anew at a later look, three times in all: a nonce that someone else
/// used and gas that was short are not the contract's last word, and three refusals are.
const ATTEMPTS: usize = 3;

/// Whether nothing more is to be written for this purpose: it is under way or done, or failed for
/// good.
fn is_closed<'a>(
    purpose: &TransactionPurpose,
    transactions: impl Iterator<Item = &'a Transaction>,
) -> bool {
    let of_purpose = transactions.filter(|t| t.purpose == *purpose);
    let (failed, others): (Vec<_>, Vec<_>) =
        of_purpose.partition(|t| matches!(t.state, TransactionState::Failed { .. }));
    !others.is_empty() || failed.len() >= ATTEMPTS
}

/// Whether a transaction is about the job.
fn is_about(transaction: &Transaction, job: &Job) -> bool {
    let (TransactionPurpose::Submit { job: of } | TransactionPurpose::Complete { job: of, .. }) =
        &transaction.purpose;
    *of == job.id
}

fn replica(memory: &DealMemory, listed: &BTreeSet<ListedDeal>, pin: &Tipset) -> Replica {
    let unread =
        || Verdict::Unknown { why: raas_types::Unknown::Deal("it was not read yet".to_owned()) };
    Replica {
        deal: memory.listed.deal,
        provider: memory.listed.provider,
        verdict: memory.last.as_ref().map_or_else(unread, |(verdict, _)| verdict.clone()),
        confirmed: is_confirmed(memory, pin.epoch),
        proven: is_proven(memory),
        replaces: memory.replaces(),
        listed: listed.contains(&memory.listed),
        recordable: proof_holds(memory) == Some(true),
    }
}

/// Whether the proof of inclusion leads to the very piece of the deal; `None` without a proof, or
/// while the deal's piece is not known.
fn proof_holds(memory: &DealMemory) -> Option<bool> {
    let proof = memory.proof.as_ref()?;
    let proposal = memory.proposal.as_ref()?;
    Some(leads_to(proof, &proposal.piece))
}

/// Whether a proof of inclusion leads to this very piece.
pub(crate) fn leads_to(proof: &SegmentProof, piece: &PieceInfo) -> bool {
    raas_piece::verify(&proof.segment, &proof.inclusion).is_ok_and(|found| found == *piece)
}

fn is_proven(memory: &DealMemory) -> bool {
    match memory.provenance {
        // What we ordered is taken to be what we ordered unless its proof says otherwise.
        Provenance::Ordered { .. } => proof_holds(memory) != Some(false),
        Provenance::Shown { .. } | Provenance::Contract => proof_holds(memory) == Some(true),
    }
}

/// Whether a transaction still waits for its end.
pub(crate) fn is_open(transaction: &Transaction) -> bool {
    transaction.state == TransactionState::Prepared
}
