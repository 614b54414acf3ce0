//! The adapter against a devnet, over its socket: what the ports' suite does not ask.

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, World, endpoint, endpoint_of, while_time_passes};
use raas_deal_status::{
    DealRecorder as _, DealStatusSource as _, Error, Listing, Record, RequestedTerms,
    TransactionStatus,
    conformance::{Harness as _, Material},
};
use raas_deal_status_evm::{ContractAddress, EvmDealRecorder, EvmDealStatus, Settings, SigningKey};
use raas_devnet::{NodeConfig, NodeKind, ProviderAction, RpcMode};
use raas_types::{Cid, EpochDelta, SubmissionId, Tipset};

const TERMS: RequestedTerms =
    RequestedTerms { replication_target: 3, repair_threshold: 2880, renewal_threshold: 86_400 };

/// Sends what is prepared and waits while time passes.
async fn write(world: &World, record: &Record) -> TransactionStatus {
    let prepared = world.recorder.prepare(record, None).await.expect("prepared");
    world.recorder.send(&prepared.raw).await.expect("sent");
    let receipt = world.recorder.await_receipt(&prepared.hash, PATIENCE);
    while_time_passes(&world.devnet, receipt).await.expect("a receipt")
}

async fn submit(world: &World, cid: Cid) -> SubmissionId {
    match write(world, &Record::Submit { cid, terms: TERMS }).await {
        TransactionStatus::Done { submission: Some(submission), .. } => submission,
        other => panic!("{other:?}"),
    }
}

fn complete(submission: SubmissionId, material: &Material) -> Record {
    Record::Complete {
        submission,
        deal: material.deal.deal,
        provider: material.deal.provider,
        proof: material.proof.clone(),
    }
}

async fn listing(world: &World, cid: Cid, within: EpochDelta, at: &Tipset) -> Listing {
    let mut answers = world.source.listings(&[cid], within, at).await;
    answers.pop().expect("one answer").expect("a listing")
}

async fn pin_after_state(world: &World) -> Tipset {
    world.step().await;
    world.step().await;
    world.pin().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_null_round_does_not_stop_the_wait_for_a_receipt() {
    let world = World::start().await;
    // A third of the rounds is null: soon a transaction waits through one.
    for _ in 0..100 {
        let cid = Cid::try_from("bafkqaaa").expect("a CID");
        let record = Record::Submit { cid, terms: TERMS };
        let prepared = world.recorder.prepare(&record, None).await.expect("prepared");
        world.recorder.send(&prepared.raw).await.expect("sent");
        let wait = world.recorder.await_receipt(&prepared.hash, PATIENCE);
        let time = async {
            let mut nulls = 0;
            loop {
                let before = world.devnet.head().head;
                if world.devnet.advance(1).await.head == before {
                    nulls += 1;
                }
                let status = world.recorder.status(&prepared.hash).await.expect("a status");
                if status != TransactionStatus::Waiting {
                    return nulls;
                }
            }
        };
        let (receipt, nulls) = tokio::join!(wait, time);
        assert!(matches!(receipt, Ok(TransactionStatus::Done { .. })), "{receipt:?}");
        if nulls > 0 {
            return;
        }
    }
    panic!("no round was null: this proved nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_survives_an_endpoint_that_is_down_for_a_while_and_ends_at_its_deadline() {
    let world = World::start().await;
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    let record = Record::Submit { cid, terms: TERMS };
    let prepared = world.recorder.prepare(&record, None).await.expect("prepared");
    world.recorder.send(&prepared.raw).await.expect("sent");
    let short = Duration::from_millis(50);
    let early = world.recorder.await_receipt(&prepared.hash, short).await;
    assert!(early.is_err_and(|error| error.is_temporary()));

    world.devnet.set_rpc_mode(RpcMode::Down);
    let wait = world.recorder.await_receipt(&prepared.hash, PATIENCE);
    let repair = async {
        world.step().await;
        world.step().await;
        tokio::time::sleep(short).await;
        world.devnet.set_rpc_mode(RpcMode::Ok);
    };
    let (receipt, ()) = tokio::join!(wait, repair);
    assert!(matches!(receipt, Ok(TransactionStatus::Done { .. })), "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deal_is_listed_as_active_as_expiring_and_no_more_as_the_chain_has_it() {
    let world = World::start().await;
    let material = world.material().await;
    let submission = submit(&world, material.cid).await;
    write(&world, &complete(submission, &material)).await;
    let deal = material.deal;
    world.devnet.advance(50).await;
    let pin = pin_after_state(&world).await;
    let truth = world.devnet.deals().into_iter().find(|t| t.id == deal.deal).expect("the deal");

    // The state at a pin has the epoch of the pin's parent.
    let parent = world.tipset("Filecoin.ChainGetTipSet", serde_json::json!([cids(&pin)])).await;
    let left = EpochDelta::new(truth.end - parent.epoch.get());
    let short = EpochDelta::new(left.get() - 1);
    let seen = listing(&world, material.cid, left, &pin).await;
    assert_eq!(
        (seen.all, seen.active, seen.expiring),
        (vec![deal], Ok(vec![deal]), Ok(vec![deal]))
    );
    let seen = listing(&world, material.cid, short, &pin).await;
    assert_eq!((seen.active, seen.expiring), (Ok(vec![deal]), Ok(vec![])));
    let seen = listing(&world, material.cid, EpochDelta::new(-5), &pin).await;
    assert_eq!(seen.expiring, Ok(vec![]));

    world.devnet.control_provider(deal.provider, ProviderAction::Terminate).expect("terminated");
    let later = pin_after_state(&world).await;
    let seen = listing(&world, material.cid, left, &later).await;
    assert_eq!((seen.all, seen.active, seen.expiring), (vec![deal], Ok(vec![]), Ok(vec![])));
    // The past is as it was.
    let seen = listing(&world, material.cid, left, &pin).await;
    assert_eq!(seen.active, Ok(vec![deal]));
}

fn cids(pin: &Tipset) -> serde_json::Value {
    pin.parents.blocks().iter().map(|cid| serde_json::json!({"/": cid.to_string()})).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reverts_is_rejected_beforehand_and_explained_afterwards() {
    let world = World::start().await;
    let material = world.material().await;
    let submission = submit(&world, material.cid).await;
    let record = complete(submission, &material);
    let prepared = world.recorder.prepare(&record, None).await.expect("prepared");
    world.devnet.control_provider(material.deal.provider, ProviderAction::Terminate).expect("done");
    world.step().await;
    world.recorder.send(&prepared.raw).await.expect("sent");
    let wait = world.recorder.await_receipt(&prepared.hash, PATIENCE);
    match while_time_passes(&world.devnet, wait).await.expect("a receipt") {
        TransactionStatus::Reverted { reason, .. } => {
            assert_eq!(reason, format!("the market holds no deal {}", material.deal.deal));
        }
        other => panic!("{other:?}"),
    }
    let rejected = world.recorder.prepare(&record, None).await.expect_err("the deal is gone");
    assert!(matches!(&rejected, Error::Rejected { .. }), "{rejected}");
    assert!(rejected.to_string().contains("the market holds no deal"), "{rejected}");

    let mut forged = world.material().await;
    forged.proof.inclusion.subtree.index ^= 1;
    let rejected = world.recorder.prepare(&complete(submission, &forged), None).await;
    let rejected = rejected.expect_err("forged").to_string();
    assert!(rejected.contains("the inclusion proof does not hold"), "{rejected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_funds_is_told_so_and_one_without_permission_too() {
    let world = World::start().await;
    let material = world.material().await;
    let submission = submit(&world, material.cid).await;
    let key = SigningKey::from_bytes(&[7; 32]).expect("a key");
    let poor = EvmDealRecorder::new(world.settings.clone(), key).expect("a recorder");
    let rejected = poor.prepare(&complete(submission, &material), None).await;
    let rejected = rejected.expect_err("not a recorder");
    assert!(rejected.to_string().contains("setRecorder"), "{rejected}");

    let record = Record::Submit { cid: material.cid, terms: TERMS };
    let prepared = poor.prepare(&record, None).await.expect("anybody may submit");
    let refused = poor.send(&prepared.raw).await.expect_err("no funds");
    assert!(matches!(&refused, Error::Misconfigured { .. }), "{refused}");
    assert!(refused.to_string().contains("funds"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_a_contract_is_a_matter_of_configuration() {
    let world = World::start().await;
    let settings = Settings { contract: ContractAddress([9; 20]), ..world.settings.clone() };
    let source = EvmDealStatus::new(settings).expect("a source");
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    let pin = world.pin().await;
    let error = source.listings(&[cid], EpochDelta::DAY, &pin).await.remove(0).expect_err("empty");
    assert!(matches!(&error, Error::Misconfigured { .. }), "{error}");
    assert!(error.to_string().contains("no contract at this address"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_the_endpoint_has_not_is_unavailable_for_every_cid() {
    let world = World::start().await;
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    world.devnet.advance(50).await;
    let pin = world.pin().await;
    world.devnet.set_rpc_mode(RpcMode::Lagging { behind: 40 });
    let answers = world.source.listings(&[cid, cid], EpochDelta::DAY, &pin).await;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|a| a.as_ref().is_err_and(Error::is_temporary)), "{answers:?}");
    let requests = world.source.requests_since(None, &pin).await;
    assert!(requests.as_ref().is_err_and(Error::is_temporary), "{requests:?}");
    world.devnet.set_rpc_mode(RpcMode::Down);
    let answers = world.source.listings(&[cid], EpochDelta::DAY, &pin).await;
    assert!(answers[0].as_ref().is_err_and(Error::is_temporary), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_found_across_more_epochs_than_one_query_may_span() {
    let world = World::start().await;
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    let first = submit(&world, cid).await;
    world.devnet.advance(10_000).await;
    let second = submit(&world, cid).await;
    let pin = pin_after_state(&world).await;
    let read = world.source.requests_since(None, &pin).await.expect("requests");
    let numbers: Vec<_> = read.requests.iter().map(|request| request.submission).collect();
    assert_eq!((numbers, read.more), (vec![first, second], false));
    assert_eq!(read.requests[0].key, cid.to_string().into_bytes());
    assert_eq!(read.requests[0].terms, Some(TERMS));
    assert_eq!(read.cursor.epoch, pin.epoch - EpochDelta::new(1));
    let again = world.source.requests_since(Some(read.cursor), &pin).await.expect("requests");
    assert_eq!((again.requests, again.cursor), (vec![], read.cursor));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_never_answers_costs_the_time_allowed_and_no_more() {
    let world = World::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let mut endpoint = endpoint(&world.devnet);
    let port = silent.local_addr().expect("an address").port();
    endpoint.url = format!("http://127.0.0.1:{port}/secret").parse().expect("a URL");
    endpoint.timeout = Duration::from_millis(100);
    let settings = Settings { endpoint, ..world.settings.clone() };
    let source = EvmDealStatus::new(settings).expect("a source");
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    let pin = world.pin().await;
    let began = Instant::now();
    let error =
        source.listings(&[cid], EpochDelta::DAY, &pin).await.remove(0).expect_err("silence");
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    assert!(error.is_temporary() && !error.to_string().contains("secret"), "{error}");
    assert!(!format!("{source:?}").contains("secret"), "{source:?}");
}

fn node(kind: NodeKind) -> NodeConfig {
    NodeConfig { kind, token: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_whatever_way_one_node_fails_another_tells_what_the_contract_lists() {
    for other in [NodeKind::Forest, NodeKind::Gateway] {
        let world = World::over(vec![node(NodeKind::Lotus), node(other)]).await;
        let material = world.material().await;
        let submission = submit(&world, material.cid).await;
        write(&world, &complete(submission, &material)).await;
        let pin = pin_after_state(&world).await;
        for mode in [
            RpcMode::Down,
            RpcMode::Hang,
            RpcMode::Garbage,
            RpcMode::HalfBatches,
            RpcMode::Truncated,
            RpcMode::WrongIds,
            RpcMode::Swapped,
            RpcMode::TooManyRequests { retry_after: 60 },
            RpcMode::Lagging { behind: 1_000 },
        ] {
            // Each mode meets an adapter that knows nothing of the ones before.
            let mut settings = world.settings.clone();
            settings.endpoint.timeout = Duration::from_millis(500);
            let source = EvmDealStatus::new(settings).expect("a source");
            let source = source.also(endpoint_of(&world.devnet, 1)).expect("another node");
            world.devnet.set_rpc_mode(mode);
            let answers = source.listings(&[material.cid], EpochDelta::DAY, &pin).await;
            let listing = answers.into_iter().next().expect("one answer");
            let listing = listing.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
            assert_eq!(
                (listing.all, listing.active),
                (vec![material.deal], Ok(vec![material.deal])),
                "{mode:?}",
            );
            let read = source.requests_since(None, &pin).await;
            let read = read.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
            let numbers: Vec<_> = read.requests.iter().map(|r| r.submission).collect();
            assert_eq!(numbers, [submission], "{mode:?}");
            world.devnet.set_rpc_mode(RpcMode::Ok);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_tells_of_today_and_says_what_to_use_for_longer() {
    let world = World::over(vec![node(NodeKind::Lotus), node(NodeKind::Gateway)]).await;
    let cid = Cid::try_from("bafkqaaa").expect("a CID");
    let submission = submit(&world, cid).await;
    let old_pin = pin_after_state(&world).await;
    let settings = Settings { endpoint: endpoint_of(&world.devnet, 1), ..world.settings.clone() };
    let gateway = EvmDealStatus::new(settings).expect("a source");
    let read = gateway.requests_since(None, &old_pin).await.expect("it is new");
    assert_eq!(read.requests.len(), 1);

    // A day is 2880 epochs.
    world.devnet.advance(3_000).await;
    let pin = pin_after_state(&world).await;
    let today = gateway.listings(&[cid], EpochDelta::DAY, &pin).await.remove(0);
    assert_eq!(today.expect("a listing").all, []);
    let old = gateway.listings(&[cid], EpochDelta::DAY, &old_pin).await.remove(0);
    let old = old.expect_err("a day is over");
    let requests = gateway.requests_since(None, &pin).await.expect_err("from before");
    for error in [old, requests] {
        assert!(matches!(&error, Error::Misconfigured { .. }), "{error}");
        assert!(error.to_string().contains("keeps older state"), "{error}");
    }
    let both = gateway.also(endpoint(&world.devnet)).expect("a full node");
    let read = both.requests_since(None, &pin).await.expect("the full node answers");
    let numbers: Vec<_> = read.requests.iter().map(|request| request.submission).collect();
    assert_eq!(numbers, [submission]);
}
