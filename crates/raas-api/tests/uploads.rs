//! `POST /v1/data` over a socket: streaming, limits, broken uploads.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;

use common::{TOKEN, World, bytes, problem};
use raas_api_types::{BudgetTerms, ByteSize, JobView, PlacementTerms, Stored};
use raas_job_store::{Error, MockJobStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_file_is_kept_under_the_cid_that_kubo_gives_it() {
    let world = World::new().await;
    for (content, cid) in [
        ("", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        ("hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
    ] {
        let answer = world.post("/v1/data").body(content).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["location"], format!("/ipfs/{cid}"));
        let stored: Stored = answer.json().await.unwrap();
        assert_eq!((stored.cid.as_str(), stored.bytes), (cid, content.len() as u64));
        assert_eq!((stored.job, stored.warnings.len()), (None, 0));
        let back = world.get(&format!("/ipfs/{cid}")).send().await.unwrap();
        assert_eq!(back.text().await.unwrap(), content);
    }
    assert!(world.node.jobs(None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn terms_register_a_job_and_their_warnings_speak_of_the_query() {
    let world = World::new().await;
    let path = "/v1/data?replicas=3&renew_within=30d&repair_after=60";
    let stored: Stored = world.post(path).body("x").send().await.unwrap().json().await.unwrap();
    assert!(stored.warnings[0].starts_with("repair_after"), "{stored:?}");
    let jobs = world.node.jobs(None, 10).await.unwrap();
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0].value.job;
    assert_eq!((Some(job.id.to_string()), job.cid.to_string()), (stored.job, stored.cid));
    assert_eq!(job.terms.replication.unwrap().target, 3);
    assert_eq!(job.terms.renewal.unwrap().threshold.get(), 86_400);
}

#[tokio::test]
async fn bad_terms_are_refused_before_a_byte_is_read() {
    let world = World::new().await;
    for (query, says) in [
        ("replicas=0", "replicas is 0: give at least 1"),
        ("replicas=-2", "replicas is -2: give a whole number from 1 to 100"),
        ("replicas=99999999999999999999", "whole number from 1 to 100"),
        ("replicas=1000", "replicas is 1000: give at most 100"),
        ("replicas=three", "replicas is \"three\""),
        ("replicas=", "replicas is \"\""),
        ("renew_within=never", "renew_within is \"never\""),
        ("repair_after=0", "repair_after is 0 epochs: give a positive"),
        ("replicas=3&copies=3", "it takes replicas, renew_within, repair_after, per_owner"),
        ("replicas=3&per_country=one", "per_country is \"one\": give a whole number of at least 1"),
        ("replicas=3&per_country=-1", "per_country is -1: give a whole number of at least 1"),
        ("replicas=3&per_owner=0", "per_owner is 0: give at least 1"),
        ("replicas=3&prefer=f01000,acme", "prefer has \"acme\": write a storage provider"),
        ("replicas=3&exclude=", "exclude has \"\": write"),
        ("replicas=3&prefer=f01&exclude=t01", "f01 is in prefer and in exclude"),
        ("replicas=3&deals_per_day=0", "deals_per_day is 0"),
        ("replicas=3&bytes_per_day=lots", "bytes_per_day is \"lots\": give a whole number"),
        ("per_country=1", "give at least one of replicas, renew_within and repair_after"),
    ] {
        // The body never ends: an answer shows that it was not waited for.
        let body =
            reqwest::Body::wrap_stream(futures::stream::pending::<std::io::Result<Vec<u8>>>());
        let answer = world.post(&format!("/v1/data?{query}")).body(body).send().await.unwrap();
        let detail = problem(answer, 400).await;
        assert!(detail.contains(says), "{query}: {detail}");
        for section in ["placement.", "budget."] {
            assert!(!detail.contains(section), "{query}: {detail}");
        }
    }
    assert!(world.is_untouched().await);
}

#[tokio::test]
async fn an_upload_says_where_its_replicas_may_be_and_what_may_be_spent() {
    let world = World::new().await;
    let path = "/v1/data?replicas=2&per_owner=3&per_organisation=1&per_country=2&prefer=f01000,f01001\
                &avoid=1002&exclude=t01003&deals_per_day=2&bytes_per_day=64GiB";
    let stored: Stored = world.post(path).body("x").send().await.unwrap().json().await.unwrap();
    // Of no provider anything is known yet.
    let speaks = |warning: &String| warning.starts_with("per_country is checked only");
    assert!(stored.warnings.iter().any(speaks), "{stored:?}");
    let job = world.get(&format!("/v1/jobs/{}", stored.job.unwrap())).send().await.unwrap();
    let terms = job.json::<JobView>().await.unwrap().terms;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let placement = PlacementTerms {
        per_owner: Some(3),
        per_organisation: Some(1),
        per_country: Some(2),
        prefer: names(&["f01000", "f01001"]),
        avoid: names(&["f01002"]),
        exclude: names(&["f01003"]),
    };
    let budget =
        BudgetTerms { deals_per_day: Some(2), bytes_per_day: Some(ByteSize::Bytes(64 << 30)) };
    assert_eq!((terms.placement, terms.budget), (Some(placement), Some(budget)));
}

#[tokio::test]
async fn a_client_that_is_still_sending_sees_why_it_was_refused() {
    let world = World::new().await;
    // Far more than sockets buffer, so that the client cannot be done when the answer comes.
    let body = bytes(24 << 20);
    let answer = world.post("/v1/data?replicas=0").body(body.clone()).send().await.unwrap();
    assert!(problem(answer, 400).await.contains("replicas is 0"));
    let stranger = world.stranger(reqwest::Method::POST, "/v1/data").body(body).send().await;
    assert!(problem(stranger.unwrap(), 401).await.contains("token"));
    assert!(world.is_untouched().await);
}

#[tokio::test]
async fn a_refused_upload_is_read_on_so_that_the_connection_is_not_reset() {
    let world = World::new().await;
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let body = bytes(16 << 20);
    let head = format!(
        "POST /v1/data?replicas=0 HTTP/1.1\r\nHost: raas\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    // Far more than sockets buffer: it only goes through when someone reads.
    socket.write_all(&body).await.unwrap();
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_whether_or_not_it_says_its_length() {
    let world = World::with(Vec::new(), |mut face| {
        face.max_upload = 1_000_000;
        face
    })
    .await;
    let long = bytes(1_000_001);
    let told = world.post("/v1/data").body(long.clone()).send().await.unwrap();
    assert!(problem(told, 413).await.contains("limit of 1000000 bytes"));
    let untold = world.post("/v1/data").body(streamed(&long)).send().await.unwrap();
    assert!(problem(untold, 413).await.contains("limit of 1000000 bytes"));
    let form =
        reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(long.clone()));
    let form = world.post("/v1/data").multipart(form).send().await.unwrap();
    assert!(problem(form, 413).await.contains("limit of 1000000 bytes"));
    assert!(world.is_untouched().await);
    let fits = world.post("/v1/data").body(streamed(&long[1..])).send().await.unwrap();
    assert_eq!(fits.status(), 201);
}

#[tokio::test]
async fn a_form_is_the_same_as_a_body() {
    let world = World::new().await;
    let content = bytes(3 << 20);
    let raw = world.upload(content.clone()).await;
    let form = reqwest::multipart::Form::new()
        .part("file", reqwest::multipart::Part::bytes(content.clone()).file_name("a name.bin"));
    let answer = world.post("/v1/data?replicas=1").multipart(form).send().await.unwrap();
    let stored: Stored = answer.json().await.unwrap();
    assert_eq!((stored.cid, stored.bytes), (raw, content.len() as u64));
    assert!(stored.job.is_some());
}

#[tokio::test]
async fn a_form_without_exactly_one_file_is_refused() {
    let world = World::new().await;
    let form = reqwest::multipart::Form::new;
    for (form, says) in [
        (form().text("note", "x"), "field \"note\": send one field \"file\""),
        (form().text("file", "a").text("file", "b"), "send one field \"file\""),
        (form().text("file", "a").text("replicas", "3"), "terms in the query"),
    ] {
        let answer = world.post("/v1/data").multipart(form).send().await.unwrap();
        let detail = problem(answer, 400).await;
        assert!(detail.contains(says), "{detail}");
    }
    let post = world.post("/v1/data").header("content-type", "multipart/form-data");
    assert!(problem(post.body("x").send().await.unwrap(), 400).await.contains("boundary"));
    let multipart = "multipart/form-data; boundary=b";
    let post = world.post("/v1/data").header("content-type", multipart).body("--b--\r\n");
    assert!(problem(post.send().await.unwrap(), 400).await.contains("no field \"file\""));
    let cut = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhalf of";
    let post = world.post("/v1/data").header("content-type", multipart);
    assert!(problem(post.body(cut).send().await.unwrap(), 400).await.contains("the form cannot"));
    assert!(world.is_untouched().await);
}

#[tokio::test]
async fn compressed_bodies_are_refused_for_they_would_be_stored_as_they_are() {
    let world = World::new().await;
    let post = world.post("/v1/data").header("content-encoding", "gzip").body("x");
    assert!(problem(post.send().await.unwrap(), 415).await.contains("as they are to be stored"));
}

#[tokio::test]
async fn a_body_that_curl_took_for_a_web_form_is_refused_with_what_to_send() {
    let world = World::new().await;
    for media in
        ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"]
    {
        let post = world.post("/v1/data").header("content-type", media).body("a=b");
        let detail = problem(post.send().await.unwrap(), 415).await;
        for says in
            ["curl --data-binary @FILE -H 'content-type: application/octet-stream'", "file=@"]
        {
            assert!(detail.contains(says), "{detail}");
        }
    }
    assert!(world.is_untouched().await);
    for media in ["application/octet-stream", "text/plain", "image/png", "application/json"] {
        let post = world.post("/v1/data").header("content-type", media).body("a=b");
        assert_eq!(post.send().await.unwrap().status(), 201, "{media}");
    }
}

#[tokio::test]
async fn an_upload_cut_short_leaves_nothing() {
    let world = World::new().await;
    let head = format!(
        "POST /v1/data?replicas=3 HTTP/1.1\r\nHost: raas\r\nAuthorization: Bearer {TOKEN}\r\n"
    );
    let half = bytes(2 << 20);
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", half.len());
    let length = format!("Content-Length: {}\r\n\r\n", 2 * half.len());
    let form = format!(
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
        2 * half.len()
    );
    for rest in [chunk, length, form] {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        socket.write_all(&half).await.unwrap();
        // Only this direction ends, so that the answer shows when the node is done with it.
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(world.is_untouched().await);
    }
    // The node is as good as before.
    assert_eq!(world.post("/v1/data").body("x").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_told_the_limit_instead() {
    let world = World::with(Vec::new(), |mut face| {
        face.max_upload = 10;
        face
    })
    .await;
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/data HTTP/1.1\r\nHost: raas\r\nAuthorization: Bearer {TOKEN}\r\n\
         Expect: 100-continue\r\nContent-Length: 11\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn uploads_at_the_same_time_do_not_disturb_each_other() {
    let world = World::new().await;
    let content = bytes(1 << 20);
    let uploads = (0..40_usize).map(|i| {
        let part = content[i % 20 * 1000..].to_vec();
        async { (world.upload(part.clone()).await, part) }
    });
    for (cid, part) in futures::future::join_all(uploads).await {
        let back = world.get(&format!("/ipfs/{cid}")).send().await.unwrap().bytes().await.unwrap();
        assert!(back == part, "{cid} came back otherwise");
    }
    // Twenty different files, each stored once.
    assert_eq!(world.node.blobs().list().await.unwrap().len(), 20);
}

#[tokio::test]
async fn the_same_upload_is_the_same_job() {
    let world = World::new().await;
    let upload = async || {
        let answer = world.post("/v1/data?replicas=1").body("x").send().await.unwrap();
        answer.json::<Stored>().await.unwrap()
    };
    let (first, again) = (upload().await, upload().await);
    assert!(first.job.is_some());
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_store_that_fails_is_told_of_with_what_to_do() {
    let mut store = MockJobStore::new();
    store.expect_note().returning(|_| Ok(None));
    store.expect_insert_job().returning(|_| Err(Error::Unavailable("disk full".to_owned())));
    let world = World::over(Arc::new(store), Vec::new(), |face| face).await;
    let answer = world.post("/v1/data?replicas=1").body("hello world").send().await.unwrap();
    let detail = problem(answer, 503).await;
    let cid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    assert!(detail.contains(&format!("kept as {cid}")) && detail.contains("disk full"), "{detail}");
    let job = serde_json::json!({"cid": cid, "replication": {"target": 1}});
    let answer = world.post("/register_jobs").json(&job).send().await.unwrap();
    assert!(problem(answer, 503).await.contains("disk full"));
}

fn streamed(bytes: &[u8]) -> reqwest::Body {
    let chunks = bytes.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    reqwest::Body::wrap_stream(futures::stream::iter(chunks.collect::<Vec<_>>()))
}
