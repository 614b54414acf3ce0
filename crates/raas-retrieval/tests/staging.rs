//! Staging: blocks from anywhere, in any order, and only what is right and wanted is kept.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{Place, bytes_of, dag_pb, pieces, random};
use futures::StreamExt;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;
use raas_retrieval::{Error, ImportProfile, Limits, file_blocks, verify_block};
use raas_types::Cid;

/// A file of some leaves: its root and blocks, the root last.
fn file(length: usize) -> (Cid, Vec<(Cid, Bytes)>) {
    let profile = ImportProfile { chunk_bytes: 1000, links: 3, ..ImportProfile::default() };
    file_blocks(&random(length), &profile)
}

/// The CAR of a file, from a store.
async fn car(length: usize) -> (Cid, Vec<u8>) {
    let place = Place::new();
    let (root, blocks) = file(length);
    place.put_all(root, blocks.into_iter().rev()).await;
    (root, bytes_of(place.store.car(&root).await.unwrap().unwrap()).await.unwrap())
}

#[tokio::test]
async fn missing_blocks_are_named_depth_first() {
    let place = Place::new();
    let (root, blocks) = file(12_000);
    let mut staging = place.store.stage(&root).await.unwrap();
    let mut order = Vec::new();
    while let Some(next) = staging.missing(1).await.unwrap().first().copied() {
        let (_, bytes) = blocks.iter().find(|(cid, _)| *cid == next).unwrap();
        staging.put(next, bytes.clone()).await.unwrap();
        order.push(next);
    }
    assert!(staging.is_complete());
    staging.commit().await.unwrap();
    assert_eq!(order.len(), blocks.len());

    // The stored CAR is in the same order.
    let car = bytes_of(place.store.car(&root).await.unwrap().unwrap()).await.unwrap();
    let mut at = 0;
    for cid in order {
        let name = cid.to_bytes();
        let found = car[at..].windows(name.len()).position(|window| window == name);
        // The root's name is in the header before it is in its section; links come before leaves.
        at += found.expect("each block comes after the one before it") + name.len();
    }
}

#[tokio::test]
async fn what_is_not_wanted_is_refused() {
    let place = Place::new();
    let (root, blocks) = file(3000);
    let (stranger, strange) = file_blocks(b"stranger", &ImportProfile::default());
    let mut staging = place.store.stage(&root).await.unwrap();
    // A leaf before the root says that it is wanted, and a block of another DAG.
    for (cid, bytes) in [&blocks[0], &strange[0]] {
        let error = staging.put(*cid, bytes.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
    }
    assert_eq!(staging.missing(10).await.unwrap(), [root]);
    staging.put(root, blocks.last().unwrap().1.clone()).await.unwrap();
    staging.put(blocks[0].0, blocks[0].1.clone()).await.unwrap();
    // Twice is no error.
    staging.put(blocks[0].0, blocks[0].1.clone()).await.unwrap();
    assert!(staging.put(stranger, strange[0].1.clone()).await.is_err());
    assert_eq!(staging.missing_count(), 2);
}

#[tokio::test]
async fn wrong_bytes_are_refused() {
    let place = Place::new();
    let (root, _) = file(3000);
    let mut staging = place.store.stage(&root).await.unwrap();
    let error = staging.put(root, Bytes::from_static(b"something else")).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert!(!staging.is_complete());
}

#[tokio::test]
async fn an_incomplete_staging_is_not_committed_and_leaves_nothing() {
    let place = Place::new();
    let (root, blocks) = file(3000);
    let mut staging = place.store.stage(&root).await.unwrap();
    staging.put(root, blocks.last().unwrap().1.clone()).await.unwrap();
    let error = staging.require_complete().await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 3, .. }), "{error}");
    let error = staging.commit().await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 3, first } if first == blocks[0].0));
    assert_eq!(place.entries(), 0);
    let staging = place.store.stage(&root).await.unwrap();
    drop(staging);
    assert_eq!(place.entries(), 0);
}

#[tokio::test]
async fn a_car_is_read_in_any_order_and_strangers_in_it_are_dropped() {
    let (root, blocks) = file(9000);
    let (_, strange) = file_blocks(&random(777), &ImportProfile::default());
    let unknown = Cid::new_v1(0x0129, Code::Sha2_256.digest(b"{}"));
    let mut sections: Vec<(Cid, Bytes)> = blocks;
    sections.insert(2, strange[0].clone());
    // A block of a codec that cannot be walked is no harm where nobody links to it.
    sections.push((unknown, Bytes::from_static(b"{}")));
    for reversed in [false, true] {
        if reversed {
            sections.reverse();
        }
        let place = Place::new();
        let mut staging = place.store.stage(&root).await.unwrap();
        staging.put_car(pieces(&written(&sections), 777)).await.unwrap();
        assert!(staging.is_complete());
        staging.commit().await.unwrap();
        assert!(place.file(&root).await == random(9000));
        let stored = bytes_of(place.store.car(&root).await.unwrap().unwrap()).await.unwrap();
        assert!(stored == car(9000).await.1, "strangers are not stored");
    }
}

/// A CAR of these sections under a header without roots.
fn written(sections: &[(Cid, Bytes)]) -> Vec<u8> {
    let mut car = b"\x11\xa2eroots\x80gversion\x01".to_vec();
    for (cid, block) in sections {
        let name = cid.to_bytes();
        let mut length = name.len() + block.len();
        while length >= 0x80 {
            car.push(length as u8 | 0x80);
            length >>= 7;
        }
        car.push(length as u8);
        car.extend_from_slice(&name);
        car.extend_from_slice(block);
    }
    car
}

#[tokio::test]
async fn a_car_followed_by_a_pieces_padding_is_read() {
    let (root, mut car) = car(5000).await;
    car.resize(127 * 64, 0);
    let place = Place::new();
    let mut staging = place.store.stage(&root).await.unwrap();
    staging.put_car(pieces(&car, 1000)).await.unwrap();
    assert!(staging.is_complete());
}

#[tokio::test]
async fn a_car_cut_anywhere_never_completes() {
    let (root, car) = car(3000).await;
    for length in (0..car.len()).step_by(37).chain([car.len() - 1]) {
        let place = Place::new();
        let mut staging = place.store.stage(&root).await.unwrap();
        // Between sections that is no error, and yet not all.
        let _ = staging.put_car(pieces(&car[..length], 100)).await;
        assert!(!staging.is_complete(), "{length} of {} bytes", car.len());
    }
}

#[tokio::test]
async fn what_came_before_the_break_is_kept_for_the_next_source() {
    let (root, car) = car(9000).await;
    let place = Place::new();
    let mut staging = place.store.stage(&root).await.unwrap();
    let error = staging.put_car(pieces(&car[..car.len() / 2], 100)).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    let held = staging.missing_count();
    let broken = pieces(&car, 100)
        .take(3)
        .chain(futures::stream::once(async { Err(std::io::Error::other("reset")) }));
    let error = staging.put_car(broken.boxed()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(staging.missing_count(), held);
    let (_, blocks) = file(9000);
    // Inner nodes tell of more when they come.
    while !staging.is_complete() {
        for cid in staging.missing(100).await.unwrap() {
            let (_, bytes) = blocks.iter().find(|(name, _)| *name == cid).unwrap();
            staging.put(cid, bytes.clone()).await.unwrap();
        }
    }
    staging.commit().await.unwrap();
    assert!(place.file(&root).await == random(9000));
}

#[tokio::test]
async fn other_formats_are_told_apart() {
    let (root, _) = file(10);
    let place = Place::new();
    for (bytes, told) in [
        (&b"\x0a\xa1gversion\x02\0\0\0\0"[..], "CARv2"),
        (b"", "empty"),
        (b"\x05hello", "no CAR"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "no varint"),
        (b"\x11\xa2eroots\x80gversion\x01\x05hello", "start with a CID"),
    ] {
        let mut staging = place.store.stage(&root).await.unwrap();
        let error = staging.put_car(pieces(bytes, 3)).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert!(matches!(error, Error::Corrupt(_)), "{error}");
    }
}

#[tokio::test]
async fn a_section_that_claims_to_be_huge_is_refused_before_it_is_read() {
    let (root, _) = file(10);
    let place = Place::new();
    let mut car = b"\x11\xa2eroots\x80gversion\x01".to_vec();
    // 2^42 bytes.
    car.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    let endless = pieces(&car, 100).chain(futures::stream::pending());
    let mut staging = place.store.stage(&root).await.unwrap();
    let error = staging.put_car(endless.boxed()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn limits_hold_for_what_is_staged_and_for_what_is_linked() {
    let (root, blocks) = file(9000);
    for limits in [
        Limits { blocks: 5, ..Limits::default() },
        Limits { total_bytes: 5000, ..Limits::default() },
        Limits { block_bytes: 999, ..Limits::default() },
        Limits { depth: 1, ..Limits::default() },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = raas_retrieval::BlobStore::open_with(dir.path(), limits.clone()).unwrap();
        let mut staging = store.stage(&root).await.unwrap();
        let read = staging.put_car(pieces(&written(&blocks), 1000)).await;
        let answer = match read {
            Ok(_) => staging.commit().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(matches!(answer, Err(Error::TooLarge(_))), "{limits:?}");
    }
}

/// A dag-cbor block of links, as `[42(h'00' + cid), …]`.
fn dag_cbor(links: &[Cid]) -> (Cid, Bytes) {
    let mut block = vec![0x80 | links.len() as u8];
    for link in links {
        let name = link.to_bytes();
        let length = name.len() as u8 + 1;
        block.extend_from_slice(&[0xd8, 42]);
        // Strict dag-cbor: a length is written in the fewest bytes.
        block.extend(if length < 24 { vec![0x40 | length] } else { vec![0x58, length] });
        block.push(0);
        block.extend_from_slice(&name);
    }
    (Cid::new_v1(0x71, Code::Blake2b256.digest(&block)), Bytes::from(block))
}

#[tokio::test]
async fn dag_cbor_and_blake2b_are_walked_and_shared_blocks_are_fetched_once() {
    let place = Place::new();
    let (leaf, leaf_blocks) = file(500);
    let identity = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, b"inline").unwrap());
    let (inner, inner_block) = dag_cbor(&[leaf, identity]);
    let (root, root_block) = dag_cbor(&[inner, leaf, inner]);
    let mut staging = place.store.stage(&root).await.unwrap();
    staging.put(root, root_block).await.unwrap();
    assert_eq!(staging.missing(10).await.unwrap(), [inner, leaf]);
    staging.put(inner, inner_block).await.unwrap();
    assert_eq!(staging.missing(10).await.unwrap(), [leaf]);
    staging.put(leaf, leaf_blocks[0].1.clone()).await.unwrap();
    staging.commit().await.unwrap();
    assert!(matches!(place.store.file(&root, None).await, Err(Error::NotAFile(_))));
    let inline = place.store.block_in(&root, &identity).await.unwrap().unwrap();
    assert_eq!(&inline[..], b"inline");
}

#[tokio::test]
async fn what_cannot_be_checked_is_unsupported() {
    let place = Place::new();
    let (leaf, _) = file(500);
    let sha1 = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0x11, &[1; 20]).unwrap());
    let dag_json = Cid::new_v1(0x0129, Code::Sha2_256.digest(b"{}"));
    for (cid, bytes) in [(sha1, &b"x"[..]), (dag_json, b"{}")] {
        let mut staging = place.store.stage(&cid).await.unwrap();
        let error = staging.put(cid, Bytes::from_static(bytes)).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
    let broken = dag_pb(b"\xff\xff");
    let mut staging = place.store.stage(&broken).await.unwrap();
    let error = staging.put(broken, Bytes::from_static(b"\xff\xff")).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert!(verify_block(&leaf, &random(500)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One byte changed anywhere in a CAR: what is committed is right all the same, or nothing is.
    #[test]
    fn no_changed_byte_of_a_car_is_ever_served(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (root, mut car) = car(4000).await;
            let at = at.index(car.len());
            car[at] ^= flip;
            let place = Place::new();
            let mut staging = place.store.stage(&root).await.unwrap();
            let _ = staging.put_car(pieces(&car, 1000)).await;
            if staging.is_complete() {
                staging.commit().await.unwrap();
                assert!(place.file(&root).await == random(4000), "byte {at}");
            }
        });
    }
}
