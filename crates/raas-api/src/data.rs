//! `POST /v1/data`: takes a file, keeps its bytes, and registers a job where terms are given.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use raas_api_types::Stored;
use raas_runtime::{
    RegisterError,
    retrieval::{Error, Imported},
};
use raas_types::Terms;

use crate::{body, face::Shared, problem::Failure, query::Parameters, terms, uploads};

/// How long an upload waits for a place before the client is told to come back.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(30);
/// What a form may be longer than its file: boundaries and the headers of one field.
const FORM_BYTES: u64 = 16 << 10;

/// What curl calls a body of which it is told no type. Its `-d` also drops line ends, so that a file
/// sent that way would be another one.
const GUESSED: &str = "application/x-www-form-urlencoded";

/// `POST /v1/data?replicas=&renew_within=&repair_after=&…`, with the terms of [`terms::OF_UPLOAD`]. They
/// are checked before the body is read.
pub(crate) async fn upload(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Failure> {
    let parameters = Parameters::only(request.uri(), &terms::OF_UPLOAD)?;
    let terms = terms::of_upload(&parameters)?;
    if let Some(terms) = &terms {
        shared.node().check_terms(terms).map_err(in_words_of_upload)?;
    }
    let media = body::media_type(request.headers());
    if media.as_deref() == Some(GUESSED) {
        return Err(guessed());
    }
    let is_form = media.as_deref() == Some("multipart/form-data");
    check_headers(request.headers(), &shared, is_form)?;
    let place = tokio::time::timeout(WAIT_FOR_PLACE, shared.uploads.acquire()).await;
    let Ok(Ok(_place)) = place else {
        return Err(Failure::busy("too many uploads at once: try again in a while"));
    };
    let imported = if is_form {
        let (form, bytes) = uploads::form(request).await?;
        let (fed, imported) = tokio::join!(form.feed(), import(&shared, bytes));
        fed.and(imported)?
    } else {
        import(&shared, uploads::raw(request.into_body())).await?
    };
    answer(&shared, imported, terms).await
}

async fn import(
    shared: &Shared,
    bytes: raas_runtime::retrieval::ByteStream,
) -> Result<Imported, Failure> {
    let face = &shared.face;
    let blobs = face.node.blobs();
    blobs.import(bytes, &face.import_profile, Some(face.max_upload)).await.map_err(|error| {
        match error {
            Error::TooLarge(_) => too_large(face.max_upload),
            error => error.into(),
        }
    })
}

async fn answer(
    shared: &Shared,
    Imported { cid, file_bytes, .. }: Imported,
    terms: Option<Terms>,
) -> Result<Response, Failure> {
    let mut stored =
        Stored { cid: cid.to_string(), bytes: file_bytes, job: None, warnings: Vec::new() };
    if let Some(terms) = terms {
        let registered = shared.node().register(cid, terms).await.map_err(|error| {
            Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "the bytes are kept as {cid}, but no job was registered ({error}): register it \
                     with POST /register_jobs, or send the file again"
                ),
            )
        })?;
        let warnings = registered.warnings.iter();
        stored.warnings = warnings.map(|w| terms::in_words_of_upload(&w.to_string())).collect();
        stored.job = Some(registered.job.id.to_string());
    }
    let place = HeaderValue::from_str(&format!("/ipfs/{cid}")).ok();
    let headers = HeaderMap::from_iter(place.map(|place| (header::LOCATION, place)));
    Ok((StatusCode::CREATED, headers, Json(stored)).into_response())
}

fn check_headers(headers: &HeaderMap, shared: &Shared, is_form: bool) -> Result<(), Failure> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_some_and(|value| !plain(value)) {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding is not undone here: send the bytes as they are to be stored",
        ));
    }
    let max = shared.face.max_upload;
    let limit = if is_form { max.saturating_add(FORM_BYTES) } else { max };
    match body::content_length(headers) {
        Some(length) if length > limit => Err(too_large(max)),
        _ => Ok(()),
    }
}

fn guessed() -> Failure {
    Failure::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!(
            "the body is {GUESSED}: send the bytes as application/octet-stream (curl --data-binary \
             @FILE -H 'content-type: application/octet-stream'), or a form with the field \"file\" \
             (curl -F file=@FILE)"
        ),
    )
}

fn too_large(max: u64) -> Failure {
    Failure::too_large(format!(
        "the file is larger than the limit of {max} bytes: split it, or raise the node's limit"
    ))
}

fn in_words_of_upload(error: RegisterError) -> Failure {
    let message = terms::in_words_of_upload(&error.to_string());
    match error {
        RegisterError::Terms(_) => Failure::bad_request(message),
        RegisterError::Store(_) => error.into(),
    }
}
