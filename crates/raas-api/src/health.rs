//! Whether the process serves, and whether the node works. No token: for probes.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{face::Shared, problem::Failure};

/// `GET /healthz`: always 200.
pub(crate) async fn healthz() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: 200 when the last pass got through the gate, else 503 with the reason.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let status = shared.node().status();
    match (status.gated, status.epoch) {
        (None, Some(epoch)) => {
            Ok(Json(json!({ "status": "ready", "epoch": epoch })).into_response())
        }
        (Some(reason), _) => Err(not_ready(reason)),
        (None, None) => Err(not_ready("no pass has been run yet".to_owned())),
    }
}

fn not_ready(reason: String) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason)
}
