//! A file of 255 MiB goes in and comes out through little memory. Alone in its binary, since it
//! reads what the whole process used.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use bytes::Bytes;
use common::{Place, random};
use futures::StreamExt;
use raas_retrieval::ImportProfile;

const MIB: usize = 1 << 20;
/// Some ten blocks of 256 KiB in flight, twice over, and an index of 1026 blocks of 130 bytes, make
/// 6 MiB; the limit is there to catch a file, or a good part of one, in memory.
const LIMIT_KIB: u64 = 48 * 1024;

/// The most memory that this process ever used, in KiB; `None` where the system does not tell.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_file_of_255_mib_is_never_in_memory() {
    let Some(before) = peak_kib() else {
        eprintln!("skipped: memory of a large import: /proc/self/status not found");
        return;
    };
    let place = Place::new();
    // Each leaf is another.
    let chunk = random(MIB / 4);
    let chunks = futures::stream::iter(0..4 * 255u32).map(move |i| {
        let mut chunk = chunk.clone();
        chunk[..4].copy_from_slice(&i.to_le_bytes());
        Ok(Bytes::from(chunk))
    });
    let profile = ImportProfile::default();
    let root = place.store.import(chunks.boxed(), &profile, None).await.unwrap().cid;

    let other = Place::new();
    let mut staging = other.store.stage(&root).await.unwrap();
    staging.put_car(place.store.car(&root).await.unwrap().unwrap()).await.unwrap();
    staging.commit().await.unwrap();

    let mut body = other.store.file(&root, None).await.unwrap().unwrap();
    assert_eq!(body.total, 255 * MIB as u64);
    let mut bytes = 0;
    while let Some(next) = body.stream.next().await {
        bytes += next.unwrap().len() as u64;
    }
    assert_eq!(bytes, body.total);
    let grown = peak_kib().unwrap() - before;
    assert!(grown < LIMIT_KIB, "{grown} KiB");
}
