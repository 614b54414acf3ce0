//! Stores in temporary directories, and bytes to put into them.

#![allow(dead_code, reason = "each test binary uses its share")]

use std::path::PathBuf;

use bytes::Bytes;
use futures::StreamExt;
use multihash_codetable::{Code, MultihashDigest};
use raas_retrieval::{BlobStore, ByteStream, ImportProfile, Imported, Result};
use raas_types::Cid;

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: BlobStore,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        Self { dir, store }
    }

    pub(crate) async fn import(&self, bytes: &[u8]) -> Result<Imported> {
        self.store.import(pieces(bytes, 65_536), &ImportProfile::default(), None).await
    }

    pub(crate) async fn file(&self, cid: &Cid) -> Vec<u8> {
        let body = self.store.file(cid, None).await.unwrap().expect("it is stored");
        let bytes = bytes_of(body.stream).await.unwrap();
        assert_eq!(body.total, bytes.len() as u64);
        bytes
    }

    pub(crate) async fn put_all(&self, root: Cid, blocks: impl IntoIterator<Item = (Cid, Bytes)>) {
        let mut staging = self.store.stage(&root).await.unwrap();
        for (cid, bytes) in blocks {
            staging.put(cid, bytes).await.unwrap();
        }
        staging.commit().await.unwrap();
    }

    pub(crate) fn car_path(&self, cid: &Cid) -> PathBuf {
        self.dir.path().join(format!("{cid}.car"))
    }

    /// How many files there are, temporary ones included.
    pub(crate) fn entries(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }
}

/// A stream of these bytes in pieces of this size.
pub(crate) fn pieces(bytes: &[u8], size: usize) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    futures::stream::iter(pieces).boxed()
}

/// Bytes that do not repeat, the same for each length: a xorshift generator.
pub(crate) fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The bytes of a stream up to its end or its error.
pub(crate) async fn collect(mut stream: ByteStream) -> (Vec<u8>, Option<std::io::Error>) {
    let mut bytes = Vec::new();
    while let Some(next) = stream.next().await {
        match next {
            Ok(next) => bytes.extend_from_slice(&next),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

pub(crate) async fn bytes_of(stream: ByteStream) -> std::io::Result<Vec<u8>> {
    match collect(stream).await {
        (bytes, None) => Ok(bytes),
        (_, Some(error)) => Err(error),
    }
}

pub(crate) fn dag_pb(block: &[u8]) -> Cid {
    Cid::new_v1(0x70, Code::Sha2_256.digest(block))
}
