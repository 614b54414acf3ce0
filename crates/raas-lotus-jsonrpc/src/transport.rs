//! jsonrpsee's HTTP client, with two layers for what Lotus does otherwise, and its connections for
//! batches.
//!
//! [`Exchange`] sits below it and is told of in `exchange`. [`Calls`] sits above the wire: it writes
//! `[]` for no parameters, where jsonrpsee writes nothing and every Lotus client the list. Batches are
//! written and read in `batch`, and sent by [`Batches`].

use std::{
    borrow::Cow,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonrpsee::{
    core::{
        client::{Error as RpcError, MiddlewareBatchResponse, MiddlewareMethodResponse},
        middleware::{Batch, Notification, Request, RpcServiceBuilder, RpcServiceT},
    },
    http_client::{
        HeaderMap, HeaderValue, HttpBackend, HttpClient, HttpClientBuilder, HttpRequest, RpcService,
    },
    types::Id,
};
use serde_json::value::RawValue;
use tower::{ServiceBuilder, layer::layer_fn};

use crate::{
    config::JsonRpcLotusConfig,
    error::Trouble,
    exchange::{Exchange, Kind, Line},
    tally::{Called, calling},
};

pub(crate) type Client = HttpClient<Calls<RpcService<Exchange<HttpBackend>>>>;

/// The largest request that is sent, in bytes; 1 MiB. A batch holds at most 100 items of some 600
/// bytes: a method, a number, and a key of at most some ten block CIDs of 70 bytes.
const MAX_REQUEST: u32 = 1 << 20;

/// Opens nothing yet; connections are made when they are needed, the same for calls and batches.
pub(crate) fn client(
    config: &JsonRpcLotusConfig,
    line: &Arc<Line>,
) -> Result<(Client, Batches), String> {
    let mut headers = HeaderMap::new();
    if let Some(authorization) = authorization(config)? {
        headers.insert("authorization", authorization);
    }
    let backend = Arc::new(OnceLock::new());
    let (line, made) = (Arc::clone(line), Arc::clone(&backend));
    let exchange = layer_fn(move |inner: HttpBackend| {
        let inner = made.get_or_init(|| inner).clone();
        Exchange { inner, line: Arc::clone(&line) }
    });
    let client = HttpClientBuilder::default()
        .set_headers(headers.clone())
        // The exchange keeps the times, for the turn and for the answer; this one is beyond both.
        .request_timeout(config.request_timeout.saturating_mul(2) + Duration::from_secs(1))
        .connect_timeout(config.connect_timeout)
        .max_request_size(MAX_REQUEST)
        .max_response_size(config.max_response)
        .set_http_middleware(ServiceBuilder::new().layer(exchange))
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(Calls))
        .build(&config.url)
        .map_err(|error| error.to_string())?;
    let backend = backend.get().cloned().ok_or("there is nothing to send with")?;
    Ok((client, Batches { backend, request: empty_request(config, headers)? }))
}

/// The token or, as jsonrpsee does it, name and password of the URL.
fn authorization(config: &JsonRpcLotusConfig) -> Result<Option<HeaderValue>, String> {
    let text = match (&config.token, config.url.password()) {
        (Some(token), _) => format!("Bearer {}", token.expose()),
        (None, Some(password)) => {
            let pair = format!("{}:{password}", config.url.username());
            format!("Basic {}", STANDARD.encode(pair))
        }
        (None, None) => return Ok(None),
    };
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| "the token holds characters that no token has")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What every batch is sent with.
fn empty_request(
    config: &JsonRpcLotusConfig,
    mut headers: HeaderMap,
) -> Result<HttpRequest<()>, String> {
    for name in ["content-type", "accept"] {
        headers.insert(name, HeaderValue::from_static("application/json"));
    }
    // What it says of who asks stands in a header, and a fragment is nobody's business.
    let mut url = config.url.clone();
    url.set_fragment(None);
    // Neither fails for a URL with a host, which it has: jsonrpsee looked.
    let _ = (url.set_username(""), url.set_password(None));
    let request = HttpRequest::post(url.as_str()).body(());
    let mut request = request.map_err(|error| error.to_string())?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Sends batches.
pub(crate) struct Batches {
    backend: HttpBackend,
    request: HttpRequest<()>,
}

impl Batches {
    /// Sends a batch; the body of the answer.
    pub(crate) async fn send(
        &self,
        line: &Line,
        text: String,
        called: &Called,
    ) -> Result<Vec<u8>, Trouble> {
        if text.len() > MAX_REQUEST as usize {
            let why = format!("a request of {} bytes is not sent", text.len());
            return Err(Trouble::Unreachable(why));
        }
        let request = self.request.clone().map(|()| text.into_bytes());
        line.exchange(self.backend.clone(), request, Kind::Batch, called).await
    }
}

/// Always sends parameters, and takes no reply but the call's own.
#[derive(Clone, Debug)]
pub(crate) struct Calls<S>(S);

impl<S> RpcServiceT for Calls<S>
where
    S: RpcServiceT<
            MethodResponse = Result<MiddlewareMethodResponse, RpcError>,
            BatchResponse = Result<MiddlewareBatchResponse, RpcError>,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(
        &self,
        mut request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        name_params(&mut request);
        let id = request.id.clone().into_owned();
        let called = Called::from([(request.method.to_string(), 1)]);
        let reply = calling(called, self.0.call(request));
        async move { own(&id, reply.await?) }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        self.0.batch(batch)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.0.notification(notification)
    }
}

/// Writes no parameters as the empty list.
fn name_params(request: &mut Request<'_>) {
    if request.params.is_none() {
        request.params = RawValue::from_string("[]".to_owned()).ok().map(Cow::Owned);
    }
}

/// The reply, when it is to the call with this id.
fn own(
    id: &Id<'static>,
    reply: MiddlewareMethodResponse,
) -> Result<MiddlewareMethodResponse, RpcError> {
    if reply.id() == id {
        return Ok(reply);
    }
    // A request that could not be read is answered without an id.
    let said =
        reply.as_error().map(|error| format!(": {} (code {})", error.message(), error.code()));
    Err(RpcError::Custom(format!("a reply to no call of ours{}", said.unwrap_or_default())))
}
