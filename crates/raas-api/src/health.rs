//! Whether the process serves, and whether the node works. No token: for probes.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use raas_api_types::{EndpointView, Ready};
use raas_runtime::EndpointStatus;
use serde_json::json;

use crate::{face::Shared, problem::Failure};

/// `GET /healthz`: always 200.
pub(crate) async fn healthz() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: 200 when the last pass got through the gate, with the endpoints of the chain and why
/// those are not believed that are not; else 503 with the reason. One that orders nothing because too
/// much seems lost watches on, and says so.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Json<Ready>, Failure> {
    let status = shared.node().status();
    match (status.gated, status.epoch) {
        (None, Some(epoch)) => {
            let endpoints = shared.node().endpoints_status().into_iter().map(endpoint).collect();
            let spending_stopped = shared.node().spending_stopped().map(|s| s.why.to_string());
            let status = "ready".to_owned();
            Ok(Json(Ready { status, epoch: epoch.get(), endpoints, spending_stopped }))
        }
        (Some(reason), _) => Err(not_ready(reason)),
        (None, None) => Err(not_ready("no pass has been run yet".to_owned())),
    }
}

fn endpoint(EndpointStatus { endpoint, set_aside, .. }: EndpointStatus) -> EndpointView {
    EndpointView { endpoint, set_aside }
}

fn not_ready(reason: String) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason)
}
