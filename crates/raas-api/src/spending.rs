//! `/v1/spending`: why nothing is ordered, where the breaker has tripped, and an operator's word that it
//! is to go on.

use std::sync::Arc;

use axum::{Json, extract::State};
use raas_api_types::{Resumed, Spending};

use crate::{convert, face::Shared, problem::Failure};

/// `GET /v1/spending`. What stopped a node before it was started anew it knows from its first pass on.
pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Json<Spending> {
    let stopped = shared.node().spending_stopped().as_ref().map(convert::stop);
    Json(Spending { stopped })
}

/// `POST /v1/spending/resume`: 200 also where nothing was stopped. No body is asked for.
pub(crate) async fn resume(State(shared): State<Arc<Shared>>) -> Result<Json<Resumed>, Failure> {
    let resumed = shared.node().spending_stopped().as_ref().map(convert::stop);
    shared.node().resume_spending().await?;
    Ok(Json(Resumed { resumed }))
}
