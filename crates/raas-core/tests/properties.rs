//! The planner's promises over arbitrary worlds, extreme epochs included.

mod world;

use proptest::prelude::*;
use raas_core::{DataView, JobView, Observation, Replica, Step, explain, plan};
use raas_types::{
    Cause, ChainEpoch, DealId, EpochDelta, FaultSince, ProviderId, Renewal, Repair, Replication,
    Terms, Trust, Unknown, Verdict,
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
    (0_u64..6, any_verdict(), flags, prop::option::of(0_u64..8)).prop_map(
        move |(provider, verdict, (confirmed, proven, listed, recordable), replaces)| Replica {
            deal: DealId::new(deal),
            provider: ProviderId::new(1000 + provider),
            verdict,
            confirmed,
            proven,
            replaces: replaces.filter(|old| *old < deal).map(DealId::new),
            listed,
            recordable,
        },
    )
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let threshold = || {
        prop::option::of(prop_oneof![1_i64..1_000_000, Just(i64::MAX)].prop_map(EpochDelta::new))
    };
    (prop::option::of(1_u32..6), threshold(), threshold(), any::<bool>()).prop_map(
        |(target, renewal, repair, contract)| Terms {
            replication: target.map(Replication::around),
            renewal: renewal.map(|threshold| Renewal { threshold }),
            repair: repair.map(|threshold| Repair { threshold }),
            trust: if contract { Trust::Contract } else { Trust::Proven },
            ..Terms::default()
        },
    )
}

fn any_world() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let replicas = (0_u64..8).prop_flat_map(|n| (1..=n).map(any_replica).collect::<Vec<_>>());
    let jobs = prop::collection::vec((any_terms(), prop::option::of(0_u32..5)), 1..4);
    (jobs, replicas, any_epoch(), any::<bool>()).prop_map(|(jobs, replicas, at, keyed_too)| {
        let job = |(n, (terms, found)): (usize, (Terms, Option<u32>))| {
            let mut view = job_with(&format!("job-{n}"), terms);
            view.job.found = found;
            view
        };
        let mut world = seen(replicas);
        world.at = at;
        if !keyed_too {
            world.aggregators = vec![lighthouse()];
        }
        (jobs.into_iter().enumerate().map(job).collect(), world)
    })
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
        let renewed_or_waiting = world.aggregators.iter().all(|a| a.idempotent);
        if renewed_or_waiting {
            prop_assert_eq!(again, Vec::<Cause>::new());
        }
        prop_assert!(first.next_look > world.at || world.at == ChainEpoch::new(i64::MAX));
        prop_assert!(!explain(&first, &world).is_empty());
    }

    #[test]
    fn never_more_orders_than_slots((jobs, world) in any_world()) {
        let orders = causes(&jobs, &world);
        prop_assert!(orders.len() <= largest_target(&jobs), "{orders:?}");
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
