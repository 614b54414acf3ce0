//! The DAG below a CID as a CARv1 stream, walked depth first through the blocks of one segment.

use std::{collections::BTreeSet, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use cid::Cid;
use futures::{StreamExt, TryStreamExt, stream};
use raas_retrieval::links;

use super::{
    ipni::uvarint,
    library::{Body, Segment, read_file},
};

/// Multihash `identity`: the data stands in the CID and is never sent as a block.
const IDENTITY: u64 = 0x00;

/// How far down a CAR reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The one block.
    Block,
    /// Everything below.
    All,
}

struct Walk {
    segment: Arc<Segment>,
    scope: Scope,
    /// What is still to be sent; the next one last.
    stack: Vec<Cid>,
    seen: BTreeSet<Vec<u8>>,
}

/// A CAR of the DAG below `root`; each block once. A block that is missing ends it with an error.
pub(crate) fn car(segment: Arc<Segment>, root: Cid, scope: Scope) -> Body {
    let walk = Walk { segment, scope, stack: vec![root], seen: BTreeSet::new() };
    let blocks = stream::try_unfold(walk, |mut walk| async {
        let section = walk.next().await?;
        Ok(section.map(|section| (section, walk)))
    });
    stream::once(async move { Ok(header(&root)) }).chain(blocks).boxed()
}

/// The data of one block, for which the segment must have the CID's multihash.
pub(crate) async fn block(segment: &Segment, cid: &Cid) -> io::Result<Bytes> {
    let range = segment.blocks.get(&cid.hash().to_bytes()).cloned();
    let range = range.ok_or_else(|| io::Error::other(format!("block {cid} is missing")))?;
    let data = read_file(segment.car.clone(), range)
        .try_fold(BytesMut::new(), |mut data, chunk| async move {
            data.extend_from_slice(&chunk);
            Ok(data)
        })
        .await?;
    Ok(data.freeze())
}

impl Walk {
    /// The next block as a CAR section.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(cid) = self.stack.pop() {
            if cid.hash().code() == IDENTITY || !self.seen.insert(cid.hash().to_bytes()) {
                continue;
            }
            let data = block(&self.segment, &cid).await?;
            if self.scope == Scope::All {
                self.stack.extend(links(&cid, &data)?.into_iter().rev());
            }
            let name = cid.to_bytes();
            let mut section = uvarint((name.len() + data.len()) as u64);
            section.extend_from_slice(&name);
            section.extend_from_slice(&data);
            return Ok(Some(section.into()));
        }
        Ok(None)
    }
}

/// The header of a CARv1 with one root: `{"roots": [CID], "version": 1}` in dag-cbor, in which a
/// CID is tag 42 over its bytes with a zero before them.
fn header(root: &Cid) -> Bytes {
    let name = root.to_bytes();
    let mut map = b"\xa2eroots\x81\xd8\x2a\x58".to_vec();
    map.push(name.len() as u8 + 1);
    map.push(0);
    map.extend_from_slice(&name);
    map.extend_from_slice(b"gversion\x01");
    let mut header = uvarint(map.len() as u64);
    header.extend_from_slice(&map);
    header.into()
}
