//! [`BytesPayload`]: a [`Payload`] in memory, for tests and examples.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::Payload;

/// As much as one item of the stream holds: 64 KiB, so that data of any size comes in several
/// pieces, as from a file.
const CHUNK: usize = 64 * 1024;

/// Data in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BytesPayload(Bytes);

impl BytesPayload {
    /// These bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

#[async_trait]
impl Payload for BytesPayload {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let mut rest = self.0.clone();
        let chunks = std::iter::from_fn(move || {
            let chunk = rest.split_to(rest.len().min(CHUNK));
            (!chunk.is_empty()).then_some(Ok(chunk))
        });
        Ok(stream::iter(chunks).boxed())
    }
}
