//! Which deals another one has taken the place of: what comes to nothing replaces nothing.

mod world;

use raas_core::{Reason, plan};
use raas_types::{EpochDelta, Terms, Verdict};
use world::*;

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
fn a_successor_that_was_lost_succeeds_nothing() {
    let lost = [replica(3, Verdict::Terminated), faulty(3, EpochDelta::days(2))];
    for successor in lost {
        let old = ending(1, EpochDelta::days(20));
        let world = seen(vec![old, active(2), replacing(1, successor)]);
        assert_eq!(causes(&keeping_two(terms(2)), &world), [renewal(1)]);
    }
}

#[test]
fn a_successor_that_is_near_its_own_end_succeeds_nothing() {
    let successor = replacing(1, ending(3, EpochDelta::days(20)));
    let world = seen(vec![ending(1, EpochDelta::days(5)), active(2), successor]);
    let plan = plan(&keeping_two(terms(2)), &world);
    assert_eq!(ordered(&plan), [renewal(3)]);
    assert!(!plan.reasons.iter().any(|r| matches!(r, Reason::Succeeded { .. })));
}

#[test]
fn a_deal_that_ended_and_was_renewed_is_not_renewed_again_when_its_successor_is_lost() {
    let successor = replacing(1, replica(3, Verdict::Terminated));
    let world = seen(vec![replica(1, Verdict::Ended), active(2), successor]);
    assert_eq!(causes(&keeping_two(terms(2)), &world), [repair(3)]);
}
