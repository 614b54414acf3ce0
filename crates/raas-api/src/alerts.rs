//! `GET /v1/alerts`: what an operator should know now.

use std::sync::Arc;

use axum::{Json, extract::State};
use raas_api_types::{AlertList, AlertView};
use raas_runtime::Alert;
use raas_types::ChainEpoch;

use crate::face::Shared;

/// `GET /v1/alerts`: all that stand; a node keeps a thousand at most.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<AlertList> {
    let standing = shared.node().alerts_standing();
    Json(AlertList { alerts: standing.into_iter().map(view).collect() })
}

fn view(alert: Alert) -> AlertView {
    AlertView {
        code: alert.code.name().to_owned(),
        about: alert.about,
        words: alert.words,
        since: alert.since.map(ChainEpoch::get),
    }
}
