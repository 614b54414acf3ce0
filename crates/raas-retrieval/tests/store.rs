//! The local store: what goes in comes out, or nothing does.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{Place, bytes_of, collect, pieces, random};
use futures::{FutureExt, StreamExt};
use raas_retrieval::{BlobStore, Error, ImportProfile, Limits, file_blocks, links};
use raas_types::Cid;

fn cid(text: &str) -> Cid {
    text.parse().unwrap()
}

#[tokio::test]
async fn known_files_get_their_published_cids() {
    let place = Place::new();
    for (file, published) in [
        (&b"hello world\n"[..], "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"),
        (&b""[..], "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    ] {
        let imported = place.import(file).await.unwrap();
        assert_eq!(imported.cid, cid(published));
        assert_eq!(imported.file_bytes, file.len() as u64);
        assert_eq!(place.file(&imported.cid).await, file);
    }
}

#[tokio::test]
async fn the_v0_profile_gives_the_published_cid_of_an_empty_file() {
    let place = Place::new();
    let imported = place.store.import(pieces(b"", 1), &ImportProfile::KUBO_V0, None).await.unwrap();
    assert_eq!(imported.cid, cid("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"));
    assert_eq!(place.file(&imported.cid).await, b"");
}

/// UnixFS of a file whose node is dag-pb, and of an empty directory, written by hand.
#[tokio::test]
async fn known_dag_pb_nodes_are_read() {
    let place = Place::new();
    let text = b"Hello from IPFS Gateway Checker\n";
    // Data { type: file, data: text, filesize: 32 } in PBNode.data.
    let mut inner = vec![8, 2, 18, 32];
    inner.extend_from_slice(text);
    inner.extend_from_slice(&[24, 32]);
    let mut block = vec![10, inner.len() as u8];
    block.extend_from_slice(&inner);
    let root = cid("bafybeifx7yeb55armcsxwwitkymga5xf53dxiarykms3ygqic223w5sk3m");
    place.put_all(root, [(root, Bytes::from(block))]).await;
    assert_eq!(place.file(&root).await, text);

    let dir = cid("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    place.put_all(dir, [(dir, Bytes::from_static(&[10, 2, 8, 1]))]).await;
    assert!(matches!(place.store.file(&dir, None).await, Err(Error::NotAFile { .. })));
    assert_eq!(place.store.stat(&dir).await.unwrap().unwrap().file_bytes, None);
    // The same block has another CID in version 0, and is found by it.
    let v0 = cid("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
    assert!(place.store.has(&v0).await);
    assert_eq!(place.store.block(&v0).await.unwrap().unwrap()[..], [10, 2, 8, 1]);
}

#[tokio::test]
async fn files_of_all_sizes_come_back_byte_for_byte() {
    const CHUNK: usize = 256 * 1024;
    let place = Place::new();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, (1 << 20) + 1, 174 * CHUNK + 1] {
        let file = random(length);
        let imported = place.import(&file).await.unwrap();
        assert_eq!(imported.file_bytes, length as u64);
        assert!(place.file(&imported.cid).await == file, "{length} bytes");
        let stat = place.store.stat(&imported.cid).await.unwrap().unwrap();
        assert_eq!(stat.file_bytes, Some(length as u64));
        let car = bytes_of(place.store.car(&imported.cid).await.unwrap().unwrap()).await.unwrap();
        assert_eq!(stat.car_bytes, car.len() as u64);
    }
}

#[tokio::test]
async fn the_pieces_an_upload_comes_in_do_not_matter() {
    let place = Place::new();
    let file = random(700_000);
    let whole = place.import(&file).await.unwrap();
    for size in [999, 65_536, 262_144, 300_000] {
        let again = place.store.import(pieces(&file, size), &ImportProfile::default(), None).await;
        assert_eq!(again.unwrap(), whole);
    }
    assert_eq!(place.store.list().await.unwrap(), [whole.cid]);
}

#[tokio::test]
async fn a_range_is_served_as_cut_from_the_file() {
    let place = Place::new();
    let file = random(600_000);
    let root = place.import(&file).await.unwrap().cid;
    for range in [0..0, 0..1, 262_143..262_145, 262_144..524_288, 599_999..600_000, 5..599_000] {
        let body = place.store.file(&root, Some(range.clone())).await.unwrap().unwrap();
        assert_eq!(body.total, 600_000);
        let bytes = bytes_of(body.stream).await.unwrap();
        assert!(bytes == file[range.start as usize..range.end as usize], "{range:?}");
    }
    for beyond in [600_000..600_001, 599_990..u64::MAX] {
        let body = place.store.file(&root, Some(beyond.clone())).await.unwrap().unwrap();
        let bytes = bytes_of(body.stream).await.unwrap();
        assert!(bytes == file[beyond.start as usize..], "{beyond:?}");
    }
}

#[tokio::test]
async fn an_upload_cut_short_leaves_nothing() {
    let place = Place::new();
    let file = random(2_000_000);
    let broken = pieces(&file, 100_000)
        .take(15)
        .chain(futures::stream::once(async { Err(std::io::Error::other("connection reset")) }))
        .boxed();
    let error = place.store.import(broken, &ImportProfile::default(), None).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)) && error.is_temporary(), "{error}");
    assert_eq!(place.entries(), 0);
}

#[tokio::test]
async fn an_upload_over_the_limit_leaves_nothing() {
    let place = Place::new();
    let file = random(1001);
    let profile = ImportProfile::default();
    let error = place.store.import(pieces(&file, 100), &profile, Some(1000)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    assert_eq!(place.entries(), 0);
    place.store.import(pieces(&file, 100), &profile, Some(1001)).await.unwrap();
}

#[tokio::test]
async fn an_impossible_profile_is_refused() {
    let place = Place::new();
    for profile in [
        ImportProfile { chunk_bytes: 0, ..ImportProfile::default() },
        ImportProfile { links: 1, ..ImportProfile::default() },
        ImportProfile { chunk_bytes: 5 << 20, ..ImportProfile::default() },
    ] {
        let answer = place.store.import(pieces(b"x", 1), &profile, None).await;
        assert!(matches!(answer, Err(Error::Refused(_))), "{profile:?}");
    }
}

#[tokio::test]
async fn a_block_spoiled_on_disk_is_an_error_and_is_never_served() {
    let place = Place::new();
    let file = random(600_000);
    let root = place.import(&file).await.unwrap().cid;
    let path = place.car_path(&root);
    let mut car = std::fs::read(&path).unwrap();
    // The last byte belongs to the last leaf.
    *car.last_mut().unwrap() ^= 1;
    std::fs::write(&path, car).unwrap();

    let body = place.store.file(&root, None).await.unwrap().unwrap();
    let (served, error) = collect(body.stream).await;
    assert!(served == file[..524_288], "sound blocks before the spoiled one are served");
    assert!(matches!(Error::from_stream(error.unwrap()), Error::Corrupt(_)));
    let (served, error) = collect(place.store.car(&root).await.unwrap().unwrap()).await;
    assert!(matches!(Error::from_stream(error.unwrap()), Error::Corrupt(_)));
    assert!(served.len() < 600_000);
}

#[tokio::test]
async fn a_file_cut_short_on_disk_is_an_error() {
    let place = Place::new();
    let root = place.import(&random(600_000)).await.unwrap().cid;
    let path = place.car_path(&root);
    let car = std::fs::read(&path).unwrap();
    for length in [0, 1, 30, 100, car.len() - 1] {
        std::fs::write(&path, &car[..length]).unwrap();
        let answer = place.store.file(&root, None).await;
        assert!(answer.is_err(), "{length} bytes were taken for a whole CAR");
    }
}

#[tokio::test]
async fn a_car_holds_each_block_once_and_depth_first() {
    let place = Place::new();
    // Zeros: all leaves but the last are one block.
    let imported = place.import(&vec![0; 200 * 262_144 + 5]).await.unwrap();
    let car = place.store.car(&imported.cid).await.unwrap().unwrap();
    let car = bytes_of(car).await.unwrap();
    // Root; two inner nodes; the leaf of zeros; the last leaf: 262144 + 5 bytes of data and nodes.
    assert!((262_149..262_149 + 30_000).contains(&car.len()), "{}", car.len());

    let other = Place::new();
    let mut staging = other.store.stage(&imported.cid).await.unwrap();
    let stream = futures::stream::iter([Ok(Bytes::from(car.clone()))]).boxed();
    assert_eq!(staging.put_car(stream).await.unwrap(), 5);
    staging.commit().await.unwrap();
    let again = bytes_of(other.store.car(&imported.cid).await.unwrap().unwrap()).await.unwrap();
    assert!(again == car, "the same DAG has the same CAR in every store");
}

#[tokio::test]
async fn a_stored_dag_survives_reopening_and_left_overs_do_not() {
    let place = Place::new();
    let file = random(300_000);
    let root = place.import(&file).await.unwrap().cid;
    std::fs::write(place.dir.path().join(".part-abc"), b"half").unwrap();
    let again = BlobStore::open(place.dir.path()).unwrap();
    assert_eq!(place.entries(), 1);
    assert_eq!(again.list().await.unwrap(), [root]);
    let body = again.file(&root, None).await.unwrap().unwrap();
    assert!(bytes_of(body.stream).await.unwrap() == file);
}

#[tokio::test]
async fn what_is_removed_is_gone_and_what_is_being_read_stays_whole() {
    let place = Place::new();
    let file = random(900_000);
    let root = place.import(&file).await.unwrap().cid;
    let body = place.store.file(&root, None).await.unwrap().unwrap();
    assert!(place.store.remove(&root).await.unwrap());
    assert!(!place.store.remove(&root).await.unwrap());
    assert!(!place.store.has(&root).await);
    assert!(place.store.file(&root, None).await.unwrap().is_none());
    assert!(place.store.car(&root).await.unwrap().is_none());
    assert!(place.store.stat(&root).await.unwrap().is_none());
    assert!(place.store.block(&root).await.unwrap().is_none());
    assert!(bytes_of(body.stream).await.unwrap() == file);
}

#[tokio::test]
async fn every_block_of_a_stored_dag_can_be_had_alone() {
    let place = Place::new();
    let file = random(600_000);
    let root = place.import(&file).await.unwrap().cid;
    let (_, blocks) = file_blocks(&file, &ImportProfile::default());
    for (cid, bytes) in &blocks {
        assert_eq!(place.store.block_in(&root, cid).await.unwrap().as_ref(), Some(bytes));
    }
    let root_block = place.store.block(&root).await.unwrap().unwrap();
    assert_eq!(links(&root, &root_block).unwrap().len(), 3);
    assert!(place.store.block(&blocks[0].0).await.unwrap().is_none(), "a leaf is no root");
    let other = file_blocks(b"other", &ImportProfile::default()).0;
    assert!(place.store.block_in(&root, &other).await.unwrap().is_none());
}

#[tokio::test]
async fn an_identity_cid_is_its_own_file() {
    let place = Place::new();
    // "bafkqaaa" is raw with an empty identity digest; the other holds "hi".
    let hi = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, b"hi").unwrap());
    for (root, file) in [(cid("bafkqaaa"), &b""[..]), (hi, b"hi")] {
        let staging = place.store.stage(&root).await.unwrap();
        assert!(staging.is_complete());
        staging.commit().await.unwrap();
        assert_eq!(place.file(&root).await, file);
        assert_eq!(place.store.stat(&root).await.unwrap().unwrap().cid, root);
    }
}

#[tokio::test]
async fn a_file_whose_node_lies_about_lengths_is_an_error() {
    let place = Place::new();
    let (leaf, blocks) = file_blocks(b"0123456789", &ImportProfile::default());
    // PBNode { links: [{ hash: leaf, name: "", tsize: 10 }], data: { file, filesize: n, sizes: [n] } }
    for claimed in [9u8, 11] {
        let hash = leaf.to_bytes();
        let mut link = vec![10, hash.len() as u8];
        link.extend_from_slice(&hash);
        link.extend_from_slice(&[18, 0, 24, 10]);
        let mut node = vec![18, link.len() as u8];
        node.extend_from_slice(&link);
        node.extend_from_slice(&[10, 6, 8, 2, 24, claimed, 32, claimed]);
        let root = common::dag_pb(&node);
        place.put_all(root, [(root, Bytes::from(node)), blocks[0].clone()]).await;
        let body = place.store.file(&root, None).await.unwrap().unwrap();
        let error = collect(body.stream).await.1.unwrap();
        assert!(matches!(Error::from_stream(error), Error::Corrupt(_)));
    }
}

#[tokio::test]
async fn a_dag_over_the_limits_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { blocks: 3, ..Limits::default() };
    let store = BlobStore::open_with(dir.path(), limits).unwrap();
    let profile = ImportProfile::default();
    let answer = store.import(pieces(&random(900_000), 65_536), &profile, None).await;
    assert!(matches!(answer, Err(Error::TooLarge(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    store.import(pieces(&random(300_000), 65_536), &profile, None).await.unwrap();
}

/// Without a runtime there is no thread to hand work to, and nobody who would wake a future that waits.
#[test]
fn an_inline_store_does_everything_at_once_and_on_the_callers_thread() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open_inline(dir.path()).unwrap();
    let bytes = random(700_000);
    let profile = ImportProfile::default();
    let import = store.import(pieces(&bytes, 65_536), &profile, None);
    let cid = import.now_or_never().expect("it does not wait").unwrap().cid;

    let body = store.file(&cid, None).now_or_never().expect("it does not wait").unwrap().unwrap();
    let read = bytes_of(body.stream).now_or_never().expect("it does not wait").unwrap();
    assert_eq!(read, bytes);
    assert_eq!(store.has(&cid).now_or_never(), Some(true));

    let (root, blocks) = file_blocks(b"another", &ImportProfile::default());
    let staging = async {
        let mut staging = store.stage(&root).await.unwrap();
        for (cid, block) in blocks {
            staging.put(cid, block).await.unwrap();
        }
        staging.commit().await.unwrap().cid
    };
    assert_eq!(staging.now_or_never(), Some(root));
}
