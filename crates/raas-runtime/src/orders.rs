//! The outbox of orders: from a plan's step to a deal on the chain, through every way it can go
//! wrong in between.
//!
//! ```text
//!            commit          commit           answer          the aggregator shows a deal
//! step ──> Intended ──────> Sending ───────> Sent ─────────────────────────> Landed
//!             │                │  answer lost: find()                           │
//!             │ not wanted     │    landed ──> Sent                             └─> a deal memory
//!             v any more       │    absent ──> Intended
//!          Withdrawn           └─   no telling, time is up ──> Failed
//! ```
//!
//! An order that makes several deals stays sent until all of them are there, or its time is up.

use std::{collections::BTreeSet, sync::Arc};

use cid::Cid;
use raas_aggregator::Payload;
use raas_core::{Plan, Step, Urgency};
use raas_job_store::Change;
use raas_types::{
    AggregatorDeal, AggregatorName, Cause, ChainEpoch, DealId, DealMemory, EpochDelta, ListedDeal,
    Order, OrderId, OrderState, Provenance, ProviderId, SegmentProof, Tipset,
};

use crate::{
    Event, Node, PassReport,
    data::BlobPayload,
    subject::Subject,
    transfers::{Claim, Lane, Outcome},
};

/// What could not be sent for other reasons is tried again after 10 epochs (5 minutes).
pub(crate) const RETRY: EpochDelta = EpochDelta::new(10);

/// An order is sent within an hour of the tipset it was decided at: a sector's state changes once a
/// day, and one that recovers should not be paid for.
const FRESH: EpochDelta = EpochDelta::HOUR;

/// An order that a plan asks for.
pub(crate) struct Intent {
    pub(crate) urgency: Urgency,
    cid: Cid,
    aggregator: AggregatorName,
    cause: Cause,
    exclude: BTreeSet<ProviderId>,
    prefer: BTreeSet<ProviderId>,
    /// The deals that an aggregator is known to have made. What only the contract lists is not among
    /// them: anyone may list the very ids that come next.
    explained: BTreeSet<DealId>,
    /// The number of a new order: above those of all orders that the CID ever had, since not every
    /// number that was given came to be an order.
    number: u64,
    /// The same order, decided at an earlier look and not sent yet.
    unsent: Option<Order>,
    claim: Arc<Claim>,
}

impl Intent {
    /// The orders that a plan asks for.
    pub(crate) fn of(subject: &Subject, plan: &Plan) -> Vec<Self> {
        let mut intents: Vec<Self> = Vec::new();
        let last = subject.orders.iter().filter_map(|order| number_of(&order.id)).max();
        let mut next = last.unwrap_or(0) + 1;
        for step in &plan.steps {
            let Step::Order { aggregator, cause, exclude, prefer, urgency } = step else {
                continue;
            };
            let taken = |order: &&Order| {
                !intents.iter().any(|i| i.unsent.as_ref().is_some_and(|o| o.id == order.id))
            };
            let same = |order: &&Order| order.aggregator == *aggregator && order.cause == *cause;
            let unsent = unsent(subject).filter(taken).find(same).cloned();
            let number = next;
            next += u64::from(unsent.is_none());
            intents.push(Self {
                urgency: *urgency,
                cid: subject.cid,
                aggregator: aggregator.clone(),
                cause: *cause,
                exclude: exclude.clone(),
                prefer: prefer.clone(),
                explained: explained(subject),
                number,
                unsent,
                claim: Arc::clone(&subject.claim),
            });
        }
        intents
    }

    /// Whether a plan asks for what an unsent order asks for.
    pub(crate) fn wants(plan: &Plan, order: &Order) -> bool {
        plan.steps.iter().any(|step| {
            matches!(step, Step::Order { aggregator, cause, .. }
                if *aggregator == order.aggregator && *cause == order.cause)
        })
    }

    fn order(self, known_deals: BTreeSet<DealId>, at: ChainEpoch) -> Order {
        let id = order_id(&self.cid, at, self.number);
        let fresh = Order {
            id,
            cid: self.cid,
            aggregator: self.aggregator,
            cause: self.cause,
            known_deals,
            exclude: self.exclude,
            prefer: self.prefer,
            bytes: None,
            made: Vec::new(),
            created: at,
            state: OrderState::Intended,
        };
        match self.unsent {
            Some(unsent) => Order { id: unsent.id, ..fresh },
            None => fresh,
        }
    }
}

fn explained(subject: &Subject) -> BTreeSet<DealId> {
    let ours = subject.memories.values().filter(|m| m.provenance != Provenance::Contract);
    ours.map(|m| m.listed.deal).collect()
}

/// The id of an order: its CID, when it was decided, and its number among the orders of that CID.
/// With a store that was lost the numbers begin anew; the epoch keeps an aggregator from taking the
/// order for an old one.
fn order_id(cid: &Cid, at: ChainEpoch, number: u64) -> OrderId {
    OrderId::new(format!("{cid}-{at}-{number}"))
}

fn number_of(id: &OrderId) -> Option<u64> {
    id.as_str().rsplit_once('-')?.1.parse().ok()
}

/// The orders that were decided and not sent.
pub(crate) fn unsent(subject: &Subject) -> impl Iterator<Item = &Order> {
    subject.orders.iter().filter(|order| order.state == OrderState::Intended)
}

impl Node {
    /// Sends the orders of plans beside the pass, as many as may be outstanding.
    pub(crate) async fn order_beside(
        &self,
        intents: Vec<Intent>,
        pin: &Tipset,
        report: &mut PassReport,
    ) {
        if intents.is_empty() {
            return;
        }
        let room = match self.room().await {
            Ok(room) => room,
            Err(error) => return report.error(error),
        };
        for (n, intent) in intents.into_iter().enumerate() {
            if n < room {
                self.send_beside(intent, pin.clone());
            } else if let Err(error) = self.put_off(&intent.cid, self.dated(pin) + RETRY).await {
                report.error(format!("{}: {error}", intent.cid));
            }
        }
    }

    /// How many more orders may be outstanding.
    pub(crate) async fn room(&self) -> raas_job_store::Result<usize> {
        let orders = self.store().outstanding_orders().await?;
        let sent = orders.iter().filter(|order| order.state != OrderState::Intended).count();
        Ok(self.settings().orders_in_flight.saturating_sub(sent))
    }

    fn send_beside(&self, intent: Intent, pin: Tipset) {
        let node = self.clone();
        self.beside(Lane::Aggregator(intent.aggregator.clone()), async move {
            let (cid, claim) = (intent.cid, Arc::clone(&intent.claim));
            let mut outcome = Outcome::default();
            match node.intend_and_send(intent, &pin).await {
                Ok(event) => outcome.events.extend(event),
                Err(error) => {
                    outcome.errors.push(format!("{cid}: {error}"));
                    if let Err(error) = node.put_off(&cid, node.dated(&pin) + RETRY).await {
                        outcome.errors.push(format!("{cid}: {error}"));
                    }
                }
            }
            drop(claim);
            outcome
        });
    }

    /// Asks the aggregator what it has, makes the intent durable, and sends it.
    async fn intend_and_send(&self, intent: Intent, pin: &Tipset) -> Result<Option<Event>, String> {
        let cid = intent.cid;
        let aggregator = self.aggregator(&intent.aggregator).ok_or_else(|| {
            format!("aggregator {} is not configured any more", intent.aggregator)
        })?;
        // There may have been a long queue. Nothing is ordered for a job that is gone, nor on evidence
        // that is old, nor from an aggregator that others found to be away: it is decided anew.
        if self.is_overtaken(&intent.aggregator, pin) {
            self.wake_cid(&cid).await.map_err(|e| e.to_string())?;
            return Ok(None);
        }
        if self.store().jobs_of(&cid).await.map_err(|e| e.to_string())?.is_empty() {
            return Ok(None);
        }
        let shown = match aggregator.deals(&cid).await {
            Ok(shown) => shown,
            Err(error) => return self.turn_to_another(&intent.aggregator, cid, &error, pin).await,
        };
        self.note_back(&intent.aggregator);
        if self.adopt(&intent, &shown, pin).await.map_err(|e| e.to_string())? {
            // It had deals that we did not know: what is missing is decided anew.
            return Ok(None);
        }
        let shown = shown.iter().filter_map(|deal| deal.deal);
        let known = intent.explained.iter().copied().chain(shown).collect();
        let mut order = intent.order(known, self.dated(pin));
        let payload = match BlobPayload::open(self.blobs(), &cid).await {
            Ok(payload) => payload,
            // No aggregator takes what is no file: said with the order, and not tried every time.
            Err(error @ raas_retrieval::Error::NotAFile { .. }) => {
                return self.refused(order, error.to_string(), pin).await;
            }
            Err(error) => return self.heal(cid, &error).await,
        };
        order.bytes = Some(payload.size());
        self.keep(&order).await?;
        order.state = OrderState::Sending;
        self.keep(&order).await?;
        match aggregator.submit(&order, &payload).await {
            Ok(ticket) => {
                order.state = OrderState::Sent { ticket };
                self.keep(&order).await?;
                let Order { id, aggregator, cause, .. } = order;
                Ok(Some(Event::Ordered { cid, order: id, aggregator, cause }))
            }
            Err(error) => self.not_taken(order, &error, pin).await,
        }
    }

    /// Whether what was decided at `pin` is not to be sent any more.
    fn is_overtaken(&self, aggregator: &AggregatorName, pin: &Tipset) -> bool {
        let is_old = self.status().epoch.is_some_and(|now| now >= pin.epoch + FRESH);
        is_old || self.away_until(aggregator).is_some_and(|until| pin.epoch < until)
    }

    /// After an error: what was certainly not sent is undone, what may have been is left to be
    /// asked after.
    async fn not_taken(
        &self,
        mut order: Order,
        error: &raas_aggregator::Error,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        if !error.was_not_sent() {
            return Err(error.to_string());
        }
        let unread = matches!(error, raas_aggregator::Error::Payload { .. });
        if !unread && !error.is_temporary() {
            return self.refused(order, error.to_string(), pin).await;
        }
        order.state = OrderState::Intended;
        self.keep(&order).await?;
        if unread {
            return self.heal(order.cid, error).await;
        }
        self.turn_to_another(&order.aggregator, order.cid, error, pin).await
    }

    /// An aggregator that cannot be reached is left alone for a while, and the CID is looked at again
    /// at once: there may be another.
    async fn turn_to_another(
        &self,
        aggregator: &AggregatorName,
        cid: Cid,
        error: &raas_aggregator::Error,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        self.note_away(aggregator, self.dated(pin));
        self.wake_cid(&cid).await.map_err(|e| e.to_string())?;
        let aggregator = aggregator.clone();
        Ok(Some(Event::AggregatorAway { cid, aggregator, reason: error.to_string() }))
    }

    /// Bytes of ours that cannot be read: a damaged copy is set aside, so that it is fetched anew.
    async fn heal(
        &self,
        cid: Cid,
        error: &(dyn std::error::Error + Sync),
    ) -> Result<Option<Event>, String> {
        match self.blobs().check(&cid).await {
            Ok(false) => {
                self.wake_cid(&cid).await.map_err(|e| e.to_string())?;
                Ok(Some(Event::CopyDamaged { cid, reason: error.to_string() }))
            }
            Ok(true) => Err(error.to_string()),
            Err(unread) => Err(format!("{error}; {unread}")),
        }
    }

    /// Keeps that an order cannot be filled, and why.
    async fn refused(
        &self,
        mut order: Order,
        reason: String,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        order.state = OrderState::Failed { reason: reason.clone(), at: self.dated(pin) };
        self.keep(&order).await?;
        Ok(Some(Event::OrderFailed { cid: order.cid, order: order.id, reason }))
    }

    pub(crate) async fn keep(&self, order: &Order) -> Result<(), String> {
        let change = Change { orders: vec![order.clone()], ..Change::default() };
        self.commit(change).await.map_err(|e| e.to_string())
    }

    /// Remembers deals that an aggregator shows and that no order of ours explains, those that only
    /// the contract told of among them. Whether there were any.
    async fn adopt(
        &self,
        intent: &Intent,
        shown: &[AggregatorDeal],
        pin: &Tipset,
    ) -> raas_job_store::Result<bool> {
        let strangers: Vec<_> = shown
            .iter()
            .filter_map(|deal| Some((listed(deal)?, deal.proof.clone())))
            .filter(|(listed, _)| !intent.explained.contains(&listed.deal))
            .collect();
        if strangers.is_empty() {
            return Ok(false);
        }
        let heard = self.store().deal_memories(&intent.cid).await?;
        let remember = |(listed, proof)| {
            let provenance = Provenance::Shown { aggregator: intent.aggregator.clone() };
            (intent.cid, with_provenance(&heard, listed, provenance, proof, self.dated(pin)))
        };
        let memories = strangers.into_iter().map(remember).collect();
        self.commit(Change { memories, ..Change::default() }).await?;
        self.wake_cid(&intent.cid).await?;
        Ok(true)
    }
}

/// The deal that an aggregator shows, once it has an id and a provider.
pub(crate) fn listed(deal: &AggregatorDeal) -> Option<ListedDeal> {
    Some(ListedDeal { deal: deal.deal?, provider: deal.provider? })
}

/// What is remembered of a deal once it is known where it came from. The contract may have listed
/// it first: then what was seen of it since is kept, unless it was another provider's.
pub(crate) fn with_provenance(
    heard: &[DealMemory],
    listed: ListedDeal,
    provenance: Provenance,
    proof: Option<SegmentProof>,
    at: ChainEpoch,
) -> DealMemory {
    let before = heard.iter().find(|m| m.listed == listed).cloned();
    let memory = before.unwrap_or_else(|| DealMemory::first_heard(listed, provenance.clone(), at));
    // A proof that was shown once is not unshown.
    DealMemory { provenance, proof: proof.or(memory.proof.clone()), ..memory }
}
