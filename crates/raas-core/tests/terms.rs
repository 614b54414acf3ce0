//! Terms: what is refused, what is warned of, and what several jobs want together.

mod world;

use raas_core::{
    AggregatorView, JobView, MAX_TARGET, TermError, TermWarning, Wanted, check_terms, combine,
};
use raas_types::{
    AggregatorName, Budget, EpochDelta, Grouping, Placement, ProviderBook, ProviderFacts, Renewal,
    Repair, Replication, Terms, Trust,
};
use world::*;

fn check(terms: &Terms) -> Result<Vec<TermWarning>, Vec<TermError>> {
    check_terms(terms, &[keyed()], &ProviderBook::new())
}

fn errors(terms: Terms) -> Vec<TermError> {
    let errors = check(&terms).expect_err("terms that cannot be accepted");
    assert!(errors.iter().all(|error| !error.to_string().is_empty()));
    errors
}

fn warnings(terms: Terms) -> Vec<TermWarning> {
    check(&terms).expect("terms that are accepted")
}

fn replicating(target: u32, min: u32, max: u32) -> Terms {
    Terms { replication: Some(Replication { target, min, max }), ..terms(3) }
}

// What is refused.

#[test]
fn usual_terms_are_accepted_without_a_word() {
    assert_eq!(check(&terms(3)), Ok(vec![]));
    assert_eq!(check(&replicating(1, 1, 1)), Ok(vec![]));
    assert_eq!(check(&terms(MAX_TARGET)), Ok(vec![]));
}

#[test]
fn a_job_that_asks_for_nothing_is_refused() {
    assert_eq!(errors(Terms::default()), [TermError::NothingAsked]);
    let each = [
        Terms { replication: None, renewal: None, ..terms(1) },
        Terms { replication: None, repair: None, ..terms(1) },
        Terms { renewal: None, repair: None, ..terms(1) },
    ];
    assert!(each.iter().all(|terms| check(terms).is_ok()), "any one of them is something");
}

#[test]
fn a_band_that_cannot_be_kept_is_refused() {
    assert_eq!(errors(replicating(0, 1, 1)), [TermError::TargetZero]);
    let target = MAX_TARGET + 1;
    assert_eq!(errors(replicating(target, 1, 200)), [TermError::TargetTooLarge { target }]);
    assert_eq!(errors(replicating(3, 0, 3)), [TermError::MinZero]);
    let above = TermError::MinAboveTarget { min: 4, target: 3 };
    let below = TermError::MaxBelowTarget { max: 2, target: 3 };
    assert_eq!(errors(replicating(3, 4, 2)), [above, below], "all that is wrong at once");
}

#[test]
fn a_threshold_that_is_not_positive_is_refused() {
    for threshold in [EpochDelta::ZERO, EpochDelta::new(-1), EpochDelta::new(i64::MIN)] {
        let terms = Terms {
            renewal: Some(Renewal { threshold }),
            repair: Some(Repair { threshold }),
            ..terms(3)
        };
        let error = |which| TermError::ThresholdNotPositive { which, threshold };
        assert_eq!(errors(terms), [error("renewal"), error("repair")]);
    }
}

#[test]
fn an_aggregator_that_is_not_configured_is_refused_and_the_others_are_named() {
    let name = AggregatorName::new("keyd");
    let named = |aggregators| Terms { aggregators, ..terms(3) };
    assert_eq!(check(&named(vec![keyed().name])), Ok(vec![]));
    let error = errors(named(vec![keyed().name, name.clone()]));
    assert_eq!(error, [TermError::UnknownAggregator { name, known: vec![keyed().name] }]);
    assert!(error[0].to_string().ends_with("\"keyd\" is not configured; known: keyed"));
    let known = |aggregators: &[AggregatorView]| {
        let terms = named(vec![AggregatorName::new("keyd")]);
        check_terms(&terms, aggregators, &ProviderBook::new()).expect_err("unknown")[0].to_string()
    };
    assert!(known(&[keyed(), lighthouse()]).ends_with("known: keyed, lighthouse"));
    assert!(known(&[]).ends_with("known: none"));
}

#[test]
fn a_cap_of_none_is_refused() {
    for by in Grouping::ALL {
        let error = errors(Terms { placement: capped(by, 0), ..terms(3) });
        assert_eq!(error, [TermError::CapZero { by }]);
        assert!(error[0].to_string().contains(&format!("placement.per_{} is 0", by.name())));
    }
}

#[test]
fn a_provider_that_is_wanted_and_not_wanted_is_refused() {
    let placement = Placement {
        prefer: providers([1, 2, 3]),
        avoid: providers([2, 4, 5]),
        exclude: providers([3, 4, 6]),
        ..Placement::default()
    };
    let both = |n, list, other| TermError::BothWanted { provider: provider(n), list, other };
    let all = errors(Terms { placement, ..terms(3) });
    let expected =
        [both(3, "prefer", "exclude"), both(4, "avoid", "exclude"), both(2, "prefer", "avoid")];
    assert_eq!(all, expected);
    let words = "f01003 is in placement.prefer and in placement.exclude: leave it out of one";
    assert_eq!(all[0].to_string(), words);
}

#[test]
fn a_budget_of_nothing_is_refused() {
    let budget = Budget { deals_per_day: Some(0), bytes_per_day: Some(0) };
    let error = |which| TermError::BudgetZero { which };
    let all = errors(Terms { budget, ..terms(3) });
    assert_eq!(all, [error("deals_per_day"), error("bytes_per_day")]);
    let least = Budget { deals_per_day: Some(1), bytes_per_day: Some(1) };
    assert_eq!(check(&Terms { budget: least, ..terms(3) }), Ok(vec![]));
}

// What is warned of.

#[test]
fn a_repair_threshold_shorter_than_a_proving_period_or_longer_than_a_sectors_life_is_warned_of() {
    let repaired = |threshold| warnings(Terms { repair: Some(Repair { threshold }), ..terms(3) });
    let (day, most) = (EpochDelta::PROVING_PERIOD, EpochDelta::FAULT_MAX_AGE);
    let one = EpochDelta::new(1);
    assert_eq!((repaired(day), repaired(most)), (vec![], vec![]));
    let below = TermWarning::RepairBelowProvingPeriod { threshold: day - one };
    assert_eq!(repaired(day - one), [below]);
    let beyond = TermWarning::RepairBeyondTermination { threshold: most + one };
    assert_eq!(repaired(most + one), [beyond]);
}

#[test]
fn a_renewal_threshold_beyond_the_deals_on_offer_is_clamped_with_a_warning() {
    let threshold = EpochDelta::days(135);
    let renewed = |threshold| warnings(Terms { renewal: Some(Renewal { threshold }), ..terms(3) });
    assert_eq!(renewed(threshold), [], "three quarters of 180 days");
    let beyond = threshold + EpochDelta::new(1);
    let clamped = TermWarning::RenewalClamped { threshold: beyond, to: threshold };
    assert_eq!(renewed(beyond), [clamped]);
    let of_job = |threshold, aggregators: &[AggregatorView]| {
        let terms = Terms { renewal: Some(Renewal { threshold }), ..terms(3) };
        together(&[job_with("job", terms)], aggregators).renewal
    };
    assert_eq!(of_job(EpochDelta::YEAR.times(2), &[keyed()]), Some(threshold));
    let short = AggregatorView { deal_duration: EpochDelta::days(100), ..lighthouse() };
    assert_eq!(of_job(EpochDelta::YEAR, &[keyed(), short]), Some(EpochDelta::days(75)));
    assert_eq!(of_job(EpochDelta::YEAR, &[]), Some(threshold), "as if of the shortest there is");
}

#[test]
fn a_renewal_threshold_below_twice_the_aggregators_latency_is_warned_of() {
    let latency = EpochDelta::days(15);
    let slow = AggregatorView { latency, ..lighthouse() };
    let warned = |threshold, named: &[&AggregatorView]| {
        let aggregators = named.iter().map(|a| a.name.clone()).collect();
        let terms = Terms { renewal: Some(Renewal { threshold }), aggregators, ..terms(3) };
        check_terms(&terms, &[keyed(), slow.clone()], &ProviderBook::new()).expect("accepted")
    };
    assert_eq!(warned(MONTH, &[]), []);
    let threshold = MONTH - EpochDelta::new(1);
    let warning = || TermWarning::RenewalBelowLatency { threshold, latency };
    assert_eq!(warned(threshold, &[]), [warning()]);
    assert_eq!(warned(threshold, &[&slow]), [warning()]);
    assert_eq!(warned(threshold, &[&keyed()]), [], "it does not use the slow one");
}

#[test]
fn a_job_that_keeps_what_it_finds_is_told_which_deals_count() {
    let keep = Terms { replication: None, ..terms(3) };
    assert_eq!(warnings(keep.clone()), [TermWarning::CountsOnlyOrdered]);
    assert_eq!(warnings(trusting(keep)), []);
}

#[test]
fn a_cap_that_the_known_providers_cannot_fill_is_warned_of_with_the_knob_to_loosen() {
    let by = Grouping::Organisation;
    let known = book(by, &[(1, "a"), (2, "a"), (3, "a"), (4, "b")]);
    let warned = |target, placement| {
        let terms = Terms { placement, ..terms(target) };
        check_terms(&terms, &[keyed()], &known).expect("accepted")
    };
    assert_eq!(warned(3, capped(by, 2)), [], "two of a and one of b");
    let unfillable = TermWarning::CapUnfillable { by, cap: 2, most: 3, target: 4 };
    let said = warned(4, capped(by, 2));
    assert_eq!(said, [unfillable]);
    assert!(said[0].to_string().contains("take 3 of the 4 wanted: raise placement.per_organ"));
    let without = Placement { exclude: providers([4]), ..capped(by, 2) };
    let unfillable = TermWarning::CapUnfillable { by, cap: 2, most: 2, target: 3 };
    assert_eq!(warned(3, without), [unfillable], "an excluded one takes none");
}

#[test]
fn a_cap_on_what_is_not_known_is_warned_of() {
    let by = Grouping::Country;
    let absent = [TermWarning::FactsAbsent { by }];
    let warned = |book: &ProviderBook, placement| {
        let terms = Terms { placement, ..terms(2) };
        check_terms(&terms, &[keyed()], book).expect("accepted")
    };
    assert_eq!(warned(&ProviderBook::new(), capped(by, 1)), absent);
    let mut known = book(by, &[(1, "DE"), (2, "FR")]);
    assert_eq!(warned(&known, capped(by, 1)), []);
    known.insert(provider(3), ProviderFacts::default());
    assert_eq!(warned(&known, capped(by, 1)), absent);
    let without = Placement { exclude: providers([3]), ..capped(by, 1) };
    assert_eq!(warned(&known, without), []);
}

#[test]
fn a_budget_below_what_any_order_makes_is_warned_of() {
    let double = AggregatorView { copies: 2, ..keyed() };
    let triple = AggregatorView { copies: 3, ..lighthouse() };
    let warned = |per_day| {
        let budget = Budget { deals_per_day: Some(per_day), bytes_per_day: None };
        let offered = [triple.clone(), double.clone()];
        let terms = Terms { budget, ..terms(3) };
        check_terms(&terms, &offered, &ProviderBook::new()).expect("accepted")
    };
    assert_eq!(warned(1), [TermWarning::BudgetBelowOrder { per_day: 1, copies: 2 }]);
    assert_eq!(warned(2), []);
}

#[test]
fn every_warning_says_what_it_is_about() {
    let (threshold, to) = (EpochDelta::days(300), EpochDelta::days(135));
    let (by, latency) = (Grouping::Owner, EpochDelta::days(2));
    for (warning, words) in [
        (TermWarning::RepairBelowProvingPeriod { threshold: EpochDelta::HOUR }, "threshold 1h is"),
        (TermWarning::RepairBeyondTermination { threshold }, "threshold 300d is beyond 120960"),
        (TermWarning::RenewalClamped { threshold, to }, "300d is too long"),
        (TermWarning::RenewalBelowLatency { threshold: latency, latency }, "latency (2d)"),
        (TermWarning::CountsOnlyOrdered, "\"trust\": \"contract\""),
        (TermWarning::FactsAbsent { by }, "providers whose owner is known"),
        (TermWarning::BudgetBelowOrder { per_day: 1, copies: 2 }, "raise it to 2"),
    ] {
        assert!(warning.to_string().contains(words), "{warning}");
    }
    for (error, words) in [
        (TermError::NothingAsked, "at least one of replication, renewal and repair"),
        (TermError::TargetZero, "give at least 1"),
        (TermError::TargetTooLarge { target: 101 }, "is 101: give at most 100"),
        (TermError::MinZero, "replication.min is 0"),
        (TermError::MinAboveTarget { min: 4, target: 3 }, "min 4 is above"),
        (TermError::MaxBelowTarget { max: 2, target: 3 }, "max 2 is below"),
        (TermError::ThresholdNotPositive { which: "repair", threshold: to }, "repair.threshold"),
        (TermError::BudgetZero { which: "bytes_per_day" }, "budget.bytes_per_day is 0"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

// What several jobs want together.

fn together(jobs: &[JobView], aggregators: &[AggregatorView]) -> Wanted {
    combine(jobs.iter().map(|view| &view.job), aggregators, NOW).expect("a job that stands")
}

#[test]
fn of_target_min_max_and_renewal_the_largest_holds_and_of_repair_the_smallest() {
    let one = Terms {
        replication: Some(Replication { target: 2, min: 2, max: 9 }),
        renewal: Some(Renewal { threshold: EpochDelta::days(40) }),
        repair: Some(Repair { threshold: EpochDelta::days(5) }),
        ..Terms::default()
    };
    let other = Terms {
        replication: Some(Replication { target: 4, min: 1, max: 5 }),
        renewal: Some(Renewal { threshold: EpochDelta::days(20) }),
        repair: Some(Repair { threshold: EpochDelta::days(3) }),
        ..Terms::default()
    };
    let jobs = [job_with("a", one), job_with("b", other)];
    let wanted = together(&jobs, &[keyed()]);
    assert_eq!((wanted.target, wanted.min, wanted.max), (Some(4), 2, 9));
    assert_eq!(wanted.renewal, Some(EpochDelta::days(40)));
    assert_eq!(wanted.repair, Some(EpochDelta::days(3)));
    assert!(wanted.replicates);
    assert_eq!(together(&[jobs[1].clone(), jobs[0].clone()], &[keyed()]), wanted);
}

#[test]
fn one_job_keeps_what_it_found_beside_one_that_replicates() {
    let keep = |found| {
        let mut view = job_with("keep", Terms { replication: None, ..terms(1) });
        view.job.found = found;
        view
    };
    let band = replicating(2, 1, 3);
    let wanted = |found| together(&[keep(found), job_with("job", band.clone())], &[keyed()]);
    assert_eq!((wanted(Some(5)).target, wanted(Some(5)).max), (Some(5), 5));
    assert_eq!((wanted(Some(1)).target, wanted(Some(1)).max), (Some(2), 3));
    assert_eq!((wanted(None).target, wanted(None).min), (Some(2), 1), "whatever it will find");
    let alone = |found| together(&[keep(found)], &[keyed()]);
    assert_eq!((alone(None).target, alone(None).replicates), (None, false));
    let kept = alone(Some(2));
    assert_eq!((kept.target, kept.min, kept.max, kept.replicates), (Some(2), 2, 2, false));
    let two = together(&[keep(Some(2)), keep(Some(3))], &[keyed()]);
    assert_eq!(two.target, Some(3));
    assert_eq!(together(&[keep(Some(2)), keep(None)], &[keyed()]).target, None);
}

#[test]
fn a_job_stands_until_its_end_and_then_wants_nothing() {
    let until = |span| Terms { until: Some(NOW + EpochDelta::new(span)), ..terms(3) };
    let jobs = [job_with("over", until(0)), job_with("stands", Terms { ..until(1) })];
    let wanted = |jobs: &[JobView]| combine(jobs.iter().map(|view| &view.job), &[keyed()], NOW);
    assert_eq!(wanted(&jobs[..1]), None);
    assert!(wanted(&jobs[1..]).is_some());
    assert_eq!(wanted(&jobs), wanted(&jobs[1..]));
    assert_eq!(wanted(&[]), None);
}

#[test]
fn the_contract_is_trusted_only_where_every_job_trusts_it() {
    let (wary, trusting) = (job_with("a", terms(1)), job_with("b", trusting(terms(1))));
    assert_eq!(wary.job.terms.trust, Trust::Proven);
    assert!(together(std::slice::from_ref(&trusting), &[keyed()]).trusts_contract);
    assert!(!together(&[wary, trusting], &[keyed()]).trusts_contract);
}

#[test]
fn of_caps_the_smallest_holds_and_of_lists_all_but_what_somebody_else_does_not_want() {
    let one = Placement {
        per_owner: Some(2),
        per_organisation: Some(1),
        prefer: providers([1, 2, 3]),
        avoid: providers([4, 5]),
        exclude: providers([6]),
        ..Placement::default()
    };
    let other = Placement {
        per_organisation: Some(3),
        per_country: Some(4),
        prefer: providers([4, 7]),
        avoid: providers([2]),
        exclude: providers([3, 5]),
        ..Placement::default()
    };
    let jobs = [one, other].map(|placement| job_with("job", Terms { placement, ..terms(3) }));
    let expected = Placement {
        per_owner: Some(2),
        per_organisation: Some(1),
        per_country: Some(4),
        prefer: providers([1, 7]),
        avoid: providers([2, 4]),
        exclude: providers([3, 5, 6]),
    };
    assert_eq!(together(&jobs, &[keyed()]).placement, expected);
}

#[test]
fn each_job_is_clamped_by_the_deals_of_its_own_aggregators() {
    let short = AggregatorView { deal_duration: EpochDelta::days(40), ..lighthouse() };
    let job = |aggregators| Terms {
        renewal: Some(Renewal { threshold: EpochDelta::days(50) }),
        aggregators,
        ..terms(1)
    };
    let offered = [keyed(), short.clone()];
    let of =
        |names: Vec<AggregatorName>| together(&[job_with("job", job(names))], &offered).renewal;
    assert_eq!(of(vec![short.name.clone()]), Some(EpochDelta::days(30)));
    assert_eq!(of(vec![keyed().name]), Some(EpochDelta::days(50)));
    assert_eq!(of(vec![]), Some(EpochDelta::days(30)));
}
