//! How a system orders: of the first aggregator that takes it, with the bytes from its own disk, or
//! fetched from the client or a provider. They are handed over where the aggregator has not had them.

use std::collections::BTreeSet;

use raas_types::{EpochDelta, Order, OrderId, OrderState};

use super::{
    Rules, Wish,
    care::{Care, ONLY, Pending},
};
use crate::{
    options::Trouble,
    rng::Dice,
    world::{Answer, World},
};

impl<R: Rules> Care<R> {
    /// Orders one deal; whether an aggregator is known to have taken it.
    pub(super) fn order(&mut self, world: &mut World, wish: &Wish, dice: &mut Dice) -> bool {
        let services = world.services.len();
        for service in (0..services).map(|n| (self.turn + n) % services) {
            if world.is_away(service) {
                continue;
            }
            if !self.is_at_hand(world, dice) {
                return false;
            }
            if !world.services[service].has(&self.cid) {
                world.tally.bytes += world.data[self.datum].size;
            }
            let number = match self.unheard.take() {
                Some((where_, number)) if R::REPEATS_ITSELF && where_ == service => number,
                _ => {
                    self.orders += 1;
                    self.orders
                }
            };
            let order = self.order_of(world, wish, service, number);
            match world.order(service, &order).answer {
                Answer::Taken(_) => {
                    self.pending.push(Pending { service, since: world.now });
                    return true;
                }
                Answer::TakenUnheard | Answer::Unheard => {
                    self.unheard = Some((service, number));
                    return false;
                }
                Answer::Unavailable | Answer::Rejected => {}
            }
        }
        false
    }

    fn order_of(&self, world: &World, wish: &Wish, service: usize, number: u64) -> Order {
        Order {
            id: OrderId::new(format!("{}-{number}", self.datum)),
            cid: self.cid,
            aggregator: world.services[service].name.clone(),
            cause: wish.cause,
            known_deals: BTreeSet::new(),
            exclude: wish.exclude.iter().copied().collect(),
            prefer: BTreeSet::new(),
            bytes: None,
            created: world.now,
            made: Vec::new(),
            state: OrderState::Sending,
        }
    }

    /// Whether the bytes are at hand, fetched if need be. Nobody can know whether an aggregator still has
    /// them.
    fn is_at_hand(&self, world: &mut World, dice: &mut Dice) -> bool {
        if world.data[self.datum].copies[ONLY] {
            return true;
        }
        // A source fails as often as one of ours does.
        let fails = world.weather.has(Trouble::Copies) && dice.percent(15);
        if !world.is_served(self.datum) {
            return false;
        }
        if fails {
            world.data[self.datum].withheld_until = world.now + EpochDelta::DAY;
            return false;
        }
        world.tally.bytes += world.data[self.datum].size;
        world.data[self.datum].copies[ONLY] = true;
        let now = world.now;
        world.chronicle.tell(now, self.datum, format_args!("the bytes are fetched"));
        true
    }
}
