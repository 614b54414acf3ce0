//! What is known of providers: told by a file, told by calls, and kept.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use std::sync::Arc;

use raas_job_store::{Change, JobStore};
use raas_runtime::{BuildError, FactsSource, Node, ProviderError};
use raas_types::{ProviderBook, ProviderFacts, ProviderId};
use world::*;

const FIRST_ID: ProviderId = ProviderId::new(1000);
const SECOND_ID: ProviderId = ProviderId::new(1001);

fn of(organisation: &str) -> ProviderFacts {
    ProviderFacts { organisation: Some(organisation.to_owned()), ..ProviderFacts::default() }
}

/// A node on the world's store that was started with this file.
fn with_file(world: &World, book: ProviderBook) -> Result<Node, BuildError> {
    Node::builder()
        .chain(Arc::new(world.chain.clone()))
        .contract(Arc::new(world.contract.clone()))
        .store(Arc::new(world.inner_store.clone()))
        .blobs(world.blobs.clone())
        .providers(book)
        .build()
}

#[tokio::test]
async fn what_a_call_says_survives_a_restart_and_is_there_from_the_first_pass_on() {
    let mut world = World::new();
    let node = world.node();
    let set = node.set_provider_facts(FIRST_ID, of(" Acme ")).await.unwrap();
    assert_eq!((set.facts, set.source), (of("Acme"), FactsSource::Call));
    assert_eq!(*node.provider_book(), [(FIRST_ID, of("Acme"))].into());
    world.restart();
    assert!(world.node().provider_book().is_empty(), "nothing was asked yet");
    world.pass().await;
    assert_eq!(*world.node().provider_book(), [(FIRST_ID, of("Acme"))].into());
}

#[tokio::test]
async fn what_a_call_says_stands_before_the_file_until_it_is_taken_back() {
    let world = World::new();
    let file = [(FIRST_ID, of("Acme")), (SECOND_ID, of("Acme"))];
    let node = with_file(&world, file.clone().into()).unwrap();
    assert_eq!(*node.provider_book(), file.clone().into(), "before anything was asked");
    node.set_provider_facts(FIRST_ID, ProviderFacts::default()).await.unwrap();
    let known = node.providers().await.unwrap();
    let known: Vec<_> = known.into_iter().map(|k| (k.id, k.facts, k.source)).collect();
    let nothing = (FIRST_ID, ProviderFacts::default(), FactsSource::Call);
    assert_eq!(known, [nothing, (SECOND_ID, of("Acme"), FactsSource::File)]);
    node.remove_provider_facts(FIRST_ID).await.unwrap();
    assert_eq!(*node.provider_book(), file.into());
    let of_file = node.remove_provider_facts(FIRST_ID).await.unwrap_err();
    assert!(matches!(of_file, ProviderError::OfFile(FIRST_ID)), "{of_file}");
    let unknown = node.remove_provider_facts(ProviderId::new(9)).await.unwrap_err();
    assert!(matches!(unknown, ProviderError::Unknown(_)), "{unknown}");
}

#[tokio::test]
async fn what_one_node_is_told_another_on_the_store_knows_from_its_next_pass_on() {
    let world = World::new();
    let one = with_file(&world, ProviderBook::new()).unwrap();
    let other = with_file(&world, ProviderBook::new()).unwrap();
    one.pass().await;
    one.set_provider_facts(FIRST_ID, of("Acme")).await.unwrap();
    // It takes back nothing that the other was told.
    other.set_provider_facts(SECOND_ID, of("Bolt")).await.unwrap();
    one.pass().await;
    let both: ProviderBook = [(FIRST_ID, of("Acme")), (SECOND_ID, of("Bolt"))].into();
    assert_eq!((&*one.provider_book(), &*other.provider_book()), (&both, &both));
}

#[tokio::test]
async fn many_who_speak_at_once_are_all_heard() {
    let mut world = World::new();
    let node = world.node();
    let calls = (0..50).map(|id| node.set_provider_facts(ProviderId::new(id), of("Acme")));
    for call in futures::future::join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(node.provider_book().len(), 50);
    world.restart();
    assert_eq!(world.node().providers().await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_note_that_cannot_be_read_is_told_of_and_the_file_stands() {
    let world = World::new();
    let notes = vec![("providers".to_owned(), b"no JSON".to_vec())];
    world.inner_store.commit(&Change { notes, ..Change::default() }).await.unwrap();
    let node = with_file(&world, [(FIRST_ID, of("Acme"))].into()).unwrap();
    let report = node.pass().await;
    assert!(report.gated.is_none(), "{report:?}");
    let [error] = &report.errors[..] else { panic!("{report:?}") };
    assert!(error.contains("what operators said of providers"), "{error}");
    assert_eq!(node.provider_book().len(), 1);
    let error = node.set_provider_facts(SECOND_ID, of("Bolt")).await.unwrap_err();
    assert!(matches!(error, ProviderError::Store(_)), "it is not written over: {error}");
}

#[tokio::test]
async fn facts_that_are_none_are_refused_from_a_call_and_from_a_file() {
    let mut world = World::new();
    let wrong = ProviderFacts { country: Some("Germany".to_owned()), ..of("Acme") };
    let error = world.node().set_provider_facts(FIRST_ID, wrong.clone()).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Facts(wrong) if wrong.len() == 1), "{error}");
    assert!(world.node().providers().await.unwrap().is_empty());
    let error = with_file(&world, [(FIRST_ID, wrong)].into()).unwrap_err();
    assert!(error.to_string().starts_with("provider f01000: country is"), "{error}");
}
