//! The HTTP face of a RaaS node: an axum [`router`] over a running [`Node`].
//!
//! | endpoint | does |
//! |---|---|
//! | `POST /register_jobs` | registers one job or an array of them; `?dry_run=true` only says what would become of them |
//! | `POST /v1/data` | takes a file, answers its CID, registers a job where terms are given |
//! | `GET /v1/jobs`, `GET`, `DELETE /v1/jobs/{id}` | what is asked for and how it goes |
//! | `GET /v1/providers`, `GET`, `PUT`, `DELETE /v1/providers/{id}` | what is known of providers and is not on the chain |
//! | `GET /v1/alerts` | what an operator should know |
//! | `GET /v1/spending`, `POST /v1/spending/resume` | whether orders are made, and that they are to be |
//! | `GET /ipfs/{cid}` | the file; `?format=car` the DAG, `?format=raw` the root block |
//! | `/healthz`, `/readyz`, `/metrics` | for whoever runs the node |
//!
//! A face translates and decides nothing: what terms make sense is `raas-core`'s to say, what
//! happens to a job the runtime's. Every error is a JSON problem detail (RFC 9457) that says what to
//! change. Bodies are streamed; none is ever held in memory but a JSON one below its limit.
//!
//! Registering is idempotent by nature: a job's id is a digest of its CID and terms, so a repeated
//! request finds the job that is there. An `Idempotency-Key` is taken all the same, and one that
//! comes with two different bodies is refused (422).
//!
//! Serving is the embedder's: hand the router to `axum::serve`.

mod alerts;
mod auth;
mod body;
mod convert;
mod data;
mod dry_run;
mod evidence;
mod face;
mod flights;
mod health;
mod jobs;
mod keys;
mod linger;
mod metrics;
mod policy;
mod problem;
mod providers;
mod query;
mod range;
mod retrieval;
mod spending;
mod terms;
mod uploads;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower_http::trace::TraceLayer;

pub use auth::Token;
pub use face::{DEFAULT_MAX_UPLOAD, Face};
pub use raas_runtime::Node;

use face::Shared;
use problem::Failure;

/// The routes of a node's face.
pub fn router(face: Face) -> Router {
    let shared = Arc::new(Shared::new(face));
    Router::new()
        .route("/register_jobs", post(jobs::register))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::show).delete(jobs::remove))
        .route("/v1/data", post(data::upload))
        .route("/v1/providers", get(providers::list))
        .route(
            "/v1/providers/{id}",
            get(providers::show).put(providers::set).delete(providers::remove),
        )
        .route("/v1/alerts", get(alerts::list))
        .route("/v1/spending", get(spending::show))
        .route("/v1/spending/resume", post(spending::resume))
        .route("/ipfs/{cid}", get(retrieval::serve))
        .route("/ipfs/{cid}/{*path}", get(retrieval::no_paths))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        // Each handler has a limit of its own; axum's would stop uploads at 2 MB.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(shared.clone(), auth::check))
        .layer(from_fn(linger::read_what_is_left))
        .layer(TraceLayer::new_for_http())
        .with_state(shared)
}

async fn nothing_here(uri: Uri) -> Failure {
    Failure::not_found(format!(
        "there is nothing at {}; try /v1/jobs, /v1/data, /v1/providers, /v1/alerts, /v1/spending, \
         /register_jobs or /ipfs/{{cid}}",
        uri.path()
    ))
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    Failure::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}; the Allow header names what it takes", uri.path()),
    )
}
