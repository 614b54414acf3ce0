//! What all the jobs of one CID want together: [`combine`].

use raas_types::{AggregatorName, Budget, ChainEpoch, EpochDelta, Job, Placement, Terms, Trust};
use serde::{Deserialize, Serialize};

use crate::AggregatorView;

/// What all the jobs of one CID want together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Replicas to have; `None` until the first complete look of a job that keeps what it found.
    pub target: Option<u32>,
    /// Below this the data is in danger.
    pub min: u32,
    /// Never more than this.
    pub max: u32,
    /// Whether replicas are added where there never were enough.
    pub replicates: bool,
    /// The renewal threshold, clamped.
    pub renewal: Option<EpochDelta>,
    /// The repair threshold.
    pub repair: Option<EpochDelta>,
    /// Whether deals that only the contract vouches for count.
    pub trusts_contract: bool,
    /// Where replicas may be.
    pub placement: Placement,
    /// What may be spent in a day.
    pub budget: Budget,
}

/// Combines the terms of the jobs that stand at `at`: of target, min, max and renewal the largest,
/// of repair and the caps of placement the smallest, all exclusions; the contract is trusted, and a
/// budget kept to, only where every job says so. `None` when no job stands.
pub fn combine<'a, J>(jobs: J, aggregators: &[AggregatorView], at: ChainEpoch) -> Option<Wanted>
where
    J: IntoIterator<Item = &'a Job, IntoIter: Clone>,
{
    let jobs = jobs.into_iter();
    let standing = || jobs.clone().filter(move |job| stands(job, at));
    standing().next()?;
    let replications = || standing().filter_map(|job| job.terms.replication);
    let mut found = standing().filter(|job| job.terms.replication.is_none()).map(|job| job.found);
    let kept = found.try_fold(0, |most: u32, found| Some(most.max(found?)));
    let asked = replications().map(|r| r.target).max();
    let target = match (asked, kept) {
        (Some(asked), kept) => Some(asked.max(kept.unwrap_or(0))),
        (None, kept) => kept,
    };
    let floor = target.unwrap_or(0);
    let renewal = |job: &Job| {
        let threshold = job.terms.renewal?.threshold;
        Some(clamp_renewal(threshold, used_by(&job.terms, aggregators)))
    };
    Some(Wanted {
        target,
        min: replications().map(|r| r.min).max().unwrap_or(floor),
        max: replications().map(|r| r.max).max().unwrap_or(floor).max(floor),
        replicates: asked.is_some(),
        renewal: standing().filter_map(renewal).max(),
        repair: standing().filter_map(|job| job.terms.repair).map(|r| r.threshold).min(),
        trusts_contract: standing().all(|job| job.terms.trust == Trust::Contract),
        placement: all_placements(standing().map(|job| &job.terms.placement)),
        budget: Budget {
            deals_per_day: most_of(standing().map(|job| job.terms.budget.deals_per_day)),
            bytes_per_day: most_of(standing().map(|job| job.terms.budget.bytes_per_day)),
        },
    })
}

/// Whether a job still asks for anything at `at`.
pub(crate) fn stands(job: &Job, at: ChainEpoch) -> bool {
    job.terms.until.is_none_or(|until| at < until)
}

/// The strictest caps, and all wishes about providers; a wish for one that somebody else avoids or
/// excludes gives way.
fn all_placements<'a>(placements: impl Iterator<Item = &'a Placement>) -> Placement {
    let mut all = Placement::default();
    let strictest = |one: Option<u32>, other: Option<u32>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    for placement in placements.filter(|placement| !placement.is_free()) {
        all.per_owner = strictest(all.per_owner, placement.per_owner);
        all.per_organisation = strictest(all.per_organisation, placement.per_organisation);
        all.per_country = strictest(all.per_country, placement.per_country);
        all.prefer.extend(&placement.prefer);
        all.avoid.extend(&placement.avoid);
        all.exclude.extend(&placement.exclude);
    }
    all.avoid.retain(|provider| !all.exclude.contains(provider));
    all.prefer.retain(|p| !all.exclude.contains(p) && !all.avoid.contains(p));
    all
}

/// The largest of limits, where there is one in every case.
fn most_of<T: Ord>(mut limits: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = limits.next()??;
    limits.try_fold(first, |most, limit| Some(most.max(limit?)))
}

/// The aggregators that terms name, in the order named; all where they name none.
pub(crate) fn used_by<'a>(
    terms: &'a Terms,
    aggregators: &'a [AggregatorView],
) -> impl Iterator<Item = &'a AggregatorView> {
    let find = |name: &AggregatorName| aggregators.iter().find(|a| a.name == *name);
    let named = terms.aggregators.iter().filter_map(find);
    let all = aggregators.iter().filter(|_| terms.aggregators.is_empty());
    named.chain(all)
}

/// A renewal threshold never exceeds three quarters of the shortest deal on offer, so that a deal
/// lives a quarter of its term before its successor is ordered, whatever was asked for.
pub(crate) fn clamp_renewal<'a>(
    threshold: EpochDelta,
    aggregators: impl Iterator<Item = &'a AggregatorView>,
) -> EpochDelta {
    let shortest =
        aggregators.map(|a| a.deal_duration).min().unwrap_or(EpochDelta::MIN_DEAL_DURATION);
    threshold.min(EpochDelta::new(shortest.get() / 4 * 3))
}
