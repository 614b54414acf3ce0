//! Sending a file.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use raas_api_types::{StoreQuery, Stored};
use reqwest::{Body, Method, Response, header};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::ReaderStream;

use crate::{Client, Error, Result};

/// An upload of which nothing moves for this long is given up; the same as the node's own patience.
const IDLE: Duration = Duration::from_secs(60);
/// How long the node may take over the last byte: it writes 64 GiB to its disk once more, at
/// 100 MB/s in 11 minutes.
const SETTLE: Duration = Duration::from_secs(15 * 60);
/// Bytes read from the file at once: one chunk of the DAG that they become.
const BUFFER: usize = 256 << 10;

impl Client {
    /// Stores what a reader gives, in full; registers a job where the query holds terms. With `size`
    /// (in bytes) the node can refuse at once what is too large.
    pub async fn store(
        &self,
        reader: impl AsyncRead + Send + 'static,
        size: Option<u64>,
        query: &StoreQuery,
    ) -> Result<Stored> {
        self.send_file(reader, size, query, "the reader", |_| {}).await
    }

    /// Stores a file; `progress` is told how many bytes have been sent.
    pub async fn store_file(
        &self,
        path: impl AsRef<Path>,
        query: &StoreQuery,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Stored> {
        let path = path.as_ref();
        let file = tokio::fs::File::open(path).await.map_err(Error::at("open", path))?;
        let metadata = file.metadata().await.map_err(Error::at("read", path))?;
        if metadata.is_dir() {
            let source = io::Error::from(io::ErrorKind::IsADirectory);
            return Err(Error::Io { what: format!("cannot store {}", path.display()), source });
        }
        // Of a pipe or a device nobody knows the size; a file that grows is stored as it was.
        let size = metadata.is_file().then_some(metadata.len());
        let reader = file.take(size.unwrap_or(u64::MAX));
        self.send_file(reader, size, query, &path.display().to_string(), progress).await
    }

    async fn send_file(
        &self,
        reader: impl AsyncRead + Send + 'static,
        size: Option<u64>,
        query: &StoreQuery,
        name: &str,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Stored> {
        let upload = Arc::new(Upload { size, ..Upload::default() });
        let mut request = self
            .request(Method::POST, &["v1", "data"])?
            .query(query)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(upload.clone().body(reader, progress));
        if let Some(size) = size {
            request = request.header(header::CONTENT_LENGTH, size);
        }
        let sent = tokio::select! {
            sent = request.send() => sent,
            limit = upload.stalls() => {
                if upload.reading.load(Ordering::Relaxed) {
                    let source = io::Error::from(io::ErrorKind::TimedOut);
                    return Err(Error::Io { what: format!("{name} gives no more"), source });
                }
                return Err(self.silent(limit));
            }
        };
        if let Some(source) = upload.failure() {
            return Err(Error::Io { what: format!("cannot read {name}"), source });
        }
        let response: Response = self.accept(sent.map_err(Error::of_transport)?).await?;
        self.json(response).await
    }
}

/// What is known of an upload on its way.
#[derive(Debug, Default)]
struct Upload {
    size: Option<u64>,
    /// Bytes handed to the connection.
    sent: AtomicU64,
    /// Whether the reader is being waited for, and not the connection.
    reading: AtomicBool,
    /// Whether the reader has come to its end.
    ended: AtomicBool,
    /// Why the reader failed.
    failure: Mutex<Option<io::Error>>,
}

impl Upload {
    fn body(
        self: Arc<Self>,
        reader: impl AsyncRead + Send + 'static,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Body {
        let chunks = ReaderStream::with_capacity(Box::pin(reader), BUFFER);
        let state = Some((chunks, self, progress));
        Body::wrap_stream(futures::stream::unfold(state, |state| async move {
            let (mut chunks, upload, progress) = state?;
            upload.reading.store(true, Ordering::Relaxed);
            let next = chunks.next().await;
            upload.reading.store(false, Ordering::Relaxed);
            let next = match next {
                Some(Ok(bytes)) => {
                    let more = bytes.len() as u64;
                    progress(upload.sent.fetch_add(more, Ordering::Relaxed) + more);
                    return Some((Ok(bytes), Some((chunks, upload, progress))));
                }
                Some(Err(error)) => Some(error),
                None => upload.missing(),
            };
            upload.ended.store(true, Ordering::Relaxed);
            next.map(|error| (Err(upload.fail(error)), None))
        }))
    }

    /// A file that became shorter while it was read.
    fn missing(&self) -> Option<io::Error> {
        let (size, sent) = (self.size?, self.sent.load(Ordering::Relaxed));
        (sent < size).then(|| {
            let what = format!("it ended after {sent} of {size} bytes");
            io::Error::new(io::ErrorKind::UnexpectedEof, what)
        })
    }

    /// Keeps the error for [`failure`](Self::failure); the connection gets a copy.
    fn fail(&self, error: io::Error) -> io::Error {
        let copy = io::Error::new(error.kind(), error.to_string());
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        copy
    }

    fn failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends when nothing was taken for [`IDLE`], or no answer came [`SETTLE`] after all was.
    async fn stalls(&self) -> Duration {
        loop {
            let before = self.sent.load(Ordering::Relaxed);
            tokio::time::sleep(IDLE).await;
            let all = self.size == Some(before) || self.ended.load(Ordering::Relaxed);
            if all {
                tokio::time::sleep(SETTLE).await;
                return IDLE + SETTLE;
            }
            if self.sent.load(Ordering::Relaxed) == before {
                return IDLE;
            }
        }
    }
}
