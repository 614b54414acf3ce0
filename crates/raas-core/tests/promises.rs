//! Each promise of the planner, as a sentence and a test.

mod world;

use raas_core::{AggregatorView, DataView, Reason, Replica, Step, explain, plan};
use raas_types::{
    Cause, ChainEpoch, DealId, EpochDelta, OrderState, ProviderId, Repair, Replication, Terms,
    Unknown, Verdict,
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
fn a_job_that_is_over_wants_nothing() {
    let mut over = terms(3);
    over.until = Some(NOW);
    let plan = plan(&[job_with("job", over)], &seen(vec![]));
    assert_eq!((plan.steps, plan.reasons), (vec![], vec![Reason::NoJobStands]));
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

// Promise 3: unknown is not lost.

#[test]
fn an_unknown_replica_causes_no_order_and_gives_no_comfort() {
    let plan = plan(&job(3), &seen(vec![active(1), unknown(2), unknown(3)]));
    assert_eq!(ordered(&plan), []);
    assert!(plan.reasons.contains(&Reason::BelowMin { safe: 1, min: 2 }), "{:?}", plan.reasons);
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
fn a_fault_that_was_seen_once_is_not_spent_upon() {
    let mut once = faulty(2, EpochDelta::days(2));
    once.confirmed = false;
    assert_eq!(causes(&job(2), &seen(vec![active(1), once])), []);
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

// Promise 5: what comes to nothing replaces nothing.

/// Keeps two replicas, and asks for no more than `terms` leave.
fn keeping_two(terms: Terms) -> Vec<raas_core::JobView> {
    let mut jobs = vec![job_with("keep", Terms { replication: None, ..terms })];
    jobs[0].job.found = Some(2);
    jobs
}

fn repairing() -> Vec<raas_core::JobView> {
    keeping_two(Terms { renewal: None, ..terms(2) })
}

fn renewing() -> Vec<raas_core::JobView> {
    keeping_two(Terms { repair: None, ..terms(2) })
}

/// `new`, ordered to take the place of deal `old`.
fn replacing(old: u64, new: Replica) -> Replica {
    Replica { replaces: Some(DealId::new(old)), ..new }
}

/// `replica`, on the provider of deal `n`.
fn beside(n: u64, replica: Replica) -> Replica {
    Replica { provider: ProviderId::new(1000 + n), ..replica }
}

#[test]
fn a_lost_deal_is_repaired_again_when_its_replacement_adds_nothing() {
    let replacement = replacing(1, beside(2, active(3)));
    let mut world = seen(vec![replica(1, Verdict::Terminated), active(2), replacement]);
    assert_eq!(causes(&repairing(), &world), [repair(1)]);
    world.replicas.push(replacing(1, active(4)));
    assert_eq!(causes(&repairing(), &world), [], "and then no more");
}

#[test]
fn an_ending_deal_is_renewed_again_when_its_successor_adds_nothing() {
    let successor = replacing(1, beside(2, active(3)));
    for old in [ending(1, EpochDelta::days(20)), ending(1, EpochDelta::days(2))] {
        let mut world = seen(vec![old, active(2), successor.clone()]);
        assert_eq!(causes(&renewing(), &world), [renewal(1)]);
        world.replicas.push(replacing(1, active(4)));
        assert_eq!(causes(&renewing(), &world), [], "and then no more");
    }
}

#[test]
fn a_deal_whose_successor_was_never_activated_is_renewed_late() {
    let missed = replacing(1, replica(3, Verdict::StartMissed));
    let mut world = seen(vec![replica(1, Verdict::Ended), active(2), missed]);
    assert_eq!(causes(&renewing(), &world), [renewal(1)]);
    world.replicas[2].confirmed = false;
    assert_eq!(causes(&renewing(), &world), [], "not before a second look");
}

#[test]
fn one_replacement_that_came_to_nothing_leaves_one_slot_to_repair() {
    let missed = replacing(1, replica(3, Verdict::StartMissed));
    let mut jobs = repairing();
    jobs[0].job.found = Some(3);
    // Deal 2 came to its end, and nothing asks to renew it.
    let lost = vec![replica(1, Verdict::Gone), replica(2, Verdict::Ended), missed, active(4)];
    let mut world = seen(lost);
    assert_eq!(causes(&jobs, &world), [repair(1)], "one was lost, not two");
    world.replicas.push(replacing(3, active(5)));
    assert_eq!(causes(&jobs, &world), [], "what replaces the replacement replaces the deal");
}

#[test]
fn a_deal_that_is_in_want_again_may_make_another_add_nothing() {
    // 4 was to succeed 1 and fell on the provider of 2: so 1 keeps its provider, on which 5 then
    // adds nothing, and what 5 was to replace is still lost.
    let world = seen(vec![
        ending(1, EpochDelta::days(20)),
        active(2),
        replica(3, Verdict::Terminated),
        replacing(1, beside(2, active(4))),
        replacing(3, beside(1, active(5))),
    ]);
    let mut jobs = keeping_two(terms(2));
    jobs[0].job.found = Some(3);
    assert_eq!(causes(&jobs, &world), [repair(3)]);
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
    let urgencies = |replicas| {
        let plan = plan(&job(3), &seen(replicas));
        let urgency = |step: &Step| match step {
            Step::Order { urgency, .. } => Some(*urgency),
            _ => None,
        };
        plan.steps.iter().filter_map(urgency).collect::<Vec<_>>()
    };
    assert_eq!(urgencies(vec![active(1)]), [raas_core::Urgency::Endangered; 2]);
    assert_eq!(urgencies(vec![active(1), active(2)]), [raas_core::Urgency::Fill]);
}

#[test]
fn an_aggregator_without_order_ids_gets_one_order_at_a_time() {
    let mut world = seen(vec![]);
    world.aggregators = vec![lighthouse()];
    let first = plan(&job(3), &world);
    assert_eq!(ordered(&first).len(), 1);
    assert!(first.reasons.iter().any(|r| matches!(r, Reason::Busy { .. })));
    assert_eq!(causes(&job(3), &after_ordering(&world, &first)), []);
}

#[test]
fn an_order_of_several_copies_fills_several_slots() {
    let mut world = seen(vec![]);
    world.aggregators[0].copies = 2;
    assert_eq!(causes(&job(3), &world).len(), 2, "two orders of two copies for three slots");
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

#[test]
fn an_aggregator_that_cannot_be_reached_is_left_alone_until_it_may_be() {
    let until = NOW + EpochDelta::HOUR;
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![AggregatorView { unavailable_until: Some(until), ..keyed() }];
    let waiting = plan(&job(2), &world);
    assert_eq!((waiting.steps.as_slice(), waiting.next_look), ([].as_slice(), until));
    let words = explain(&waiting).join("\n");
    let said = format!("keyed could not be reached; it is asked again at epoch {until}");
    assert!(words.contains(&said), "{words}");
    world.at = until;
    assert_eq!(causes(&job(2), &world), [Cause::Replication]);
}

#[test]
fn while_one_aggregator_cannot_be_reached_another_is_asked() {
    let until = Some(NOW + EpochDelta::HOUR);
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![AggregatorView { unavailable_until: until, ..keyed() }, lighthouse()];
    let plan = plan(&job(2), &world);
    let asked =
        |s: &Step| matches!(s, Step::Order { aggregator, .. } if *aggregator == lighthouse().name);
    assert!(plan.steps.len() == 1 && plan.steps.iter().all(asked), "{:?}", plan.steps);
}

#[test]
fn an_aggregator_that_is_left_alone_for_longer_says_so_although_it_cannot_be_reached() {
    let mut world = seen(vec![active(1)]);
    let until = NOW + EpochDelta::HOUR;
    world.aggregators = vec![AggregatorView { unavailable_until: Some(until), ..keyed() }];
    let state = OrderState::Failed { reason: "no deal came of it".to_owned(), at: NOW };
    world.orders = vec![raas_types::Order { state, ..order(1, Cause::Replication, &keyed()) }];
    let plan = plan(&job(2), &world);
    let pausing = |r: &Reason| matches!(r, Reason::BackingOff { .. });
    let unreached = |r: &Reason| matches!(r, Reason::Unreachable { .. });
    assert!(plan.reasons.iter().any(pausing) && !plan.reasons.iter().any(unreached));
}

#[test]
fn fruitless_orders_make_the_target_unreachable_and_pause_ever_longer() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    let fail = |n, at| {
        let state = OrderState::Failed { reason: "no deal came of it".to_owned(), at };
        raas_types::Order { state, ..order(n, Cause::Replication, &lighthouse()) }
    };
    world.orders = vec![fail(1, NOW - EpochDelta::DAY)];
    assert_eq!(causes(&job(3), &world).len(), 1, "tried again after a day");
    world.orders.push(fail(2, NOW - EpochDelta::DAY));
    let plan = plan(&job(3), &world);
    assert_eq!(plan.steps, [], "after two in vain the pause is two days");
    assert!(plan.reasons.contains(&Reason::TargetUnreachable { have: 1, target: 3 }));
    let words = explain(&plan).join("\n");
    assert!(words.contains("target unreachable: 1 of 3"), "{words}");
}

#[test]
fn a_deal_that_landed_on_a_held_provider_counts_as_fruitless() {
    let mut twin = active(2);
    twin.provider = ProviderId::new(1001);
    let mut world = seen(vec![active(1), twin.clone()]);
    world.aggregators = vec![lighthouse()];
    let state = OrderState::Landed { deal: twin.deal, provider: twin.provider, at: NOW };
    world.orders = vec![raas_types::Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    let plan = plan(&job(2), &world);
    assert_eq!(plan.steps, []);
    let pausing = |r: &Reason| matches!(r, Reason::BackingOff { fruitless: 1, .. });
    assert!(plan.reasons.iter().any(pausing), "{:?}", plan.reasons);
}

#[test]
fn a_later_deal_on_a_held_provider_is_fruitless_although_it_lasts_longer() {
    let mut twin = replica(2, active_until(NOW + DURATION + EpochDelta::DAY));
    twin.provider = ProviderId::new(1001);
    let mut world = seen(vec![active(1), twin.clone()]);
    world.aggregators = vec![lighthouse()];
    let state = OrderState::Landed { deal: twin.deal, provider: twin.provider, at: NOW };
    world.orders = vec![raas_types::Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    assert_eq!(causes(&job(2), &world), [], "it waits before it asks again");
}

#[test]
fn a_deal_that_was_never_activated_is_fruitless() {
    let mut world = seen(vec![active(1), replica(2, Verdict::StartMissed)]);
    world.aggregators = vec![lighthouse()];
    let missed = world.replicas[1].clone();
    let state = OrderState::Landed { deal: missed.deal, provider: missed.provider, at: NOW };
    world.orders = vec![raas_types::Order { state, ..order(1, Cause::Replication, &lighthouse()) }];
    assert_eq!(causes(&job(2), &world), [], "it waits before it asks again");
}

#[test]
fn a_forged_listing_does_not_keep_a_job_from_counting_what_it_found() {
    let forged = replica(9, Verdict::Unknown { why: Unknown::ProviderMismatch });
    let jobs = [job_with("keep", trusting(Terms { replication: None, ..terms(1) }))];
    let plan = plan(&jobs, &seen(vec![active(1), forged]));
    assert!(matches!(plan.steps[..], [Step::NoteFound { found: 1, .. }]), "{:?}", plan.steps);
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
fn bytes_that_no_aggregator_could_take_now_are_not_fetched() {
    let mut world = seen(vec![active(1)]);
    world.aggregators = vec![lighthouse()];
    world.data = DataView::Elsewhere;
    world.orders = vec![order(1, Cause::Replication, &lighthouse())];
    let plan = plan(&job(3), &world);
    assert_eq!(plan.steps, []);
    assert!(plan.reasons.iter().any(|r| matches!(r, Reason::Busy { .. })), "{:?}", plan.reasons);
}

#[test]
fn the_next_look_is_when_something_can_change_and_at_the_latest_after_a_proving_period() {
    let satisfied = seen(vec![active(1)]);
    assert_eq!(plan(&job(1), &satisfied).next_look, NOW + raas_core::MAX_AGE);
    let soon = seen(vec![ending(1, MONTH + EpochDelta::new(7))]);
    assert_eq!(plan(&job(1), &soon).next_look, NOW + EpochDelta::new(7));
    let fault = seen(vec![faulty(1, EpochDelta::new(2_800))]);
    assert_eq!(plan(&job(1), &fault).next_look, NOW + EpochDelta::new(80));
    let end_of_time = raas_core::Observation { at: ChainEpoch::new(i64::MAX), ..satisfied };
    assert_eq!(plan(&job(1), &end_of_time).next_look, ChainEpoch::new(i64::MAX));
}
