//! What is kept while one tipset is read at: each deadline is asked for once there, and once there is
//! asked where its parents lie, when null rounds may hide that a deadline ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_types::{ChainEpoch, SectorHealth, SectorReading, Tipset, TipsetKey};
use serde_json::{Value, json};
use support::{
    Server, key_of, sector, tipset, tipset_of,
    world::{EXPIRATION, PARTITIONS, PLACE, Sector, World, elements, health, read},
};

const BY_HEIGHT: &str = "Filecoin.ChainGetTipSetByHeight";

/// A client that has found out how to read.
async fn probed(server: &Server) -> JsonRpcLotus {
    let lotus = server.lotus();
    read(&lotus, &[sector(1, 1)], &tipset(-1)).await;
    lotus
}

#[tokio::test]
async fn a_deadline_is_asked_for_once_at_a_tipset_and_anew_at_the_next() {
    // Twenty sectors in each of 48 deadlines, asked after in ten readings, two of each in every one.
    let world = World::with(1000..1001, 960);
    world.change(sector(1000, 7), |s| s.health = SectorHealth::Faulty);
    let lotus = probed(&world.serve().await).await;
    let ids = world.ids();
    for round in 0..3 {
        for (reading, ids) in ids.chunks(96).enumerate() {
            let (readings, cost) = read(&lotus, ids, &tipset(round)).await;
            assert!(readings.iter().all(|reading| health(reading).is_some()));
            let asked = if reading == 0 { 48 } else { 0 };
            assert_eq!(elements(&cost, PARTITIONS), asked, "reading {reading} of round {round}");
        }
        let (again, cost) = read(&lotus, &ids, &tipset(round)).await;
        assert_eq!(health(&again[7]), Some(SectorHealth::Faulty));
        assert_eq!(cost.elements(), 1, "only since when it is faulty: {cost:?}");
        assert_eq!(elements(&cost, EXPIRATION), 1);
    }
}

#[tokio::test]
async fn readings_at_two_tipsets_by_turns_are_each_told_of_their_own() {
    let (before, after) = (World::with(1000..1001, 96), World::with(1000..1001, 96));
    after.change(sector(1000, 3), |s| s.health = SectorHealth::Unproven);
    after.change(sector(1000, 4), |s| s.health = SectorHealth::Dead);
    after.forget(sector(1000, 5));
    let ids = before.ids();
    let second = key_of(&tipset(1));
    let server = Server::full_node(move |method, params| {
        let of_second = params.as_array().is_some_and(|all| all.last() == Some(&second));
        if of_second { after.answer(method, params) } else { before.answer(method, params) }
    })
    .await;
    let lotus = server.lotus();
    for _ in 0..3 {
        let (readings, _) = read(&lotus, &ids, &tipset(0)).await;
        assert!(readings.iter().all(|reading| health(reading) == Some(SectorHealth::Active)));
        let (readings, _) = read(&lotus, &ids, &tipset(1)).await;
        let shown: Vec<_> = readings[2..6].iter().map(health).collect();
        use SectorHealth::{Active, Dead, Unproven};
        assert_eq!(shown, [Some(Active), Some(Unproven), Some(Dead), None]);
    }
}

#[tokio::test]
async fn an_answer_that_failed_is_not_kept() {
    let world = World::with(1000..1001, 1);
    let (answers, asked) = (world.clone(), AtomicUsize::new(0));
    let server = Server::full_node(move |method, params| match method {
        PARTITIONS => match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Err((1, "busy".to_owned())),
            1 => Ok(json!("garbage")),
            _ => answers.answer(method, params),
        },
        _ => answers.answer(method, params),
    })
    .await;
    let lotus = server.lotus();
    for why in [Some("busy"), Some("does not parse"), None, None] {
        let (readings, _) = read(&lotus, &world.ids(), &tipset(0)).await;
        match (why, &readings[0]) {
            (Some(why), SectorReading::Failed(said)) => assert!(said.contains(why), "{said}"),
            (None, SectorReading::Found(_)) => {}
            (expected, reading) => panic!("{expected:?}: {reading:?}"),
        }
    }
    assert_eq!(server.calls(PARTITIONS), 3);
}

#[tokio::test]
async fn a_deadline_that_lacks_what_should_be_there_is_asked_for_again() {
    // The first deadline is told of by another node, which has not heard of sector 48.
    let (world, lagging) = (World::with(1000..1001, 49), World::with(1000..1001, 48));
    let (answers, asked) = (world.clone(), AtomicUsize::new(0));
    let server = Server::full_node(move |method, params| {
        let first = method == PARTITIONS && asked.fetch_add(1, Ordering::Relaxed) == 0;
        if first { lagging.answer(method, params) } else { answers.answer(method, params) }
    })
    .await;
    let lotus = probed(&server).await;
    let (readings, cost) = read(&lotus, &[sector(1000, 0)], &tipset(0)).await;
    assert_eq!(
        (health(&readings[0]), elements(&cost, PARTITIONS)),
        (Some(SectorHealth::Active), 1)
    );
    let (readings, cost) = read(&lotus, &[sector(1000, 48)], &tipset(0)).await;
    assert_eq!(
        (health(&readings[0]), elements(&cost, PARTITIONS)),
        (Some(SectorHealth::Active), 1)
    );
    // What came second is kept in its place.
    let (readings, cost) = read(&lotus, &[sector(1000, 0), sector(1000, 48)], &tipset(0)).await;
    assert!(readings.iter().all(|reading| health(reading) == Some(SectorHealth::Active)));
    assert_eq!(cost.elements(), 0, "{cost:?}");
}

#[tokio::test]
async fn a_sector_that_moved_is_found_in_a_deadline_that_is_kept() {
    let world = World::with(1000..1001, 96);
    let lotus = world.serve().await.lotus();
    let ids = world.ids();
    read(&lotus, &ids, &tipset(0)).await;
    world.change(ids[50], |s| (s.deadline, s.partition) = (17, 1));
    // Whoever asks first at the next tipset asks after sectors of deadline 17 alone.
    read(&lotus, &[ids[17], ids[65]], &tipset(1)).await;
    let (readings, cost) = read(&lotus, &[ids[50]], &tipset(1)).await;
    let SectorReading::Found(status) = &readings[0] else { panic!("{:?}", readings[0]) };
    assert_eq!((status.deadline, status.partition), (Some(17), Some(1)));
    assert_eq!((elements(&cost, PLACE), elements(&cost, PARTITIONS)), (1, 1), "the old one's");
}

/// Deadline 43 of a period that starts at 6 300 000: 6 300 000 + 44 * 60.
const END: i64 = 6_302_640;

/// A provider with two sectors in deadline 43 and one in 44, on a chain with tipsets at these epochs.
async fn chain(tipsets: Vec<i64>) -> (Server, World) {
    let world = World::default();
    for (number, deadline) in [(0, 43), (1, 43), (2, 44)] {
        let health = SectorHealth::Active;
        world.add(Sector { provider: 1000, number, deadline, partition: 0, health });
    }
    let answers = world.clone();
    let server = Server::full_node(move |method, params| match method {
        BY_HEIGHT => {
            let asked = params[0].as_i64().unwrap();
            assert_eq!(params[1], key_of(&tipset_of(asked + 1)), "below the tipset read at");
            let epoch = tipsets.iter().rfind(|epoch| **epoch <= asked).unwrap();
            Ok(as_sent(&tipset_of(*epoch)))
        }
        _ => answers.answer(method, params),
    })
    .await;
    (server, world)
}

fn as_sent(tipset: &Tipset) -> Value {
    let parents = |key: &TipsetKey| key_of(&Tipset { key: key.clone(), ..tipset.clone() });
    json!({"Cids": key_of(tipset), "Blocks": [{"Parents": parents(&tipset.parents)}],
        "Height": tipset.epoch.get()})
}

/// When the deadline of a sector is said to end next.
async fn next_end(lotus: &JsonRpcLotus, number: u64, at: i64) -> i64 {
    let (readings, _) = read(lotus, &[sector(1000, number)], &tipset_of(at)).await;
    let SectorReading::Found(status) = &readings[0] else { panic!("{:?}", readings[0]) };
    status.next_deadline_end.unwrap().get()
}

#[tokio::test]
async fn a_deadline_whose_last_round_was_null_is_not_said_to_end_a_day_later() {
    // The rounds of END - 1, END and END + 1 are null: what happened with the deadline's end is in
    // the state that the tipset of END + 2 leaves.
    let (server, _) = chain(vec![END - 2, END + 2, END + 3, END + 4]).await;
    let lotus = server.lotus();
    assert_eq!(next_end(&lotus, 0, END - 2).await, END);
    assert_eq!(server.calls(BY_HEIGHT), 0, "nothing has ended lately");

    assert_eq!(next_end(&lotus, 0, END + 2).await, END, "the state does not show it yet");
    assert_eq!(next_end(&lotus, 1, END + 2).await, END);
    assert_eq!(server.calls(BY_HEIGHT), 1, "once for all who read there");
    assert_eq!(next_end(&lotus, 2, END + 2).await, END + 60, "another deadline");

    for at in [END + 3, END + 4, END + 3] {
        assert_eq!(next_end(&lotus, 0, at).await, END + 2_880);
    }
    assert_eq!(server.calls(BY_HEIGHT), 4, "once where another tipset was read at before");
    assert_eq!(next_end(&lotus, 0, END + 10).await, END + 2_880);
    assert_eq!(server.calls(BY_HEIGHT), 4, "so many rounds in a row are never null");
}

#[tokio::test]
async fn a_null_round_before_or_after_the_last_one_hides_no_end() {
    // END - 2 and END are null, END - 1 is not.
    let (server, _) = chain(vec![END - 3, END - 1, END + 1]).await;
    let lotus = server.lotus();
    assert_eq!(next_end(&lotus, 0, END - 1).await, END);
    assert_eq!(next_end(&lotus, 0, END + 1).await, END + 2_880);
}

#[tokio::test]
async fn many_who_read_at_one_tipset_ask_for_its_parents_once() {
    let (server, world) = chain(vec![END - 2, END]).await;
    let lotus = server.lotus();
    let (ids, at) = (world.ids(), tipset_of(END));
    let readings = (0..10).map(|_| read(&lotus, &ids, &at));
    for (readings, _) in futures::future::join_all(readings).await {
        let ends = readings.iter().map(|reading| match reading {
            SectorReading::Found(status) => status.next_deadline_end,
            other => panic!("{other:?}"),
        });
        let expected = [END, END, END + 60].map(|end| Some(ChainEpoch::new(end)));
        assert_eq!(ends.collect::<Vec<_>>(), expected);
    }
    assert_eq!(server.calls(BY_HEIGHT), 1);
}

#[tokio::test]
async fn parents_that_cannot_be_asked_for_cost_a_reading_more_and_are_asked_for_once() {
    let world = World::default();
    let health = SectorHealth::Active;
    world.add(Sector { provider: 1000, number: 0, deadline: 43, partition: 0, health });
    for answer in [Err((1, "busy".to_owned())), Ok(as_sent(&tipset_of(END + 7))), Ok(json!(7))] {
        let (answers, answer) = (world.clone(), answer.clone());
        let server = Server::full_node(move |method, params| match method {
            BY_HEIGHT => answer.clone(),
            _ => answers.answer(method, params),
        })
        .await;
        let lotus = server.lotus();
        for _ in 0..3 {
            assert_eq!(next_end(&lotus, 0, END + 1).await, END, "not known to be shown");
        }
        assert_eq!(server.calls(BY_HEIGHT), 1);
        assert_eq!(next_end(&lotus, 0, END + 10).await, END + 2_880);
    }
}
