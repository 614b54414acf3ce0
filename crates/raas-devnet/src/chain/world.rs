//! The world: all actors, and the queue of what happens to them.
//!
//! Time moves only in [`World::advance`]; it costs what happens, not how long it takes. Control
//! takes effect at the present epoch, as if its message were the last one of the head tipset.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use raas_types::{Cid, DealId, ProviderId};
use serde_json::Value;

use super::{
    deadline::{PERIOD, Schedule, Window},
    hashes::Hashes,
    market::{Deal, DealSpec},
    miner::Miner,
    tipset::Clock,
    view::{Evm, MarketDeal, View},
};
use crate::rpc::error::RpcError;

/// How long a sector outlives its deal: a week. Activation asks for `end <= expiration` only.
const SECTOR_MARGIN: i64 = 7 * PERIOD;
/// Room between the latest activation and the start, so that null rounds cannot make it late.
const START_MARGIN: i64 = 20;
/// Actor id of the client in whose name deals are published.
const CLIENT: u64 = 2_000;

/// What the world is made of at the start.
#[derive(Clone, Debug)]
pub(crate) struct WorldConfig {
    pub clock: Clock,
    pub network_name: String,
    pub network_version: u32,
    pub chain_id: u64,
    /// Providers, with ids from 1000.
    pub providers: u64,
    /// Epochs between publication and activation.
    pub sealing_epochs: i64,
    /// How far behind the head tipsets are final.
    pub finality_lag: i64,
    /// Sectors in a partition.
    pub partition_size: usize,
    /// The id of the first deal.
    pub first_deal: u64,
}

/// What `schedule_deal` answers; see [`World::deal_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DealTicket(pub u64);

/// There is no provider of that id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider {0}: GET /devnet/providers lists those there are")]
pub(crate) struct UnknownProvider(pub(crate) ProviderId);

/// What waits in the queue.
#[derive(Clone, Debug)]
enum Event {
    Publish(DealTicket),
    Activate(DealId),
    TimeOut(DealId),
    /// A proof is due; cron follows at the end of the window.
    Post(ProviderId, Window),
    Close(ProviderId, Window),
    DeclareRecovered(ProviderId, u64),
}

/// The simulated Filecoin.
pub(crate) struct World {
    config: WorldConfig,
    now: i64,
    queue: BTreeMap<(i64, u64), Event>,
    next_event: u64,
    /// Deals that are not published yet, by ticket; the value becomes the id.
    tickets: Vec<Ticketed>,
    /// Published deals; the first has id `first_deal`.
    deals: Vec<Deal>,
    miners: BTreeMap<ProviderId, Miner>,
    /// Windows in the queue, so that none is there twice.
    watched: BTreeSet<(ProviderId, i64)>,
    evm: Option<Box<dyn Evm>>,
    hashes: RefCell<Hashes>,
}

enum Ticketed {
    Waiting(DealSpec),
    Published(DealId),
}

impl World {
    /// A world with idle providers and no deals.
    pub(crate) fn new(config: WorldConfig) -> Self {
        let miners = (0..config.providers).map(|index| {
            let id = ProviderId::new(1_000 + index);
            let position = index.cast_signed();
            let period = PERIOD.unsigned_abs();
            let offset = (config.clock.draw(b"period", position) % period).cast_signed();
            // Real miners rarely have a sector 0, and their numbers differ.
            let first_sector = 1 + config.clock.draw(b"sectors", position) % 90;
            let schedule = Schedule::starting_at(offset);
            (id, Miner::new(id, schedule, config.partition_size, first_sector))
        });
        Self {
            now: config.clock.start_epoch,
            queue: BTreeMap::new(),
            next_event: 0,
            tickets: Vec::new(),
            deals: Vec::new(),
            miners: miners.collect(),
            watched: BTreeSet::new(),
            evm: None,
            hashes: RefCell::default(),
            config,
        }
    }

    /// Adds the EVM side.
    pub(crate) fn set_evm(&mut self, evm: Box<dyn Evm>) {
        self.evm = Some(evm);
    }

    /// What it was made of.
    pub(crate) fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// Names and times of tipsets.
    pub(crate) fn clock(&self) -> &Clock {
        &self.config.clock
    }

    /// The present epoch. The head is at or, when this round is null, below it.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The chain as it is.
    pub(crate) fn view(&self) -> View<'_> {
        self.view_behind(0)
    }

    /// The chain as a node sees it that is `behind` epochs late.
    pub(crate) fn view_behind(&self, behind: i64) -> View<'_> {
        View::new(self, self.clock().at_or_before(self.now - behind))
    }

    /// All providers, ascending.
    pub(crate) fn providers(&self) -> Vec<ProviderId> {
        self.miners.keys().copied().collect()
    }

    /// The provider's actor.
    pub(crate) fn miner(&self, id: ProviderId) -> Option<&Miner> {
        self.miners.get(&id)
    }

    /// Published deals, in the order of their ids.
    pub(crate) fn deals(&self) -> &[Deal] {
        &self.deals
    }

    /// Publishes a deal in the first tipset at or after `at`, but not before the next one.
    pub(crate) fn schedule_deal(&mut self, at: i64, spec: DealSpec) -> DealTicket {
        let ticket = DealTicket(self.tickets.len() as u64);
        self.tickets.push(Ticketed::Waiting(spec));
        let at = self.clock().at_or_after(at.max(self.now + 1));
        self.push(at, Event::Publish(ticket));
        ticket
    }

    /// The id the chain gave the deal; `None` until it is published.
    pub(crate) fn deal_of(&self, ticket: DealTicket) -> Option<DealId> {
        match self.tickets.get(usize::try_from(ticket.0).ok()?)? {
            Ticketed::Waiting(_) => None,
            Ticketed::Published(id) => Some(*id),
        }
    }

    /// The deal as the market actor has it after `as_of`.
    pub(crate) fn deal_at(&self, id: DealId, as_of: i64) -> MarketDeal {
        self.deal(id).map_or(MarketDeal::Never, |deal| deal.after(as_of))
    }

    /// Whether the provider has a live or faulty, not terminated, sector with that piece.
    pub(crate) fn provider_holds(&self, provider: ProviderId, piece: &Cid) -> bool {
        let sectors = self.miners.get(&provider).into_iter().flat_map(Miner::sectors);
        sectors.into_iter().any(|sector| sector.piece == *piece && !sector.now().terminated)
    }

    /// The provider stops proving; its sectors become faulty at the ends of their deadlines.
    pub(crate) fn fault(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        let now = self.now;
        let miner = self.miners.get_mut(&provider).ok_or(UnknownProvider(provider))?;
        miner.set_proving(now, false);
        let deadlines = miner.deadlines(false);
        deadlines.into_iter().for_each(|deadline| self.watch(provider, deadline));
        Ok(())
    }

    /// The provider proves again and declares its faults recovered, deadlines whose cutoff has
    /// passed when they have closed. Deals that waited for it are activated.
    pub(crate) fn recover(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        let now = self.now;
        let miner = self.miners.get_mut(&provider).ok_or(UnknownProvider(provider))?;
        miner.set_proving(now, true);
        let faulty = miner.deadlines(true);
        let stalled = std::mem::take(&mut miner.stalled);
        faulty.into_iter().for_each(|deadline| self.declare_recovered(provider, deadline));
        let next = self.clock().at_or_after(now + 1);
        stalled.into_iter().for_each(|deal| self.push(next, Event::Activate(deal)));
        Ok(())
    }

    /// The provider terminates all its sectors at once; their deals are gone.
    pub(crate) fn terminate(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        let now = self.now;
        let miner = self.miners.get_mut(&provider).ok_or(UnknownProvider(provider))?;
        let deals = miner.terminate_all(now);
        self.sectors_terminated(now, deals);
        Ok(())
    }

    /// `SettleDealPayments` for one deal, now; `false` when the market has no such deal. The
    /// devnet's providers never settle of themselves.
    pub(crate) fn settle(&mut self, id: DealId) -> bool {
        let now = self.now;
        let known = self.deal_mut(id).filter(|deal| deal.removal.is_none());
        known.map(|deal| deal.settle(now)).is_some()
    }

    /// Lets that many epochs pass.
    pub(crate) fn advance(&mut self, epochs: i64) {
        let target = self.now + epochs.max(0);
        while self.now < target {
            let event = self.queue.first_key_value().map_or(target, |((at, _), _)| *at);
            let pending = self.evm.as_ref().is_some_and(|evm| evm.has_pending());
            let tipset = pending.then(|| self.clock().at_or_after(self.now + 1));
            self.now = target.min(event.max(self.now + 1)).min(tipset.unwrap_or(target));
            while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
                let event = entry.remove();
                self.happen(event);
            }
            if tipset == Some(self.now) {
                self.execute_transactions();
            }
        }
    }

    /// Asks the EVM side, with the chain as seen from a node that is `behind`.
    pub(crate) fn call_evm(
        &mut self,
        method: &str,
        params: &[Value],
        behind: i64,
    ) -> Option<Result<Value, RpcError>> {
        let mut evm = self.evm.take()?;
        let answer = evm.call(method, params, &self.view_behind(behind));
        self.evm = Some(evm);
        answer
    }

    /// The Ethereum hash of a tipset, which a client may now ask for.
    pub(super) fn told_hash(&self, epoch: i64) -> [u8; 32] {
        let hash = self.clock().block_hash(epoch);
        self.hashes.borrow_mut().remember(hash, epoch);
        hash
    }

    /// The epoch of a hash that was told.
    pub(super) fn epoch_of_told_hash(&self, hash: [u8; 32]) -> Option<i64> {
        self.hashes.borrow().epoch(hash)
    }

    fn push(&mut self, at: i64, event: Event) {
        self.queue.insert((at, self.next_event), event);
        self.next_event += 1;
    }

    fn deal(&self, id: DealId) -> Option<&Deal> {
        let index = id.get().checked_sub(self.config.first_deal)?;
        self.deals.get(usize::try_from(index).ok()?)
    }

    fn deal_mut(&mut self, id: DealId) -> Option<&mut Deal> {
        let index = id.get().checked_sub(self.config.first_deal)?;
        self.deals.get_mut(usize::try_from(index).ok()?)
    }

    fn execute_transactions(&mut self) {
        if let Some(mut evm) = self.evm.take() {
            evm.on_tipset(self.now, self);
            self.evm = Some(evm);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Publish(ticket) => self.publish(ticket),
            Event::Activate(deal) => self.activate(deal),
            Event::TimeOut(deal) => {
                let now = self.now;
                if let Some(deal) = self.deal_mut(deal) {
                    deal.time_out(now);
                }
            }
            Event::Post(provider, window) => {
                let now = self.now;
                if let Some(miner) = self.miners.get_mut(&provider) {
                    miner.prove(now, window);
                }
            }
            Event::Close(provider, window) => self.close(provider, window),
            Event::DeclareRecovered(provider, deadline) => {
                if self.miners.get(&provider).is_some_and(Miner::is_proving) {
                    self.declare_recovered(provider, deadline);
                }
            }
        }
    }

    fn publish(&mut self, ticket: DealTicket) {
        let id = DealId::new(self.config.first_deal + self.deals.len() as u64);
        let at = usize::try_from(ticket.0).unwrap_or_default();
        let Some(Ticketed::Waiting(spec)) = self
            .tickets
            .get_mut(at)
            .map(|ticketed| std::mem::replace(ticketed, Ticketed::Published(id)))
        else {
            return;
        };
        let sealing = self.config.sealing_epochs;
        let start = self.now + 2 * sealing + START_MARGIN;
        let deal = Deal::publish(id, spec, CLIENT, self.now, start);
        self.push(deal.time_out_slot(), Event::TimeOut(id));
        self.push(self.clock().at_or_after(self.now + sealing.max(1)), Event::Activate(id));
        self.deals.push(deal);
    }

    fn activate(&mut self, id: DealId) {
        let now = self.now;
        let wish = self.clock().draw(b"deadline", id.get().cast_signed());
        let Some(deal) = self.deal(id) else { return };
        if now > deal.start || deal.removal.is_some() || deal.activation.is_some() {
            return;
        }
        let (provider, piece) = (deal.spec.provider, deal.spec.piece.cid);
        let expiration = deal.end + SECTOR_MARGIN;
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        if !miner.is_proving() {
            miner.stalled.push(id);
            return;
        }
        let sector = miner.add_sector(now, wish, expiration, id, piece);
        let (number, deadline) = (sector.number, sector.deadline);
        if let Some(deal) = self.deal_mut(id) {
            deal.activation = Some((now, number));
        }
        self.watch(provider, deadline);
    }

    fn declare_recovered(&mut self, provider: ProviderId, deadline: u64) {
        let now = self.now;
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        match miner.declare_recovered(now, deadline) {
            None => self.watch(provider, deadline),
            Some(later) => {
                let later = self.clock().at_or_after(later);
                self.push(later, Event::DeclareRecovered(provider, deadline));
            }
        }
    }

    fn close(&mut self, provider: ProviderId, window: Window) {
        let now = self.now;
        self.watched.remove(&(provider, window.open));
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        let deals = miner.close(now, window);
        self.sectors_terminated(now, deals);
        self.watch(provider, window.index);
    }

    fn sectors_terminated(&mut self, epoch: i64, deals: Vec<DealId>) {
        for id in deals {
            if let Some(deal) = self.deal_mut(id) {
                deal.sector_terminated(epoch);
            }
        }
    }

    /// Queues the next window of a deadline in which something can change.
    fn watch(&mut self, provider: ProviderId, deadline: u64) {
        let Some(miner) = self.miners.get(&provider) else { return };
        let Some(window) = miner.next_change(deadline, self.now + 1) else { return };
        if self.watched.insert((provider, window.open)) {
            if window.post() > self.now {
                self.push(window.post(), Event::Post(provider, window));
            }
            self.push(window.last(), Event::Close(provider, window));
        }
    }
}
