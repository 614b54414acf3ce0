//! The fake passes the suite, and broken ones do not.

#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use raas_retrieval::conformance::{self, Blocks};
use raas_retrieval::{DataSource, Error, MemorySource, Result, Served, Staging, Wanted};

#[tokio::test]
async fn the_memory_source_passes() {
    conformance::all(async |blocks| Arc::new(memory(blocks)) as Arc<dyn DataSource>).await;
}

fn memory(blocks: Blocks) -> MemorySource {
    MemorySource::new("memory").with_blocks(blocks)
}

/// A way in which a source may be broken.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    Boasts,
    Shrugs,
    AllOrNothing,
    WantsToBeFirst,
    BlamesTheNetwork,
    Nameless,
}

#[derive(Debug)]
struct Broken {
    flaw: Flaw,
    inner: MemorySource,
    holds: Blocks,
}

#[async_trait]
impl DataSource for Broken {
    fn name(&self) -> String {
        if matches!(self.flaw, Flaw::Nameless) { String::new() } else { "broken".to_owned() }
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        match self.flaw {
            Flaw::AllOrNothing => {
                let dir = tempfile::tempdir().unwrap();
                let store = raas_retrieval::BlobStore::open(dir.path()).unwrap();
                let mut trial = store.stage(&wanted.cid).await?;
                for cid in staging_holds(staging, &self.holds).await? {
                    let bytes = self.holds.iter().find(|(held, _)| *held == cid).unwrap();
                    trial.put(cid, bytes.1.clone()).await?;
                }
                if !staging.is_complete() {
                    self.inner.fetch(wanted, &mut trial).await?;
                }
            }
            Flaw::WantsToBeFirst => {
                let first = staging.missing(1).await?.first().copied();
                if first.is_some_and(|first| first != wanted.cid) {
                    return Err(Error::Refused("somebody was here before".to_owned()));
                }
            }
            _ => {}
        }
        match (self.flaw, self.inner.fetch(wanted, staging).await) {
            (Flaw::Boasts, Err(Error::Incomplete { .. })) => Ok(Served::by("broken")),
            (Flaw::Shrugs, Err(Error::NotFound { .. })) => Ok(Served::by("broken")),
            (Flaw::BlamesTheNetwork, Err(Error::Corrupt(what))) => {
                Err(Error::unavailable("try again", what))
            }
            (_, answer) => answer,
        }
    }
}

/// Which of these blocks are held in the staging already, parents first.
async fn staging_holds(staging: &Staging, blocks: &Blocks) -> Result<Vec<cid::Cid>> {
    let missing = staging.missing(1000).await?;
    let known = !missing.contains(staging.root());
    Ok(blocks
        .iter()
        .rev()
        .map(|(cid, _)| *cid)
        .filter(|cid| known && !missing.contains(cid))
        .collect())
}

async fn suite_rejects(flaw: Flaw) -> String {
    let run = conformance::all(async |blocks: Blocks| {
        Arc::new(Broken { flaw, inner: memory(blocks.clone()), holds: blocks })
            as Arc<dyn DataSource>
    });
    let panic = AssertUnwindSafe(run).catch_unwind().await;
    let panic = panic.expect_err(&format!("the suite let {flaw:?} pass"));
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[tokio::test]
async fn a_source_that_calls_a_part_the_whole_is_rejected() {
    let message = suite_rejects(Flaw::Boasts).await;
    assert!(message.contains("said served"), "{message}");
}

#[tokio::test]
async fn a_source_that_serves_what_it_never_had_is_rejected() {
    let message = suite_rejects(Flaw::Shrugs).await;
    assert!(message.contains("said served"), "{message}");
}

#[tokio::test]
async fn a_source_that_keeps_what_it_has_to_itself_is_rejected() {
    let message = suite_rejects(Flaw::AllOrNothing).await;
    assert!(message.contains("must be added"), "{message}");
}

#[tokio::test]
async fn a_source_that_wants_to_be_first_is_rejected() {
    let message = suite_rejects(Flaw::WantsToBeFirst).await;
    assert!(message.contains("what others left missing"), "{message}");
}

#[tokio::test]
async fn a_source_that_blames_the_network_for_wrong_bytes_is_rejected() {
    let message = suite_rejects(Flaw::BlamesTheNetwork).await;
    assert!(message.contains("must be Corrupt"), "{message}");
}

#[tokio::test]
async fn a_source_without_a_name_is_rejected() {
    let message = suite_rejects(Flaw::Nameless).await;
    assert!(message.contains("must have a name"), "{message}");
}
