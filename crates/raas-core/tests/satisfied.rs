//! The look at a CID that lacks nothing: short, and right.
//!
//! That it was short shows in its reasons: the whole plan names every replica.

mod world;

use raas_core::{JobView, Observation, Plan, Reason, Replica, Step, plan};
use raas_types::{
    Cause, DealId, EpochDelta, Order, OrderState, Placement, Replication, SubmissionId, Terms,
    Verdict,
};
use world::*;

/// One glance was enough.
fn is_short(plan: &Plan) -> bool {
    matches!(&plan.reasons[..], [Reason::Satisfied { .. }])
}

/// The plan in full: a cap that nothing comes near changes nothing else.
fn in_full(jobs: &[JobView], world: &Observation) -> Plan {
    let mut jobs = jobs.to_vec();
    jobs[0].job.terms.placement.per_country.get_or_insert(u32::MAX);
    plan(&jobs, world)
}

/// One glance is enough, and comes to what the whole plan comes to.
fn assert_short(jobs: &[JobView], world: &Observation) {
    let short = plan(jobs, world);
    assert!(is_short(&short), "{:?}", short.reasons);
    let full = in_full(jobs, world);
    assert!(!is_short(&full) && full.reasons.contains(&short.reasons[0]), "{:?}", full.reasons);
    assert_eq!((full.steps, full.next_look), (short.steps, short.next_look));
}

fn assert_full(jobs: &[JobView], world: &Observation) {
    let plan = plan(jobs, world);
    assert!(!is_short(&plan), "{:?}", plan.reasons);
    assert_eq!(plan.steps, in_full(jobs, world).steps);
}

fn three() -> Observation {
    seen(vec![active(1), active(2), active(3)])
}

#[test]
fn as_many_active_replicas_as_are_wanted_are_satisfied_at_a_glance() {
    assert_short(&job(3), &three());
    assert_short(&[job_with("a", terms(3)), job_with("b", terms(2))], &three());
    assert_short(&keeping(3, Placement::default()), &three());
}

#[test]
fn what_is_over_beyond_doubt_does_not_matter() {
    let mut world = three();
    for (n, over) in (4..).zip([
        Verdict::Ended,
        Verdict::Completed,
        Verdict::Terminated,
        Verdict::Gone,
        Verdict::StartMissed,
        Verdict::NeverExisted,
    ]) {
        world.replicas.push(replica(n, over));
        assert_short(&job(3), &world);
    }
    world.orders = vec![landed(1, NOW), failed(2, NOW)];
    assert_short(&job(3), &world);
    world.missing_evidence = vec!["the contract".to_owned()];
    assert_short(&job(3), &world);
}

#[test]
fn more_or_fewer_than_wanted_take_a_closer_look() {
    assert_full(&job(2), &three());
    assert_full(&job(4), &three());
    let strict = Replication { target: 3, min: 4, max: 4 };
    assert_full(&[job_with("job", Terms { replication: Some(strict), ..terms(3) })], &three());
}

#[test]
fn a_replica_about_which_there_is_something_to_consider_takes_a_closer_look() {
    let pending = Verdict::Pending { start: NOW + EpochDelta::DAY };
    let unconfirmed = Replica { confirmed: false, ..replica(4, Verdict::Terminated) };
    let others = [
        faulty(4, EpochDelta::HOUR),
        unknown(4),
        replica(4, pending),
        unconfirmed,
        ending(4, MONTH),
    ];
    for other in others {
        let mut world = three();
        world.replicas.push(other);
        assert_full(&job(3), &world);
    }
}

#[test]
fn a_replica_is_near_its_end_from_the_first_epoch_of_its_window_on() {
    let with = |left: EpochDelta| seen(vec![active(1), ending(2, left)]);
    assert_short(&job(2), &with(MONTH + EpochDelta::new(1)));
    assert_full(&job(2), &with(MONTH));
    let unrenewed = [job_with("job", Terms { renewal: None, ..terms(2) })];
    assert_short(&unrenewed, &with(EpochDelta::new(1)));
    assert_full(&unrenewed, &with(EpochDelta::ZERO));
    assert_full(&unrenewed, &with(EpochDelta::new(-1)));
}

#[test]
fn two_deals_with_one_provider_take_a_closer_look() {
    let mut world = seen(vec![active(1), active(2), beside(1, active(3))]);
    assert_full(&job(3), &world);
    assert_full(&job(2), &world);
    world.replicas[2] = beside(1, replica(3, Verdict::Ended));
    assert_short(&job(2), &world);
}

#[test]
fn a_deal_that_does_not_count_takes_a_closer_look_so_that_the_plan_says_why() {
    let mut world = three();
    world.replicas.push(Replica { proven: false, ..active(4) });
    assert_full(&job(3), &world);
    world.replicas[3].verdict = Verdict::Gone;
    assert_full(&job(3), &world);
    assert_short(&[job_with("job", trusting(terms(3)))], &world);
}

#[test]
fn an_order_that_is_outstanding_takes_a_closer_look() {
    let mut world = three();
    world.orders = vec![order(1, Cause::Replication, &keyed())];
    assert_full(&job(3), &world);
    world.orders[0].state = OrderState::Withdrawn { at: NOW };
    assert_short(&job(3), &world);
    world.orders.push(Order { state: OrderState::Intended, ..landed(9, NOW) });
    assert_full(&job(3), &world);
}

#[test]
fn terms_about_providers_take_a_closer_look() {
    let placement = Placement { exclude: providers([9]), ..Placement::default() };
    assert_full(&placed(3, placement), &three());
}

#[test]
fn a_job_that_is_to_learn_what_it_found_takes_a_closer_look() {
    let mut jobs = vec![job_with("job", terms(3)), keeping(3, Placement::default()).remove(0)];
    assert_short(&jobs, &three());
    jobs[1].job.found = None;
    let plan = plan(&jobs, &three());
    assert!(matches!(plan.steps[..], [Step::NoteFound { found: 3, .. }]), "{:?}", plan.steps);
}

#[test]
fn what_is_to_be_written_to_the_contract_takes_a_closer_look() {
    let mut jobs = job(3);
    jobs[0].records = true;
    assert_full(&jobs, &three());
    assert!(matches!(plan(&jobs, &three()).steps[..], [Step::Announce { .. }]));
    jobs[0].announcing = true;
    assert_short(&jobs, &three());
    jobs[0].submission = Some(SubmissionId(7));
    assert_short(&jobs, &three());
    let mut world = three();
    world.replicas[1].listed = false;
    let record = Step::Record { job: jobs[0].job.id.clone(), deal: DealId::new(2) };
    assert_eq!(plan(&jobs, &world).steps, [record]);
    jobs[0].recording.insert(DealId::new(2));
    assert_short(&jobs, &world);
}

#[test]
fn the_next_look_at_a_satisfied_cid_is_when_something_may_change() {
    let next = |replica: Replica| plan(&job(1), &seen(vec![replica])).next_look.since(NOW).get();
    assert_eq!(next(active(1)), 2_880);
    assert_eq!(next(ending(1, MONTH + EpochDelta::new(9))), 9);
    let read = |span| Replica { next_read: Some(NOW + EpochDelta::new(span)), ..active(1) };
    assert_eq!(next(read(77)), 77);
    assert_eq!(next(read(0)), 2_880, "what is past is read at every look");
}
