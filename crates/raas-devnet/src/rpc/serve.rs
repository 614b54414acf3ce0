//! The endpoint's HTTP side: who may ask, and the ways in which a node fails its clients.

use std::{io, sync::atomic::Ordering, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{Endpoint, envelope, mode::RpcMode};
use crate::config::NodeKind;

/// What a node says that has broken down and does not know it. No JSON, nor UTF-8.
const GARBAGE: &[u8] = b"<html>\xff\xfe502 Bad Gateway: upstream sent \x00\x9d nonsense</html>";
/// Added to ids that are numbers: no client counts so far in one request.
const ID_OFFSET: u64 = 1 << 40;

/// Who sends a request.
enum Caller {
    /// Somebody: may read.
    Reader,
    /// The owner of the node's token: may do everything.
    Owner,
}

/// `POST /rpc/v1`.
pub(super) async fn serve(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _in_progress = InProgress::count(&endpoint);
    let refused = |response: Response| {
        endpoint.counters().refused += 1;
        response
    };
    let Some(mode) = mode_of_answer(&endpoint).await else {
        return refused(StatusCode::SERVICE_UNAVAILABLE.into_response());
    };
    match mode {
        RpcMode::Down => return refused(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        RpcMode::TooManyRequests { retry_after } => {
            let retry = [(header::RETRY_AFTER, retry_after.to_string())];
            return refused((StatusCode::TOO_MANY_REQUESTS, retry).into_response());
        }
        RpcMode::Garbage => return json_response(200, Body::from(GARBAGE)),
        _ => {}
    }
    let Some(caller) = caller(&endpoint, &headers) else {
        return refused(StatusCode::UNAUTHORIZED.into_response());
    };
    let dialect = endpoint.shared.dialect;
    if dialect.jsonrpsee && !says_json(&headers) {
        let text =
            "Supplied content type is not allowed. Content-Type: application/json is required\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let owner = matches!(caller, Caller::Owner);
    let answer = envelope::answer(&body, dialect, |request| match request {
        envelope::Request::Batch(entries) => {
            let mut counters = endpoint.counters();
            counters.batches += 1;
            counters.longest_batch = counters.longest_batch.max(entries as u64);
            Ok(Value::Null)
        }
        envelope::Request::Call { method, params } => endpoint.call(method, params, mode, owner),
    });
    send(answer, mode)
}

/// A request from its arrival to its answer, or to the end of a client's patience.
struct InProgress(Endpoint);

impl InProgress {
    fn count(endpoint: &Endpoint) -> Self {
        let at_once = 1 + endpoint.shared.in_progress.fetch_add(1, Ordering::SeqCst);
        let mut counters = endpoint.counters();
        counters.requests += 1;
        counters.most_at_once = counters.most_at_once.max(at_once);
        Self(endpoint.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.shared.in_progress.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits as long as a node in that mode does, and answers how to go on; `None` when the devnet
/// stops before.
async fn mode_of_answer(endpoint: &Endpoint) -> Option<RpcMode> {
    let mut modes = endpoint.shared.mode.subscribe();
    let mode = {
        let awake = modes.wait_for(|mode| *mode != RpcMode::Hang);
        *endpoint.shared.stop.run_until_cancelled(awake).await?.ok()?
    };
    if let RpcMode::Slow { milliseconds } = mode {
        let pause = tokio::time::sleep(Duration::from_millis(milliseconds));
        endpoint.shared.stop.run_until_cancelled(pause).await?;
    }
    Some(mode)
}

/// Who asks; `None` for a token that the node does not know.
fn caller(endpoint: &Endpoint, headers: &HeaderMap) -> Option<Caller> {
    let known = endpoint.shared.token.as_deref();
    let sent = headers.get(header::AUTHORIZATION);
    let is_gateway = endpoint.shared.dialect.kind == NodeKind::Gateway;
    match (sent, known) {
        (_, None) if is_gateway => Some(Caller::Reader),
        (None, _) => (!is_gateway).then_some(Caller::Reader),
        (Some(sent), known) => {
            let sent = sent.to_str().ok()?.strip_prefix("Bearer ")?;
            (Some(sent) == known).then_some(Caller::Owner)
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

fn send(mut answer: envelope::Answer, mode: RpcMode) -> Response {
    distort(&mut answer.body, mode);
    let text = answer.body.text();
    if mode == RpcMode::Truncated {
        return truncated(answer.status, text);
    }
    json_response(answer.status, Body::from(text))
}

/// What some modes do to the replies.
fn distort(body: &mut envelope::Body, mode: RpcMode) {
    match (mode, body) {
        (RpcMode::HalfBatches, envelope::Body::Many(replies)) => {
            let mut position = 0;
            replies.retain(|_| {
                position += 1;
                position % 2 == 1
            });
        }
        (RpcMode::Swapped, envelope::Body::Many(replies)) => replies.reverse(),
        (RpcMode::WrongIds, envelope::Body::Many(replies)) => {
            replies.iter_mut().for_each(wrong_id);
        }
        (RpcMode::WrongIds, envelope::Body::One(reply)) => wrong_id(reply),
        _ => {}
    }
}

fn wrong_id(reply: &mut Value) {
    reply["id"] = match &reply["id"] {
        Value::String(id) => json!(format!("{id}, but not quite")),
        id => json!(id.as_u64().unwrap_or_default().wrapping_add(ID_OFFSET)),
    };
}

fn json_response(status: u16, body: Body) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Half of the text under the header of the whole, then the end of the connection.
fn truncated(status: u16, text: String) -> Response {
    let length = text.len();
    let mut half = Bytes::from(text);
    half.truncate(length / 2);
    let half = futures::stream::iter([Ok::<_, io::Error>(half)]);
    // The server sends what it has while the rest lets it wait, and closes at an error.
    let rest = futures::stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("the answer ends here"))
    });
    let mut response = json_response(status, Body::from_stream(half.chain(rest)));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}
