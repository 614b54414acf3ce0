//! Who keeps the data alive: this node, or a model of another system's rules. All look at the same
//! worlds and order from the same aggregators.

use std::{path::Path, sync::Arc};

use raas_types::ChainEpoch;

use crate::{
    options::{Options, Policy},
    ours::Ours,
    ports::Scene,
    rivals::{IpfsCluster, Kit, Powergate, Ribs, Rival, Spade},
};

/// Keeps the data of a world alive.
pub(crate) trait Keeper {
    /// Acts once, at the world's present: takes what clients asked for meanwhile, looks, orders. Says
    /// when to act again, later than the present.
    fn act(&mut self) -> ChainEpoch;
}

/// The keeper that the policy names; `place` is an empty directory for what it keeps.
pub(crate) fn keeper(options: &Options, scene: &Arc<Scene>, place: &Path) -> Box<dyn Keeper> {
    match options.policy {
        Policy::Ours => Box::new(Ours::new(scene, place, options.plant)),
        Policy::Kit => Box::new(Rival::<Kit>::new(scene)),
        Policy::Powergate => Box::new(Rival::<Powergate>::new(scene)),
        Policy::Ribs => Box::new(Rival::<Ribs>::new(scene)),
        Policy::IpfsCluster => Box::new(Rival::<IpfsCluster>::new(scene)),
        Policy::Spade => Box::new(Rival::<Spade>::new(scene)),
    }
}
