//! Asking several sources, one after the other.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Place, random};
use raas_retrieval::{
    DataSource, Error, ImportProfile, LOCAL, MemorySource, Served, Wanted, fetch_into, file_blocks,
};
use raas_types::Cid;

type Blocks = Vec<(Cid, Bytes)>;

fn file() -> (Cid, Blocks) {
    let profile = ImportProfile { chunk_bytes: 1000, ..ImportProfile::default() };
    file_blocks(&random(6000), &profile)
}

fn source(name: &str, blocks: impl IntoIterator<Item = (Cid, Bytes)>) -> Arc<dyn DataSource> {
    Arc::new(MemorySource::new(name).with_blocks(blocks))
}

#[tokio::test]
async fn the_first_source_that_has_it_is_named() {
    let place = Place::new();
    let (root, blocks) = file();
    let sources = [source("empty", []), source("full", blocks.clone()), source("spare", blocks)];
    let fetched = fetch_into(&place.store, &Wanted::new(root), &sources).await.unwrap();
    assert_eq!(fetched.by, "full");
    assert_eq!(fetched.attempts.len(), 1);
    assert_eq!(fetched.attempts[0].source, "empty");
    assert!(matches!(fetched.attempts[0].error, Error::NotFound { .. }));
    assert!(place.file(&root).await == random(6000));

    // A second fetch needs nobody.
    let again = fetch_into(&place.store, &Wanted::new(root), &[]).await.unwrap();
    assert_eq!(again.by, LOCAL);
}

#[tokio::test]
async fn sources_that_have_parts_complete_each_other() {
    let place = Place::new();
    let (root, blocks) = file();
    let (even, odd): (Vec<_>, Vec<_>) =
        blocks.into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
    let strip = |part: Vec<(usize, (Cid, Bytes))>| part.into_iter().map(|(_, block)| block);
    // The root is the last of seven blocks, and so among the even ones.
    let sources = [source("even", strip(even)), source("odd", strip(odd))];
    let fetched = fetch_into(&place.store, &Wanted::new(root), &sources).await.unwrap();
    assert_eq!(fetched.by, "odd");
    assert!(matches!(fetched.attempts[0].error, Error::Incomplete { missing: 3, .. }));
    assert!(place.file(&root).await == random(6000));
}

#[tokio::test]
async fn a_corrupt_source_is_told_and_the_next_one_serves() {
    let place = Place::new();
    let (root, blocks) = file();
    let mut spoiled = blocks.clone();
    spoiled[3].1 = Bytes::from_static(b"spoiled");
    let sources = [source("corrupt", spoiled), source("sound", blocks)];
    let fetched = fetch_into(&place.store, &Wanted::new(root), &sources).await.unwrap();
    assert_eq!(fetched.by, "sound");
    assert!(matches!(fetched.attempts[0].error, Error::Corrupt(_)));
    assert!(place.file(&root).await == random(6000));
}

#[tokio::test]
async fn when_nobody_has_it_everybody_is_named_and_nothing_is_left() {
    let place = Place::new();
    let (root, blocks) = file();
    let sources = [source("empty", []), source("half", blocks[3..].to_vec())];
    let failed = fetch_into(&place.store, &Wanted::new(root), &sources).await.unwrap_err();
    let told = failed.to_string();
    assert!(told.contains("empty") && told.contains("half: 3 blocks are missing"), "{told}");
    assert_eq!(place.entries(), 0);

    let nobody = fetch_into(&place.store, &Wanted::new(root), &[]).await.unwrap_err();
    assert!(nobody.to_string().contains("no source to ask"), "{nobody}");
}

#[tokio::test]
async fn an_identity_cid_needs_no_source() {
    let place = Place::new();
    let root: Cid = "bafkqaaa".parse().unwrap();
    let fetched = fetch_into(&place.store, &Wanted::new(root), &[]).await.unwrap();
    assert_eq!(fetched.by, LOCAL);
    assert!(place.file(&root).await.is_empty());
}

#[cfg(feature = "mock")]
#[tokio::test]
async fn a_mock_that_boasts_is_not_believed() {
    let place = Place::new();
    let (root, _) = file();
    let mut boaster = raas_retrieval::MockDataSource::new();
    boaster.expect_fetch().times(1).returning(|_, _| Ok(Served::by("boaster")));
    let sources = [Arc::new(boaster) as Arc<dyn DataSource>];
    let failed = fetch_into(&place.store, &Wanted::new(root), &sources).await.unwrap_err();
    assert_eq!(failed.attempts[0].source, "boaster");
    assert!(matches!(failed.attempts[0].error, Error::Incomplete { .. }));
}
