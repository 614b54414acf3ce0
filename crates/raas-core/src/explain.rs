//! Reasons in words: what `raas why` prints.

use std::fmt;

use raas_types::{Cause, EpochDelta};

use crate::{Plan, Reason};

/// The sentences that tell an operator why the plan is as it is, most general first.
pub fn explain(plan: &Plan) -> Vec<String> {
    let mut sentences: Vec<_> = plan.reasons.iter().map(Reason::to_string).collect();
    if plan.steps.is_empty() {
        sentences.push("Nothing is to be done.".to_owned());
    }
    let wait = plan.next_look.since(plan.at);
    sentences.push(format!(
        "Seen at epoch {}; the next look is at epoch {} at the latest ({}).",
        plan.at,
        plan.next_look,
        in_words(wait)
    ));
    sentences
}

fn in_words(span: EpochDelta) -> String {
    let minutes = span.get() / 2;
    match minutes {
        0..=119 => format!("in {minutes} minutes"),
        120..=2879 => format!("in {} hours", minutes / 60),
        _ => format!("in {} days", minutes / 1440),
    }
}

fn cause_in_words(cause: Cause) -> String {
    match cause {
        Cause::Replication => "to have more replicas".to_owned(),
        Cause::Repair { deal } => format!("to replace deal {deal}, which was lost"),
        Cause::Renewal { deal } => format!("to succeed deal {deal}, which ends soon or has ended"),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJobStands => f.write_str("No job for this data stands any more."),
            Self::Satisfied { held, target } => {
                write!(f, "All slots are held: {held} of {target}.")
            }
            Self::Missing { held, target } => {
                write!(f, "{held} of {target} slots are held: {} missing.", target - held)
            }
            Self::BelowMin { safe, min } => write!(
                f,
                "Only {safe} providers prove the data now, fewer than the minimum of {min}."
            ),
            Self::AboveTarget { held, target } => write!(
                f,
                "{held} slots are held where {target} are wanted: the surplus is left to lapse."
            ),
            Self::KeepsWhatItFound { found: Some(found) } => {
                write!(f, "The job keeps the {found} replicas that it found.")
            }
            Self::KeepsWhatItFound { found: None } => f.write_str(
                "How many replicas the job is to keep is not known until a look sees all of them.",
            ),
            Self::EvidenceMissing { what } => {
                write!(f, "Nothing is ordered while evidence is missing: {what}.")
            }
            Self::FetchFirst => f.write_str("The bytes are fetched and verified first."),
            Self::AwaitingData { tried, retry_at } => write!(
                f,
                "Awaiting data: nobody who was asked has the bytes ({}); asked again at epoch \
                 {retry_at}.",
                if tried.is_empty() { "no source is known".to_owned() } else { tried.join("; ") }
            ),
            Self::TargetUnreachable { have, target } => write!(
                f,
                "target unreachable: {have} of {target}. The job's aggregators take orders and \
                 make no further deals; name another aggregator or lower the target."
            ),
            about_replica_or_order => about_replica_or_order.fmt_replica(f),
        }
    }
}

impl Reason {
    /// The sentences about one replica.
    fn fmt_replica(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { deal, provider, verdict } => {
                write!(f, "Deal {deal} on {provider} is {verdict} and holds a slot.")
            }
            Self::NotKnown { deal, provider } => write!(
                f,
                "Nothing can be said of deal {deal} on {provider}: it holds its slot and is not \
                 counted as safe."
            ),
            Self::ProviderMismatch { deal, provider } => write!(
                f,
                "Deal {deal} is said to be with {provider}, but its proposal names another \
                 provider: it does not count."
            ),
            Self::NotProven { deal, provider } => write!(
                f,
                "Deal {deal} on {provider} was not ordered by us and is not proven to hold the \
                 data: it does not count (\"trust\": \"contract\" would count it)."
            ),
            Self::AddsNothing { deal, provider } => write!(
                f,
                "Deal {deal} adds nothing: {provider} holds the data in another deal already."
            ),
            Self::Excluded { deal, provider } => write!(
                f,
                "Deal {deal} is with {provider}, which the terms exclude: it holds no slot."
            ),
            Self::OverCap { deal, provider, by, cap } => write!(
                f,
                "Deal {deal} holds no slot: {provider} is one too many of its {}, of which the terms \
                 allow {cap}.",
                by.name()
            ),
            Self::FactsAbsent { by, providers } => {
                let names: Vec<_> = providers.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "The {} of {} is not known: their replicas are counted whatever it is.",
                    by.name(),
                    names.join(", ")
                )
            }
            about_its_state => about_its_state.fmt_state(f),
        }
    }

    /// The sentences about what has become of one replica.
    fn fmt_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded { deal } => {
                write!(f, "Deal {deal} has a successor, which holds its slot.")
            }
            Self::FaultWaits { deal, since, repair_at } => write!(
                f,
                "Deal {deal} has not been proven since epoch {since}; it is repaired from epoch \
                 {repair_at} on unless it recovers."
            ),
            Self::FaultNotRepaired { deal, since } => write!(
                f,
                "Deal {deal} has not been proven since epoch {since}; the terms ask for no repair."
            ),
            Self::AwaitingSecondLook { deal, verdict } => {
                write!(f, "Deal {deal} looks {verdict}; a second look must confirm it.")
            }
            Self::Lost { deal, verdict } => write!(f, "Deal {deal} is lost: {verdict}."),
            Self::Over { deal, verdict } => write!(f, "Deal {deal} is over: {verdict}."),
            Self::Ending { deal, end, second_half: false } => {
                write!(f, "Deal {deal} ends at epoch {end}: in its renewal window.")
            }
            Self::Ending { deal, end, second_half: true } => write!(
                f,
                "Deal {deal} ends at epoch {end}: in the second half of its renewal window, where \
                 it no longer holds a slot."
            ),
            about_order => about_order.fmt_order(f),
        }
    }

    /// The sentences about one order or one aggregator.
    fn fmt_order(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outstanding { order, cause, since } => write!(
                f,
                "Order {order} of epoch {since}, {}, is outstanding and holds a slot.",
                cause_in_words(*cause)
            ),
            Self::Busy { aggregator } => write!(
                f,
                "Aggregator {aggregator} takes one order for this data at a time, and one is \
                 outstanding."
            ),
            Self::BackingOff { aggregator, fruitless, retry_at } => write!(
                f,
                "Aggregator {aggregator} made nothing of the last {fruitless} orders; it is asked \
                 again at epoch {retry_at}."
            ),
            Self::Unreachable { aggregator, until } => write!(
                f,
                "Aggregator {aggregator} could not be reached; it is asked again at epoch {until}."
            ),
            Self::NoAggregator => {
                f.write_str("No aggregator is configured for this job: name one that is.")
            }
            Self::Ordering { cause, aggregator } => {
                write!(f, "A deal is ordered from {aggregator} {}.", cause_in_words(*cause))
            }
            Self::TooManyCopies { aggregator, copies, most } => write!(
                f,
                "Aggregator {aggregator} makes {copies} deals an order, more than the {most} that \
                 the maximum and the budget leave room for."
            ),
            Self::WaitsForOthers { most } => write!(
                f,
                "Others are more urgent, and no more than {most} orders may be outstanding: this \
                 one waits."
            ),
            about_the_budget => about_the_budget.fmt_budget(f),
        }
    }

    /// The sentences about what may be spent.
    fn fmt_budget(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DealsSpent { ordered, per_day, again_at } => write!(
                f,
                "{ordered} deals were ordered within a day, where the budget allows {per_day}: more \
                 from epoch {again_at} on."
            ),
            Self::SizeUnknown { per_day } => write!(
                f,
                "The budget allows {per_day} bytes a day, and what a copy takes is not known until \
                 the first was handed over: the others wait for it."
            ),
            Self::BytesSpent { handed_over, copy, per_day, again_at } => write!(
                f,
                "{handed_over} bytes were handed over within a day, where the budget allows {per_day} \
                 and one copy takes {copy}: more from epoch {again_at} on{}.",
                if copy > per_day { ", if the budget is raised above one copy" } else { "" }
            ),
            Self::NoJobStands
            | Self::Satisfied { .. }
            | Self::Missing { .. }
            | Self::BelowMin { .. }
            | Self::AboveTarget { .. }
            | Self::KeepsWhatItFound { .. }
            | Self::EvidenceMissing { .. }
            | Self::FetchFirst
            | Self::AwaitingData { .. }
            | Self::TargetUnreachable { .. }
            | Self::Holds { .. }
            | Self::NotKnown { .. }
            | Self::ProviderMismatch { .. }
            | Self::NotProven { .. }
            | Self::AddsNothing { .. }
            | Self::Excluded { .. }
            | Self::OverCap { .. }
            | Self::FactsAbsent { .. }
            | Self::Succeeded { .. }
            | Self::FaultWaits { .. }
            | Self::FaultNotRepaired { .. }
            | Self::AwaitingSecondLook { .. }
            | Self::Lost { .. }
            | Self::Over { .. }
            | Self::Outstanding { .. }
            | Self::Busy { .. }
            | Self::BackingOff { .. }
            | Self::Unreachable { .. }
            | Self::NoAggregator
            | Self::TooManyCopies { .. }
            | Self::WaitsForOthers { .. }
            | Self::Ordering { .. }
            // Said by the groups before.
            | Self::Ending { .. } => write!(f, "{self:?}"),
        }
    }
}
