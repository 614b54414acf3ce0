//! Messages about single sectors, and worlds that are built exactly.

use super::*;

/// Three proven sectors of one provider in deadline 42, whose periods start at 6 300 000.
fn three_in_one_deadline() -> (World, Vec<SectorNumber>) {
    let config = WorldConfig { period_start: Some(6_300_000), ..world(0).config().clone() };
    let mut world = World::new(config);
    for _ in 0..3 {
        let now = world.now();
        let planting =
            Planting { spec: spec(), start: now + 10, activate: Some(now), deadline: Some(42) };
        world.plant(planting).unwrap();
    }
    world.advance(PERIOD + 100);
    let miner = world.miner(PROVIDER).unwrap();
    let numbers: Vec<_> = miner.sectors().map(|sector| sector.number).collect();
    assert!(miner.sectors().all(|sector| sector.now().is_active() && sector.deadline == 42));
    (world, numbers)
}

fn now_of(world: &World, number: SectorNumber) -> Condition {
    world.miner(PROVIDER).unwrap().sector(number).unwrap().now()
}

fn partition(world: &World, number: SectorNumber, at: i64) -> Option<u64> {
    world.miner(PROVIDER).unwrap().location_after(number, at).location.map(|(_, p)| p)
}

fn why<T: std::fmt::Debug>(refused: Result<T, Refused>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn a_declared_fault_counts_from_a_deadline_in_the_future() {
    let (mut world, numbers) = three_in_one_deadline();
    let next = world.miner(PROVIDER).unwrap().schedule.next_not_elapsed(42, world.now());
    world.declare_fault(PROVIDER, numbers[0]).unwrap();
    let fault = now_of(&world, numbers[0]).fault;
    assert_eq!(fault, Some(next.last()));
    assert!(next.last() > world.now());
    assert!(now_of(&world, numbers[1]).is_active());
    advance_to(&mut world, next.close + PERIOD);
    assert_eq!(now_of(&world, numbers[0]).fault, fault, "proofs of the others do not cure it");

    world.declare_recovery(PROVIDER, numbers[0]).unwrap();
    assert_eq!(
        (now_of(&world, numbers[0]).fault, now_of(&world, numbers[0]).recovering),
        (fault, true)
    );
    let next = world.miner(PROVIDER).unwrap().schedule.next_not_elapsed(42, world.now());
    advance_to(&mut world, next.post());
    assert!(now_of(&world, numbers[0]).is_active());
}

#[test]
fn a_declared_fault_that_stays_ends_the_sector_at_its_age() {
    let (mut world, numbers) = three_in_one_deadline();
    world.declare_fault(PROVIDER, numbers[0]).unwrap();
    let end = now_of(&world, numbers[0]).fault.unwrap() + FAULT_MAX_AGE;
    advance_to(&mut world, end - 1);
    assert!(!now_of(&world, numbers[0]).terminated);
    world.advance(1);
    assert!(now_of(&world, numbers[0]).terminated);
    assert!(now_of(&world, numbers[1]).is_active());
    assert_eq!(world.deal_at(DealId::new(500), world.now()), MarketDeal::Gone);
}

#[test]
fn declarations_come_before_the_cutoff_or_not_at_all() {
    let (mut world, numbers) = three_in_one_deadline();
    let window = world.miner(PROVIDER).unwrap().schedule.next_not_elapsed(42, world.now());
    advance_to(&mut world, window.fault_cutoff() - 1);
    world.declare_fault(PROVIDER, numbers[0]).unwrap();
    world.advance(1);
    let late = why(world.declare_fault(PROVIDER, numbers[1]));
    assert!(late.contains(&format!("from epoch {}", window.close)), "{late}");
    assert!(why(world.declare_recovery(PROVIDER, numbers[0])).contains("cutoff"));
    advance_to(&mut world, window.close);
    assert!(why(world.declare_recovery(PROVIDER, numbers[1])).contains("not faulty"));
    let stranger = SectorNumber::new(9_999);
    assert!(why(world.declare_fault(PROVIDER, stranger)).contains("no sector 9999"));
    let nobody = ProviderId::new(7);
    assert_eq!(
        world.declare_fault(nobody, stranger),
        Err(Refused::Unknown(UnknownProvider(nobody)))
    );
}

#[test]
fn a_lost_dispute_makes_faulty_what_was_proven_since_before_it_was_seen_active() {
    let (mut world, numbers) = three_in_one_deadline();
    let schedule = world.miner(PROVIDER).unwrap().schedule;
    let window = schedule.next_not_elapsed(42, world.now());
    advance_to(&mut world, window.close + 1_799);
    let seen = now_of(&world, numbers[0]);
    assert!(seen.is_active());
    world.lose_dispute(PROVIDER, numbers[0]).unwrap();
    // Two sectors are in a partition, and the third is in another.
    let faults: Vec<_> = numbers.iter().map(|number| now_of(&world, *number).fault).collect();
    assert_eq!(faults, [Some(window.last()), Some(window.last()), None]);
    let miner = world.miner(PROVIDER).unwrap();
    let then = miner.sector(numbers[0]).unwrap().after(world.now() - 1);
    assert_eq!(then, Some(seen), "the past stays");
    let left = miner.expiry_after(numbers[0], world.now());
    assert_eq!(left, Some(Expiry::Early(window.last() + FAULT_MAX_AGE)));

    // It is a fault like any other: it stays until its recovery is declared and proven.
    advance_to(&mut world, window.close + PERIOD);
    assert_eq!(now_of(&world, numbers[0]).fault, Some(window.last()));
    world.declare_recovery(PROVIDER, numbers[0]).unwrap();
    advance_to(&mut world, window.close + 2 * PERIOD);
    assert!(now_of(&world, numbers[0]).is_active());
    assert_eq!(now_of(&world, numbers[1]).fault, Some(window.last()));
}

#[test]
fn a_dispute_comes_in_time_and_about_what_was_proven_or_not_at_all() {
    let (mut world, numbers) = three_in_one_deadline();
    let schedule = world.miner(PROVIDER).unwrap().schedule;
    let window = schedule.next_not_elapsed(42, world.now());
    advance_to(&mut world, window.open);
    let early = why(world.lose_dispute(PROVIDER, numbers[0]));
    assert!(early.contains(&format!("from epoch {} on", window.close)), "{early}");
    advance_to(&mut world, window.close);
    world.lose_dispute(PROVIDER, numbers[0]).unwrap();
    let again = why(world.lose_dispute(PROVIDER, numbers[0]));
    assert!(again.contains("nothing to dispute"), "{again}");
    // Made after that deadline.
    let now = world.now();
    let planting =
        Planting { spec: spec(), start: now + 10, activate: Some(now), deadline: Some(42) };
    world.plant(planting).unwrap();
    let new = world.miner(PROVIDER).unwrap().sectors().last().unwrap().number;
    assert!(why(world.lose_dispute(PROVIDER, new)).contains("was not proven"));
    advance_to(&mut world, window.close + 1_800);
    let late = why(world.lose_dispute(PROVIDER, numbers[2]));
    assert!(late.contains(&format!("from epoch {} on", window.close + PERIOD)), "{late}");
    assert!(now_of(&world, numbers[2]).is_active());
    let stranger = SectorNumber::new(9_999);
    assert!(why(world.lose_dispute(PROVIDER, stranger)).contains("no sector 9999"));
}

#[test]
fn one_sector_is_terminated_with_or_without_its_deal() {
    let (mut world, numbers) = three_in_one_deadline();
    world.terminate_sector(PROVIDER, numbers[0], false).unwrap();
    world.terminate_sector(PROVIDER, numbers[1], true).unwrap();
    assert!(why(world.terminate_sector(PROVIDER, numbers[0], false)).contains("is terminated"));
    let now = world.now();
    assert_eq!(world.deal_at(DealId::new(500), now), MarketDeal::Gone);
    assert!(matches!(world.deal_at(DealId::new(501), now), MarketDeal::Found(_)), "swallowed");
    let states: Vec<_> = world.ground_truth().into_iter().map(|deal| deal.state).collect();
    assert_eq!(states, [DealState::Terminated, DealState::Terminated, DealState::Active]);
    let dead = world.sector_status_after(PROVIDER, numbers[1], now).unwrap();
    assert_eq!(dead.state, SectorState::Dead);
}

#[test]
fn compaction_moves_live_sectors_and_forgets_dead_ones_from_then_on() {
    let (mut world, numbers) = three_in_one_deadline();
    let before = world.now();
    assert_eq!(
        numbers.iter().map(|n| partition(&world, *n, before)).collect::<Vec<_>>(),
        [Some(0), Some(0), Some(1)]
    );
    world.terminate_sector(PROVIDER, numbers[0], false).unwrap();
    world.advance(1);
    world.compact(PROVIDER, 42).unwrap();
    let now = world.now();
    assert_eq!(
        numbers.iter().map(|n| partition(&world, *n, now)).collect::<Vec<_>>(),
        [None, Some(0), Some(0)]
    );
    let miner = world.miner(PROVIDER).unwrap();
    let listed =
        |at| -> Vec<usize> { miner.partitions_after(42, at).iter().map(Vec::len).collect() };
    assert_eq!((listed(before), listed(now)), (vec![2, 1], vec![2]));
    assert_eq!(partition(&world, numbers[2], before), Some(1), "the past stays");

    // A new sector comes after the others.
    let planting =
        Planting { spec: spec(), start: now + 10, activate: Some(now), deadline: Some(42) };
    world.plant(planting).unwrap();
    let new = world.miner(PROVIDER).unwrap().sectors().last().unwrap().number;
    assert_eq!(partition(&world, new, now), Some(1));
    world.advance(2 * PERIOD);
    assert!(now_of(&world, numbers[2]).is_active() && now_of(&world, new).is_active());
}

#[test]
fn compaction_is_refused_where_the_actor_refuses_it() {
    let (mut world, numbers) = three_in_one_deadline();
    assert!(why(world.compact(PROVIDER, 48)).contains("0 to 47"));
    let window = world.miner(PROVIDER).unwrap().schedule.next_not_elapsed(42, world.now());
    world.declare_fault(PROVIDER, numbers[1]).unwrap();
    assert!(why(world.compact(PROVIDER, 42)).contains(&format!("sector {} is faulty", numbers[1])));
    advance_to(&mut world, window.open - 60);
    assert!(why(world.compact(PROVIDER, 42)).contains(&format!("from epoch {}", window.close)));
}

#[test]
fn a_deal_is_planted_as_it_is_written() {
    let mut world = world(0);
    world.advance(5);
    let now = world.now();
    let planting =
        Planting { spec: spec(), start: now + 100, activate: Some(now + 7), deadline: Some(3) };
    let id = world.plant(planting.clone()).unwrap();
    let truth = &world.ground_truth()[0];
    assert_eq!(
        (truth.id, truth.published, truth.start, truth.end),
        (id, now, now + 100, now + 100 + 518_400)
    );
    world.advance(6);
    assert_eq!(world.ground_truth()[0].activated, None);
    world.advance(1);
    assert_eq!(world.ground_truth()[0].activated, Some(now + 7));
    assert_eq!(world.miner(PROVIDER).unwrap().sectors().next().unwrap().deadline, 3);
    let late = Planting { start: now, ..planting };
    assert!(why(world.plant(late)).contains(&format!("from {} on", world.now())));
    assert_eq!(world.deals().len(), 1, "a message that fails leaves no trace");
}
