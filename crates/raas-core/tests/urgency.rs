//! Which CID goes first.

mod world;

use std::collections::BTreeMap;

use raas_core::{Observation, Replica, Trouble, Urgency};
use raas_types::{
    Cause, EpochDelta, FaultSince, Grouping, OrderState, ProviderFacts, Repair, Terms, Verdict,
};
use world::*;

/// How much the first order of a job for `target` replicas matters.
fn urgency(target: u32, world: &Observation) -> Urgency {
    urgencies(&job(target), world)[0]
}

/// In a world where one replica more is wanted than there are.
fn urgency_of(replicas: Vec<Replica>) -> Urgency {
    let target = u32::try_from(replicas.len()).expect("few") + 1;
    urgency(target, &seen(replicas))
}

#[test]
fn fewer_copies_are_more_endangered() {
    let urgencies: Vec<_> =
        (0..5).map(|n| urgency(9, &seen((1..=n).map(active).collect())).risk).collect();
    assert!(urgencies.is_sorted_by(|fewer, more| fewer > more), "{urgencies:?}");
    assert_eq!(urgencies[0], raas_core::Risk::CERTAIN);
}

#[test]
fn copies_that_fail_together_are_more_endangered_than_copies_that_do_not() {
    let with = |by, groups: &[(u64, &str)]| {
        let world = seen(vec![active(1), active(2)]);
        urgency(3, &Observation { providers: book(by, groups), ..world }).risk
    };
    let apart = with(Grouping::Organisation, &[(1, "a"), (2, "b")]);
    let organisation = with(Grouping::Organisation, &[(1, "a"), (2, "a")]);
    let owner = with(Grouping::Owner, &[(1, "a"), (2, "a")]);
    let country = with(Grouping::Country, &[(1, "DE"), (2, "DE")]);
    assert!(organisation > country && country > apart, "{organisation:?} {country:?} {apart:?}");
    assert_eq!(owner, organisation, "an owner stands for an organisation that nobody names");
    assert_eq!(
        apart,
        urgency_of(vec![active(1), active(2)]).risk,
        "nor is what is not known alike"
    );
    let alone = urgency_of(vec![active(1)]).risk;
    assert!(organisation < alone, "two of one organisation are better than one");
}

#[test]
fn an_organisation_counts_before_its_owner() {
    let facts = |organisation: &str| ProviderFacts {
        owner: Some("one".to_owned()),
        organisation: Some(organisation.to_owned()),
        ..ProviderFacts::default()
    };
    let mut world = seen(vec![active(1), active(2)]);
    world.providers = BTreeMap::from([(provider(1), facts("a")), (provider(2), facts("b"))]);
    assert_eq!(urgency(3, &world).risk, urgency_of(vec![active(1), active(2)]).risk);
}

#[test]
fn the_organisations_of_a_country_fail_together_too() {
    let facts = |organisation: &str, country: &str| ProviderFacts {
        organisation: Some(organisation.to_owned()),
        country: Some(country.to_owned()),
        ..ProviderFacts::default()
    };
    let with = |facts: [ProviderFacts; 3]| {
        let mut world = seen(vec![active(1), active(2), active(3)]);
        world.providers = (1..).map(provider).zip(facts).collect();
        urgency(4, &world).risk
    };
    let together = with([facts("a", "DE"), facts("a", "DE"), facts("b", "DE")]);
    let abroad = with([facts("a", "DE"), facts("a", "DE"), facts("b", "FR")]);
    let both = with([facts("a", "DE"), facts("a", "FR"), facts("b", "DE")]);
    assert!(together > abroad, "{together:?} {abroad:?}");
    assert_eq!(both, abroad, "one that is in several countries stands for itself");
    let back = with([facts("a", "DE"), facts("a", "FR"), facts("a", "DE")]);
    let at_home = with([facts("a", "DE"), facts("a", "DE"), facts("a", "DE")]);
    assert_eq!(back, at_home, "of one organisation the country does not matter");
    let named_alike = with([facts("DE", "FR"), facts("DE", "IT"), facts("b", "DE")]);
    assert_eq!(named_alike, abroad, "nor does what an organisation is called");
}

#[test]
fn a_copy_in_trouble_is_worth_less_than_a_healthy_one_and_more_than_none() {
    let healthy = urgency_of(vec![active(1), active(2)]).risk;
    let unproven = urgency(3, &seen(vec![active(1), faulty(2, EpochDelta::HOUR)])).risk;
    let alone = urgency(3, &seen(vec![active(1)])).risk;
    assert!(healthy < unproven && unproven < alone, "{healthy:?} {unproven:?} {alone:?}");
    // A fault makes even the worst of providers no better.
    let mut world = seen(vec![active(1), active(2)]);
    let worst = ProviderFacts { yearly_loss_ppm: Some(u32::MAX), ..ProviderFacts::default() };
    world.providers.insert(provider(2), worst);
    let before = urgency(3, &world).risk;
    world.replicas[1] = faulty(2, EpochDelta::HOUR);
    assert!(urgency(3, &world).risk >= before);
}

#[test]
fn what_ends_before_a_repair_lands_or_is_not_there_is_no_comfort() {
    let alone = urgency(3, &seen(vec![active(1)])).risk;
    // Until a repair lands: threshold 2880, second look 60, latency 2880.
    let soon = urgency(3, &seen(vec![active(1), ending(2, EpochDelta::new(5_820))])).risk;
    let later = urgency(3, &seen(vec![active(1), ending(2, EpochDelta::new(5_821))])).risk;
    assert_eq!(soon, alone);
    assert!(later < alone);
    let pending = replica(2, Verdict::Pending { start: NOW + EpochDelta::DAY });
    let end = NOW + EpochDelta::new(5_820);
    let faulty = Verdict::Faulty { since: FaultSince::Exact(NOW), end };
    for nothing in [unknown(2), pending, replica(2, faulty), replica(2, Verdict::Gone)] {
        let world = seen(vec![active(1), nothing]);
        assert_eq!(urgency(4, &world).risk, alone, "{:?}", world.replicas[1].verdict);
    }
    let stranger = Replica { proven: false, ..active(2) };
    assert_eq!(urgency(3, &seen(vec![active(1), stranger])).risk, alone);
}

#[test]
fn without_repair_a_loss_takes_until_the_network_gives_the_sector_up() {
    let world = seen(vec![active(1)]);
    let risk = |repair| {
        let terms = Terms { repair, ..terms(2) };
        urgencies(&[job_with("job", terms)], &world)[0].risk
    };
    let day = risk(Some(Repair { threshold: EpochDelta::DAY }));
    let longest = risk(Some(Repair { threshold: EpochDelta::FAULT_MAX_AGE }));
    assert!(day < longest);
    assert_eq!(longest, risk(None));
}

#[test]
fn a_slow_aggregator_makes_a_loss_last_longer() {
    let mut world = seen(vec![active(1)]);
    let quick = urgency(2, &world).risk;
    world.aggregators[0].latency = EpochDelta::days(9);
    assert!(urgency(2, &world).risk > quick);
}

#[test]
fn two_deals_with_one_provider_are_one_copy_the_better_of_the_two() {
    let alone = urgency(3, &seen(vec![active(1)])).risk;
    let twins = [faulty(2, EpochDelta::HOUR), active(2)];
    for (one, other) in [(0, 1), (1, 0)] {
        let world = seen(vec![beside(1, twins[one].clone()), beside(1, twins[other].clone())]);
        assert_eq!(urgency(3, &world).risk, alone);
    }
}

#[test]
fn a_provider_that_loses_more_is_a_greater_risk() {
    let with = |ppm| {
        let mut world = seen(vec![active(1)]);
        let facts = ProviderFacts { yearly_loss_ppm: ppm, ..ProviderFacts::default() };
        world.providers.insert(provider(1), facts);
        urgency(2, &world).risk
    };
    assert!(with(Some(1_000)) < with(Some(2_000)));
    assert_eq!(with(None), with(Some(100_000)), "a tenth where nobody says");
    // A tenth of a year's share: 100000 ppm * 5820 / 1051897 = 1 in 1807.4, 10.8197 bits.
    assert_eq!(with(None).millibits(), 10_820);
    assert_eq!(with(Some(0)).millibits(), 32_000, "never quite none");
}

#[test]
fn the_stubborn_go_last_then_risk_then_trouble_then_whoever_waits_the_longest() {
    let stubborn = {
        let mut world = seen(vec![]);
        world.orders = (0..5).map(|n| failed(n, NOW - EpochDelta::YEAR)).collect();
        urgency(1, &world)
    };
    let lost = urgency(1, &seen(vec![]));
    let one_left = urgency(3, &seen(vec![active(1)]));
    // One that ends within the horizon is no comfort either, but it is safe as yet.
    let last_but_safe = urgency(1, &seen(vec![ending(1, EpochDelta::HOUR)]));
    let fill = urgency(3, &seen(vec![active(1), active(2)]));
    let renew = urgency(2, &seen(vec![active(1), ending(2, EpochDelta::days(20))]));
    let mut tried = seen(vec![active(1), active(2)]);
    tried.orders = vec![landed(1, NOW - EpochDelta::days(9))];
    let waiting = urgency(3, &tried);
    tried.orders.push(landed(2, NOW - EpochDelta::days(8)));
    let waiting_less = urgency(3, &tried);
    assert_eq!((renew.trouble, fill.trouble), (Trouble::Renew, Trouble::Fill));
    let order = [stubborn, waiting_less, waiting, fill, renew, one_left, last_but_safe, lost];
    assert!(order.is_sorted_by(|less, more| less < more), "{order:#?}");
}

#[test]
fn an_order_that_never_went_out_counts_as_a_try() {
    let mut world = seen(vec![active(1)]);
    let never = urgency(2, &world).waiting;
    world.orders = vec![landed(1, NOW)];
    world.orders[0].state = OrderState::Withdrawn { at: NOW };
    assert!(urgency(2, &world).waiting < never);
}

#[test]
fn what_is_below_its_minimum_is_endangered_whatever_the_cause() {
    let lost = || replica(2, Verdict::Terminated);
    let trouble = |target, replicas| urgency(target, &seen(replicas)).trouble;
    assert_eq!(trouble(3, vec![active(1), lost()]), Trouble::Endangered, "one of two at least");
    assert_eq!(trouble(2, vec![active(1), lost()]), Trouble::Fill, "one of one at least");
    let renewed = vec![ending(1, EpochDelta::days(20)), unknown(2), unknown(3)];
    assert_eq!(causes(&job(3), &seen(renewed.clone())), [renewal(1)]);
    assert_eq!(trouble(3, renewed), Trouble::Endangered);
    assert_eq!(causes(&job(2), &seen(vec![active(1)])), [Cause::Replication]);
}
