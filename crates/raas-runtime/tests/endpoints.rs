//! Which endpoints are believed: one that is down, late, lost or silent is set aside with a reason
//! while the others go on, and is back without a restart.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::collections::BTreeMap;

use raas_lotus::{FakeFault, FakeLotusChain, LotusChain};
use raas_runtime::{AlertCode, Event};
use raas_types::{DealId, EpochDelta, Network, VerdictKind};
use tokio::time::Instant;
use world::*;

/// The longest pause is half an hour: after an hour everyone was asked again.
const HOUR: EpochDelta = EpochDelta::HOUR;

fn others_network(version: u32) -> Network {
    Network { name: "elsewhere".to_owned(), version }
}

/// Something that makes an endpoint unbelievable: what is done to it, how it is undone, and a part of
/// the reason.
type Trouble = (fn(&FakeLotusChain), fn(&FakeLotusChain), &'static str);

/// What is wrong with an endpoint wherever it stands among two.
fn troubles() -> Vec<Trouble> {
    vec![
        (
            |chain| chain.fail(FakeFault::Endpoint),
            |chain| chain.heal(FakeFault::Endpoint),
            "cannot be asked now",
        ),
        (
            |chain| chain.set_behind(EpochDelta::new(21)),
            |chain| chain.set_behind(EpochDelta::new(20)),
            "21 epochs behind the network",
        ),
        (
            |chain| chain.set_lag(EpochDelta::new(21)),
            |chain| chain.set_lag(EpochDelta::new(20)),
            "lags: its head is 21 epochs below",
        ),
        (
            |chain| chain.set_network(others_network(28)),
            |chain| chain.set_network(Network { name: "fakenet".to_owned(), version: 28 }),
            "is on network \"elsewhere\"",
        ),
        (
            |chain| chain.set_finality_lag(EpochDelta::new(-1)),
            |chain| chain.set_finality_lag(EpochDelta::new(30)),
            "contradicts itself",
        ),
        (
            // Below what was pinned last.
            |chain| chain.set_fork(Some(START)),
            |chain| chain.set_fork(None),
            "is on another fork",
        ),
    ]
}

/// The endpoint of that place gets into trouble and out of it; meanwhile the others are read.
async fn is_set_aside_and_back(endpoints: usize, at: usize, (spoil, mend, why): Trouble) {
    let (mut world, cid, _) = satisfied(endpoints, 3).await;
    let victim = world.endpoint(at);
    let name = victim.endpoint();
    let reader = if at == 0 { "second" } else { "fake" };
    spoil(&victim);
    for day in 0..3 {
        let report = world.live(EpochDelta::DAY).await;
        assert_eq!((report.gated, report.cids), (None, 1), "day {day} without {name}: {why}");
        assert_eq!(report.errors, Vec::<String>::new());
    }
    let aside = world.aside();
    assert_eq!(aside.keys().collect::<Vec<_>>(), [&name], "{aside:?}");
    assert!(aside[&name].contains(why), "{:?} says {why:?}", aside[&name]);
    assert!(world.verdicts(&cid).await.values().all(|verdict| *verdict == VerdictKind::Active));
    assert_eq!(world.last(&cid, DealId::new(100)).await.1.endpoint, reader);
    let [alert] = &world.alerts(AlertCode::EndpointAside)[..] else { panic!("one alert") };
    assert_eq!((&alert.about, &alert.words), (&name, &aside[&name]));
    assert!(told_aside(&world, &name));

    mend(&victim);
    world.live(HOUR).await;
    world.live(EpochDelta::DAY).await;
    assert_eq!(world.aside(), BTreeMap::new());
    assert_eq!(world.alerts(AlertCode::EndpointAside), []);
    let back = Event::EndpointBack { endpoint: name };
    assert_eq!(world.events.iter().filter(|event| **event == back).count(), 1);
    assert_eq!(world.last(&cid, DealId::new(100)).await.1.endpoint, "fake", "the first is read");
    assert_eq!(world.submits(), 3);
}

fn told_aside(world: &World, name: &str) -> bool {
    let told =
        |event: &Event| matches!(event, Event::EndpointAside { endpoint, .. } if endpoint == name);
    world.events.iter().any(told)
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_endpoints_is_set_aside_with_a_reason_and_back_without_a_restart() {
    for trouble in troubles() {
        is_set_aside_and_back(2, 1, trouble).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_endpoints_is_set_aside_and_the_second_is_read() {
    for trouble in troubles() {
        is_set_aside_and_back(2, 0, trouble).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_three_endpoints_the_odd_one_is_set_aside_wherever_it_stands() {
    for at in 0..3 {
        for trouble in troubles() {
            is_set_aside_and_back(3, at, trouble).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_on_another_network_than_the_configured_one_takes_no_other_with_it() {
    let mut world = World::new();
    let second = world.another("second");
    world.settings.network = Some("testnetnet".to_owned());
    world.restart();
    second.set_network(Network { name: "testnetnet".to_owned(), version: 28 });
    let report = world.pass().await;
    assert_eq!(report.gated, None, "the second is on the right one");
    let aside = world.aside();
    assert!(aside["fake"].contains("not \"testnetnet\""), "{aside:?}");
}

#[tokio::test(start_paused = true)]
async fn of_three_the_one_that_forked_since_the_last_pass_is_set_aside() {
    for at in 0..3 {
        let (mut world, _, _) = satisfied(3, 3).await;
        let victim = world.endpoint(at);
        // Above what was pinned last, below what is pinned next.
        victim.set_fork(Some(world.now()));
        let report = world.live(EpochDelta::DAY).await;
        assert_eq!(report.gated, None);
        let aside = world.aside();
        let name = victim.endpoint();
        assert!(aside[&name].contains("is on another fork than most"), "{aside:?}");
        victim.set_fork(None);
        world.live(HOUR).await;
        world.live(HOUR).await;
        assert_eq!(world.aside(), BTreeMap::new());
    }
}

#[tokio::test(start_paused = true)]
async fn where_one_of_two_forked_since_the_last_pass_nothing_is_done_until_they_agree() {
    for at in 0..2 {
        let (mut world, _, _) = satisfied(2, 3).await;
        world.terminate(DealId::new(101));
        let victim = world.endpoint(at);
        victim.set_fork(Some(world.now()));
        for _ in 0..3 {
            let gated = world.live(EpochDelta::DAY).await.gated.expect("nobody knows who is right");
            assert!(gated.contains("have different tipsets"), "{gated}");
            assert!(gated.contains("fake") && gated.contains("second"), "{gated}");
        }
        assert_eq!(world.submits(), 3);
        victim.set_fork(None);
        let report = world.live(HOUR).await;
        assert_eq!((report.gated, report.cids), (None, 1));
        world.live(HOUR).await;
        assert_eq!(world.submits(), 4, "the loss is repaired as usual");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_far_ahead_of_two_others_is_set_aside() {
    for at in 0..3 {
        let (mut world, _, _) = satisfied(3, 3).await;
        for late in (0..3).filter(|other| *other != at) {
            world.endpoint(late).set_lag(EpochDelta::new(100));
        }
        let name = world.endpoint(at).endpoint();
        let report = world.live(EpochDelta::DAY).await;
        assert_eq!(report.gated, None);
        let aside = world.aside();
        assert_eq!(aside.keys().collect::<Vec<_>>(), [&name]);
        assert!(aside[&name].contains("ahead of all others"), "{aside:?}");
        for other in 0..3 {
            world.endpoint(other).set_lag(EpochDelta::ZERO);
        }
        world.live(HOUR).await;
        world.live(HOUR).await;
        assert_eq!(world.aside(), BTreeMap::new());
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_finality_of_one_endpoint_stalls_the_others_go_on() {
    for (endpoints, at) in [(2, 0), (2, 1), (3, 0), (3, 2)] {
        let (mut world, cid, _) = satisfied(endpoints, 3).await;
        let victim = world.endpoint(at);
        let mut stalled = EpochDelta::new(30);
        let mut last = world.pinned();
        for _ in 0..4 {
            stalled = EpochDelta::new(stalled.get() + EpochDelta::DAY.get());
            victim.set_finality_lag(stalled);
            let report = world.live(EpochDelta::DAY).await;
            assert_eq!(report.gated, None, "{at} of {endpoints}");
            let epoch = report.epoch.unwrap();
            assert_eq!(epoch.since(last), EpochDelta::DAY, "{at} of {endpoints} stalls");
            last = epoch;
        }
        victim.set_finality_lag(EpochDelta::new(30));
        world.live(HOUR).await;
        world.live(EpochDelta::DAY).await;
        assert_eq!(world.aside(), BTreeMap::new());
        assert_eq!(world.last(&cid, DealId::new(100)).await.1.endpoint, "fake");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_is_asked_after_growing_pauses() {
    let (mut world, _, _) = satisfied(2, 3).await;
    let second = world.endpoint(1);
    second.fail(FakeFault::Endpoint);
    let started = Instant::now();
    let mut asked = Vec::new();
    // Six hours of passes, one every 30 s.
    for _ in 0..720 {
        let before = second.calls().network;
        world.live(EpochDelta::new(1)).await;
        if second.calls().network > before {
            asked.push(started.elapsed());
        }
    }
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    let longest = pauses.iter().max().unwrap();
    assert!((30..=31).contains(&(longest.as_secs() / 60)), "half an hour, not {longest:?}");
    assert!((10..=22).contains(&asked.len()), "{asked:?}");

    second.heal(FakeFault::Endpoint);
    for _ in 0..61 {
        world.live(EpochDelta::new(1)).await;
    }
    assert_eq!(world.aside(), BTreeMap::new(), "back within half an hour");
    second.fail(FakeFault::Endpoint);
    let before = second.calls().network;
    for _ in 0..4 {
        world.live(EpochDelta::new(1)).await;
    }
    assert!(second.calls().network - before >= 3, "the pauses begin anew");
}

#[tokio::test(start_paused = true)]
async fn the_only_endpoint_is_asked_in_every_pass() {
    for endpoints in 1..=3 {
        let (mut world, _, _) = satisfied(endpoints, 3).await;
        (0..endpoints).for_each(|at| world.endpoint(at).fail(FakeFault::Endpoint));
        for _ in 0..50 {
            let before = world.chain.calls().network;
            assert!(world.live(EpochDelta::new(1)).await.gated.is_some());
            assert_eq!(world.chain.calls().network - before, 1);
        }
        (0..endpoints).for_each(|at| world.endpoint(at).heal(FakeFault::Endpoint));
        assert_eq!(world.live(EpochDelta::new(1)).await.gated, None, "at once");
        assert_eq!(world.aside(), BTreeMap::new());
    }
}
