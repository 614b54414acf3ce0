//! Reasons in words.

mod world;

use std::collections::BTreeSet;

use raas_core::{Plan, Reason, explain};
use raas_types::{Cause, DealId, EpochDelta, Grouping, OrderId, VerdictKind};
use world::*;

fn words(reason: Reason, expected: &str) {
    let sentence = reason.to_string();
    assert!(sentence.contains(expected), "{expected:?} in {sentence:?}");
    assert!(sentence.ends_with('.'), "{sentence:?} is a sentence");
}

#[test]
fn reasons_about_a_cid_are_sentences() {
    words(Reason::NoJobStands, "No job for this data stands");
    words(Reason::Satisfied { held: 3, target: 3 }, "All slots are held: 3 of 3.");
    words(Reason::Missing { held: 1, target: 3 }, "1 of 3 slots are held: 2 missing.");
    words(Reason::BelowMin { safe: 1, min: 2 }, "Only 1 providers prove the data now");
    words(Reason::AboveTarget { held: 4, target: 3 }, "the surplus is left to lapse.");
    words(Reason::KeepsWhatItFound { found: Some(2) }, "keeps the 2 replicas that it found.");
    words(Reason::KeepsWhatItFound { found: None }, "is not known until a look sees all");
    words(Reason::EvidenceMissing { what: "the contract".to_owned() }, "missing: the contract.");
    words(Reason::FetchFirst, "The bytes are fetched");
    let retry_at = NOW;
    words(Reason::AwaitingData { tried: vec![], retry_at }, "(no source is known)");
    let tried = vec!["a: 404".to_owned(), "b: 500".to_owned()];
    words(
        Reason::AwaitingData { tried, retry_at },
        "(a: 404; b: 500); asked again at epoch 6300000",
    );
    words(Reason::TargetUnreachable { have: 2, target: 3 }, "target unreachable: 2 of 3.");
}

#[test]
fn reasons_about_a_replica_are_sentences() {
    let (deal, provider) = (DealId::new(7), provider(7));
    let (verdict, by) = (VerdictKind::Terminated, Grouping::Country);
    let held = VerdictKind::Active;
    words(Reason::Holds { deal, provider, verdict: held }, "Deal 7 on f01007 is active and holds");
    words(Reason::NotKnown { deal, provider }, "Nothing can be said of deal 7 on f01007");
    words(Reason::ProviderMismatch { deal, provider }, "its proposal names another provider");
    words(Reason::NotProven { deal, provider }, "was not ordered by us");
    words(Reason::AddsNothing { deal, provider }, "f01007 holds the data in another deal already");
    words(Reason::Excluded { deal, provider }, "which the terms exclude");
    words(Reason::OverCap { deal, provider, by, cap: 2 }, "too many of its country, of which the");
    let absent = BTreeSet::from([provider]);
    words(Reason::FactsAbsent { by, providers: absent }, "The country of f01007 is not known");
    words(Reason::Succeeded { deal }, "Deal 7 has a successor");
    let (since, repair_at) = (NOW - EpochDelta::DAY, NOW);
    words(Reason::FaultWaits { deal, since, repair_at }, "repaired from epoch 6300000 on");
    words(Reason::FaultNotRepaired { deal, since }, "since epoch 6297120; the terms ask for no");
    words(Reason::AwaitingSecondLook { deal, verdict }, "looks terminated; a second look");
    words(Reason::Lost { deal, verdict }, "Deal 7 is lost: terminated.");
    words(Reason::Over { deal, verdict: VerdictKind::Ended }, "Deal 7 is over: ended.");
    let ending = |second_half| Reason::Ending { deal, end: NOW, second_half };
    words(ending(false), "Deal 7 ends at epoch 6300000: in its renewal window.");
    words(ending(true), "in the second half of its renewal window");
}

#[test]
fn reasons_about_orders_and_aggregators_are_sentences() {
    let aggregator = keyed().name;
    let order = OrderId::new("order-1");
    let causes = [
        (Cause::Replication, "to have more replicas"),
        (repair(7), "to replace deal 7, which was lost"),
        (renewal(7), "to succeed deal 7, which ends soon or has ended"),
    ];
    for (cause, said) in causes {
        let outstanding = Reason::Outstanding { order: order.clone(), cause, since: NOW };
        words(outstanding, &format!("Order order-1 of epoch 6300000, {said}, is outstanding"));
        let ordering = Reason::Ordering { cause, aggregator: aggregator.clone() };
        words(ordering, &format!("A deal is ordered from keyed {said}."));
    }
    words(Reason::Busy { aggregator: aggregator.clone() }, "keyed takes one order for this data");
    let retry_at = NOW;
    let backing_off = Reason::BackingOff { aggregator: aggregator.clone(), fruitless: 3, retry_at };
    words(backing_off, "made nothing of the last 3 orders; it is asked again at epoch 6300000.");
    let unreachable = Reason::Unreachable { aggregator: aggregator.clone(), until: NOW };
    words(unreachable, "could not be reached");
    let too_many = Reason::TooManyCopies { aggregator, copies: 3, most: 2 };
    words(too_many, "keyed makes 3 deals an order, more than the 2 that");
    words(Reason::NoAggregator, "No aggregator is configured");
    words(Reason::WaitsForOthers { most: 5 }, "no more than 5 orders may be outstanding");
    let again_at = NOW;
    words(Reason::DealsSpent { ordered: 2, per_day: 2, again_at }, "more from epoch 6300000 on.");
    words(Reason::SizeUnknown { per_day: 9 }, "The budget allows 9 bytes a day");
    let bytes = |copy| Reason::BytesSpent { handed_over: 8, copy, per_day: 9, again_at };
    words(bytes(9), "one copy takes 9: more from epoch 6300000 on.");
    words(bytes(10), "on, if the budget is raised above one copy.");
}

#[test]
fn a_plan_is_explained_by_its_reasons_and_when_the_next_look_is() {
    let explained = |minutes: i64, steps| {
        let next_look = NOW + EpochDelta::new(minutes * 2);
        let reasons = vec![Reason::NoJobStands, Reason::FetchFirst].into();
        explain(&Plan { at: NOW, steps, reasons, next_look })
    };
    let said = explained(1, vec![]);
    assert_eq!(said.len(), 4);
    assert!(said[0].starts_with("No job") && said[1].starts_with("The bytes are fetched"));
    assert_eq!(said[2], "Nothing is to be done.");
    assert_eq!(explained(1, vec![raas_core::Step::Fetch]).len(), 3);
    for (minutes, span) in [
        (0, "in 0 minutes"),
        (119, "in 119 minutes"),
        (120, "in 2 hours"),
        (2_879, "in 47 hours"),
        (2_880, "in 2 days"),
        (5_759, "in 3 days"),
    ] {
        let said = explained(minutes, vec![]);
        let last = said.last().expect("a sentence");
        assert!(last.starts_with("Seen at epoch 6300000; the next look is at epoch "), "{last}");
        assert!(last.ends_with(&format!("({span}).")), "{last}");
    }
}
