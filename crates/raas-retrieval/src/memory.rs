//! A source that holds its blocks in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use raas_types::Cid;

use crate::block::key;
use crate::{DataSource, Error, ImportProfile, Result, Served, Staging, Wanted, file_blocks};

/// How many missing blocks are looked for at once.
const BATCH: usize = 64;

/// A working [`DataSource`] over blocks in memory, for tests and examples. It serves what it was
/// given, right or wrong.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    blocks: BTreeMap<Cid, Bytes>,
}

impl MemorySource {
    /// A source that has nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), blocks: BTreeMap::new() }
    }

    /// With these blocks, which are not verified: a test may hand it wrong ones.
    #[must_use]
    pub fn with_blocks(mut self, blocks: impl IntoIterator<Item = (Cid, Bytes)>) -> Self {
        self.blocks.extend(blocks.into_iter().map(|(cid, block)| (key(&cid), block)));
        self
    }

    /// With the blocks of a file as kubo would import it; also answers its CID.
    #[must_use]
    pub fn with_file(self, bytes: &[u8]) -> (Self, Cid) {
        let (root, blocks) = file_blocks(bytes, &ImportProfile::default());
        (self.with_blocks(blocks), root)
    }

    /// Adds what is missing and held here; answers how many blocks that was.
    async fn add_missing(&self, staging: &mut Staging) -> Result<usize> {
        let mut added = 0;
        // What is missing here stands at the front of the list for ever: look past as many.
        let mut skip = 0;
        loop {
            let missing = staging.missing(skip + BATCH).await?;
            let here: Vec<(Cid, Bytes)> = missing
                .iter()
                .filter_map(|cid| Some((*cid, self.blocks.get(&key(cid))?.clone())))
                .collect();
            let absent = missing.len() - here.len();
            if here.is_empty() && absent < skip + BATCH {
                return Ok(added);
            }
            for (cid, block) in here {
                staging.put(cid, block).await?;
                added += 1;
            }
            skip = absent;
        }
    }
}

#[async_trait]
impl DataSource for MemorySource {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        let added = self.add_missing(staging).await?;
        if added == 0 && !staging.is_complete() && !self.blocks.contains_key(&key(&wanted.cid)) {
            return Err(Error::NotFound { cid: wanted.cid });
        }
        staging.require_complete().await?;
        Ok(Served::by(&self.name))
    }
}
