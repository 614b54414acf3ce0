//! The JSON-RPC 2.0 envelope as go-jsonrpc (`handler.go`, `server.go`) and jsonrpsee (`server`) read
//! and write it.

use serde_json::{Value, json};

use super::{dialect::Dialect, error::RpcError, forest};

/// What the body asks for, in its order.
pub(super) enum Request<'a> {
    /// A batch of so many entries begins; the answer is not used.
    Batch(usize),
    /// A call.
    Call { method: &'a str, params: &'a [Value] },
}

/// What goes back over HTTP.
pub(super) struct Answer {
    pub status: u16,
    pub body: Body,
}

/// What the body holds.
pub(super) enum Body {
    /// Nothing: there were only notifications.
    Empty,
    /// One reply.
    One(Value),
    /// The replies to a batch.
    Many(Vec<Value>),
}

impl Body {
    /// The bytes of it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::One(reply) => reply.to_string(),
            Self::Many(replies) => {
                let replies: Vec<_> = replies.iter().map(Value::to_string).collect();
                format!("[{}]", replies.join(","))
            }
        }
    }
}

/// Answers a request body, calling `handle` for each call in it, one after the other.
pub(super) fn answer(
    body: &[u8],
    dialect: Dialect,
    mut handle: impl FnMut(Request<'_>) -> Result<Value, RpcError>,
) -> Answer {
    let request = match serde_json::from_slice(body) {
        Ok(Value::Object(_) | Value::Array(_)) | Err(_) if dialect.jsonrpsee => {
            match jsonrpsee_value(body) {
                Ok(request) => request,
                Err(answer) => return answer,
            }
        }
        Ok(_) if dialect.jsonrpsee => return malformed(),
        Ok(request) => request,
        Err(_) if body.is_empty() => return single(dialect, &RpcError::invalid_request()),
        Err(error) => {
            let message = format!("unmarshaling request: {error}");
            return single(dialect, &RpcError::parse(message));
        }
    };
    let Value::Array(requests) = request else {
        let reply = reply_to(&request, dialect, &mut handle);
        let empty = Answer { status: 200, body: Body::Empty };
        return reply
            .map_or(empty, |reply| Answer { status: reply.status, body: Body::One(reply.body) });
    };
    if requests.is_empty() {
        return single(dialect, &RpcError::invalid_request());
    }
    // Counting is all a caller can do with this; it cannot fail.
    let _ = handle(Request::Batch(requests.len()));
    if dialect.batch_limit.is_some_and(|limit| requests.len() > limit) {
        return single(dialect, &forest::batch_too_long());
    }
    let replies = requests.iter().filter_map(|request| reply_to(request, dialect, &mut handle));
    let replies: Vec<_> = replies.collect();
    if replies.is_empty() && dialect.jsonrpsee {
        return Answer { status: 200, body: Body::Empty };
    }
    // One element that fails at the protocol level sets the status of all.
    let status = replies.iter().map(|reply| reply.status).max().unwrap_or(200);
    let replies = replies.into_iter().map(|reply| reply.body).collect();
    Answer { status, body: Body::Many(replies) }
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

fn single(dialect: Dialect, error: &RpcError) -> Answer {
    let reply = Reply::error(Value::Null, dialect, error);
    Answer { status: reply.status, body: Body::One(reply.body) }
}

/// jsonrpsee looks at the first character to tell a call from a batch; a body with any other is not
/// worth parsing and fails the HTTP request, one that breaks off later does not.
fn jsonrpsee_value(body: &[u8]) -> Result<Value, Answer> {
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(malformed());
    }
    let text = RpcError::parse("Parse error");
    serde_json::from_slice(body).map_err(|_| Answer { status: 200, ..parse_error(&text) })
}

fn malformed() -> Answer {
    Answer { status: 400, ..parse_error(&RpcError::parse("Parse error")) }
}

fn parse_error(error: &RpcError) -> Answer {
    let body = json!({"jsonrpc": "2.0", "id": null, "error": error.to_json()});
    Answer { status: 200, body: Body::One(body) }
}

/// Answers one request object.
fn reply_to(
    request: &Value,
    dialect: Dialect,
    handle: &mut impl FnMut(Request<'_>) -> Result<Value, RpcError>,
) -> Option<Reply> {
    let id = request.get("id");
    let invalid = |id: Option<&Value>| {
        let id = id.cloned().unwrap_or_default();
        Some(Reply::error(id, dialect, &RpcError::invalid_request()))
    };
    if !request.is_object()
        || id.is_some_and(|id| id.is_boolean() || id.is_array() || id.is_object())
    {
        return invalid(None);
    }
    if dialect.jsonrpsee {
        let versioned = request.get("jsonrpc").is_some_and(|version| version == "2.0");
        if !versioned || !request.get("method").is_some_and(Value::is_string) {
            return invalid(id);
        }
        // A notification is not run, and a null id is an id like any other.
        id?;
    }
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let result = match request.get("params") {
        None | Some(Value::Null) => handle(Request::Call { method, params: &[] }),
        Some(Value::Array(params)) => handle(Request::Call { method, params }),
        Some(_) => Err(dialect.translate(method, RpcError::named_params(method))),
    };
    // Go cannot tell a null id from none: both are notifications, which are run and not answered.
    let id = id.filter(|id| dialect.jsonrpsee || !id.is_null())?.clone();
    Some(match result {
        Ok(result) => {
            Reply { status: 200, body: json!({"jsonrpc": "2.0", "id": id, "result": result}) }
        }
        Err(error) => Reply::error(id, dialect, &error),
    })
}
