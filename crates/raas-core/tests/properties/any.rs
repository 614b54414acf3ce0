//! Arbitrary worlds: jobs, replicas, orders, aggregators, facts, extreme epochs included.

use std::collections::BTreeSet;

use proptest::prelude::*;
use raas_core::{AggregatorView, JobView, Observation, Replica};
use raas_types::{
    AggregatorName, Budget, Cause, ChainEpoch, DealId, EpochDelta, FaultSince, ListedDeal, Order,
    OrderState, Placement, ProviderBook, ProviderFacts, ProviderId, Renewal, Repair, Replication,
    Terms, Ticket, Trust, Unknown, Verdict,
};

use crate::world::*;

pub(crate) fn any_epoch() -> impl Strategy<Value = ChainEpoch> {
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

pub(crate) fn any_replica(deal: u64) -> impl Strategy<Value = Replica> {
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
pub(crate) fn any_replication() -> impl Strategy<Value = Replication> {
    (1_u32..6).prop_flat_map(|target| {
        (1..=target, target..target + 4).prop_map(move |(min, max)| Replication {
            target,
            min,
            max,
        })
    })
}

pub(crate) fn any_threshold() -> impl Strategy<Value = EpochDelta> {
    prop_oneof![4 => 1_i64..1_000_000, 1 => Just(i64::MAX)].prop_map(EpochDelta::new)
}

pub(crate) fn any_terms() -> impl Strategy<Value = Terms> {
    use prop::option::{of, weighted};
    let until = weighted(0.2, any_epoch());
    let thresholds = (of(any_threshold()), of(any_threshold()));
    (of(any_replication()), thresholds, any::<bool>(), until, any_placement(), any_budget())
        .prop_map(|(replication, (renewal, repair), contract, until, placement, budget)| Terms {
            replication,
            renewal: renewal.map(|threshold| Renewal { threshold }),
            repair: repair.map(|threshold| Repair { threshold }),
            trust: if contract { Trust::Contract } else { Trust::Proven },
            until,
            placement,
            budget,
            ..Terms::default()
        })
}

fn some_providers() -> impl Strategy<Value = BTreeSet<ProviderId>> {
    let few = prop::collection::btree_set((0_u64..8).prop_map(provider), 0..3);
    prop_oneof![2 => Just(BTreeSet::new()), 1 => few]
}

pub(crate) fn any_placement() -> impl Strategy<Value = Placement> {
    let cap =
        || prop_oneof![6 => Just(None), 2 => (0_u32..3).prop_map(Some), 1 => Just(Some(u32::MAX))];
    let lists = (some_providers(), some_providers(), some_providers());
    let placement =
        (cap(), cap(), cap(), lists).prop_map(|(owner, organisation, country, lists)| {
            let (prefer, avoid, exclude) = lists;
            Placement {
                per_owner: owner,
                per_organisation: organisation,
                per_country: country,
                prefer,
                avoid,
                exclude,
            }
        });
    prop_oneof![1 => Just(Placement::default()), 2 => placement]
}

pub(crate) fn any_budget() -> impl Strategy<Value = Budget> {
    use prop::option::weighted;
    let bytes = prop_oneof![4 => 0_u64..40, 1 => any::<u64>()];
    (weighted(0.3, 0_u32..6), weighted(0.3, bytes))
        .prop_map(|(deals_per_day, bytes_per_day)| Budget { deals_per_day, bytes_per_day })
}

/// Facts about some of the providers there are, a few owners, organisations and countries in all.
pub(crate) fn any_book() -> impl Strategy<Value = ProviderBook> {
    use prop::option::of;
    let name = || of("[ab]");
    let loss = of(prop_oneof![3 => 0_u32..1_000_000, 1 => any::<u32>()]);
    let facts = (name(), name(), name(), loss).prop_map(
        |(owner, organisation, country, yearly_loss_ppm)| ProviderFacts {
            owner,
            organisation,
            country,
            yearly_loss_ppm,
        },
    );
    prop::collection::btree_map((0_u64..8).prop_map(provider), facts, 0..8)
}

pub(crate) fn any_span() -> impl Strategy<Value = EpochDelta> {
    prop_oneof![4 => 0_i64..1_000_000, 1 => any::<i64>()].prop_map(EpochDelta::new)
}

/// Up to one aggregator of each kind, which may be out of reach, and say absurd things of itself.
pub(crate) fn any_aggregators() -> impl Strategy<Value = Vec<AggregatorView>> {
    let view = |base: fn() -> AggregatorView| {
        let until = prop::option::weighted(0.2, any_epoch());
        (1_u32..4, until, any_span(), any_span()).prop_map(
            move |(copies, unavailable_until, latency, deal_duration)| AggregatorView {
                copies,
                unavailable_until,
                latency,
                deal_duration,
                ..base()
            },
        )
    };
    let both = (prop::option::weighted(0.8, view(keyed)), prop::option::of(view(lighthouse)));
    both.prop_map(|(keyed, lighthouse)| keyed.into_iter().chain(lighthouse).collect())
}

pub(crate) fn any_order(n: u64) -> impl Strategy<Value = Order> {
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
    let bytes = prop::option::of(prop_oneof![4 => 0_u64..20, 1 => any::<u64>()]);
    let created = prop_oneof![2 => Just(NOW), 1 => any_epoch()];
    let listed = (deal(), 0_u64..6).prop_map(|(deal, provider)| ListedDeal {
        deal,
        provider: ProviderId::new(1000 + provider),
    });
    let made = prop::collection::vec(listed, 0..3);
    (cause, state, any::<bool>(), bytes, made, created).prop_map(
        move |(cause, state, has_keys, bytes, made, created)| {
            let aggregator = if has_keys { keyed() } else { lighthouse() };
            Order { state, bytes, made, created, ..order(n, cause, &aggregator) }
        },
    )
}

pub(crate) fn any_orders() -> impl Strategy<Value = Vec<Order>> {
    (0_u64..5).prop_flat_map(|n| (0..n).map(any_order).collect::<Vec<_>>())
}

pub(crate) fn any_world() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let replicas = (0_u64..8).prop_flat_map(|n| (1..=n).map(any_replica).collect::<Vec<_>>());
    let jobs = prop::collection::vec((any_terms(), prop::option::of(0_u32..5)), 1..4);
    let at = prop_oneof![1 => Just(NOW), 2 => any_epoch()];
    (jobs, replicas, at, any_aggregators(), any_orders(), any_book()).prop_map(
        |(jobs, replicas, at, aggregators, orders, providers)| {
            let job = |(n, (terms, found)): (usize, (Terms, Option<u32>))| {
                let mut view = job_with(&format!("job-{n}"), terms);
                view.job.found = found;
                view
            };
            let world = Observation { at, aggregators, orders, providers, ..seen(replicas) };
            (jobs.into_iter().enumerate().map(job).collect(), world)
        },
    )
}

/// A job that keeps what it found, and what has become of that: as many deals as it found, each on
/// a provider of its own, and then replacements, anywhere and of any fate. Whatever the terms
/// leave to lapse does not happen to them.
pub(crate) fn any_kept_history() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
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

/// A world in which each of some jobs has what it wants, with a past.
pub(crate) fn any_satisfied_world() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let past = prop::collection::vec((any_replica(0), any_order(0)), 0..4);
    (1_u64..7, past, 1_u32..4, any_book()).prop_map(|(n, past, jobs, providers)| {
        let target = u32::try_from(n).expect("few");
        let mut replicas = Vec::new();
        let mut orders = Vec::new();
        for (deal, (replica, order)) in (20..).zip(past) {
            let verdict = if replica.verdict.is_over() { replica.verdict } else { Verdict::Ended };
            let deal = DealId::new(deal);
            replicas.push(Replica { deal, verdict, confirmed: true, proven: true, ..replica });
            orders.extend((!order.is_outstanding()).then_some(order));
        }
        replicas.extend((1..=n).map(active));
        let fewer = |m| job_with("job", terms(target.saturating_sub(m).max(1)));
        let world = Observation { orders, providers, ..seen(replicas) };
        ((0..jobs).map(fewer).collect(), world)
    })
}

/// The same with something the matter, or nothing.
pub(crate) fn any_nearly_satisfied_world() -> impl Strategy<Value = (Vec<JobView>, Observation)> {
    let replica = prop::option::weighted(0.7, any_replica(90));
    let order = prop::option::weighted(0.3, any_order(90));
    let others = (any_epoch(), any_threshold(), any::<bool>());
    (any_satisfied_world(), replica, order, others).prop_map(
        |((mut jobs, mut world), replica, order, (at, threshold, elsewhen))| {
            world.replicas.extend(replica);
            world.orders.extend(order);
            if elsewhen {
                world.at = at;
                jobs[0].job.terms.renewal = Some(Renewal { threshold });
            }
            (jobs, world)
        },
    )
}
