//! The ports of a node, each over the same world. Every call is a point at which the node may die,
//! before what it does or after, or be stopped for a while.

mod aggregator;
mod chain;
mod contract;
mod fate;
mod source;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{invariants::Watch, rng::Dice, world::World};

pub(crate) use aggregator::SimAggregator;
pub(crate) use chain::SimChain;
pub(crate) use contract::SimContract;
pub(crate) use fate::{Fate, Turn};
pub(crate) use source::SimSource;
pub(crate) use store::SimStore;

/// What all ports of all nodes share: the world, and who watches them.
#[derive(Debug)]
pub(crate) struct Scene {
    world: Mutex<World>,
    watch: Mutex<Watch>,
}

impl Scene {
    pub(crate) fn new(world: World, watch: Watch) -> Arc<Self> {
        Arc::new(Self { world: Mutex::new(world), watch: Mutex::new(watch) })
    }

    // One thread plays a seed: nobody waits for these locks. Whoever takes both takes the world first.

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's end of its ports, for as long as it lives.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) scene: Arc<Scene>,
    /// Which node.
    pub(crate) node: usize,
    pub(crate) fate: Arc<Fate>,
    dice: Arc<Mutex<Dice>>,
}

impl Link {
    pub(crate) fn new(scene: Arc<Scene>, node: usize, fate: Arc<Fate>, dice: Dice) -> Self {
        Self { scene, node, fate, dice: Arc::new(Mutex::new(dice)) }
    }

    /// Whether it comes so many times in a hundred.
    fn percent(&self, of_a_hundred: u64) -> bool {
        self.dice().percent(of_a_hundred)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("node", &self.node).finish_non_exhaustive()
    }
}
