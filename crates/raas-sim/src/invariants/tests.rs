//! Each invariant is shown to be able to fail: a violation is made by hand, and is seen; and what is
//! next to it, and right, is not.

mod sending;

use std::collections::BTreeSet;

use raas_job_store::Change;
use raas_types::{
    Cause, ChainEpoch, Cid, DealId, DealMemory, DealProposal, DealReading, EpochDelta, Evidence,
    Job, JobId, ListedDeal, OnChainDeal, Order, OrderId, OrderState, Provenance, Renewal, Repair,
    Replication, Said, Terms, TipsetKey, Verdict,
};

use super::{Invariant, Watch};
use crate::{
    chronicle::Chronicle,
    options::Options,
    rng::Dice,
    world::{Deal, START, World},
};

const DAY: EpochDelta = EpochDelta::DAY;
const ONE: EpochDelta = EpochDelta::new(1);

/// A calm world with one job for three replicas, renewed 30 days ahead and repaired after five, and who
/// watches it.
struct Stage {
    world: World,
    watch: Watch,
    cid: Cid,
}

impl Stage {
    fn new() -> Self {
        let without = "all".parse().expect("all troubles");
        let options = Options { jobs: 1, without, ..Options::default() };
        let mut world = World::new(&options, 3, Chronicle::default());
        world.weather.tells_first_missed = true;
        world.weather.finality = EpochDelta::ZERO;
        world.advance_to(START + DAY.times(50));
        for service in &mut world.services {
            service.capabilities.copies = 1;
            service.capabilities.idempotent = true;
            service.capabilities.deal_duration = DAY.times(180);
        }
        let cid = world.data[0].cid;
        let mut watch = Watch::default();
        let terms = Terms {
            replication: Some(Replication { target: 3, min: 2, max: 3 }),
            renewal: Some(Renewal { threshold: DAY.times(30) }),
            repair: Some(Repair { threshold: DAY.times(5) }),
            ..Terms::default()
        };
        watch.registered(&Job { id: JobId::new("job"), cid, terms, registered: None, found: None });
        world.data[0].entrusted = Some(world.now);
        Self { world, watch, cid }
    }

    /// A deal on this provider that the node ordered, active for `ago` and to end in `left`.
    fn deal(&mut self, provider: usize, ago: EpochDelta, left: EpochDelta) -> DealId {
        let (now, id) = (self.world.now, DealId::new(1_000 + provider as u64));
        let piece = crate::world::any_piece(id.get());
        let proposal = DealProposal {
            piece,
            provider: self.world.providers[provider].id,
            start: now - ago,
            end: now + left,
            verified: false,
            label: String::new(),
        };
        let published = now - ago - ONE;
        let mut deal = Deal { id, datum: 0, provider, proposal, published, active: None };
        let (owner, weather) = (&self.world.providers[provider], &self.world.weather);
        deal.activate(now - ago, owner, weather, &mut Dice::new(1, "deal", id.get()));
        self.world.deals.insert(id, deal);
        self.world.data[0].deals.push(id);
        let verdict = Verdict::Active { end: now + left };
        self.look(id, now - ONE, verdict);
        id
    }

    /// As many deals that last, each on a provider of its own.
    fn deals(&mut self, count: usize) {
        for provider in 0..count {
            self.deal(provider, DAY, year());
        }
    }

    /// A look of the node came to this about a deal that it ordered.
    fn look(&mut self, id: DealId, at: ChainEpoch, verdict: Verdict) {
        let proposal = self.world.deals[&id].proposal.clone();
        let listed = ListedDeal { deal: id, provider: proposal.provider };
        let aggregator = self.world.services[0].name.clone();
        let order = OrderId::new(format!("order of {id}"));
        let provenance = Provenance::Ordered { order, aggregator, replaces: None };
        let mut memory = DealMemory::first_heard(listed, provenance, at);
        let found = OnChainDeal { proposal, activation: None };
        let evidence = Evidence {
            tipset: TipsetKey::default(),
            epoch: at,
            finalized: true,
            endpoint: "endpoint".into(),
            said: Some(Said { deal: DealReading::Found(found), sector: None }),
            witness: None,
        };
        memory.last = Some((verdict, evidence));
        let memories = vec![(self.cid, memory)];
        self.watch.committed(&mut self.world, 0, &Change { memories, ..Change::default() });
    }

    /// An order decided at the present tipset, as the store has it before it is sent.
    fn order(&mut self, name: &str, cause: Cause) -> Order {
        let order = Order {
            id: OrderId::new(name),
            cid: self.cid,
            aggregator: self.world.services[0].name.clone(),
            cause,
            known_deals: BTreeSet::new(),
            exclude: BTreeSet::new(),
            prefer: BTreeSet::new(),
            bytes: None,
            made: Vec::new(),
            created: self.world.now,
            state: OrderState::Sending,
        };
        let orders = vec![order.clone()];
        self.watch.committed(&mut self.world, 0, &Change { orders, ..Change::default() });
        order
    }

    /// Gives it up.
    fn fail(&mut self, order: &Order) {
        let state = OrderState::Failed { reason: "nothing came".to_owned(), at: self.world.now };
        let orders = vec![Order { state, ..order.clone() }];
        self.watch.committed(&mut self.world, 0, &Change { orders, ..Change::default() });
    }

    /// Has it taken; what that broke.
    fn take(&mut self, order: &Order) -> Vec<Invariant> {
        self.watch.submitting(&self.world, 0, order);
        self.watch.taken(&self.world, 0, order, false, 1);
        self.watch.submitted(0, order);
        self.broken()
    }

    fn broken(&mut self) -> Vec<Invariant> {
        self.watch.violations.drain(..).map(|violation| violation.invariant).collect()
    }
}

fn year() -> EpochDelta {
    DAY.times(150)
}

#[test]
fn an_order_that_is_needed_breaks_nothing() {
    let mut stage = Stage::new();
    stage.deal(0, DAY, year());
    stage.deal(1, DAY, year());
    let order = stage.order("needed", Cause::Replication);
    assert_eq!(stage.take(&order), []);
}

#[test]
fn an_order_that_the_store_does_not_have_is_seen() {
    let mut stage = Stage::new();
    let order = Order { id: OrderId::new("another"), ..stage.order("kept", Cause::Replication) };
    assert_eq!(stage.take(&order), [Invariant::IntentFirst]);
}

#[test]
fn an_order_that_is_sent_again_is_seen() {
    let mut stage = Stage::new();
    let order = stage.order("order", Cause::Replication);
    stage.watch.taken(&stage.world, 0, &order, true, 0);
    assert_eq!(stage.broken(), [Invariant::SentOnce]);
}

#[test]
fn an_order_without_need_is_seen() {
    let mut stage = Stage::new();
    stage.deals(2);
    let first = stage.order("first", Cause::Replication);
    assert_eq!(stage.take(&first), []);
    let second = stage.order("second", Cause::Replication);
    assert!(stage.take(&second).contains(&Invariant::NothingWithoutNeed));
}

#[test]
fn going_beyond_the_maximum_is_seen() {
    let mut stage = Stage::new();
    stage.world.services[0].capabilities.copies = 2;
    stage.deals(2);
    let order = stage.order("two at once", Cause::Replication);
    assert_eq!(stage.take(&order), [Invariant::NeverAboveMax]);
}

#[test]
fn repairing_what_is_well_is_seen() {
    let mut stage = Stage::new();
    let deal = stage.deal(0, DAY, year());
    let order = stage.order("repair", Cause::Repair { deal });
    assert!(stage.take(&order).contains(&Invariant::UnknownIsNotLost));
}

#[test]
fn repairing_before_the_threshold_is_seen() {
    let broken = |days: i64| {
        let mut stage = Stage::new();
        let (now, deal) = (stage.world.now, stage.deal(0, DAY.times(20), year()));
        let active = stage.world.deals.get_mut(&deal).and_then(|deal| deal.active.as_mut());
        active.expect("it is active").faults =
            vec![crate::world::span(now - DAY.times(days) - ONE, now + DAY)];
        let since = raas_types::FaultSince::Exact(now - DAY.times(days));
        for at in [now - DAY, now] {
            stage.look(deal, at, Verdict::Faulty { since, end: now + year() });
        }
        let order = stage.order("repair", Cause::Repair { deal });
        stage.take(&order)
    };
    assert_eq!(broken(5), []);
    assert_eq!(broken(4), [Invariant::ThresholdKept]);
}

#[test]
fn repairing_at_first_sight_is_seen() {
    let broken = |apart: i64| {
        let mut stage = Stage::new();
        let (now, deal) = (stage.world.now, stage.deal(0, DAY.times(20), year()));
        let active = stage.world.deals.get_mut(&deal).and_then(|deal| deal.active.as_mut());
        active.expect("it is active").terminated = Some(now - DAY);
        for at in [now - EpochDelta::new(apart), now] {
            stage.look(deal, at, Verdict::Terminated);
        }
        let order = stage.order("repair", Cause::Repair { deal });
        stage.take(&order)
    };
    assert_eq!(broken(60), []);
    assert_eq!(broken(59), [Invariant::LossSeenTwice]);
}

#[test]
fn renewing_the_newborn_is_seen() {
    let broken = |left: i64| {
        let mut stage = Stage::new();
        let deal = stage.deal(0, DAY, DAY.times(left));
        let order = stage.order("renewal", Cause::Renewal { deal });
        stage.take(&order)
    };
    assert_eq!(broken(30), []);
    assert_eq!(broken(31), [Invariant::RenewedInTime]);
}

#[test]
fn renewing_twice_is_seen() {
    let mut stage = Stage::new();
    let deal = stage.deal(0, DAY, DAY.times(20));
    let first = stage.order("first", Cause::Renewal { deal });
    assert_eq!(stage.take(&first), []);
    let second = stage.order("second", Cause::Renewal { deal });
    assert_eq!(stage.take(&second), [Invariant::OneSuccessor]);
}

#[test]
fn forgetting_what_lives_is_seen() {
    let mut stage = Stage::new();
    let deal = stage.deal(0, DAY, year());
    let change = Change { forget: vec![(stage.cid, deal)], ..Change::default() };
    stage.watch.committed(&mut stage.world, 0, &change);
    assert_eq!(stage.broken(), [Invariant::TrackedToTheEnd]);
}

#[test]
fn two_nodes_at_one_thing_are_seen() {
    let mut stage = Stage::new();
    let order = stage.order("order", Cause::Replication);
    stage.watch.submitting(&stage.world, 0, &order);
    stage.watch.died(0);
    stage.watch.submitting(&stage.world, 1, &order);
    assert_eq!(stage.broken(), []);
    stage.watch.submitting(&stage.world, 2, &order);
    assert_eq!(stage.broken(), [Invariant::OneAtATime]);
}

/// Passes and days go by, and nobody orders anything.
fn idle(stage: &mut Stage, days: i64) -> Vec<Invariant> {
    for _ in 0..days {
        stage.world.advance_to(stage.world.now + DAY);
        stage.watch.passed(&stage.world);
        stage.watch.look_around(&mut stage.world);
    }
    let mut broken = stage.broken();
    broken.dedup();
    broken
}

#[test]
fn data_that_stays_below_its_minimum_is_seen() {
    let mut stage = Stage::new();
    stage.deal(0, DAY, year());
    assert_eq!(idle(&mut stage, 3), []);
    assert_eq!(idle(&mut stage, 20), [Invariant::FilledBelowMin]);
}

#[test]
fn data_that_is_lost_although_it_could_be_saved_is_seen() {
    let lose_after = |days: i64| {
        let mut stage = Stage::new();
        let deals = [stage.deal(0, DAY, year()), stage.deal(1, DAY, year())];
        idle(&mut stage, days);
        let now = stage.world.now;
        for deal in deals {
            let active = stage.world.deals.get_mut(&deal).and_then(|deal| deal.active.as_mut());
            active.expect("it is active").terminated = Some(now);
        }
        stage.world.data[0].client_until = now;
        (idle(&mut stage, 1), stage.world.tally)
    };
    let (broken, tally) = lose_after(20);
    assert_eq!((broken, tally.losses), (vec![Invariant::NothingSavableLost], 1));
    let (broken, tally) = lose_after(2);
    assert_eq!((broken, tally.losses, tally.unavoidable_losses), (vec![], 0, 1));
}

#[test]
fn spending_beyond_need_is_seen() {
    let mut stage = Stage::new();
    let order = stage.order("order", Cause::Replication);
    stage.watch.taken(&stage.world, 0, &order, false, 4);
    assert_eq!(stage.broken(), [Invariant::MoneyBounded]);
}

#[test]
fn spending_while_it_has_stopped_is_seen() {
    let broken = |since: Option<i64>| {
        let mut stage = Stage::new();
        let order = stage.order("order", Cause::Replication);
        assert_eq!(stage.take(&order), []);
        let since = since.map(|ago| stage.world.now - EpochDelta::new(ago));
        stage.watch.stopped(&stage.world, 0, since);
        stage.broken()
    };
    assert_eq!(broken(None), []);
    // It stopped in the very pass that ordered before.
    assert_eq!(broken(Some(0)), []);
    assert_eq!(broken(Some(1)), [Invariant::SpendingStops]);
}

#[test]
fn bytes_of_something_else_are_seen() {
    let mut stage = Stage::new();
    let file = stage.world.data[0].file.clone();
    stage.watch.uploaded(&stage.world, 0, &file);
    assert_eq!(stage.broken(), []);
    stage.watch.uploaded(&stage.world, 0, b"something else");
    assert_eq!(stage.broken(), [Invariant::NothingForged]);
}

#[test]
fn data_that_stays_below_its_target_is_seen() {
    let mut stage = Stage::new();
    stage.deals(2);
    assert_eq!(idle(&mut stage, 3), []);
    assert_eq!(idle(&mut stage, 20), [Invariant::FilledToTarget]);

    let mut enough = Stage::new();
    enough.deals(3);
    assert_eq!(idle(&mut enough, 23), []);
}
