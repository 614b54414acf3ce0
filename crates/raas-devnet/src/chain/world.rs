//! The world: all actors, and the queue of what happens to them.
//!
//! Time moves only in [`World::advance`]; it costs what happens, not how long it takes. What is done
//! to the world from outside is in [`input`](super::input); it takes effect at the present epoch, as
//! if its message were the last one of the head tipset.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use raas_types::{Cid, DealId, ProviderId, SectorNumber};
use serde_json::Value;

use super::{
    deadline::{PERIOD, Schedule},
    events::Event,
    hashes::Hashes,
    market::{Deal, DealSpec},
    miner::Miner,
    past::{KEPT, Past},
    tipset::Clock,
    view::{Evm, MarketDeal, View},
};
use crate::rpc::error::RpcError;

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
    /// Every provider's proving periods start at this epoch modulo a period; by the seed when there
    /// is nothing.
    pub period_start: Option<i64>,
}

/// What `schedule_deal` answers; see [`World::deal_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DealTicket(pub u64);

/// There is no provider of that id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider {0}: GET /devnet/providers lists those there are")]
pub(crate) struct UnknownProvider(pub(crate) ProviderId);

/// The simulated Filecoin.
pub(crate) struct World {
    config: WorldConfig,
    pub(super) now: i64,
    pub(super) queue: BTreeMap<(i64, u64), Event>,
    pub(super) next_event: u64,
    /// The first epoch whose tipset takes messages: later than the present after a reorganisation.
    pub(super) messages_from: i64,
    /// Deals that are not published yet, by ticket; the value becomes the id.
    pub(super) tickets: Vec<Ticketed>,
    /// Published deals; the first has id `first_deal`.
    pub(super) deals: Vec<Deal>,
    pub(super) miners: BTreeMap<ProviderId, Miner>,
    /// Windows in the queue, so that none is there twice.
    pub(super) watched: BTreeSet<(ProviderId, i64)>,
    pub(super) past: Past,
    /// The past is being lived through again; the EVM side has been there.
    pub(super) replaying: bool,
    /// Where finality stood still, while it does.
    stalled: Option<i64>,
    evm: Option<Box<dyn Evm>>,
    hashes: RefCell<Hashes>,
}

#[derive(Clone)]
pub(super) enum Ticketed {
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
            let drawn = (config.clock.draw(b"period", position) % period).cast_signed();
            // Real miners rarely have a sector 0, and their numbers differ.
            let first_sector = 1 + config.clock.draw(b"sectors", position) % 90;
            let schedule = Schedule::starting_at(config.period_start.unwrap_or(drawn));
            (id, Miner::new(id, schedule, config.partition_size, first_sector))
        });
        Self {
            now: config.clock.start_epoch,
            queue: BTreeMap::new(),
            next_event: 0,
            messages_from: 0,
            tickets: Vec::new(),
            deals: Vec::new(),
            miners: miners.collect(),
            watched: BTreeSet::new(),
            past: Past::default(),
            replaying: false,
            stalled: None,
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

    /// The deal as it would be had it never been removed. For liars.
    pub(crate) fn deal_unremoved(&self, id: DealId, as_of: i64) -> MarketDeal {
        let Some(mut deal) = self.deal(id).cloned() else { return MarketDeal::Never };
        deal.removal = None;
        deal.after(as_of)
    }

    /// The sector of a deal, when it lies with that provider.
    pub(crate) fn sector_of(&self, provider: ProviderId, id: DealId) -> Option<SectorNumber> {
        let deal = self.deal(id).filter(|deal| deal.spec.provider == provider)?;
        deal.activation.map(|(_, sector)| sector)
    }

    /// Whether the provider has a live or faulty, not terminated, sector with that piece.
    pub(crate) fn provider_holds(&self, provider: ProviderId, piece: &Cid) -> bool {
        let sectors = self.miners.get(&provider).into_iter().flat_map(Miner::sectors);
        sectors.into_iter().any(|sector| sector.piece == *piece && !sector.now().terminated)
    }

    /// Lets that many epochs pass.
    pub(crate) fn advance(&mut self, epochs: i64) {
        let target = self.now + epochs.max(0);
        // Only the end of a long time can be gone back to.
        self.pass_to(target - KEPT);
        while self.now < target {
            self.keep();
            let save = self.past.next_save().unwrap_or(target);
            self.pass_to(target.min(save));
        }
    }

    /// Lets time pass until that epoch.
    pub(super) fn pass_to(&mut self, target: i64) {
        while self.now < target {
            let event = self.queue.first_key_value().map_or(target, |((at, _), _)| *at);
            let deed = self.past.next_due().unwrap_or(target);
            let pending = !self.replaying && self.evm.as_ref().is_some_and(|evm| evm.has_pending());
            let tipset = pending.then(|| self.clock().at_or_after(self.now + 1));
            let next = event.min(deed).max(self.now + 1);
            self.now = target.min(next).min(tipset.unwrap_or(target));
            while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
                let event = entry.remove();
                self.happen(event);
            }
            self.undergo_due();
            if tipset == Some(self.now) {
                self.execute_transactions();
            }
        }
    }

    /// Does what was to be done by now.
    pub(super) fn undergo_due(&mut self) {
        while let Some(input) = self.past.take_due(self.now) {
            self.undergo(input);
        }
    }

    /// While it is stalled the finalized tipset stays where it is, but for EC finality.
    pub(crate) fn stall_finality(&mut self, stalled: bool) {
        self.stalled = stalled.then(|| self.view().finalized());
    }

    /// Where finality stood still, while it does.
    pub(super) fn stalled_at(&self) -> Option<i64> {
        self.stalled
    }

    /// Asks the EVM side, with the chain as seen from a node that is `behind` or has names of its
    /// own for tipsets.
    pub(crate) fn call_evm(
        &mut self,
        method: &str,
        params: &[Value],
        behind: i64,
        names: Option<&Clock>,
    ) -> Option<Result<Value, RpcError>> {
        let mut evm = self.evm.take()?;
        let view = self.view_behind(behind);
        let answer = evm.call(method, params, &names.map_or(view, |clock| view.named_by(clock)));
        self.evm = Some(evm);
        answer
    }

    /// The Ethereum hash of a tipset was told: a client may now ask for it.
    pub(super) fn remember_hash(&self, hash: [u8; 32], epoch: i64) {
        self.hashes.borrow_mut().remember(hash, epoch);
    }

    /// The epoch of a hash that was told.
    pub(super) fn epoch_of_told_hash(&self, hash: [u8; 32]) -> Option<i64> {
        self.hashes.borrow().epoch(hash)
    }

    /// Queues a message for the first tipset at or after that epoch that takes messages.
    pub(super) fn push_message(&mut self, at: i64, event: Event) {
        self.push(self.clock().at_or_after(at.max(self.messages_from)), event);
    }

    pub(super) fn config_mut(&mut self) -> &mut WorldConfig {
        &mut self.config
    }

    pub(super) fn roll_back_evm(&mut self, epoch: i64) {
        if let Some(evm) = &mut self.evm {
            evm.roll_back(epoch);
        }
    }

    pub(super) fn miner_mut(&mut self, id: ProviderId) -> Result<&mut Miner, UnknownProvider> {
        self.miners.get_mut(&id).ok_or(UnknownProvider(id))
    }

    pub(super) fn push(&mut self, at: i64, event: Event) {
        self.queue.insert((at, self.next_event), event);
        self.next_event += 1;
    }

    pub(super) fn deal(&self, id: DealId) -> Option<&Deal> {
        let index = id.get().checked_sub(self.config.first_deal)?;
        self.deals.get(usize::try_from(index).ok()?)
    }

    pub(super) fn deal_mut(&mut self, id: DealId) -> Option<&mut Deal> {
        let index = id.get().checked_sub(self.config.first_deal)?;
        self.deals.get_mut(usize::try_from(index).ok()?)
    }

    fn execute_transactions(&mut self) {
        if let Some(mut evm) = self.evm.take() {
            evm.on_tipset(self.now, self);
            self.evm = Some(evm);
        }
    }
}
