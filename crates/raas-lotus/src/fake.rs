//! [`FakeLotusChain`]: a chain in memory with a time line, for tests of behaviour.
//!
//! It has one tipset an epoch, no null rounds and no reorgs. It executes nothing: a test says what
//! is true of a deal or a sector and from when on. The devnet is the place for actors and rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cid::{Cid, multihash::Multihash};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, OnChainDeal, SectorId, SectorReading,
    SectorStatus, Tipset, TipsetKey,
};

use crate::{Error, Head, LotusChain, Result};

/// How far the finalized tipset trails the head unless a test says otherwise, in epochs. A healthy
/// network finalizes after 20 to 35 (FRC-0089).
const DEFAULT_FINALITY_LAG: EpochDelta = EpochDelta::new(30);

/// A chain in memory. Clones share it, so a test keeps one and hands out the other.
///
/// What is set takes effect at the current epoch, as a message mined there would: tipsets up to
/// that epoch do not show it, tipsets above it do, for good. `advance` by one epoch to see it at
/// the head.
///
/// ```
/// use raas_lotus::{FakeLotusChain, LotusChain};
/// use raas_types::{ChainEpoch, DealId, DealReading, EpochDelta, Network};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let network = Network { name: "fakenet".into(), version: 28 };
/// let chain = FakeLotusChain::new(network, ChainEpoch::new(6_300_000));
/// chain.set_next_deal_id(DealId::new(100));
/// chain.advance(EpochDelta::new(1));
///
/// let head = chain.head().await?.tipset;
/// let missing = DealReading::NotFound { next_id: Some(DealId::new(100)) };
/// assert_eq!(chain.deals(&[DealId::new(7)], &head).await, [missing]);
/// # Ok::<_, raas_lotus::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct FakeLotusChain {
    endpoint: String,
    state: Arc<Mutex<State>>,
}

/// Something that a [`FakeLotusChain`] can be told to fail at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FakeFault {
    /// Everything: whole requests are [`Error::Unavailable`], every item is `Failed`.
    Endpoint,
    /// The reading of this deal.
    Deal(DealId),
    /// The reading of this sector.
    Sector(SectorId),
    /// The market's next deal id; deals that are not found then come without it.
    NextDealId,
}

/// What a [`FakeLotusChain`] has been asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FakeCalls {
    /// Calls of [`LotusChain::network`].
    pub network: u64,
    /// Calls of [`LotusChain::head`].
    pub head: u64,
    /// Calls of [`LotusChain::finalized`].
    pub finalized: u64,
    /// Calls of [`LotusChain::deals`].
    pub deals: u64,
    /// Deals asked for in them.
    pub deals_read: u64,
    /// Calls of [`LotusChain::sectors`].
    pub sectors: u64,
    /// Sectors asked for in them.
    pub sectors_read: u64,
}

impl FakeLotusChain {
    /// An empty chain whose head is at `start`.
    pub fn new(network: Network, start: ChainEpoch) -> Self {
        let state = State {
            network,
            head: start,
            finality_lag: DEFAULT_FINALITY_LAG,
            behind: EpochDelta::ZERO,
            deals: BTreeMap::new(),
            sectors: BTreeMap::new(),
            next_id: TimeLine::default(),
            faults: BTreeSet::new(),
            calls: FakeCalls::default(),
        };
        Self { endpoint: "fake".to_owned(), state: Arc::new(Mutex::new(state)) }
    }

    /// The same chain under another endpoint name, for tests that ask two of them.
    #[must_use]
    pub fn named(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Lets epochs pass; a negative span passes none.
    pub fn advance(&self, epochs: EpochDelta) {
        let mut state = self.lock();
        state.head = state.head + epochs.max(EpochDelta::ZERO);
    }

    /// The head's epoch, without counting as a call.
    pub fn epoch(&self) -> ChainEpoch {
        self.lock().head
    }

    /// The tipset of an epoch, whether or not the chain has come there yet.
    pub fn tipset(&self, epoch: ChainEpoch) -> Tipset {
        tipset(epoch)
    }

    /// Puts a deal into the market's state, changes it, or (`None`) takes it out, at the current
    /// epoch. The market's next id is then above it.
    pub fn set_deal(&self, id: DealId, deal: Option<OnChainDeal>) {
        let mut state = self.lock();
        let now = state.head;
        if state.next_id.now().is_none_or(|next| *next <= id) {
            state.next_id.set(now, DealId::new(id.get().saturating_add(1)));
        }
        state.deals.entry(id).or_default().set(now, deal);
    }

    /// Puts a sector into its provider's state, changes it, or (`None`) takes it out, at the
    /// current epoch.
    pub fn set_sector(&self, id: SectorId, status: Option<SectorStatus>) {
        let mut state = self.lock();
        let now = state.head;
        state.sectors.entry(id).or_default().set(now, status);
    }

    /// Sets the id that the market will hand out next, at the current epoch.
    pub fn set_next_deal_id(&self, id: DealId) {
        let mut state = self.lock();
        let now = state.head;
        state.next_id.set(now, id);
    }

    /// Says which network the endpoint claims to be on.
    pub fn set_network(&self, network: Network) {
        self.lock().network = network;
    }

    /// Sets how far the finalized tipset trails the head; 30 epochs at first.
    pub fn set_finality_lag(&self, lag: EpochDelta) {
        self.lock().finality_lag = lag;
    }

    /// Sets how far the endpoint says it is behind the network; zero at first.
    pub fn set_behind(&self, behind: EpochDelta) {
        self.lock().behind = behind;
    }

    /// Makes something fail until it is healed.
    pub fn fail(&self, fault: FakeFault) {
        self.lock().faults.insert(fault);
    }

    /// Makes it work again.
    pub fn heal(&self, fault: FakeFault) {
        self.lock().faults.remove(&fault);
    }

    /// What has been asked so far, by all clones together.
    pub fn calls(&self) -> FakeCalls {
        self.lock().calls
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere leaves the state whole: every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, then answers it from the state unless the endpoint is down.
    fn whole<T>(
        &self,
        count: impl FnOnce(&mut FakeCalls),
        answer: impl FnOnce(&State) -> T,
    ) -> Result<T> {
        let mut state = self.lock();
        count(&mut state.calls);
        if state.faults.contains(&FakeFault::Endpoint) {
            let reason = "switched off by the test".to_owned();
            return Err(Error::Unavailable { endpoint: self.endpoint.clone(), reason });
        }
        Ok(answer(&state))
    }
}

impl fmt::Debug for FakeLotusChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeLotusChain")
            .field("endpoint", &self.endpoint)
            .field("head", &self.lock().head)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LotusChain for FakeLotusChain {
    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    async fn network(&self) -> Result<Network> {
        self.whole(|calls| calls.network += 1, |state| state.network.clone())
    }

    async fn head(&self) -> Result<Head> {
        self.whole(
            |calls| calls.head += 1,
            |state| Head { tipset: tipset(state.head), behind: state.behind },
        )
    }

    async fn finalized(&self) -> Result<Tipset> {
        self.whole(
            |calls| calls.finalized += 1,
            |state| tipset((state.head - state.finality_lag).max(ChainEpoch::GENESIS)),
        )
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        let mut state = self.lock();
        state.calls.deals += 1;
        state.calls.deals_read += ids.len() as u64;
        let read = |id: &DealId| match state.refusal(at, FakeFault::Deal(*id)) {
            Some(reason) => DealReading::Failed(reason),
            None => state.deal(*id, at.epoch),
        };
        ids.iter().map(read).collect()
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        let mut state = self.lock();
        state.calls.sectors += 1;
        state.calls.sectors_read += ids.len() as u64;
        let read = |id: &SectorId| match state.refusal(at, FakeFault::Sector(*id)) {
            Some(reason) => SectorReading::Failed(reason),
            None => state.sector(*id, at.epoch),
        };
        ids.iter().map(read).collect()
    }
}

struct State {
    network: Network,
    head: ChainEpoch,
    finality_lag: EpochDelta,
    behind: EpochDelta,
    deals: BTreeMap<DealId, TimeLine<Option<OnChainDeal>>>,
    sectors: BTreeMap<SectorId, TimeLine<Option<SectorStatus>>>,
    next_id: TimeLine<DealId>,
    faults: BTreeSet<FakeFault>,
    calls: FakeCalls,
}

impl State {
    /// Why an item is not answered, if it is not.
    fn refusal(&self, at: &Tipset, item: FakeFault) -> Option<String> {
        if self.faults.contains(&FakeFault::Endpoint) || self.faults.contains(&item) {
            return Some("switched off by the test".to_owned());
        }
        // A node knows tipsets by key alone, so the key decides whether this one exists.
        let known = at.key == tipset(at.epoch).key && at.epoch <= self.head;
        (!known).then(|| format!("no tipset {} at epoch {}", at.key, at.epoch))
    }

    fn deal(&self, id: DealId, at: ChainEpoch) -> DealReading {
        match self.deals.get(&id).and_then(|line| line.before(at)) {
            Some(Some(deal)) => DealReading::Found(deal.clone()),
            Some(None) | None => {
                let readable = !self.faults.contains(&FakeFault::NextDealId);
                let next = self.next_id.before(at).copied().unwrap_or_default();
                DealReading::NotFound { next_id: readable.then_some(next) }
            }
        }
    }

    fn sector(&self, id: SectorId, at: ChainEpoch) -> SectorReading {
        match self.sectors.get(&id).and_then(|line| line.before(at)) {
            Some(Some(status)) => SectorReading::Found(status.clone()),
            Some(None) | None => SectorReading::NotFound,
        }
    }
}

/// The values something had, each from an epoch on.
struct TimeLine<T>(BTreeMap<ChainEpoch, T>);

impl<T> Default for TimeLine<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> TimeLine<T> {
    fn set(&mut self, at: ChainEpoch, value: T) {
        self.0.insert(at, value);
    }

    fn now(&self) -> Option<&T> {
        self.0.last_key_value().map(|(_, value)| value)
    }

    /// The value that a tipset at `epoch` shows: the last one set strictly before it.
    fn before(&self, epoch: ChainEpoch) -> Option<&T> {
        self.0.range(..epoch).next_back().map(|(_, value)| value)
    }
}

fn tipset(epoch: ChainEpoch) -> Tipset {
    let parents = match epoch {
        ChainEpoch::GENESIS => TipsetKey::default(),
        _ => key(epoch - EpochDelta::new(1)),
    };
    Tipset { key: key(epoch), epoch, parents }
}

/// One block an epoch, with a CID that spells the epoch and only looks like a hash.
fn key(epoch: ChainEpoch) -> TipsetKey {
    const DAG_CBOR: u64 = 0x71;
    const BLAKE2B_256: u64 = 0xb220;
    let mut digest = *b"a tipset of the fake chain......";
    digest[24..].copy_from_slice(&epoch.get().to_be_bytes());
    let hash = Multihash::<64>::wrap(BLAKE2B_256, &digest).expect("32 bytes fit into 64");
    TipsetKey::new(vec![Cid::new_v1(DAG_CBOR, hash)])
}
