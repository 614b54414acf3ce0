//! Errors as JSON problem details, and which status each deserves.

use std::io;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use raas_api_types::Problem;
use raas_runtime::{RegisterError, RuntimeError, retrieval};
use serde::Serialize;

/// The media type of problem details (RFC 9457).
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that was not done.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// `detail` says what went wrong and what to change.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A place that is taken for now.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        let later = HeaderValue::from_static("10");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, later)
    }

    pub(crate) fn problem(&self) -> Problem {
        problem(self.status, self.detail.clone())
    }
}

/// Problem details with the status's own title.
pub(crate) fn problem(status: StatusCode, detail: String) -> Problem {
    let title = status.canonical_reason().unwrap_or("Problem").to_owned();
    Problem { title, status: status.as_u16(), detail }
}

/// An answer of problem details, or of something that begins with them.
pub(crate) fn respond(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(status = %self.status, detail = %self.detail, "a request failed");
        }
        let mut response = respond(self.status, &self.problem());
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<raas_runtime::RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let status = match &error {
            RegisterError::Terms(_) => StatusCode::BAD_REQUEST,
            RegisterError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::NoSuchJob(_) => {
                Self::not_found(format!("{error}: GET /v1/jobs lists them"))
            }
            RuntimeError::Store(error) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            RuntimeError::Data(error) => error.into(),
            RuntimeError::Unavailable(error) => error.into(),
        }
    }
}

impl From<retrieval::Unavailable> for Failure {
    /// 404 when all who were asked know nothing of it, 504 when some could not say or sent rubbish.
    fn from(error: retrieval::Unavailable) -> Self {
        use retrieval::Error;
        let status = |error: &Error| match error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Error::Unsupported { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::GATEWAY_TIMEOUT,
        };
        let worst = error.attempts.iter().map(|attempt| status(&attempt.error)).max();
        Self::new(worst.unwrap_or(StatusCode::NOT_FOUND), error.to_string())
    }
}

impl From<retrieval::Error> for Failure {
    fn from(error: retrieval::Error) -> Self {
        use retrieval::Error;
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unsupported { .. } => StatusCode::BAD_REQUEST,
            Error::NotAFile { .. } => return not_a_file(&error),
            Error::Interrupted(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                StatusCode::REQUEST_TIMEOUT
            }
            Error::Interrupted(_) => StatusCode::BAD_REQUEST,
            Error::Store(cause) if cause.kind() == io::ErrorKind::StorageFull => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

fn not_a_file(error: &retrieval::Error) -> Failure {
    Failure::new(StatusCode::NOT_ACCEPTABLE, format!("{error}, by adding ?format=car"))
}
