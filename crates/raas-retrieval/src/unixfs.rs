//! Reading a file out of its UnixFS DAG, with every length checked against what was announced.

use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt;
use ipld_dagpb::PbNode;
use raas_types::Cid;

use crate::block::{DAG_PB, RAW};
use crate::read::BlobReader;
use crate::{ByteStream, Error, Result};

/// The most links waiting while a file is read; as for a walk, but a file's nodes have 174 links
/// on some 4 levels.
const MAX_WAITING: usize = 1 << 20;

/// How long the file under this root is.
pub(crate) fn file_size(root: &Cid, block: &Bytes) -> Result<u64> {
    match root.codec() {
        RAW => Ok(block.len() as u64),
        DAG_PB => Node::parse(root, block)?.total(root),
        other => {
            Err(not_a_file(root, &format!("of codec {other:#x}, and files are raw or dag-pb")))
        }
    }
}

/// The bytes of a range of the file, which is `total` bytes long.
pub(crate) fn file_stream(
    reader: BlobReader,
    total: u64,
    range: Range<u64>,
    max_depth: usize,
) -> ByteStream {
    let root = Part { cid: *reader.root(), covers: 0..total, depth: 0 };
    let walk = Walk { reader, range, waiting: vec![root], max_depth };
    futures::stream::try_unfold(walk, |mut walk| async move {
        let hands = walk.reader.hands();
        let step = hands.run(move || Ok(walk.next()?.map(|bytes| (bytes, walk))));
        step.await.map_err(std::io::Error::from)
    })
    .boxed()
}

struct Part {
    cid: Cid,
    covers: Range<u64>,
    depth: usize,
}

struct Walk {
    reader: BlobReader,
    range: Range<u64>,
    /// The next last.
    waiting: Vec<Part>,
    max_depth: usize,
}

impl Walk {
    /// The next bytes of the range; `None` at its end.
    fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(part) = self.waiting.pop() {
            if part.covers.start >= self.range.end || part.covers.end <= self.range.start {
                continue;
            }
            let block = self.reader.read(&part.cid)?;
            let data = match part.cid.codec() {
                RAW => block,
                _ => self.enter(&part, &block)?,
            };
            let covers = part.covers.start..part.covers.start + data.len() as u64;
            if part.cid.codec() == RAW && covers != part.covers {
                return Err(wrong_length(&part.cid));
            }
            let bytes = cut(&data, &covers, &self.range);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Puts a node's links before all that waits, and answers the data that it holds itself.
    fn enter(&mut self, part: &Part, block: &Bytes) -> Result<Bytes> {
        let node = Node::parse(&part.cid, block)?;
        let total = part.covers.end - part.covers.start;
        if node.total(&part.cid)? != total {
            return Err(wrong_length(&part.cid));
        }
        if part.depth >= self.max_depth || self.waiting.len() + node.links.len() > MAX_WAITING {
            return Err(Error::TooLarge(format!(
                "the file is deeper than {} levels, or wider than {MAX_WAITING} links",
                self.max_depth
            )));
        }
        let mut start = part.covers.start + node.data.len() as u64;
        let first = self.waiting.len();
        for (cid, bytes) in node.links {
            // The sum is the node's total, which was compared with what its parent announced.
            self.waiting.push(Part { cid, covers: start..start + bytes, depth: part.depth + 1 });
            start += bytes;
        }
        self.waiting[first..].reverse();
        Ok(node.data)
    }
}

/// The part of `data`, which covers those bytes of the file, that lies in the range.
fn cut(data: &Bytes, covers: &Range<u64>, range: &Range<u64>) -> Bytes {
    let start = range.start.clamp(covers.start, covers.end) - covers.start;
    let end = range.end.clamp(covers.start, covers.end) - covers.start;
    // Both are at most the length of a block.
    data.slice(start as usize..(end as usize).max(start as usize))
}

/// A UnixFS node of a file: its own data, then its links with the bytes that each stands for.
struct Node {
    data: Bytes,
    links: Vec<(Cid, u64)>,
    announced: Option<u64>,
}

/// UnixFS types: a file, or a leaf of one. The others have no bytes of their own.
const TYPE_RAW: u64 = 0;
const TYPE_FILE: u64 = 2;

impl Node {
    fn parse(cid: &Cid, block: &Bytes) -> Result<Self> {
        let bad = || Error::Corrupt(format!("{cid} is no valid UnixFS node"));
        let node = PbNode::from_bytes(block.clone()).map_err(|_| bad())?;
        let outer =
            node.data.ok_or_else(|| not_a_file(cid, "a dag-pb node without UnixFS data"))?;
        let mut kind = None;
        let mut data = Bytes::new();
        let mut announced = None;
        let mut sizes = Vec::new();
        let mut fields = Fields(&outer);
        while let Some((number, value)) = fields.field().ok_or_else(bad)? {
            match (number, value) {
                (1, Value::Number(n)) => kind = Some(n),
                (2, Value::Bytes(bytes)) => data = outer.slice_ref(bytes),
                (3, Value::Number(n)) => announced = Some(n),
                (4, Value::Number(n)) => sizes.push(n),
                (4, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        sizes.push(varint(&mut packed).ok_or_else(bad)?);
                    }
                }
                // Hash type and fanout of directories, mode and time: nothing to do with bytes.
                _ => {}
            }
        }
        match kind {
            Some(TYPE_RAW | TYPE_FILE) => {}
            Some(1 | 5) => return Err(not_a_file(cid, "a directory")),
            Some(4) => return Err(not_a_file(cid, "a symbolic link")),
            _ => return Err(bad()),
        }
        if sizes.len() != node.links.len() {
            return Err(bad());
        }
        let links = node.links.iter().map(|link| link.cid).zip(sizes).collect();
        Ok(Self { data, links, announced })
    }

    /// The bytes that the node stands for, where what it announces is true.
    fn total(&self, cid: &Cid) -> Result<u64> {
        let sum = self
            .links
            .iter()
            .try_fold(self.data.len() as u64, |sum, (_, bytes)| sum.checked_add(*bytes));
        match (sum, self.announced) {
            (Some(sum), None) => Ok(sum),
            (Some(sum), Some(announced)) if sum == announced => Ok(sum),
            _ => Err(wrong_length(cid)),
        }
    }
}

fn not_a_file(cid: &Cid, what: &str) -> Error {
    Error::NotAFile(format!("{cid} is {what}"))
}

fn wrong_length(cid: &Cid) -> Error {
    Error::Corrupt(format!("the lengths in {cid} contradict each other"))
}

/// The fields of a protobuf message.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Fields<'a> {
    /// The next field; `Some(None)` at the end, `None` where the bytes are no message.
    fn field(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = varint(&mut self.0)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut self.0)?),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                Value::Bytes(self.0.split_off(..length)?)
            }
            1 => self.0.split_off(..8).map(|_| Value::Other)?,
            5 => self.0.split_off(..4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for i in 0..10 {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f).checked_shl(7 * i)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
