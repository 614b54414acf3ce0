//! The planner's promises over arbitrary worlds, extreme epochs included.

mod any;
#[path = "../world/mod.rs"]
mod world;

use any::*;
use proptest::prelude::*;
use raas_core::{
    AggregatorView, DataView, JobView, Observation, Plan, Reason, Step, check_terms, combine,
    explain, plan,
};
use raas_types::{
    AggregatorName, Cause, ChainEpoch, EpochDelta, FaultSince, Grouping, Order, OrderState,
    Placement, Renewal, Repair, Replication, Terms, Unknown, Verdict,
};
use world::*;

fn held(plan: &Plan) -> Option<u32> {
    plan.reasons.iter().find_map(|reason| match reason {
        Reason::Satisfied { held, .. }
        | Reason::Missing { held, .. }
        | Reason::AboveTarget { held, .. } => Some(*held),
        _ => None,
    })
}

/// How many deals the plan's orders make; and how many slots these share with old deals that hold
/// theirs: where an order succeeds one, each of its copies may.
fn deals_ordered(plan: &Plan, world: &Observation) -> (u32, u32) {
    let holds = |reason: &&Reason| matches!(reason, Reason::Ending { second_half: false, .. });
    let ending = u32::try_from(plan.reasons.iter().filter(holds).count()).expect("few");
    let (mut all, mut shared) = (0, 0);
    for step in &plan.steps {
        let Step::Order { aggregator, cause, .. } = step else { continue };
        let view = world.aggregators.iter().find(|a| a.name == *aggregator);
        let copies = view.expect("a known aggregator").copies;
        all += copies;
        let succeeds = |r: &&Reason| matches!(r, Reason::Ending { deal, .. } if *cause == Cause::Renewal { deal: *deal });
        let pairs = plan.reasons.iter().filter(holds).any(|r| succeeds(&r));
        shared += if pairs { copies } else { 0 };
    }
    (all, shared.min(ending))
}

fn largest_target(jobs: &[JobView]) -> usize {
    let wanted =
        jobs.iter().filter_map(|j| j.job.terms.replication.map(|r| r.target).or(j.job.found));
    wanted.max().unwrap_or(0) as usize
}

proptest! {
    #[test]
    fn a_plan_is_a_function_and_its_orders_are_made_once((jobs, world) in any_world()) {
        let first = plan(&jobs, &world);
        prop_assert_eq!(&plan(&jobs, &world), &first);
        let again = causes(&jobs, &after_ordering(&world, &first));
        // An order of several copies names one slot that it fills; a job that only keeps what it
        // found asks for the others again, up to that number.
        let all: Vec<_> = jobs.iter().map(|view| &view.job).collect();
        let replicates = combine(all, &world.aggregators, world.at).is_none_or(|w| w.replicates);
        if replicates || world.aggregators.iter().all(|a| a.copies == 1) {
            prop_assert_eq!(again, Vec::<Cause>::new());
        }
        prop_assert!(first.next_look > world.at || world.at == ChainEpoch::new(i64::MAX));
        prop_assert!(!explain(&first).is_empty());
    }

    #[test]
    fn never_more_orders_than_slots((jobs, world) in any_world()) {
        let orders = causes(&jobs, &world);
        prop_assert!(orders.len() <= largest_target(&jobs), "{orders:?}");
    }

    /// An old deal and its successor hold one slot.
    #[test]
    fn what_is_held_and_what_is_ordered_never_exceed_the_maximum((jobs, world) in any_world()) {
        let plan = plan(&jobs, &world);
        let (ordered, shared) = deals_ordered(&plan, &world);
        if ordered == 0 {
            return Ok(());
        }
        let jobs: Vec<_> = jobs.iter().map(|view| &view.job).collect();
        let wanted = combine(jobs, &world.aggregators, world.at).expect("a job that stands");
        let held = held(&plan).expect("how many slots are held");
        prop_assert!(held + ordered - shared <= wanted.max.max(held), "{plan:?}");
    }

    #[test]
    fn a_job_below_its_target_orders_where_someone_takes_orders(
        (jobs, mut world) in any_world(),
        replication in any_replication(),
    ) {
        let mut jobs = jobs;
        // Without a budget of its own nobody's is kept to.
        jobs[0].job.terms = Terms { replication: Some(replication), ..terms(1) };
        world.aggregators.push(AggregatorView { name: AggregatorName::new("free"), ..keyed() });
        let plan = plan(&jobs, &world);
        let missing = plan.reasons.iter().any(|r| matches!(r, Reason::Missing { .. }));
        prop_assert!(!missing || !ordered(&plan).is_empty(), "{plan:?}");
    }

    #[test]
    fn what_was_found_is_kept_whatever_became_of_its_replacements(
        (jobs, world) in any_kept_history(),
    ) {
        let plan = plan(&jobs, &world);
        let missing = plan.reasons.iter().any(|r| matches!(r, Reason::Missing { .. }));
        prop_assert!(!missing || !ordered(&plan).is_empty(), "{plan:?}");
    }

    #[test]
    fn no_replica_is_replaced_twice_in_one_plan((jobs, world) in any_world()) {
        let mut replaced: Vec<_> =
            causes(&jobs, &world).into_iter().filter_map(Cause::replaces).collect();
        let n = replaced.len();
        replaced.sort();
        replaced.dedup();
        prop_assert_eq!(replaced.len(), n);
    }

    #[test]
    fn what_is_unknown_or_unconfirmed_is_never_replaced((jobs, world) in any_world()) {
        let causes = causes(&jobs, &world);
        for deal in causes.iter().filter_map(|cause| cause.replaces()) {
            let replica = world.replicas.iter().find(|r| r.deal == deal).expect("a known deal");
            let unknown = matches!(replica.verdict, Verdict::Unknown { .. });
            // A living deal near its end is renewed by the clock, whatever its sector does.
            let renewed_alive =
                !replica.verdict.is_over() && causes.contains(&Cause::Renewal { deal });
            prop_assert!(!unknown && (replica.confirmed || renewed_alive), "{replica:?}");
        }
    }

    #[test]
    fn missing_evidence_or_missing_bytes_order_nothing((jobs, mut world) in any_world()) {
        let mut unread = world.clone();
        unread.missing_evidence = vec!["the contract".to_owned()];
        prop_assert_eq!(causes(&jobs, &unread), Vec::<Cause>::new());
        world.data = DataView::Elsewhere;
        let plan = plan(&jobs, &world);
        prop_assert_eq!(ordered(&plan), Vec::<Cause>::new());
        prop_assert!(plan.steps.iter().filter(|s| **s == Step::Fetch).count() <= 1);
    }

    /// A confirmed loss of one more replica never yields fewer orders, nor less urgent ones (each on a
    /// provider of its own: behind the better of two on one provider the other comes to the fore; and
    /// under one cap at the most: of replicas that crowd each other out in several respects, the best
    /// go first, not those that leave room for the most).
    #[test]
    fn a_worse_world_never_yields_less_care(
        (mut jobs, mut world) in any_world(),
        cap in 1_u32..4,
        by in 0_usize..3,
        which in 0_usize..8,
    ) {
        for replica in &mut world.replicas {
            replica.provider = provider(replica.deal.get());
        }
        world.aggregators = vec![keyed()];
        world.orders.clear();
        for view in &mut jobs {
            // A job that has not counted yet would count another world.
            view.job.terms.replication.get_or_insert(Replication::around(2));
            view.job.terms.repair.get_or_insert(Repair { threshold: EpochDelta::DAY });
            let Placement { prefer, avoid, exclude, .. } = view.job.terms.placement.clone();
            let capped = capped(Grouping::ALL[by], cap);
            view.job.terms.placement = Placement { prefer, avoid, exclude, ..capped };
        }
        let which = which % world.replicas.len().max(1);
        if world.replicas.get(which).is_none_or(|r| r.verdict.is_over()) {
            return Ok(());
        }
        let mut worse = world.clone();
        worse.replicas[which].verdict = Verdict::Terminated;
        worse.replicas[which].confirmed = true;
        let (before, after) = (urgencies(&jobs, &world), urgencies(&jobs, &worse));
        prop_assert!(after.len() >= before.len(), "{:?}", plan(&jobs, &worse));
        if let (Some(before), Some(after)) = (before.first(), after.first()) {
            prop_assert!(after.risk >= before.risk, "{before:?}, and then {after:?}");
        }
    }

    /// Less of a copy, in any way, never makes the data look safer.
    #[test]
    fn a_riskier_world_never_sorts_behind(
        (mut jobs, mut world) in any_world(),
        which in 0_usize..8,
        how in 0..4,
    ) {
        // Something is always to be ordered, so that there is an urgency to compare.
        jobs[0].job.terms = terms(100);
        world.orders.clear();
        world.aggregators.push(AggregatorView { name: AggregatorName::new("free"), ..keyed() });
        let Some(n) = which.checked_rem(world.replicas.len()) else { return Ok(()) };
        let before = urgencies(&jobs, &world)[0].risk;
        let replica = &mut world.replicas[n];
        let Verdict::Active { end } = replica.verdict else { return Ok(()) };
        replica.verdict = match how {
            0 => Verdict::Faulty { since: FaultSince::Exact(NOW), end },
            1 => Verdict::Active { end: end - EpochDelta::YEAR },
            2 => Verdict::Unknown { why: Unknown::NextId },
            _ => Verdict::Gone,
        };
        let after = urgencies(&jobs, &world)[0].risk;
        prop_assert!(after >= before, "{before:?}, and then {after:?}");
    }

    #[test]
    fn a_provider_that_loses_more_never_sorts_behind(
        (mut jobs, mut world) in any_world(),
        which in 0_u64..8,
        more in any::<u32>(),
    ) {
        jobs[0].job.terms = terms(100);
        world.orders.clear();
        world.aggregators.push(AggregatorView { name: AggregatorName::new("free"), ..keyed() });
        let facts = world.providers.entry(provider(which)).or_default();
        facts.yearly_loss_ppm.get_or_insert(100_000);
        let before = urgencies(&jobs, &world)[0].risk;
        for facts in world.providers.values_mut() {
            facts.yearly_loss_ppm = facts.yearly_loss_ppm.map(|ppm| ppm.max(more));
        }
        prop_assert!(urgencies(&jobs, &world)[0].risk >= before);
    }

    #[test]
    fn no_order_asks_for_a_provider_that_it_leaves_out((jobs, world) in any_world()) {
        let plan = plan(&jobs, &world);
        let all = jobs.iter().map(|view| &view.job);
        let wanted = combine(all, &world.aggregators, world.at);
        for (exclude, prefer) in choices(&plan) {
            prop_assert!(exclude.is_disjoint(&prefer), "{plan:?}");
            let wanted = wanted.as_ref().expect("what orders are made for");
            prop_assert!(exclude.is_superset(&wanted.placement.exclude));
        }
    }

    /// The deals of all orders of a day, those of this plan among them.
    #[test]
    fn a_budget_is_never_exceeded((jobs, world) in any_world()) {
        let plan = plan(&jobs, &world);
        let all = jobs.iter().map(|view| &view.job);
        let Some(wanted) = combine(all, &world.aggregators, world.at) else { return Ok(()) };
        let is_of_today = |order: &&Order| {
            !matches!(order.state, OrderState::Withdrawn { .. })
                && world.at.since(order.created) < EpochDelta::DAY
        };
        let copies = |order: &Order| {
            let view = world.aggregators.iter().find(|a| a.name == order.aggregator);
            view.map_or(1, |view| view.copies)
        };
        let before: u32 = world.orders.iter().filter(is_of_today).map(copies).sum();
        let (ordered, _) = deals_ordered(&plan, &world);
        if let Some(per_day) = wanted.budget.deals_per_day {
            prop_assert!(before + ordered <= per_day.max(before), "{plan:?}");
        }
        if let Some(per_day) = wanted.budget.bytes_per_day
            && let Some(copy) = world.orders.iter().rev().find_map(|order| order.bytes)
        {
            let bytes = u128::from(copy) * choices(&plan).len() as u128;
            prop_assert!(bytes <= u128::from(per_day), "{plan:?}");
        }
    }

    #[test]
    fn terms_however_absurd_are_judged_and_never_a_panic(
        mut terms in any_terms(),
        renewal in any::<i64>(),
        repair in any::<i64>(),
        band in any::<(u32, u32, u32)>(),
        aggregators in any_aggregators(),
        providers in any_book(),
    ) {
        let (target, min, max) = band;
        terms.replication = terms.replication.map(|_| Replication { target, min, max });
        terms.renewal = terms.renewal.map(|_| Renewal { threshold: EpochDelta::new(renewal) });
        terms.repair = terms.repair.map(|_| Repair { threshold: EpochDelta::new(repair) });
        match check_terms(&terms, &aggregators, &providers) {
            Ok(warnings) => prop_assert!(warnings.iter().all(|w| !w.to_string().is_empty())),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                prop_assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            }
        }
    }

    #[test]
    fn one_glance_never_decides_otherwise_than_the_whole_plan(
        (jobs, world) in any_nearly_satisfied_world(),
    ) {
        let plan = plan(&jobs, &world);
        let full = in_full(&jobs, &world);
        prop_assert_eq!((&plan.steps, plan.next_look), (&full.steps, full.next_look));
    }

    #[test]
    fn one_glance_is_enough_for_whoever_lacks_nothing((jobs, world) in any_satisfied_world()) {
        let plan = plan(&jobs, &world);
        prop_assert!(is_short(&plan), "{plan:?}");
        prop_assert!(!is_short(&in_full(&jobs, &world)));
    }
}

/// One glance was enough: the whole plan names every replica.
fn is_short(plan: &Plan) -> bool {
    matches!(&plan.reasons[..], [Reason::Satisfied { .. }])
}

/// The plan in full: a cap that nothing comes near changes nothing else.
fn in_full(jobs: &[JobView], world: &Observation) -> Plan {
    let mut jobs = jobs.to_vec();
    jobs[0].job.terms.placement.per_country = Some(u32::MAX);
    plan(&jobs, world)
}
