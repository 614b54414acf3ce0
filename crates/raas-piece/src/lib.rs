//! Filecoin pieces: commitments (commP), piece CIDs, and proofs of data segment inclusion.
//!
//! Pure maths over bytes and the vocabulary of `raas-types`: no I/O, no clock, no async. A caller
//! that has a file, a socket or an aggregate larger than memory feeds bytes through
//! [`CommPBuilder`] and asks [`Aggregate`] where things lie; nothing here holds more than
//! O(log n) of the data.
//!
//! The words: a *piece* is data padded with zeros to 127 * 2^k bytes, stretched by Fr32 to
//! 128 * 2^k (its *padded* size), and hashed as a binary tree of 32-byte leaves. Its root is the
//! *commitment*. An *aggregate* is a piece made of smaller pieces (*segments*) and, at its end, an
//! *index* that lists them (FRC-0058); an inclusion proof shows a segment in both places.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod aggregate;
mod commp;
mod entry;
mod fr32;
mod piece_cid;
mod proof;
mod tree;

pub use aggregate::{Aggregate, PackError, Placement};
pub use commp::{CommPBuilder, PieceCommitment, commitment_of};
pub use entry::{DataSegmentEntry, EntryError, index_start, max_entries};
pub use piece_cid::{PieceCidError, commitment_from_v1, piece_cid_v1, piece_cid_v2, piece_from_v2};
pub use proof::{Path, ProofError, placement, verify};
pub use tree::{MAX_LEVEL, level_of, node, pad_commitment, zero_commitment};
