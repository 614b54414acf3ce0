//! jsonrpsee's HTTP client, with two layers for what Lotus does otherwise.
//!
//! [`Exchange`] sits below it and is told of in `exchange`. [`Calls`] sits above the wire. It writes
//! `[]` for no parameters, where jsonrpsee writes nothing and every Lotus client the list; and it
//! gives each item of a batch exactly one reply, so that one lost or stray reply is not the end of
//! ninety-nine others.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    future::Future,
    sync::Arc,
    time::Duration,
};

use jsonrpsee::{
    core::{
        client::{
            Error as RpcError, MiddlewareBatchResponse, MiddlewareMethodResponse, RawResponse,
        },
        middleware::{Batch, BatchEntry, Notification, Request, RpcServiceBuilder, RpcServiceT},
    },
    http_client::{HeaderMap, HeaderValue, HttpBackend, HttpClient, HttpClientBuilder, RpcService},
    types::{ErrorObject, Id, Response, ResponsePayload},
};
use serde_json::value::RawValue;
use tower::{ServiceBuilder, layer::layer_fn};

use crate::{
    config::JsonRpcLotusConfig,
    exchange::{Exchange, Line},
    tally::{Called, calling},
};

pub(crate) type Client = HttpClient<Calls<RpcService<Exchange<HttpBackend>>>>;

/// The largest request that is sent, in bytes; 1 MiB. A batch holds at most 100 items of some 600
/// bytes: a method, a number, and a key of at most some ten block CIDs of 70 bytes.
const MAX_REQUEST: u32 = 1 << 20;

/// The code of the error that stands in for a reply that did not come; of the range that JSON-RPC
/// leaves to implementations, used by no node.
pub(crate) const NO_REPLY: i32 = -32098;

/// Opens nothing yet; connections are made when they are needed.
pub(crate) fn client(config: &JsonRpcLotusConfig, line: &Arc<Line>) -> Result<Client, String> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &config.token {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut bearer = bearer.map_err(|_| "the token holds characters that no token has")?;
        bearer.set_sensitive(true);
        headers.insert("authorization", bearer);
    }
    let line = Arc::clone(line);
    let exchange = layer_fn(move |inner| Exchange { inner, line: Arc::clone(&line) });
    HttpClientBuilder::default()
        .set_headers(headers)
        // The exchange keeps the times, for the turn and for the answer; this one is beyond both.
        .request_timeout(config.request_timeout.saturating_mul(2) + Duration::from_secs(1))
        .connect_timeout(config.connect_timeout)
        .max_request_size(MAX_REQUEST)
        .max_response_size(config.max_response)
        .set_http_middleware(ServiceBuilder::new().layer(exchange))
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(Calls))
        .build(&config.url)
        .map_err(|error| error.to_string())
}

/// Always sends parameters, and gives each item of a batch exactly one reply, in the items' order.
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

    fn batch<'a>(
        &self,
        mut batch: Batch<'a>,
    ) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let inner = self.0.clone();
        async move {
            let mut ids = Vec::with_capacity(batch.len());
            let mut called = Called::new();
            for entry in batch.iter_mut() {
                let Ok(BatchEntry::Call(request)) = entry else { continue };
                name_params(request);
                ids.push(request.id.clone().into_owned());
                match called.get_mut(request.method.as_ref()) {
                    Some(elements) => *elements += 1,
                    None => {
                        called.insert(request.method.to_string(), 1);
                    }
                }
            }
            Ok(pair(ids, calling(called, inner.batch(batch)).await?))
        }
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

/// A reply that is missing, or there twice, becomes an error of its item; a stray one is dropped.
pub(crate) fn pair(
    ids: Vec<Id<'static>>,
    replies: MiddlewareBatchResponse,
) -> MiddlewareBatchResponse {
    let in_order = replies.len() == ids.len() && replies.iter().map(RawResponse::id).eq(&ids);
    if in_order {
        return replies;
    }
    let mut by_id = HashMap::new();
    for reply in replies {
        match by_id.entry(reply.id().clone().into_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(Some(reply));
            }
            Entry::Occupied(mut entry) => {
                entry.insert(None);
            }
        }
    }
    let lost = |id, message| {
        let error = ErrorObject::owned(NO_REPLY, message, None::<()>);
        RawResponse::from(Response::new(ResponsePayload::Error(error), id))
    };
    ids.into_iter()
        .map(|id| match by_id.remove(&id) {
            Some(Some(reply)) => reply,
            Some(None) => lost(id, "two replies to one item of a batch"),
            None => lost(id, "no reply to one item of a batch"),
        })
        .collect()
}
