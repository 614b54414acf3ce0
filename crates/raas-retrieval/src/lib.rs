//! Verified retrieval: the [`DataSource`] port, UnixFS and CAR, and the local [`BlobStore`].
//!
//! Bytes come in two ways, and both end in the store as one CAR for each DAG: a file that a client
//! hands over is [imported](BlobStore::import), and a CID is [fetched](fetch_into) from sources
//! into a [`Staging`], which recomputes every block's hash and walks the DAG from its root. A
//! source is never believed: not that a block is right, and not that it sent them all.
//!
//! No HTTP here, and no policy on whom to ask: that is what adapters of [`DataSource`] and the
//! caller's order of sources are for.
//!
//! Implement [`DataSource`] to fetch from somewhere else, then run `conformance::all` (feature
//! `test-util`) against it. Feature `mock` generates `MockDataSource` for tests of code that *uses*
//! a source; for tests of behaviour, prefer [`MemorySource`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod block;
mod car;
mod error;
mod hands;
mod import;
mod limits;
mod memory;
mod pool;
mod read;
mod source;
mod staging;
mod store;
mod unixfs;

#[cfg(feature = "test-util")]
pub mod conformance;

use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

pub use block::{links, verify_block};
pub use error::{Error, Result};
pub use import::{ImportProfile, Imported, file_blocks};
pub use limits::Limits;
pub use memory::MemorySource;
pub use source::{Attempt, Fetched, LOCAL, PieceHint, Served, Unavailable, Wanted, fetch_into};
pub use staging::{Committed, Staging};
pub use store::{BlobStat, BlobStore, FileBody};

/// Bytes as they come. An error may carry this crate's [`Error`]; [`Error::from_stream`] takes it
/// out again.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Somewhere that may have a DAG.
///
/// # Contract
///
/// - `Ok` means that the staging is complete. Anything less is an error, whatever was added: a
///   source that has some of the blocks adds them and answers [`Error::Incomplete`].
/// - What the staging holds already is not asked for again where the source can help it, and is
///   never a reason to fail: several sources complete each other.
/// - Nothing of it, as far as the source can tell: [`Error::NotFound`].
/// - Wrong bytes: [`Error::Corrupt`]. The staging refuses them; the source names who sent them.
/// - Asking again is harmless. A complete staging is `Ok` without asking anyone.
/// - The time that a fetch takes is bounded by the source; dropping the future ends it.
/// - A source that asks several parties gives [`Served::attempts`] or [`Error::Tried`], so that
///   people see who failed.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DataSource: fmt::Debug + Send + Sync + 'static {
    /// What people call it: a host or a kind of search. Never empty, never with credentials.
    fn name(&self) -> String;

    /// Adds blocks of the wanted DAG to the staging until it is complete.
    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served>;
}
