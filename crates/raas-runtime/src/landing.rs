//! What became of orders: found again after a lost answer, landed as a deal on the chain, or given up.

use std::collections::BTreeSet;

use cid::Cid;
use raas_aggregator::{Aggregator, Capabilities, Found};
use raas_job_store::Change;
use raas_types::{
    AggregatorDeal, ChainEpoch, DealId, DealReading, EpochDelta, ListedDeal, OnChainDeal, Order,
    OrderId, OrderState, Provenance, SegmentProof, Tipset,
};

use crate::{
    Event, Node,
    orders::{listed, with_provenance},
    subject::leads_to,
    transfers::{Lane, Outcome},
};

/// An order takes hours to land: asking every 10 epochs (5 minutes) misses nothing.
const ASK_EVERY: EpochDelta = EpochDelta::new(10);

/// A deal that the aggregator shows to be in the making is awaited for two weeks more.
const MAKING: EpochDelta = EpochDelta::days(14);

/// When an order was asked after, and whether the answer is still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    at: ChainEpoch,
    under_way: bool,
}

/// A question about an order, under way until dropped.
struct Question {
    node: Node,
    id: OrderId,
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(asked) = self.node.asked().get_mut(&self.id) {
            asked.under_way = false;
        }
    }
}

impl Node {
    /// Asks what became of every order that is outstanding, beside the pass, and of none more often
    /// than every [`ASK_EVERY`].
    pub(crate) async fn follow_orders(&self, pin: &Tipset) -> raas_job_store::Result<()> {
        let orders = self.store().outstanding_orders().await?;
        let outstanding: BTreeSet<_> = orders.iter().map(|order| order.id.clone()).collect();
        self.asked().retain(|id, asked| asked.under_way || outstanding.contains(id));
        for order in orders {
            let Some(question) = self.ask(&order.id, pin) else { continue };
            let (node, pin) = (self.clone(), pin.clone());
            let lane = Lane::Aggregator(order.aggregator.clone());
            self.beside(lane, async move {
                let outcome = node.follow_claimed(&order.id, order.cid, &pin).await;
                drop(question);
                outcome
            });
        }
        Ok(())
    }

    /// Notes that an order is asked after, unless it is just now or was lately.
    fn ask(&self, id: &OrderId, pin: &Tipset) -> Option<Question> {
        let mut asked = self.asked();
        let lately = |asked: &Asked| asked.under_way || self.dated(pin) < asked.at + ASK_EVERY;
        if asked.get(id).is_some_and(lately) {
            return None;
        }
        asked.insert(id.clone(), Asked { at: self.dated(pin), under_way: true });
        Some(Question { node: self.clone(), id: id.clone() })
    }

    /// Follows an order, unless someone works on its CID just now: then it is asked after later.
    async fn follow_claimed(&self, id: &OrderId, cid: Cid, pin: &Tipset) -> Outcome {
        let Some(_claim) = self.claim(&cid) else {
            self.asked().entry(id.clone()).and_modify(|asked| asked.at = ChainEpoch::GENESIS);
            return Outcome::default();
        };
        match self.follow_as_it_is(id, pin).await {
            Ok(events) if events.is_empty() => Outcome::default(),
            Ok(events) => {
                let mut outcome = Outcome { events, errors: Vec::new() };
                if let Err(error) = self.wake_cid(&cid).await {
                    outcome.errors.push(format!("{cid}: {error}"));
                }
                outcome
            }
            Err(error) => {
                Outcome { errors: vec![format!("order {id}: {error}")], ..Outcome::default() }
            }
        }
    }

    /// Follows an order as it stands now; it may have come further since it was listed.
    async fn follow_as_it_is(&self, id: &OrderId, pin: &Tipset) -> Result<Vec<Event>, String> {
        match self.store().order(id).await.map_err(|e| e.to_string())? {
            Some(order) if order.is_outstanding() => self.follow(order, pin).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn follow(&self, mut order: Order, pin: &Tipset) -> Result<Vec<Event>, String> {
        if order.state == OrderState::Intended {
            return self.withdraw_without_job(order, pin).await;
        }
        let Some(aggregator) = self.aggregator(&order.aggregator).cloned() else {
            let error = format!(
                "aggregator {} is not configured any more: configure it until its orders have \
                 landed",
                order.aggregator
            );
            return self.unanswered(order, EpochDelta::DAY, error, pin).await;
        };
        let aggregator = aggregator.as_ref();
        match order.state {
            OrderState::Sending => match aggregator.find(&order).await {
                Ok(Found::Landed(ticket)) => {
                    order.state = OrderState::Sent { ticket };
                    self.keep(&order).await?;
                    self.landing(order, aggregator, pin).await
                }
                Ok(Found::Absent) => {
                    order.state = OrderState::Intended;
                    self.keep(&order).await?;
                    self.wake_cid(&order.cid).await.map_err(|e| e.to_string())?;
                    Ok(Vec::new())
                }
                // Its deals may tell.
                Ok(Found::CannotTell) | Err(_) => self.landing(order, aggregator, pin).await,
            },
            OrderState::Sent { .. } => self.landing(order, aggregator, pin).await,
            _ => Ok(Vec::new()),
        }
    }

    /// An order that was never sent is sent or withdrawn by the next look of its jobs; where there
    /// are none any more, no look comes.
    async fn withdraw_without_job(
        &self,
        mut order: Order,
        pin: &Tipset,
    ) -> Result<Vec<Event>, String> {
        if self.store().jobs_of(&order.cid).await.map_err(|e| e.to_string())?.is_empty() {
            order.state = OrderState::Withdrawn { at: self.dated(pin) };
            self.keep(&order).await?;
        }
        Ok(Vec::new())
    }

    /// Whether the deals of an order have come; when its time is up, those that did not are given up.
    async fn landing(
        &self,
        order: Order,
        aggregator: &dyn Aggregator,
        pin: &Tipset,
    ) -> Result<Vec<Event>, String> {
        let Capabilities { latency, proofs, copies, .. } = aggregator.capabilities();
        let shown = match aggregator.deals(&order.cid).await {
            Ok(shown) => shown,
            Err(error) => return self.unanswered(order, latency, error.to_string(), pin).await,
        };
        let mut time_up = self.time_up(&order, latency);
        if shown.iter().any(|deal| deal.deal.is_none()) {
            // What is seen to come is not given up so soon.
            time_up = time_up + MAKING;
        }
        let is_late = self.dated(pin) >= time_up;
        let mut fresh = self.fresh_deals(&order, shown, pin).await?;
        // The proof often comes after the deal, and without it the deal cannot be recorded.
        fresh.retain(|(_, proof)| proof.is_some() || !proofs || is_late);
        let missing = usize::try_from(copies.max(1)).unwrap_or(usize::MAX);
        fresh.truncate(missing.saturating_sub(order.made.len()).max(1));
        if !fresh.is_empty() {
            return self.landed(order, fresh, missing, pin).await;
        }
        match is_late {
            true => {
                self.give_up(order, format!("no deal came of it by epoch {time_up}"), pin).await
            }
            false => Ok(Vec::new()),
        }
    }

    /// The epoch from which nothing is expected of an order any more.
    fn time_up(&self, order: &Order, latency: EpochDelta) -> ChainEpoch {
        order.created + latency.max(EpochDelta::HOUR).times(self.settings().order_patience)
    }

    /// An order whose aggregator cannot be asked is kept for twice its time: the aggregator may have
    /// made the deal. One that is gone for good must not hold a slot for ever.
    async fn unanswered(
        &self,
        order: Order,
        latency: EpochDelta,
        error: String,
        pin: &Tipset,
    ) -> Result<Vec<Event>, String> {
        if self.dated(pin) < self.time_up(&order, latency.times(2)) {
            return Err(error);
        }
        self.give_up(order, error, pin).await
    }

    /// Nothing more is expected of an order. If some of its deals came, that is what it has landed as.
    async fn give_up(
        &self,
        mut order: Order,
        reason: String,
        pin: &Tipset,
    ) -> Result<Vec<Event>, String> {
        let at = self.dated(pin);
        if let Some(ListedDeal { deal, provider }) = order.made.pop() {
            order.state = OrderState::Landed { deal, provider, at };
            self.keep(&order).await?;
            return Ok(Vec::new());
        }
        order.state = OrderState::Failed { reason: reason.clone(), at };
        self.keep(&order).await?;
        Ok(vec![Event::OrderFailed { cid: order.cid, order: order.id, reason }])
    }

    /// The deals that an aggregator shows and that came of no other order: only those that the
    /// market has at the pin, with the provider named and for the piece proven. One that is not final
    /// yet is waited for; one that never comes to be, or is of other data, lands nothing. Where the
    /// market cannot be asked nothing is decided.
    async fn fresh_deals(
        &self,
        order: &Order,
        shown: Vec<AggregatorDeal>,
        pin: &Tipset,
    ) -> Result<Vec<(ListedDeal, Option<SegmentProof>)>, String> {
        let taken = self.deals_taken(order).await?;
        let unexplained: Vec<_> = shown
            .into_iter()
            .filter_map(|deal| Some((listed(&deal)?, deal.proof)))
            .filter(|(listed, _)| !taken.contains(&listed.deal))
            .collect();
        if unexplained.is_empty() {
            return Ok(unexplained);
        }
        let ids: Vec<DealId> = unexplained.iter().map(|(listed, _)| listed.deal).collect();
        let said = self.endpoints().deals(&ids, pin).await;
        let mut fresh = Vec::new();
        let mut unread = None;
        for (i, (listed, proof)) in unexplained.into_iter().enumerate() {
            // Where endpoints differ, the deal is there: another is not ordered on one denial.
            let is_it = |reading: &DealReading| {
                matches!(reading, DealReading::Found(OnChainDeal { proposal, .. })
                    if proposal.provider == listed.provider
                        && proof.as_ref().is_none_or(|p| leads_to(p, &proposal.piece)))
            };
            let of_it = || said.iter().filter_map(|readings| readings.get(i));
            let failure = of_it().find_map(|reading| match reading {
                DealReading::Failed(why) => Some(why.as_str()),
                DealReading::Found(_) | DealReading::NotFound { .. } => None,
            });
            if of_it().any(is_it) {
                fresh.push((listed, proof));
            } else if let Some(why) = failure.or(said.is_empty().then_some("nobody is asked")) {
                unread = Some(format!("deal {} cannot be read: {why}", listed.deal));
            }
        }
        match unread {
            Some(error) if fresh.is_empty() => Err(error),
            _ => Ok(fresh),
        }
    }

    /// The deals that cannot have come of this order anew: those known before, and those that came of
    /// it or others.
    async fn deals_taken(&self, order: &Order) -> Result<BTreeSet<DealId>, String> {
        let orders = self.store().orders_of(&order.cid).await.map_err(|e| e.to_string())?;
        let came = orders.iter().flat_map(Order::deals).map(|listed| listed.deal);
        Ok(order.known_deals.iter().copied().chain(came).collect())
    }

    /// Keeps the deals that came of an order. With as many as it makes it has landed.
    async fn landed(
        &self,
        mut order: Order,
        deals: Vec<(ListedDeal, Option<SegmentProof>)>,
        makes: usize,
        pin: &Tipset,
    ) -> Result<Vec<Event>, String> {
        let heard = self.store().deal_memories(&order.cid).await.map_err(|e| e.to_string())?;
        let (mut memories, mut events) = (Vec::new(), Vec::new());
        for (listed, proof) in deals {
            let provenance = Provenance::Ordered {
                order: order.id.clone(),
                aggregator: order.aggregator.clone(),
                replaces: order.cause.replaces(),
            };
            let memory = with_provenance(&heard, listed, provenance, proof, self.dated(pin));
            memories.push((order.cid, memory));
            order.made.push(listed);
            let ListedDeal { deal, provider } = listed;
            events.push(Event::Landed { cid: order.cid, order: order.id.clone(), deal, provider });
        }
        if order.made.len() >= makes
            && let Some(ListedDeal { deal, provider }) = order.made.pop()
        {
            order.state = OrderState::Landed { deal, provider, at: self.dated(pin) };
        }
        let change = Change { memories, orders: vec![order], ..Change::default() };
        self.commit(change).await.map_err(|e| e.to_string())?;
        Ok(events)
    }
}
