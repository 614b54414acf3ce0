//! When the chain is read: each deal after its own deadline, at the latest once a day, all of a CID
//! before money is spent on it, and never twice in a pass.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::{collections::BTreeMap, sync::Arc};

use raas_job_store::JobStore;
use raas_lotus::FakeLotusChain;
use raas_retrieval::{ImportProfile, file_blocks};
use raas_types::{
    ChainEpoch, Cid, DealId, EpochDelta, FaultSince, ListedDeal, SectorHealth, SectorStatus, Terms,
    Trust, Verdict, VerdictKind,
};
use world::*;

const EPOCH: EpochDelta = EpochDelta::new(1);

/// As far as the final tipset trails the fake's head.
const FINALITY: EpochDelta = EpochDelta::new(30);

const DEALS: [DealId; 3] = [DealId::new(100), DealId::new(101), DealId::new(102)];

/// A satisfied job of three replicas, and its endpoint.
async fn watched() -> (World, Watched, Cid) {
    let mut world = World::new();
    let watched = Watched::over(&world.chain);
    world.endpoints = vec![Arc::new(watched.clone())];
    let cid = world.store_file(b"read in its time").await;
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    (world, watched, cid)
}

/// Providers that prove their sectors, each at its own deadline, as long as they do.
struct Provers {
    /// When the deadline of each deal's sector ends next.
    ends: BTreeMap<DealId, ChainEpoch>,
    /// Those that miss theirs from now on, and what their sectors are then.
    missing: BTreeMap<DealId, Option<ChainEpoch>>,
}

impl Provers {
    /// Each deal's deadline ends so many epochs from now.
    fn new(world: &World, ends: &[(DealId, i64)]) -> Self {
        let in_epochs =
            |(deal, span): &(DealId, i64)| (*deal, world.now() + EpochDelta::new(*span));
        let mut provers =
            Self { ends: ends.iter().map(in_epochs).collect(), missing: BTreeMap::new() };
        for (deal, end) in provers.ends.clone() {
            provers.tell(world, deal, end);
        }
        provers
    }

    /// What the provider's state says of the sector until its deadline ends at `end`.
    fn tell(&mut self, world: &World, deal: DealId, end: ChainEpoch) {
        let status = match self.missing.get(&deal) {
            None => healthy(SectorHealth::Active),
            Some(first_missed) => {
                SectorStatus { first_missed: *first_missed, ..healthy(SectorHealth::Faulty) }
            }
        };
        let status = SectorStatus { next_deadline_end: Some(end), ..status };
        world.chain.set_sector(world.sector(deal), Some(status));
        self.ends.insert(deal, end);
    }

    /// Time goes on until the tipset that is pinned next is that of `pin`.
    fn until(&mut self, world: &World, pin: ChainEpoch) {
        let head = pin + FINALITY;
        while let Some((deal, end)) = self.next().filter(|(_, end)| *end <= head) {
            // What is set at an epoch shows from the next one on: at `end`, and not before.
            world.advance((end - EPOCH).since(world.now()));
            self.tell(world, deal, end + EpochDelta::PROVING_PERIOD);
        }
        world.advance(head.since(world.now()));
    }

    fn next(&self) -> Option<(DealId, ChainEpoch)> {
        self.ends.iter().map(|(deal, end)| (*deal, *end)).min_by_key(|(_, end)| *end)
    }
}

/// A pass at that very pin.
async fn pass_at(world: &mut World, provers: &mut Provers, pin: ChainEpoch) {
    provers.until(world, pin);
    assert_eq!(world.pass().await.epoch, Some(pin));
}

/// The deals of which a deadline ended after `from` and not after `to`.
fn ended(first: &BTreeMap<DealId, ChainEpoch>, from: ChainEpoch, to: ChainEpoch) -> Vec<DealId> {
    let periods = |at: ChainEpoch, end: ChainEpoch| {
        at.since(end).get().div_euclid(EpochDelta::PROVING_PERIOD.get())
    };
    let ended = |(_, end): &(&DealId, &ChainEpoch)| periods(to, **end) > periods(from, **end);
    first.iter().filter(ended).map(|(deal, _)| *deal).collect()
}

#[tokio::test]
async fn each_deal_is_read_once_a_day_after_its_own_deadline() {
    let (mut world, watched, cid) = watched().await;
    let spans = [(DEALS[0], 100), (DEALS[1], 1_000), (DEALS[2], 2_879)];
    let mut provers = Provers::new(&world, &spans);
    let first = provers.ends.clone();
    // A day in which the node learns the deadlines.
    let mut pin = world.pinned() + EpochDelta::DAY;
    pass_at(&mut world, &mut provers, pin).await;
    watched.take();
    let mut reads = 0;
    // Passes every 7 epochs, for five days.
    for _ in 0..5 * 2_880 / 7 {
        let next = pin + EpochDelta::new(7);
        pass_at(&mut world, &mut provers, next).await;
        let read = watched.take();
        let expected: Vec<_> = ended(&first, pin, next).into_iter().map(|d| (d, next)).collect();
        assert_eq!(read, expected, "after {pin}");
        reads += read.len();
        pin = next;
    }
    assert_eq!(reads, 5 * 3, "each deal once a day");
    assert!(world.verdicts(&cid).await.values().all(|verdict| *verdict == VerdictKind::Active));
    assert_eq!(world.submits(), 3);
}

#[tokio::test]
async fn without_a_known_deadline_each_deal_is_read_once_a_day() {
    let (mut world, watched, _) = watched().await;
    world.step(EpochDelta::DAY).await;
    watched.take();
    for _ in 0..3 * 48 {
        world.step(SOON).await;
    }
    let mut reads = BTreeMap::<DealId, Vec<ChainEpoch>>::new();
    for (deal, at) in watched.take() {
        reads.entry(deal).or_default().push(at);
    }
    assert_eq!(reads.keys().copied().collect::<Vec<_>>(), DEALS);
    for (deal, at) in reads {
        assert_eq!(at.len(), 3, "deal {deal}");
        let apart = at.windows(2).all(|pair| pair[1].since(pair[0]) == EpochDelta::DAY);
        assert!(apart, "deal {deal} is read at {at:?}");
    }
}

/// Looks at a CID once an hour for a day, whether or not it is due; how often its deals are read.
async fn reads_of_a_day_of_looks(world: &mut World, watched: &Watched, cid: Cid) -> usize {
    world.step(EpochDelta::DAY).await;
    watched.take();
    let jobs = world.inner_store.jobs_of(&cid).await.unwrap();
    for _ in 0..24 {
        for job in &jobs {
            world.inner_store.wake(&job.value.job.id).await.unwrap();
        }
        assert_eq!(world.step(EpochDelta::HOUR).await.cids, 1);
    }
    watched.take().len()
}

#[tokio::test]
async fn whoever_wakes_a_cid_has_no_proven_deal_read_before_its_time() {
    let (mut world, watched, cid) = watched().await;
    assert_eq!(reads_of_a_day_of_looks(&mut world, &watched, cid).await, 3);
}

#[tokio::test]
async fn a_deadline_in_the_past_makes_nobody_read_without_end() {
    let (mut world, watched, cid) = watched().await;
    for deal in DEALS {
        let long_ago = Some(world.now() - EpochDelta::DAY);
        let status = SectorStatus { next_deadline_end: long_ago, ..healthy(SectorHealth::Active) };
        world.chain.set_sector(world.sector(deal), Some(status));
    }
    assert_eq!(reads_of_a_day_of_looks(&mut world, &watched, cid).await, 3);
}

#[tokio::test]
async fn a_fault_is_a_verdict_in_the_first_pass_that_is_pinned_past_the_deadline() {
    for every in [1, 7, 60, 500] {
        let (mut world, _, cid) = watched().await;
        let mut provers = Provers::new(&world, &DEALS.map(|deal| (deal, 2_500)));
        let warm = world.pinned() + EpochDelta::new(1_000);
        pass_at(&mut world, &mut provers, warm).await;
        let end = provers.ends[&LOST];
        provers.missing.insert(LOST, Some(end - EPOCH));
        // Aligned such that one pass is pinned to the last tipset before the end.
        let mut pin = end - EPOCH - EpochDelta::new(every * (600 / every));
        while pin < end {
            pass_at(&mut world, &mut provers, pin).await;
            assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active, "before {end}");
            pin = pin + EpochDelta::new(every);
        }
        pass_at(&mut world, &mut provers, pin).await;
        let (verdict, evidence) = world.last(&cid, LOST).await;
        assert_eq!(verdict.kind(), VerdictKind::Faulty, "a pass every {every} epochs");
        assert_eq!(evidence.epoch, pin);
        let Verdict::Faulty { since, .. } = verdict else { unreachable!() };
        assert_eq!(since, FaultSince::Exact(end - EPOCH));
    }
}

/// A thousand CIDs on the contract's word, all in that many deals of one sector.
async fn a_thousand_jobs_in_one_sector(deals: u64) -> (World, FakeLotusChain) {
    let mut world = World::new();
    let second = world.another("second");
    world.records = false;
    world.restart();
    let shared = world.strangers_deal(0, 2000);
    let template = world.deal(shared.deal);
    let ids: Vec<_> = (0..deals).map(|n| DealId::new(STRANGERS + n)).collect();
    for id in &ids {
        world.set_deal(*id, template.clone());
    }
    for n in 0..1_000_u64 {
        let (cid, _) = file_blocks(&n.to_be_bytes(), &ImportProfile::default());
        let deal = ids[usize::try_from(n % deals).unwrap()];
        world.contract.list(cid, ListedDeal { deal, ..shared });
        world.register(cid, Terms { trust: Trust::Contract, ..terms(1) }).await;
    }
    (world, second)
}

#[tokio::test]
async fn a_sector_that_a_thousand_jobs_share_is_read_once_a_pass() {
    for deals in [1, 100] {
        let (mut world, second) = a_thousand_jobs_in_one_sector(deals).await;
        for batch in [4_096, 7] {
            world.settings.batch = batch;
            world.restart();
            world.advance(EpochDelta::DAY);
            let before = world.chain.calls();
            let report = world.pass().await;
            let after = world.chain.calls();
            assert_eq!((report.jobs, report.cids), (1_000, 1_000));
            assert_eq!((report.deals, report.sectors), (deals, 1));
            assert_eq!(after.deals_read - before.deals_read, deals);
            assert_eq!(after.sectors_read - before.sectors_read, 1, "in batches of {batch}");
        }
        assert!(second.calls().deals_read <= deals, "when it is first seen, if at all");
        assert_eq!(world.submits(), 0);
    }
}

#[tokio::test]
async fn a_loss_that_a_thousand_jobs_share_is_read_once_a_pass_from_each_endpoint() {
    let (mut world, second) = a_thousand_jobs_in_one_sector(1).await;
    world.advance(EpochDelta::DAY);
    world.pass().await;
    world.terminate(DealId::new(STRANGERS));
    let of_the_second = second.calls().deals_read;
    for look in 0..2 {
        world.advance(EpochDelta::DAY);
        let before = world.chain.calls();
        assert_eq!(world.pass().await.jobs, 1_000);
        assert_eq!(world.chain.calls().deals_read - before.deals_read, 1);
        let witnessed = second.calls().deals_read - of_the_second;
        assert_eq!(witnessed, look, "once it is to be spent upon");
    }
}

#[tokio::test]
async fn before_an_order_all_of_the_cid_is_read_at_that_very_pin_and_after_it_no_more_than_needed()
{
    let mut world = World::new();
    let second = world.another("second");
    let (first, second) = (Watched::over(&world.chain), Watched::over(&second));
    world.endpoints = vec![Arc::new(first.clone()), Arc::new(second.clone())];
    let cid = world.store_file(b"read in its time").await;
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    world.terminate(LOST);
    world.step(EpochDelta::DAY).await;
    first.take();
    second.take();

    world.step(SOON).await;
    assert_eq!(world.submits(), 4);
    let pin = world.pinned();
    let all = DEALS.map(|deal| (deal, pin));
    assert_eq!((first.take(), second.take()), (all.to_vec(), all.to_vec()));
    let orders = world.orders(&cid).await;
    assert_eq!(orders.last().unwrap().created, pin);

    // The order is outstanding: the CID is looked at, and there is nothing to read of it.
    for _ in 0..3 {
        world.advance(SOON);
        assert_eq!(world.pass().await.cids, 1);
    }
    assert_eq!((first.take(), second.take()), (vec![], vec![]));
}
