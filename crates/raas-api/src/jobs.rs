//! Registering, listing, showing and removing jobs.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use raas_api_types::{
    JobList, JobView, Problem, RegisterProblem, RegisterResponse, RegisterResult, RegisterStatus,
};
use raas_runtime::{RegisterError, Registration};
use raas_types::JobId;
use serde_json::Value;

use crate::{
    body, convert, dry_run,
    face::Shared,
    keys::Use,
    problem::{self, Failure},
    query::Parameters,
    terms,
};

/// Jobs in one request at most: each costs a durable write of some milliseconds, so that 1000 are
/// done in a few seconds.
const JOBS_AT_ONCE: usize = 1000;
/// Jobs on a page when nothing is said, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

/// `POST /register_jobs?dry_run=`: one job or an array. 200 when any was accepted. A dry run keeps
/// nothing and tells what would become of them; it is no use of an idempotency key.
pub(crate) async fn register(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let is_dry = is_dry_run(&uri)?;
    let (bytes, value) = body::json(&headers, body).await?;
    let key = Use::of(&headers, &bytes)?.filter(|_| !is_dry);
    if let Some(key) = &key {
        shared.keys.check(key)?;
    }
    let jobs = match value {
        Value::Array(jobs) => jobs,
        one => vec![one],
    };
    if jobs.is_empty() || jobs.len() > JOBS_AT_ONCE {
        return Err(Failure::bad_request(format!(
            "the array holds {} jobs: send 1 to {JOBS_AT_ONCE} at once",
            jobs.len()
        )));
    }
    if is_dry {
        return Ok(dry_run::evaluate(&shared, &jobs).await);
    }
    let mut results = Vec::with_capacity(jobs.len());
    let mut failed = StatusCode::BAD_REQUEST;
    for job in &jobs {
        let (result, status) = register_one(&shared, job).await;
        failed = failed.max(status);
        results.push(result);
    }
    if results.iter().all(|result| result.status == RegisterStatus::Error) {
        let errors: Vec<_> = results.iter().filter_map(|result| result.error.as_deref()).collect();
        let problem = none_accepted(failed, &errors);
        return Ok(problem::respond(failed, &RegisterProblem { problem, results }));
    }
    if let Some(key) = key {
        shared.keys.remember(key);
    }
    Ok(Json(RegisterResponse { results }).into_response())
}

/// `GET /v1/jobs?after=&limit=`.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Json<JobList>, Failure> {
    let parameters = Parameters::only(&uri, &["after", "limit"])?;
    let limit = match parameters.get("limit").map(str::parse) {
        None => PAGE,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => {
            return Err(Failure::bad_request(format!(
                "limit must be a whole number from 1 to {PAGE_MAX}"
            )));
        }
    };
    let after = parameters.get("after").filter(|after| !after.is_empty()).map(JobId::new);
    // One more than asked for tells whether there is another page.
    let mut found = shared.node().jobs(after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let jobs: Vec<JobView> = found
        .iter()
        .map(|found| {
            let record = &found.value.record;
            convert::job(&found.value.job, record.submission, record.next_look)
        })
        .collect();
    let next = jobs.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(JobList { jobs, next }))
}

/// `GET /v1/jobs/{id}`.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<JobView>, Failure> {
    let node = shared.node();
    let status = node.job_status(&job_id(id)?).await?;
    let decided = node.decisions(Some(status.stored.job.cid), None, 1).await?;
    Ok(Json(convert::status(&status, decided.first())))
}

/// `DELETE /v1/jobs/{id}`.
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    shared.node().remove_job(&job_id(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn job_id(path: Result<Path<String>, PathRejection>) -> Result<JobId, Failure> {
    let Path(id) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    Ok(JobId::new(id))
}

/// What became of one job, and the status it deserves alone.
async fn register_one(shared: &Shared, job: &Value) -> (RegisterResult, StatusCode) {
    let cid = job.get("cid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let refused = |cid, error, status| {
        let warnings = Vec::new();
        let error = Some(error);
        (RegisterResult { id: None, cid, status: RegisterStatus::Error, warnings, error }, status)
    };
    let now = shared.node().status().epoch;
    let asked = terms::request(job).and_then(|request| terms::job(&request, now));
    let (data, terms) = match asked {
        Ok(asked) => asked,
        Err(complaints) => return refused(cid, complaints.join("; "), StatusCode::BAD_REQUEST),
    };
    match shared.node().register(data, terms).await {
        Ok(registered) => {
            let status = match registered.registration {
                Registration::Created => RegisterStatus::Created,
                Registration::Existing => RegisterStatus::Existing,
            };
            let warnings = registered.warnings.iter().map(ToString::to_string).collect();
            let id = Some(registered.job.id.to_string());
            (RegisterResult { id, cid, status, warnings, error: None }, StatusCode::OK)
        }
        Err(error @ RegisterError::Terms(_)) => {
            refused(cid, error.to_string(), StatusCode::BAD_REQUEST)
        }
        Err(error @ RegisterError::Store(_)) => {
            refused(cid, error.to_string(), StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// What went wrong where no job was accepted.
pub(crate) fn none_accepted(status: StatusCode, errors: &[&str]) -> Problem {
    let detail = match errors {
        [] => "none of the jobs was accepted".to_owned(),
        [one] => (*one).to_owned(),
        [first, ..] => {
            format!("none of the {} jobs was accepted; the first: {first}", errors.len())
        }
    };
    problem::problem(status, detail)
}

/// A misspelt query must not register for good what was to be tried.
fn is_dry_run(uri: &Uri) -> Result<bool, Failure> {
    match Parameters::only(uri, &["dry_run"])?.get("dry_run") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Failure::bad_request("dry_run must be true or false")),
    }
}
