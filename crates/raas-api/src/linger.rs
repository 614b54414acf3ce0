//! Reads on after an early answer.
//!
//! A request that is refused before its body was read leaves a client that is still sending. Closing
//! the connection at once would reset it, and the client would see "connection reset" where we said
//! what is wrong. So what is left of the body is read and dropped for a while.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};

/// How long the rest of a body is read: enough for a client to notice the answer and stop.
const LINGER: Duration = Duration::from_secs(5);

/// Middleware: wraps the body so that it is read on when a handler drops it unread.
pub(crate) async fn read_what_is_left(request: Request, next: Next) -> Response {
    // A client that waits for "100 Continue" has sent nothing that would be left.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let wrap = |body: Body| Body::from_stream(Lingering(Some(body.into_data_stream())));
    next.run(request.map(wrap)).await
}

struct Lingering(Option<BodyDataStream>);

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let next = std::task::ready!(body.poll_next_unpin(cx));
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(next)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take() else { return };
        // Outside a runtime there is no connection either.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            while let Some(Ok(_)) = body.next().await {}
        }));
    }
}
