//! A storage aggregator that speaks the Lighthouse HTTP API.
//!
//! It takes uploads and pins, packs each into a real piece with a real proof of inclusion, and has
//! the deal published after a settable delay. Like the real one it knows no order ids, no number of
//! copies and no choice of provider: one order makes one deal, and what a repeated order does is a
//! matter of its nature ([`settings::RepeatPin`]).
//!
//! ```text
//! add, pin ──> Ledger ──> queue ──> packer: CAR, commP, aggregate, provider ──> World
//! get_proof, deal_status <── Ledger + World
//! ```
//!
//! Packing happens behind the answer, one deal at a time and in the order of requests, so that the
//! same requests give the same deals. [`Aggregator::idle`] waits for it.

mod gateway;
mod orders;
mod packing;
mod routes;
mod settings;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cid::Cid;
use raas_retrieval::BlobStore;
use raas_types::ProviderId;
use tokio::sync::{mpsc, watch};

pub(crate) use self::{
    orders::AggregatorConfig,
    settings::{AggregatorPatch, Placement, RepeatPin, Settings, SettingsError},
};
use self::{
    orders::{DealOrder, FileRecord, Ledger, Phase, ScheduledDeal},
    packing::PackingError,
};
use crate::{
    chain::{self, DealSpec, MarketDeal, SharedWorld, World},
    providers::{Providers, library::Segment},
};

/// Orders that may wait for the packer. One takes a few milliseconds beyond its first hashing;
/// beyond this many the API says to come back later.
const MAX_QUEUE: usize = 4096;

/// The aggregator; clones are the same one.
#[derive(Clone)]
pub(crate) struct Aggregator {
    shared: Arc<Shared>,
    queue: mpsc::Sender<DealOrder>,
}

/// What the packer and the API share. The packer ends when the last [`Aggregator`] is gone.
struct Shared {
    api_key: Option<String>,
    seed: u64,
    blobs: BlobStore,
    cars: PathBuf,
    world: SharedWorld,
    providers: Providers,
    ledger: Mutex<Ledger>,
    /// Orders that wait or are being packed.
    pending: watch::Sender<usize>,
}

/// The packer cannot take more orders now.
#[derive(Debug, thiserror::Error)]
#[error("{MAX_QUEUE} orders wait already: try again later")]
pub(crate) struct Busy;

impl Aggregator {
    /// Opens the blob store and starts the packer; must be called within a tokio runtime.
    pub(crate) async fn start(
        config: AggregatorConfig,
        world: SharedWorld,
        providers: Providers,
    ) -> io::Result<Self> {
        let dir = config.dir.join("aggregator");
        let cars = dir.join("cars");
        tokio::fs::create_dir_all(&cars).await?;
        let blobs = BlobStore::open(dir.join("blobs"))?;
        let shared = Arc::new(Shared {
            api_key: config.api_key,
            seed: config.seed,
            blobs,
            cars,
            world,
            providers,
            ledger: Mutex::default(),
            pending: watch::Sender::new(0),
        });
        let (queue, orders) = mpsc::channel(MAX_QUEUE);
        tokio::spawn(pack_orders(shared.clone(), orders));
        Ok(Self { shared, queue })
    }

    /// The Lighthouse API and the gateway.
    pub(crate) fn router(&self) -> axum::Router {
        routes::router(self.clone())
    }

    /// How it behaves now.
    pub(crate) fn settings(&self) -> Settings {
        self.ledger().settings.clone()
    }

    /// Changes how it behaves; a patch with anything wrong in it changes nothing.
    pub(crate) fn configure(&self, patch: AggregatorPatch) -> Result<Settings, SettingsError> {
        let mut ledger = self.ledger();
        ledger.settings = ledger.settings.patched(patch)?;
        Ok(ledger.settings.clone())
    }

    /// Waits until every order taken so far has its piece and its place in the world's schedule.
    /// The chain should not move before that: an order's delay counts from the epoch of its packing.
    pub(crate) async fn idle(&self) {
        // Fails only when the sender is gone, and it is ours.
        let _ = self.shared.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// How often each call of the API was made.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.ledger().calls.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger()
    }

    fn count(&self, call: &'static str) {
        self.ledger().count(call);
    }

    /// Takes a file that was just imported, and orders a deal of it.
    fn take_file(&self, cid: Cid, file: FileRecord) -> Result<(), Busy> {
        let mut ledger = self.ledger();
        self.order(&mut ledger, cid)?;
        if ledger.files.insert(cid, file).is_none() {
            ledger.uploads.push(cid);
        }
        Ok(())
    }

    /// Orders one more deal of a CID, if it is known. An unknown one is taken in silence, as the
    /// real API does.
    fn take_pin(&self, cid: Cid) -> Result<(), Busy> {
        let mut ledger = self.ledger();
        if ledger.files.contains_key(&cid) { self.order(&mut ledger, cid) } else { Ok(()) }
    }

    fn order(&self, ledger: &mut Ledger, cid: Cid) -> Result<(), Busy> {
        if ledger.settings.repeat_pin == RepeatPin::Ignored && ledger.has_deals_of(&cid) {
            return Ok(());
        }
        let permit = self.queue.try_reserve().map_err(|_| Busy)?;
        self.shared.pending.send_modify(|pending| *pending += 1);
        permit.send(ledger.open_deal(cid));
        Ok(())
    }
}

/// The packer: makes one deal after the other until the last aggregator is dropped.
async fn pack_orders(shared: Arc<Shared>, mut orders: mpsc::Receiver<DealOrder>) {
    let mut segments = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        let phase = match shared.make_deal(&mut segments, &order).await {
            Ok(scheduled) => Phase::Scheduled(Box::new(scheduled)),
            Err(error) => {
                tracing::error!(cid = %order.cid, %error, "the aggregator cannot make a deal");
                Phase::Failed
            }
        };
        shared.ledger().deals[order.number] = phase;
        shared.pending.send_modify(|pending| *pending -= 1);
    }
}

impl Shared {
    /// The ledger, also after a panic elsewhere: each change leaves it whole. Where the world is
    /// locked too, the ledger is locked first.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make_deal(
        &self,
        segments: &mut BTreeMap<Cid, Arc<Segment>>,
        order: &DealOrder,
    ) -> Result<ScheduledDeal, PackingError> {
        let segment = match segments.get(&order.cid) {
            Some(segment) => segment.clone(),
            None => {
                let segment = packing::make_segment(&self.blobs, order.cid, &self.cars).await?;
                segments.entry(order.cid).or_insert(Arc::new(segment)).clone()
            }
        };
        let car_size = segment.len;
        let packed = packing::pack(segment, self.seed, order.number as u64)?;
        let piece = packed.piece.piece.clone();
        // The providers must be able to serve the piece before the chain says that they hold it.
        self.providers.library().add(packed.piece);

        let ledger = self.ledger();
        let mut world = chain::lock(&self.world);
        let provider = self.choose_provider(&ledger, &world, order)?;
        let spec = DealSpec {
            piece: piece.clone(),
            provider,
            label: order.cid.to_string(),
            duration: order.settings.duration_epochs,
            payload: vec![order.cid],
        };
        let at = world.now() + order.settings.delay_epochs;
        let ticket = world.schedule_deal(at, spec);
        let (proof, checksum) = (packed.proof, packed.checksum);
        Ok(ScheduledDeal { piece, proof, checksum, car_size, provider, ticket })
    }

    /// The provider of a new deal, by the placement that was set. The deals of one CID go round the
    /// providers from a start that depends on the seed and the deal's number.
    fn choose_provider(
        &self,
        ledger: &Ledger,
        world: &World,
        order: &DealOrder,
    ) -> Result<ProviderId, PackingError> {
        let holders: BTreeSet<ProviderId> = ledger
            .deals_of(&order.cid)
            .filter_map(|(_, deal)| match deal {
                Phase::Scheduled(deal) if is_alive(world, deal) => Some(deal.provider),
                _ => None,
            })
            .collect();
        if let (Placement::Same, Some(first)) = (order.settings.placement, holders.first()) {
            return Ok(*first);
        }
        let all = world.providers();
        let healthy: Vec<ProviderId> =
            all.iter().copied().filter(|p| self.is_healthy(world, *p)).collect();
        let fresh: Vec<ProviderId> =
            healthy.iter().copied().filter(|p| !holders.contains(p)).collect();
        // Where every provider holds it, or none is well, an aggregator still makes its deal.
        let candidates = [fresh, healthy, all].into_iter().find(|some| !some.is_empty());
        let candidates = candidates.ok_or(PackingError::NoProvider)?;
        let turn = self.seed.wrapping_add(order.number as u64) % candidates.len() as u64;
        Ok(candidates[turn as usize])
    }

    /// Whether an aggregator would give the provider a deal today.
    fn is_healthy(&self, world: &World, provider: ProviderId) -> bool {
        let proves = world.miner(provider).is_some_and(chain::Miner::is_proving);
        proves && !self.providers.is_offline(provider)
    }
}

/// Whether a deal is on its way to the chain, or on it and not over.
fn is_alive(world: &World, deal: &ScheduledDeal) -> bool {
    let Some(id) = world.deal_of(deal.ticket) else { return true };
    match world.deal_at(id, world.now()) {
        MarketDeal::Found(on_chain) if on_chain.activation.is_some() => world.now() < on_chain.end,
        MarketDeal::Found(on_chain) => world.now() <= on_chain.start,
        MarketDeal::Gone | MarketDeal::Never => false,
    }
}
