//! What happened in a pass: for logs, metrics, tests and stories.

use std::collections::BTreeMap;

use cid::Cid;
use raas_types::{
    AggregatorName, Cause, ChainEpoch, DealId, OrderId, ProviderId, RpcUsage, TransactionPurpose,
    TxHash, VerdictKind,
};
use serde::Serialize;

use crate::readings::Read;

/// What one pass did.
#[derive(Debug, Default, Serialize)]
pub struct PassReport {
    /// The pinned epoch; `None` when the gate stayed shut.
    pub epoch: Option<ChainEpoch>,
    /// Why the gate stayed shut.
    pub gated: Option<String>,
    /// Jobs that were due.
    pub jobs: u64,
    /// CIDs looked at.
    pub cids: u64,
    /// Distinct deals read from the chain.
    pub deals: u64,
    /// Distinct sectors read from the chain.
    pub sectors: u64,
    /// Plans that do something, as they went into the log of decisions.
    pub decisions: u64,
    /// What happened, in order.
    #[serde(skip)]
    pub events: Vec<Event>,
    /// What went wrong; each delayed only what it concerns.
    pub errors: Vec<String>,
    /// What it asked of each endpoint, of the chain and of the contract.
    pub rpc: BTreeMap<String, RpcUsage>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl PassReport {
    pub(crate) fn read(&mut self, Read { deals, sectors }: Read) {
        self.deals += deals;
        self.sectors += sectors;
    }

    pub(crate) fn error(&mut self, what: impl std::fmt::Display) {
        let what = what.to_string();
        tracing::warn!(error = %what, "a part of the pass failed");
        self.errors.push(what);
    }

    pub(crate) fn event(&mut self, event: Event) {
        tracing::info!(?event, "event");
        self.events.push(event);
    }
}

/// Something that happened: to a CID, to an endpoint, to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the vocabulary's; each variant says what happened")]
pub enum Event {
    /// A deal is not what it was at the look before.
    Judged {
        cid: Cid,
        deal: DealId,
        provider: ProviderId,
        from: Option<VerdictKind>,
        to: VerdictKind,
        replaces: Option<DealId>,
    },
    /// Two endpoints say different things of one deal at one tipset; the evidence holds both answers.
    Disagreement { cid: Cid, deal: DealId, endpoints: [String; 2], verdicts: [VerdictKind; 2] },
    /// An endpoint of the chain is not believed any more.
    EndpointAside { endpoint: String, reason: String },
    /// An endpoint that was set aside is believed again.
    EndpointBack { endpoint: String },
    /// An order was taken by an aggregator.
    Ordered { cid: Cid, order: OrderId, aggregator: AggregatorName, cause: Cause },
    /// A deal came of an order.
    Landed { cid: Cid, order: OrderId, deal: DealId, provider: ProviderId },
    /// An order was given up.
    OrderFailed { cid: Cid, order: OrderId, reason: String },
    /// The bytes were fetched.
    Fetched { cid: Cid, by: String, tried: Vec<String> },
    /// The bytes could not be fetched.
    DataMissing { cid: Cid, tried: Vec<String> },
    /// An aggregator could not be reached; it is left alone for a while.
    AggregatorAway { cid: Cid, aggregator: AggregatorName, reason: String },
    /// Our own copy of the bytes was damaged; it was set aside and is fetched anew.
    CopyDamaged { cid: Cid, reason: String },
    /// More of the world seems to die at once than is plausible: nothing is ordered.
    SpendingStopped { reason: String },
    /// What seemed to die is there again: orders are made.
    SpendingResumed,
    /// A transaction was sent.
    TransactionSent { hash: TxHash, purpose: TransactionPurpose },
    /// A transaction did what it was for.
    TransactionDone { hash: TxHash, purpose: TransactionPurpose },
    /// A transaction failed for good.
    TransactionFailed { purpose: TransactionPurpose, reason: String },
}

/// What all passes did together: the numbers behind `/metrics`.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "each is a count of what it is named after")]
pub struct Totals {
    pub passes: u64,
    pub gated: u64,
    pub looks: u64,
    pub deals_read: u64,
    pub sectors_read: u64,
    pub orders_replication: u64,
    pub orders_repair: u64,
    pub orders_renewal: u64,
    pub orders_landed: u64,
    pub orders_failed: u64,
    pub transactions_sent: u64,
    pub transactions_failed: u64,
    pub fetches: u64,
    pub fetches_failed: u64,
    pub aggregators_away: u64,
    pub copies_damaged: u64,
    pub disagreements: u64,
    pub endpoints_set_aside: u64,
    pub spending_stopped: u64,
    pub errors: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, report: &PassReport) {
        self.passes += 1;
        self.gated += u64::from(report.gated.is_some());
        self.looks += report.cids;
        self.deals_read += report.deals;
        self.sectors_read += report.sectors;
        self.errors += report.errors.len() as u64;
        for event in &report.events {
            let counter = match event {
                Event::Ordered { cause: Cause::Replication, .. } => &mut self.orders_replication,
                Event::Ordered { cause: Cause::Repair { .. }, .. } => &mut self.orders_repair,
                Event::Ordered { cause: Cause::Renewal { .. }, .. } => &mut self.orders_renewal,
                Event::Landed { .. } => &mut self.orders_landed,
                Event::OrderFailed { .. } => &mut self.orders_failed,
                Event::Fetched { .. } => &mut self.fetches,
                Event::DataMissing { .. } => &mut self.fetches_failed,
                Event::TransactionSent { .. } => &mut self.transactions_sent,
                Event::TransactionFailed { .. } => &mut self.transactions_failed,
                Event::AggregatorAway { .. } => &mut self.aggregators_away,
                Event::CopyDamaged { .. } => &mut self.copies_damaged,
                Event::Disagreement { .. } => &mut self.disagreements,
                Event::EndpointAside { .. } => &mut self.endpoints_set_aside,
                Event::SpendingStopped { .. } => &mut self.spending_stopped,
                Event::Judged { .. }
                | Event::EndpointBack { .. }
                | Event::SpendingResumed
                | Event::TransactionDone { .. } => continue,
            };
            *counter += 1;
        }
    }
}
