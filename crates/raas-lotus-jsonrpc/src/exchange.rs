//! One HTTP exchange: its turn, its time, its answer read whole.
//!
//! The layer below jsonrpsee's own, and below batches, which do without jsonrpsee's. It keeps the body of an HTTP 500 or 400 that is JSON (go-jsonrpc
//! sets the status for a whole batch by its worst element, and answers all of them), tells an error
//! for a whole batch from its answers, waits when the endpoint asks for fewer requests, and counts.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use jsonrpsee::{
    core::http_helpers::{Body, HttpError, read_body},
    http_client::{HttpBackend, HttpRequest, HttpResponse, transport::Error as HttpTransportError},
};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt as _};

use crate::{
    error::{Trouble, clip},
    pace::{Pace, retry_after},
    tally::{Called, Tally, called},
};

/// What all exchanges with one endpoint share.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) pace: Pace,
    pub(crate) tally: Tally,
    pub(crate) request_timeout: Duration,
    pub(crate) max_response: u32,
}

/// The layer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<S> {
    pub(crate) inner: S,
    pub(crate) line: Arc<Line>,
}

type Backend = <HttpBackend as Service<HttpRequest>>::Response;

impl<S> Service<HttpRequest> for Exchange<S>
where
    S: Service<HttpRequest, Error = HttpTransportError, Response = Backend>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = HttpTransportError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpTransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Each call waits for its own turn.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let (inner, line, called) = (self.inner.clone(), Arc::clone(&self.line), called());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let exchanged = async {
                let read = read_body(&parts.headers, body, u32::MAX).await;
                let (body, single) = read.map_err(trouble)?;
                let kind = if single { Kind::Call } else { Kind::Batch };
                line.exchange(inner, HttpRequest::from_parts(parts, body), kind, &called).await
            };
            match exchanged.await {
                Ok(body) => Ok(HttpResponse::new(Body::from(body))),
                Err(trouble) => Err(HttpError::Stream(Box::new(trouble)).into()),
            }
        })
    }
}

/// How the endpoint answered.
enum Answered {
    /// With JSON; one object or not.
    Json { body: Vec<u8>, single: bool },
    /// With 429, and perhaps for how long.
    TooMany(Option<Duration>),
}

/// What a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Batch,
}

impl Line {
    /// Sends a request when it is its turn; the body of the answer.
    pub(crate) async fn exchange<S>(
        &self,
        inner: S,
        request: HttpRequest<Vec<u8>>,
        kind: Kind,
        called: &Called,
    ) -> Result<Vec<u8>, Trouble>
    where
        S: Service<HttpRequest, Error = HttpTransportError, Response = Backend> + Clone,
    {
        let turn_by = Instant::now() + self.request_timeout;
        let answer_by = turn_by + self.request_timeout;
        let mut asked_again = false;
        loop {
            let turn = self.pace.turn(turn_by).await?;
            let by = answer_by.min(Instant::now() + self.request_timeout);
            self.tally.sent(called, request.body().len());
            let sent = request.clone().map(Body::from);
            let answered = timeout_at(by, self.answer(inner.clone(), sent)).await;
            match answered.unwrap_or(Err(Trouble::Timeout))? {
                Answered::TooMany(pause) => {
                    self.tally.throttled();
                    // Once more after the pause, if there is time: a 429 is no answer.
                    if self.pace.throttled(&turn, pause) > turn_by || asked_again {
                        return Err(self.pace.refusal());
                    }
                    asked_again = true;
                }
                Answered::Json { body, single: true } if kind == Kind::Batch => {
                    return Err(refusal(&body));
                }
                Answered::Json { body, .. } => {
                    self.pace.answered();
                    return Ok(body);
                }
            }
        }
    }

    async fn answer<S>(&self, inner: S, request: HttpRequest) -> Result<Answered, Trouble>
    where
        S: Service<HttpRequest, Error = HttpTransportError, Response = Backend>,
    {
        let response = inner.oneshot(request).await.map_err(transport_trouble)?;
        let status = response.status().as_u16();
        let (parts, body) = response.into_parts();
        match status {
            429 => {
                let asked = parts.headers.get("retry-after").and_then(|value| value.to_str().ok());
                let now = SystemTime::now();
                Ok(Answered::TooMany(asked.and_then(|header| retry_after(header, now))))
            }
            200..=299 | 400 | 500 => {
                let read = read_body(&parts.headers, body, self.max_response).await;
                let read = read.map_err(|error| match error {
                    // A server's page about its own failure.
                    HttpError::Malformed if status >= 400 => Trouble::Http(status),
                    other => trouble(other),
                });
                let (body, single) = read?;
                self.tally.received(body.len());
                Ok(Answered::Json { body, single })
            }
            _ => Err(Trouble::Http(status)),
        }
    }
}

/// One object where a list was due is what a node says of the batch itself.
pub(crate) fn refusal(body: &[u8]) -> Trouble {
    #[derive(Deserialize)]
    struct Whole {
        error: Said,
    }
    #[derive(Deserialize)]
    struct Said {
        code: i32,
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Whole { error: Said { code, message } }) => {
            Trouble::BatchRefused { code, message: clip(&message) }
        }
        Err(_) => Trouble::Garbled("a batch is not answered with a list of replies".to_owned()),
    }
}

fn transport_trouble(error: HttpTransportError) -> Trouble {
    match error {
        HttpTransportError::Http(error) => trouble(error),
        other => Trouble::unreachable(&other),
    }
}

fn trouble(error: HttpError) -> Trouble {
    match error {
        HttpError::TooLarge => Trouble::TooLarge,
        HttpError::Malformed => Trouble::Garbled("the answer is no JSON-RPC".to_owned()),
        // Of a body without its length, the limit comes as an error of the stream.
        HttpError::Stream(error) if error.to_string().contains("length limit exceeded") => {
            Trouble::TooLarge
        }
        HttpError::Stream(error) => Trouble::unreachable(&*error),
    }
}
