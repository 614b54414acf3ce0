//! Where replicas may be: caps, and the providers that orders leave out or ask for first.

mod world;

use std::collections::BTreeSet;

use raas_core::{COOLING, JobView, Lane, Observation, Reason, Replica, SLOW_LANE, explain, plan};
use raas_types::{
    Cause, EpochDelta, FaultSince, Grouping, Placement, ProviderFacts, Replication, Terms, Verdict,
};
use world::*;

fn excluding<const N: usize>(of: [u64; N]) -> Placement {
    Placement { exclude: providers(of), ..Placement::default() }
}

/// Active replicas with these deals, their providers in the organisations named.
fn in_organisations(groups: &[(u64, &str)]) -> Observation {
    let replicas = groups.iter().map(|(n, _)| active(*n)).collect();
    Observation { providers: book(Grouping::Organisation, groups), ..seen(replicas) }
}

fn says(jobs: &[JobView], world: &Observation, sentence: &str) {
    let words = explain(&plan(jobs, world)).join("\n");
    assert!(words.contains(sentence), "{sentence:?} in {words}");
}

// Caps.

#[test]
fn one_replica_too_many_of_a_kind_holds_no_slot_whatever_the_kind() {
    for by in Grouping::ALL {
        let groups = [(1, "a"), (2, "a"), (3, "b")];
        let replicas = vec![active(1), active(2), active(3)];
        let world = Observation { providers: book(by, &groups), ..seen(replicas) };
        let jobs = placed(3, capped(by, 1));
        assert_eq!(causes(&jobs, &world), [Cause::Replication], "{by:?}");
        let sentence =
            format!("Deal 2 holds no slot: f01002 is one too many of its {}, of which", by.name());
        says(&jobs, &world, &sentence);
        assert_eq!(causes(&placed(3, capped(by, 2)), &world), [], "{by:?}: two may be together");
        let another = Grouping::ALL.into_iter().find(|other| *other != by).expect("another");
        assert_eq!(causes(&placed(3, capped(another, 1)), &world), [], "{by:?} is no {another:?}");
    }
}

#[test]
fn a_replica_must_keep_to_every_cap() {
    let facts = |organisation: &str, country: &str| ProviderFacts {
        organisation: Some(organisation.to_owned()),
        country: Some(country.to_owned()),
        ..ProviderFacts::default()
    };
    let placement =
        Placement { per_organisation: Some(1), per_country: Some(2), ..Placement::default() };
    let mut world = seen((1..=4).map(active).collect());
    for (n, organisation, country) in
        [(1, "a", "DE"), (2, "b", "DE"), (3, "c", "DE"), (4, "a", "FR")]
    {
        world.providers.insert(provider(n), facts(organisation, country));
    }
    let plan = plan(&placed(4, placement), &world);
    assert_eq!(ordered(&plan), [Cause::Replication; 2]);
    let over: Vec<_> = plan
        .reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::OverCap { deal, by, cap, .. } => Some((deal.get(), *by, *cap)),
            _ => None,
        })
        .collect();
    assert_eq!(over, [(3, Grouping::Country, 2), (4, Grouping::Organisation, 1)]);
}

#[test]
fn of_replicas_of_one_kind_the_best_holds_the_slot() {
    let mut world = in_organisations(&[(1, "a"), (2, "a")]);
    world.replicas[0] = faulty(1, EpochDelta::HOUR);
    let plan = plan(&placed(1, capped(Grouping::Organisation, 1)), &world);
    assert_eq!(ordered(&plan), [], "one is enough");
    let over = |n| {
        let over = |r: &Reason| matches!(r, Reason::OverCap { deal, .. } if deal.get() == n);
        plan.reasons.iter().any(over)
    };
    assert!(over(1) && !over(2), "{:?}", plan.reasons);
}

#[test]
fn a_replica_is_the_better_the_more_is_known_to_its_advantage() {
    let with = |n, kind: usize| match kind {
        0 => Replica { confirmed: false, ..replica(n, Verdict::Terminated) },
        1 => faulty(n, EpochDelta::HOUR),
        2 => unknown(n),
        3 => replica(n, Verdict::Pending { start: NOW + EpochDelta::DAY }),
        4 => ending(n, DURATION - EpochDelta::DAY),
        _ => active(n),
    };
    for worse in 0..5 {
        for (first, second) in [(worse, worse + 1), (worse + 1, worse)] {
            let mut world = in_organisations(&[(1, "a"), (2, "a")]);
            world.replicas = vec![with(1, first), with(2, second)];
            let plan = plan(&placed(1, capped(Grouping::Organisation, 1)), &world);
            let over = plan.reasons.iter().find_map(|reason| match reason {
                Reason::OverCap { deal, .. } => Some(deal.get()),
                _ => None,
            });
            let expected = if first == worse { 1 } else { 2 };
            assert_eq!(over, Some(expected), "{first} beside {second}");
        }
    }
}

#[test]
fn a_replica_of_which_a_fact_is_absent_counts_and_that_is_said() {
    let mut world = in_organisations(&[(1, "a"), (2, "b")]);
    world.replicas.extend([active(3), ending(4, EpochDelta::days(20))]);
    world.providers.insert(provider(3), ProviderFacts::default());
    let jobs = placed(4, capped(Grouping::Organisation, 1));
    let plan = plan(&jobs, &world);
    assert_eq!(ordered(&plan), [renewal(4)], "all four hold slots");
    let absent = Reason::FactsAbsent { by: Grouping::Organisation, providers: providers([3, 4]) };
    assert!(plan.reasons.contains(&absent), "{:?}", plan.reasons);
    says(&jobs, &world, "The organisation of f01003, f01004 is not known");
    world.replicas.truncate(2);
    let known = raas_core::plan(&placed(2, capped(Grouping::Organisation, 1)), &world);
    assert!(!known.reasons.iter().any(|r| matches!(r, Reason::FactsAbsent { .. })));
}

#[test]
fn the_strictest_cap_of_several_jobs_holds() {
    let world = in_organisations(&[(1, "a"), (2, "a"), (3, "b")]);
    let by = Grouping::Organisation;
    let job = |id, cap| job_with(id, Terms { placement: capped(by, cap), ..terms(3) });
    assert_eq!(causes(&[job("x", 2)], &world), []);
    for jobs in [[job("x", 2), job("y", 1)], [job("x", 1), job("y", 2)]] {
        assert_eq!(causes(&jobs, &world), [Cause::Replication]);
    }
    let free = [job("x", 1), job_with("y", terms(3))];
    assert_eq!(causes(&free, &world), [Cause::Replication], "who asks for none gives way");
}

#[test]
fn caps_that_were_violated_at_registration_heal_by_one_order_each() {
    let jobs = placed(3, capped(Grouping::Organisation, 1));
    let mut world = in_organisations(&[(1, "a"), (2, "a"), (3, "a")]);
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [Cause::Replication; 2]);
    assert_eq!(causes(&jobs, &after_ordering(&world, &first)), []);
    // They land elsewhere: the old ones are left to lapse.
    world.replicas.extend([active(4), active(5)]);
    world.orders.extend([landed(4, NOW), landed(5, NOW)]);
    world.providers.append(&mut book(Grouping::Organisation, &[(4, "b"), (5, "c")]));
    let healed = plan(&jobs, &world);
    assert_eq!(ordered(&healed), []);
    assert!(healed.reasons.contains(&Reason::Satisfied { held: 3, target: 3 }));
}

/// Plays `days` with an aggregator that lands every order with a provider like this one, and
/// answers how many it was sent.
fn orders_in_vain(jobs: &[JobView], world: &mut Observation, days: i64, like: &Replica) -> usize {
    let mut sent = 0;
    let facts = world.providers.get(&like.provider).cloned();
    for _ in 0..days {
        for _ in causes(jobs, world) {
            sent += 1;
            let n = 100 + sent as u64;
            let excluded = jobs[0].job.terms.placement.exclude.contains(&like.provider);
            let new = if excluded { beside(1, active(n)) } else { active(n) };
            world.providers.extend(facts.clone().map(|facts| (new.provider, facts)));
            let mut order = landed(n, world.at);
            if let raas_types::OrderState::Landed { provider, .. } = &mut order.state {
                *provider = new.provider;
            }
            world.orders.push(order);
            world.replicas.push(new);
        }
        world.at = world.at + EpochDelta::DAY;
        for replica in &mut world.replicas {
            replica.verdict = active_until(world.at + DURATION);
        }
    }
    sent
}

#[test]
fn an_aggregator_that_ignores_what_orders_leave_out_is_asked_ever_more_rarely() {
    let (over_cap, excluded) = (capped(Grouping::Organisation, 1), excluding([1]));
    for placement in [over_cap, excluded] {
        let jobs = placed(2, placement.clone());
        let mut world = in_organisations(&[(1, "a"), (2, "a")]);
        if !placement.exclude.is_empty() {
            world.providers.clear();
        }
        world.aggregators = vec![raas_core::AggregatorView { idempotent: false, ..keyed() }];
        let like = world.replicas[0].clone();
        // 1 + 2 + 4 + ... + 128 days fit a year, and one order before them.
        let sent = orders_in_vain(&jobs, &mut world, 365, &like);
        assert_eq!(sent, 9, "{placement:?}");
        says(&jobs, &world, "target unreachable: 1 of 2");
        says(&jobs, &world, "made nothing of the last 9 orders");
    }
}

#[test]
fn a_successor_may_be_of_the_kind_of_the_deal_that_it_succeeds() {
    let jobs = placed(2, capped(Grouping::Organisation, 1));
    let mut world = in_organisations(&[(1, "a"), (2, "b"), (3, "a"), (4, "b")]);
    world.replicas.truncate(2);
    world.replicas[0] = ending(1, EpochDelta::days(20));
    assert_eq!(causes(&jobs, &world), [renewal(1)]);
    assert_eq!(excluded(&jobs, &world), [providers([2, 4])], "there is room with a again");
    world.replicas.push(replacing(1, active(3)));
    assert_eq!(causes(&jobs, &world), [], "and there it holds the slot");
}

#[test]
fn a_successor_that_is_one_too_many_of_another_kind_succeeds_nothing() {
    let jobs = keeping(2, capped(Grouping::Organisation, 1));
    let mut world = in_organisations(&[(1, "a"), (2, "b"), (3, "b")]);
    world.replicas[0] = ending(1, EpochDelta::days(20));
    world.replicas[2] = replacing(1, active(3));
    assert_eq!(causes(&jobs, &world), [renewal(1)]);
}

// Excluded providers.

#[test]
fn a_replica_with_an_excluded_provider_is_safe_and_another_is_made_beside_it() {
    let jobs = placed(2, excluding([1]));
    let pending = replica(1, Verdict::Pending { start: NOW + EpochDelta::DAY });
    for old in [active(1), pending, faulty(1, EpochDelta::HOUR)] {
        let mut world = seen(vec![old, active(2)]);
        let first = plan(&jobs, &world);
        assert_eq!(ordered(&first), [Cause::Replication]);
        assert_eq!(choices(&first)[0].0, providers([1, 2]));
        assert!(first.reasons.contains(&Reason::Missing { held: 1, target: 2 }));
        says(&jobs, &world, "Deal 1 is with f01001, which the terms exclude: it holds no slot.");
        assert_eq!(causes(&jobs, &after_ordering(&world, &first)), []);
        world.replicas.push(active(3));
        assert_eq!(causes(&jobs, &world), [], "then it is left to lapse");
    }
    let below_min = |r: &Reason| matches!(r, Reason::BelowMin { .. });
    let world = seen(vec![active(1), active(2)]);
    let strict = Terms {
        replication: Some(Replication { target: 2, min: 2, max: 3 }),
        placement: excluding([1]),
        ..terms(2)
    };
    assert!(
        !plan(&[job_with("job", strict)], &world).reasons.iter().any(below_min),
        "two prove it"
    );
}

#[test]
fn what_is_not_known_of_an_excluded_provider_causes_no_spending() {
    let jobs = placed(2, excluding([1]));
    let mut unconfirmed = replica(1, Verdict::Terminated);
    unconfirmed.confirmed = false;
    for doubtful in [unknown(1), unconfirmed] {
        let plan = plan(&jobs, &seen(vec![doubtful, active(2)]));
        assert_eq!(ordered(&plan), [], "{:?}", plan.reasons);
    }
}

#[test]
fn what_an_excluded_provider_lost_is_repaired() {
    let world = seen(vec![replica(1, Verdict::Terminated), active(2)]);
    assert_eq!(causes(&placed(2, excluding([1])), &world), [repair(1)]);
}

#[test]
fn a_deal_that_nobody_vouches_for_is_not_called_excluded() {
    let stranger = Replica { proven: false, ..active(1) };
    let plan = plan(&placed(1, excluding([1])), &seen(vec![stranger, active(2)]));
    assert!(!plan.reasons.iter().any(|r| matches!(r, Reason::Excluded { .. })));
}

#[test]
fn a_job_that_never_adds_leaves_an_excluded_provider_when_its_deal_is_renewed() {
    let jobs = keeping(2, excluding([1]));
    assert_eq!(causes(&jobs, &seen(vec![active(1), active(2)])), []);
    let mut world = seen(vec![ending(1, EpochDelta::days(20)), active(2)]);
    assert_eq!(causes(&jobs, &world), [renewal(1)]);
    world.replicas.push(replacing(1, beside(1, active(3))));
    assert_eq!(causes(&jobs, &world), [renewal(1)], "not with the same provider again");
    world.replicas.push(replacing(1, active(4)));
    assert_eq!(causes(&jobs, &world), []);
}

#[test]
fn everybodys_exclusions_hold() {
    let jobs = [1, 2]
        .map(|n| job_with(&format!("job-{n}"), Terms { placement: excluding([n]), ..terms(3) }));
    let world = seen(vec![active(1), active(2), active(3)]);
    assert_eq!(causes(&jobs, &world), [Cause::Replication; 2]);
}

// What an order leaves out, and asks for first.

#[test]
fn an_order_leaves_out_who_holds_the_data_and_whoever_is_like_enough_of_them() {
    let mut world = in_organisations(&[(1, "a"), (2, "b"), (3, "b"), (4, "c"), (5, "a"), (6, "c")]);
    world.replicas = vec![active(1), active(2), active(4)];
    world.providers.insert(provider(7), ProviderFacts::default());
    let one = placed(4, capped(Grouping::Organisation, 1));
    assert_eq!(excluded(&one, &world), [providers([1, 2, 3, 4, 5, 6])], "not 7: nothing is known");
    world.replicas.push(active(3));
    let two = placed(5, capped(Grouping::Organisation, 2));
    assert_eq!(excluded(&two, &world), [providers([1, 2, 3, 4])], "of b there are two");
    assert_eq!(excluded(&job(5), &world), [providers([1, 2, 3, 4])], "any will do");
}

#[test]
fn an_order_leaves_out_excluded_providers_also_after_many_in_vain() {
    let jobs = placed(2, excluding([8, 9]));
    let mut world = seen(vec![active(1)]);
    assert_eq!(excluded(&jobs, &world), [providers([1, 8, 9])]);
    world.orders = (1..4).map(|n| failed(n, NOW - EpochDelta::days(100))).collect();
    assert_eq!(excluded(&jobs, &world), [providers([1, 8, 9])]);
}

#[test]
fn providers_to_be_avoided_are_left_out_until_an_order_came_to_nothing() {
    let placement = Placement { avoid: providers([8]), ..Placement::default() };
    let jobs = placed(2, placement);
    let mut world = seen(vec![active(1)]);
    assert_eq!(excluded(&jobs, &world), [providers([1, 8])]);
    world.orders = vec![failed(1, NOW - EpochDelta::days(2))];
    assert_eq!(excluded(&jobs, &world), [providers([1])]);
    world.orders.push(landed(1, NOW - EpochDelta::DAY));
    assert_eq!(excluded(&jobs, &world), [providers([1, 8])], "orders bring something again");
    assert_eq!(
        causes(&placed(1, Placement { avoid: providers([1]), ..Placement::default() }), &world),
        [],
        "a replica with one of them is as good as any"
    );
}

#[test]
fn providers_are_asked_for_first_unless_they_are_left_out() {
    let placement = Placement {
        prefer: providers([1, 5, 6, 7]),
        avoid: providers([6]),
        exclude: providers([7]),
        ..Placement::default()
    };
    let world = seen(vec![active(1)]);
    let plan = plan(&placed(3, placement), &world);
    let choice = (providers([1, 6, 7]), providers([5]));
    assert_eq!(choices(&plan), [choice.clone(), choice]);
    let other = Placement { avoid: providers([5]), ..Placement::default() };
    let wish = Placement { prefer: providers([5]), ..Placement::default() };
    let jobs = [wish, other].map(|placement| Terms { placement, ..terms(2) });
    let jobs = jobs.map(|terms| job_with("job", terms));
    let plan = raas_core::plan(&jobs, &world);
    assert_eq!(choices(&plan), [(providers([1, 5]), BTreeSet::new())], "a wish gives way");
}

#[test]
fn whoever_lost_the_data_is_left_out_of_the_first_try() {
    let mut world = seen(vec![active(1), replica(2, Verdict::Terminated)]);
    assert_eq!(excluded(&job(2), &world), [providers([1, 2])]);
    world.orders = vec![failed(1, NOW - EpochDelta::days(2))];
    assert_eq!(excluded(&job(2), &world), [providers([1])], "better with that one than nowhere");
}

#[test]
fn with_whom_an_order_came_to_nothing_is_left_out_for_two_weeks() {
    let mut world = seen(vec![active(1), replica(2, Verdict::StartMissed)]);
    world.replicas.push(replacing(2, replica(3, Verdict::StartMissed)));
    world.orders = vec![landed(3, NOW)];
    let at = |world: &Observation, since: EpochDelta| {
        let world = Observation { at: NOW + since, ..world.clone() };
        excluded(&job(2), &world)
    };
    assert_eq!(at(&world, EpochDelta::DAY), [providers([1, 3])], "on the second try too");
    assert_eq!(at(&world, COOLING - EpochDelta::new(1)), [providers([1, 3])]);
    assert_eq!(at(&world, COOLING), [providers([1])]);
    world.orders.push(failed(4, NOW));
    assert_eq!(at(&world, EpochDelta::days(2)), [providers([1])], "nobody else was to be had");
    world.orders.truncate(1);
    world.replicas[2].verdict = active_until(NOW + DURATION);
    assert_eq!(at(&world, EpochDelta::DAY), Vec::<BTreeSet<_>>::new());
}

#[test]
fn a_deal_may_be_renewed_where_it_is_unless_it_is_in_trouble_there() {
    for left in [20, 2] {
        let world = seen(vec![active(1), ending(2, EpochDelta::days(left))]);
        assert_eq!(causes(&job(2), &world), [renewal(2)]);
        assert_eq!(excluded(&job(2), &world), [providers([1])]);
    }
    let world = seen(vec![active(1), replica(2, Verdict::Ended)]);
    assert_eq!(excluded(&job(2), &world), [providers([1])], "nor after its end");
    let since = FaultSince::Exact(NOW - EpochDelta::HOUR);
    let in_trouble = replica(2, Verdict::Faulty { since, end: NOW + EpochDelta::days(20) });
    let world = seen(vec![active(1), in_trouble]);
    assert_eq!(causes(&job(2), &world), [renewal(2)]);
    assert_eq!(excluded(&job(2), &world), [providers([1, 2])]);
}

#[test]
fn an_order_for_another_cause_leaves_out_who_holds_an_ending_deal() {
    let world = seen(vec![ending(1, EpochDelta::days(20)), replica(2, Verdict::Terminated)]);
    assert_eq!(causes(&job(2), &world), [renewal(1), repair(2)]);
    assert_eq!(excluded(&job(2), &world), [providers([2]), providers([1, 2])]);
}

#[test]
fn a_cid_that_keeps_coming_to_nothing_tells_so_by_its_lane() {
    let mut world = seen(vec![active(1)]);
    let long_ago = NOW - EpochDelta::YEAR;
    for n in 1..=u64::from(SLOW_LANE) {
        let lanes: Vec<_> = urgencies(&job(2), &world).iter().map(|u| u.lane).collect();
        assert_eq!(lanes, [Lane::Usual], "after {} in vain", n - 1);
        world.orders.push(failed(n, long_ago));
    }
    assert_eq!(urgencies(&job(2), &world)[0].lane, Lane::Slow);
}
