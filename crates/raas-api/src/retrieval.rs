//! `GET` and `HEAD /ipfs/{cid}`: the file, the DAG as a CAR, or the root block.
//!
//! What is not here is fetched from wherever it can be had and verified before the first byte goes
//! out; headers say who had it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, response::Builder},
    response::Response,
};
use raas_runtime::{
    Retrieved,
    retrieval::{BlobStat, LOCAL},
};
use raas_types::Cid;

use crate::{
    auth::{Caller, unauthorized},
    face::Shared,
    flights::Outcome,
    problem::Failure,
    query::Parameters,
    range::Wanted,
    terms,
};

/// Who had the bytes.
const SOURCE: HeaderName = HeaderName::from_static("x-raas-source");
/// Who was asked before and what they said: one header for each.
const TRIED: HeaderName = HeaderName::from_static("x-raas-tried");
/// How many of those are shown, and how many characters of each: with names and punctuation below
/// the 8 KiB that many clients allow for all headers.
const TRIED_SHOWN: usize = 16;
const TRIED_CHARS: usize = 256;
/// `GET /ipfs/{cid}`; axum answers `HEAD` with the same headers.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path(text) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let cid = terms::cid(&text).map_err(Failure::bad_request)?;
    let format = Format::wanted(Parameters::any(&uri)?.get("format"), &headers)?;
    let etag = format.etag(&cid);
    let response = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::CACHE_CONTROL, cache_control(&shared))
        .header(header::VARY, "Accept")
        // Strangers' bytes on our origin: no browser is to take them for a page of ours.
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    if matches_etag(headers.get(header::IF_NONE_MATCH), &etag) {
        return finish(response.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    let retrieved = obtain(&shared, caller, &cid).await?;
    let response = said_by(response, &retrieved);
    match format {
        Format::File => file(&shared, response, &cid, &headers, &etag).await,
        Format::Car => car(&shared, response, &cid).await,
        Format::Raw => raw(&shared, response, &cid).await,
    }
}

/// `GET /ipfs/{cid}/{path}`: not served, and said so.
pub(crate) async fn no_paths() -> Failure {
    Failure::not_found(
        "paths below a CID are not served: ask for the CID of the file itself, or for the whole \
         directory with ?format=car",
    )
}

/// Sees to it that the bytes are here.
async fn obtain(shared: &Arc<Shared>, caller: Caller, cid: &Cid) -> Outcome {
    let node = shared.node();
    if node.blobs().has(cid).await {
        return Ok(Retrieved { by: LOCAL.to_owned(), tried: Vec::new() });
    }
    // Strangers may not make the node fetch just anything.
    if caller == Caller::Stranger && !node.has_job(cid).await? {
        return Err(unauthorized(false));
    }
    shared.flights.join(cid, fetch(shared.clone(), *cid)).await
}

async fn fetch(shared: Arc<Shared>, cid: Cid) -> Outcome {
    let busy = || Failure::busy("too much is being fetched at once: try again in a while");
    let _place = shared.fetches.try_acquire().map_err(|_| busy())?;
    Ok(shared.node().retrieve(&cid).await?)
}

async fn file(
    shared: &Shared,
    response: Builder,
    cid: &Cid,
    headers: &HeaderMap,
    etag: &str,
) -> Result<Response, Failure> {
    let total = stat(shared, cid).await?.file_bytes;
    let range = headers.get(header::RANGE).filter(|_| if_range(headers, etag));
    let wanted = Wanted::of(range.and_then(|range| range.to_str().ok()), total.unwrap_or(0));
    let (status, part) = match wanted {
        Wanted::Whole => (StatusCode::OK, None),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Wanted::Nothing if total.is_some() => return Err(beyond_the_end(total.unwrap_or(0))),
        Wanted::Nothing => (StatusCode::OK, None),
    };
    let body = shared.node().blobs().file(cid, part.clone()).await?.ok_or_else(|| gone(cid))?;
    let part_of = part.clone().unwrap_or(0..body.total);
    let mut response = response
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, part_of.end - part_of.start);
    if part.is_some() {
        let content = format!("bytes {}-{}/{}", part_of.start, part_of.end - 1, body.total);
        response = response.header(header::CONTENT_RANGE, content);
    }
    finish(response, Body::from_stream(body.stream))
}

async fn car(shared: &Shared, response: Builder, cid: &Cid) -> Result<Response, Failure> {
    let stat = stat(shared, cid).await?;
    let stream = shared.node().blobs().car(cid).await?.ok_or_else(|| gone(cid))?;
    let response = response
        .header(header::CONTENT_TYPE, "application/vnd.ipld.car; version=1; order=dfs; dups=n")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{cid}.car\""))
        .header(header::ACCEPT_RANGES, "none")
        .header(header::CONTENT_LENGTH, stat.car_bytes);
    finish(response, Body::from_stream(stream))
}

async fn raw(shared: &Shared, response: Builder, cid: &Cid) -> Result<Response, Failure> {
    let block = shared.node().blobs().block(cid).await?.ok_or_else(|| gone(cid))?;
    let response = response
        .header(header::CONTENT_TYPE, "application/vnd.ipld.raw")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{cid}.bin\""))
        .header(header::ACCEPT_RANGES, "none")
        .header(header::CONTENT_LENGTH, block.len());
    finish(response, Body::from(block))
}

async fn stat(shared: &Shared, cid: &Cid) -> Result<BlobStat, Failure> {
    shared.node().blobs().stat(cid).await?.ok_or_else(|| gone(cid))
}

/// Removed while we were about to send it.
fn gone(cid: &Cid) -> Failure {
    Failure::busy(format!("{cid} was removed from the store just now: ask again"))
}

fn finish(response: Builder, body: Body) -> Result<Response, Failure> {
    response
        .body(body)
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    File,
    Car,
    Raw,
}

impl Format {
    /// The query decides; without it, the `Accept` header.
    fn wanted(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Failure> {
        match query {
            Some("car") => return Ok(Self::Car),
            Some("raw") => return Ok(Self::Raw),
            Some(other) => {
                return Err(Failure::bad_request(format!(
                    "format is {other:?}: give car or raw, or leave it out for the file"
                )));
            }
            None => {}
        }
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        let media = accepts.flat_map(|value| value.split(','));
        let mut formats = media.filter_map(|media| match media.split(';').next()?.trim() {
            "application/vnd.ipld.car" => Some(Self::Car),
            "application/vnd.ipld.raw" => Some(Self::Raw),
            _ => None,
        });
        Ok(formats.next().unwrap_or(Self::File))
    }

    fn etag(self, cid: &Cid) -> String {
        match self {
            Self::File => format!("\"{cid}\""),
            Self::Car => format!("\"{cid}.car\""),
            Self::Raw => format!("\"{cid}.raw\""),
        }
    }
}

/// A CID names its bytes for ever; shared caches may keep what strangers may read.
fn cache_control(shared: &Shared) -> &'static str {
    if shared.face.public_retrieval {
        "public, max-age=29030400, immutable"
    } else {
        "private, max-age=29030400, immutable"
    }
}

fn matches_etag(header: Option<&HeaderValue>, etag: &str) -> bool {
    let Some(list) = header.and_then(|value| value.to_str().ok()) else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Whether a range still means the same file: always, unless the client thinks of another.
fn if_range(headers: &HeaderMap, etag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes())
}

fn beyond_the_end(total: u64) -> Failure {
    let failure = Failure::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        format!("the file has {total} bytes: ask for a range within them"),
    );
    match HeaderValue::from_str(&format!("bytes */{total}")) {
        Ok(value) => failure.with(header::CONTENT_RANGE, value),
        Err(_) => failure,
    }
}

fn said_by(response: Builder, Retrieved { by, tried }: &Retrieved) -> Builder {
    let response = response.header(SOURCE, header_text(by));
    let shown = tried.iter().take(TRIED_SHOWN);
    shown.fold(response, |response, tried| response.header(TRIED, header_text(tried)))
}

/// What others said, fit for a header: printable ASCII of bounded length.
fn header_text(text: &str) -> String {
    let printable = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    text.chars().take(TRIED_CHARS).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_query_or_else_the_accept_header_says_what_is_wanted() {
        let wanted = |query, headers: &HeaderMap| Format::wanted(query, headers).ok();
        assert_eq!(wanted(None, &HeaderMap::new()), Some(Format::File));
        assert_eq!(wanted(None, &accept("text/html, */*")), Some(Format::File));
        let car = accept("application/vnd.ipld.car; version=1, */*;q=0.1");
        assert_eq!(wanted(None, &car), Some(Format::Car));
        assert_eq!(wanted(Some("raw"), &car), Some(Format::Raw));
        assert_eq!(wanted(None, &accept("application/vnd.ipld.raw")), Some(Format::Raw));
        assert_eq!(wanted(Some("tar"), &car), None);
    }

    #[test]
    fn what_others_said_cannot_break_a_header() {
        assert_eq!(header_text("a\r\nSet-Cookie: x\u{1f4a3}"), "a??Set-Cookie: x?");
        assert_eq!(header_text(&"x".repeat(10_000)).len(), TRIED_CHARS);
    }

    #[test]
    fn an_etag_is_found_in_a_list_and_behind_a_weakness() {
        let header = |value| Some(HeaderValue::from_static(value));
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(matches_etag(header(value).as_ref(), "\"a\""), "{value}");
        }
        assert!(!matches_etag(header("\"ab\"").as_ref(), "\"a\""));
        assert!(!matches_etag(None, "\"a\""));
    }
}
