//! What the disk spoiled is found, set aside, and healed by a sound copy.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use common::{Place, dag_pb, pieces, random};
use futures::StreamExt;
use raas_retrieval::{
    BlobStore, DataSource, Error, ImportProfile, MemorySource, Wanted, fetch_into,
};
use raas_types::Cid;

/// A stored file of three leaves and a node, in the order of the CAR: header, node, leaves.
async fn stored() -> (Place, Vec<u8>, Cid) {
    let place = Place::new();
    let file = random(600_000);
    let cid = place.import(&file).await.unwrap().cid;
    (place, file, cid)
}

fn aside(place: &Place, cid: &Cid) -> PathBuf {
    place.dir.path().join(format!("{cid}.car.damaged"))
}

/// It is set aside as it was, and nothing of it is seen any more.
async fn assert_set_aside(place: &Place, cid: &Cid, spoiled: &[u8]) {
    assert!(!place.store.check(cid).await.unwrap());
    assert!(!place.store.has(cid).await);
    assert!(place.store.file(cid, None).await.unwrap().is_none());
    assert!(place.store.car(cid).await.unwrap().is_none());
    assert!(place.store.stat(cid).await.unwrap().is_none());
    assert_eq!(place.store.list().await.unwrap(), []);
    assert!(std::fs::read(aside(place, cid)).unwrap() == spoiled, "it is kept for people");
    assert!(!place.store.check(cid).await.unwrap(), "what is not there is not sound");
    assert_eq!(place.entries(), 1);
}

#[tokio::test]
async fn a_sound_dag_is_left_alone() {
    let (place, file, cid) = stored().await;
    let car = std::fs::read(place.car_path(&cid)).unwrap();
    assert!(place.store.check(&cid).await.unwrap());
    assert!(std::fs::read(place.car_path(&cid)).unwrap() == car);
    assert_eq!(place.entries(), 1);
    assert!(place.file(&cid).await == file);
    // Repeated leaves, an empty file, and one that stands in its CID itself.
    for file in [vec![0; 200 * 262_144 + 5], Vec::new()] {
        let cid = place.import(&file).await.unwrap().cid;
        assert!(place.store.check(&cid).await.unwrap());
    }
    let inline: Cid = "bafkqaaa".parse().unwrap();
    place.put_all(inline, []).await;
    assert!(place.store.check(&inline).await.unwrap());
    let absent = place.import(b"x").await.unwrap().cid;
    place.store.remove(&absent).await.unwrap();
    assert!(!place.store.check(&absent).await.unwrap());
}

#[tokio::test]
async fn a_flipped_byte_anywhere_in_the_blocks_is_found() {
    let (place, file, cid) = stored().await;
    let path = place.car_path(&cid);
    let sound = std::fs::read(&path).unwrap();
    // The root's section begins after a header of 59 bytes: its length, its CID, its block.
    for at in [59, 62, 70, 100, 300, 1_000, sound.len() / 2, sound.len() - 1] {
        // An index that was read before must not hide what was spoiled since.
        assert!(place.file(&cid).await == file);
        let mut spoiled = sound.clone();
        spoiled[at] ^= 0x01;
        std::fs::write(&path, &spoiled).unwrap();
        assert_set_aside(&place, &cid, &spoiled).await;
        std::fs::remove_file(aside(&place, &cid)).unwrap();
        place.import(&file).await.unwrap();
    }
}

#[tokio::test]
async fn a_truncated_file_is_found_wherever_it_was_cut() {
    let (place, file, cid) = stored().await;
    let path = place.car_path(&cid);
    let sound = std::fs::read(&path).unwrap();
    for length in [0, 1, 30, 59, 60, 80, 100, 300, sound.len() / 2, sound.len() - 1] {
        std::fs::write(&path, &sound[..length]).unwrap();
        assert_set_aside(&place, &cid, &sound[..length]).await;
        std::fs::remove_file(aside(&place, &cid)).unwrap();
        place.import(&file).await.unwrap();
    }
    // Cut between two blocks, each of which is right: the last leaf's section is 3 bytes of length,
    // 36 of CID and 600000 - 2 * 262144 of data.
    let whole = sound.len() - (3 + 36 + 600_000 - 2 * 262_144);
    std::fs::write(&path, &sound[..whole]).unwrap();
    assert_set_aside(&place, &cid, &sound[..whole]).await;
}

#[tokio::test]
async fn the_car_of_another_root_is_found() {
    let (place, _, cid) = stored().await;
    let other = Place::new();
    let elsewhere = other.import(b"other bytes").await.unwrap().cid;
    let car = std::fs::read(other.car_path(&elsewhere)).unwrap();
    std::fs::write(place.car_path(&cid), &car).unwrap();
    assert_set_aside(&place, &cid, &car).await;
}

#[tokio::test]
async fn blocks_that_are_not_part_of_the_dag_are_found() {
    let (place, _, cid) = stored().await;
    let mut car = std::fs::read(place.car_path(&cid)).unwrap();
    let stray = dag_pb(&[10, 2, 8, 1]);
    car.push(36 + 4);
    car.extend_from_slice(&stray.to_bytes());
    car.extend_from_slice(&[10, 2, 8, 1]);
    std::fs::write(place.car_path(&cid), &car).unwrap();
    assert_set_aside(&place, &cid, &car).await;
}

#[tokio::test]
async fn a_spoiled_dag_is_healed_by_fetching_or_importing_it_anew() {
    let (place, file, cid) = stored().await;
    let spoil = || {
        let mut car = std::fs::read(place.car_path(&cid)).unwrap();
        let middle = car.len() / 2;
        car[middle] ^= 1;
        std::fs::write(place.car_path(&cid), car).unwrap();
    };
    spoil();
    assert!(!place.store.check(&cid).await.unwrap());
    let source = MemorySource::new("source").with_file(&file).0;
    let sources: [Arc<dyn DataSource>; 1] = [Arc::new(source)];
    let fetched = fetch_into(&place.store, &Wanted::new(cid), &sources).await.unwrap();
    assert_eq!(fetched.by, "source");
    assert!(place.file(&cid).await == file);
    assert!(place.store.check(&cid).await.unwrap());

    // A second time: the first spoiled file is not lost for it.
    spoil();
    assert!(!place.store.check(&cid).await.unwrap());
    place.store.import(pieces(&file, 9_999), &ImportProfile::default(), None).await.unwrap();
    assert!(place.store.check(&cid).await.unwrap());
    assert_eq!(place.entries(), 3);
    // Reopening keeps them, and lists the sound one only.
    let again = BlobStore::open(place.dir.path()).unwrap();
    assert_eq!(again.list().await.unwrap(), [cid]);
    assert_eq!(place.entries(), 3);
}

#[tokio::test]
async fn a_file_that_is_being_read_stays_readable_while_it_is_set_aside() {
    let (place, file, cid) = stored().await;
    let body = place.store.file(&cid, Some(0..262_144)).await.unwrap().unwrap();
    let mut car = std::fs::read(place.car_path(&cid)).unwrap();
    *car.last_mut().unwrap() ^= 1;
    std::fs::write(place.car_path(&cid), &car).unwrap();
    assert_set_aside(&place, &cid, &car).await;
    let served: Vec<Bytes> = body.stream.map(|next| next.unwrap()).collect().await;
    assert!(served.concat() == file[..262_144]);
}

#[tokio::test]
async fn a_sound_twin_of_the_other_version_is_as_good() {
    let place = Place::new();
    let file = random(600_000);
    let v0 = place.store.import(pieces(&file, 65_536), &ImportProfile::KUBO_V0, None).await;
    let v0 = v0.unwrap().cid;
    let v1 = Cid::new_v1(0x70, *v0.hash());
    let sound = std::fs::read(place.car_path(&v0)).unwrap();
    std::fs::write(place.car_path(&v1), &sound[..sound.len() - 1]).unwrap();
    assert!(place.store.check(&v1).await.unwrap());
    assert!(aside(&place, &v1).is_file() && place.car_path(&v0).is_file());
    assert!(place.store.has(&v1).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_fails_is_an_error_and_moves_nothing() {
    let (place, _, cid) = stored().await;
    let path = place.car_path(&cid);
    std::fs::remove_file(&path).unwrap();
    // It opens, and fails to be read at its beginning, where no process has memory.
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let error = place.store.check(&cid).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error}");
    assert!(path.is_symlink());
    assert_eq!(place.entries(), 1);
}
