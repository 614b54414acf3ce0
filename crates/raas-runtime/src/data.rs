//! Bytes: whether we have them, and getting them from wherever they are.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::{FutureExt, StreamExt, TryStreamExt, stream::BoxStream};
use raas_aggregator::Payload;
use raas_core::DataView;
use raas_retrieval::{BlobStore, Fetched, PieceHint, Wanted, fetch_into};
use raas_types::{ChainEpoch, DealMemory};

use crate::{Event, Node, PassReport, RuntimeError};

/// Bytes that nobody had.
#[derive(Clone, Debug)]
pub(crate) struct MissingData {
    tried: Vec<String>,
    retry_at: ChainEpoch,
}

/// How many missing CIDs are remembered: 10 000 of a few hundred bytes are a few megabytes. One that
/// falls out is merely asked for again sooner.
const MISSING_LIMIT: usize = 10_000;

/// How bytes came to be here.
#[derive(Clone, Debug)]
pub struct Retrieved {
    /// Who had them: `local store`, a gateway, a provider.
    pub by: String,
    /// Who was asked before, and what they said.
    pub tried: Vec<String>,
}

impl Node {
    /// Makes sure that the bytes of `cid` are in the blob store, fetching and verifying them from
    /// wherever they can be had.
    ///
    /// # Errors
    ///
    /// Who was asked, and what they said.
    pub async fn retrieve(&self, cid: &Cid) -> Result<Retrieved, RuntimeError> {
        let memories = self.store().deal_memories(cid).await?;
        let fetched = self.fetch(cid, &memories).await?;
        let tried = fetched.attempts.iter().map(ToString::to_string).collect();
        Ok(Retrieved { by: fetched.by, tried })
    }

    /// Where the bytes of a CID are, as far as is known.
    pub(crate) async fn data_view(&self, cid: &Cid) -> DataView {
        if self.ports().blobs.has(cid).await {
            return DataView::Local;
        }
        match self.missing().get(cid) {
            Some(MissingData { tried, retry_at }) => {
                DataView::Missing { tried: tried.clone(), retry_at: *retry_at }
            }
            None => DataView::Elsewhere,
        }
    }

    /// Fetches bytes for a plan, side by side but bounded. Returns the CIDs that are here now.
    pub(crate) async fn fetch_all(
        &self,
        wanted: Vec<(Cid, Vec<DealMemory>)>,
        at: ChainEpoch,
        report: &mut PassReport,
    ) -> Vec<Cid> {
        let fetches =
            wanted.into_iter().map(|(cid, memories)| self.fetch_named(cid, memories).boxed());
        let mut fetches =
            futures::stream::iter(fetches).buffer_unordered(self.settings().concurrency);
        let mut here = Vec::new();
        while let Some((cid, result)) = fetches.next().await {
            match result {
                Ok(Fetched { by, attempts }) => {
                    let tried = attempts.iter().map(ToString::to_string).collect();
                    report.event(Event::Fetched { cid, by, tried });
                    self.missing().remove(&cid);
                    here.push(cid);
                }
                Err(unavailable) => {
                    let tried: Vec<_> =
                        unavailable.attempts.iter().map(ToString::to_string).collect();
                    report.event(Event::DataMissing { cid, tried: tried.clone() });
                    let retry_at = at + self.settings().data_retry;
                    let mut missing = self.missing();
                    while missing.len() >= MISSING_LIMIT {
                        missing.pop_first();
                    }
                    missing.insert(cid, MissingData { tried, retry_at });
                }
            }
        }
        here
    }

    async fn fetch_named(
        &self,
        cid: Cid,
        memories: Vec<DealMemory>,
    ) -> (Cid, Result<Fetched, raas_retrieval::Unavailable>) {
        (cid, self.fetch(&cid, &memories).await)
    }

    async fn fetch(
        &self,
        cid: &Cid,
        memories: &[DealMemory],
    ) -> Result<Fetched, raas_retrieval::Unavailable> {
        let pieces = memories.iter().filter_map(|memory| {
            let proposal = memory.proposal.as_ref()?;
            Some(PieceHint {
                piece: proposal.piece.clone(),
                provider: Some(proposal.provider),
                segment: memory.proof.clone(),
            })
        });
        let wanted = Wanted { cid: *cid, pieces: pieces.collect() };
        fetch_into(&self.ports().blobs, &wanted, &self.ports().sources).await
    }
}

/// A file of the blob store, as an aggregator takes it.
pub(crate) struct BlobPayload {
    blobs: BlobStore,
    cid: Cid,
    size: u64,
}

impl BlobPayload {
    pub(crate) async fn open(blobs: &BlobStore, cid: &Cid) -> raas_retrieval::Result<Self> {
        let size = file(blobs, cid).await?.total;
        Ok(Self { blobs: blobs.clone(), cid: *cid, size })
    }
}

#[async_trait]
impl Payload for BlobPayload {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        Ok(file(&self.blobs, &self.cid)
            .await
            .map_err(io::Error::other)?
            .stream
            .into_stream()
            .boxed())
    }
}

async fn file(blobs: &BlobStore, cid: &Cid) -> raas_retrieval::Result<raas_retrieval::FileBody> {
    let body = blobs.file(cid, None).await?;
    body.ok_or_else(|| raas_retrieval::Error::NotFound { cid: *cid })
}
