//! [`FakeDealStatus`]: a DealStatus contract and a signing account, in memory.
//!
//! It keeps time the way the chain does: what is mined at epoch `e` shows at tipsets above `e`, so
//! that a read repeated at the same tipset gives the same answer. It knows nothing of storage
//! deals; which are active, and when they end, is what the test says.

mod contract;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cid::Cid;
use raas_types::{ChainEpoch, DealId, EpochDelta, ListedDeal, SubmissionId, Tipset, TxHash};

use crate::{
    Cursor, DealRecorder, DealStatusSource, Error, Listing, Prepared, Record, RequestedTerms,
    Requests, Result, TransactionStatus,
};
use contract::Contract;

/// The name under which the fake appears in evidence and errors.
const NAME: &str = "fake DealStatus";

/// How often the fake was asked what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of `listings`.
    pub listings: u64,
    /// CIDs asked for in those calls.
    pub cids: u64,
    /// Calls of `requests_since`.
    pub requests: u64,
    /// Calls of `prepare`.
    pub prepares: u64,
    /// Calls of `send`, repeats included.
    pub sends: u64,
    /// Calls of `status`.
    pub statuses: u64,
}

/// A DealStatus contract in memory: both a [`DealStatusSource`] and a [`DealRecorder`].
///
/// Clones share the contract. Transactions are mined as they are sent, at the highest epoch that
/// was read or mined so far; after [`auto_mine(false)`](Self::auto_mine) they wait for
/// [`mine`](Self::mine).
#[derive(Clone)]
pub struct FakeDealStatus {
    account: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    contract: Contract,
    manual: bool,
    active: BTreeMap<Cid, std::result::Result<Vec<ListedDeal>, String>>,
    expiring: BTreeMap<Cid, std::result::Result<Vec<ListedDeal>, String>>,
    ends: BTreeMap<DealId, ChainEpoch>,
    faults: Faults,
    calls: Calls,
}

#[derive(Default)]
struct Faults {
    listings: bool,
    listing_of: BTreeMap<Cid, String>,
    requests: bool,
    prepare: bool,
    send: bool,
    send_answer: bool,
    status: bool,
}

impl Default for FakeDealStatus {
    fn default() -> Self {
        Self::new()
    }
}

/// What a test does to the world.
impl FakeDealStatus {
    /// An empty contract at genesis.
    pub fn new() -> Self {
        Self { account: "fake account".to_owned(), state: Arc::default() }
    }

    /// The same contract, written to by another account with nonces of its own.
    pub fn with_account(&self, account: impl Into<String>) -> Self {
        Self { account: account.into(), state: Arc::clone(&self.state) }
    }

    /// Whether a transaction is mined as soon as it is sent. It is, unless turned off.
    pub fn auto_mine(&self, on: bool) {
        self.lock().manual = !on;
    }

    /// Mines what waits, at `epoch` or at the highest epoch that was read or mined so far,
    /// whichever is later; in the order of nonces, and never past a gap in them.
    pub fn mine(&self, epoch: ChainEpoch) {
        let contract = &mut self.lock().contract;
        contract.reach(epoch);
        contract.mine();
    }

    /// A reorganisation: undoes everything mined above `keep`. Transactions of recorders wait
    /// again; submissions of clients are gone.
    pub fn reorg(&self, keep: ChainEpoch) {
        self.lock().contract.reorg(keep);
    }

    /// Lists a deal for a CID at every pin, as if it had been there from the beginning. Zeroed
    /// deals and repeats can be listed, as real contracts have them; reads leave them out.
    pub fn list(&self, cid: Cid, deal: ListedDeal) {
        self.lock().contract.list(None, cid, deal);
    }

    /// Lists a deal for a CID at pins above `epoch`.
    pub fn list_at(&self, epoch: ChainEpoch, cid: Cid, deal: ListedDeal) {
        self.lock().contract.list(Some(epoch), cid, deal);
    }

    /// A client's submission, mined at the highest epoch that was read or mined so far. `terms` is
    /// `None` for a plain `submit`.
    pub fn submit(&self, key: impl Into<Vec<u8>>, terms: Option<RequestedTerms>) -> SubmissionId {
        self.lock().contract.client_submission(key.into(), terms)
    }

    /// What the contract answers, at every pin, when asked for a CID's active deals. Unset, those
    /// listed that have not ended ([`set_end`](Self::set_end)) are active.
    pub fn set_active(&self, cid: Cid, answer: std::result::Result<Vec<ListedDeal>, String>) {
        self.lock().active.insert(cid, answer);
    }

    /// What the contract answers, at every pin and for every span, when asked for a CID's expiring
    /// deals. Unset, those listed whose end ([`set_end`](Self::set_end)) lies within the span.
    pub fn set_expiring(&self, cid: Cid, answer: std::result::Result<Vec<ListedDeal>, String>) {
        self.lock().expiring.insert(cid, answer);
    }

    /// When the contract holds a deal to end. A deal without an end is active for ever.
    pub fn set_end(&self, deal: DealId, end: ChainEpoch) {
        self.lock().ends.insert(deal, end);
    }

    /// The next transaction that is mined reverts with this reason, and not the ones after it.
    pub fn revert_next(&self, reason: impl Into<String>) {
        self.lock().contract.reverts.push_back(reason.into());
    }

    /// At most this many requests, but at least one epoch's, come from one `requests_since`.
    pub fn set_page(&self, requests: usize) {
        self.lock().contract.page = requests.max(1);
    }

    /// Whether `listings` fails, for every CID.
    pub fn fail_listings(&self, on: bool) {
        self.lock().faults.listings = on;
    }

    /// Whether `listings` fails for this CID alone, and with which reason.
    pub fn fail_listing_of(&self, cid: Cid, reason: Option<String>) {
        let failing = &mut self.lock().faults.listing_of;
        match reason {
            Some(reason) => failing.insert(cid, reason),
            None => failing.remove(&cid),
        };
    }

    /// Whether `requests_since` fails.
    pub fn fail_requests(&self, on: bool) {
        self.lock().faults.requests = on;
    }

    /// Whether `prepare` fails.
    pub fn fail_prepare(&self, on: bool) {
        self.lock().faults.prepare = on;
    }

    /// Whether `send` fails, and nothing is sent.
    pub fn fail_send(&self, on: bool) {
        self.lock().faults.send = on;
    }

    /// Whether `send` fails although the transaction was taken.
    pub fn fail_send_answer(&self, on: bool) {
        self.lock().faults.send_answer = on;
    }

    /// Whether `status` fails.
    pub fn fail_status(&self, on: bool) {
        self.lock().faults.status = on;
    }

    /// How often the fake was asked what.
    pub fn calls(&self) -> Calls {
        self.lock().calls
    }

    /// How many different transactions were sent.
    pub fn transactions_sent(&self) -> usize {
        self.lock().contract.transactions_sent()
    }

    /// Every deal that is mined for a CID, zeroed entries and repeats included.
    pub fn recorded(&self, cid: &Cid) -> Vec<ListedDeal> {
        self.lock().contract.deals(cid, ChainEpoch::new(i64::MAX))
    }

    /// The highest epoch that was read or mined so far.
    pub fn head(&self) -> ChainEpoch {
        self.lock().contract.head
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeDealStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDealStatus").field("account", &self.account).finish_non_exhaustive()
    }
}

#[async_trait]
impl DealStatusSource for FakeDealStatus {
    fn contract(&self) -> String {
        NAME.to_owned()
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &Tipset,
    ) -> Vec<Result<Listing>> {
        let mut state = self.lock();
        state.calls.listings += 1;
        state.calls.cids += cids.len() as u64;
        state.contract.reach(at.epoch);
        cids.iter().map(|cid| state.listing(cid, within, at.epoch)).collect()
    }

    async fn requests_since(&self, cursor: Option<Cursor>, until: &Tipset) -> Result<Requests> {
        let mut state = self.lock();
        state.calls.requests += 1;
        unless(state.faults.requests)?;
        state.contract.reach(until.epoch);
        Ok(state.contract.requests_since(cursor, until.epoch))
    }
}

#[async_trait]
impl DealRecorder for FakeDealStatus {
    fn account(&self) -> String {
        self.account.clone()
    }

    async fn prepare(&self, record: &Record, nonce: Option<u64>) -> Result<Prepared> {
        let mut state = self.lock();
        state.calls.prepares += 1;
        unless(state.faults.prepare)?;
        state.contract.prepare(&self.account, record, nonce).map_err(rejected)
    }

    async fn send(&self, raw: &[u8]) -> Result<()> {
        let mut state = self.lock();
        state.calls.sends += 1;
        unless(state.faults.send)?;
        state.contract.send(raw).map_err(rejected)?;
        if !state.manual {
            state.contract.mine();
        }
        unless(state.faults.send_answer)
    }

    async fn status(&self, hash: &TxHash) -> Result<TransactionStatus> {
        let mut state = self.lock();
        state.calls.statuses += 1;
        unless(state.faults.status)?;
        Ok(state.contract.status(hash))
    }
}

impl State {
    fn listing(&self, cid: &Cid, within: EpochDelta, at: ChainEpoch) -> Result<Listing> {
        unless(self.faults.listings)?;
        if let Some(reason) = self.faults.listing_of.get(cid) {
            return Err(unavailable(reason));
        }
        let all = tidy(self.contract.deals(cid, at));
        let ending = |deadline: ChainEpoch| {
            all.iter().filter(move |listed| {
                self.ends.get(&listed.deal).is_some_and(|end| *end <= deadline)
            })
        };
        let ended: Vec<_> = ending(at).copied().collect();
        let living = |listed: &ListedDeal| !ended.contains(listed);
        let active = all.iter().copied().filter(living).collect();
        let expiring = ending(at + within).copied().filter(living).collect();
        Ok(Listing {
            active: self.active.get(cid).cloned().unwrap_or(Ok(active)).map(tidy),
            expiring: self.expiring.get(cid).cloned().unwrap_or(Ok(expiring)).map(tidy),
            all,
        })
    }
}

/// Leaves out what a contract in Solidity leaves behind: zeroed entries, and repeats.
fn tidy(deals: Vec<ListedDeal>) -> Vec<ListedDeal> {
    let mut kept = Vec::with_capacity(deals.len());
    for deal in deals {
        if deal.deal != DealId::new(0) && !kept.contains(&deal) {
            kept.push(deal);
        }
    }
    kept
}

fn unless(failing: bool) -> Result<()> {
    if failing { Err(unavailable("the test says so")) } else { Ok(()) }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable { contract: NAME.to_owned(), reason: reason.to_owned() }
}

fn rejected(reason: String) -> Error {
    Error::Rejected { contract: NAME.to_owned(), reason }
}
