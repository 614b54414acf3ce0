//! One CID under observation: what was read of it, and how the planner is given it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cid::Cid;
use raas_core::{AggregatorView, DataView, JobView, Observation, Replica, is_confirmed};
use raas_deal_status::Listing;
use raas_job_store::{StoredJob, Versioned};
use raas_types::{
    ChainEpoch, DealId, DealMemory, Job, ListedDeal, Order, OrderState, PieceInfo, Provenance,
    SegmentProof, Tipset, Transaction, TransactionPurpose, TransactionState, Verdict,
};

use crate::{Node, transfers::Claim};

/// One CID under observation.
pub(crate) struct Subject {
    pub(crate) cid: Cid,
    pub(crate) jobs: Vec<Versioned<StoredJob>>,
    pub(crate) memories: BTreeMap<DealId, DealMemory>,
    pub(crate) orders: Vec<Order>,
    pub(crate) listing: Result<Listing, String>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) data: DataView,
    /// Held while anyone works on what was seen.
    pub(crate) claim: Arc<Claim>,
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
            aggregators: self.aggregators(node.aggregator_views(), pin.epoch),
            data: self.data.clone(),
            missing_evidence: self.listing.as_ref().err().into_iter().cloned().collect(),
        }
    }

    /// The aggregators that the standing jobs name, in the order in which they do; where one names
    /// none, all others follow.
    fn aggregators(&self, mut known: Vec<AggregatorView>, at: ChainEpoch) -> Vec<AggregatorView> {
        let terms = || {
            let terms = self.jobs.iter().map(|job| &job.value.job.terms);
            terms.filter(move |terms| terms.until.is_none_or(|until| at < until))
        };
        let mut mine = Vec::new();
        for name in terms().flat_map(|terms| &terms.aggregators) {
            if let Some(i) = known.iter().position(|view| view.name == *name) {
                mine.push(known.remove(i));
            }
        }
        if terms().any(|terms| terms.aggregators.is_empty()) {
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
