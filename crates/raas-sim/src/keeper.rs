//! Who keeps the data alive: this node, or a model of another system's rules. All look at the same
//! worlds and order from the same aggregators.

use std::{path::Path, sync::Arc};

use raas_types::ChainEpoch;

use crate::{options::Policy, ours::Ours, ports::Scene};

/// Keeps the data of a world alive.
pub(crate) trait Keeper {
    /// Acts once, at the world's present: takes what clients asked for meanwhile, looks, orders. Says
    /// when to act again, later than the present.
    fn act(&mut self) -> ChainEpoch;
}

/// The keeper of this policy; `place` is an empty directory for what it keeps.
pub(crate) fn keeper(policy: Policy, scene: &Arc<Scene>, place: &Path) -> Box<dyn Keeper> {
    match policy {
        Policy::Ours => Box::new(Ours::new(scene, place)),
    }
}
