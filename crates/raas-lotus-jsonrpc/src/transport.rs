//! jsonrpsee's HTTP client, with two layers for what Lotus does otherwise.
//!
//! [`ReadFaults`] sits below it and keeps the body of an HTTP 500 or 400 that is JSON: go-jsonrpc
//! sets the status for a whole batch by its worst element, and answers all of them.
//! [`Calls`] sits above the wire. It writes `[]` for no parameters, where jsonrpsee writes nothing
//! and every Lotus client the list; and it gives each item of a batch exactly one reply, so that one
//! lost or stray reply is not the end of ninety-nine others.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use jsonrpsee::{
    core::{
        client::{
            Error as RpcError, MiddlewareBatchResponse, MiddlewareMethodResponse, RawResponse,
        },
        http_helpers::{Body, HttpError, read_body},
        middleware::{Batch, BatchEntry, Notification, Request, RpcServiceBuilder, RpcServiceT},
    },
    http_client::{
        HeaderMap, HeaderValue, HttpBackend, HttpClient, HttpClientBuilder, HttpRequest,
        HttpResponse, RpcService, transport::Error as HttpTransportError,
    },
    types::{ErrorObject, Id, Response, ResponsePayload},
};
use serde_json::value::RawValue;
use tower::{Service, ServiceBuilder, layer::layer_fn};

use crate::config::JsonRpcLotusConfig;

pub(crate) type Client = HttpClient<Calls<RpcService<ReadFaults<HttpBackend>>>>;

/// The code of the error that stands in for a reply that did not come; of the range that JSON-RPC
/// leaves to implementations, used by no node.
const NO_REPLY: i32 = -32098;

/// Opens nothing yet; connections are made when they are needed.
pub(crate) fn client(config: &JsonRpcLotusConfig) -> Result<Client, String> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &config.token {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut bearer = bearer.map_err(|_| "the token holds characters that no token has")?;
        bearer.set_sensitive(true);
        headers.insert("authorization", bearer);
    }
    let max_response = config.max_response;
    let read_faults = layer_fn(move |inner| ReadFaults { inner, max_response });
    HttpClientBuilder::default()
        .set_headers(headers)
        .request_timeout(config.request_timeout)
        .connect_timeout(config.connect_timeout)
        .max_concurrent_requests(config.max_in_flight)
        .max_response_size(max_response)
        .set_http_middleware(ServiceBuilder::new().layer(read_faults))
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(Calls))
        .build(&config.url)
        .map_err(|error| error.to_string())
}

/// Passes an HTTP 500 or 400 whose body is JSON on as a success, for the JSON to tell.
#[derive(Clone, Debug)]
pub(crate) struct ReadFaults<S> {
    inner: S,
    max_response: u32,
}

impl<S> Service<HttpRequest> for ReadFaults<S>
where
    S: Service<HttpRequest, Error = HttpTransportError>,
    S: Service<HttpRequest, Response = <HttpBackend as Service<HttpRequest>>::Response>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = HttpTransportError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpTransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let response = self.inner.call(request);
        let max_response = self.max_response;
        Box::pin(async move {
            let response = response.await?;
            let status_code = response.status().as_u16();
            if !matches!(status_code, 400 | 500) {
                return Ok(response.map(Body::new));
            }
            let (mut parts, body) = response.into_parts();
            match read_body(&parts.headers, body, max_response).await {
                Ok((body, _)) => {
                    parts.status = Default::default();
                    Ok(HttpResponse::from_parts(parts, Body::from(body)))
                }
                // A server's page about its own failure.
                Err(HttpError::Malformed) => Err(HttpTransportError::Rejected { status_code }),
                Err(error) => Err(error.into()),
            }
        })
    }
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
        if request.params.is_none() {
            request.params = RawValue::from_string("[]".to_owned()).ok().map(Cow::Owned);
        }
        self.0.call(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let inner = self.0.clone();
        async move {
            let calls = batch.iter().filter_map(|entry| match entry {
                Ok(BatchEntry::Call(request)) => Some(request.id.clone().into_owned()),
                _ => None,
            });
            let ids: Vec<_> = calls.collect();
            Ok(pair(ids, inner.batch(batch).await?))
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.0.notification(notification)
    }
}

/// A reply that is missing, or there twice, becomes an error of its item; a stray one is dropped.
fn pair(ids: Vec<Id<'static>>, replies: MiddlewareBatchResponse) -> MiddlewareBatchResponse {
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
