//! Terms are evaluated before they are accepted, and nothing comes of it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::sync::Arc;

use raas_aggregator::{Capabilities, FakeAggregator};
use raas_core::{BreakerLimits, Reason, Step, TermWarning};
use raas_job_store::JobStore;
use raas_lotus::FakeFault;
use raas_retrieval::MemorySource;
use raas_runtime::{Evaluation, Outlook, RegisterError, Registration};
use raas_types::{
    Budget, Cid, DealId, EpochDelta, Grouping, Placement, ProviderFacts, ProviderId, Renewal,
    Terms, Trust,
};
use world::*;

/// All that the store has, in words.
async fn stored(world: &World, cid: Cid) -> String {
    let store = &world.inner_store;
    let jobs = store.jobs(None, usize::MAX).await.unwrap();
    let dossiers = store.dossiers(&[cid]).await;
    let decisions = store.decisions(None, None, usize::MAX).await.unwrap();
    let mut cursors = Vec::new();
    for name in ["last_pinned_epoch", "network"] {
        cursors.push(store.cursor(name).await.unwrap());
    }
    format!("{jobs:?} {dossiers:?} {decisions:?} {cursors:?}")
}

/// A world after a pass, with a file for which there is no job.
async fn ready() -> (World, Cid) {
    let mut world = World::new();
    let cid = world.store_file(b"to be weighed").await;
    world.pass().await;
    (world, cid)
}

async fn evaluate(world: &mut World, cid: Cid, terms: Terms) -> Evaluation {
    world.node().evaluate(cid, terms).await.unwrap()
}

fn seen(evaluation: &Evaluation) -> &Outlook {
    evaluation.outlook.as_ref().unwrap()
}

fn orders(outlook: &Outlook) -> usize {
    outlook.plan.steps.iter().filter(|step| matches!(step, Step::Order { .. })).count()
}

fn loosens(evaluation: &Evaluation) -> Vec<&str> {
    evaluation.cannot.iter().filter_map(|obstacle| obstacle.loosen).collect()
}

#[tokio::test]
async fn a_new_job_is_weighed_and_nothing_is_kept() {
    let (mut world, cid) = ready().await;
    let before = stored(&world, cid).await;
    let evaluation = evaluate(&mut world, cid, terms(3)).await;
    assert_eq!(evaluation.registration, Registration::Created);
    let outlook = seen(&evaluation);
    assert_eq!(orders(outlook), 1, "one at a time: {outlook:?}");
    assert!(outlook.sentences.iter().any(|s| s.contains("0 of 3 slots are held")), "{outlook:?}");
    assert!(outlook.with_bytes.is_none(), "the bytes are here");
    assert!(evaluation.cannot.is_empty(), "{:?}", evaluation.cannot);
    assert_eq!(stored(&world, cid).await, before);
    let report = world.pass().await;
    assert_eq!((report.jobs, report.events.len(), report.errors.len()), (0, 0, 0), "{report:?}");
    assert_eq!((world.submits(), world.node().alerts_standing().len()), (0, 0));
}

#[tokio::test]
async fn what_is_foretold_is_what_is_done() {
    let (mut world, cid) = ready().await;
    let evaluation = evaluate(&mut world, cid, terms(3)).await;
    let job = world.register(cid, terms(3)).await;
    assert_eq!(evaluation.id, job);
    world.pass().await;
    assert_eq!(world.words(&job).await, seen(&evaluation).sentences);
    assert_eq!(world.submits(), 1);
}

#[tokio::test]
async fn a_job_that_is_there_is_told_so_and_planned_for_once() {
    let (mut world, cid) = ready().await;
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    let same = evaluate(&mut world, cid, terms(2)).await;
    assert_eq!(same.registration, Registration::Existing);
    assert_eq!(seen(&same).plan.steps, []);
    // One more replica beside those that stand, for both jobs.
    let more = evaluate(&mut world, cid, terms(3)).await;
    assert_eq!((more.registration, orders(seen(&more))), (Registration::Created, 1));
    assert!(seen(&more).sentences.iter().any(|s| s.contains("2 of 3 slots are held")));
}

#[tokio::test]
async fn replicas_are_seen_as_they_are_now_and_remembered_as_they_were() {
    let (mut world, cid) = ready().await;
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    world.terminate(DealId::new(100));
    world.advance(EpochDelta::DEADLINE);
    // A pass that looks at nothing brings the tipset.
    world.pass().await;
    let before = stored(&world, cid).await;
    let evaluation = evaluate(&mut world, cid, terms(2)).await;
    let lost = |reason: &Reason| matches!(reason, Reason::AwaitingSecondLook { .. });
    assert!(seen(&evaluation).plan.reasons.iter().any(lost), "{evaluation:?}");
    assert_eq!(stored(&world, cid).await, before);
    assert_eq!(world.submits(), 2);
}

#[tokio::test]
async fn without_a_pass_or_behind_a_shut_gate_the_terms_are_weighed_and_it_is_said_why_no_more() {
    let mut world = World::new();
    let cid = world.store_file(b"unseen").await;
    let long = Terms { renewal: Some(Renewal { threshold: EpochDelta::days(900) }), ..terms(1) };
    let early = evaluate(&mut world, cid, long.clone()).await;
    assert_eq!(early.outlook.unwrap_err(), "the node has made no pass yet");
    world.chain.fail(FakeFault::Endpoint);
    world.pass().await;
    let gated = evaluate(&mut world, cid, long.clone()).await;
    assert!(gated.outlook.as_ref().unwrap_err().contains("cannot be asked now"), "{gated:?}");
    assert_eq!(gated.registration, Registration::Created);
    assert!(matches!(gated.warnings[..], [TermWarning::RenewalClamped { .. }]), "{gated:?}");
    assert_eq!(loosens(&gated), ["renewal.threshold"]);
    world.chain.heal(FakeFault::Endpoint);
    world.pass().await;
    assert_eq!(orders(seen(&evaluate(&mut world, cid, long).await)), 1);
}

#[tokio::test]
async fn terms_that_make_no_sense_are_refused_as_they_would_be() {
    let (mut world, cid) = ready().await;
    let zero = Placement { per_country: Some(0), ..Placement::default() };
    let terms = Terms { placement: zero, budget: Budget::default(), ..terms(0) };
    let error = world.node().evaluate(cid, terms).await.unwrap_err();
    assert!(matches!(&error, RegisterError::Terms(errors) if errors.len() == 2), "{error}");
}

#[tokio::test]
async fn where_the_bytes_are_elsewhere_it_is_said_what_comes_after_they_are_fetched() {
    let mut world = World::new();
    let (source, cid) = MemorySource::new("full.example").with_file(b"elsewhere");
    world.sources = vec![Arc::new(source)];
    world.pass().await;
    let evaluation = evaluate(&mut world, cid, terms(2)).await;
    let outlook = seen(&evaluation);
    assert_eq!((outlook.plan.steps[0].clone(), orders(outlook)), (Step::Fetch, 0));
    let then = outlook.with_bytes.as_ref().unwrap();
    assert!(matches!(then.steps[0], Step::Order { .. }), "{then:?}");
    assert!(!world.blobs.has(&cid).await, "nothing was fetched");
}

#[tokio::test]
async fn caps_that_cannot_be_filled_name_the_knob() {
    let (mut world, cid) = ready().await;
    for (provider, country) in [(1000, "DE"), (1001, "DE"), (1002, "FR")] {
        let facts = ProviderFacts { country: Some(country.to_owned()), ..Default::default() };
        world.node().set_provider_facts(ProviderId::new(provider), facts).await.unwrap();
    }
    let placement = Placement { per_country: Some(1), ..Placement::default() };
    let evaluation = evaluate(&mut world, cid, Terms { placement, ..terms(3) }).await;
    let [TermWarning::CapUnfillable { by, most, target, .. }] = evaluation.warnings[..] else {
        panic!("{evaluation:?}")
    };
    assert_eq!((by, most, target), (Grouping::Country, 2, 3));
    assert_eq!(loosens(&evaluation), ["placement.per_country", "placement"]);
    // The aggregator lets nobody choose.
    assert!(evaluation.cannot[1].what.starts_with("lighthouse lets nobody choose"));
}

#[tokio::test]
async fn budgets_that_leave_no_room_for_an_order_name_the_knob() {
    let double = FakeAggregator::with("double", Capabilities { copies: 2, ..like_lighthouse() });
    let mut world = World::with(vec![double]);
    let cid = world.store_file(b"dear").await;
    world.pass().await;
    let deals = Budget { deals_per_day: Some(1), bytes_per_day: None };
    let evaluation = evaluate(&mut world, cid, Terms { budget: deals, ..terms(2) }).await;
    let warned = |w: &TermWarning| matches!(w, TermWarning::BudgetBelowOrder { copies: 2, .. });
    assert!(evaluation.warnings.iter().any(warned), "{evaluation:?}");
    assert!(loosens(&evaluation).contains(&"budget.deals_per_day"), "{evaluation:?}");
}

#[tokio::test]
async fn a_replica_too_many_of_a_country_holds_no_slot_for_a_job_that_caps_them() {
    let (mut world, cid) = ready().await;
    world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    for memory in world.memories(&cid).await {
        let facts = ProviderFacts { country: Some("DE".to_owned()), ..Default::default() };
        world.node().set_provider_facts(memory.listed.provider, facts).await.unwrap();
    }
    let placement = Placement { per_country: Some(1), ..Placement::default() };
    let evaluation = evaluate(&mut world, cid, Terms { placement, ..terms(2) }).await;
    let outlook = seen(&evaluation);
    let over = |reason: &Reason| matches!(reason, Reason::OverCap { by: Grouping::Country, .. });
    assert!(outlook.plan.reasons.iter().any(over), "{outlook:?}");
    let missing = Reason::Missing { held: 1, target: 2 };
    assert!(outlook.plan.reasons.contains(&missing), "{outlook:?}");
    // The job that stands alone is content.
    assert_eq!(seen(&evaluate(&mut world, cid, terms(2)).await).plan.steps, []);
}

#[tokio::test]
async fn a_job_that_keeps_what_it_finds_is_planned_for_with_what_it_would_find() {
    let (mut world, cid) = ready().await;
    let job = world.register(cid, terms(2)).await;
    world.settle_down(cid, 2).await;
    world.node().remove_job(&job).await.unwrap();
    let renewal = Some(Renewal { threshold: MONTH });
    let terms = Terms { renewal, ..Terms::default() };
    let evaluation = evaluate(&mut world, cid, terms).await;
    let Outlook { plan, sentences, .. } = seen(&evaluation);
    assert!(matches!(plan.steps[..], [Step::NoteFound { found: 2, .. }, ..]), "{plan:?}");
    assert!(sentences.iter().any(|s| s.contains("All slots are held: 2 of 2")), "{sentences:?}");
}

/// What is listed by strangers is not read for jobs that do not trust it; for one that does it is.
#[tokio::test]
async fn the_trust_of_the_new_job_decides_what_is_read() {
    let (mut world, cid) = ready().await;
    let listed = world.strangers_deal(0, 2000);
    world.contract.list(cid, listed);
    world.advance(SOON);
    world.pass().await;
    let own = evaluate(&mut world, cid, terms(1)).await;
    assert_eq!(orders(seen(&own)), 1);
    let trusting = evaluate(&mut world, cid, Terms { trust: Trust::Contract, ..terms(1) }).await;
    assert_eq!(orders(seen(&trusting)), 0, "{trusting:?}");
}

#[tokio::test]
async fn several_are_weighed_together_and_each_as_if_it_were_the_only_new_one() {
    let (mut world, cid) = ready().await;
    let other = world.store_file(b"another").await;
    let nonsense = Terms::default();
    let asked = vec![(cid, terms(3)), (cid, nonsense), (other, terms(1)), (cid, terms(2))];
    let all = world.node().evaluate_all(asked).await;
    let target = |at: usize| {
        let evaluation = all[at].as_ref().unwrap();
        seen(evaluation).plan.reasons.iter().find_map(|reason| match reason {
            Reason::Missing { target, .. } => Some(*target),
            _ => None,
        })
    };
    assert_eq!([target(0), target(2), target(3)], [Some(3), Some(1), Some(2)]);
    assert!(matches!(all[1], Err(RegisterError::Terms(_))));
}

#[tokio::test]
async fn two_who_ask_at_once_are_both_answered() {
    let (mut world, cid) = ready().await;
    let node = world.node();
    let (one, other) = tokio::join!(node.evaluate(cid, terms(1)), node.evaluate(cid, terms(2)));
    assert!(one.unwrap().outlook.is_ok() && other.unwrap().outlook.is_ok());
}

#[tokio::test]
async fn what_only_one_of_two_endpoints_can_tell_is_waited_for_and_nobody_is_alarmed() {
    let (mut world, cid, _) = satisfied(2, 2).await;
    world.pass().await;
    let second = world.endpoint(1);
    second.fail(FakeFault::Deal(FIRST));
    let evaluation = evaluate(&mut world, cid, terms(3)).await;
    let waits = |reason: &Reason| matches!(reason, Reason::EvidenceMissing { .. });
    assert!(seen(&evaluation).plan.reasons.iter().any(waits), "{evaluation:?}");
    assert_eq!((orders(seen(&evaluation)), evaluation.cannot.len()), (0, 1));
    assert_eq!(world.node().alerts_standing(), []);
}

#[tokio::test(start_paused = true)]
async fn while_spending_is_stopped_it_is_said_that_nothing_would_be_ordered() {
    let mut world = World::new();
    world.settings.breaker = BreakerLimits { fewest: 3, ..BreakerLimits::default() };
    let cid = world.store_file(b"kept").await;
    world.register(cid, terms(6)).await;
    world.settle_down(cid, 6).await;
    world.advance(EpochDelta::DAY);
    world.pass().await;
    for deal in 100..106 {
        world.terminate(DealId::new(deal));
    }
    world.live(EpochDelta::DAY).await;
    assert!(world.node().spending_stopped().is_some());
    let other = world.store_file(b"new").await;
    let evaluation = evaluate(&mut world, other, terms(1)).await;
    let [stopped] = &evaluation.cannot[..] else { panic!("{evaluation:?}") };
    let why = world.node().spending_stopped().unwrap().why.to_string();
    assert!(stopped.what.contains(&why), "{stopped:?}");
    assert_eq!((orders(seen(&evaluation)), stopped.loosen), (0, None));
}
