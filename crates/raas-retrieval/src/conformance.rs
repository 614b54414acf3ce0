//! What every [`DataSource`] must do, as checks that panic where one does not.
//!
//! Each check makes a source that holds exactly the given blocks and fetches from it. [`all`] needs
//! a way to make one: over HTTP, that is a server of yours that serves these blocks and an adapter
//! pointed at it.
//!
//! ```
//! use std::sync::Arc;
//! use raas_retrieval::{DataSource, MemorySource, conformance};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! conformance::all(async |blocks| {
//!     Arc::new(MemorySource::new("memory").with_blocks(blocks)) as Arc<dyn DataSource>
//! })
//! .await;
//! # });
//! ```
//!
//! That the suite can fail is tested in `tests/conformance.rs`. It rejects a source that
//!
//! - says it served what it served only in part (`Boasts`);
//! - says it served what it never had (`Shrugs`);
//! - keeps what it has where it does not have all (`AllOrNothing`);
//! - fails where another source was there first (`WantsToBeFirst`);
//! - calls wrong bytes a thing of the network, to be tried again (`BlamesTheNetwork`);
//! - has no name (`Nameless`).

use std::sync::Arc;

use bytes::Bytes;
use raas_types::Cid;

use crate::{
    BlobStore, DataSource, Error, ImportProfile, Result, Served, Staging, Wanted, file_blocks,
};

/// Blocks with the CIDs they are to be served under, right or wrong.
pub type Blocks = Vec<(Cid, Bytes)>;

/// Runs every check, each against a source of its own.
///
/// # Panics
///
/// Where the source breaks the contract of [`DataSource`]; the message says which line of it.
pub async fn all(make: impl AsyncFn(Blocks) -> Arc<dyn DataSource>) {
    whole_files_arrive(&make).await;
    what_is_not_there_is_not_found(&make).await;
    a_missing_block_is_never_called_served(&make).await;
    what_is_there_is_added_though_a_block_is_missing(&make).await;
    wrong_bytes_are_called_corrupt(&make).await;
    a_source_completes_what_others_began(&make).await;
    asking_again_is_harmless(&make).await;
}

/// An empty file, one of one block, and one of several arrive, from a source with a name.
pub async fn whole_files_arrive(make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>) {
    for length in [0, 1, LEAF, 3 * LEAF + 1] {
        let (root, blocks) = file(length);
        let source = make(blocks).await;
        assert!(!source.name().is_empty(), "a source must have a name");
        let mut place = Place::new(root).await;
        let served = place.fetch(&source).await;
        let served =
            served.unwrap_or_else(|error| panic!("a file of {length} bytes is there: {error}"));
        assert!(!served.by.is_empty(), "who served a file must be named");
        let (store, staging) = (place.store, place.staging);
        staging.commit().await.expect("Ok from fetch means that the staging is complete");
        assert!(store.has(&root).await);
    }
}

/// A CID of which the source holds nothing is [`Error::NotFound`].
pub async fn what_is_not_there_is_not_found(make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>) {
    let (root, _) = file(3 * LEAF);
    let (_, other) = file(2);
    let mut place = Place::new(root).await;
    let error = place.fetch(&make(other).await).await;
    let error = error.expect_err("what is not there cannot be served");
    let not_found = kinds(&error).iter().all(|kind| matches!(kind, Error::NotFound { .. }));
    assert!(not_found, "what is not there must be NotFound, not: {error}");
}

/// A DAG that lacks a block is an error, whichever block it is.
pub async fn a_missing_block_is_never_called_served(
    make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>,
) {
    let (root, blocks) = file(4 * LEAF);
    for lacking in 0..blocks.len() {
        let mut some = blocks.clone();
        some.remove(lacking);
        let mut place = Place::new(root).await;
        let answer = place.fetch(&make(some).await).await;
        assert!(answer.is_err(), "block {lacking} is missing, and yet the file was called served");
    }
}

/// A source that lacks a leaf adds the rest, so that another may add the leaf.
pub async fn what_is_there_is_added_though_a_block_is_missing(
    make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>,
) {
    let (root, blocks) = file(4 * LEAF);
    // The root is last; the leaves are in the order of the file.
    let (lacking, _) = blocks[3];
    let some = blocks.iter().filter(|(cid, _)| *cid != lacking).cloned().collect();
    let mut place = Place::new(root).await;
    let error = place.fetch(&make(some).await).await.expect_err("a leaf is missing");
    let missing = place.staging.missing(10).await.expect("the staging works");
    assert_eq!(missing, [lacking], "what a source has must be added: {error}");
}

/// A block with other bytes than its CID says is refused, and the error says that it is corrupt.
pub async fn wrong_bytes_are_called_corrupt(make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>) {
    for spoiled in [0, 3] {
        let (root, mut blocks) = file(3 * LEAF);
        let mut bytes = blocks[spoiled].1.to_vec();
        bytes[5] ^= 1;
        blocks[spoiled].1 = bytes.into();
        let mut place = Place::new(root).await;
        let answer = place.fetch(&make(blocks).await).await;
        let error = answer.expect_err("a corrupt block cannot be served");
        let corrupt = kinds(&error).iter().any(|kind| matches!(kind, Error::Corrupt(_)));
        assert!(corrupt, "wrong bytes must be Corrupt, not: {error}");
        assert!(!place.staging.is_complete());
    }
}

/// A staging that another source left half full is completed, though this source lacks what is
/// there already.
pub async fn a_source_completes_what_others_began(
    make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>,
) {
    let (root, blocks) = file(4 * LEAF);
    let mut place = Place::new(root).await;
    let (root_block, leaves) = blocks.split_last().expect("five blocks");
    for (cid, bytes) in [root_block, &leaves[0], &leaves[2]] {
        place.staging.put(*cid, bytes.clone()).await.expect("a sound block is taken");
    }
    let rest = vec![root_block.clone(), leaves[1].clone(), leaves[3].clone()];
    let answer = place.fetch(&make(rest).await).await;
    answer.unwrap_or_else(|error| panic!("what others left missing is all here: {error}"));
    assert!(place.staging.is_complete());
}

/// A second fetch into a complete staging is `Ok`, and so is one from a source that has nothing.
pub async fn asking_again_is_harmless(make: &impl AsyncFn(Blocks) -> Arc<dyn DataSource>) {
    let (root, blocks) = file(2 * LEAF);
    let mut place = Place::new(root).await;
    let source = make(blocks).await;
    place.fetch(&source).await.expect("all is there");
    place.fetch(&source).await.expect("a complete staging needs nothing more");
    let empty = make(Vec::new()).await;
    place.fetch(&empty).await.expect("a complete staging needs nobody");
}

/// Bytes of a leaf here: small, so that a file of several blocks costs nothing.
const LEAF: usize = 1000;

/// A file of which every leaf is another.
fn file(length: usize) -> (Cid, Blocks) {
    let bytes: Vec<u8> = (0..length).map(|i| (i / LEAF * 7 + i % 251) as u8).collect();
    file_blocks(&bytes, &ImportProfile { chunk_bytes: LEAF, ..ImportProfile::default() })
}

/// The parts of an error that may be made of several parties' errors.
fn kinds(error: &Error) -> Vec<&Error> {
    match error {
        Error::Tried(attempts) => attempts.iter().flat_map(|a| kinds(&a.error)).collect(),
        other => vec![other],
    }
}

/// A staging in a store of its own.
struct Place {
    store: BlobStore,
    staging: Staging,
    wanted: Wanted,
    _dir: tempfile::TempDir,
}

impl Place {
    async fn new(root: Cid) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = BlobStore::open(dir.path()).expect("a store in it");
        let staging = store.stage(&root).await.expect("a staging in it");
        Self { store, staging, wanted: Wanted::new(root), _dir: dir }
    }

    async fn fetch(&mut self, source: &Arc<dyn DataSource>) -> Result<Served> {
        let served = source.fetch(&self.wanted, &mut self.staging).await?;
        assert!(
            self.staging.is_complete(),
            "{} said served, and {} blocks are missing",
            served.by,
            self.staging.missing_count()
        );
        Ok(served)
    }
}
