//! What may be asked of the chain, as of a head, and what the chain asks of the EVM side.
//!
//! Epochs are plain `i64` in this crate: its business is wire formats and arithmetic. "After epoch
//! T" means the post-state of the tipset at T, which is what `eth_call` at block T sees; the
//! `Filecoin.State*` methods at the key of T see the state after T's parent instead.

use raas_types::{Cid, DealId, PieceInfo, ProviderId, SectorNumber};
use serde_json::Value;

use super::{Clock, World};
use crate::rpc::error::RpcError;

/// `policy.ChainFinality`: final without any votes.
const EC_FINALITY: i64 = 900;
/// Hashes that were never told are looked for among the blocks of the last day.
const HASH_SEARCH: i64 = 2_880;

/// Reads of a chain whose head may have been moved back (a lagging node).
pub(crate) trait ChainView {
    /// The epoch of the heaviest tipset. Never a null round.
    fn head_epoch(&self) -> i64;
    /// The epoch of the last tipset that is final.
    fn finalized_epoch(&self) -> i64;
    /// Whether the round at `epoch` has no blocks. Genesis is never null.
    fn is_null(&self, epoch: i64) -> bool;
    /// The Ethereum hash of the tipset at `epoch` (not null): the digest of its key's CID.
    fn block_hash(&self, epoch: i64) -> [u8; 32];
    /// The epoch of the tipset before the one at `epoch`: the last one below that is not null.
    /// Genesis is its own parent.
    fn parent_epoch(&self, epoch: i64) -> i64;
    /// Unix seconds of a block at `epoch`.
    fn timestamp(&self, epoch: i64) -> i64;
    /// Which tipset at or below the head has that Ethereum hash.
    fn epoch_of_block_hash(&self, hash: [u8; 32]) -> Option<i64>;
    /// The market actor's entry of a deal after `epoch`.
    fn deal_state_after(&self, id: DealId, epoch: i64) -> MarketDeal;
    /// A sector as `GenerateSectorLocation` (FIP-0112) tells it after `epoch`.
    /// `None` when there is no such provider.
    fn sector_status_after(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
        epoch: i64,
    ) -> Option<SectorLocation>;
    /// The id the next published deal would get, after `epoch`.
    fn next_deal_id_after(&self, epoch: i64) -> DealId;
}

/// What the market actor knows of a deal id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made one at a time, read at once, never stored")]
pub(crate) enum MarketDeal {
    /// In its state. This includes deals past their end that nobody settled.
    Found(ChainDeal),
    /// Removed: terminated, completed and settled, or timed out (getters: exit 32).
    Gone,
    /// The id was never handed out (getters: exit 17).
    Never,
}

/// A proposal with its state, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainDeal {
    pub piece: PieceInfo,
    pub provider: ProviderId,
    /// Actor id of the client.
    pub client: u64,
    pub label: String,
    pub verified: bool,
    pub start: i64,
    /// Exclusive; `end - start` is what `GetDealTerm` calls the duration.
    pub end: i64,
    /// Price, provider collateral and client collateral are in attoFIL.
    pub price_per_epoch: u128,
    pub provider_collateral: u128,
    pub client_collateral: u128,
    /// `None` while published only: the API writes -1 and `GetDealActivation` answers (-1, -1).
    pub activation: Option<ChainActivation>,
}

/// The state part of an activated deal. There is no slash epoch: since network version 22 a
/// terminated deal is removed in the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainActivation {
    pub sector: SectorNumber,
    pub at: i64,
    /// The last settlement, -1 when there was none.
    pub last_updated: i64,
}

/// What FIP-0112 says of a sector: its status, and where it is while the miner's tables hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectorLocation {
    pub state: SectorState,
    /// (deadline, partition); `None` is written (-1, -1).
    pub location: Option<(u64, u64)>,
}

/// The status byte of FIP-0112.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectorState {
    Dead = 0,
    /// Proven, or new and not due yet.
    Active = 1,
    Faulty = 2,
}

/// What is asked of the EVM side. A trait, so that the chain can be tested without one.
pub(crate) trait Evm: Send {
    /// Whether transactions wait for a tipset.
    fn has_pending(&self) -> bool;
    /// The tipset at `epoch` executes; it is not null.
    fn on_tipset(&mut self, epoch: i64, chain: &dyn ChainView);
    /// All tipsets after `epoch` are orphaned; their transactions wait again.
    fn roll_back(&mut self, epoch: i64);
    /// Answers a call; `None` when the method is none of its own.
    fn call(
        &mut self,
        method: &str,
        params: &[Value],
        chain: &dyn ChainView,
    ) -> Option<Result<Value, RpcError>>;
}

/// The chain up to a head, which need not be the newest.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    world: &'a World,
    clock: &'a Clock,
    head: i64,
}

impl<'a> View<'a> {
    /// The chain up to the tipset at `head`.
    pub(super) fn new(world: &'a World, head: i64) -> Self {
        Self { world, clock: world.clock(), head }
    }

    /// The same, with the names that another clock gives to tipsets.
    pub(crate) fn named_by(self, clock: &'a Clock) -> Self {
        Self { clock, ..self }
    }

    /// Names and times of tipsets.
    pub(crate) fn clock(&self) -> &'a Clock {
        self.clock
    }

    /// The world behind it. Ask it only for what happened at or before the head.
    pub(crate) fn world(&self) -> &'a World {
        self.world
    }

    /// The last tipset that is final: the configured distance behind the head. While finality is
    /// stalled it is where it stood then, but never more than EC finality behind.
    pub(crate) fn finalized(&self) -> i64 {
        let healthy = self.head - self.world.config().finality_lag;
        let epoch = match self.world.stalled_at() {
            Some(stalled) => stalled.max(self.head - EC_FINALITY).min(healthy),
            None => healthy,
        };
        self.clock.at_or_before(epoch)
    }

    /// The key of the tipset at `epoch`; its Ethereum hash and its parents' will be understood.
    pub(crate) fn key(&self, epoch: i64) -> Vec<Cid> {
        self.block_hash(epoch);
        self.block_hash(self.parent_epoch(epoch));
        self.clock.key(epoch)
    }

    /// The epoch of that tipset, when it is at or below the head.
    pub(crate) fn epoch_of_key(&self, key: &[Cid]) -> Option<i64> {
        self.clock.epoch_of_key(key).filter(|epoch| *epoch <= self.head)
    }
}

impl ChainView for View<'_> {
    fn head_epoch(&self) -> i64 {
        self.head
    }

    fn finalized_epoch(&self) -> i64 {
        self.finalized()
    }

    fn is_null(&self, epoch: i64) -> bool {
        self.clock.is_null(epoch)
    }

    fn block_hash(&self, epoch: i64) -> [u8; 32] {
        let hash = self.clock.block_hash(epoch);
        self.world.remember_hash(hash, epoch);
        hash
    }

    fn parent_epoch(&self, epoch: i64) -> i64 {
        self.clock.parent(epoch)
    }

    fn timestamp(&self, epoch: i64) -> i64 {
        self.clock.timestamp(epoch)
    }

    fn epoch_of_block_hash(&self, hash: [u8; 32]) -> Option<i64> {
        let clock = self.clock;
        // A hash of an orphaned tipset, or of another fork, is not known.
        let is_its = |epoch: &i64| !clock.is_null(*epoch) && clock.block_hash(*epoch) == hash;
        let known = self.world.epoch_of_told_hash(hash).filter(is_its);
        let recent = || {
            let epochs = (0.max(self.head - HASH_SEARCH)..=self.head).rev();
            epochs.into_iter().find(is_its)
        };
        known.or_else(recent).filter(|epoch| *epoch <= self.head)
    }

    fn deal_state_after(&self, id: DealId, epoch: i64) -> MarketDeal {
        self.world.deal_at(id, epoch)
    }

    fn sector_status_after(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
        epoch: i64,
    ) -> Option<SectorLocation> {
        Some(self.world.miner(provider)?.location_after(sector, epoch))
    }

    fn next_deal_id_after(&self, epoch: i64) -> DealId {
        let published = self.world.deals().partition_point(|deal| deal.published <= epoch);
        DealId::new(self.world.config().first_deal + published as u64)
    }
}

impl ChainView for World {
    fn head_epoch(&self) -> i64 {
        self.view().head
    }

    fn finalized_epoch(&self) -> i64 {
        self.view().finalized()
    }

    fn is_null(&self, epoch: i64) -> bool {
        self.view().is_null(epoch)
    }

    fn block_hash(&self, epoch: i64) -> [u8; 32] {
        self.view().block_hash(epoch)
    }

    fn parent_epoch(&self, epoch: i64) -> i64 {
        self.view().parent_epoch(epoch)
    }

    fn timestamp(&self, epoch: i64) -> i64 {
        self.view().timestamp(epoch)
    }

    fn epoch_of_block_hash(&self, hash: [u8; 32]) -> Option<i64> {
        self.view().epoch_of_block_hash(hash)
    }

    fn deal_state_after(&self, id: DealId, epoch: i64) -> MarketDeal {
        self.view().deal_state_after(id, epoch)
    }

    fn sector_status_after(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
        epoch: i64,
    ) -> Option<SectorLocation> {
        self.view().sector_status_after(provider, sector, epoch)
    }

    fn next_deal_id_after(&self, epoch: i64) -> DealId {
        self.view().next_deal_id_after(epoch)
    }
}
