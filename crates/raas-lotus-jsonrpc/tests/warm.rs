//! What is remembered from one tipset to the next, what that saves, and that it never makes a reading
//! wrong. What is kept of one tipset: see `same_tipset.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_types::{ChainEpoch, SectorHealth, SectorReading};
use support::{
    Server, sector, tipset,
    world::{EXPIRATION, PARTITIONS, PLACE, SCHEDULE, Sector, World, elements, health, read},
};

#[tokio::test]
async fn a_warm_reading_asks_for_groups_and_faults_alone() {
    // 4 providers, 480 sectors each, in 48 deadlines: 192 groups.
    let world = World::with(1000..1004, 480);
    for number in [7, 8, 9] {
        world.change(sector(1001, number), |s| s.health = SectorHealth::Faulty);
    }
    let server = world.serve().await;
    let lotus = server.lotus();
    let ids = world.ids();
    // What finds out how to read; nothing of it is there to be found.
    read(&lotus, &[sector(1, 1)], &tipset(0)).await;

    let (cold_readings, cold) = read(&lotus, &ids, &tipset(0)).await;
    assert!(cold_readings.iter().all(|reading| health(reading).is_some()));
    let (groups, providers, faulty) = (192, 4, 3);
    assert_eq!(elements(&cold, PLACE), 1_920);
    assert_eq!(elements(&cold, PARTITIONS), groups);
    assert_eq!(elements(&cold, SCHEDULE), providers);
    assert_eq!(elements(&cold, EXPIRATION), faulty);
    assert_eq!(cold.elements(), 1_920 + groups + providers + faulty, "and no more");

    let (warm_readings, warm) = read(&lotus, &ids, &tipset(1)).await;
    assert_eq!(warm_readings, cold_readings);
    assert_eq!(warm.elements(), groups + faulty, "{warm:?}");
    assert_eq!(warm.requests, 192 / 25 + 1 + 1);
}

#[tokio::test]
async fn a_sector_whose_partition_was_renumbered_is_found_without_asking_for_its_place() {
    let world = World::with(1000..1001, 96);
    let lotus = world.serve().await.lotus();
    let ids = world.ids();
    let (before, _) = read(&lotus, &ids, &tipset(0)).await;
    for id in &ids {
        world.change(*id, |s| s.partition = 2);
    }
    let (after, cost) = read(&lotus, &ids, &tipset(1)).await;
    assert_eq!(elements(&cost, PLACE), 0);
    for (before, after) in before.iter().zip(&after) {
        let (SectorReading::Found(before), SectorReading::Found(after)) = (before, after) else {
            panic!("{before:?} {after:?}")
        };
        assert_eq!((before.partition, after.partition), (Some(0), Some(2)));
        assert_eq!(before.next_deadline_end, after.next_deadline_end);
    }
}

#[tokio::test]
async fn a_sector_that_moved_to_another_deadline_is_located_anew() {
    let world = World::with(1000..1001, 96);
    let lotus = world.serve().await.lotus();
    let ids = world.ids();
    read(&lotus, &ids, &tipset(0)).await;
    world.change(ids[50], |s| (s.deadline, s.partition) = (17, 1));
    for (round, located) in [(1, 1), (2, 0)] {
        let (readings, cost) = read(&lotus, &ids, &tipset(round)).await;
        assert_eq!(elements(&cost, PLACE), located, "remembered where it is now");
        let SectorReading::Found(status) = &readings[50] else { panic!("{:?}", readings[50]) };
        assert_eq!((status.deadline, status.partition), (Some(17), Some(1)));
        assert_eq!(status.health, SectorHealth::Active);
        assert!(readings.iter().all(|reading| health(reading) == Some(SectorHealth::Active)));
    }
}

#[tokio::test]
async fn a_sector_that_is_gone_is_not_found_and_one_that_died_is_dead() {
    let world = World::with(1000..1001, 96);
    let lotus = world.serve().await.lotus();
    let ids = world.ids();
    read(&lotus, &ids, &tipset(0)).await;
    world.forget(ids[3]);
    world.change(ids[4], |s| s.health = SectorHealth::Dead);
    let (readings, cost) = read(&lotus, &ids, &tipset(1)).await;
    assert_eq!(health(&readings[3]), None);
    assert_eq!(health(&readings[4]), Some(SectorHealth::Dead));
    assert_eq!(elements(&cost, PLACE), 2, "neither is said from memory");
}

#[tokio::test]
async fn a_sector_that_was_left_for_dead_in_one_place_and_lives_in_another_is_alive() {
    let world = World::with(1000..1001, 1);
    let lotus = world.serve().await.lotus();
    let id = world.ids()[0];
    read(&lotus, &[id], &tipset(0)).await;
    // Its number stays behind, terminated; the node knows where it lives.
    world.change(id, |s| s.deadline = 9);
    let left =
        Sector { provider: 1000, number: 0, deadline: 0, partition: 0, health: SectorHealth::Dead };
    world.add(left);
    let (readings, _) = read(&lotus, &[id], &tipset(1)).await;
    assert_eq!(health(&readings[0]), Some(SectorHealth::Active));
}

#[tokio::test]
async fn each_sector_knows_when_its_deadline_ends_next() {
    let world = World::with(1000..1001, 48);
    world.change(sector(1000, 5), |s| s.health = SectorHealth::Dead);
    let lotus = world.serve().await.lotus();
    // At 6 302 600; the period starts at 6 300 000, so deadline 43 is open until 6 302 640.
    let (readings, _) = read(&lotus, &world.ids(), &tipset(0)).await;
    for (deadline, reading) in (0..).zip(&readings) {
        let SectorReading::Found(status) = reading else { panic!("{reading:?}") };
        let this_period = 6_300_000 + (deadline + 1) * 60;
        let next = if deadline >= 43 { this_period } else { this_period + 2_880 };
        let expected = (deadline != 5).then_some(ChainEpoch::new(next));
        assert_eq!(status.next_deadline_end, expected, "deadline {deadline}");
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_leaves_the_end_unknown_and_is_asked_for_again() {
    let world = World::with(1000..1001, 1);
    let answers = world.clone();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::full_node(move |method, params| match method {
        SCHEDULE if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            Err((1, "busy".to_owned()))
        }
        _ => answers.answer(method, params),
    })
    .await;
    let lotus = server.lotus();
    for known in [false, true, true] {
        let (readings, _) = read(&lotus, &world.ids(), &tipset(0)).await;
        let SectorReading::Found(status) = &readings[0] else { panic!("{:?}", readings[0]) };
        assert_eq!(status.next_deadline_end.is_some(), known);
    }
    assert_eq!(server.calls(SCHEDULE), 2);
}

#[tokio::test]
async fn large_answers_are_asked_for_fewer_at_a_time_from_then_on() {
    // Every second number, so that each deadline's answer takes some 5 kB.
    let world = World::default();
    for number in 0..12_000 {
        let (number, deadline, health) = (number * 2, number % 12, SectorHealth::Active);
        let sector = Sector { provider: 1000, number, deadline, partition: 0, health };
        world.add(sector);
    }
    let server = world.serve().await;
    let mut config = server.config();
    config.max_response = 60_000;
    let lotus = JsonRpcLotus::new(config).unwrap();
    let ids: Vec<_> = (0..12).map(|number| sector(1000, number * 2)).collect();
    let (readings, cold) = read(&lotus, &ids, &tipset(0)).await;
    assert!(readings.iter().all(|reading| health(reading) == Some(SectorHealth::Active)));
    let (readings, warm) = read(&lotus, &ids, &tipset(1)).await;
    assert!(readings.iter().all(|reading| health(reading) == Some(SectorHealth::Active)));
    assert!(elements(&cold, PARTITIONS) > 12, "some were asked for twice: {cold:?}");
    assert_eq!(elements(&warm, PARTITIONS), 12, "none was: {warm:?}");
}
