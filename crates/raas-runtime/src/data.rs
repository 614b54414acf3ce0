//! Bytes: whether we have them, and getting them from wherever they are.

use std::{collections::BTreeMap, io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use raas_aggregator::Payload;
use raas_core::DataView;
use raas_retrieval::{Attempt, BlobStore, Fetched, PieceHint, Wanted, fetch_into};
use raas_types::{ChainEpoch, DealMemory};

use serde::{Deserialize, Serialize};

use crate::{
    Event, Node, RuntimeError,
    transfers::{Claim, Lane, Outcome},
};

/// Bytes that nobody had.
#[derive(Clone, Debug)]
pub(crate) struct MissingData {
    tried: Vec<String>,
    retry_at: ChainEpoch,
}

/// How many CIDs are remembered: 10 000 of a few hundred bytes are a few megabytes. One that falls out
/// is merely asked for again sooner.
const REMEMBERED: usize = 10_000;

/// How bytes came to be here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let v1 = Cid::new_v1(cid.codec(), *cid.hash());
        let memories = self.store().deal_memories(&v1).await?;
        let Fetched { by, attempts } = self.fetch(cid, &memories).await?;
        Ok(Retrieved { by, tried: in_words(&attempts) })
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

    /// Fetches bytes for a plan, beside the pass. When they are here, or nobody has them, the CID is
    /// looked at again.
    pub(crate) fn fetch_beside(
        &self,
        cid: Cid,
        memories: Vec<DealMemory>,
        claim: Arc<Claim>,
        at: ChainEpoch,
    ) {
        let node = self.clone();
        self.beside(Lane::Fetch, async move {
            let event = match node.fetch(&cid, &memories).await {
                Ok(fetched) => node.note_fetched(cid, &fetched),
                Err(unavailable) => node.note_missing(cid, &unavailable.attempts, at),
            };
            let mut outcome = Outcome::from(event);
            if let Err(error) = node.wake_cid(&cid).await {
                outcome.errors.push(format!("{cid}: {error}"));
            }
            drop(claim);
            outcome
        });
    }

    fn note_fetched(&self, cid: Cid, Fetched { by, attempts }: &Fetched) -> Event {
        let retrieved = Retrieved { by: by.clone(), tried: in_words(attempts) };
        self.missing().remove(&cid);
        remember(&mut self.fetched(), cid, retrieved.clone());
        let Retrieved { by, tried } = retrieved;
        Event::Fetched { cid, by, tried }
    }

    fn note_missing(&self, cid: Cid, attempts: &[Attempt], at: ChainEpoch) -> Event {
        let tried = in_words(attempts);
        let retry_at = at + self.settings().data_retry;
        remember(&mut self.missing(), cid, MissingData { tried: tried.clone(), retry_at });
        Event::DataMissing { cid, tried }
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

fn in_words(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(ToString::to_string).collect()
}

/// Remembers something of a CID in memory; when there is too much, another CID's is forgotten.
fn remember<T>(map: &mut BTreeMap<Cid, T>, cid: Cid, what: T) {
    while map.len() >= REMEMBERED {
        map.pop_first();
    }
    map.insert(cid, what);
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
