//! The world without sockets: what happens when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod declarations;
mod past;

use raas_types::{Cid, DealId, PaddedSize, PieceInfo, ProviderId, SectorNumber};

use super::{
    deadline::{FAULT_MAX_AGE, PERIOD},
    view::SectorState,
    *,
};

const PIECE: &str = "baga6ea4seaqes3nobte6ezpp4wqan2age2s5yxcatzotcvobhgcmv5wi2xh5mbi";
const PROVIDER: ProviderId = ProviderId::new(1_001);

fn world(null_every: u64) -> World {
    let clock = Clock {
        seed: 3,
        null_every,
        genesis_timestamp: 0,
        start_epoch: 6_300_000,
        forks: Forks::default(),
    };
    World::new(WorldConfig {
        clock,
        network_name: "devnet".to_owned(),
        network_version: 28,
        chain_id: 31_415_926,
        providers: 3,
        sealing_epochs: 60,
        finality_lag: 30,
        partition_size: 2,
        first_deal: 500,
        period_start: None,
    })
}

fn spec() -> DealSpec {
    let piece = PieceInfo { cid: PIECE.parse().unwrap(), size: PaddedSize::new(2_048).unwrap() };
    let label = "bafk".to_owned();
    DealSpec { piece, provider: PROVIDER, label, duration: 518_400, payload: Vec::new() }
}

/// A world with one active, proven deal, and its sector.
fn with_active_deal(null_every: u64) -> (World, DealId, Sector) {
    let mut world = world(null_every);
    let ticket = world.schedule_deal(0, spec());
    world.advance(2 * PERIOD);
    let id = world.deal_of(ticket).unwrap();
    let sector = world.miner(PROVIDER).unwrap().sectors().next().unwrap().clone();
    assert!(sector.now().is_active());
    (world, id, sector)
}

fn advance_to(world: &mut World, epoch: i64) {
    assert!(epoch >= world.now(), "{epoch} is over");
    world.advance(epoch - world.now());
}

fn next_window(world: &World, sector: &Sector) -> deadline::Window {
    let schedule = world.miner(PROVIDER).unwrap().schedule;
    let window = schedule.next_not_elapsed(sector.deadline, world.now());
    // One that lies wholly ahead, with time to declare something for it.
    if window.fault_cutoff() > world.now() {
        window
    } else {
        schedule.next_not_elapsed(sector.deadline, window.close)
    }
}

fn condition(world: &World, sector: &Sector) -> Condition {
    world.miner(PROVIDER).unwrap().sector(sector.number).unwrap().now()
}

#[test]
fn ids_are_handed_out_at_publication_and_in_its_order() {
    let mut world = world(0);
    let late = world.schedule_deal(6_300_200, spec());
    let early = world.schedule_deal(6_300_100, spec());
    world.advance(99);
    assert_eq!((world.deal_of(early), world.deal_of(late)), (None, None));
    world.advance(1);
    assert_eq!(world.deal_of(early), Some(DealId::new(500)));
    world.advance(100);
    assert_eq!(world.deal_of(late), Some(DealId::new(501)));
    assert_eq!(world.next_deal_id_after(6_300_100), DealId::new(501));
    assert_eq!(world.next_deal_id_after(6_300_099), DealId::new(500));
    assert_eq!(world.deal_at(DealId::new(502), i64::MAX), MarketDeal::Never);
    assert_eq!(world.deal_at(DealId::new(1), i64::MAX), MarketDeal::Never);
}

#[test]
fn a_deal_for_the_past_is_published_in_the_next_tipset() {
    let mut world = world(0);
    let ticket = world.schedule_deal(5, spec());
    assert_eq!(world.deal_of(ticket), None);
    world.advance(1);
    assert!(world.deal_of(ticket).is_some());
}

#[test]
fn messages_never_execute_in_null_rounds() {
    let mut world = world(2);
    let at = 6_300_001..6_300_301;
    let tickets: Vec<_> = at.map(|epoch| world.schedule_deal(epoch, spec())).collect();
    world.advance(5_000);
    for ticket in tickets {
        let id = world.deal_of(ticket).unwrap();
        let deal = &world.deals()[usize::try_from(id.get() - 500).unwrap()];
        assert!(!world.clock().is_null(deal.published));
        assert!(!world.clock().is_null(deal.activation.unwrap().0));
    }
}

#[test]
fn a_missed_proof_shows_at_the_last_epoch_of_the_deadline_and_not_before() {
    let (mut world, _, sector) = with_active_deal(0);
    let window = next_window(&world, &sector);
    world.fault(PROVIDER).unwrap();
    advance_to(&mut world, window.last() - 1);
    assert!(condition(&world, &sector).is_active());
    world.advance(1);
    assert_eq!(condition(&world, &sector).fault, Some(window.last()));

    let status = |at| world.sector_status_after(PROVIDER, sector.number, at).unwrap().state;
    assert_eq!(status(window.last() - 1), SectorState::Active);
    assert_eq!(status(window.last()), SectorState::Faulty);
    let expiry = world.miner(PROVIDER).unwrap().expiry_after(sector.number, window.last());
    assert_eq!(expiry, Some(Expiry::Early(window.last() + FAULT_MAX_AGE)));
}

#[test]
fn a_provider_that_fails_after_its_proof_of_the_day_misses_the_next_one() {
    let (mut world, _, sector) = with_active_deal(0);
    let window = next_window(&world, &sector);
    advance_to(&mut world, window.post());
    world.fault(PROVIDER).unwrap();
    advance_to(&mut world, window.last() + PERIOD - 1);
    assert!(condition(&world, &sector).is_active());
    world.advance(1);
    assert_eq!(condition(&world, &sector).fault, Some(window.last() + PERIOD));
}

#[test]
fn a_provider_that_fails_between_its_deadlines_only_is_never_faulty() {
    let (mut world, _, sector) = with_active_deal(0);
    let window = next_window(&world, &sector);
    advance_to(&mut world, window.close);
    world.fault(PROVIDER).unwrap();
    world.advance(1_000);
    world.recover(PROVIDER).unwrap();
    world.advance(2 * PERIOD);
    assert!(condition(&world, &sector).is_active());
}

#[test]
fn a_recovery_counts_when_it_is_declared_before_the_cutoff() {
    for (before_cutoff, recovers_after) in [(1, 0), (0, PERIOD)] {
        let (mut world, _, sector) = with_active_deal(0);
        let missed = next_window(&world, &sector);
        world.fault(PROVIDER).unwrap();
        advance_to(&mut world, missed.close);
        let window = next_window(&world, &sector);
        advance_to(&mut world, window.fault_cutoff() - before_cutoff);
        world.recover(PROVIDER).unwrap();
        advance_to(&mut world, window.post() + recovers_after - 1);
        let still = condition(&world, &sector);
        assert_eq!(still.fault, Some(missed.last()), "the fault keeps its age");
        assert!(still.recovering);
        world.advance(1);
        assert!(condition(&world, &sector).is_active());
        let expiry = world.miner(PROVIDER).unwrap().expiry_after(sector.number, world.now());
        assert!(matches!(expiry, Some(Expiry::OnTime(_))));
    }
}

#[test]
fn a_failed_recovery_keeps_the_age_of_the_fault() {
    let (mut world, _, sector) = with_active_deal(0);
    let missed = next_window(&world, &sector);
    world.fault(PROVIDER).unwrap();
    advance_to(&mut world, missed.close);
    world.recover(PROVIDER).unwrap();
    assert!(condition(&world, &sector).recovering);
    world.fault(PROVIDER).unwrap();
    world.advance(PERIOD);
    let after = condition(&world, &sector);
    assert_eq!((after.fault, after.recovering), (Some(missed.last()), false));
}

#[test]
fn after_forty_two_days_a_faulty_sector_is_terminated_with_its_deal() {
    let (mut world, id, sector) = with_active_deal(0);
    let window = next_window(&world, &sector);
    world.fault(PROVIDER).unwrap();
    let end = window.last() + FAULT_MAX_AGE;
    advance_to(&mut world, end - 1);
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)));
    assert!(world.provider_holds(PROVIDER, &sector.piece));
    world.advance(1);
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
    assert!(matches!(world.deal_at(id, end - 1), MarketDeal::Found(_)), "the past stays");
    assert!(!world.provider_holds(PROVIDER, &sector.piece));
    let status = world.sector_status_after(PROVIDER, sector.number, end).unwrap();
    assert_eq!(status.state, SectorState::Dead);
    assert!(status.location.is_some(), "its partition still lists it");
    assert_eq!(world.ground_truth()[0].state, DealState::Terminated);
}

#[test]
fn a_terminated_sector_takes_its_deal_along_unless_the_deal_has_ended() {
    let (mut world, id, _) = with_active_deal(0);
    world.terminate(PROVIDER).unwrap();
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
    assert!(matches!(world.deal_at(id, world.now() - 1), MarketDeal::Found(_)));

    let (mut world, id, _) = with_active_deal(0);
    let end = world.deals()[0].end;
    advance_to(&mut world, end);
    world.terminate(PROVIDER).unwrap();
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)));
    assert_eq!(world.ground_truth()[0].state, DealState::Ended);
}

#[test]
fn a_sector_expires_at_the_deadline_after_its_expiration() {
    let (mut world, id, sector) = with_active_deal(0);
    let expiry = world.miner(PROVIDER).unwrap().expiry_after(sector.number, world.now());
    let Some(Expiry::OnTime(at)) = expiry else { panic!("{expiry:?}") };
    assert!((sector.expiration..sector.expiration + PERIOD).contains(&at));
    advance_to(&mut world, at - 1);
    assert!(condition(&world, &sector).is_active());
    world.advance(1);
    assert!(condition(&world, &sector).terminated);
    assert!(matches!(world.deal_at(id, at), MarketDeal::Found(_)), "nobody settled it");
}

#[test]
fn a_deal_of_a_faulted_provider_waits_and_may_miss_its_start() {
    let mut world = world(0);
    world.fault(PROVIDER).unwrap();
    let waits = world.schedule_deal(0, spec());
    world.advance(100);
    let id = world.deal_of(waits).unwrap();
    assert!(world.deals()[0].activation.is_none());
    world.recover(PROVIDER).unwrap();
    world.advance(1);
    assert!(matches!(
        world.deal_at(id, world.now()),
        MarketDeal::Found(ChainDeal { activation: Some(_), .. })
    ));

    world.fault(PROVIDER).unwrap();
    let misses = world.schedule_deal(0, spec());
    world.advance(1_000);
    world.recover(PROVIDER).unwrap();
    world.advance(1);
    let missed = world.deal_of(misses).unwrap();
    assert_eq!(world.ground_truth()[1].state, DealState::StartMissed);
    let start = world.deals()[1].start;
    advance_to(&mut world, start + 30 * PERIOD);
    assert_eq!(world.deal_at(missed, world.now()), MarketDeal::Gone);
    assert!(matches!(world.deal_at(missed, start + 1), MarketDeal::Found(_)), "it lingered");
    assert_eq!(world.ground_truth()[1].state, DealState::StartMissed);
}

#[test]
fn settling_completes_an_ended_deal_and_only_touches_a_running_one() {
    let (mut world, id, _) = with_active_deal(0);
    assert!(world.settle(id));
    let MarketDeal::Found(deal) = world.deal_at(id, world.now()) else { panic!("gone") };
    assert_eq!(deal.activation.unwrap().last_updated, world.now());
    advance_to(&mut world, deal.end - 1);
    assert!(world.settle(id));
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)));
    world.advance(100_000);
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)), "it lingers");
    assert!(world.settle(id));
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
    assert!(!world.settle(id));
}

#[test]
fn a_partition_holds_so_many_sectors_and_the_next_one_is_opened() {
    let mut world = world(0);
    for _ in 0..300 {
        world.schedule_deal(0, spec());
    }
    world.advance(PERIOD);
    let miner = world.miner(PROVIDER).unwrap();
    let deadlines = (0..48).map(|deadline| miner.partitions_after(deadline, world.now()));
    let partitions: Vec<_> = deadlines.flatten().collect();
    assert!(partitions.iter().all(|partition| partition.len() <= 2));
    assert_eq!(partitions.iter().map(Vec::len).sum::<usize>(), 300);
    for sector in miner.sectors() {
        let listed = miner.partitions_after(sector.deadline, world.now());
        let partition =
            &listed[usize::try_from(sector.partition_after(world.now()).unwrap()).unwrap()];
        assert!(partition.iter().any(|(number, _)| *number == sector.number));
    }
    assert!(miner.partitions_after(0, 6_300_000).is_empty(), "none at the start");
}

#[test]
fn no_new_sector_is_faulty_while_its_provider_proves() {
    // Deals at every epoch of a day, so that every distance to every deadline occurs.
    let mut world = world(20);
    for epoch in 0..PERIOD {
        world.schedule_deal(6_300_000 + epoch, spec());
    }
    world.advance(4 * PERIOD);
    let miner = world.miner(PROVIDER).unwrap();
    assert_eq!(miner.sectors().count(), 2_880);
    for sector in miner.sectors() {
        assert!(sector.now().is_active(), "{sector:?}");
        let first = sector.after(sector.activation).unwrap();
        assert!(first.unproven && first.fault.is_none());
    }
}

#[test]
fn the_same_seed_and_requests_give_the_same_history() {
    let history = || {
        let mut world = world(20);
        for at in 0..20 {
            world.schedule_deal(6_300_000 + at * 97, spec());
        }
        world.advance(4_000);
        world.fault(PROVIDER).unwrap();
        world.advance(PERIOD);
        (world.ground_truth(), world.clock().key(world.head_epoch()))
    };
    assert_eq!(history(), history());
}

#[test]
fn it_does_not_matter_in_how_many_steps_time_passes() {
    let run = |step: i64| {
        let mut world = world(20);
        for at in 0..20 {
            world.schedule_deal(6_300_000 + at * 97, spec());
        }
        while world.now() < 6_309_000 {
            if world.now() == 6_304_500 {
                world.fault(PROVIDER).unwrap();
            }
            world.advance(step);
        }
        world.ground_truth()
    };
    assert_eq!(run(1), run(4_500));
}

#[test]
fn a_year_with_faults_and_recoveries_passes() {
    let (mut world, id, _) = with_active_deal(20);
    for _ in 0..200 {
        world.schedule_deal(0, spec());
    }
    world.advance(10_000);
    world.fault(PROVIDER).unwrap();
    world.advance(30 * PERIOD);
    world.recover(PROVIDER).unwrap();
    world.advance(1_051_897);
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)));
    assert!(world.ground_truth().iter().all(|deal| deal.state == DealState::Ended));
}

#[test]
fn old_blocks_are_found_by_hash_and_newer_ones_are_hidden_from_a_late_view() {
    let mut world = world(20);
    world.advance(5_000);
    let head = world.head_epoch();
    for epoch in [head, world.parent_epoch(head), 6_304_000] {
        let epoch = world.clock().at_or_before(epoch);
        assert_eq!(world.epoch_of_block_hash(world.clock().block_hash(epoch)), Some(epoch));
    }
    // Beyond a day only hashes that were given out are known.
    let old = world.clock().at_or_before(6_300_500);
    assert_eq!(world.epoch_of_block_hash(world.clock().block_hash(old)), None);
    let told = world.block_hash(old);
    assert_eq!(world.epoch_of_block_hash(told), Some(old));
    let late = world.view_behind(2_880);
    assert_eq!(late.epoch_of_block_hash(world.block_hash(head)), None);
    assert_eq!(late.epoch_of_key(&world.clock().key(head)), None);
    assert!(late.head_epoch() <= head - 2_880);
}

#[test]
fn transactions_execute_in_the_next_tipset_that_is_not_null() {
    use std::sync::{Arc, Mutex};

    /// One transaction waits whenever the number is odd.
    struct Log(Arc<Mutex<Vec<(i64, i64)>>>);

    impl Evm for Log {
        fn has_pending(&self) -> bool {
            self.0.lock().unwrap().len() < 3
        }
        fn on_tipset(&mut self, epoch: i64, chain: &dyn ChainView) {
            self.0.lock().unwrap().push((epoch, chain.head_epoch()));
        }
        fn roll_back(&mut self, _: i64) {}
        fn call(
            &mut self,
            _: &str,
            _: &[serde_json::Value],
            _: &dyn ChainView,
        ) -> Option<Result<serde_json::Value, crate::rpc::error::RpcError>> {
            None
        }
    }

    let mut world = world(3);
    let log = Arc::<Mutex<Vec<(i64, i64)>>>::default();
    world.set_evm(Box::new(Log(log.clone())));
    world.advance(1_000);
    let mut expected = Vec::new();
    let mut epoch = 6_300_000;
    for _ in 0..3 {
        epoch = world.clock().at_or_after(epoch + 1);
        expected.push((epoch, epoch));
    }
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn an_unknown_provider_is_an_error() {
    let stranger = ProviderId::new(1);
    let mut world = world(0);
    assert_eq!(world.fault(stranger), Err(UnknownProvider(stranger)));
    assert_eq!(world.recover(stranger), Err(UnknownProvider(stranger)));
    assert_eq!(world.terminate(stranger), Err(UnknownProvider(stranger)));
    assert!(!world.provider_holds(stranger, &PIECE.parse::<Cid>().unwrap()));
}
