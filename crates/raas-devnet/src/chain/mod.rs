//! The simulated chain: a clock of tipsets, a market actor and miners.
//!
//! Epochs are plain `i64` in this crate. State is asked for "after epoch T", which is the post-state
//! of the last tipset at or below T; [`view`] says how the two RPC families map to that.

pub(crate) mod deadline;
mod declarations;
mod events;
mod hashes;
mod input;
mod market;
mod miner;
mod past;
mod sector;
mod tipset;
mod truth;
pub(crate) mod view;
mod world;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use input::{Planting, Refused};
pub(crate) use market::DealSpec;
pub(crate) use miner::Miner;
pub(crate) use sector::{Condition, Expiry, Sector};
pub(crate) use tipset::{Clock, Forks, blake2b};
pub(crate) use truth::provider_text;
pub use truth::{DealState, DealTruth};
pub(crate) use view::{ChainDeal, ChainView, Evm, MarketDeal, View};
pub(crate) use world::{DealTicket, UnknownProvider, World, WorldConfig};

/// The world as everybody in this crate shares it. Locked for short reads and writes only, never
/// across an await.
pub(crate) type SharedWorld = Arc<Mutex<World>>;

/// Locks the world, also after a panic elsewhere: each change leaves it whole.
pub(crate) fn lock(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
