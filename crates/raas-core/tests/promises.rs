//! Each promise of the planner, as a sentence and a test. Those about whom orders go to, who takes whose
//! place, where replicas may be, what may be spent, what goes first and what is not believed have
//! files of their own beside this one.

mod world;

use raas_core::{
    AggregatorView, DataView, Observation, Reason, Replica, Step, Trouble, explain, plan,
};
use raas_types::{
    Cause, DealId, EpochDelta, FaultSince, ListedDeal, Order, OrderState, ProviderId, Repair,
    Replication, SubmissionId, Terms, Unknown, Verdict, VerdictKind,
};
use world::*;

// Promise 1: the same inputs, the same plan.

#[test]
fn a_satisfied_job_gives_an_empty_plan() {
    let plan = plan(&job(3), &seen(vec![active(1), active(2), active(3)]));
    assert_eq!(plan.steps, []);
    assert!(plan.reasons.contains(&Reason::Satisfied { held: 3, target: 3 }));
}

#[test]
fn planning_twice_before_a_deal_lands_orders_once() {
    let jobs = job(3);
    let world = seen(vec![active(1)]);
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [Cause::Replication, Cause::Replication]);
    assert_eq!(plan(&jobs, &world), first, "the same inputs give the same plan");
    assert_eq!(causes(&jobs, &after_ordering(&world, &first)), []);
}

#[test]
fn two_jobs_on_one_cid_order_once() {
    let jobs = [job_with("a", terms(2)), job_with("b", terms(3))];
    let world = seen(vec![active(1)]);
    let plan = plan(&jobs, &world);
    assert_eq!(ordered(&plan), [Cause::Replication; 2], "the larger target is met, once");
    assert_eq!(causes(&jobs, &after_ordering(&world, &plan)), []);
}

#[test]
fn of_two_repair_thresholds_the_smaller_holds() {
    let mut patient = terms(2);
    patient.repair = Some(Repair { threshold: EpochDelta::days(5) });
    let world = seen(vec![active(1), faulty(2, EpochDelta::days(2))]);
    assert_eq!(causes(&[job_with("a", patient.clone())], &world), []);
    assert_eq!(causes(&[job_with("a", patient), job_with("b", terms(2))], &world), [repair(2)]);
}

#[test]
fn two_jobs_of_which_one_cannot_be_satisfied_say_so_and_do_what_can_be() {
    let far = Terms { aggregators: vec![keyed().name], ..terms(5) };
    let mut world = seen(vec![active(1), active(2)]);
    world.orders = vec![failed(1, NOW), failed(2, NOW)];
    let plan = plan(&[job_with("near", terms(2)), job_with("far", far)], &world);
    assert_eq!(plan.steps, []);
    assert!(plan.reasons.contains(&Reason::TargetUnreachable { have: 2, target: 5 }));
}

#[test]
fn a_job_that_is_over_wants_nothing() {
    let mut over = terms(3);
    over.until = Some(NOW);
    let plan = plan(&[job_with("job", over)], &seen(vec![]));
    assert_eq!((plan.steps, plan.reasons.to_vec()), (vec![], vec![Reason::NoJobStands]));
    assert_eq!(plan.next_look, NOW + raas_core::MAX_AGE);
}

#[test]
fn what_orders_or_records_spends_on_verdicts_and_nothing_else_does() {
    let spends = |jobs: &[raas_core::JobView], world: &raas_core::Observation| {
        plan(jobs, world).spends_on_verdicts()
    };
    let mut world = seen(vec![active(1)]);
    assert!(spends(&job(2), &world), "an order");
    assert!(!spends(&job(1), &world), "nothing");
    world.data = DataView::Elsewhere;
    assert!(!spends(&job(2), &world), "a fetch");
    let mut recording = job(1);
    recording[0].records = true;
    assert!(!spends(&recording, &world), "an announcement");
    recording[0].submission = Some(SubmissionId(1));
    world.replicas[0].listed = false;
    assert!(spends(&recording, &world), "a record");
}

// Promise 2: slots.

#[test]
fn each_missing_slot_gets_one_order_labelled_by_its_cause() {
    let world =
        seen(vec![ending(1, EpochDelta::days(20)), replica(2, Verdict::Terminated), active(3)]);
    assert_eq!(causes(&job(4), &world), [renewal(1), repair(2), Cause::Replication]);
}

#[test]
fn a_second_deal_on_one_provider_adds_nothing() {
    let mut twin = active(2);
    twin.provider = ProviderId::new(1001);
    let plan = plan(&job(2), &seen(vec![active(1), twin]));
    assert_eq!(ordered(&plan), [Cause::Replication]);
    let adds_nothing = |r: &Reason| matches!(r, Reason::AddsNothing { provider, .. } if *provider == ProviderId::new(1001));
    assert!(plan.reasons.iter().any(adds_nothing));
}

#[test]
fn a_successor_on_the_provider_of_the_old_deal_holds_its_slot() {
    let mut successor = replica(9, Verdict::Pending { start: NOW + EpochDelta::DAY });
    successor.provider = ProviderId::new(1001);
    successor.replaces = Some(raas_types::DealId::new(1));
    let world = seen(vec![ending(1, EpochDelta::days(20)), active(2), successor]);
    assert_eq!(causes(&job(2), &world), []);
}

#[test]
fn a_deal_whose_provider_contract_and_proposal_name_differently_holds_nothing() {
    let forged = replica(2, Verdict::Unknown { why: Unknown::ProviderMismatch });
    assert_eq!(causes(&job(2), &seen(vec![active(1), forged])), [Cause::Replication]);
}

#[test]
fn a_pending_deal_holds_its_slot() {
    let pending = replica(2, Verdict::Pending { start: NOW + EpochDelta::DAY });
    assert_eq!(causes(&job(2), &seen(vec![active(1), pending])), []);
}

#[test]
fn a_deal_that_nobody_vouches_for_counts_only_where_the_contract_is_trusted() {
    let mut stranger = active(1);
    stranger.proven = false;
    let world = seen(vec![stranger]);
    assert_eq!(causes(&job(1), &world), [Cause::Replication]);
    assert_eq!(causes(&[job_with("job", trusting(terms(1)))], &world), []);
}

#[test]
fn an_order_that_is_outstanding_holds_a_slot_and_a_landed_one_leaves_it_to_its_deal() {
    let mut world = seen(vec![active(1)]);
    world.orders = vec![order(1, Cause::Replication, &keyed())];
    for state in [OrderState::Intended, OrderState::Sending, world.orders[0].state.clone()] {
        world.orders[0].state = state;
        assert_eq!(causes(&job(3), &world), [Cause::Replication]);
    }
    world.orders[0] = landed(1, NOW);
    assert_eq!(causes(&job(3), &world), [Cause::Replication; 2]);
}

#[test]
fn deals_in_flight_never_are_more_than_the_slots_they_are_to_hold() {
    let mut world = seen(vec![]);
    let mut ordered = 0;
    for _ in 0..10 {
        let plan = plan(&job(3), &world);
        ordered += plan.steps.len();
        world = after_ordering(&world, &plan);
    }
    assert_eq!(ordered, 3);
}

#[test]
fn an_order_of_several_copies_holds_as_many_slots() {
    let mut world = seen(vec![active(1)]);
    world.aggregators[0].copies = 2;
    world.orders = vec![order(1, Cause::Replication, &keyed())];
    assert_eq!(causes(&job(3), &world), []);
    let short = [Cause::Replication];
    assert_eq!(causes(&job(4), &world), short);
}

#[test]
fn an_order_of_several_copies_holds_a_slot_for_each_that_is_still_to_come() {
    let mut world = seen(vec![active(1), active(2)]);
    world.aggregators[0].copies = 2;
    let made = vec![ListedDeal { deal: DealId::new(2), provider: provider(2) }];
    world.orders = vec![Order { made, ..order(1, Cause::Replication, &keyed()) }];
    assert_eq!(causes(&job(3), &world), [], "deal 2, and one to come");
    let plan = plan(&job(4), &world);
    assert!(plan.reasons.contains(&Reason::Missing { held: 3, target: 4 }), "{:?}", plan.reasons);
}

#[test]
fn of_two_deals_on_one_provider_the_one_that_lasts_holds_the_slot() {
    let pending = replica(2, Verdict::Pending { start: NOW + EpochDelta::DAY });
    let old = || ending(1, EpochDelta::days(20));
    for lasting in [pending, faulty(2, EpochDelta::HOUR), active(2)] {
        let world = seen(vec![old(), beside(1, lasting.clone()), active(3)]);
        assert_eq!(causes(&job(2), &world), [], "beside {lasting:?}");
    }
    // One that is not known to live is no reason to let the other one end.
    let unconfirmed = Replica { confirmed: false, ..replica(2, Verdict::Terminated) };
    for doubtful in [unknown(2), unconfirmed] {
        let world = seen(vec![old(), beside(1, doubtful.clone()), active(3)]);
        assert_eq!(causes(&job(2), &world), [renewal(1)], "beside {doubtful:?}");
    }
}

#[test]
fn an_old_deal_that_holds_no_slot_any_more_counts_for_min_and_for_risk_while_it_lives() {
    let second_half = seen(vec![active(1), ending(2, EpochDelta::days(10))]);
    let strict = Replication { target: 2, min: 2, max: 3 };
    let strict = [job_with("job", Terms { replication: Some(strict), ..terms(2) })];
    let plan = plan(&strict, &second_half);
    assert!(plan.reasons.contains(&Reason::Missing { held: 1, target: 2 }), "{:?}", plan.reasons);
    assert!(!plan.reasons.iter().any(|r| matches!(r, Reason::BelowMin { .. })));
    let alone = seen(vec![active(1), replica(2, Verdict::Ended)]);
    let risk = |world| urgencies(&strict, world)[0].risk;
    assert!(risk(&second_half) < risk(&alone));
    assert!(
        raas_core::plan(&strict, &alone).reasons.contains(&Reason::BelowMin { safe: 1, min: 2 })
    );
}

// Promise 3: unknown is not lost.

#[test]
fn an_unknown_replica_causes_no_order_and_gives_no_comfort() {
    let plan = plan(&job(3), &seen(vec![active(1), unknown(2), unknown(3)]));
    assert_eq!(ordered(&plan), []);
    assert!(plan.reasons.contains(&Reason::BelowMin { safe: 1, min: 2 }), "{:?}", plan.reasons);
}

#[test]
fn whatever_it_is_that_is_not_known_nothing_is_spent_on_it() {
    let error = || "time-out".to_owned();
    let disagreement =
        Unknown::Disagreement { first: VerdictKind::Active, second: VerdictKind::Gone };
    let all = [
        Unknown::Deal(error()),
        Unknown::Sector(error()),
        Unknown::NextId,
        Unknown::AheadOfChain,
        disagreement,
    ];
    for why in all {
        let unknown = || replica(2, Verdict::Unknown { why: why.clone() });
        assert_eq!(causes(&job(2), &seen(vec![active(1), unknown()])), [], "{why:?}");
        let plan = plan(&job(1), &seen(vec![active(1), unknown()]));
        assert!(plan.reasons.contains(&Reason::AboveTarget { held: 2, target: 1 }), "{why:?}");
        assert_eq!(plan.next_look, NOW + raas_core::ORDER_POLL, "and it is asked again soon");
    }
}

#[test]
fn nothing_is_ordered_while_evidence_is_missing() {
    let mut world = seen(vec![]);
    world.missing_evidence = vec!["the contract could not be asked".to_owned()];
    let plan = plan(&job(3), &world);
    assert_eq!(plan.steps, []);
    let said = |r: &Reason| matches!(r, Reason::EvidenceMissing { .. });
    assert!(plan.reasons.iter().any(said));
}

// Promise 4: repair waits for the threshold.

#[test]
fn repair_waits_for_the_threshold_to_the_epoch() {
    let at = |span: i64| causes(&job(2), &seen(vec![active(1), faulty(2, EpochDelta::new(span))]));
    assert_eq!(at(2_879), []);
    assert_eq!(at(2_880), [repair(2)]);
    assert_eq!(at(2_881), [repair(2)]);
}

#[test]
fn a_fault_that_the_chain_does_not_date_counts_from_what_we_saw_of_it() {
    let observed = |span| {
        let since = FaultSince::Observed(NOW - EpochDelta::new(span));
        let end = NOW + DURATION;
        causes(&job(2), &seen(vec![active(1), replica(2, Verdict::Faulty { since, end })]))
    };
    assert_eq!((observed(2_879), observed(2_880)), (vec![], vec![repair(2)]));
}

#[test]
fn a_replica_that_recovered_in_time_is_not_repaired() {
    let mut world = seen(vec![active(1), faulty(2, EpochDelta::new(2_879))]);
    let waits = plan(&job(2), &world);
    assert_eq!(waits.steps, []);
    let (since, repair_at) = (NOW - EpochDelta::new(2_879), NOW + EpochDelta::new(1));
    let said = Reason::FaultWaits { deal: DealId::new(2), since, repair_at };
    assert!(waits.reasons.contains(&said), "{:?}", waits.reasons);
    world.at = repair_at;
    assert_eq!(causes(&job(2), &world), [repair(2)]);
    world.replicas[1] = active(2);
    assert_eq!(causes(&job(2), &world), []);
}

#[test]
fn a_fault_that_was_seen_once_is_not_spent_upon() {
    for span in [EpochDelta::DAY, EpochDelta::days(2)] {
        let once = Replica { confirmed: false, ..faulty(2, span) };
        let plan = plan(&job(2), &seen(vec![active(1), once]));
        assert_eq!(ordered(&plan), []);
        let verdict = VerdictKind::Faulty;
        let waits = Reason::AwaitingSecondLook { deal: DealId::new(2), verdict };
        assert!(plan.reasons.contains(&waits), "{:?}", plan.reasons);
    }
}

#[test]
fn a_lost_deal_is_repaired_after_confirmation_whatever_the_threshold() {
    for verdict in [Verdict::Terminated, Verdict::Gone, Verdict::StartMissed] {
        let mut lost = replica(2, verdict);
        assert_eq!(causes(&job(2), &seen(vec![active(1), lost.clone()])), [repair(2)]);
        lost.confirmed = false;
        assert_eq!(causes(&job(2), &seen(vec![active(1), lost])), []);
    }
}

#[test]
fn a_lost_deal_that_was_replaced_is_not_replaced_again() {
    let mut replacement = active(3);
    replacement.replaces = Some(raas_types::DealId::new(2));
    let world = seen(vec![active(1), replica(2, Verdict::Terminated), replacement]);
    assert_eq!(causes(&job(2), &world), []);
}

#[test]
fn without_repair_terms_a_fault_is_left_alone_and_a_lost_deal_is_replicated() {
    let mut no_repair = terms(2);
    no_repair.repair = None;
    let jobs = [job_with("job", no_repair)];
    assert_eq!(causes(&jobs, &seen(vec![active(1), faulty(2, EpochDelta::days(30))])), []);
    let dead = seen(vec![active(1), replica(2, Verdict::Terminated)]);
    assert_eq!(causes(&jobs, &dead), [Cause::Replication]);
}

// Promise 5: renewal is make-before-break.

#[test]
fn a_deal_near_its_end_is_renewed_once() {
    let jobs = job(2);
    let world = seen(vec![active(1), ending(2, MONTH)]);
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [renewal(2)]);
    assert_eq!(causes(&jobs, &after_ordering(&world, &first)), []);
    let outside = seen(vec![active(1), ending(2, MONTH + EpochDelta::new(1))]);
    assert_eq!(causes(&jobs, &outside), []);
}

#[test]
fn in_the_second_half_of_its_window_an_old_deal_holds_no_slot() {
    let held = |left| {
        let plan = plan(&job(2), &seen(vec![active(1), ending(2, left)]));
        plan.reasons.contains(&Reason::Satisfied { held: 2, target: 2 })
    };
    assert!(held(EpochDelta::new(43_201)));
    assert!(!held(EpochDelta::new(43_200)), "15 of 30 days left");
}

#[test]
fn a_deal_in_its_window_says_when_it_ends_and_in_which_half() {
    let says = |replica, end, second_half| {
        let plan = plan(&job(2), &seen(vec![active(1), replica]));
        let ending = Reason::Ending { deal: DealId::new(2), end, second_half };
        assert!(plan.reasons.contains(&ending), "{:?}", plan.reasons);
    };
    let (first, second) = (EpochDelta::days(20), EpochDelta::days(10));
    says(ending(2, first), NOW + first, false);
    says(ending(2, second), NOW + second, true);
    let since = FaultSince::Exact(NOW - EpochDelta::HOUR);
    let in_trouble = Verdict::Faulty { since, end: NOW + first };
    says(replica(2, in_trouble), NOW + first, false);
}

#[test]
fn a_successor_born_inside_the_window_is_not_renewed_at_once() {
    let mut eager = terms(1);
    eager.renewal = Some(raas_types::Renewal { threshold: EpochDelta::YEAR });
    let newborn = seen(vec![ending(1, DURATION)]);
    assert_eq!(causes(&[job_with("job", eager)], &newborn), []);
}

#[test]
fn a_renewal_or_repair_job_keeps_the_count_it_found_and_never_adds() {
    let keep = trusting(Terms { replication: None, ..terms(1) });
    let mut jobs = [job_with("keep", keep)];
    let world = seen(vec![active(1), active(2)]);
    let first = plan(&jobs, &world);
    assert!(matches!(first.steps[..], [Step::NoteFound { found: 2, .. }]));

    jobs[0].job.found = Some(2);
    assert_eq!(causes(&jobs, &world), []);
    assert_eq!(causes(&jobs, &seen(vec![active(1), replica(2, Verdict::Gone)])), [repair(2)]);
    assert_eq!(causes(&jobs, &seen(vec![active(1)])), [], "it never replicates");
}

#[test]
fn a_job_counts_what_it_finds_only_where_it_sees_all_of_it() {
    let jobs = [job_with("keep", trusting(Terms { replication: None, ..terms(1) }))];
    let notes = |world: &raas_core::Observation| {
        let plan = plan(&jobs, world);
        let not_yet = plan.reasons.contains(&Reason::KeepsWhatItFound { found: None });
        assert_eq!(plan.steps.is_empty(), not_yet, "{:?}", plan.reasons);
        assert!(plan.next_look == NOW + EpochDelta::new(1), "it looks again at once");
        plan.steps
    };
    let found = |found| vec![Step::NoteFound { job: jobs[0].job.id.clone(), found }];
    let mut world = seen(vec![active(1), active(2)]);
    assert_eq!(notes(&world), found(2));
    world.missing_evidence = vec!["the contract".to_owned()];
    assert_eq!(notes(&world), []);
    world.missing_evidence.clear();
    world.replicas[1] = unknown(2);
    assert_eq!(notes(&world), []);
    world.replicas[1] = Replica { proven: false, listed: false, ..unknown(2) };
    assert_eq!(notes(&world), found(1), "of one that does not count nothing need be known");
}

#[test]
fn what_a_job_found_is_what_is_there_or_was_lost_on_distinct_providers() {
    let jobs = [job_with("keep", Terms { replication: None, ..terms(1) })];
    let world = seen(vec![
        active(1),
        beside(1, active(2)),
        faulty(3, EpochDelta::days(9)),
        replica(4, Verdict::Terminated),
        replica(5, Verdict::Gone),
        replica(6, Verdict::Pending { start: NOW }),
        replica(7, Verdict::Ended),
        replica(8, Verdict::Completed),
        replica(9, Verdict::NeverExisted),
        replica(10, Verdict::StartMissed),
        Replica { proven: false, ..active(11) },
    ]);
    let plan = plan(&jobs, &world);
    assert_eq!(plan.steps, [Step::NoteFound { job: jobs[0].job.id.clone(), found: 5 }]);
    assert!(plan.reasons.contains(&Reason::KeepsWhatItFound { found: Some(5) }));
}

#[test]
fn a_forged_listing_does_not_keep_a_job_from_counting_what_it_found() {
    let forged = replica(9, Verdict::Unknown { why: Unknown::ProviderMismatch });
    let jobs = [job_with("keep", trusting(Terms { replication: None, ..terms(1) }))];
    let plan = plan(&jobs, &seen(vec![active(1), forged]));
    assert!(matches!(plan.steps[..], [Step::NoteFound { found: 1, .. }]), "{:?}", plan.steps);
}

#[test]
fn a_deal_that_ended_unrenewed_is_still_renewed() {
    let world = seen(vec![active(1), replica(2, Verdict::Ended)]);
    assert_eq!(causes(&job(2), &world), [renewal(2)]);
}

#[test]
fn a_surplus_is_left_to_lapse() {
    let world = seen(vec![active(1), active(2), ending(3, EpochDelta::days(2))]);
    assert_eq!(causes(&job(2), &world), []);
}

#[test]
fn three_deals_that_end_together_are_all_renewed_and_never_more() {
    let mut tight = terms(3);
    tight.replication = Some(Replication { target: 3, min: 3, max: 3 });
    let jobs = [job_with("job", tight)];
    let world = seen((1..=3).map(|n| ending(n, EpochDelta::days(20))).collect());
    let first = plan(&jobs, &world);
    assert_eq!(ordered(&first), [renewal(1), renewal(2), renewal(3)]);
    assert_eq!(causes(&jobs, &after_ordering(&world, &first)), []);
}

#[test]
fn a_renewal_never_makes_more_than_the_maximum() {
    let mut tight = terms(2);
    tight.replication = Some(Replication { target: 2, min: 2, max: 2 });
    let (late, early) = (EpochDelta::days(2), EpochDelta::days(20));
    let world = seen(vec![active(1), ending(2, late), ending(3, early)]);
    assert_eq!(
        causes(&[job_with("job", tight)], &world),
        [renewal(3)],
        "1 and 3 hold the slots: a successor of 2 would make three"
    );
}

// Promise 6: bands, and orders in flight.

#[test]
fn below_min_matters_more_than_a_fill() {
    let troubles = |replicas| {
        let urgencies = urgencies(&job(3), &seen(replicas));
        urgencies.into_iter().map(|urgency| urgency.trouble).collect::<Vec<_>>()
    };
    assert_eq!(troubles(vec![active(1)]), [Trouble::Endangered; 2]);
    assert_eq!(troubles(vec![active(1), active(2)]), [Trouble::Fill]);
}

#[test]
fn an_order_never_goes_beyond_the_maximum() {
    let mut tight = terms(3);
    tight.replication = Some(Replication { target: 3, min: 3, max: 3 });
    let jobs = [job_with("job", tight)];
    let mut world = seen(vec![]);
    world.aggregators[0].copies = 2;
    let plan = plan(&jobs, &world);
    assert_eq!(ordered(&plan).len(), 1, "a second order of two copies would make four");
    assert!(plan.reasons.iter().any(|r| matches!(r, Reason::TooManyCopies { copies: 2, .. })));
}

#[test]
fn a_surplus_that_lapses_leaves_no_room_for_more_copies() {
    let mut terms = terms(2);
    terms.replication = Some(Replication { target: 2, min: 2, max: 3 });
    let near = EpochDelta::days(20);
    let mut world = seen(vec![active(1), ending(2, near), ending(3, near)]);
    world.aggregators[0].copies = 2;
    assert_eq!(causes(&[job_with("job", terms)], &world), [], "two more would make four");
}

// Promise 9: reasons.

#[test]
fn every_order_has_its_reason_in_words() {
    let world = seen(vec![active(1), faulty(2, EpochDelta::days(2))]);
    let plan = plan(&job(2), &world);
    let words = explain(&plan).join("\n");
    assert!(words.contains("A deal is ordered from keyed to replace deal 2"), "{words}");
    assert!(words.contains("Deal 2 is lost: faulty"), "{words}");
}

// Promise 10: awaiting data.

#[test]
fn bytes_that_nobody_has_are_awaited_and_the_sources_are_named() {
    let mut world = seen(vec![active(1)]);
    world.data = DataView::Elsewhere;
    assert_eq!(plan(&job(2), &world).steps, [Step::Fetch]);
    let retry_at = NOW + EpochDelta::HOUR;
    world.data = DataView::Missing { tried: vec!["gateway g: 404".to_owned()], retry_at };
    let waiting = plan(&job(2), &world);
    assert_eq!(waiting.steps, []);
    assert!(explain(&waiting).join("\n").contains("gateway g: 404"));
    world.at = retry_at;
    assert_eq!(plan(&job(2), &world).steps, [Step::Fetch]);
}

#[test]
fn without_the_bytes_no_aggregator_is_called_busy() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    let retry_at = NOW + EpochDelta::HOUR;
    let missing = DataView::Missing { tried: vec!["gateway g: 404".to_owned()], retry_at };
    for data in [DataView::Elsewhere, missing] {
        world.data = data;
        let plan = plan(&job(3), &world);
        let by_aggregator = |r: &Reason| {
            matches!(
                r,
                Reason::Busy { .. } | Reason::TooManyCopies { .. } | Reason::Ordering { .. }
            )
        };
        assert!(!plan.reasons.iter().any(by_aggregator), "{:?}", plan.reasons);
        assert!(plan.reasons.contains(&Reason::Missing { held: 1, target: 3 }));
        let awaited = |r: &Reason| matches!(r, Reason::FetchFirst | Reason::AwaitingData { .. });
        assert!(plan.reasons.iter().any(awaited), "{:?}", plan.reasons);
    }
}

#[test]
fn what_may_soon_be_the_last_copy_is_fetched_though_nobody_takes_an_order_now() {
    let away = AggregatorView { unavailable_until: Some(NOW + EpochDelta::DAY), ..lighthouse() };
    let world = |replicas| Observation {
        aggregators: vec![away.clone()],
        data: DataView::Elsewhere,
        ..seen(replicas)
    };
    let soon = || ending(1, EpochDelta::days(20));
    for going in [vec![], vec![soon()], vec![soon(), faulty(2, EpochDelta::HOUR), unknown(3)]] {
        let plan = plan(&job(4), &world(going));
        assert_eq!(plan.steps, [Step::Fetch], "{:?}", plan.reasons);
        let unreachable = |r: &Reason| matches!(r, Reason::Unreachable { .. });
        assert!(plan.reasons.iter().any(unreachable), "{:?}", plan.reasons);
    }
    for lasting in [vec![active(1)], vec![soon(), active(2)]] {
        assert_eq!(plan(&job(4), &world(lasting)).steps, []);
    }
    let mut local = world(vec![soon()]);
    local.data = DataView::Local;
    assert_eq!(plan(&job(4), &local).steps, []);
}

#[test]
fn bytes_that_no_aggregator_could_take_now_are_not_fetched() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    world.data = DataView::Elsewhere;
    world.orders = vec![order(1, Cause::Replication, &lighthouse())];
    let plan = plan(&job(3), &world);
    assert_eq!(plan.steps, []);
    assert!(plan.reasons.iter().any(|r| matches!(r, Reason::Busy { .. })), "{:?}", plan.reasons);
}
