//! The market actor's side of a deal: when it was published, activated, settled and removed, so
//! that its state can be told as of any epoch.
//!
//! Since network version 22 a termination deletes proposal and state in the same step (FIP-0074): a
//! slash epoch is never seen. A deal past its end stays until somebody settles it; a deal that
//! missed its start stays until its cron slot.

use raas_types::{Cid, DealId, PieceInfo, ProviderId, SectorNumber};

use super::view::{ChainActivation, ChainDeal, MarketDeal};

/// How often cron looks at a deal: 30 days (`deal_updates_interval`).
const UPDATE_INTERVAL: i64 = 30 * 2_880;
/// Collateral of a deal in attoFIL: 0.1 FIL. Clients only print it.
const PROVIDER_COLLATERAL: u128 = 100_000_000_000_000_000;

/// A deal to be published later.
#[derive(Clone, Debug)]
pub(crate) struct DealSpec {
    pub piece: PieceInfo,
    pub provider: ProviderId,
    /// At most 256 bytes (market policy).
    pub label: String,
    /// Epochs from start to end.
    pub duration: i64,
    /// The CIDs of the data in the piece: ground truth for the control API, not on the chain.
    pub payload: Vec<Cid>,
}

/// Why the market actor has a deal no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Its sector was terminated before its end.
    Terminated,
    /// It was settled at or after its end.
    Completed,
    /// It missed its start and was cleaned up.
    TimedOut,
}

/// A published deal with everything that ever happened to it.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub id: DealId,
    pub spec: DealSpec,
    /// Actor id of the client that published it.
    pub client: u64,
    pub published: i64,
    pub start: i64,
    pub end: i64,
    pub activation: Option<(i64, SectorNumber)>,
    pub removal: Option<(i64, Removal)>,
    /// The deadline that its sector must lie in; the miner chooses when there is nothing.
    pub deadline: Option<u64>,
    /// Epochs of settlements that left it in place, ascending.
    settlements: Vec<i64>,
}

impl Deal {
    /// A deal published at `published` that must be activated by `start`.
    pub(crate) fn publish(
        id: DealId,
        spec: DealSpec,
        client: u64,
        published: i64,
        start: i64,
    ) -> Self {
        let end = start + spec.duration;
        Self {
            id,
            spec,
            client,
            published,
            start,
            end,
            activation: None,
            removal: None,
            deadline: None,
            settlements: Vec::new(),
        }
    }

    /// The deal as the market actor has it after `epoch`.
    pub(crate) fn after(&self, epoch: i64) -> MarketDeal {
        if self.published > epoch {
            return MarketDeal::Never;
        }
        if self.removal.is_some_and(|(at, _)| at <= epoch) {
            return MarketDeal::Gone;
        }
        let last_updated = self.settlements.iter().rev().find(|at| **at <= epoch);
        let activation = self.activation.filter(|(at, _)| *at <= epoch).map(|(at, sector)| {
            ChainActivation { sector, at, last_updated: last_updated.copied().unwrap_or(-1) }
        });
        MarketDeal::Found(ChainDeal {
            piece: self.spec.piece.clone(),
            provider: self.spec.provider,
            client: self.client,
            label: self.spec.label.clone(),
            verified: false,
            start: self.start,
            end: self.end,
            price_per_epoch: 0,
            provider_collateral: PROVIDER_COLLATERAL,
            client_collateral: 0,
            activation,
        })
    }

    /// When cron cleans the deal up if it was not activated: the first epoch from the start on that
    /// equals the id modulo the interval, so that deals spread over 30 days.
    pub(crate) fn time_out_slot(&self) -> i64 {
        let phase = (self.id.get() % UPDATE_INTERVAL.unsigned_abs()).cast_signed();
        let slot = self.start + (phase - self.start).rem_euclid(UPDATE_INTERVAL);
        // A slot at the start itself comes too early to know: the next one decides.
        if slot > self.start { slot } else { slot + UPDATE_INTERVAL }
    }

    /// `SettleDealPayments` at `epoch`: completes an ended deal, removes one that missed its start,
    /// notes the epoch on a running one.
    pub(crate) fn settle(&mut self, epoch: i64) {
        if self.removal.is_some() || epoch <= self.start {
            return;
        }
        match self.activation {
            None => self.removal = Some((epoch, Removal::TimedOut)),
            Some(_) if epoch >= self.end => self.removal = Some((epoch, Removal::Completed)),
            Some(_) => self.settlements.push(epoch),
        }
    }

    /// The deal's sector was terminated at `epoch`. A deal that has ended is left for settlement.
    pub(crate) fn sector_terminated(&mut self, epoch: i64) {
        if self.removal.is_none() && epoch < self.end {
            self.removal = Some((epoch, Removal::Terminated));
        }
    }

    /// Cron's visit at the time-out slot.
    pub(crate) fn time_out(&mut self, epoch: i64) {
        if self.removal.is_none() && self.activation.is_none() {
            self.removal = Some((epoch, Removal::TimedOut));
        }
    }
}
