//! Small models of other systems' rules, so that their outcome can be compared with ours: the same
//! clients with the same terms, the same aggregators, providers and troubles of the same seed.
//!
//! Each model is its system's documented rules at their best reading; what its own file says is left out
//! is left out in its favour. All share what is here and in [`care`] and [`hands`]: one process that
//! never crashes and whose clock is right, memory that is never lost, passes as far apart as ours, one
//! endpoint of the chain that is trusted, orders of the same aggregators, and the same disk for a copy of
//! their own. What they want of some data is what our clients' jobs combine to, with thresholds clamped
//! as ours are. They do not write to the contract, which decides nothing for any of them.

mod care;
mod eyes;
mod hands;
mod ipfs_cluster;
mod kit;
mod powergate;
mod ribs;
mod spade;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use raas_types::{Cause, ChainEpoch, EpochDelta, ProviderId};

use crate::{keeper::Keeper, ports::Scene, rng::Dice};
use care::{Care, Clients, Replica};
use eyes::Eyes;

pub(crate) use ipfs_cluster::IpfsCluster;
pub(crate) use kit::Kit;
pub(crate) use powergate::Powergate;
pub(crate) use ribs::Ribs;
pub(crate) use spade::Spade;

/// A system's rules.
pub(crate) trait Rules {
    /// What the system keeps of each deal.
    type Note: Default;
    /// What the system keeps of each piece of data.
    type File: Default;

    /// Whether the system signs the proposals of its deals itself: it then knows them by those, whatever
    /// an aggregator names, and when they begin and end.
    const SIGNS: bool = true;

    /// Whether an order whose answer was lost is sent again as the same order, not as a new one.
    const REPEATS_ITSELF: bool = false;

    /// After so long an order that brought nothing is given up, at an aggregator that usually takes
    /// `latency`. Four times what is usual is generous to a late one.
    fn patience(latency: EpochDelta) -> EpochDelta {
        latency.times(4)
    }

    /// Looks at some data, and says what to order.
    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish>
    where
        Self: Sized;

    /// What was wished for was ordered, or could not be.
    fn ordered(_care: &mut Care<Self>, _wish: &Wish, _taken: bool)
    where
        Self: Sized,
    {
    }
}

/// One deal to be ordered.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Why, for the story.
    cause: Cause,
    /// Providers not to ask, where the aggregator lets one choose.
    exclude: Vec<ProviderId>,
}

impl Wish {
    /// So many wishes for more replicas, on none of these providers.
    fn more(count: u32, exclude: &[ProviderId]) -> Vec<Self> {
        let one = Self { cause: Cause::Replication, exclude: exclude.to_vec() };
        vec![one; count as usize]
    }
}

/// A system at work in a world.
pub(crate) struct Rival<R: Rules> {
    scene: Arc<Scene>,
    dice: Dice,
    /// The endpoint that it trusts.
    endpoint: usize,
    clients: Clients,
    cares: BTreeMap<usize, Care<R>>,
}

impl<R: Rules> Rival<R> {
    pub(crate) fn new(scene: &Arc<Scene>) -> Self {
        let world = scene.world();
        let mut dice = Dice::new(world.seed, "rival", 0);
        // Whoever trusts one endpoint of several trusts the bad one as often as any other.
        let endpoint = dice.below(world.endpoints.len() as u64) as usize;
        Self {
            scene: Arc::clone(scene),
            dice,
            endpoint,
            clients: Clients::default(),
            cares: BTreeMap::new(),
        }
    }
}

impl<R: Rules> Keeper for Rival<R> {
    fn act(&mut self) -> ChainEpoch {
        let world = &mut *self.scene.world();
        world.tally.passes += 1;
        self.clients.tidy(world);
        self.clients.serve(world, &mut self.cares);
        let Self { cares, dice, endpoint, .. } = self;
        for care in cares.values_mut() {
            if !care.combine(world) {
                continue;
            }
            world.tally.looks += 1;
            care.poll(world);
            let wishes = R::look(care, &mut Eyes { world, endpoint: *endpoint });
            for wish in wishes {
                let taken = care.order(world, &wish, dice);
                R::ordered(care, &wish, taken);
            }
        }
        let cadence = world.weather.cadence;
        world.now + self.dice.span(cadence.half(), cadence + cadence.half())
    }
}
