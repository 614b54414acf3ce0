//! Terms: whether they make sense ([`check_terms`]), and what several jobs on one CID want together
//! ([`combine`]).

use std::fmt;

use raas_types::{AggregatorName, ChainEpoch, EpochDelta, Job, Terms, Trust};
use serde::{Deserialize, Serialize};

use crate::AggregatorView;

/// More replicas than this are taken for a slip: there are fewer distinct providers to be had.
pub const MAX_TARGET: u32 = 100;

/// Terms that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Display says what each means and how to mend it")]
pub enum TermError {
    NothingAsked,
    TargetZero,
    TargetTooLarge { target: u32 },
    MinZero,
    MinAboveTarget { min: u32, target: u32 },
    MaxBelowTarget { max: u32, target: u32 },
    ThresholdNotPositive { which: &'static str, threshold: EpochDelta },
    UnknownAggregator { name: AggregatorName, known: Vec<AggregatorName> },
}

impl fmt::Display for TermError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingAsked => f.write_str(
                "the job asks for nothing: give at least one of replication, renewal and repair",
            ),
            Self::TargetZero => f.write_str("replication.target is 0: give at least 1"),
            Self::TargetTooLarge { target } => {
                write!(f, "replication.target is {target}: give at most {MAX_TARGET}")
            }
            Self::MinZero => f.write_str("replication.min is 0: give at least 1, or leave it out"),
            Self::MinAboveTarget { min, target } => write!(
                f,
                "replication.min {min} is above replication.target {target}: lower min or raise \
                 target"
            ),
            Self::MaxBelowTarget { max, target } => write!(
                f,
                "replication.max {max} is below replication.target {target}: raise max or lower \
                 target"
            ),
            Self::ThresholdNotPositive { which, threshold } => write!(
                f,
                "{which}.threshold is {threshold}: give a positive number of epochs, or a span \
                 such as \"30d\""
            ),
            Self::UnknownAggregator { name, known } => {
                write!(f, "aggregator {:?} is not configured; known: ", name.as_str())?;
                if known.is_empty() {
                    return f.write_str("none");
                }
                for (i, name) in known.iter().enumerate() {
                    write!(f, "{}{name}", if i > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// Terms that are accepted, and will not do what they seem to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Display says what each means")]
pub enum TermWarning {
    RepairBelowProvingPeriod { threshold: EpochDelta },
    RepairBeyondTermination { threshold: EpochDelta },
    RenewalClamped { threshold: EpochDelta, to: EpochDelta },
    RenewalBelowLatency { threshold: EpochDelta, latency: EpochDelta },
    CountsOnlyOrdered,
}

impl fmt::Display for TermWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepairBelowProvingPeriod { threshold } => write!(
                f,
                "repair.threshold {threshold} is below one proving period ({}): a sector is proven \
                 once a day, so a single missed proof will already be repaired",
                EpochDelta::PROVING_PERIOD
            ),
            Self::RepairBeyondTermination { threshold } => write!(
                f,
                "repair.threshold {threshold} is beyond {} (42d): the network terminates a sector \
                 that stays faulty that long, and it is repaired then",
                EpochDelta::FAULT_MAX_AGE.get()
            ),
            Self::RenewalClamped { threshold, to } => write!(
                f,
                "renewal.threshold {threshold} is too long for the deals on offer: {to} is used, \
                 three quarters of the shortest"
            ),
            Self::RenewalBelowLatency { threshold, latency } => write!(
                f,
                "renewal.threshold {threshold} is shorter than twice the aggregator's latency \
                 ({latency}): a deal may end before its successor is active"
            ),
            Self::CountsOnlyOrdered => f.write_str(
                "a job without replication keeps the deals it finds, and deals that this node did \
                 not order count only with \"trust\": \"contract\"",
            ),
        }
    }
}

/// Whether terms can be accepted, given all aggregators that are configured.
///
/// # Errors
///
/// All that is wrong with them at once.
pub fn check_terms(
    terms: &Terms,
    aggregators: &[AggregatorView],
) -> Result<Vec<TermWarning>, Vec<TermError>> {
    let errors = errors_in(terms, aggregators);
    if errors.is_empty() { Ok(warnings_in(terms, aggregators)) } else { Err(errors) }
}

fn errors_in(terms: &Terms, aggregators: &[AggregatorView]) -> Vec<TermError> {
    let mut errors = Vec::new();
    if terms.replication.is_none() && terms.renewal.is_none() && terms.repair.is_none() {
        errors.push(TermError::NothingAsked);
    }
    if let Some(r) = terms.replication {
        match r.target {
            0 => errors.push(TermError::TargetZero),
            target if target > MAX_TARGET => errors.push(TermError::TargetTooLarge { target }),
            target => {
                if r.min == 0 {
                    errors.push(TermError::MinZero);
                }
                if r.min > target {
                    errors.push(TermError::MinAboveTarget { min: r.min, target });
                }
                if r.max < target {
                    errors.push(TermError::MaxBelowTarget { max: r.max, target });
                }
            }
        }
    }
    let thresholds = [
        ("renewal", terms.renewal.map(|r| r.threshold)),
        ("repair", terms.repair.map(|r| r.threshold)),
    ];
    for (which, threshold) in thresholds {
        if let Some(threshold) = threshold.filter(|t| *t <= EpochDelta::ZERO) {
            errors.push(TermError::ThresholdNotPositive { which, threshold });
        }
    }
    let known = || aggregators.iter().map(|a| a.name.clone());
    for name in terms.aggregators.iter().filter(|name| known().all(|k| k != **name)) {
        errors.push(TermError::UnknownAggregator { name: name.clone(), known: known().collect() });
    }
    errors
}

fn warnings_in(terms: &Terms, aggregators: &[AggregatorView]) -> Vec<TermWarning> {
    let mut warnings = Vec::new();
    if let Some(threshold) = terms.repair.map(|r| r.threshold) {
        if threshold < EpochDelta::PROVING_PERIOD {
            warnings.push(TermWarning::RepairBelowProvingPeriod { threshold });
        }
        if threshold > EpochDelta::FAULT_MAX_AGE {
            warnings.push(TermWarning::RepairBeyondTermination { threshold });
        }
    }
    if let Some(threshold) = terms.renewal.map(|r| r.threshold) {
        let mine = || used_by(terms, aggregators);
        let to = clamp_renewal(threshold, mine());
        if to < threshold {
            warnings.push(TermWarning::RenewalClamped { threshold, to });
        }
        let latency = mine().map(|a| a.latency).max().unwrap_or(EpochDelta::ZERO);
        if to < latency.times(2) {
            warnings.push(TermWarning::RenewalBelowLatency { threshold, latency });
        }
    }
    if terms.replication.is_none() && terms.trust == Trust::Proven {
        warnings.push(TermWarning::CountsOnlyOrdered);
    }
    warnings
}

/// The aggregators that terms name, in the order named; all where they name none.
pub(crate) fn used_by<'a>(
    terms: &'a Terms,
    aggregators: &'a [AggregatorView],
) -> impl Iterator<Item = &'a AggregatorView> {
    let named =
        terms.aggregators.iter().filter_map(|name| aggregators.iter().find(|a| a.name == *name));
    let all = aggregators.iter().filter(|_| terms.aggregators.is_empty());
    named.chain(all)
}

/// A renewal threshold never exceeds three quarters of the shortest deal on offer, so that a deal
/// lives a quarter of its term before its successor is ordered, whatever was asked for.
fn clamp_renewal<'a>(
    threshold: EpochDelta,
    aggregators: impl Iterator<Item = &'a AggregatorView>,
) -> EpochDelta {
    let shortest =
        aggregators.map(|a| a.deal_duration).min().unwrap_or(EpochDelta::MIN_DEAL_DURATION);
    threshold.min(EpochDelta::new(shortest.get() / 4 * 3))
}

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
}

/// Combines the terms of the jobs that stand at `at`: of target, min, max and renewal the largest,
/// of repair the smallest; the contract is trusted only where every job does. `None` when no job
/// stands.
pub fn combine(jobs: &[&Job], aggregators: &[AggregatorView], at: ChainEpoch) -> Option<Wanted> {
    let standing =
        || jobs.iter().filter(|job| job.terms.until.is_none_or(|until| at < until)).copied();
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
    Some(Wanted {
        target,
        min: replications().map(|r| r.min).max().unwrap_or(floor),
        max: replications().map(|r| r.max).max().unwrap_or(floor).max(floor),
        replicates: asked.is_some(),
        renewal: standing()
            .filter_map(|job| {
                let threshold = job.terms.renewal?.threshold;
                Some(clamp_renewal(threshold, used_by(&job.terms, aggregators)))
            })
            .max(),
        repair: standing().filter_map(|job| job.terms.repair).map(|r| r.threshold).min(),
        trusts_contract: standing().all(|job| job.terms.trust == Trust::Contract),
    })
}
