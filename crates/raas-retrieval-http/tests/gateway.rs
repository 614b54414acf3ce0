//! The gateway source against gateways of all tempers.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use common::{Blocks, fetch, file, gateway, nobody, options, serve, whole_car};
use futures::StreamExt;
use raas_retrieval::{DataSource, Error, Unavailable, Wanted, conformance};
use raas_retrieval_http::{ClientOptions, GatewaySource};
use tower::Service as _;

fn source(base: &str, options: ClientOptions) -> GatewaySource {
    GatewaySource::new(base, options).unwrap()
}

fn only_error(failed: &Unavailable) -> &Error {
    assert_eq!(failed.attempts.len(), 1, "{failed}");
    &failed.attempts[0].error
}

/// A gateway that answers every request with the same.
async fn always(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> String {
    serve(Router::new().fallback(move || {
        let answer = answer();
        async move { answer }
    }))
    .await
}

#[tokio::test]
async fn the_gateway_source_passes_the_suite() {
    conformance::all(async |blocks| {
        let base = serve(gateway(blocks)).await;
        Arc::new(source(&base, options())) as Arc<dyn DataSource>
    })
    .await;
}

#[tokio::test]
async fn a_file_is_fetched_and_the_gateway_is_named() {
    let (root, blocks) = file(5000);
    let base = serve(Router::new().nest("/some/prefix", gateway(blocks))).await;
    let source = source(&format!("{base}/some/prefix/"), options());
    let fetched = fetch(source, &Wanted::new(root)).await.unwrap();
    assert_eq!(fetched.by, base.replace("http://", "gateway "));
    assert!(fetched.attempts.is_empty());
}

/// A gateway that serves these blocks one by one, and answers who asks for a CAR with this.
async fn instead_of_cars(
    blocks: Blocks,
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> String {
    let whole = gateway(blocks);
    serve(Router::new().fallback(move |request: Request| {
        let (answer, mut whole) = (answer(), whole.clone());
        async move {
            if request.uri().query().is_some_and(|query| query.contains("format=car")) {
                return answer;
            }
            whole.call(request).await.unwrap()
        }
    }))
    .await
}

#[tokio::test]
async fn a_car_that_breaks_off_is_completed_block_by_block() {
    let (root, blocks) = file(20_000);
    let car = whole_car(&root, &blocks);
    for kept in [car.len() / 2, car.len() - 1] {
        let cut = Bytes::copy_from_slice(&car[..kept]);
        let base = instead_of_cars(blocks.clone(), move || cut.clone().into_response()).await;
        fetch(source(&base, options()), &Wanted::new(root)).await.unwrap();
    }
}

#[tokio::test]
async fn a_car_that_breaks_off_without_blocks_to_be_had_says_so() {
    let (root, blocks) = file(5000);
    let car = whole_car(&root, &blocks);
    let cut = Bytes::copy_from_slice(&car[..car.len() - 10]);
    let base = instead_of_cars(Vec::new(), move || cut.clone().into_response()).await;
    let failed = fetch(source(&base, options()), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("in the middle of a section"), "{failed}");
    assert!(failed.is_temporary());
}

#[tokio::test]
async fn a_gateway_without_cars_is_asked_for_blocks() {
    let (root, blocks) = file(30_000);
    for status in [StatusCode::NOT_ACCEPTABLE, StatusCode::NOT_IMPLEMENTED] {
        let base = instead_of_cars(blocks.clone(), move || status.into_response()).await;
        fetch(source(&base, options()), &Wanted::new(root)).await.unwrap();
        // 31 blocks are more than 10 requests.
        let few = ClientOptions { max_raw_requests: 10, ..options() };
        let failed = fetch(source(&base, few), &Wanted::new(root)).await.unwrap_err();
        assert!(matches!(only_error(&failed), Error::Refused(_)), "{failed}");
    }
}

#[tokio::test]
async fn a_corrupt_block_is_told_and_not_stored() {
    let (root, mut blocks) = file(5000);
    blocks[2].1 = Bytes::from_static(b"something else");
    let base = serve(gateway(blocks)).await;
    let failed = fetch(source(&base, options()), &Wanted::new(root)).await.unwrap_err();
    assert!(matches!(only_error(&failed), Error::Corrupt(_)), "{failed}");
    assert!(!failed.is_temporary());
}

#[tokio::test]
async fn statuses_mean_what_they_say() {
    let (root, _) = file(10);
    for (status, temporary, not_found) in [
        (StatusCode::NOT_FOUND, false, true),
        (StatusCode::GONE, false, true),
        (StatusCode::TOO_MANY_REQUESTS, true, false),
        (StatusCode::SERVICE_UNAVAILABLE, true, false),
        (StatusCode::GATEWAY_TIMEOUT, true, false),
        (StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, false, false),
        (StatusCode::FORBIDDEN, false, false),
    ] {
        let base = always(move || status.into_response()).await;
        let failed = fetch(source(&base, options()), &Wanted::new(root)).await.unwrap_err();
        assert_eq!(failed.is_temporary(), temporary, "{status}");
        let error = only_error(&failed);
        assert_eq!(matches!(error, Error::NotFound { .. }), not_found, "{status}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (root, blocks) = file(10);
    let elsewhere = serve(gateway(blocks)).await;
    let base = always(move || {
        let to = format!("{elsewhere}/ipfs/{root}?format=car");
        (StatusCode::MOVED_PERMANENTLY, [("location", to)]).into_response()
    });
    let failed = fetch(source(&base.await, options()), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("redirects are not followed"), "{failed}");
}

#[tokio::test]
async fn nobody_listening_is_temporary() {
    let (root, _) = file(10);
    let failed = fetch(source(&nobody().await, options()), &Wanted::new(root)).await.unwrap_err();
    assert!(failed.is_temporary(), "{failed}");
}

/// The head of a CAR, and then nothing, with the connection open.
fn stalling(start: Bytes) -> Response {
    let stream =
        futures::stream::iter([Ok::<_, std::io::Error>(start)]).chain(futures::stream::pending());
    Body::from_stream(stream).into_response()
}

#[tokio::test]
async fn a_gateway_that_never_answers_is_given_up() {
    let (root, _) = file(10);
    let base = serve(Router::new().fallback(std::future::pending::<()>)).await;
    let options = ClientOptions { answer_timeout: Duration::from_millis(200), ..options() };
    let failed = fetch(source(&base, options), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("no answer within 0.2 s"), "{failed}");
    assert!(failed.is_temporary());
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let (root, blocks) = file(5000);
    let start = Bytes::copy_from_slice(&whole_car(&root, &blocks)[..100]);
    let base = always(move || stalling(start.clone())).await;
    let options = ClientOptions { idle_timeout: Duration::from_millis(200), ..options() };
    let failed = fetch(source(&base, options), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("nothing came for 0.2 s"), "{failed}");
}

#[tokio::test]
async fn a_party_has_a_time_for_all_it_is_asked() {
    let (root, blocks) = file(5000);
    let start = Bytes::copy_from_slice(&whole_car(&root, &blocks)[..100]);
    let base = always(move || stalling(start.clone())).await;
    let options = ClientOptions { party_timeout: Duration::from_millis(200), ..options() };
    let failed = fetch(source(&base, options), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("not done within 0.2 s"), "{failed}");
}

#[tokio::test]
async fn a_body_that_crawls_is_given_up() {
    let (root, blocks) = file(5000);
    let car = whole_car(&root, &blocks);
    // A byte every 20 ms is 50 a second.
    let base = always(move || {
        let bytes = car.clone().into_iter();
        let crawl = futures::stream::unfold(bytes, |mut bytes| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let byte = Bytes::from(vec![bytes.next()?]);
            Some((Ok::<_, std::io::Error>(byte), bytes))
        });
        Body::from_stream(crawl).into_response()
    })
    .await;
    let options =
        ClientOptions { rate_grace: Duration::from_millis(200), min_rate: 10_000, ..options() };
    let failed = fetch(source(&base, options), &Wanted::new(root)).await.unwrap_err();
    assert!(only_error(&failed).to_string().contains("slower than 10000 bytes"), "{failed}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_given_up() {
    let (root, blocks) = file(5000);
    let car = Bytes::from(whole_car(&root, &blocks));
    let known = car.clone();
    let with_length = always(move || known.clone().into_response()).await;
    let without_length = always(move || {
        let pieces: Vec<_> = car.chunks(500).map(Bytes::copy_from_slice).collect();
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        Body::from_stream(stream).into_response()
    })
    .await;
    for base in [with_length, without_length] {
        let options = ClientOptions { max_bytes: 4000, ..options() };
        let failed = fetch(source(&base, options), &Wanted::new(root)).await.unwrap_err();
        assert!(matches!(only_error(&failed), Error::TooLarge(_)), "{failed}");
    }
}

#[tokio::test]
async fn rubbish_is_corrupt() {
    let (root, _) = file(5000);
    for rubbish in [&[b'<'; 500][..], b"", &[0xff; 100]] {
        let base = always(move || rubbish.into_response()).await;
        let failed = fetch(source(&base, options()), &Wanted::new(root)).await.unwrap_err();
        assert!(matches!(only_error(&failed), Error::Corrupt(_)), "{failed}");
    }
}

#[test]
fn base_urls_that_are_none_are_refused_and_names_keep_secrets() {
    for base in ["", "gateway.example", "ftp://gateway.example", "file:///etc"] {
        let error = GatewaySource::new(base, options()).unwrap_err().to_string();
        assert!(error.contains("https://gateway.example"), "{error}");
    }
    let source = source("https://user:secret@gateway.example:8443/x?key=1", options());
    assert_eq!(source.name(), "gateway gateway.example:8443");
}
