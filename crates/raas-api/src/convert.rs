//! The domain into answers: what is known of a job becomes a [`JobView`].

use raas_api_types::{
    ContractAnswer, ContractAnswers, FetchedView, JobView, LoggedDecision, Look, ObstacleView,
    OrderView, PlanView, ReplicaView, SpendingStop, TermsView, TransactionView,
};
use raas_runtime::{
    JobStatus, LookRecord, Obstacle, Outlook, ReplicaStatus, Retrieved,
    core::{Plan, Tripped, explain},
    job_store::Decision,
};
use raas_types::{
    ChainEpoch, Job, ListedDeal, Order, OrderState, Provenance, SubmissionId, Terms, Transaction,
    TransactionPurpose, TransactionState, Trust, VerdictKind,
};
use serde::Serialize;
use serde_json::Value;

use crate::{evidence, policy};

/// Deals that an answer names at most: a thousand are some 10 kB, and more than anyone reads.
const NAMED: usize = 1_000;

/// A job without its replicas, orders, looks and decisions, as lists show it.
pub(crate) fn job(
    job: &Job,
    submission: Option<SubmissionId>,
    next_look: Option<ChainEpoch>,
) -> JobView {
    JobView {
        id: job.id.to_string(),
        cid: job.cid.to_string(),
        terms: terms(&job.terms),
        submission: submission.map(|submission| submission.0),
        next_look: next_look.map(ChainEpoch::get),
        replicas: Vec::new(),
        orders: Vec::new(),
        transactions: Vec::new(),
        last_look: None,
        last_decision: None,
    }
}

/// A job with all that is known of it, and the last decision about its data.
pub(crate) fn status(status: &JobStatus, decided: Option<&(u64, Decision)>) -> JobView {
    let record = &status.stored.record;
    JobView {
        replicas: status.replicas.iter().map(replica).collect(),
        orders: status.orders.iter().map(order).collect(),
        transactions: status.transactions.iter().map(transaction).collect(),
        last_look: status.last_look.as_ref().map(look),
        last_decision: decided.map(|(number, Decision { at, .. })| LoggedDecision {
            number: *number,
            epoch: at.get(),
        }),
        ..job(&status.stored.job, record.submission, record.next_look)
    }
}

fn terms(terms: &Terms) -> TermsView {
    TermsView {
        target: terms.replication.map(|r| r.target),
        min: terms.replication.map(|r| r.min),
        max: terms.replication.map(|r| r.max),
        renewal_threshold: terms.renewal.map(|r| r.threshold.get()),
        repair_threshold: terms.repair.map(|r| r.threshold.get()),
        until: terms.until.map(ChainEpoch::get),
        aggregators: terms.aggregators.iter().map(ToString::to_string).collect(),
        trust: match terms.trust {
            Trust::Proven => "proven",
            Trust::Contract => "contract",
        }
        .to_owned(),
        placement: policy::of_placement(&terms.placement),
        budget: policy::of_budget(&terms.budget),
    }
}

fn replica(ReplicaStatus { memory, .. }: &ReplicaStatus) -> ReplicaView {
    let proposal = memory.proposal.as_ref();
    let (verdict, known_by) = memory.last.as_ref().map(|(v, e)| (v, e)).unzip();
    ReplicaView {
        deal: memory.listed.deal.get(),
        provider: memory.listed.provider.to_string(),
        verdict: verdict.map_or(VerdictKind::Unknown, |verdict| verdict.kind()).to_string(),
        particulars: verdict.map_or(Value::Null, data),
        evidence: known_by.map(evidence::view),
        known_from: match memory.provenance {
            Provenance::Ordered { .. } => "ordered",
            Provenance::Shown { .. } => "shown",
            Provenance::Contract => "contract",
        }
        .to_owned(),
        replaces: memory.replaces().map(|deal| deal.get()),
        sector: memory.sector.map(|sector| sector.get()),
        start: proposal.map(|proposal| proposal.start.get()),
        end: proposal.map(|proposal| proposal.end.get()),
        piece: proposal.map(|proposal| proposal.piece.cid.to_string()),
    }
}

fn order(order: &Order) -> OrderView {
    let (state, deal, reason) = match &order.state {
        OrderState::Intended => ("intended", None, None),
        OrderState::Sending => ("sending", None, None),
        OrderState::Sent { .. } => ("sent", None, None),
        OrderState::Landed { deal, .. } => ("landed", Some(deal.get()), None),
        OrderState::Withdrawn { .. } => ("withdrawn", None, None),
        OrderState::Failed { reason, .. } => ("failed", None, Some(reason.clone())),
    };
    OrderView {
        id: order.id.to_string(),
        aggregator: order.aggregator.to_string(),
        cause: order.cause.name().to_owned(),
        replaces: order.cause.replaces().map(|deal| deal.get()),
        created: order.created.get(),
        state: state.to_owned(),
        deal,
        deals: order.deals().map(|listed| listed.deal.get()).collect(),
        reason,
    }
}

fn transaction(transaction: &Transaction) -> TransactionView {
    let (kind, deal) = match &transaction.purpose {
        TransactionPurpose::Submit { .. } => ("submit", None),
        TransactionPurpose::Complete { deal, .. } => ("complete", Some(deal.get())),
    };
    let (state, reason) = match &transaction.state {
        TransactionState::Prepared => ("prepared", None),
        TransactionState::Done { .. } => ("done", None),
        TransactionState::Failed { reason, .. } => ("failed", Some(reason.clone())),
    };
    TransactionView {
        hash: transaction.hash.to_string(),
        kind: kind.to_owned(),
        deal,
        state: state.to_owned(),
        reason,
    }
}

fn look(look: &LookRecord) -> Look {
    Look {
        epoch: look.at.get(),
        words: look.words.clone(),
        steps: data(&look.plan.steps),
        reasons: data(&look.plan.reasons),
        contract: ContractAnswers {
            all: answer(&look.contract.all),
            active: answer(&look.contract.active),
            expiring: answer(&look.contract.expiring),
        },
        fetched: look.fetched.clone().map(|Retrieved { by, tried }| FetchedView { by, tried }),
    }
}

fn answer(answer: &Result<Vec<ListedDeal>, String>) -> ContractAnswer {
    match answer {
        Ok(deals) => ContractAnswer::Deals(deals.iter().map(|listed| listed.deal.get()).collect()),
        Err(why) => ContractAnswer::Error(why.clone()),
    }
}

/// What would be done, with what would follow once the bytes are here.
pub(crate) fn outlook(outlook: &Outlook) -> PlanView {
    let with_bytes = outlook.with_bytes.as_ref().map(|then| Box::new(plan(then)));
    PlanView { with_bytes, ..plan(&outlook.plan) }
}

fn plan(plan: &Plan) -> PlanView {
    PlanView {
        epoch: plan.at.get(),
        words: explain(plan),
        steps: data(&plan.steps),
        reasons: data(&plan.reasons),
        with_bytes: None,
    }
}

/// Something that cannot be met.
pub(crate) fn obstacle(Obstacle { what, loosen }: &Obstacle) -> ObstacleView {
    ObstacleView { what: what.clone(), loosen: loosen.map(str::to_owned) }
}

/// Why nothing is ordered.
pub(crate) fn stop(Tripped { at, why, flipped, .. }: &Tripped) -> SpendingStop {
    let mut numbers = data(why);
    let code = numbers.as_object_mut().and_then(|fields| fields.remove("code"));
    SpendingStop {
        at: at.get(),
        why: why.to_string(),
        code: code.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
        numbers,
        flipped: flipped.iter().take(NAMED).map(|deal| deal.get()).collect(),
        flipped_in_all: flipped.len() as u64,
    }
}

/// Plain data as JSON, which cannot fail; were it to, it is merely not shown.
fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
