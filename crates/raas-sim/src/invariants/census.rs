//! A look around, once a day: what was lost, and what waits for longer than it should although nothing
//! stands in the way.

use std::collections::BTreeMap;

use raas_core::{CONFIRMATION, MAX_AGE, RETRY_DELAY_MAX, Wanted};
use raas_types::{ChainEpoch, EpochDelta};

use super::{Invariant, Watch, held, held::Place, money::Spending};
use crate::world::{Mood, Truth, World};

/// What the watch keeps from day to day.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(super) spending: Spending,
    needs: BTreeMap<usize, Need>,
    next: Option<ChainEpoch>,
    /// The last pass that got through the gate.
    last_pass: Option<ChainEpoch>,
    /// Since when nodes have been at work without a long break.
    attended: Option<ChainEpoch>,
}

/// Since when some data has wanted more than it has, with nothing in the way.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    below_min: Option<ChainEpoch>,
    below_target: Option<ChainEpoch>,
}

impl Watch {
    /// A node has made a pass that got through the gate.
    pub(crate) fn passed(&mut self, world: &World) {
        let census = &mut self.census;
        let longest = EpochDelta::DAY.times(2) + world.weather.cadence.times(2);
        let broken = census.last_pass.is_none_or(|last| last + longest < world.now);
        if broken {
            census.attended = Some(world.now);
        }
        census.last_pass = Some(world.now);
    }

    /// What a node was about is begun anew: nobody has been at work since.
    pub(super) fn interrupted(&mut self) {
        self.census.last_pass = None;
    }

    /// Looks around, if it is a day since the last time.
    pub(crate) fn look_around(&mut self, world: &mut World) {
        if self.census.next.is_some_and(|next| world.now < next) {
            return;
        }
        self.census.next = Some(world.now + EpochDelta::DAY);
        for datum in 0..world.data.len() {
            if world.data[datum].entrusted.is_some() && world.data[datum].lost.is_none() {
                self.look_at(world, datum);
            }
        }
    }

    fn look_at(&mut self, world: &mut World, datum: usize) {
        let patience = patience(world);
        let waited = |since: Option<ChainEpoch>, now: ChainEpoch| {
            since.is_some_and(|since| since + patience < now)
        };
        if !world.exists(datum) {
            // What it had wanted until it was lost.
            let since = self.census.needs.remove(&datum).and_then(|need| need.below_target);
            return self.lose(world, datum, since.filter(|since| waited(Some(*since), world.now)));
        }
        let cid = world.data[datum].cid;
        let need = match self.mirror.wanted(world, &cid, world.now) {
            // A client that trusts the contract is content with what strangers list there.
            Some(wanted) if wanted.trusts_contract && world.contract.is_forged(&cid) => {
                Need::default()
            }
            Some(wanted) if wanted.replicates => self.need_of(world, datum, &wanted),
            _ => Need::default(),
        };
        self.census.needs.insert(datum, need);
        if waited(need.below_min, world.now) {
            let words = format!("below min since {:?}, with nothing in the way", need.below_min);
            self.broken(Invariant::FilledBelowMin, world.now, datum, words);
        } else if waited(need.below_target, world.now) {
            let since = need.below_target;
            let words = format!("below target since {since:?}, with nothing in the way");
            self.broken(Invariant::FilledToTarget, world.now, datum, words);
        }
    }

    /// The last copy of some data is gone: it could have been saved where it had wanted more copies for
    /// long enough.
    fn lose(&mut self, world: &mut World, datum: usize, savable_since: Option<ChainEpoch>) {
        world.data[datum].lost = Some(world.now);
        world.chronicle.tell(world.now, datum, format_args!("the last copy is lost"));
        match savable_since {
            None => world.tally.unavoidable_losses += 1,
            Some(since) => {
                world.tally.losses += 1;
                let words = format!("lost, and was below target since {since}");
                self.broken(Invariant::NothingSavableLost, world.now, datum, words);
            }
        }
    }

    fn need_of(&self, world: &World, datum: usize, wanted: &Wanted) -> Need {
        let before = self.census.needs.get(&datum).copied().unwrap_or_default();
        if !self.is_free_to_act(world, datum) {
            return Need::default();
        }
        let held = self.held_or_hoped(world, datum, wanted);
        let since = |is_missing: bool, since: Option<ChainEpoch>| {
            is_missing.then(|| since.unwrap_or(world.now))
        };
        let target = wanted.target.unwrap_or(0);
        Need {
            below_min: since(held < wanted.min, before.below_min),
            below_target: since(held < target, before.below_target),
        }
    }

    /// Whether nothing stands in the way of ordering for some data: endpoints, contract, store and a
    /// node are well, an aggregator is, no order just came to nothing, and the bytes can be had.
    fn is_free_to_act(&self, world: &World, datum: usize) -> bool {
        let now = world.now;
        let attended = self.census.attended.is_some_and(|since| since <= now)
            && self.census.last_pass.is_some_and(|last| now < last + EpochDelta::DAY.times(2));
        let cid = &world.data[datum].cid;
        let willing = world.services.iter().any(|service| {
            // One that takes no order ids has one order for some data at a time.
            let busy = !service.capabilities.idempotent
                && self.mirror.under_way(cid).any(|order| order.aggregator == service.name);
            service.mood == Mood::Fine
                && service.troubled_until < now
                && service.capabilities.copies == 1
                && !busy
        });
        let copies = &world.data[datum].copies;
        let served = world.is_served(datum) && world.data[datum].withheld_until < now;
        let bytes = served || copies.iter().all(|copy| *copy);
        attended
            && world.troubled_until.max(world.unattended_until) < now
            && willing
            && bytes
            && self.may_order_again(world, datum)
    }

    /// Whether the pause after fruitless orders is surely over: the longest that the planner makes.
    fn may_order_again(&self, world: &World, datum: usize) -> bool {
        let cid = &world.data[datum].cid;
        let mut fruitless = self.mirror.fruitless(cid);
        // A deal that was never activated was in vain, too.
        for deal in world.deals_of(datum).filter(|d| d.truth(world.now) == Truth::StartMissed) {
            fruitless.times += 1;
            fruitless.last = fruitless.last.max(deal.proposal.start);
        }
        let latencies = world.services.iter().map(|service| service.capabilities.latency);
        let first = latencies.max().unwrap_or_default().max(EpochDelta::DAY);
        let pause =
            first.times(1 << fruitless.times.saturating_sub(1).min(20)).min(RETRY_DELAY_MAX);
        fruitless.times == 0 || fruitless.last + pause < world.now
    }

    /// How many slots a node may take to be held: all that it may count, whoever made the deal.
    fn held_or_hoped(&self, world: &World, datum: usize, wanted: &Wanted) -> u32 {
        let cid = &world.data[datum].cid;
        let at = world.now - world.weather.finality;
        let known = world.deals_of(datum).filter(|deal| self.mirror.trail(cid, deal.id).is_some());
        let holding = known.filter(|deal| {
            let place = held::place(world, &self.mirror, deal, wanted, at);
            matches!(place, Place::Lasting | Place::Ending { first_half: true })
        });
        let providers: std::collections::BTreeSet<_> = holding.map(|deal| deal.provider).collect();
        let under_way: u32 =
            self.mirror.under_way(cid).map(|order| held::expected(world, order)).sum();
        providers.len() as u32 + under_way
    }
}

/// For so long a need may wait with nothing in the way: until what is wrong is read again (a day at the
/// most), is seen a second time, and is final; three passes; and a day for what else was in the queue.
fn patience(world: &World) -> EpochDelta {
    MAX_AGE
        + CONFIRMATION.times(2)
        + world.weather.finality
        + world.weather.cadence.times(3)
        + EpochDelta::DAY.times(2)
}
