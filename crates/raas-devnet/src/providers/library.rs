//! The pieces that were packed, laid out on disk: what a provider's server reads from.
//!
//! A piece is never written out. It is the segments' files (and small fillers and the index in
//! memory) at their places, and zeros between; a piece of gigabytes costs as much disk as its data.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use cid::Cid;
use futures::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use raas_types::PieceInfo;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// How much is read or zeroed at a time. Sixteen readers at once hold a mebibyte.
const CHUNK: usize = 64 * 1024;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// The longest CAR section that is indexed: a block of 2 MiB, twice what kubo makes, and its CID.
const MAX_SECTION: u64 = 2 * 1024 * 1024 + 128;

/// A stream of a body's bytes.
pub(crate) type Body = BoxStream<'static, io::Result<Bytes>>;

/// The CAR of one payload, as it is packed into pieces.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The segment's own commitment and size.
    pub(crate) piece: PieceInfo,
    /// The CAR file and its length in bytes.
    pub(crate) car: PathBuf,
    pub(crate) len: u64,
    /// Where each block's data lies in the CAR, by multihash.
    pub(crate) blocks: BTreeMap<Vec<u8>, Range<u64>>,
}

/// What stands at one place of a piece.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Car(Arc<Segment>),
    Bytes(Bytes),
}

impl Source {
    fn len(&self) -> u64 {
        match self {
            Self::Car(segment) => segment.len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn read(&self, range: Range<u64>) -> Body {
        match self {
            Self::Car(segment) => read_file(segment.car.clone(), range),
            Self::Bytes(bytes) => {
                stream::iter([Ok(bytes.slice(range.start as usize..range.end as usize))]).boxed()
            }
        }
    }
}

/// One piece, as its data is: not stretched by Fr32.
#[derive(Debug)]
pub(crate) struct StoredPiece {
    pub(crate) piece: PieceInfo,
    pub(crate) segment: Arc<Segment>,
    /// What stands where, ascending and apart. Zeros everywhere else.
    parts: Vec<(u64, Source)>,
}

impl StoredPiece {
    pub(crate) fn new(
        piece: PieceInfo,
        segment: Arc<Segment>,
        mut parts: Vec<(u64, Source)>,
    ) -> Self {
        parts.sort_by_key(|(at, _)| *at);
        Self { piece, segment, parts }
    }

    /// The bytes of data in the whole piece: 127 for every 128 of its padded size.
    pub(crate) fn len(&self) -> u64 {
        self.piece.size.unpadded()
    }

    /// The bytes in `range`, which must lie within the piece.
    pub(crate) fn read(&self, range: Range<u64>) -> Body {
        let mut bodies = Vec::new();
        let mut at = range.start;
        for (start, source) in &self.parts {
            let end = start + source.len();
            if end <= at || *start >= range.end {
                continue;
            }
            if at < *start {
                bodies.push(zeros(*start - at));
                at = *start;
            }
            let until = end.min(range.end);
            bodies.push(source.read(at - start..until - start));
            at = until;
        }
        bodies.push(zeros(range.end - at));
        stream::iter(bodies).flatten().boxed()
    }
}

/// Every piece that was packed, and the segments' blocks.
#[derive(Debug, Default)]
pub(crate) struct Library {
    shelves: RwLock<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    pieces: BTreeMap<Cid, Arc<StoredPiece>>,
    by_multihash: BTreeMap<Vec<u8>, Vec<Arc<StoredPiece>>>,
}

impl Library {
    /// Adds a piece; one that is there already stays as it is.
    pub(crate) fn add(&self, piece: StoredPiece) {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        if shelves.pieces.contains_key(&piece.piece.cid) {
            return;
        }
        let piece = Arc::new(piece);
        shelves.pieces.insert(piece.piece.cid, piece.clone());
        for multihash in piece.segment.blocks.keys() {
            shelves.by_multihash.entry(multihash.clone()).or_default().push(piece.clone());
        }
    }

    /// The piece with this CID (v1).
    pub(crate) fn piece(&self, cid: &Cid) -> Option<Arc<StoredPiece>> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner).pieces.get(cid).cloned()
    }

    /// The pieces that hold a block with the CID's multihash, or that the CID itself names.
    pub(crate) fn holding(&self, cid: &Cid) -> Vec<Arc<StoredPiece>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let blocks = shelves.by_multihash.get(&cid.hash().to_bytes()).into_iter().flatten();
        blocks.chain(shelves.pieces.get(cid)).cloned().collect()
    }

    /// A packed payload that has a block with the CID's multihash.
    pub(crate) fn segment_with(&self, cid: &Cid) -> Option<Arc<Segment>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let pieces = shelves.by_multihash.get(&cid.hash().to_bytes())?;
        pieces.first().map(|piece| piece.segment.clone())
    }
}

/// A range of a file.
pub(crate) fn read_file(path: PathBuf, range: Range<u64>) -> Body {
    let open = async move {
        let mut file = tokio::fs::File::open(path).await?;
        file.seek(SeekFrom::Start(range.start)).await?;
        let part = file.take(range.end - range.start);
        Ok::<_, io::Error>(ReaderStream::with_capacity(part, CHUNK))
    };
    stream::once(open).try_flatten().boxed()
}

fn zeros(len: u64) -> Body {
    stream::unfold(len, |left| {
        let step = left.min(CHUNK as u64);
        let chunk = Bytes::from_static(&ZEROS[..step as usize]);
        future::ready((left > 0).then_some((Ok(chunk), left - step)))
    })
    .boxed()
}

/// Where each block's data lies in a CARv1 file. Blocking.
pub(crate) fn index_car(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Range<u64>>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut blocks = BTreeMap::new();
    let header = read_uvarint(&mut file)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    skip(&mut file, header)?;
    while let Some(len) = read_uvarint(&mut file)? {
        if len > MAX_SECTION {
            let error = format!("a CAR section of {len} bytes, more than {MAX_SECTION}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let start = file.stream_position()?;
        let cid = Cid::read_bytes((&mut file).take(len))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let data = file.stream_position()?;
        blocks.insert(cid.hash().to_bytes(), data..start + len);
        skip(&mut file, start + len - data)?;
    }
    Ok(blocks)
}

fn skip(file: &mut BufReader<File>, bytes: u64) -> io::Result<()> {
    let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    file.seek_relative(bytes)
}

/// An unsigned LEB128 number; `None` at the end of the file.
fn read_uvarint(file: &mut BufReader<File>) -> io::Result<Option<u64>> {
    let mut value = 0;
    // Nine bytes of seven bits, the longest that the multiformats varint allows.
    for shift in (0..63).step_by(7) {
        let mut byte = [0];
        if file.read(&mut byte)? == 0 {
            let at_start = shift == 0;
            return if at_start { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
