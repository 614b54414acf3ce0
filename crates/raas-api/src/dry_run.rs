//! `POST /register_jobs?dry_run=true`: what would become of jobs, with nothing kept.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use raas_api_types::{DryRunProblem, DryRunResponse, DryRunResult, DryRunStatus};
use raas_runtime::{Evaluation, RegisterError, Registration};
use serde_json::Value;

use crate::{convert, face::Shared, jobs::none_accepted, problem, terms};

/// The same statuses as the real thing: 200 when any would be accepted.
pub(crate) async fn evaluate(shared: &Shared, jobs: &[Value]) -> Response {
    let now = shared.node().status().epoch;
    let read = |job| terms::request(job).and_then(|request| terms::job(&request, now));
    let asked: Vec<_> = jobs.iter().map(read).collect();
    let readable = asked.iter().flatten().cloned().collect();
    let mut evaluations = shared.node().evaluate_all(readable).await.into_iter();
    let mut results = Vec::with_capacity(jobs.len());
    let mut failed = StatusCode::BAD_REQUEST;
    for (job, asked) in jobs.iter().zip(asked) {
        let cid = job.get("cid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let evaluated = match asked {
            Ok(_) => evaluations.next(),
            Err(complaints) => {
                results.push(refused(cid, complaints.join("; ")));
                continue;
            }
        };
        results.push(match evaluated {
            Some(Ok(evaluation)) => accepted(cid, &evaluation),
            Some(Err(error)) => {
                if matches!(error, RegisterError::Store(_)) {
                    failed = StatusCode::SERVICE_UNAVAILABLE;
                }
                refused(cid, error.to_string())
            }
            None => refused(cid, "it was not evaluated: send it again".to_owned()),
        });
    }
    if results.iter().any(|result| result.status != DryRunStatus::Error) {
        return Json(DryRunResponse { results }).into_response();
    }
    let errors: Vec<_> = results.iter().filter_map(|result| result.error.as_deref()).collect();
    let problem = none_accepted(failed, &errors);
    problem::respond(failed, &DryRunProblem { problem, results })
}

fn accepted(cid: String, evaluation: &Evaluation) -> DryRunResult {
    let outlook = evaluation.outlook.as_ref();
    DryRunResult {
        id: Some(evaluation.id.to_string()),
        cid,
        status: match evaluation.registration {
            Registration::Created => DryRunStatus::WouldCreate,
            Registration::Existing => DryRunStatus::Existing,
        },
        warnings: evaluation.warnings.iter().map(ToString::to_string).collect(),
        error: None,
        plan: outlook.ok().map(convert::outlook),
        unseen: outlook.err().cloned(),
        cannot: evaluation.cannot.iter().map(convert::obstacle).collect(),
    }
}

fn refused(cid: String, error: String) -> DryRunResult {
    DryRunResult {
        id: None,
        cid,
        status: DryRunStatus::Error,
        warnings: Vec::new(),
        error: Some(error),
        plan: None,
        unseen: None,
        cannot: Vec::new(),
    }
}
