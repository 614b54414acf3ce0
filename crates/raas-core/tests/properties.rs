//! The planner's promises over arbitrary worlds, extreme epochs included.

mod world;

use proptest::prelude::*;
use raas_core::{
    AggregatorView, DataView, JobView, Observation, Plan, Reason, Replica, Step, combine, explain,
    plan,
};
use raas_types::{
    AggregatorName, Cause, ChainEpoch, DealId, EpochDelta, FaultSince, Order, OrderState,
    ProviderId, Renewal, Repair, Replication, Terms, Ticket, Trust, Unknown, Verdict,
};
use world::*;

fn any_epoch() -> impl Strategy<Value = ChainEpoch> {
    prop_oneof![
        8 => 5_000_000_i64..8_000_000,
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
        1 => any::<i64>(),
    ]
    .prop_map(ChainEpoch::new)
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let since = (any_epoch(), any::<bool>()).prop_map(|(epoch, exact)| {
        if exact { FaultSince::Exact(epoch) } else { FaultSince::Observed(epoch) }
    });
    prop_oneof![
        1 => any_epoch().prop_map(|start| Verdict::Pending { start }),
        4 => any_epoch().prop_map(|end| Verdict::Active { end }),
        2 => (since, any_epoch()).prop_map(|(since, end)| Verdict::Faulty { since, end }),
        1 => Just(Verdict::StartMissed),
        1 => Just(Verdict::Terminated),
        1 => Just(Verdict::Ended),
        1 => Just(Verdict::Completed),
        1 => Just(Verdict::NeverExisted),
        1 => Just(Verdict::Gone),
        1 => Just(Verdict::Unknown { why: Unknown::NextId }),
        1 => Just(Verdict::Unknown { why: Unknown::ProviderMismatch }),
    ]
}

fn any_replica(deal: u64) -> impl Strategy<Value = Replica> {
    let flags = any::<(bool, bool, bool, bool)>();
    let numbers = (0_u64..6, prop::option::of(0_u64..8), prop::option::of(-4000_i64..4000));
    (numbers, any_verdict(), flags).prop_map(
        move |(numbers, verdict, (confirmed, proven, listed, recordable))| {
            let (provider, replaces, next_read) = numbers;
            Replica {
                deal: DealId::new(deal),
                provider: ProviderId::new(1000 + provider),
                verdict,
                confirmed,
                next_read: next_read.map(|span| NOW + EpochDelta::new(span)),
                proven,
                replaces: replaces.filter(|old| *old < deal).map(DealId::new),
                listed,
                recordable,
            }
        },
    )
}

/// A target from 1 to 5, with a band around it.
fn any_replication() -> impl Strategy<Value = Replication> {
    (1_u32..6).prop_flat_map(|target| {
        (1..=target, target..target + 4).prop_map(move |(min, max)| Replication {
            target,
            min,
            max,
        })
    })
}

fn any_threshold() -> impl Strategy<Value = EpochDelta> {
    prop_oneof![4 => 1_i64..1_000_000, 1 => Just(i64::MAX)].prop_map(EpochDelta::new)
}

fn any_terms() -> impl Strategy<Value = Terms> {
    use prop::option::{of, weighted};
    let until = weighted(0.2, any_epoch());
    (of(any_replication()), of(any_threshold()), of(any_threshold()), any::<bool>(), until)
        .prop_map(|(replication, renewal, repair, contract, until)| Terms {
            replication,
            renewal: renewal.map(|threshold| Renewal { threshold }),
            repair: repair.map(|threshold| Repair { threshold }),
            trust: if contract { Trust::Contract } else { Trust::Proven },
            until,
            ..Terms::default()
        })
}

/// Up to one aggregator of each kind, which may be out of reach.
fn any_aggregators() -> impl Strategy<Value = Vec<AggregatorView>> {
    let view = |base: fn() -> AggregatorView| {
        let until = prop::option::weighted(0.2, any_epoch());
        (1_u32..4, until).prop_map(move |(copies, unavailable_until)| AggregatorView {
            copies,
            unavailable_until,
            ..base()
        })
    };
    let both = (prop::option::weighted(0.8, view(keyed)), prop::option::of(view(lighthouse)));
    both.prop_map(|(keyed, lighthouse)| keyed.into_iter().chain(lighthouse).collect())
}

fn any_order(n: u64) -> impl Strategy<Value = Order> {
    let deal = || (0_u64..9).prop_map(DealId::new);
    let cause = prop_oneof![
        Just(Cause::Replication),
        deal().prop_map(|deal| Cause::Repair { deal }),
        deal().prop_map(|deal| Cause::Renewal { deal }),
    ];
    let failed = any_epoch().prop_map(|at| OrderState::Failed { reason: "none".to_owned(), at });
    let landed = (deal(), 0_u64..6, any_epoch()).prop_map(|(deal, provider, at)| {
        OrderState::Landed { deal, provider: ProviderId::new(1000 + provider), at }
    });
    let state = prop_oneof![
        2 => failed,
        3 => landed,
        1 => any_epoch().prop_map(|at| OrderState::Withdrawn { at }),
        1 => Just(OrderState::Intended),
        1 => Just(OrderState::Sent { ticket: Ticket("ticket".to_owned()) }),
    ];
    (cause, state, any::<bool>()).prop_map(move |(cause, state, has_keys)| {
        let aggregator = if has_keys { keyed() } else { lighthouse() };
        Order { state, ..order(n, cause, &aggregator) }
    })
}

fn any_orders() -> impl Strategy<Value = Vec<Order>> {
    (0_u64..5).prop_flat_map(|n| (0..n).map(any_order).collect::<Vec<_>>())
}

fn any_world() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let replicas = (0_u64..8).prop_flat_map(|n| (1..=n).map(any_replica).collect::<Vec<_>>());
    let jobs = prop::collection::vec((any_terms(), prop::option::of(0_u32..5)), 1..4);
    (jobs, replicas, any_epoch(), any_aggregators(), any_orders()).prop_map(
        |(jobs, replicas, at, aggregators, orders)| {
            let job = |(n, (terms, found)): (usize, (Terms, Option<u32>))| {
                let mut view = job_with(&format!("job-{n}"), terms);
                view.job.found = found;
                view
            };
            let world = Observation { at, aggregators, orders, ..seen(replicas) };
            (jobs.into_iter().enumerate().map(job).collect(), world)
        },
    )
}

/// A job that keeps what it found, and what has become of that: as many deals as it found, each on
/// a provider of its own, and then replacements, anywhere and of any fate. Whatever the terms
/// leave to lapse does not happen to them.
fn any_kept_history() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let replicas = (1_u64..9).prop_flat_map(|n| (1..=n).map(any_replica).collect::<Vec<_>>());
    let terms = (any_threshold(), any_threshold(), 0..3);
    (1_usize..5, replicas, terms, any_epoch(), any_aggregators(), any_orders()).prop_map(
        |(found, mut replicas, (renewal, repair, kind), at, mut aggregators, orders)| {
            let found = found.min(replicas.len());
            let terms = Terms {
                renewal: (kind != 1).then_some(Renewal { threshold: renewal }),
                repair: (kind != 2).then_some(Repair { threshold: repair }),
                ..Terms::default()
            };
            for (n, replica) in (0..).zip(&mut replicas) {
                replica.proven = true;
                let original = n < found;
                if original {
                    replica.provider = ProviderId::new(1000 + n as u64);
                    replica.replaces = None;
                } else {
                    // Each was ordered to take the place of an earlier one.
                    replica.replaces.get_or_insert(DealId::new(1 + n as u64 % found as u64));
                    replica.replaces = replica.replaces.map(|old| old.max(DealId::new(1)));
                }
                replica.verdict = fated(replica.verdict.clone(), original, &terms);
            }
            let mut job = job_with("keep", terms);
            job.job.found = u32::try_from(found).ok();
            let free = AggregatorView { name: AggregatorName::new("free"), ..keyed() };
            aggregators.push(free);
            (vec![job], Observation { at, aggregators, orders, ..seen(replicas) })
        },
    )
}

/// The fate of a deal, or one that the terms would act upon.
fn fated(verdict: Verdict, original: bool, terms: &Terms) -> Verdict {
    use Verdict::{Completed, Ended, Gone, NeverExisted, StartMissed, Terminated};
    let never_was = matches!(
        verdict,
        StartMissed | NeverExisted | Verdict::Unknown { why: Unknown::ProviderMismatch }
    );
    match verdict {
        Terminated | Gone if terms.repair.is_none() => Ended,
        Ended | Completed if terms.renewal.is_none() => Terminated,
        _ if original && never_was && terms.repair.is_none() => Ended,
        _ if original && never_was => Terminated,
        other => other,
    }
}

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
        let replicates = combine(&all, &world.aggregators, world.at).is_none_or(|w| w.replicates);
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
        let wanted = combine(&jobs, &world.aggregators, world.at).expect("a job that stands");
        let held = held(&plan).expect("how many slots are held");
        prop_assert!(held + ordered - shared <= wanted.max.max(held), "{plan:?}");
    }

    #[test]
    fn a_job_below_its_target_orders_where_someone_takes_orders(
        (jobs, mut world) in any_world(),
        replication in any_replication(),
    ) {
        let mut jobs = jobs;
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

    /// A confirmed loss of one more replica never yields fewer orders (each on a provider of its
    /// own: behind the better of two on one provider the other comes to the fore).
    #[test]
    fn a_worse_world_never_yields_less_care(
        (mut jobs, mut world) in any_world(),
        which in 0_usize..8,
    ) {
        for replica in &mut world.replicas {
            replica.provider = ProviderId::new(1000 + replica.deal.get());
        }
        world.aggregators = vec![keyed()];
        world.orders.clear();
        for view in &mut jobs {
            // A job that has not counted yet would count another world.
            view.job.terms.replication.get_or_insert(Replication::around(2));
            view.job.terms.repair.get_or_insert(Repair { threshold: EpochDelta::DAY });
        }
        let which = which % world.replicas.len().max(1);
        if world.replicas.get(which).is_none_or(|r| r.verdict.is_over()) {
            return Ok(());
        }
        let before = causes(&jobs, &world).len();
        let mut worse = world.clone();
        worse.replicas[which].verdict = Verdict::Terminated;
        worse.replicas[which].confirmed = true;
        prop_assert!(causes(&jobs, &worse).len() >= before);
    }
}
