//! Terms: whether they make sense ([`check_terms`]), and what they will not do that they seem to say.

use std::fmt;

use raas_types::{AggregatorName, EpochDelta, Grouping, ProviderBook, ProviderId, Terms, Trust};

use crate::{
    AggregatorView, placement,
    wanted::{clamp_renewal, used_by},
};

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
    CapZero { by: Grouping },
    BothWanted { provider: ProviderId, list: &'static str, other: &'static str },
    BudgetZero { which: &'static str },
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
            Self::CapZero { by } => {
                write!(f, "placement.per_{} is 0: give at least 1, or leave it out", by.name())
            }
            Self::BothWanted { provider, list, other } => write!(
                f,
                "{provider} is in placement.{list} and in placement.{other}: leave it out of one"
            ),
            Self::BudgetZero { which } => write!(
                f,
                "budget.{which} is 0, so that nothing could ever be ordered: give at least 1, or \
                 leave it out"
            ),
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
    CapUnfillable { by: Grouping, cap: u32, most: u32, target: u32 },
    FactsAbsent { by: Grouping },
    BudgetBelowOrder { per_day: u32, copies: u32 },
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
            Self::CapUnfillable { by, cap, most, target } => write!(
                f,
                "with at most {cap} replicas per {0}, the providers that facts are known about take \
                 {most} of the {target} wanted: raise placement.per_{0}, lower replication.target, \
                 or tell of more providers",
                by.name()
            ),
            Self::FactsAbsent { by } => write!(
                f,
                "placement.per_{0} is checked only for providers whose {0} is known, and there are \
                 providers of which it is not: a replica with one of them counts whatever it is",
                by.name()
            ),
            Self::BudgetBelowOrder { per_day, copies } => write!(
                f,
                "budget.deals_per_day is {per_day}, and no aggregator makes fewer than {copies} deals \
                 an order, so that nothing will be ordered: raise it to {copies}"
            ),
            Self::CountsOnlyOrdered => f.write_str(
                "a job without replication keeps the deals it finds, and deals that this node did \
                 not order count only with \"trust\": \"contract\"",
            ),
        }
    }
}

/// Whether terms can be accepted, given all aggregators that are configured and what is known of
/// providers.
///
/// # Errors
///
/// All that is wrong with them at once.
pub fn check_terms(
    terms: &Terms,
    aggregators: &[AggregatorView],
    providers: &ProviderBook,
) -> Result<Vec<TermWarning>, Vec<TermError>> {
    let mut errors = errors_in(terms, aggregators);
    errors.extend(placement_errors(terms));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut warnings = warnings_in(terms, aggregators);
    warnings.extend(placement_warnings(terms, providers));
    Ok(warnings)
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
    let copies = used_by(terms, aggregators).map(|a| a.copies).min();
    if let (Some(per_day), Some(copies)) = (terms.budget.deals_per_day, copies)
        && per_day < copies
    {
        warnings.push(TermWarning::BudgetBelowOrder { per_day, copies });
    }
    if terms.replication.is_none() && terms.trust == Trust::Proven {
        warnings.push(TermWarning::CountsOnlyOrdered);
    }
    warnings
}

fn placement_errors(terms: &Terms) -> Vec<TermError> {
    let Terms { placement, budget, .. } = terms;
    let zero = |(by, cap): (Grouping, u32)| (cap == 0).then_some(TermError::CapZero { by });
    let mut errors: Vec<_> = placement.caps().filter_map(zero).collect();
    let lists = [
        ("prefer", &placement.prefer, "exclude", &placement.exclude),
        ("avoid", &placement.avoid, "exclude", &placement.exclude),
        ("prefer", &placement.prefer, "avoid", &placement.avoid),
    ];
    for (list, these, other, those) in lists {
        let both = these.intersection(those);
        errors.extend(both.map(|p| TermError::BothWanted { provider: *p, list, other }));
    }
    let limits = [
        ("deals_per_day", budget.deals_per_day.map(u64::from)),
        ("bytes_per_day", budget.bytes_per_day),
    ];
    let zero = limits.into_iter().filter(|(_, limit)| *limit == Some(0));
    errors.extend(zero.map(|(which, _)| TermError::BudgetZero { which }));
    errors
}

fn placement_warnings(terms: &Terms, book: &ProviderBook) -> Vec<TermWarning> {
    let Terms { placement, replication, .. } = terms;
    let target = replication.map_or(0, |r| r.target);
    let warning = |(by, cap): (Grouping, u32)| match placement::most_under(by, cap, placement, book)
    {
        Some(most) if most < target => Some(TermWarning::CapUnfillable { by, cap, most, target }),
        Some(_) => None,
        None => Some(TermWarning::FactsAbsent { by }),
    };
    placement.caps().filter_map(warning).collect()
}
