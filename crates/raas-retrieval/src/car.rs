//! CARv1 framing: a header, then sections of length, CID and block.
//!
//! Reading trusts nothing: the header's roots are ignored, as the trustless gateway specification
//! asks, and the blocks are for the caller to verify. A section of length zero ends the blocks, for
//! a CAR that is followed by a piece's padding.

use std::io::{self, Read};

use bytes::Bytes;
use raas_types::Cid;
use tokio::io::{AsyncBufRead, AsyncReadExt};

use crate::{Error, Result};

/// The largest header, in bytes: a CAR of 1000 roots of 40 bytes has 40 kB; ours have one root.
const MAX_HEADER: u64 = 1 << 20;
/// Room for a section's CID beside its block: 2 varints of 9 bytes, 2 of 9 in the multihash, and
/// the longest digest that the `cid` crate reads, 64.
const MAX_CID: usize = 4 * 9 + 64;
/// The bytes that tell CARv2 from CARv1, after the length of the header.
const CAR_V2_PRAGMA: &[u8] = b"\xa1gversion\x02";
/// How a CARv1 header's version field reads in dag-cbor.
const CAR_V1_VERSION: &[u8] = b"gversion\x01";

/// The header of a CARv1 with one root, with its length before it.
pub(crate) fn header(root: &Cid) -> Vec<u8> {
    let cid = root.to_bytes();
    // {"roots": [42(h'00' + cid)], "version": 1} in dag-cbor.
    let mut body = b"\xa2eroots\x81\xd8\x2a".to_vec();
    match cid.len() + 1 {
        short @ ..=23 => body.push(0x40 | short as u8),
        long => body.extend_from_slice(&[0x58, long as u8]),
    }
    body.push(0);
    body.extend_from_slice(&cid);
    body.extend_from_slice(CAR_V1_VERSION);
    let mut header = varint(body.len() as u64);
    header.extend_from_slice(&body);
    header
}

/// What stands before a block of this length: the section's length, and its CID.
pub(crate) fn section_head(cid: &Cid, block_bytes: usize) -> Vec<u8> {
    let cid = cid.to_bytes();
    let mut head = varint((cid.len() + block_bytes) as u64);
    head.extend_from_slice(&cid);
    head
}

/// Reads a CAR as it arrives.
pub(crate) struct CarReader<R> {
    reader: R,
    max_block: usize,
}

impl<R: AsyncBufRead + Unpin> CarReader<R> {
    /// Reads the header.
    pub(crate) async fn new(mut reader: R, max_block: usize) -> Result<Self> {
        let Some(length) = read_varint(&mut reader).await? else {
            return Err(Error::Corrupt("an empty answer is no CAR".to_owned()));
        };
        if length == 0 || length > MAX_HEADER {
            return Err(Error::Corrupt(format!(
                "no CAR: its header would be {length} bytes long, 1 to {MAX_HEADER} are possible"
            )));
        }
        let header = read_exactly(&mut reader, length as usize).await?;
        check_header(&header)?;
        Ok(Self { reader, max_block })
    }

    /// The next section's CID and unverified block; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(Cid, Bytes)>> {
        let Some(length) = read_varint(&mut self.reader).await? else { return Ok(None) };
        if length == 0 {
            return Ok(None);
        }
        if length > (self.max_block + MAX_CID) as u64 {
            return Err(Error::TooLarge(format!(
                "a CAR section of {length} bytes; blocks of up to {} are accepted",
                self.max_block
            )));
        }
        let section = Bytes::from(read_exactly(&mut self.reader, length as usize).await?);
        let mut rest = &section[..];
        let cid = Cid::read_bytes(&mut rest).map_err(bad_cid)?;
        let start = section.len() - rest.len();
        Ok(Some((cid, section.slice(start..))))
    }
}

/// Where one section's block lies in a file.
pub(crate) struct Section {
    pub(crate) cid: Cid,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// How far beyond `at` the reader is.
    pub(crate) ahead: u64,
}

/// Reads the header of a CAR on disk and answers how many bytes it took.
pub(crate) fn skip_header(reader: &mut impl Read) -> Result<u64> {
    let (length, prefix) = read_varint_sync(reader)?
        .ok_or_else(|| Error::Corrupt("an empty file is no CAR".to_owned()))?;
    if length > MAX_HEADER {
        return Err(Error::Corrupt(format!("no CAR: a header of {length} bytes")));
    }
    let mut header = vec![0; length as usize];
    reader.read_exact(&mut header).map_err(on_disk)?;
    check_header(&header)?;
    Ok(prefix + length)
}

/// Reads the head of the section that starts at byte `at`.
pub(crate) fn read_section_head(reader: &mut impl Read, at: u64) -> Result<Option<Section>> {
    let Some((length, prefix)) = read_varint_sync(reader)? else { return Ok(None) };
    // Read first and parsed then, so that a disk that fails is not taken for bytes that are wrong.
    let mut head = Vec::with_capacity(MAX_CID);
    reader.take(length.min(MAX_CID as u64)).read_to_end(&mut head)?;
    let mut rest = &head[..];
    let cid = Cid::read_bytes(&mut rest).map_err(bad_cid)?;
    let ahead = rest.len() as u64;
    let cid_bytes = head.len() as u64 - ahead;
    Ok(Some(Section { cid, at: at + prefix + cid_bytes, bytes: length - cid_bytes, ahead }))
}

/// A stored CAR that ends too early is spoiled; any other error is the disk's.
pub(crate) fn on_disk(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { cut_short_on_disk() } else { error.into() }
}

fn check_header(header: &[u8]) -> Result<()> {
    if header == CAR_V2_PRAGMA {
        return Err(Error::Corrupt("this is a CARv2; only CARv1 is read".to_owned()));
    }
    if !header.windows(CAR_V1_VERSION.len()).any(|window| window == CAR_V1_VERSION) {
        return Err(Error::Corrupt("no CAR: its header names no version 1".to_owned()));
    }
    Ok(())
}

fn bad_cid(error: cid::Error) -> Error {
    Error::Corrupt(format!("a CAR section does not start with a CID: {error}"))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Takes a varint's next byte; `Some` when it was the last. Lengths fit 9 bytes of 7 bits.
fn take_byte(value: &mut u64, i: u32, byte: u8) -> Result<bool> {
    if i >= 9 {
        return Err(Error::Corrupt("a CAR section's length is no varint".to_owned()));
    }
    *value |= u64::from(byte & 0x7f) << (7 * i);
    Ok(byte & 0x80 == 0)
}

async fn read_varint(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<u64>> {
    let mut value = 0;
    for i in 0.. {
        let byte = match reader.read_u8().await {
            Ok(byte) => byte,
            // A stream that broke may carry the same kind, but with an error inside.
            Err(error) if i == 0 && is_plain_end(&error) => return Ok(None),
            Err(error) => return Err(broken(error)),
        };
        if take_byte(&mut value, i, byte)? {
            break;
        }
    }
    Ok(Some(value))
}

fn read_varint_sync(reader: &mut impl Read) -> Result<Option<(u64, u64)>> {
    let mut value = 0;
    for i in 0.. {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(0) if i == 0 => return Ok(None),
            Ok(0) => return Err(cut_short_on_disk()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if take_byte(&mut value, i, byte[0])? {
            return Ok(Some((value, u64::from(i) + 1)));
        }
    }
    Err(cut_short_on_disk())
}

async fn read_exactly(reader: &mut (impl AsyncBufRead + Unpin), length: usize) -> Result<Vec<u8>> {
    // Grows as bytes arrive: a section that only claims its length costs nothing.
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes).await.map_err(broken)?;
    if bytes.len() == length { Ok(bytes) } else { Err(cut_short()) }
}

fn broken(error: io::Error) -> Error {
    if is_plain_end(&error) { cut_short() } else { Error::from_stream(error) }
}

fn is_plain_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none()
}

/// A sender that broke off may do better next time.
fn cut_short() -> Error {
    let message = "the CAR ends in the middle of a section".to_owned();
    Error::Unavailable { message, source: None }
}

/// A file does not get better.
fn cut_short_on_disk() -> Error {
    Error::Corrupt("the stored CAR ends in the middle of a section".to_owned())
}
