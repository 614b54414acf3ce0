//! Over a socket: spending that stopped because too much seemed lost, and the decisions behind orders.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;

use common::World;
use raas_api_types::{AlertList, JobView, Ready, RegisterResponse, Resumed, Spending};
use raas_job_store::{Change, Error, JobStore, MemoryJobStore, MockJobStore};
use raas_types::{
    AggregatorName, ChainEpoch, Cid, DealId, DealMemory, DealProposal, EpochDelta, Evidence,
    ListedDeal, OrderId, PaddedSize, PieceInfo, Provenance, ProviderId, SectorNumber, TipsetKey,
    Verdict,
};
use serde_json::{Value, json};

/// More than the ten that are never too many.
const LOST: u64 = 12;

/// A replica that was proven when it was last seen. The chain of these tests knows nothing of it.
fn once_proven(cid: Cid, n: u64) -> DealMemory {
    let (provider, end) = (ProviderId::new(1_000 + n), ChainEpoch::new(900_000));
    let provenance = Provenance::Ordered {
        order: OrderId::new(format!("o{n}")),
        aggregator: AggregatorName::new("lighthouse"),
        replaces: None,
    };
    let listed = ListedDeal { deal: DealId::new(n), provider };
    let mut memory = DealMemory::first_heard(listed, provenance, ChainEpoch::new(9_000));
    memory.proposal = Some(DealProposal {
        piece: PieceInfo { cid, size: PaddedSize::MIN },
        provider,
        start: ChainEpoch::new(9_100),
        end,
        verified: false,
        label: String::new(),
    });
    memory.sector = Some(SectorNumber::new(n));
    memory.last_active = Some(ChainEpoch::new(9_900));
    let evidence = Evidence {
        tipset: TipsetKey::new(vec![cid]),
        epoch: ChainEpoch::new(9_900),
        finalized: true,
        endpoint: "lotus.example".to_owned(),
        said: None,
        witness: None,
    };
    memory.last = Some((Verdict::Active { end }, evidence));
    memory
}

/// A node with a job whose replicas are all lost at once, after the pass that saw it; the job's path.
async fn bereft() -> (World, String) {
    let store = Arc::new(MemoryJobStore::new());
    let world = World::over(store.clone(), Vec::new(), |face| face).await;
    let cid = world.upload(b"some bytes".to_vec()).await;
    let job = json!({"cid": cid, "replication": {"target": 2}, "repair": {"threshold": "1d"}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let cid: Cid = cid.parse().unwrap();
    let memories = (1..=LOST).map(|n| (cid, once_proven(cid, n))).collect();
    store.commit(&Change { memories, ..Change::default() }).await.unwrap();
    world.chain.set_next_deal_id(DealId::new(900));
    pass(&world).await;
    (world, format!("/v1/jobs/{}", answer.results[0].id.as_ref().unwrap()))
}

/// So long that what was seen before is confirmed.
async fn pass(world: &World) {
    world.chain.advance(EpochDelta::new(100));
    world.node.pass().await;
}

async fn spending(world: &World) -> Spending {
    world.get("/v1/spending").send().await.unwrap().json().await.unwrap()
}

async fn resume(world: &World) -> Resumed {
    let answer = world.post("/v1/spending/resume").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The gauge and the counter.
async fn metrics(world: &World) -> [String; 2] {
    let text = world.get("/metrics").send().await.unwrap().text().await.unwrap();
    ["raas_spending_stopped ", "raas_spending_stops_total "].map(|name| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
    })
}

async fn ready(world: &World) -> Ready {
    let answer = world.get("/readyz").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn spending_that_stopped_is_told_everywhere_until_an_operator_resumes_it() {
    let (world, job) = bereft().await;
    let stop = spending(&world).await.stopped.unwrap();
    assert_eq!(stop.at, world.node.status().epoch.unwrap().get());
    let numbers = json!({"flipped": LOST, "judged": LOST, "percent": 10});
    assert_eq!((&*stop.code, &stop.numbers), ("share", &numbers));
    assert!(stop.why.starts_with("12 of 12 replicas"), "{stop:?}");
    assert_eq!((stop.flipped.clone(), stop.flipped_in_all), ((1..=LOST).collect(), LOST));
    assert_eq!(metrics(&world).await, ["1", "1"]);
    assert_eq!(ready(&world).await.spending_stopped.as_ref(), Some(&stop.why));
    let alerts: AlertList = world.get("/v1/alerts").send().await.unwrap().json().await.unwrap();
    let codes: Vec<_> = alerts.alerts.iter().map(|alert| &*alert.code).collect();
    assert_eq!(codes, ["spending_stopped"]);
    for _ in 0..3 {
        pass(&world).await;
    }
    assert!(world.aggregator.orders().is_empty(), "confirmed, and nothing is ordered");
    let seen: JobView = world.get(&job).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen.last_decision, None);

    assert_eq!(resume(&world).await.resumed, Some(stop));
    assert_eq!(spending(&world).await, Spending::default());
    assert_eq!(ready(&world).await.spending_stopped, None);
    assert_eq!(metrics(&world).await, ["0", "1"]);
    assert_eq!(resume(&world).await, Resumed::default(), "once is enough");
    pass(&world).await;
    assert!(!world.aggregator.orders().is_empty());
}

#[tokio::test]
async fn that_nothing_is_stopped_is_an_answer_too() {
    let world = World::new().await;
    world.node.pass().await;
    let answer = world.get("/v1/spending").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"stopped": null}));
    assert_eq!(resume(&world).await, Resumed::default());
    assert_eq!(metrics(&world).await, ["0", "0"]);
    let ready: Value = world.get("/readyz").send().await.unwrap().json().await.unwrap();
    assert!(ready.as_object().unwrap()["spending_stopped"].is_null(), "{ready}");
}

#[tokio::test]
async fn spending_stays_stopped_where_that_cannot_be_kept() {
    let mut store = MockJobStore::new();
    store.expect_note().returning(|name| match name {
        "breaker" => Err(Error::Unavailable("disk full".to_owned())),
        _ => Ok(None),
    });
    let world = World::over(Arc::new(store), Vec::new(), |face| face).await;
    let answer = world.post("/v1/spending/resume").send().await.unwrap();
    assert!(common::problem(answer, 503).await.contains("disk full"));
}

#[tokio::test]
async fn a_job_names_the_last_decision_about_its_data() {
    let world = World::new().await;
    let stored = world.post("/v1/data?replicas=2").body("some bytes").send().await.unwrap();
    let stored: Value = stored.json().await.unwrap();
    let path = format!("/v1/jobs/{}", stored["job"].as_str().unwrap());
    let fresh: Value = world.get(&path).send().await.unwrap().json().await.unwrap();
    assert!(fresh.get("last_decision").is_none(), "{fresh}");
    world.node.pass().await;
    let seen: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    let decided = seen.last_decision.unwrap();
    let log = world.node.decisions(None, None, 10).await.unwrap();
    assert_eq!((decided.number, decided.epoch), (log[0].0, log[0].1.at.get()));
    // Another's is not shown.
    let other = json!({"cid": common::CID, "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&other).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let path = format!("/v1/jobs/{}", answer.results[0].id.as_ref().unwrap());
    let seen: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen.last_decision, None);
}
