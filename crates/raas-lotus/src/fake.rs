//! [`FakeLotusChain`]: a chain in memory with a time line, for tests of behaviour.
//!
//! It has one tipset an epoch, no null rounds and no reorgs. It executes nothing: a test says what
//! is true of a deal or a sector and from when on. Several endpoints may tell of one chain, each in
//! its own way: late, of another fork, or lying. The devnet is the place for actors and rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cid::{Cid, multihash::Multihash};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, MethodUsage, Network, OnChainDeal, RpcUsage,
    SectorId, SectorReading, SectorStatus, Tipset, TipsetKey,
};

use crate::{Error, Head, LotusChain, Result};

/// How far the finalized tipset trails the head unless a test says otherwise, in epochs. A healthy
/// network finalizes after 20 to 35 (FRC-0089).
const DEFAULT_FINALITY_LAG: EpochDelta = EpochDelta::new(30);

/// A chain in memory, as one endpoint tells of it. Clones are the same endpoint, so a test keeps one
/// and hands out the other; [`also`](Self::also) makes another endpoint over the same chain.
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
    name: String,
    world: Arc<Mutex<World>>,
    endpoint: Arc<Mutex<Endpoint>>,
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
    /// Calls of [`LotusChain::tipset_at`].
    pub tipset_at: u64,
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
        let world = World {
            head: start,
            deals: BTreeMap::new(),
            sectors: BTreeMap::new(),
            next_id: TimeLine::default(),
        };
        Self {
            name: "fake".to_owned(),
            world: Arc::new(Mutex::new(world)),
            endpoint: Arc::new(Mutex::new(Endpoint::new(network))),
        }
    }

    /// The same endpoint under another name.
    #[must_use]
    pub fn named(mut self, endpoint: impl Into<String>) -> Self {
        self.name = endpoint.into();
        self
    }

    /// Another endpoint that tells of the same chain: in order, whatever this one is told to do.
    #[must_use]
    pub fn also(&self, name: impl Into<String>) -> Self {
        let network = self.endpoint().network.clone();
        let endpoint = Arc::new(Mutex::new(Endpoint::new(network)));
        Self { name: name.into(), world: Arc::clone(&self.world), endpoint }
    }

    /// Lets epochs pass; a negative span passes none.
    pub fn advance(&self, epochs: EpochDelta) {
        let mut world = self.world();
        world.head = world.head + epochs.max(EpochDelta::ZERO);
    }

    /// The head's epoch, without counting as a call.
    pub fn epoch(&self) -> ChainEpoch {
        self.world().head
    }

    /// The tipset of an epoch as this endpoint has it, whether or not the chain has come there yet.
    pub fn tipset(&self, epoch: ChainEpoch) -> Tipset {
        self.endpoint().tipset(epoch)
    }

    /// Puts a deal into the market's state, changes it, or (`None`) takes it out, at the current
    /// epoch. The market's next id is then above it.
    pub fn set_deal(&self, id: DealId, deal: Option<OnChainDeal>) {
        let mut world = self.world();
        let now = world.head;
        if world.next_id.now().is_none_or(|next| *next <= id) {
            world.next_id.set(now, DealId::new(id.get().saturating_add(1)));
        }
        world.deals.entry(id).or_default().set(now, deal);
    }

    /// Puts a sector into its provider's state, changes it, or (`None`) takes it out, at the
    /// current epoch.
    pub fn set_sector(&self, id: SectorId, status: Option<SectorStatus>) {
        let mut world = self.world();
        let now = world.head;
        world.sectors.entry(id).or_default().set(now, status);
    }

    /// Sets the id that the market will hand out next, at the current epoch.
    pub fn set_next_deal_id(&self, id: DealId) {
        let mut world = self.world();
        let now = world.head;
        world.next_id.set(now, id);
    }

    /// Says which network the endpoint claims to be on.
    pub fn set_network(&self, network: Network) {
        self.endpoint().network = network;
    }

    /// Sets how far the finalized tipset trails the endpoint's head; 30 epochs at first.
    pub fn set_finality_lag(&self, lag: EpochDelta) {
        self.endpoint().finality_lag = lag;
    }

    /// Sets how far the endpoint says it is behind the network; zero at first.
    pub fn set_behind(&self, behind: EpochDelta) {
        self.endpoint().behind = behind;
    }

    /// Lets the endpoint's head trail the chain's by so many epochs without its knowing; zero at
    /// first.
    pub fn set_lag(&self, lag: EpochDelta) {
        self.endpoint().lag = lag;
    }

    /// Puts the endpoint on another fork from `epoch` on: its tipsets there have keys of their own.
    /// `None` brings it back.
    pub fn set_fork(&self, epoch: Option<ChainEpoch>) {
        self.endpoint().fork = epoch;
    }

    /// Makes the endpoint tell this of a deal, whatever is true; `None` ends the lie.
    pub fn lie_about_deal(&self, id: DealId, reading: Option<DealReading>) {
        replace(&mut self.endpoint().deal_lies, id, reading);
    }

    /// Makes the endpoint tell this of a sector, whatever is true; `None` ends the lie.
    pub fn lie_about_sector(&self, id: SectorId, reading: Option<SectorReading>) {
        replace(&mut self.endpoint().sector_lies, id, reading);
    }

    /// Makes something fail at this endpoint until it is healed.
    pub fn fail(&self, fault: FakeFault) {
        self.endpoint().faults.insert(fault);
    }

    /// Makes it work again.
    pub fn heal(&self, fault: FakeFault) {
        self.endpoint().faults.remove(&fault);
    }

    /// What this endpoint has been asked so far.
    pub fn calls(&self) -> FakeCalls {
        self.endpoint().calls
    }

    // A test that panicked elsewhere leaves both whole: every change is one assignment.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoint(&self) -> MutexGuard<'_, Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, then answers it unless the endpoint is down.
    fn whole<T>(
        &self,
        count: impl FnOnce(&mut FakeCalls),
        answer: impl FnOnce(&Endpoint, ChainEpoch) -> T,
    ) -> Result<T> {
        let head = self.epoch();
        let mut endpoint = self.endpoint();
        count(&mut endpoint.calls);
        if endpoint.faults.contains(&FakeFault::Endpoint) {
            let reason = "switched off by the test".to_owned();
            return Err(Error::Unavailable { endpoint: self.name.clone(), reason });
        }
        Ok(answer(&endpoint, endpoint.head(head)))
    }
}

fn replace<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl fmt::Debug for FakeLotusChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeLotusChain")
            .field("endpoint", &self.name)
            .field("head", &self.epoch())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LotusChain for FakeLotusChain {
    fn endpoint(&self) -> String {
        self.name.clone()
    }

    async fn network(&self) -> Result<Network> {
        self.whole(|calls| calls.network += 1, |endpoint, _| endpoint.network.clone())
    }

    async fn head(&self) -> Result<Head> {
        self.whole(
            |calls| calls.head += 1,
            |endpoint, head| Head { tipset: endpoint.tipset(head), behind: endpoint.behind },
        )
    }

    async fn finalized(&self) -> Result<Tipset> {
        self.whole(
            |calls| calls.finalized += 1,
            |endpoint, head| {
                endpoint.tipset((head - endpoint.finality_lag).max(ChainEpoch::GENESIS))
            },
        )
    }

    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset> {
        let answer = |endpoint: &Endpoint, head| (epoch <= head).then(|| endpoint.tipset(epoch));
        self.whole(|calls| calls.tipset_at += 1, answer)?.ok_or_else(|| Error::Unavailable {
            endpoint: self.name.clone(),
            reason: format!("epoch {epoch} is beyond the head"),
        })
    }

    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        let world = self.world();
        let mut endpoint = self.endpoint();
        endpoint.calls.deals += 1;
        endpoint.calls.deals_read += ids.len() as u64;
        let next_id = !endpoint.faults.contains(&FakeFault::NextDealId);
        let read = |id: &DealId| {
            let refusal = endpoint.refusal(&world, at, FakeFault::Deal(*id));
            let lie = endpoint.deal_lies.get(id).cloned();
            let truth = || world.deal(*id, at.epoch, next_id);
            refusal.map(DealReading::Failed).or(lie).unwrap_or_else(truth)
        };
        ids.iter().map(read).collect()
    }

    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        let world = self.world();
        let mut endpoint = self.endpoint();
        endpoint.calls.sectors += 1;
        endpoint.calls.sectors_read += ids.len() as u64;
        let read = |id: &SectorId| {
            let refusal = endpoint.refusal(&world, at, FakeFault::Sector(*id));
            let lie = endpoint.sector_lies.get(id).cloned();
            let truth = || world.sector(*id, at.epoch);
            refusal.map(SectorReading::Failed).or(lie).unwrap_or_else(truth)
        };
        ids.iter().map(read).collect()
    }

    fn usage(&self) -> RpcUsage {
        let calls = self.calls();
        let method = |calls, elements| MethodUsage { calls, elements };
        let methods = [
            ("network", method(calls.network, calls.network)),
            ("head", method(calls.head, calls.head)),
            ("finalized", method(calls.finalized, calls.finalized)),
            ("tipset_at", method(calls.tipset_at, calls.tipset_at)),
            ("deals", method(calls.deals, calls.deals_read)),
            ("sectors", method(calls.sectors, calls.sectors_read)),
        ];
        let asked = methods.into_iter().filter(|(_, method)| method.calls > 0);
        let methods = asked.map(|(name, method)| (name.to_owned(), method)).collect();
        RpcUsage { methods, ..RpcUsage::default() }
    }
}

/// What is true, whoever tells of it.
struct World {
    head: ChainEpoch,
    deals: BTreeMap<DealId, TimeLine<Option<OnChainDeal>>>,
    sectors: BTreeMap<SectorId, TimeLine<Option<SectorStatus>>>,
    next_id: TimeLine<DealId>,
}

impl World {
    fn deal(&self, id: DealId, at: ChainEpoch, with_next_id: bool) -> DealReading {
        match self.deals.get(&id).and_then(|line| line.before(at)) {
            Some(Some(deal)) => DealReading::Found(deal.clone()),
            Some(None) | None => {
                let next = self.next_id.before(at).copied().unwrap_or_default();
                DealReading::NotFound { next_id: with_next_id.then_some(next) }
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

/// How one endpoint tells of it.
struct Endpoint {
    network: Network,
    finality_lag: EpochDelta,
    behind: EpochDelta,
    lag: EpochDelta,
    fork: Option<ChainEpoch>,
    deal_lies: BTreeMap<DealId, DealReading>,
    sector_lies: BTreeMap<SectorId, SectorReading>,
    faults: BTreeSet<FakeFault>,
    calls: FakeCalls,
}

impl Endpoint {
    fn new(network: Network) -> Self {
        Self {
            network,
            finality_lag: DEFAULT_FINALITY_LAG,
            behind: EpochDelta::ZERO,
            lag: EpochDelta::ZERO,
            fork: None,
            deal_lies: BTreeMap::new(),
            sector_lies: BTreeMap::new(),
            faults: BTreeSet::new(),
            calls: FakeCalls::default(),
        }
    }

    fn head(&self, of_the_chain: ChainEpoch) -> ChainEpoch {
        (of_the_chain - self.lag).max(ChainEpoch::GENESIS)
    }

    fn tipset(&self, epoch: ChainEpoch) -> Tipset {
        let key = |epoch| key(epoch, self.fork.is_some_and(|fork| epoch >= fork));
        let parents = match epoch {
            ChainEpoch::GENESIS => TipsetKey::default(),
            _ => key(epoch - EpochDelta::new(1)),
        };
        Tipset { key: key(epoch), epoch, parents }
    }

    /// Why an item is not answered, if it is not.
    fn refusal(&self, world: &World, at: &Tipset, item: FakeFault) -> Option<String> {
        if self.faults.contains(&FakeFault::Endpoint) || self.faults.contains(&item) {
            return Some("switched off by the test".to_owned());
        }
        // A node knows tipsets by key alone, so the key decides whether this one exists.
        let known = at.key == self.tipset(at.epoch).key && at.epoch <= self.head(world.head);
        (!known).then(|| format!("no tipset {} at epoch {}", at.key, at.epoch))
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

/// One block an epoch, with a CID that spells the epoch and only looks like a hash.
fn key(epoch: ChainEpoch, of_a_fork: bool) -> TipsetKey {
    const DAG_CBOR: u64 = 0x71;
    const BLAKE2B_256: u64 = 0xb220;
    let mut digest = *b"a tipset of the fake chain......";
    if of_a_fork {
        digest = *b"a tipset of its fork............";
    }
    digest[24..].copy_from_slice(&epoch.get().to_be_bytes());
    let hash = Multihash::<64>::wrap(BLAKE2B_256, &digest).expect("32 bytes fit into 64");
    TipsetKey::new(vec![Cid::new_v1(DAG_CBOR, hash)])
}
