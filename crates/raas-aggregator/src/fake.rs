//! [`FakeAggregator`]: an aggregator in memory, of whichever nature a test needs.

mod book;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use cid::Cid;
use futures::{StreamExt as _, channel::oneshot};
use raas_types::{
    AggregatorDeal, AggregatorName, DealId, EpochDelta, ListedDeal, Order, ProviderId,
    SegmentProof, Ticket,
};

use crate::{Aggregator, Capabilities, Error, Found, Payload, Repeat, Result};
use book::Book;

/// Hands out deal ids, in sequence, to all aggregators that share a clone of it: on a chain there
/// is one sequence for everyone.
#[derive(Clone, Debug)]
pub struct DealIds(Arc<AtomicU64>);

impl DealIds {
    /// A sequence that begins here.
    pub fn starting_at(first: DealId) -> Self {
        Self(Arc::new(AtomicU64::new(first.get())))
    }

    /// The next id.
    pub fn take(&self) -> DealId {
        DealId::new(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for DealIds {
    /// From 1: real contracts leave zeroes behind, so that deal 0 is never believed.
    fn default() -> Self {
        Self::starting_at(DealId::new(1))
    }
}

/// What the fake answers to an order instead of taking it in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// [`Error::Unavailable`], and nothing was ordered.
    Unavailable,
    /// [`Error::Rejected`], and nothing was ordered.
    Rejected,
    /// [`Error::Misconfigured`], and nothing was ordered.
    Misconfigured,
    /// [`Error::Ambiguous`], and the order was taken.
    TakenAnswerLost,
    /// [`Error::Ambiguous`], and the order was never seen.
    RequestLost,
}

/// How often the fake was asked what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of `submit`.
    pub submits: u64,
    /// Payloads that were opened.
    pub uploads: u64,
    /// Calls of `find`.
    pub finds: u64,
    /// Calls of `deals`.
    pub deals: u64,
}

/// An aggregator in memory.
///
/// Clones share everything. A new one takes order ids, lets providers be excluded, makes one deal
/// an order and one more for every further order, on `f01000`, `f01001`, `f01002` in turn; other
/// natures come with [`with`](Self::with). Deals land when the test says so
/// ([`land`](Self::land), [`land_all`](Self::land_all), [`land_as`](Self::land_as)), or at once
/// after [`land_at_once`](Self::land_at_once).
#[derive(Clone)]
pub struct FakeAggregator {
    name: AggregatorName,
    state: Arc<Mutex<State>>,
}

/// A question that is not answered until this is dropped.
#[derive(Debug)]
#[must_use = "it is answered when this is dropped"]
pub struct Delay {
    _until_dropped: oneshot::Sender<()>,
}

struct State {
    capabilities: Capabilities,
    book: Book,
    repeats_make_deals: bool,
    land_at_once: bool,
    answers: VecDeque<Answer>,
    down: bool,
    cannot_tell: bool,
    delayed: Option<oneshot::Receiver<()>>,
    calls: Calls,
    orders: Vec<Order>,
    /// Data it has, and how many bytes.
    files: BTreeMap<Cid, u64>,
}

/// What a test does to the world.
impl FakeAggregator {
    /// An aggregator of the usual nature.
    pub fn new(name: impl Into<String>) -> Self {
        let capabilities = Capabilities {
            idempotent: true,
            excludes_providers: true,
            copies: 1,
            repeat: Repeat::NewDeal,
            proofs: true,
            latency: EpochDelta::DAY,
            deal_duration: EpochDelta::days(540),
        };
        Self::with(name, capabilities)
    }

    /// An aggregator of this nature. Where what a repeated order does is undocumented, it does
    /// nothing ([`repeats_make_deals`](Self::repeats_make_deals) changes that).
    pub fn with(name: impl Into<String>, capabilities: Capabilities) -> Self {
        let providers = [1000, 1001, 1002].map(ProviderId::new).to_vec();
        let state = State {
            repeats_make_deals: capabilities.repeat == Repeat::NewDeal,
            book: Book::new(providers),
            capabilities,
            land_at_once: false,
            answers: VecDeque::new(),
            down: false,
            cannot_tell: false,
            delayed: None,
            calls: Calls::default(),
            orders: Vec::new(),
            files: BTreeMap::new(),
        };
        Self { name: AggregatorName::new(name), state: Arc::new(Mutex::new(state)) }
    }

    /// Takes its deal ids from a sequence shared with others.
    pub fn set_deal_ids(&self, ids: DealIds) {
        self.lock().book.ids = ids;
    }

    /// Makes its deals with these providers in turn. With none left that an order allows, the order
    /// waits.
    pub fn set_providers(&self, providers: Vec<ProviderId>) {
        self.lock().book.providers = providers;
    }

    /// The proof that is shown with deals of this CID from now on, in place of one that has the
    /// right shape and proves nothing.
    pub fn set_proof(&self, cid: Cid, proof: SegmentProof) {
        self.lock().book.proofs.insert(cid, proof);
    }

    /// What a further order for a CID really does, whatever the capabilities say.
    pub fn repeats_make_deals(&self, on: bool) {
        self.lock().repeats_make_deals = on;
    }

    /// Whether an order lands as it is taken.
    pub fn land_at_once(&self, on: bool) {
        self.lock().land_at_once = on;
    }

    /// What the next order is answered; several are used up one by one.
    pub fn answer_next(&self, answer: Answer) {
        self.lock().answers.push_back(answer);
    }

    /// Whether every call fails with [`Error::Unavailable`].
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Whether `find` answers [`Found::CannotTell`], whatever it knows.
    pub fn set_cannot_tell(&self, on: bool) {
        self.lock().cannot_tell = on;
    }

    /// The next question for deals is answered when what this returns is dropped, and no other waits for
    /// it: as if who asks stood still meanwhile.
    pub fn delay_next(&self) -> Delay {
        let (sender, receiver) = oneshot::channel();
        self.lock().delayed = Some(receiver);
        Delay { _until_dropped: sender }
    }

    /// The aggregator has this data already, and asks nobody for it.
    pub fn hold(&self, cid: Cid, size: u64) {
        self.lock().files.insert(cid, size);
    }

    /// Turns what is ordered of a CID into deals, and tells which.
    pub fn land(&self, cid: &Cid) -> Vec<ListedDeal> {
        self.lock().book.land(cid)
    }

    /// Turns everything that is ordered into deals, and tells which.
    pub fn land_all(&self) -> Vec<(Cid, ListedDeal)> {
        self.lock().book.land_all()
    }

    /// Turns the oldest order of a CID into this very deal, whatever the order excludes; `false`
    /// when none is waiting.
    pub fn land_as(&self, cid: &Cid, deal: ListedDeal) -> bool {
        self.lock().book.land_as(cid, deal)
    }

    /// Drops what is ordered of a CID and has not landed, without a word; tells how many deals will
    /// never be.
    pub fn lose(&self, cid: &Cid) -> usize {
        self.lock().book.lose(cid)
    }

    /// How many deals are ordered and have not landed.
    pub fn waiting(&self) -> usize {
        self.lock().book.waiting()
    }

    /// Every order that was taken, repeats included, in the order of arrival.
    pub fn orders(&self) -> Vec<Order> {
        self.lock().orders.clone()
    }

    /// How often the fake was asked what.
    pub fn calls(&self) -> Calls {
        self.lock().calls
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.down { Err(self.error(Answer::Unavailable)) } else { Ok(state) }
    }

    fn error(&self, answer: Answer) -> Error {
        let (aggregator, reason) = (self.name.to_string(), "the test says so".to_owned());
        match answer {
            Answer::Unavailable => Error::Unavailable { aggregator, reason },
            Answer::Rejected => Error::Rejected { aggregator, reason },
            Answer::Misconfigured => Error::Misconfigured { aggregator, reason },
            Answer::TakenAnswerLost | Answer::RequestLost => {
                Error::Ambiguous { aggregator, reason }
            }
        }
    }

    /// Reads the whole payload, and believes it when as many bytes came as were announced.
    async fn upload(&self, payload: &dyn Payload) -> Result<u64> {
        let failed = |source| Error::Payload { aggregator: self.name.to_string(), source };
        self.lock().calls.uploads += 1;
        let mut chunks = payload.open().await.map_err(failed)?;
        let mut read = 0;
        while let Some(chunk) = chunks.next().await {
            read += chunk.map_err(failed)?.len() as u64;
        }
        if read == payload.size() {
            return Ok(read);
        }
        let reason = format!("{read} bytes came of the {} that were announced", payload.size());
        Err(failed(io::Error::new(io::ErrorKind::InvalidData, reason)))
    }
}

impl fmt::Debug for FakeAggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeAggregator").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Aggregator for FakeAggregator {
    fn name(&self) -> AggregatorName {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock().capabilities.clone()
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        let (answer, has_data) = {
            let mut state = self.lock();
            state.calls.submits += 1;
            let answer =
                if state.down { Some(Answer::Unavailable) } else { state.answers.pop_front() };
            (answer, state.files.contains_key(&order.cid))
        };
        if let Some(answer) = answer.filter(|answer| *answer != Answer::TakenAnswerLost) {
            return Err(self.error(answer));
        }
        if !has_data {
            let size = self.upload(payload).await?;
            self.lock().files.insert(order.cid, size);
        }
        let ticket = self.lock().take(order);
        answer.map_or(Ok(ticket), |answer| Err(self.error(answer)))
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        self.lock().calls.finds += 1;
        let state = self.up()?;
        if state.cannot_tell {
            return Ok(Found::CannotTell);
        }
        if state.capabilities.idempotent {
            let ticket = state.book.ticket_of(&order.id);
            return Ok(ticket.map_or(Found::Absent, Found::Landed));
        }
        Ok(state.book.judge(order))
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        let delayed = {
            let mut state = self.lock();
            state.calls.deals += 1;
            state.delayed.take()
        };
        if let Some(delayed) = delayed {
            // Nothing is ever sent: it ends when the sender is dropped.
            let _ = delayed.await;
        }
        let state = self.up()?;
        let size = state.files.get(cid).copied().unwrap_or(0);
        Ok(state.book.deals(cid, state.capabilities.proofs.then_some(size)))
    }
}

impl State {
    /// An order that arrived.
    fn take(&mut self, order: &Order) -> Ticket {
        self.orders.push(order.clone());
        let Capabilities { idempotent, excludes_providers, copies, .. } = self.capabilities;
        if idempotent && let Some(ticket) = self.book.ticket_of(&order.id) {
            return ticket;
        }
        let copies =
            if self.repeats_make_deals || !self.book.knows(&order.cid) { copies } else { 0 };
        let ticket = self.book.open(order, copies, excludes_providers);
        if self.land_at_once {
            self.book.land(&order.cid);
        }
        ticket
    }
}
