//! Piece CIDs: v1 names a commitment alone, v2 (FRC-0069) its size and the payload's length too.

use cid::multihash::Multihash;
use raas_types::{Cid, Commitment, PaddedSize};

use crate::PieceCommitment;
use crate::tree::{MAX_LEVEL, level_of};

/// Multicodec `fil-commitment-unsealed`.
const FIL_COMMITMENT_UNSEALED: u64 = 0xf101;
/// Multihash `sha2-256-trunc254-padded`.
const SHA2_256_TRUNC254_PADDED: u64 = 0x1012;
/// Multicodec `raw`.
const RAW: u64 = 0x55;
/// Multihash `fr32-sha256-trunc254-padbintree`.
const FR32_SHA256_TRUNC254_PADBINTREE: u64 = 0x1011;
/// The level of the smallest piece's root.
const MIN_HEIGHT: u8 = 2;

/// Why a CID names no piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceCidError {
    /// The CID is of another kind.
    #[error(
        "not a piece CID: codec {codec:#x} with multihash {hash:#x}; v1 (baga6ea4sea…) has 0xf101 with 0x1012, v2 (bafkzcib…) 0x55 with 0x1011"
    )]
    OtherKind {
        /// The CID's codec.
        codec: u64,
        /// Its multihash code.
        hash: u64,
    },
    /// The digest has the wrong length.
    #[error("a piece CID whose digest is {0} bytes long is cut short or has bytes left over")]
    DigestLength(usize),
    /// The padding is not written in the fewest bytes, or in more than nine.
    #[error("the padding of a piece CID v2 must be a minimal varint of at most nine bytes")]
    Varint,
    /// The height is outside 2..=58.
    #[error("a piece tree of height {0} does not exist: heights are 2 (128 bytes) to 58")]
    Height(u8),
    /// More padding than the piece has room for, or a payload longer than the piece.
    #[error("a piece of {room} bytes of data cannot hold {payload} bytes and {padding} of padding")]
    Padding {
        /// Bytes of data that the piece holds.
        room: u64,
        /// Bytes of payload claimed.
        payload: u64,
        /// Bytes of padding claimed.
        padding: u64,
    },
}

/// The piece CID v1 of a commitment (`baga6ea4sea…`).
pub fn piece_cid_v1(commitment: Commitment) -> Cid {
    let hash = Multihash::wrap(SHA2_256_TRUNC254_PADDED, &commitment.0);
    Cid::new_v1(FIL_COMMITMENT_UNSEALED, hash.expect("32 bytes fit a multihash of 64"))
}

/// The commitment that a piece CID v1 names.
pub fn commitment_from_v1(cid: &Cid) -> Result<Commitment, PieceCidError> {
    expect_kind(cid, FIL_COMMITMENT_UNSEALED, SHA2_256_TRUNC254_PADDED)?;
    let digest = cid.hash().digest();
    let root = digest.try_into().map_err(|_| PieceCidError::DigestLength(digest.len()))?;
    Ok(Commitment(root))
}

/// The piece CID v2 of a piece (`bafkzcib…`).
pub fn piece_cid_v2(piece: &PieceCommitment) -> Result<Cid, PieceCidError> {
    let room = piece.size.unpadded();
    let padding = room.checked_sub(piece.payload).ok_or(PieceCidError::Padding {
        room,
        payload: piece.payload,
        padding: 0,
    })?;
    let mut digest = varint(padding);
    digest.push(level_of(piece.size));
    digest.extend_from_slice(&piece.commitment.0);
    let hash = Multihash::wrap(FR32_SHA256_TRUNC254_PADBINTREE, &digest);
    // 9 bytes of varint (padding is below 2^63), 1 of height, 32 of root.
    Ok(Cid::new_v1(RAW, hash.expect("42 bytes fit a multihash of 64")))
}

/// The piece that a piece CID v2 names.
pub fn piece_from_v2(cid: &Cid) -> Result<PieceCommitment, PieceCidError> {
    expect_kind(cid, RAW, FR32_SHA256_TRUNC254_PADBINTREE)?;
    let digest = cid.hash().digest();
    let (padding, rest) = read_varint(digest)?;
    let Some((&height, root)) = rest.split_first() else {
        return Err(PieceCidError::DigestLength(digest.len()));
    };
    let root = root.try_into().map_err(|_| PieceCidError::DigestLength(digest.len()))?;
    if !(MIN_HEIGHT..=MAX_LEVEL).contains(&height) {
        return Err(PieceCidError::Height(height));
    }
    let size = PaddedSize::new(32 << height).ok_or(PieceCidError::Height(height))?;
    let room = size.unpadded();
    let payload =
        room.checked_sub(padding).ok_or(PieceCidError::Padding { room, payload: 0, padding })?;
    Ok(PieceCommitment { commitment: Commitment(root), size, payload })
}

fn expect_kind(cid: &Cid, codec: u64, hash: u64) -> Result<(), PieceCidError> {
    if cid.codec() == codec && cid.hash().code() == hash {
        Ok(())
    } else {
        Err(PieceCidError::OtherKind { codec: cid.codec(), hash: cid.hash().code() })
    }
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

/// Reads a multiformats varint: at most nine bytes of seven bits, no zero byte at its end.
fn read_varint(bytes: &[u8]) -> Result<(u64, &[u8]), PieceCidError> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let minimal = *byte != 0 || i == 0;
            return if minimal { Ok((value, &bytes[i + 1..])) } else { Err(PieceCidError::Varint) };
        }
    }
    Err(PieceCidError::Varint)
}
