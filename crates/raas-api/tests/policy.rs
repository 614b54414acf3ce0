//! Placement, budget, facts about providers and dry runs over a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;

use common::{CID, World, problem};
use raas_api_types::{
    BudgetTerms, ByteSize, DryRunResponse, DryRunResult, DryRunStatus, FactsSource, JobView,
    PlacementTerms, ProviderList, ProviderView, RegisterResponse,
};
use raas_job_store::{Error, JobStore, MemoryJobStore, MockJobStore};
use raas_lotus::FakeFault;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const DRY_RUN: &str = "/register_jobs?dry_run=true";

async fn dry_run(world: &World, jobs: Value) -> Vec<DryRunResult> {
    let answer = world.post(DRY_RUN).json(&jobs).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json::<DryRunResponse>().await.unwrap().results
}

async fn put(world: &World, provider: &str, facts: Value) -> Response {
    let path = format!("/v1/providers/{provider}");
    world.request(Method::PUT, &path).json(&facts).send().await.unwrap()
}

async fn providers(world: &World) -> Vec<ProviderView> {
    let list = world.get("/v1/providers").send().await.unwrap();
    list.json::<ProviderList>().await.unwrap().providers
}

#[tokio::test]
async fn a_job_shows_where_its_replicas_may_be_and_what_may_be_spent() {
    let world = World::new().await;
    let job = json!({
        "cid": CID, "replication": {"target": 3},
        "placement": {"per_organisation": 1, "per_country": 2, "prefer": ["f01000"],
            "avoid": ["t01001"], "exclude": ["1003", "f01002"]},
        "budget": {"deals_per_day": 2, "bytes_per_day": "64GiB"},
    });
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    assert_eq!(answer.results[0].error, None);
    // Of no provider anything is known yet.
    let warnings = &answer.results[0].warnings;
    assert!(warnings.iter().any(|w| w.contains("placement.per_country is checked only")));
    let path = format!("/v1/jobs/{}", answer.results[0].id.as_ref().unwrap());
    let view: JobView = world.get(&path).send().await.unwrap().json().await.unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let placement = PlacementTerms {
        per_owner: None,
        per_organisation: Some(1),
        per_country: Some(2),
        prefer: names(&["f01000"]),
        avoid: names(&["f01001"]),
        exclude: names(&["f01002", "f01003"]),
    };
    let budget =
        BudgetTerms { deals_per_day: Some(2), bytes_per_day: Some(ByteSize::Bytes(64 << 30)) };
    assert_eq!((view.terms.placement, view.terms.budget), (Some(placement), Some(budget)));
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused_with_how_to_mend_it_also_in_a_dry_run() {
    let world = World::new().await;
    let job = |name: &str, value: Value| {
        let mut job = json!({"cid": CID, "replication": {"target": 2}});
        job[name] = value;
        job
    };
    for (job, says) in [
        (job("placement", json!({"per_country": 0})), "give at least 1, or leave it out"),
        (job("placement", json!({"per_country": -1})), "a whole number of at least 1"),
        (job("placement", json!({"per_planet": 1})), "unknown field `per_planet`"),
        (job("placement", json!({"exclude": ["acme"]})), "such as \"f01000\""),
        (
            job("placement", json!({"prefer": ["f01"], "exclude": ["t01"]})),
            "f01 is in placement.prefer and in placement.exclude: leave it out of one",
        ),
        (job("budget", json!({"deals_per_day": 0})), "budget.deals_per_day is 0"),
        (job("budget", json!({"bytes_per_day": "0GiB"})), "budget.bytes_per_day is 0"),
        (job("budget", json!({"bytes_per_day": "64 cubits"})), "such as \"64GiB\""),
        (job("budget", json!({"per_week": 1})), "unknown field `per_week`"),
    ] {
        for path in ["/register_jobs", DRY_RUN] {
            let answer = world.post(path).json(&job).send().await.unwrap();
            assert!(problem(answer, 400).await.contains(says), "{job}");
        }
        assert!(world.is_untouched().await, "{job}");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_keeps_nothing() {
    let world = World::new().await;
    let cid = world.upload(b"some bytes".to_vec()).await;
    world.node.pass().await;
    let job = json!({"cid": cid, "replication": {"target": 2}});
    let [result] = &dry_run(&world, job.clone()).await[..] else { panic!("one answer") };
    assert_eq!((result.status, &*result.cid), (DryRunStatus::WouldCreate, &*cid));
    let plan = result.plan.as_ref().unwrap();
    assert_eq!(plan.steps.as_array().unwrap().len(), 2, "{plan:?}");
    assert_eq!(plan.steps[0]["step"], "order");
    assert!(plan.reasons[0]["code"].is_string() && plan.with_bytes.is_none(), "{plan:?}");
    assert!(plan.words.iter().any(|words| words.contains("0 of 2 slots are held")), "{plan:?}");
    assert_eq!((&result.unseen, result.cannot.len()), (&None, 0));
    assert!(world.node.jobs(None, 1).await.unwrap().is_empty());

    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    let answer: RegisterResponse = answer.json().await.unwrap();
    assert_eq!(answer.results[0].id, result.id, "the id is the same");
    let again = dry_run(&world, job).await;
    assert_eq!((again[0].status, &again[0].id), (DryRunStatus::Existing, &result.id));
}

#[tokio::test]
async fn a_dry_run_names_what_cannot_be_met_and_the_knob() {
    let world = World::new().await;
    world.node.pass().await;
    for (provider, country) in [("f01000", "DE"), ("f01001", "DE"), ("f01002", "FR")] {
        assert_eq!(put(&world, provider, json!({"country": country})).await.status(), 200);
    }
    let job = json!({"cid": CID, "replication": {"target": 3}, "placement": {"per_country": 1}});
    let [result] = &dry_run(&world, job).await[..] else { panic!("one answer") };
    let [obstacle] = &result.cannot[..] else { panic!("{result:?}") };
    assert_eq!(obstacle.loosen.as_deref(), Some("placement.per_country"));
    assert!(obstacle.what.contains("2 of the 3 wanted"), "{obstacle:?}");
    assert!(result.warnings.contains(&obstacle.what), "{result:?}");
    // The bytes are nowhere yet: what comes after them is told too.
    let plan = result.plan.as_ref().unwrap();
    assert_eq!(plan.steps[0]["step"], "fetch");
    assert_eq!(plan.with_bytes.as_ref().unwrap().steps[0]["step"], "order");
}

#[tokio::test]
async fn where_nothing_can_be_seen_a_dry_run_says_why() {
    let world = World::new().await;
    let job = json!({"cid": CID, "replication": {"target": 1}});
    let early = dry_run(&world, job.clone()).await;
    assert_eq!(early[0].unseen.as_deref(), Some("the node has made no pass yet"));
    world.chain.fail(FakeFault::Endpoint);
    world.node.pass().await;
    let gated = dry_run(&world, job).await;
    assert_eq!((gated[0].status, &gated[0].plan), (DryRunStatus::WouldCreate, &None));
    assert!(gated[0].unseen.as_ref().unwrap().contains("cannot be asked now"), "{gated:?}");
}

#[tokio::test]
async fn a_dry_run_answers_item_by_item_in_order() {
    let world = World::new().await;
    world.node.pass().await;
    let jobs = json!([
        {"cid": "nonsense", "replication": {"target": 2}},
        {"cid": CID, "replication": {"target": 2}},
        "no job at all",
        {"cid": CID, "replication": {"target": 0}},
        {"cid": CID, "replication": {"target": 1}},
    ]);
    let results = dry_run(&world, jobs).await;
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    use DryRunStatus::{Error, WouldCreate};
    assert_eq!(statuses, [Error, WouldCreate, Error, Error, WouldCreate]);
    assert!(results[0].error.as_ref().unwrap().contains("is no CID"));
    assert!(results[3].error.as_ref().unwrap().contains("give at least 1"));
    assert_ne!(results[1].id, results[4].id);
    assert!(world.is_untouched().await);
}

/// Whoever misspells it does not register for good.
#[tokio::test]
async fn a_misspelt_dry_run_registers_nothing() {
    let world = World::new().await;
    let job = json!({"cid": CID, "replication": {"target": 1}});
    for (query, says) in [
        ("dryrun=true", "it takes dry_run"),
        ("dry_run=yes", "true or false"),
        ("dry_run", "true or false"),
        ("dry_run=true&dry_run=false", "once"),
    ] {
        let answer = world.post(&format!("/register_jobs?{query}")).json(&job).send().await;
        assert!(problem(answer.unwrap(), 400).await.contains(says), "{query}");
    }
    assert!(world.is_untouched().await);
    let answer = world.post("/register_jobs?dry_run=false").json(&job).send().await.unwrap();
    assert_eq!(answer.json::<RegisterResponse>().await.unwrap().results.len(), 1);
    assert!(!world.is_untouched().await);
}

#[tokio::test]
async fn a_dry_run_does_not_use_an_idempotency_key_up() {
    let world = World::new().await;
    let post = async |path: &str, target: i64| {
        let job = json!({"cid": CID, "replication": {"target": target}});
        let post = world.post(path).header("idempotency-key", "k");
        post.json(&job).send().await.unwrap().status().as_u16()
    };
    assert_eq!((post(DRY_RUN, 1).await, post(DRY_RUN, 2).await), (200, 200));
    assert_eq!((post("/register_jobs", 3).await, post(DRY_RUN, 1).await), (200, 200));
}

#[tokio::test]
async fn facts_about_providers_are_said_shown_and_taken_back() {
    let world = World::new().await;
    assert!(providers(&world).await.is_empty());
    let set = put(&world, "t01001", json!({"organisation": " Acme ", "country": "de"})).await;
    let set: ProviderView = set.json().await.unwrap();
    let expected = ProviderView {
        provider: "f01001".to_owned(),
        owner: None,
        organisation: Some("Acme".to_owned()),
        country: Some("DE".to_owned()),
        yearly_loss_ppm: None,
        source: FactsSource::Call,
    };
    assert_eq!(set, expected);
    // What is not known is null.
    let shown = world.get("/v1/providers/1001").send().await.unwrap();
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown, serde_json::to_value(&expected).unwrap());
    assert!(shown["owner"].is_null() && shown.as_object().unwrap().contains_key("owner"));
    // A second word stands in place of all of the first.
    put(&world, "f01001", json!({"owner": "f0999", "yearly_loss_ppm": 20_000})).await;
    let [now] = &providers(&world).await[..] else { panic!("one provider") };
    assert_eq!((now.organisation.as_ref(), now.owner.as_deref()), (None, Some("f0999")));
    assert_eq!(now.yearly_loss_ppm, Some(20_000));
    put(&world, "f01000", json!({})).await;
    let ids: Vec<_> = providers(&world).await.into_iter().map(|p| p.provider).collect();
    assert_eq!(ids, ["f01000", "f01001"]);

    let delete = async |id: &str| {
        let path = format!("/v1/providers/{id}");
        world.request(Method::DELETE, &path).send().await.unwrap()
    };
    assert_eq!(delete("f01001").await.status(), 204);
    for answer in [delete("f01001").await, world.get("/v1/providers/f01001").send().await.unwrap()]
    {
        let detail = problem(answer, 404).await;
        assert!(
            detail.contains("nothing is known of f01001") && detail.contains("PUT"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn facts_that_are_none_are_refused_with_how_to_mend_them() {
    let world = World::new().await;
    for (provider, facts, says) in [
        ("acme", json!({}), "such as f01000"),
        ("f01000", json!({"country": "Germany"}), "ISO 3166-1"),
        ("f01000", json!({"organization": "Acme"}), "unknown field `organization`"),
        ("f01000", json!({"yearly_loss_ppm": 2_000_000}), "at most 1000000"),
        ("f01000", json!({"yearly_loss_ppm": -1}), "expected u32"),
        ("f01000", json!({"owner": ""}), "leave it out"),
        ("f01000", json!(["DE"]), "an object such as"),
    ] {
        let detail = problem(put(&world, provider, facts).await, 400).await;
        assert!(detail.contains(says), "{detail}");
    }
    assert!(providers(&world).await.is_empty());
    let stranger = world.stranger(Method::PUT, "/v1/providers/f01000").json(&json!({}));
    assert_eq!(stranger.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_is_known_of_providers_is_kept_in_the_store() {
    let store = Arc::new(MemoryJobStore::new());
    let world = World::over(store.clone(), Vec::new(), |face| face).await;
    put(&world, "f01000", json!({"country": "DE"})).await;
    drop(world);
    assert!(store.note("providers").await.unwrap().is_some());
    let world = World::over(store, Vec::new(), |face| face).await;
    assert_eq!(providers(&world).await[0].country.as_deref(), Some("DE"));
}

#[tokio::test]
async fn a_store_that_fails_is_told_from_facts_that_are_wrong() {
    let mut store = MockJobStore::new();
    store.expect_note().returning(|_| Err(Error::Unavailable("the disk is full".to_owned())));
    store.expect_job().returning(|_| Err(Error::Unavailable("the disk is full".to_owned())));
    let world = World::over(Arc::new(store), Vec::new(), |face| face).await;
    let detail = problem(put(&world, "f01000", json!({"country": "DE"})).await, 503).await;
    assert!(detail.contains("the disk is full"), "{detail}");
    let job = json!({"cid": CID, "replication": {"target": 1}});
    let answer = world.post(DRY_RUN).json(&job).send().await.unwrap();
    assert!(problem(answer, 503).await.contains("the disk is full"));
}
