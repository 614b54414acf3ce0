//! One CID under observation: what was read of it, and how the planner is given it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cid::Cid;
use raas_core::{AggregatorView, DataView, JobView, Observation, Replica, is_confirmed};
use raas_deal_status::Listing;
use raas_job_store::{Dossier, StoredJob, Versioned};
use raas_types::{
    ChainEpoch, DealId, DealMemory, Evidence, Job, ListedDeal, Order, OrderState, PieceInfo,
    Provenance, SegmentProof, SubmissionId, Tipset, Transaction, TransactionPurpose,
    TransactionState, Trust, Unknown, Verdict, VerdictKind,
};

use crate::{AlertCode, Event, Node, transfers::Claim};

/// One CID under observation.
pub(crate) struct Subject {
    pub(crate) cid: Cid,
    pub(crate) jobs: Vec<Versioned<StoredJob>>,
    pub(crate) memories: BTreeMap<DealId, DealMemory>,
    /// The deals that this look first heard of.
    pub(crate) heard: Vec<DealId>,
    /// The memories of deals that were judged in this look, as they were before it.
    pub(crate) before: BTreeMap<DealId, DealMemory>,
    /// Why nothing may be spent on what was seen, where too few endpoints saw it.
    pub(crate) unwitnessed: Option<String>,
    pub(crate) orders: Vec<Order>,
    pub(crate) listing: Result<Listing, String>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) data: DataView,
    /// Held while anyone works on what was seen.
    pub(crate) claim: Arc<Claim>,
}

impl Subject {
    /// What the store has of a CID; the contract, the chain and the blob store are still to be asked.
    pub(crate) fn of(claim: Claim, dossier: Dossier) -> Self {
        let Dossier { mut jobs, memories, orders, transactions } = dossier;
        for job in &mut jobs {
            // A job that was removed and came back has its number still.
            let mine = transactions.iter().filter(|t| is_about(t, &job.value.job));
            let record = &mut job.value.record;
            record.submission =
                record.submission.or_else(|| mine.into_iter().find_map(number_given));
        }
        Self {
            cid: claim.cid(),
            jobs,
            memories: memories.into_iter().map(|m| (m.listed.deal, m)).collect(),
            heard: Vec::new(),
            before: BTreeMap::new(),
            unwitnessed: None,
            orders,
            listing: Err("the contract was not asked".to_owned()),
            transactions,
            // Until it matters: only what would order anything needs them.
            data: DataView::Local,
            claim: Arc::new(claim),
        }
    }

    /// What the planner is given. Orders that were decided and not sent are left out: whether they
    /// are still needed is decided anew.
    pub(crate) fn observation(&self, views: &[AggregatorView], pin: &Tipset) -> Observation {
        let listed: BTreeSet<ListedDeal> =
            self.listing.iter().flat_map(|listing| listing.all.iter().copied()).collect();
        let sent = |order: &&Order| order.state != OrderState::Intended;
        Observation {
            cid: self.cid,
            at: pin.epoch,
            replicas: self.memories.values().map(|m| replica(m, &listed)).collect(),
            orders: self.orders.iter().filter(sent).cloned().collect(),
            aggregators: self.aggregators(views.to_vec(), pin.epoch),
            providers: raas_types::ProviderBook::new(),
            data: self.data.clone(),
            missing_evidence: self.missing_evidence(),
        }
    }

    /// Whether a deal may count as a replica: somebody answers for it who is not a stranger.
    pub(crate) fn may_count(&self, memory: &DealMemory) -> bool {
        let trusts = |job: &Versioned<StoredJob>| job.value.job.terms.trust == Trust::Contract;
        memory.provenance != Provenance::Contract
            || memory.proof.is_some()
            || self.jobs.iter().any(trusts)
    }

    fn missing_evidence(&self) -> Vec<String> {
        let contract = self.listing.as_ref().err().cloned();
        contract.into_iter().chain(self.unwitnessed.clone()).collect()
    }

    /// The memories that this look wrote: of deals that it judged, and of those it first heard of.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &DealMemory> {
        let judged = self.before.keys();
        let heard = self.heard.iter().filter(|deal| !self.before.contains_key(*deal));
        judged.chain(heard).filter_map(|deal| self.memories.get(deal))
    }

    /// What this look changed in what is known of each deal.
    pub(crate) fn changes(&self) -> Vec<Event> {
        let mut changes = Vec::new();
        for (before, after, verdict, evidence) in self.judged() {
            let from = before.last.as_ref().map(|(verdict, _)| verdict);
            let to = verdict.kind();
            if from.map(Verdict::kind) != Some(to) {
                let ListedDeal { deal, provider } = after.listed;
                let (cid, replaces) = (self.cid, after.replaces());
                let from = from.map(Verdict::kind);
                changes.push(Event::Judged { cid, deal, provider, from, to, replaces });
            }
            if from.and_then(dispute).is_none()
                && let Some(verdicts) = dispute(verdict)
            {
                let (cid, deal) = (self.cid, after.listed.deal);
                let endpoints = endpoints_of(evidence);
                changes.push(Event::Disagreement { cid, deal, endpoints, verdicts });
            }
        }
        changes
    }

    /// What an operator should know of this look: each with what it is about, and in words.
    pub(crate) fn alerts(&self) -> Vec<(AlertCode, String, String)> {
        let waits = self.unwitnessed.iter().map(|why| {
            let words = format!("orders wait until a second endpoint is heard: {why}");
            (AlertCode::WitnessMissing, self.cid.to_string(), words)
        });
        let disputes = self.judged().filter_map(|(_, after, verdict, evidence)| {
            let [first, second] = dispute(verdict)?;
            let ([one, other], deal) = (endpoints_of(evidence), after.listed.deal);
            let words = format!(
                "at epoch {} {one} says deal {deal} is {first}, and {other} {second}",
                evidence.epoch
            );
            Some((AlertCode::Disagreement, deal.to_string(), words))
        });
        waits.chain(disputes).collect()
    }

    /// The deals that were judged in this look: before it, after it, and what was found.
    pub(crate) fn judged(
        &self,
    ) -> impl Iterator<Item = (&DealMemory, &DealMemory, &Verdict, &Evidence)> {
        self.before.iter().filter_map(|(deal, before)| {
            let after = self.memories.get(deal)?;
            let (verdict, evidence) = after.last.as_ref()?;
            Some((before, after, verdict, evidence))
        })
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
        let view = |stored: &Versioned<StoredJob>| {
            let job = stored.value.job.clone();
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

/// What two endpoints say of a deal, where they disagree.
pub(crate) fn dispute(verdict: &Verdict) -> Option<[VerdictKind; 2]> {
    match verdict {
        Verdict::Unknown { why: Unknown::Disagreement { first, second } } => {
            Some([*first, *second])
        }
        _ => None,
    }
}

fn endpoints_of(evidence: &Evidence) -> [String; 2] {
    let witness = evidence.witness.as_ref().map(|witness| witness.endpoint.clone());
    [evidence.endpoint.clone(), witness.unwrap_or_default()]
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

fn replica(memory: &DealMemory, listed: &BTreeSet<ListedDeal>) -> Replica {
    let unread = || Verdict::Unknown { why: Unknown::Deal("it was not read yet".to_owned()) };
    Replica {
        deal: memory.listed.deal,
        provider: memory.listed.provider,
        verdict: memory.last.as_ref().map_or_else(unread, |(verdict, _)| verdict.clone()),
        confirmed: is_confirmed(memory),
        next_read: memory.next_read,
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
