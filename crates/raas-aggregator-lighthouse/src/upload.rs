//! The payload as a multipart stream: never in memory as a whole, never longer or shorter than it
//! was announced.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use raas_aggregator::Payload;
use reqwest::{
    Body,
    multipart::{Form, Part},
};

/// The slowest upload that is waited for: 64 KiB a second, a poor mobile uplink.
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Why our own side of an upload broke, for after the request has failed: the HTTP client does not
/// tell a failed source from a failed socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakage(Arc<Mutex<Option<io::Error>>>);

impl Breakage {
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the error, and gives one to pass on.
    fn keep(&self, error: io::Error) -> io::Error {
        let passed = io::Error::new(error.kind(), error.to_string());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        passed
    }
}

/// The form that uploads a payload, and where to look when it fails.
pub(crate) async fn form(payload: &dyn Payload, name: String) -> io::Result<(Form, Breakage)> {
    let breakage = Breakage::default();
    let (size, keeper) = (payload.size(), breakage.clone());
    let end = futures::stream::once(async { Ok(None) });
    let chunks = payload.open().await?.map(|chunk| chunk.map(Some)).chain(end);
    let counted = chunks.scan(0u64, move |sent, chunk| {
        let checked = chunk.and_then(|chunk| {
            *sent += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let ended = chunk.is_none();
            if *sent > size || (ended && *sent < size) {
                let error = format!("its size was announced as {size} bytes, {sent} came");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            Ok(chunk.unwrap_or_default())
        });
        futures::future::ready(Some(checked.map_err(|error| keeper.keep(error))))
    });
    let part = Part::stream_with_length(Body::wrap_stream(counted), size).file_name(name);
    Ok((Form::new().part("file", part), breakage))
}

/// How long an upload of this many bytes may take, beyond the time of any question.
pub(crate) fn allowance(size: u64) -> Duration {
    Duration::from_secs(size / MIN_BYTES_PER_SECOND)
}
