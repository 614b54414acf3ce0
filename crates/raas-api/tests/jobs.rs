//! Registering, listing, showing and removing jobs over a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{CID, World, problem};
use raas_api_types::{
    Answer::{Failed, Found, NotFound},
    ContractAnswer, JobList, JobView, RegisterResponse, RegisterStatus,
};
use raas_job_store::{Change, JobStore, MemoryJobStore};
use raas_retrieval::MemorySource;
use raas_types::{
    AggregatorName, Cause, ChainEpoch, Cid, DealActivation, DealId, DealMemory, DealProposal,
    DealReading, Evidence, FaultSince, JobId, ListedDeal, OnChainDeal, Order, OrderId, OrderState,
    PaddedSize, PieceInfo, Provenance, ProviderId, Said, SectorHealth, SectorNumber, SectorReading,
    SectorStatus, Ticket, TipsetKey, Transaction, TransactionPurpose, TransactionState, TxHash,
    Verdict, Witness,
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn one_job_is_created_and_then_exists() {
    let world = World::new().await;
    let job = json!({"cid": CID, "replication": {"target": 3}, "renewal": {"threshold": "30d"}});
    let mut ids = Vec::new();
    for expected in [RegisterStatus::Created, RegisterStatus::Existing] {
        let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: RegisterResponse = answer.json().await.unwrap();
        let [result] = &answer.results[..] else { panic!("{answer:?}") };
        assert_eq!((result.status, result.cid.as_str()), (expected, CID));
        assert!(result.warnings.is_empty() && result.error.is_none(), "{result:?}");
        ids.push(result.id.clone().unwrap());
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_array_is_answered_item_by_item_in_order() {
    let world = World::new().await;
    let jobs = json!([
        {"cid": CID, "replication": {"target": 2}},
        {"cid": "nonsense", "replication": {"target": 2}},
        "no job at all",
        {"cid": CID, "repair": {"threshold": "1d"}},
    ]);
    let answer = world.post("/register_jobs").json(&jobs).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: RegisterResponse = answer.json().await.unwrap();
    let statuses: Vec<_> = answer.results.iter().map(|result| result.status).collect();
    use RegisterStatus::{Created, Error};
    assert_eq!(statuses, [Created, Error, Error, Created]);
    assert_eq!(world.node.jobs(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn every_bad_job_is_refused_with_how_to_mend_it_and_nothing_is_stored() {
    let world = World::new().await;
    let job = |terms: Value| {
        let mut job = json!({"cid": CID});
        job.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        job
    };
    for (job, says) in [
        (json!({"cid": "garbage", "replication": {"target": 3}}), "is no CID"),
        (json!({"cid": "", "replication": {"target": 3}}), "is no CID"),
        (json!({"replication": {"target": 3}}), "missing field `cid`"),
        (job(json!({"replication": {"target": 0}})), "give at least 1"),
        (job(json!({"replication": {"target": -1}})), "whole number from 1 to 100"),
        (job(json!({"replication": {"target": 1_000_000}})), "at most 100"),
        (job(json!({"replication": {"target": 1e40}})), "whole number from 1 to 100"),
        (job(json!({"replication": {"target": 2, "min": 3}})), "lower min or raise target"),
        (job(json!({"replication": {"target": 2, "max": 1}})), "raise max or lower target"),
        (job(json!({})), "give at least one of replication, renewal and repair"),
        (job(json!({"aggregators": ["x"], "repair": {"threshold": 9}})), "known: lighthouse"),
        (job(json!({"renewal": {"threshold": "soon"}})), "such as \"30d\""),
        (job(json!({"renewal": {"threshold": 0}})), "positive"),
        (job(json!({"repair": {"threshold": -5}})), "positive"),
        (job(json!({"replication": {"target": 2}, "colour": "red"})), "unknown field `colour`"),
        (json!(null), "give an object"),
    ] {
        let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.status(), 400, "{job}");
        let body: Value = answer.json().await.unwrap();
        let (detail, error) = (&body["detail"], &body["results"][0]["error"]);
        assert!(detail.as_str().unwrap().contains(says), "{job}: {detail}");
        assert_eq!((detail, &body["results"][0]["status"]), (error, &json!("error")));
        assert!(world.is_untouched().await, "{job}");
    }
}

#[tokio::test]
async fn thresholds_that_will_not_do_what_they_say_are_accepted_with_a_warning() {
    let world = World::new().await;
    for (job, says) in [
        (json!({"cid": CID, "replication": {"target": 1}, "repair": {"threshold": 60}}), "proving"),
        (json!({"cid": CID, "replication": {"target": 1}, "repair": {"threshold": "43d"}}), "42d"),
        (
            json!({"cid": CID, "replication": {"target": 1}, "renewal": {"threshold": "2y"}}),
            "three quarters",
        ),
        (
            json!({"cid": CID, "replication": {"target": 1}, "renewal": {"threshold": i64::MAX}}),
            "three quarters",
        ),
    ] {
        let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
        let answer: RegisterResponse = answer.json().await.unwrap();
        assert_eq!(answer.results[0].status, RegisterStatus::Created);
        assert!(answer.results[0].warnings[0].contains(says), "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let world = World::new().await;
    let post = || world.post("/register_jobs");
    let text = post().header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert!(problem(text, 415).await.contains("Content-Type: application/json"));
    let untyped = post().body("{}").send().await.unwrap();
    assert!(problem(untyped, 415).await.contains("application/json"));
    let json = || post().header("content-type", "application/json; charset=utf-8");
    let broken = json().body("{\"cid\": \n nonsense}").send().await.unwrap();
    assert!(problem(broken, 400).await.contains("line 2 column"));
    let empty = json().body("").send().await.unwrap();
    assert!(problem(empty, 400).await.contains("not valid JSON"));
    let deep = json().body("[".repeat(100_000)).send().await.unwrap();
    assert!(problem(deep, 400).await.contains("not valid JSON"));
    assert!(world.is_untouched().await);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length() {
    let world = World::new().await;
    let json = || world.post("/register_jobs").header("content-type", "application/json");
    let long = vec![b' '; (1 << 20) + 1];
    let told = json().body(long.clone()).send().await.unwrap();
    assert!(problem(told, 413).await.contains("send fewer jobs"));
    let chunks = long.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let stream = futures::stream::iter(chunks.collect::<Vec<_>>());
    let untold = json().body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert!(problem(untold, 413).await.contains("send fewer jobs"));
}

#[tokio::test]
async fn an_array_of_none_or_of_too_many_is_refused() {
    let world = World::new().await;
    for count in [0, 1001] {
        let job = json!({"cid": CID, "replication": {"target": 1}});
        let jobs = vec![job; count];
        let answer = world.post("/register_jobs").json(&jobs).send().await.unwrap();
        assert!(problem(answer, 400).await.contains("send 1 to 1000 at once"));
    }
    assert!(world.is_untouched().await);
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_body() {
    let world = World::new().await;
    let post = async |key: &str, target: i64| {
        let job = json!({"cid": CID, "replication": {"target": target}});
        let post = world.post("/register_jobs").header("idempotency-key", key);
        post.json(&job).send().await.unwrap()
    };
    // A refused request does not use its key up.
    assert_eq!(post("k", 0).await.status(), 400);
    assert_eq!(post("k", 2).await.status(), 200);
    assert_eq!(post("k", 2).await.status(), 200);
    assert!(problem(post("k", 3).await, 422).await.contains("use a new key"));
    assert_eq!(post("l", 3).await.status(), 200);
    assert!(problem(post("", 3).await, 400).await.contains("UUID"));
}

#[tokio::test]
async fn jobs_are_listed_page_by_page() {
    let world = World::new().await;
    let jobs: Vec<_> =
        (1..=5).map(|target| json!({"cid": CID, "replication": {"target": target}})).collect();
    world.post("/register_jobs").json(&jobs).send().await.unwrap();
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page: JobList = world.get(&path).send().await.unwrap().json().await.unwrap();
        assert!(page.jobs.len() <= 2);
        seen.extend(page.jobs.into_iter().map(|job| job.id));
        let Some(next) = page.next else { break };
        path = format!("/v1/jobs?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    let all: JobList = world.get("/v1/jobs").send().await.unwrap().json().await.unwrap();
    assert_eq!((all.jobs.len(), all.next), (5, None));
    for (query, says) in [
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=x", "from 1 to 1000"),
        ("page=2", "it takes after, limit"),
        ("limit=1&limit=2", "once"),
    ] {
        let answer = world.get(&format!("/v1/jobs?{query}")).send().await.unwrap();
        assert!(problem(answer, 400).await.contains(says), "{query}");
    }
}

#[tokio::test]
async fn a_job_shows_its_terms_and_its_last_look() {
    let world = World::new().await;
    let stored = world.post("/v1/data?replicas=2&repair_after=2d").body("some bytes");
    let stored: Value = stored.send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/jobs/{}", stored["job"].as_str().unwrap());
    let fresh: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!((fresh.terms.target, fresh.terms.min, fresh.terms.max), (Some(2), Some(1), Some(4)));
    assert_eq!((fresh.terms.repair_threshold, fresh.next_look), (Some(5760), None));
    assert_eq!((fresh.cid.as_str(), fresh.last_look), (stored["cid"].as_str().unwrap(), None));

    world.node.pass().await;
    let seen: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    let look = seen.last_look.unwrap();
    assert_eq!(look.epoch, world.node.status().epoch.unwrap().get());
    assert!(!look.words.is_empty() && look.reasons[0]["code"].is_string(), "{look:?}");
    assert_eq!(look.contract.all, ContractAnswer::Deals(vec![]));
    assert_eq!(look.fetched, None, "the bytes were here");
    assert!(seen.next_look.unwrap() > look.epoch);
    assert_eq!(
        (&*seen.orders[0].cause, &*seen.orders[0].aggregator),
        ("replication", "lighthouse")
    );
}

#[tokio::test]
async fn a_job_shows_its_replicas_orders_and_transactions() {
    let store = Arc::new(MemoryJobStore::new());
    let world = World::over(store.clone(), Vec::new(), |face| face).await;
    let job = json!({"cid": CID, "replication": {"target": 2}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let id = JobId::new(answer.results[0].id.as_ref().unwrap());
    store.commit(&history(&id)).await.unwrap();
    let path = format!("/v1/jobs/{id}");
    let seen: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();

    let [old, new] = &seen.replicas[..] else { panic!("{seen:?}") };
    assert_eq!((old.deal, old.provider.as_str(), old.verdict.as_str()), (7, "f01000", "faulty"));
    let since = json!({"kind": "faulty", "since": {"exact": 400}, "end": 9000});
    assert_eq!((&old.particulars, old.known_from.as_str()), (&since, "contract"));
    let evidence = old.evidence.as_ref().unwrap();
    assert_eq!((evidence.epoch, &*evidence.tipset), (500, &[CID.to_owned()][..]));
    assert_eq!((evidence.finalized, evidence.endpoint.as_str()), (true, "lotus.example"));
    let said = evidence.said.as_ref().unwrap();
    let sector = said.sector.as_ref().unwrap();
    assert_eq!((said.deal.method.as_str(), said.deal.answer), ("StateMarketStorageDeal", Found));
    assert_eq!(
        (said.deal.provider.as_deref(), said.deal.piece.as_deref()),
        (Some("f01000"), Some(CID))
    );
    assert_eq!(
        (said.deal.start, said.deal.end, said.deal.activated),
        (Some(100), Some(9000), Some(99))
    );
    assert_eq!(
        (sector.method.as_deref(), said.deal.sector),
        (Some("StateMinerPartitions"), Some(3))
    );
    assert_eq!(
        (sector.health.as_deref(), sector.deadline, sector.partition),
        (Some("faulty"), Some(47), Some(0))
    );
    assert_eq!((sector.first_missed, sector.next_deadline_end), (Some(400), Some(540)));
    assert_eq!(sector.first_missed_method.as_deref(), Some("StateSectorExpiration"));
    let witness = evidence.witness.as_ref().unwrap();
    assert_eq!((witness.endpoint.as_str(), witness.said.deal.answer), ("second.example", NotFound));
    assert_eq!((witness.said.deal.next_id, witness.said.deal.end), (Some(900), None));
    let sector = witness.said.sector.as_ref().unwrap();
    assert_eq!((sector.answer, sector.error.as_deref()), (Failed, Some("no answer in time")));
    assert!(sector.method.as_deref().unwrap().contains("GenerateSectorLocation"), "{sector:?}");
    assert_eq!(witness.said.deal.next_id_method.as_deref(), Some("StateReadState"));
    assert_eq!((old.start, old.end, old.sector), (Some(100), Some(9000), Some(3)));
    assert_eq!((old.piece.as_deref(), old.replaces), (Some(CID), None));
    assert_eq!((new.deal, new.verdict.as_str(), &new.particulars), (8, "unknown", &Value::Null));
    assert_eq!((new.known_from.as_str(), new.replaces, new.end), ("ordered", Some(7), None));

    let states: Vec<_> = seen.orders.iter().map(|order| order.state.as_str()).collect();
    let all = ["intended", "sending", "sent", "landed", "withdrawn", "failed"];
    assert_eq!(states, all);
    assert_eq!((seen.orders[3].deal, seen.orders[3].replaces), (Some(8), Some(7)));
    assert_eq!((&*seen.orders[3].cause, seen.orders[3].created), ("repair", 503));
    assert_eq!(seen.orders[5].reason.as_deref(), Some("no reply"));

    let [submit, complete] = &seen.transactions[..] else { panic!("{seen:?}") };
    assert_eq!((&*submit.hash, &*submit.kind, &*submit.state), ("0x1", "submit", "done"));
    assert_eq!((&*complete.kind, &*complete.state, complete.deal), ("complete", "failed", Some(8)));
    assert_eq!(complete.reason.as_deref(), Some("reverted"));
}

/// A faulty sector, as an endpoint tells of it that dates faults.
fn told(proposal: DealProposal) -> Said {
    let at = ChainEpoch::new;
    let activation = DealActivation { sector: SectorNumber::new(3), at: at(99), slashed: None };
    let status = SectorStatus {
        deadline: Some(47),
        partition: Some(0),
        first_missed: Some(at(400)),
        next_deadline_end: Some(at(540)),
        ..SectorStatus::of(SectorHealth::Faulty)
    };
    Said {
        deal: DealReading::Found(OnChainDeal { proposal, activation: Some(activation) }),
        sector: Some(SectorReading::Found(status)),
    }
}

/// The answer of an endpoint that knows neither.
fn nothing_told() -> Said {
    Said {
        deal: DealReading::NotFound { next_id: Some(DealId::new(900)) },
        sector: Some(SectorReading::Failed("no answer in time".to_owned())),
    }
}

/// A lost replica, its successor, an order in each state, and two transactions.
fn history(job: &JobId) -> Change {
    let cid: Cid = CID.parse().unwrap();
    let epoch = ChainEpoch::new;
    let listed = |deal, provider| ListedDeal {
        deal: DealId::new(deal),
        provider: ProviderId::new(provider),
    };
    let mut old = DealMemory::first_heard(listed(7, 1000), Provenance::Contract, epoch(90));
    let proposal = DealProposal {
        piece: PieceInfo { cid, size: PaddedSize::MIN },
        provider: ProviderId::new(1000),
        start: epoch(100),
        end: epoch(9000),
        verified: false,
        label: String::new(),
    };
    old.proposal = Some(proposal.clone());
    old.sector = Some(SectorNumber::new(3));
    let verdict = Verdict::Faulty { since: FaultSince::Exact(epoch(400)), end: epoch(9000) };
    let evidence = Evidence {
        tipset: TipsetKey::new(vec![cid]),
        epoch: epoch(500),
        finalized: true,
        endpoint: "lotus.example".to_owned(),
        said: Some(told(proposal.clone())),
        witness: Some(Witness { endpoint: "second.example".to_owned(), said: nothing_told() }),
    };
    old.last = Some((verdict, evidence));
    let order = |i: i64, state| Order {
        id: OrderId::new(format!("o{i}")),
        cid,
        aggregator: AggregatorName::new("lighthouse"),
        cause: Cause::Repair { deal: DealId::new(7) },
        known_deals: BTreeSet::new(),
        exclude: BTreeSet::new(),
        prefer: BTreeSet::new(),
        bytes: None,
        made: Vec::new(),
        created: epoch(500 + i),
        state,
    };
    let by_order = Provenance::Ordered {
        order: OrderId::new("o3"),
        aggregator: AggregatorName::new("lighthouse"),
        replaces: Some(DealId::new(7)),
    };
    let new = DealMemory::first_heard(listed(8, 1001), by_order, epoch(510));
    let landed = OrderState::Landed {
        deal: DealId::new(8),
        provider: ProviderId::new(1001),
        at: epoch(510),
    };
    let transaction = |hash: &str, nonce, purpose, state| Transaction {
        hash: TxHash(hash.to_owned()),
        purpose,
        raw: vec![1],
        nonce,
        state,
    };
    let complete = TransactionPurpose::Complete { job: job.clone(), deal: DealId::new(8) };
    let reverted = TransactionState::Failed { reason: "reverted".to_owned(), at: epoch(520) };
    let submit = TransactionPurpose::Submit { job: job.clone() };
    let done = TransactionState::Done { at: epoch(505), submission: None };
    Change {
        memories: vec![(cid, old), (cid, new)],
        orders: vec![
            order(0, OrderState::Intended),
            order(1, OrderState::Sending),
            order(2, OrderState::Sent { ticket: Ticket("t".to_owned()) }),
            order(3, landed),
            order(4, OrderState::Withdrawn { at: epoch(511) }),
            order(5, OrderState::Failed { reason: "no reply".to_owned(), at: epoch(512) }),
        ],
        transactions: vec![
            transaction("0x1", 0, submit, done),
            transaction("0x2", 1, complete, reverted),
        ],
        ..Change::default()
    }
}

#[tokio::test]
async fn both_spellings_of_a_cid_are_one_job_and_each_is_answered_as_it_was_asked() {
    let world = World::new().await;
    let v0 = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    let v1 = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    let job = |cid| json!({"cid": cid, "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&[job(v0), job(v1)]).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let asked: Vec<_> = answer.results.iter().map(|result| result.cid.as_str()).collect();
    assert_eq!(asked, [v0, v1]);
    let statuses: Vec<_> = answer.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [RegisterStatus::Created, RegisterStatus::Existing]);
    assert_eq!(answer.results[0].id, answer.results[1].id);
    let all: JobList = world.get("/v1/jobs").send().await.unwrap().json().await.unwrap();
    assert_eq!(all.jobs.iter().map(|job| &*job.cid).collect::<Vec<_>>(), [v1]);
}

#[tokio::test]
async fn a_look_that_fetched_the_data_says_who_had_it_and_who_failed() {
    let empty = MemorySource::new("empty.example");
    let (full, cid) = MemorySource::new("full.example").with_file(b"some bytes");
    let world = World::with(vec![Arc::new(empty), Arc::new(full)], |face| face).await;
    let job = json!({"cid": cid.to_string(), "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let path = format!("/v1/jobs/{}", answer.results[0].id.as_ref().unwrap());
    world.node.pass().await;
    let seen: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    let fetched = seen.last_look.unwrap().fetched.unwrap();
    assert_eq!((fetched.by.as_str(), fetched.tried.len()), ("full.example", 1));
    assert!(fetched.tried[0].starts_with("empty.example: "), "{fetched:?}");
}

#[tokio::test]
async fn a_job_is_removed_once() {
    let world = World::new().await;
    let job = json!({"cid": CID, "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    let path = format!("/v1/jobs/{}", answer.results[0].id.as_ref().unwrap());
    assert_eq!(world.get(&path).send().await.unwrap().status(), 200);
    let removed = world.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!((removed.status().as_u16(), removed.bytes().await.unwrap().len()), (204, 0));
    for method in [Method::DELETE, Method::GET] {
        let answer = world.request(method, &path).send().await.unwrap();
        assert!(problem(answer, 404).await.contains("GET /v1/jobs lists them"));
    }
}
