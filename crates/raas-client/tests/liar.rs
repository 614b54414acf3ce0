//! The client against servers that lie, break off, or are no node at all.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use axum::{Router, body::Body, http::StatusCode, response::Redirect, routing::any};
use bytes::Bytes;
use raas_client::{Client, Error, StoreQuery};
use raas_retrieval::{BlobStore, ImportProfile, MemorySource, Wanted, fetch_into, file_blocks};
use raas_types::Cid;

#[tokio::test]
async fn wrong_bytes_are_an_error_and_leave_no_file() {
    let (wanted, other) = (content(1), content(2));
    let (cid, _) = file_blocks(&wanted, &ImportProfile::default());
    let whole = car_of(&wanted).await;
    let mut flipped = whole.to_vec();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let cut = whole[..whole.len() / 2].to_vec();
    for (lie, car) in [
        ("another file", car_of(&other).await),
        ("a flipped bit", flipped.into()),
        ("half of it", cut.into()),
        ("no CAR", Bytes::from_static(b"<html>welcome</html>")),
        ("nothing", Bytes::new()),
    ] {
        let error = get(&cid, car).await.unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{lie}: {error:?}");
    }
    assert_eq!(get(&cid, whole).await.unwrap(), wanted);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_no_file() {
    let wanted = content(1);
    let (cid, _) = file_blocks(&wanted, &ImportProfile::default());
    let car = car_of(&wanted).await;
    let app = Router::new().fallback(any(move || {
        let first = Ok(car.slice(..100_000));
        let chunks = [first, Err(std::io::Error::other("pulled the plug"))];
        async { Body::from_stream(futures::stream::iter(chunks)) }
    }));
    let (client, dir) = (client(app).await, tempfile::tempdir().unwrap());
    let output = dir.path().join("out");
    let error = client.get(&cid.to_string(), &output, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Data(_) | Error::Connect { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_is_no_node_is_told_from_one_that_refuses() {
    let app = Router::new().fallback(any(|| async { "<html>\u{7}welcome</html>" }));
    let error = client(app).await.jobs(None).await.unwrap_err();
    assert!(matches!(&error, Error::Protocol(text) if text.contains("welcome")), "{error:?}");
    assert!(!error.to_string().contains('\u{7}'));
    let app = Router::new().fallback(any(|| async { (StatusCode::BAD_GATEWAY, "nginx") }));
    let error = client(app).await.jobs(None).await.unwrap_err();
    assert!(matches!(&error, Error::Protocol(text) if text.contains("502")), "{error:?}");
}

#[tokio::test]
async fn the_token_is_not_carried_to_where_a_server_points() {
    let app = Router::new()
        .route("/v1/jobs", any(|| async { Redirect::temporary("/elsewhere") }))
        .route("/elsewhere", any(|| async { r#"{"jobs": []}"# }));
    let error = client(app).await.jobs(None).await.unwrap_err();
    assert!(matches!(&error, Error::Protocol(text) if text.contains("307")), "{error:?}");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named_with_what_to_do() {
    // A port that was free a moment ago, and refuses.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, "t").unwrap();
    let by_call = client.jobs(None).await.unwrap_err();
    let by_upload = client.store(&b"x"[..], None, &StoreQuery::default()).await.unwrap_err();
    for error in [by_call, by_upload] {
        assert!(matches!(error, Error::Connect { .. }) && error.is_temporary(), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("raas run"), "{text}");
    }
}

#[test]
fn a_url_or_token_that_cannot_be_used_is_refused_at_once() {
    for (url, token, says) in [
        ("localhost:8787", "t", "http://127.0.0.1:8787"),
        ("", "t", "http://127.0.0.1:8787"),
        ("ftp://x", "t", "scheme is ftp"),
        ("http://x/?a=b", "t", "query"),
        ("http://x", "two words", "copy it again"),
    ] {
        let error = Client::new(url, token).unwrap_err();
        assert!(error.to_string().contains(says), "{url} {token}: {error}");
    }
}

/// What comes of a file when this is served as its CAR; on an error, nothing may be left.
async fn get(cid: &Cid, car: Bytes) -> Result<Vec<u8>, Error> {
    let client = client(Router::new().fallback(any(move || async { car }))).await;
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let result = client.get(&cid.to_string(), &output, |_| {}).await;
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, usize::from(result.is_ok()));
    result.map(|_| std::fs::read(output).unwrap())
}

async fn client(app: Router) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Client::new(&url, "open-sesame").unwrap()
}

/// Three chunks that begin with `seed`.
fn content(seed: u8) -> Vec<u8> {
    (0..700_000_u32).map(|i| (i / 1000) as u8 ^ seed).collect()
}

async fn car_of(content: &[u8]) -> Bytes {
    use futures::TryStreamExt;
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path()).unwrap();
    let (source, cid) = MemorySource::new("s").with_file(content);
    fetch_into(&store, &Wanted::new(cid), &[std::sync::Arc::new(source)]).await.unwrap();
    let car = store.car(&cid).await.unwrap().unwrap();
    let parts: Vec<Bytes> = car.try_collect().await.unwrap();
    parts.concat().into()
}
