//! The JSON-RPC 2.0 envelope as go-jsonrpc reads and writes it (`handler.go`, `server.go`).

use serde_json::{Value, json};

use super::{dialect::Dialect, error::RpcError};

/// What the body asks for, in its order.
pub(super) enum Request<'a> {
    /// A batch begins; the answer is not used.
    Batch,
    /// A call.
    Call { method: &'a str, params: &'a [Value] },
}

/// What goes back over HTTP.
pub(super) struct Answer {
    pub status: u16,
    pub body: String,
}

/// Answers a request body, calling `handle` for each call in it, one after the other.
pub(super) fn answer(
    body: &[u8],
    dialect: Dialect,
    mut handle: impl FnMut(Request<'_>) -> Result<Value, RpcError>,
) -> Answer {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(_) if body.is_empty() => return single(dialect, RpcError::invalid_request()),
        Err(error) => {
            let message = format!("unmarshaling request: {error}");
            return single(dialect, RpcError::parse(message));
        }
    };
    let Value::Array(requests) = request else {
        let reply = reply_to(&request, dialect, &mut handle);
        return reply.map_or(Answer { status: 200, body: String::new() }, |reply| Answer {
            status: reply.status,
            body: reply.body.to_string(),
        });
    };
    if requests.is_empty() {
        return single(dialect, RpcError::invalid_request());
    }
    // Counting is all a caller can do with this; it cannot fail.
    let _ = handle(Request::Batch);
    let replies = requests.iter().filter_map(|request| reply_to(request, dialect, &mut handle));
    let replies: Vec<_> = replies.collect();
    // One element that fails at the protocol level sets the status of all.
    let status = replies.iter().map(|reply| reply.status).max().unwrap_or(200);
    let body = Value::Array(replies.into_iter().map(|reply| reply.body).collect());
    Answer { status, body: body.to_string() }
}

struct Reply {
    status: u16,
    body: Value,
}

impl Reply {
    fn error(id: Value, dialect: Dialect, error: &RpcError) -> Self {
        let body = json!({"jsonrpc": "2.0", "id": id, "error": error.to_json()});
        Self { status: dialect.status(error), body }
    }
}

fn single(dialect: Dialect, error: RpcError) -> Answer {
    let reply = Reply::error(Value::Null, dialect, &error);
    Answer { status: reply.status, body: reply.body.to_string() }
}

/// Answers one request object; a notification (no id) is run and gets none.
fn reply_to(
    request: &Value,
    dialect: Dialect,
    handle: &mut impl FnMut(Request<'_>) -> Result<Value, RpcError>,
) -> Option<Reply> {
    let id = request.get("id");
    if !request.is_object()
        || id.is_some_and(|id| id.is_boolean() || id.is_array() || id.is_object())
    {
        return Some(Reply::error(Value::Null, dialect, &RpcError::invalid_request()));
    }
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let result = match request.get("params") {
        None | Some(Value::Null) => handle(Request::Call { method, params: &[] }),
        Some(Value::Array(params)) => handle(Request::Call { method, params }),
        Some(_) => Err(RpcError::parse(format!(
            "unmarshaling params for '{method}': positional parameters (an array) are needed"
        ))),
    };
    // Go cannot tell a null id from none: both are notifications.
    let id = id.filter(|id| !id.is_null())?.clone();
    Some(match result {
        Ok(result) => {
            Reply { status: 200, body: json!({"jsonrpc": "2.0", "id": id, "result": result}) }
        }
        Err(error) => Reply::error(id, dialect, &error),
    })
}
