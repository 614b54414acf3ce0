//! Reading a stored CAR: where its blocks lie, and each of them verified.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use raas_types::Cid;

use crate::block::{inline, key, links, verify_block};
use crate::hands::Hands;
use crate::{ByteStream, Error, Result, car};

/// Bytes read at once while scanning: a section's head is below 50, and the block after it is
/// skipped.
const SCAN_BUFFER: usize = 512;

/// Where the blocks of a CAR file lie.
#[derive(Debug)]
pub(crate) struct Index {
    blocks: HashMap<Cid, (u64, u32)>,
    /// In the order of the file, with the CIDs as written there.
    order: Vec<Cid>,
    car_bytes: u64,
}

impl Index {
    /// Reads the sections' heads and seeks over the blocks.
    pub(crate) fn scan(file: &File) -> Result<Self> {
        let car_bytes = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(SCAN_BUFFER, file);
        reader.rewind()?;
        let mut at = car::skip_header(&mut reader)?;
        let mut index = Self { blocks: HashMap::new(), order: Vec::new(), car_bytes };
        while let Some(section) = car::read_section_head(&mut reader, at)? {
            let end = section.at.saturating_add(section.bytes);
            let (Ok(bytes), true) = (u32::try_from(section.bytes), end <= car_bytes) else {
                return Err(Error::Corrupt("the stored CAR is cut short".to_owned()));
            };
            index.blocks.insert(key(&section.cid), (section.at, bytes));
            index.order.push(section.cid);
            reader.seek_relative(i64::from(bytes) - section.ahead as i64)?;
            at = end;
        }
        Ok(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn car_bytes(&self) -> u64 {
        self.car_bytes
    }

    pub(crate) fn contains(&self, cid: &Cid) -> bool {
        self.blocks.contains_key(&key(cid))
    }
}

/// An open CAR file.
#[derive(Debug)]
pub(crate) struct BlobReader {
    root: Cid,
    file: File,
    index: Arc<Index>,
    hands: Hands,
}

impl BlobReader {
    pub(crate) fn new(root: Cid, file: File, index: Arc<Index>, hands: Hands) -> Self {
        Self { root, file, index, hands }
    }

    pub(crate) fn root(&self) -> &Cid {
        &self.root
    }

    /// Who reads it.
    pub(crate) fn hands(&self) -> Hands {
        self.hands
    }

    pub(crate) fn car_bytes(&self) -> u64 {
        self.index.car_bytes
    }

    pub(crate) fn contains(&self, cid: &Cid) -> bool {
        inline(cid).is_some() || self.index.contains(cid)
    }

    /// A block, its hash recomputed.
    pub(crate) fn read(&mut self, cid: &Cid) -> Result<Bytes> {
        if let Some(data) = inline(cid) {
            return Ok(Bytes::copy_from_slice(data));
        }
        let Some((at, bytes)) = self.index.blocks.get(&key(cid)).copied() else {
            return Err(Error::Corrupt(format!("the stored DAG lacks its block {cid}")));
        };
        let mut block = vec![0; bytes as usize];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut block).map_err(car::on_disk)?;
        verify_block(cid, &block)?;
        Ok(Bytes::from(block))
    }
}

/// Reads all that is stored: every block must be right, the DAG whole, and nothing else there.
/// [`Error::Corrupt`] where that is not so.
pub(crate) fn verify(reader: &mut BlobReader) -> Result<()> {
    let root = reader.root;
    let mut seen = HashSet::from([key(&root)]);
    let mut waiting = vec![root];
    let mut stored = 0;
    while let Some(cid) = waiting.pop() {
        let block = reader.read(&cid)?;
        stored += usize::from(inline(&cid).is_none());
        // What is seen already waits only once, so that no more wait than there are blocks.
        waiting.extend(links(&cid, &block)?.into_iter().filter(|below| seen.insert(key(below))));
    }
    if stored != reader.index.len() {
        let extra = reader.index.len().abs_diff(stored);
        return Err(Error::Corrupt(format!(
            "the CAR stored for {root} holds {extra} blocks that are not part of it"
        )));
    }
    Ok(())
}

/// The CAR as it is stored, block after block, each verified before it goes out.
pub(crate) fn car_stream(reader: BlobReader) -> ByteStream {
    let header = Bytes::from(car::header(&reader.root));
    let sections = futures::stream::try_unfold((reader, 0), |(mut reader, i)| async move {
        let step = reader.hands().run(move || {
            let Some(cid) = reader.index.order.get(i).copied() else { return Ok(None) };
            let block = reader.read(&cid)?;
            let mut section = BytesMut::from(&car::section_head(&cid, block.len())[..]);
            section.put(block);
            Ok(Some((section.freeze(), (reader, i + 1))))
        });
        step.await.map_err(std::io::Error::from)
    });
    futures::stream::once(async { Ok(header) }).chain(sections).boxed()
}
