//! When more seems to die at once than is plausible.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use raas_core::{BREAKER_WINDOW, Breaker, BreakerLimits, Implausible, Sighting, Tripped};
use raas_types::{
    ChainEpoch, DealId, EpochDelta, ProviderId,
    VerdictKind::{self, Active, Ended, Faulty, Gone, Pending, Terminated, Unknown},
};

const NOW: ChainEpoch = ChainEpoch::new(6_300_000);
const HOUR: EpochDelta = EpochDelta::HOUR;

/// Deal `n` on a provider of its own, by the word of the only endpoint.
fn sighting(n: u64, before: impl Into<Option<VerdictKind>>, now: VerdictKind) -> Sighting {
    Sighting {
        deal: DealId::new(n),
        provider: ProviderId::new(1000 + n),
        before: before.into(),
        now,
        endpoint: Arc::from("lotus"),
    }
}

/// Of `all` replicas that were proven, the first `flipped` are now seen to be so.
fn pass(all: u64, flipped: u64, now: VerdictKind) -> Vec<Sighting> {
    let kind = |n| if n < flipped { now } else { Active };
    (0..all).map(|n| sighting(n, Active, kind(n))).collect()
}

fn after(breaker: Breaker, pass: Vec<Sighting>, at: ChainEpoch) -> Breaker {
    breaker.after(pass, at, &BreakerLimits::default())
}

fn new_after(pass: Vec<Sighting>) -> Breaker {
    after(Breaker::default(), pass, NOW)
}

fn why(breaker: &Breaker) -> Option<Implausible> {
    breaker.tripped().map(|tripped| tripped.why.clone())
}

/// Tripped by 20 of 100.
fn tripped() -> Breaker {
    let breaker = new_after(pass(100, 20, Faulty));
    assert!(breaker.tripped().is_some());
    breaker
}

// What trips it.

#[test]
fn it_trips_when_more_than_a_tenth_of_the_replicas_flip() {
    for lost in [Faulty, Terminated, Gone] {
        assert_eq!(why(&new_after(pass(200, 20, lost))), None, "{lost}: a tenth is plausible");
        let breaker = new_after(pass(200, 21, lost));
        let share = Implausible::Share { flipped: 21, judged: 200, percent: 10 };
        assert_eq!(why(&breaker), Some(share), "{lost}");
        let tripped = breaker.tripped().expect("tripped");
        assert_eq!((tripped.at, tripped.most, tripped.flipped.len()), (NOW, 21, 21));
    }
}

#[test]
fn of_a_handful_any_share_may_be_lost() {
    assert_eq!(why(&new_after(pass(9, 9, Faulty))), None, "nine are fewer than ten");
    assert!(why(&new_after(pass(10, 10, Faulty))).is_some());
    let limits = BreakerLimits { fewest: 0, ..BreakerLimits::default() };
    assert_eq!(Breaker::default().after(pass(9, 0, Faulty), NOW, &limits).tripped(), None);
    assert!(Breaker::default().after(pass(9, 1, Faulty), NOW, &limits).tripped().is_some());
}

#[test]
fn what_came_to_its_end_or_never_was_proven_is_no_flip() {
    for before in [Some(Pending), Some(Faulty), Some(Terminated), Some(Unknown), None] {
        let lost = (0..50).map(|n| sighting(n, before, Terminated)).collect();
        assert_eq!(why(&new_after(lost)), None, "{before:?}");
    }
    let ended = (0..50).map(|n| sighting(n, Active, Ended)).collect();
    assert_eq!(why(&new_after(ended)), None);
}

#[test]
fn what_is_long_over_does_not_make_a_mass_of_losses_look_few() {
    let mut sightings = pass(30, 20, Faulty);
    sightings.extend((1_000..3_000).map(|n| sighting(n, Terminated, Terminated)));
    sightings.extend((3_000..5_000).map(|n| sighting(n, Ended, Ended)));
    let share = Implausible::Share { flipped: 20, judged: 30, percent: 10 };
    assert_eq!(why(&new_after(sightings)), Some(share));
}

/// `providers` of `replicas` each, the first `failed` of which lose them all.
fn by_provider(providers: u64, replicas: u64, failed: u64) -> Vec<Sighting> {
    let all = (0..providers).flat_map(|p| (0..replicas).map(move |r| (p, r)));
    let sighting = |(p, r)| {
        let now = if p < failed { Faulty } else { Active };
        Sighting { provider: ProviderId::new(p), ..sighting(p * replicas + r, Active, now) }
    };
    all.map(sighting).collect()
}

#[test]
fn it_trips_when_more_than_three_whole_providers_fail() {
    assert_eq!(why(&new_after(by_provider(100, 4, 3))), None, "12 of 400, three providers");
    let failed = Implausible::Providers { failed: 4, most: 3 };
    assert_eq!(why(&new_after(by_provider(100, 4, 4))), Some(failed));
    let mut all_but_one = by_provider(100, 4, 4);
    all_but_one[0].now = Active;
    assert_eq!(why(&new_after(all_but_one)), None, "one of the four proves a replica yet");
    assert_eq!(why(&new_after(by_provider(400, 1, 16))), None, "one replica is no whole provider");
}

#[test]
fn it_trips_when_all_is_lost_by_the_word_of_one_endpoint() {
    let told = |flips: u64, others: u64| {
        let mut sightings = pass(1_000, flips, Gone);
        let mine = sightings.len() - usize::try_from(others).expect("few");
        for sighting in &mut sightings[mine..] {
            sighting.endpoint = Arc::from("forest");
        }
        sightings
    };
    let one = Implausible::OneEndpoint { endpoint: "lotus".to_owned(), flipped: 20, others: 20 };
    assert_eq!(why(&new_after(told(20, 20))), Some(one));
    assert_eq!(why(&new_after(told(20, 19))), None, "the others were hardly asked");
    assert_eq!(why(&new_after(told(20, 0))), None, "there is but one");
    assert_eq!(why(&new_after(told(9, 500))), None, "too few");
    let mut both = told(20, 500);
    both[0].endpoint = Arc::from("forest");
    assert_eq!(why(&new_after(both)), None, "another says so too");
}

#[test]
fn each_trouble_is_told_in_words() {
    let endpoint = "lotus".to_owned();
    for (why, words) in [
        (Implausible::Share { flipped: 21, judged: 200, percent: 10 }, "21 of 200 replicas that"),
        (Implausible::Providers { failed: 4, most: 3 }, "all replicas of 4 providers seem lost"),
        (
            Implausible::OneEndpoint { endpoint, flipped: 20, others: 30 },
            "all by the word of lotus",
        ),
    ] {
        assert!(why.to_string().contains(words), "{why}");
    }
}

// Over time.

#[test]
fn flips_of_several_passes_add_up_within_a_day() {
    let mut breaker = Breaker::default();
    for n in 0..3 {
        let at = NOW + HOUR.times(n);
        let lost = u64::try_from(7 * (n + 1)).expect("few");
        breaker = after(breaker, pass(200, lost, Faulty), at);
        assert_eq!(breaker.tripped().is_some(), lost > 20, "{lost}");
    }
}

#[test]
fn a_flip_is_counted_for_one_period() {
    let first = new_after(pass(200, 20, Faulty));
    let one_more = |at| {
        let mut sightings = pass(200, 21, Faulty);
        for seen_before in &mut sightings[..20] {
            seen_before.before = Some(Faulty);
        }
        after(first.clone(), sightings, at)
    };
    assert!(one_more(NOW + BREAKER_WINDOW - EpochDelta::new(1)).tripped().is_some());
    assert!(one_more(NOW + BREAKER_WINDOW).tripped().is_none());
}

#[test]
fn a_slow_trickle_over_days_does_not_trip_although_what_was_lost_stays_lost() {
    let mut breaker = Breaker::default();
    for day in 0..30 {
        for hour in 0..24 {
            let at = NOW + EpochDelta::days(day) + HOUR.times(hour);
            let lost = u64::try_from(day).expect("few");
            // Twenty of four hundred flip a day, and are read every hour from then on.
            let now = |n| if n < lost * 10 { Faulty } else { Active };
            let before = |n| if hour == 0 && n / 10 + 1 == lost { Active } else { now(n) };
            let sightings = (0..400).map(|n| sighting(n, before(n), now(n))).collect();
            breaker = after(breaker, sightings, at);
            assert_eq!(breaker.tripped(), None, "day {day}, hour {hour}");
        }
    }
}

#[test]
fn what_was_not_judged_for_a_day_no_longer_counts_among_the_proven() {
    let proven = new_after(pass(1_000, 0, Faulty));
    let day = BREAKER_WINDOW;
    let lost = || (0..20).map(|n| sighting(n, Active, Faulty)).collect::<Vec<_>>();
    assert_eq!(after(proven.clone(), lost(), NOW + day - EpochDelta::new(1)).tripped(), None);
    assert!(after(proven, lost(), NOW + day).tripped().is_some());
}

#[test]
fn what_was_judged_on_a_chain_that_is_no_more_does_not_count() {
    let ahead = new_after(pass(1_000, 0, Faulty));
    let lost = (0..20).map(|n| sighting(n, Active, Faulty)).collect();
    assert!(after(ahead, lost, NOW - EpochDelta::new(1)).tripped().is_some());
}

#[test]
fn what_is_not_known_neither_trips_nor_heals() {
    assert_eq!(why(&new_after(pass(100, 100, Unknown))), None);
    let flickering = new_after(pass(100, 0, Faulty));
    let flickering = after(flickering, pass(100, 100, Unknown), NOW + HOUR);
    let lost = (0..100).map(|n| sighting(n, Unknown, Gone)).collect();
    let flickering = after(flickering, lost, NOW + HOUR.times(2));
    assert!(flickering.tripped().is_some(), "they were proven when last known");

    let still = after(tripped(), pass(100, 20, Unknown), NOW + HOUR);
    assert_eq!(still.tripped().expect("tripped").flipped.len(), 20);
}

// How it heals.

#[test]
fn it_heals_when_most_of_the_flips_reverse() {
    let half = after(tripped(), pass(20, 10, Faulty), NOW + HOUR);
    assert!(half.tripped().is_some(), "half of them is not most");
    let most = after(half, pass(20, 9, Faulty), NOW + HOUR.times(2));
    assert_eq!(most.tripped(), None);
}

#[test]
fn it_does_not_heal_while_what_is_left_is_implausible_by_itself() {
    let breaker = new_after(pass(100, 60, Faulty));
    let breaker = after(breaker, pass(100, 20, Faulty), NOW + HOUR);
    assert!(breaker.tripped().is_some(), "20 of 100 are still lost");
    let breaker = after(breaker, pass(100, 10, Faulty), NOW + HOUR.times(2));
    assert_eq!(breaker.tripped(), None);
}

#[test]
fn what_flips_while_it_is_tripped_must_reverse_too() {
    let more = after(tripped(), pass(100, 60, Faulty), NOW + HOUR);
    let tripped = more.tripped().expect("tripped");
    assert_eq!((tripped.at, tripped.most, tripped.flipped.len()), (NOW, 60, 60));
    // Twenty of sixty come back: of these, more than half are still lost.
    let some = after(more, pass(100, 40, Faulty), NOW + HOUR.times(2));
    assert_eq!(some.tripped().expect("tripped").most, 60);
    assert!(after(some, pass(100, 9, Faulty), NOW + HOUR.times(3)).tripped().is_none());
}

#[test]
fn flips_that_nobody_sees_again_keep_it_tripped() {
    let mut breaker = tripped();
    for day in 1..10 {
        let others = (20..100).map(|n| sighting(n, Active, Active)).collect();
        breaker = after(breaker, others, NOW + EpochDelta::days(day));
        assert!(breaker.tripped().is_some(), "day {day}");
    }
}

#[test]
fn a_deal_that_came_to_its_end_is_no_longer_lost() {
    let ended = (0..20).map(|n| sighting(n, Faulty, Ended)).collect();
    assert_eq!(after(tripped(), ended, NOW + HOUR).tripped(), None);
}

#[test]
fn an_operator_resets_it_and_what_has_flipped_is_believed() {
    let breaker = tripped().reset();
    assert_eq!(breaker.tripped(), None);
    let again = (0..100).map(|n| match n {
        0..20 => sighting(n, Faulty, Faulty),
        _ => sighting(n, Active, Active),
    });
    let breaker = after(breaker, again.collect(), NOW + HOUR);
    assert_eq!(breaker.tripped(), None, "the same twenty");
    let few = (20..28).map(|n| sighting(n, Active, Faulty)).collect();
    let breaker = after(breaker, few, NOW + HOUR.times(2));
    assert_eq!(breaker.tripped(), None);
    let more = (28..40).map(|n| sighting(n, Active, Faulty)).collect();
    assert!(after(breaker, more, NOW + HOUR.times(3)).tripped().is_some(), "twenty others");
}

#[test]
fn an_operator_who_resets_it_leaves_what_is_proven_as_it_is() {
    let breaker = new_after(pass(200, 30, Faulty)).reset();
    let few = (30..45).map(|n| sighting(n, Active, Faulty)).collect();
    assert_eq!(after(breaker, few, NOW + HOUR).tripped(), None, "15 of 170");
}

#[test]
fn it_stays_tripped_across_a_restart_and_heals_by_what_is_seen_then() {
    let latch: Option<Tripped> = tripped().tripped().cloned();
    let stored = serde_json::to_string(&latch).expect("JSON");
    let latch: Option<Tripped> = serde_json::from_str(&stored).expect("what was stored");
    let resumed = || Breaker::resumed(latch.clone());
    assert_eq!(resumed().tripped(), latch.as_ref());
    let still = after(resumed(), vec![], NOW + EpochDelta::days(3));
    assert_eq!(still.tripped(), latch.as_ref());
    assert_eq!(after(resumed(), pass(100, 9, Faulty), NOW + HOUR).tripped(), None);
    assert_eq!(Breaker::resumed(None), Breaker::default());
}

// Whatever is seen.

fn any_kind() -> impl Strategy<Value = VerdictKind> {
    prop::sample::select(vec![Active, Faulty, Terminated, Gone, Pending, Ended, Unknown])
}

/// What is seen of some of thirty deals, each once.
fn any_pass() -> impl Strategy<Value = Vec<Sighting>> {
    let seen = (prop::option::of(any_kind()), any_kind(), 0_u64..5, any::<bool>());
    prop::collection::btree_map(0_u64..30, seen, 0..30).prop_map(|deals: BTreeMap<_, _>| {
        let sighting = |(n, (before, now, provider, one)): (u64, _)| Sighting {
            provider: ProviderId::new(provider),
            endpoint: Arc::from(if one { "lotus" } else { "forest" }),
            ..sighting(n, before, now)
        };
        deals.into_iter().map(sighting).collect()
    })
}

fn any_history() -> impl Strategy<Value = Vec<(Vec<Sighting>, i64)>> {
    let at = prop_oneof![6 => 6_300_000_i64..6_306_000, 1 => any::<i64>()];
    prop::collection::vec((any_pass(), at), 0..6)
}

proptest! {
    #[test]
    fn it_is_a_function_of_what_was_seen_in_whatever_order(
        history in any_history(),
        last in any_pass(),
        fewest in 0_u32..12,
    ) {
        let limits = BreakerLimits { fewest, ..BreakerLimits::default() };
        let play = |mut breaker: Breaker| {
            for (pass, at) in &history {
                breaker = breaker.after(pass.clone(), ChainEpoch::new(*at), &limits);
                if let Some(tripped) = breaker.tripped() {
                    prop_assert!(u64::from(tripped.most) >= tripped.flipped.len() as u64);
                    prop_assert!(!tripped.why.to_string().is_empty());
                }
            }
            Ok(breaker)
        };
        let breaker = play(Breaker::default())?;
        prop_assert_eq!(&play(Breaker::default())?, &breaker);
        let backwards: Vec<_> = last.iter().rev().cloned().collect();
        let next = breaker.clone().after(last.clone(), NOW, &limits);
        prop_assert_eq!(breaker.clone().after(backwards, NOW, &limits), next);
        prop_assert!(breaker.reset().tripped().is_none());
    }

    #[test]
    fn a_pass_that_came_to_know_nothing_stops_nothing(pass in any_pass(), history in any_history()) {
        let mut breaker = Breaker::default();
        for (pass, _) in history {
            breaker = after(breaker, pass, NOW);
        }
        let in_vain: Vec<_> =
            pass.into_iter().map(|sighting| Sighting { now: Unknown, ..sighting }).collect();
        let next = after(breaker.clone(), in_vain, NOW);
        if breaker.tripped().is_none() {
            prop_assert_eq!(next, breaker);
        }
    }
}
