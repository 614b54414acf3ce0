//! The aggregator's IPFS gateway: files as they were uploaded, and their blocks or CARs.

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use cid::Cid;
use raas_retrieval::{Error, FileBody};
use serde::Deserialize;

use super::{Aggregator, routes::failure, settings::Switch};
use crate::providers::{
    dag::{self, Scope},
    range::{self, Wanted},
};

#[derive(Debug, Deserialize)]
pub(super) struct GatewayQuery {
    format: Option<String>,
}

pub(super) async fn gateway(
    State(aggregator): State<Aggregator>,
    Path(cid): Path<String>,
    Query(query): Query<GatewayQuery>,
    headers: HeaderMap,
) -> Response {
    aggregator.count("gateway");
    if aggregator.settings().gateway == Switch::Off {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "the gateway is switched off");
    }
    let Ok(cid) = cid.parse::<Cid>() else {
        return failure(StatusCode::BAD_REQUEST, "that is no CID");
    };
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let answer = match query.format.as_deref() {
        None => file(&aggregator, &cid, range).await,
        Some("raw") => raw(&aggregator, &cid).await,
        Some("car") => car(&aggregator, &cid).await,
        Some(_) => return failure(StatusCode::BAD_REQUEST, "format must be car or raw"),
    };
    match answer {
        Ok(Some(response)) => response,
        Ok(None) => failure(StatusCode::NOT_FOUND, &format!("{cid} is not stored here")),
        Err(error @ Error::NotAFile { .. }) => failure(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

type Answer = Result<Option<Response>, Error>;

async fn file(aggregator: &Aggregator, cid: &Cid, range: Option<&str>) -> Answer {
    let blobs = &aggregator.shared.blobs;
    let Some(FileBody { total, stream }) = blobs.file(cid, None).await? else { return Ok(None) };
    let range = match range::parse(range, total) {
        Wanted::All => return Ok(Some(sized(StatusCode::OK, total, Body::from_stream(stream)))),
        Wanted::Part(range) => range,
        Wanted::Unsatisfiable => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return Ok(Some((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()));
        }
    };
    let Some(part) = blobs.file(cid, Some(range.clone())).await? else { return Ok(None) };
    let len = range.end - range.start;
    let body = sized(StatusCode::PARTIAL_CONTENT, len, Body::from_stream(part.stream));
    let text = format!("bytes {}-{}/{total}", range.start, range.end - 1);
    Ok(Some(([(header::CONTENT_RANGE, text)], body).into_response()))
}

fn sized(status: StatusCode, len: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, len.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    (status, headers, body).into_response()
}

/// One block: a root of the blob store's, or any block of a payload that was packed.
async fn raw(aggregator: &Aggregator, cid: &Cid) -> Answer {
    let block = match aggregator.shared.blobs.block(cid).await? {
        Some(block) => block,
        None => match aggregator.shared.providers.library().segment_with(cid) {
            Some(segment) => dag::block(&segment, cid).await?,
            None => return Ok(None),
        },
    };
    Ok(Some(([(header::CONTENT_TYPE, "application/vnd.ipld.raw")], block).into_response()))
}

async fn car(aggregator: &Aggregator, cid: &Cid) -> Answer {
    let body = match aggregator.shared.blobs.car(cid).await? {
        Some(car) => Body::from_stream(car),
        None => match aggregator.shared.providers.library().segment_with(cid) {
            Some(segment) => Body::from_stream(dag::car(segment, *cid, Scope::All)),
            None => return Ok(None),
        },
    };
    let content_type = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
    Ok(Some(([(header::CONTENT_TYPE, content_type)], body).into_response()))
}
