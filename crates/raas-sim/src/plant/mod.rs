//! Bugs planted on purpose, to show that the simulator finds bugs: for tests of the simulator only.
//!
//! Each wraps the planner or a port between a node and its world; the runtime and the rules are as they
//! are, and know nothing of it. What a node with a bug does is then held against the same promises as
//! what it does without: [`Plant::breaks`] says which of them the bug should be seen to break, and
//! `tests/planted.rs` that it is, within 200 seeds.

mod aggregator;
mod chain;
mod planner;
mod store;

use std::{str::FromStr, sync::Arc};

use raas_aggregator::Aggregator;
use raas_job_store::JobStore;
use raas_lotus::LotusChain;
use raas_runtime::Planner;

use crate::{Invariant, Options, Violation, chronicle::Chronicle, play::play};

/// The part of a node that a bug is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Planner,
    Store,
    Aggregator,
    Chain,
}

macro_rules! plants {
    ($($(#[$doc:meta])* $variant:ident $name:literal in $part:ident breaks [$($broken:ident),+],)*) => {
        /// A bug that is planted on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $($(#[$doc])* $variant,)*
        }

        impl Plant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The promises of which it should break one before any other.
            pub const fn breaks(self) -> &'static [Invariant] {
                match self {
                    $(Self::$variant => &[$(Invariant::$broken),+],)*
                }
            }

            const fn part(self) -> Part {
                match self {
                    $(Self::$variant => Part::$part,)*
                }
            }
        }
    };
}

plants! {
    /// What nobody can say anything of is taken for gone: an endpoint that fails or lies makes the node
    /// repair what is well.
    UnknownAsLost "unknown-as-lost" in Planner breaks [UnknownIsNotLost, LossSeenTwice],
    /// Deals that are still being sealed hold no slots: each is ordered once more.
    PendingNotCounted "pending-not-counted" in Planner breaks [NothingWithoutNeed],
    /// Orders on their way hold no slots: each is ordered once more.
    OrdersNotCounted "orders-not-counted" in Planner breaks [PlannedOnce, NothingWithoutNeed],
    /// Each missing slot gets two orders.
    SlotFilledTwice "slot-filled-twice" in Planner breaks [NothingWithoutNeed],
    /// Two deals of one provider hold two slots.
    ProviderCountedTwice "provider-counted-twice" in Planner breaks [FilledBelowMin, FilledToTarget],
    /// A faulty sector is given up as soon as the fault is confirmed, whatever the threshold.
    FirstFaultRepaired "first-fault-repaired" in Planner breaks [ThresholdKept],
    /// A loss is believed at first sight.
    NoSecondLook "no-second-look" in Planner breaks [LossSeenTwice],
    /// What replaced a deal that is over is taken for one that is about to end itself, and renewed at once.
    NewbornRenewed "newborn-renewed" in Planner
        breaks [RenewedInTime, SatisfiedIsEmpty],
    /// Nothing is renewed before its last epoch.
    RenewedTooLate "renewed-too-late" in Planner breaks [FilledBelowMin, FilledToTarget],
    /// Every deal is renewed, the surplus too.
    SurplusRenewed "surplus-renewed" in Planner breaks [NothingWithoutNeed, SatisfiedIsEmpty],
    /// Orders leave out nobody, not even those who hold the data.
    NobodyLeftOut "nobody-left-out" in Planner breaks [OwnProvider],
    /// The minimum is all that is ever ordered.
    TargetAsMin "target-as-min" in Planner breaks [FilledToTarget],
    /// One replica more than the target is ordered.
    OneTooMany "one-too-many" in Planner breaks [SatisfiedIsEmpty, NothingWithoutNeed],
    /// An order of several deals is made however many fit below the maximum.
    MaxIgnored "max-ignored" in Planner breaks [NeverAboveMax],
    /// What the contract lists is alive, whatever the chain says.
    ListingBelieved "listing-believed" in Planner breaks [FilledBelowMin, FilledToTarget],
    /// That an endpoint or the contract could not be asked stops nothing.
    EvidenceNotAwaited "evidence-not-awaited" in Planner
        breaks [UnknownIsNotLost, ThresholdKept, LossSeenTwice, RenewedInTime, NothingWithoutNeed],
    /// Orders go out although the breaker has stopped spending.
    BreakerIgnored "breaker-ignored" in Planner breaks [SpendingStops],
    /// A faulty sector is forgiven for ever.
    FaultsForgiven "faults-forgiven" in Planner breaks [FilledBelowMin, FilledToTarget],
    /// Orders that came to nothing are forgotten: the next one follows at once.
    FailuresForgotten "failures-forgotten" in Planner breaks [AskedMoreRarely],
    /// The same world is answered with one plan, and then with another.
    Wavers "wavers" in Planner breaks [SamePlan],
    /// As a successor is ordered the old deal is dropped from what is kept.
    BreakBeforeMake "break-before-make" in Store breaks [TrackedToTheEnd],
    /// An order that was about to be sent is found, after a crash, as one that was not: it is sent again.
    IntentForgotten "intent-forgotten" in Store breaks [SentOnce, WaitedFor],
    /// Orders that were sent are not found again.
    SentForgotten "sent-forgotten" in Store breaks [NothingWithoutNeed, OneSuccessor],
    /// Renewals on their way are not found: each deal is renewed again and again.
    RenewalForgotten "renewal-forgotten" in Store breaks [OneSuccessor, NothingWithoutNeed],
    /// A write is acknowledged before it is made, and lost when the node dies in between.
    AcknowledgedUnwritten "acknowledged-unwritten" in Store breaks [IntentFirst],
    /// The lease on the store is had by whoever asks.
    LeaseIgnored "lease-ignored" in Store breaks [OneAtATime],
    /// The end of a job is not found again: it is cared for beyond that.
    EndForgotten "end-forgotten" in Store breaks [NothingWithoutNeed],
    /// Transactions under way are not found again: the same is written twice.
    TransactionForgotten "transaction-forgotten" in Store breaks [RecordedOnce],
    /// Orders go out under an id that the store has never seen.
    OrderIdLost "order-id-lost" in Aggregator breaks [IntentFirst],
    /// An aggregator that cannot tell whether it has an order is taken not to: it is sent again.
    SentBlindly "sent-blindly" in Aggregator breaks [SentOnce, WaitedFor],
    /// A lost answer is taken for a refusal: the order is given up, though a deal may come of it.
    LostAnswerAsRefusal "lost-answer-as-refusal" in Aggregator breaks [WaitedFor],
    /// An order whose answer was lost is sent again at once.
    RetriedBlindly "retried-blindly" in Aggregator breaks [SentOnce],
    /// What is handed over is not what was to be stored.
    BytesGarbled "bytes-garbled" in Aggregator breaks [NothingForged],
    /// Reads go to the head of the chain, which may be undone.
    FinalityIgnored "finality-ignored" in Chain breaks [FinalOnly],
    /// All endpoints are one: nobody contradicts it when it lies.
    OneWitness "one-witness" in Chain breaks [UnknownIsNotLost, ThresholdKept, FinalOnly],
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().copied().find(|plant| plant.name() == text);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|plant| plant.name()).collect();
            format!("there is no planted bug {text:?}: give one of {}", names.join(", "))
        })
    }
}

/// The first seed that breaks a promise, with what it broke, and how many were played until then;
/// `None` where none does. Tells no story, so that it is quick.
pub fn first_broken(options: &Options) -> Option<(u64, Violation)> {
    let seeds = (0..options.seeds).map(|number| options.first_seed.wrapping_add(number));
    let broken = |seed| {
        let violations = play(options, seed, Chronicle::default()).violations;
        violations.into_iter().next().map(|first| (seed, first))
    };
    seeds.into_iter().find_map(broken)
}

/// The planner, with the bug where it is one of planners.
pub(crate) fn planner(plant: Option<Plant>, inner: Arc<dyn Planner>) -> Arc<dyn Planner> {
    match plant.filter(|plant| plant.part() == Part::Planner) {
        Some(plant) => Arc::new(planner::Planted::new(plant, inner)),
        None => inner,
    }
}

/// The store, with the bug where it is one of stores.
pub(crate) fn store(plant: Option<Plant>, inner: Arc<dyn JobStore>) -> Arc<dyn JobStore> {
    match plant.filter(|plant| plant.part() == Part::Store) {
        Some(plant) => Arc::new(store::Planted::new(plant, inner)),
        None => inner,
    }
}

/// An aggregator, with the bug where it is one of aggregators.
pub(crate) fn aggregator(plant: Option<Plant>, inner: Arc<dyn Aggregator>) -> Arc<dyn Aggregator> {
    match plant.filter(|plant| plant.part() == Part::Aggregator) {
        Some(plant) => Arc::new(aggregator::Planted { plant, inner }),
        None => inner,
    }
}

/// The endpoints of the chain, with the bug where it is one of theirs.
pub(crate) fn chains(
    plant: Option<Plant>,
    endpoints: Vec<Arc<dyn LotusChain>>,
) -> Vec<Arc<dyn LotusChain>> {
    match plant.filter(|plant| plant.part() == Part::Chain) {
        Some(plant) => chain::plant(plant, endpoints),
        None => endpoints,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_bug_is_found_by_its_name() {
        for plant in Plant::ALL {
            assert_eq!(plant.name().parse(), Ok(*plant));
        }
        let names: BTreeSet<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        assert_eq!(names.len(), Plant::ALL.len());
        assert!("no-such-bug".parse::<Plant>().is_err_and(|why| why.contains("unknown-as-lost")));
    }
}
