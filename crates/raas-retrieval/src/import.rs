//! Turning a file into a UnixFS DAG.

use bytes::Bytes;
use cid::Version;
use futures::StreamExt;
use raas_types::Cid;
use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder};

use crate::hands::Hands;
use crate::pool::Pool;
use crate::{ByteStream, Error, Limits, Result};

/// How a file becomes a DAG. Two profiles give two CIDs for the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportProfile {
    /// Bytes of a leaf.
    pub chunk_bytes: usize,
    /// Links of an inner node.
    pub links: usize,
    /// Whether leaves are raw blocks, or dag-pb nodes.
    pub raw_leaves: bool,
    /// The version of the CIDs: 1 (`bafy…`, `bafk…`), or 0 (`Qm…`).
    pub cid_version: Version,
}

impl ImportProfile {
    /// What kubo's `ipfs add --cid-version=1` does: 256 KiB chunks, raw leaves, 174 links.
    pub const KUBO_V1: Self =
        Self { chunk_bytes: 256 * 1024, links: 174, raw_leaves: true, cid_version: Version::V1 };

    /// What kubo's `ipfs add --cid-version=0` does: as v1, with dag-pb leaves and `Qm…` CIDs.
    pub const KUBO_V0: Self = Self { raw_leaves: false, cid_version: Version::V0, ..Self::KUBO_V1 };

    /// Whether blocks of this profile fit the limits, and what to change where they do not.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        // A dag-pb leaf wraps its data in two fields of at most 11 bytes each and a type of 2; an
        // inner node has a CID of 36 bytes, sizes and tags, below 72 together, for each link.
        let leaf = self.chunk_bytes + 64;
        let node = self.links.saturating_mul(72) + 64;
        if self.chunk_bytes == 0 || self.links < 2 || leaf.max(node) > limits.block_bytes {
            return Err(Error::Refused(format!(
                "an import profile of {} byte chunks and {} links: chunks must be 1 byte or more, links 2 or more, and blocks at most {} bytes",
                self.chunk_bytes, self.links, limits.block_bytes
            )));
        }
        Ok(())
    }

    fn adder(&self) -> FileAdder {
        FileAdder::builder()
            .with_chunker(Chunker::Size(self.chunk_bytes))
            .with_collector(BalancedCollector::with_branching_factor(self.links))
            .with_cid_version(self.cid_version)
            .with_raw_leaves(self.raw_leaves)
            .build()
    }
}

impl Default for ImportProfile {
    fn default() -> Self {
        Self::KUBO_V1
    }
}

/// A file that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its root.
    pub cid: Cid,
    /// Its length, in bytes.
    pub file_bytes: u64,
}

/// The blocks of a small file, the root last, and the root's CID. Holds all of it in memory: for
/// tests and fakes; a store [imports](crate::BlobStore::import) from a stream.
pub fn file_blocks(bytes: &[u8], profile: &ImportProfile) -> (Cid, Vec<(Cid, Bytes)>) {
    let mut adder = profile.adder();
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (ready, consumed) = adder.push(rest);
        blocks.extend(ready);
        rest = &rest[consumed..];
    }
    blocks.extend(adder.finish());
    let blocks: Vec<_> = blocks.into_iter().map(|(cid, block)| (cid, Bytes::from(block))).collect();
    let root = blocks.last().map(|(cid, _)| *cid).expect("an empty file has a block too");
    (root, blocks)
}

/// Reads a stream to its end into a pool; gives up at the limit, or where the stream breaks.
pub(crate) async fn import(
    mut bytes: ByteStream,
    profile: ImportProfile,
    limit: Option<u64>,
    pool: Pool,
    hands: Hands,
) -> Result<(Imported, Pool)> {
    let mut importer = Importer { adder: profile.adder(), pool, last: None };
    let mut batch = Vec::with_capacity(profile.chunk_bytes);
    let mut total = 0u64;
    while let Some(next) = bytes.next().await {
        let next = next.map_err(Error::Interrupted)?;
        total += next.len() as u64;
        if limit.is_some_and(|limit| total > limit) {
            return Err(Error::TooLarge(format!(
                "the file is longer than the limit of {} bytes",
                limit.unwrap_or_default()
            )));
        }
        batch.extend_from_slice(&next);
        // One hop to a blocking thread for each chunk, not for each read of a socket.
        if batch.len() >= profile.chunk_bytes {
            (importer, batch) = hands.run(move || importer.push(batch)).await?;
        }
    }
    let (cid, pool) = hands.run(move || importer.push(batch)?.0.finish()).await?;
    Ok((Imported { cid, file_bytes: total }, pool))
}

struct Importer {
    adder: FileAdder,
    pool: Pool,
    last: Option<Cid>,
}

impl Importer {
    /// Takes bytes; gives the emptied buffer back for the next.
    fn push(mut self, mut batch: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let (ready, consumed) = self.adder.push(rest);
            for (cid, block) in ready {
                self.pool.put_own(&cid, &block)?;
                self.last = Some(cid);
            }
            rest = &rest[consumed..];
        }
        batch.clear();
        Ok((self, batch))
    }

    fn finish(mut self) -> Result<(Cid, Pool)> {
        for (cid, block) in self.adder.finish() {
            self.pool.put_own(&cid, &block)?;
            self.last = Some(cid);
        }
        let root = self.last.ok_or_else(|| Error::Refused("the file gave no block".to_owned()))?;
        self.pool.set_root(root)?;
        Ok((root, self.pool))
    }
}
