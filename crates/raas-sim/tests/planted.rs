//! The simulator is itself tested: a node with a bug that was planted breaks a promise within 200 seeds,
//! and one of those that the bug should break; the same node without it keeps them all in that world.

#![expect(clippy::print_stdout, reason = "a test that passes says how soon its bug was caught")]

use std::collections::BTreeSet;

use raas_sim::{Options, Plant, Trouble, Troubles, first_broken};

/// Of so many seeds one shows the bug.
const SEEDS: u64 = 200;

/// A small world in which a bug shows soon: so long, with so many jobs, and no other troubles than these.
struct Place {
    years: f64,
    jobs: usize,
    with: &'static [Trouble],
}

/// The first days, when everything is ordered.
const FIRST_DAYS: Place = place(0.05, 3, &[]);

/// Long enough for deals to be renewed.
const RENEWALS: Place = place(0.4, 4, &[]);

const FAULTS: Place = place(0.3, 4, &[Trouble::Faults, Trouble::Deaths]);

/// Long enough for an answer to be lost, and for jobs to come to it.
const LOST_ANSWERS: Place = place(0.25, 6, &[Trouble::LostAnswers]);

/// An endpoint lies.
const LIES: Place = place(0.3, 3, &[Trouble::Lies]);

const fn place(years: f64, jobs: usize, with: &'static [Trouble]) -> Place {
    Place { years, jobs, with }
}

fn assert_caught(plant: Plant, place: &Place) {
    let without = Trouble::ALL.iter().copied().filter(|trouble| !place.with.contains(trouble));
    let options = Options {
        seeds: SEEDS,
        years: place.years,
        jobs: place.jobs,
        without: Troubles(without.collect()),
        plant: Some(plant),
        ..Options::default()
    };
    let caught = first_broken(&options);
    let (seed, violation) = caught.unwrap_or_else(|| {
        panic!("{} is not caught within {SEEDS} seeds", plant.name());
    });
    println!("{} breaks {:?} with seed {seed}", plant.name(), violation.invariant);
    assert!(
        plant.breaks().contains(&violation.invariant),
        "{} is to break one of {:?}, and breaks {:?} first: {}\n{}",
        plant.name(),
        plant.breaks(),
        violation.invariant,
        violation.words,
        options.command(seed)
    );
    let without = Options { first_seed: seed, seeds: 1, plant: None, ..options };
    assert_eq!(first_broken(&without), None, "without the bug, too: {}", without.command(seed));
}

macro_rules! caught {
    ($($test:ident: $plant:ident in $place:expr,)*) => {
        $(
            #[test]
            fn $test() {
                assert_caught(Plant::$plant, &$place);
            }
        )*

        /// The bugs that a test above is about.
        const TESTED: &[Plant] = &[$(Plant::$plant,)*];
    };
}

caught! {
    what_is_not_known_is_taken_for_lost: UnknownAsLost in LIES,
    what_is_pending_is_not_counted: PendingNotCounted in FIRST_DAYS,
    what_is_ordered_is_not_counted: OrdersNotCounted in FIRST_DAYS,
    a_slot_is_filled_twice: SlotFilledTwice in FIRST_DAYS,
    a_provider_is_counted_twice: ProviderCountedTwice in place(0.12, 4, &[Trouble::Cheats]),
    the_first_fault_is_repaired: FirstFaultRepaired in FAULTS,
    there_is_no_second_look: NoSecondLook in place(0.2, 4, &[Trouble::Refusals]),
    the_newborn_is_renewed: NewbornRenewed in RENEWALS,
    renewal_comes_too_late: RenewedTooLate in RENEWALS,
    the_surplus_is_renewed: SurplusRenewed in place(0.3, 6, &[Trouble::Cheats, Trouble::Refusals]),
    nobody_is_left_out: NobodyLeftOut in place(0.15, 3, &[Trouble::Faults, Trouble::Deaths]),
    the_target_is_taken_for_the_minimum: TargetAsMin in place(0.1, 3, &[]),
    one_too_many_is_ordered: OneTooMany in FIRST_DAYS,
    the_maximum_is_ignored: MaxIgnored in place(0.05, 6, &[Trouble::Bundles]),
    the_listing_is_believed: ListingBelieved in FAULTS,
    evidence_is_not_awaited: EvidenceNotAwaited in place(0.3, 4, &[Trouble::Forks, Trouble::Faults]),
    the_breaker_is_ignored: BreakerIgnored in place(0.3, 16, &[Trouble::Faults, Trouble::Disasters]),
    faults_are_forgiven: FaultsForgiven in FAULTS,
    failures_are_forgotten: FailuresForgotten in place(0.25, 6, &[Trouble::Refusals]),
    the_planner_wavers: Wavers in FIRST_DAYS,
    the_old_is_dropped_before_the_new_is_there: BreakBeforeMake in RENEWALS,
    an_intent_is_forgotten: IntentForgotten in LOST_ANSWERS,
    what_was_sent_is_forgotten: SentForgotten in FIRST_DAYS,
    a_renewal_is_forgotten: RenewalForgotten in RENEWALS,
    what_is_not_written_is_acknowledged: AcknowledgedUnwritten in FIRST_DAYS,
    the_lease_is_ignored: LeaseIgnored in place(0.1, 6, &[Trouble::Several]),
    the_end_of_a_job_is_forgotten: EndForgotten in place(0.6, 5, &[Trouble::Faults]),
    a_transaction_is_forgotten: TransactionForgotten in FIRST_DAYS,
    the_id_of_an_order_is_lost: OrderIdLost in FIRST_DAYS,
    an_order_is_sent_blindly: SentBlindly in LOST_ANSWERS,
    a_lost_answer_is_taken_for_a_refusal: LostAnswerAsRefusal in LOST_ANSWERS,
    an_order_is_sent_again_at_once: RetriedBlindly in LOST_ANSWERS,
    bytes_are_garbled: BytesGarbled in FIRST_DAYS,
    finality_is_ignored: FinalityIgnored in FIRST_DAYS,
    one_witness_is_enough: OneWitness in LIES,
}

#[test]
fn every_planted_bug_is_tested() {
    let tested: BTreeSet<_> = TESTED.iter().copied().collect();
    assert_eq!(tested, Plant::ALL.iter().copied().collect());
}
