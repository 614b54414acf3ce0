//! JSON bodies: of the right type, below the limit, well formed.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::Value;

use crate::problem::Failure;

/// The largest JSON body: 1000 jobs of some 300 bytes are 300 KB; three times that leaves room.
pub(crate) const JSON_BYTES: u64 = 1 << 20;

/// How long a JSON body may take to arrive: 1 MiB at 35 KB/s.
const JSON_PATIENCE: Duration = Duration::from_secs(30);

/// Reads a JSON body; answers the bytes too.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<(Bytes, Value), Failure> {
    require_json(headers)?;
    if content_length(headers).is_some_and(|length| length > JSON_BYTES) {
        return Err(too_large());
    }
    let bytes = tokio::time::timeout(JSON_PATIENCE, read(body)).await.map_err(|_| {
        Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive: send it again")
    })??;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::bad_request(format!("the body is not valid JSON: {error}")))?;
    Ok((bytes, value))
}

/// The length that a request claims for its body, in bytes.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The media type of a request's body, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

fn require_json(headers: &HeaderMap) -> Result<(), Failure> {
    let given = media_type(headers);
    match &given {
        Some(media) if media == "application/json" || media.ends_with("+json") => Ok(()),
        _ => Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "the body is {}: send JSON, with the header \"Content-Type: application/json\"",
                given.as_deref().unwrap_or("of no stated type")
            ),
        )),
    }
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(next) = stream.next().await {
        let next = next.map_err(|error| {
            Failure::bad_request(format!("the body was cut short ({error}): send it again"))
        })?;
        if (bytes.len() + next.len()) as u64 > JSON_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&next);
    }
    Ok(bytes.freeze())
}

fn too_large() -> Failure {
    Failure::too_large(format!(
        "the body is larger than {JSON_BYTES} bytes: send fewer jobs at once"
    ))
}
