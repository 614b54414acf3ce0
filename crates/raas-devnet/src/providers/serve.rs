//! One provider's HTTP server: pieces as booster-http serves them, blocks and CARs as a trustless
//! gateway does.
//!
//! Only what a sector of this provider holds is there. Content by path, `entity-bytes` and
//! compression are left out.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body as HttpBody,
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::{Bytes, BytesMut};
use cid::Cid;
use futures::{StreamExt, stream};
use raas_types::ProviderId;
use serde::Deserialize;
use serde_json::json;

use super::{
    dag::{self, Scope},
    library::{Body, Library, StoredPiece},
    range::{self, Wanted},
    switches::Switches,
};
use crate::chain::{SharedWorld, lock};

/// The state of one provider's server.
#[derive(Clone)]
pub(super) struct Server {
    id: ProviderId,
    world: SharedWorld,
    library: Arc<Library>,
    switches: Arc<Switches>,
}

impl Server {
    pub(super) fn new(
        id: ProviderId,
        world: SharedWorld,
        library: Arc<Library>,
        switches: Arc<Switches>,
    ) -> Self {
        Self { id, world, library, switches }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/piece/{cid}", get(piece))
            .route("/ipfs/{cid}", get(ipfs))
            .route("/info", get(info))
            .with_state(self)
    }

    fn holds(&self, piece: &StoredPiece) -> bool {
        lock(&self.world).provider_holds(self.id, &piece.piece.cid)
    }

    /// The body as it leaves this provider: counted, and spoiled where the provider is corrupt.
    fn send(&self, body: Body) -> HttpBody {
        let switches = self.switches.clone();
        HttpBody::from_stream(body.map(move |chunk| {
            let chunk = chunk?;
            switches.count_bytes(chunk.len() as u64);
            Ok::<_, std::io::Error>(if switches.is_corrupt() { spoiled(chunk) } else { chunk })
        }))
    }
}

/// The last byte of every chunk is another one: wrong in every block that is large, and in the data
/// rather than the header of a small CAR.
fn spoiled(chunk: Bytes) -> Bytes {
    let mut bytes = BytesMut::from(chunk);
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes.freeze()
}

async fn info(State(server): State<Server>) -> Response {
    Json(json!({ "Version": "raas-devnet", "Provider": server.id.to_string() })).into_response()
}

async fn piece(
    State(server): State<Server>,
    Path(cid): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(cid) = cid.parse::<Cid>() else {
        return (StatusCode::BAD_REQUEST, "that is no piece CID\n").into_response();
    };
    let held = server.library.piece(&cid).filter(|piece| server.holds(piece));
    let Some(piece) = held else {
        let error = format!("piece {cid}: none are unsealed\n");
        return (StatusCode::NOT_FOUND, error).into_response();
    };
    let len = piece.len();
    let common = [
        (header::CONTENT_TYPE, "application/piece".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{cid}\"")),
    ];
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match range::parse(wanted, len) {
        Wanted::All => (StatusCode::OK, 0..len),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{len}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    let length = [(header::CONTENT_LENGTH, (range.end - range.start).to_string())];
    let mut part = HeaderMap::new();
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        part.extend(text.parse().ok().map(|value| (header::CONTENT_RANGE, value)));
    }
    let body = if method == Method::HEAD {
        HttpBody::empty()
    } else {
        server.switches.count_piece();
        server.send(piece.read(range))
    };
    (status, common, length, part, body).into_response()
}

#[derive(Debug, Deserialize)]
struct IpfsQuery {
    format: Option<String>,
    #[serde(rename = "dag-scope")]
    dag_scope: Option<String>,
}

/// The two forms in which a trustless gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Car,
    Raw,
}

impl Format {
    /// What is asked for; `format` wins over `Accept`.
    fn wanted(query: &IpfsQuery, headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        match (query.format.as_deref(), accept) {
            (Some("car"), _) => Some(Self::Car),
            (Some("raw"), _) => Some(Self::Raw),
            (None, Some(accept)) if accept.contains("application/vnd.ipld.car") => Some(Self::Car),
            (None, Some(accept)) if accept.contains("application/vnd.ipld.raw") => Some(Self::Raw),
            _ => None,
        }
    }
}

async fn ipfs(
    State(server): State<Server>,
    Path(cid): Path<String>,
    Query(query): Query<IpfsQuery>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(cid) = cid.parse::<Cid>() else {
        return (StatusCode::BAD_REQUEST, "that is no CID\n").into_response();
    };
    let Some(format) = Format::wanted(&query, &headers) else {
        let error = "this gateway is trustless: ask for ?format=car or ?format=raw\n";
        return (StatusCode::NOT_ACCEPTABLE, error).into_response();
    };
    let pieces = server.library.holding(&cid);
    let Some(piece) = pieces.iter().find(|piece| server.holds(piece)) else {
        return (StatusCode::NOT_FOUND, format!("{cid} is in no piece here\n")).into_response();
    };
    let segment = piece.segment.clone();
    let scope = match query.dag_scope.as_deref() {
        Some("block") => Scope::Block,
        _ => Scope::All,
    };
    let (content_type, body) = match format {
        Format::Car => (
            "application/vnd.ipld.car; version=1; order=dfs; dups=n",
            dag::car(segment, cid, scope),
        ),
        Format::Raw => {
            let block = async move { dag::block(&segment, &cid).await };
            ("application/vnd.ipld.raw", stream::once(block).boxed())
        }
    };
    let etag = format!("\"{cid}.{format:?}\"");
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::ETAG, etag),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if method == Method::HEAD {
        return headers.into_response();
    }
    server.switches.count_blocks();
    (headers, server.send(body)).into_response()
}
