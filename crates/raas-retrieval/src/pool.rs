//! Blocks on their way into the store: an unnamed file of blocks and an index of them in memory.
//!
//! Synchronous; [`Staging`](crate::Staging) and the importer run it on blocking threads. The file
//! has no name, so that nothing is left of it whatever happens to the process.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use raas_types::Cid;

use crate::block::{inline, key, links, verify_block};
use crate::{Error, Limits, Result, car};

/// The most links waiting in a walk. A balanced file of 2^18 blocks keeps some 4 * 174 waiting; a
/// directory of a million names is as wide as this.
const MAX_WAITING: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Pool {
    file: File,
    end: u64,
    root: Option<Cid>,
    held: HashMap<Cid, Held>,
    /// All that is reachable from the root through held blocks, the root included.
    wanted: HashSet<Cid>,
    /// How many of `wanted` are not held.
    missing: usize,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    at: u64,
    bytes: u32,
    /// Whether it links to anything; leaves need not be read again to walk.
    branch: bool,
}

/// Whether a block must be wanted already to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Parents come first.
    ParentsFirst,
    /// Any order, as in a CAR; what turns out to be unreachable is dropped at the end.
    Any,
}

impl Pool {
    pub(crate) fn new(dir: &Path, limits: Limits) -> Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(dir)?,
            end: 0,
            root: None,
            held: HashMap::new(),
            wanted: HashSet::new(),
            missing: 0,
            limits,
        })
    }

    /// Says what the blocks are for.
    pub(crate) fn set_root(&mut self, root: Cid) -> Result<()> {
        self.root = Some(root);
        self.want(vec![root])
    }

    pub(crate) fn missing_count(&self) -> usize {
        self.missing
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.root.is_some() && self.missing == 0
    }

    /// Verifies a block and takes it; whether it was new.
    pub(crate) fn put(&mut self, cid: &Cid, bytes: &[u8], order: Order) -> Result<bool> {
        let name = key(cid);
        if inline(cid).is_none() && self.held.contains_key(&name) {
            return Ok(false);
        }
        self.check_size(bytes)?;
        let wanted = self.wanted.contains(&name);
        if !wanted && inline(cid).is_none() && order == Order::ParentsFirst {
            return Err(Error::Refused(format!(
                "{cid} is not wanted: put the root first, and then what missing() names"
            )));
        }
        verify_block(cid, bytes)?;
        if inline(cid).is_some() {
            return Ok(false);
        }
        let below = match links(cid, bytes) {
            Ok(below) => below,
            // Nobody asked for it, and it could never be part of what was asked for.
            Err(_) if !wanted => return Ok(false),
            Err(error) => return Err(error),
        };
        self.keep(name, bytes, !below.is_empty())?;
        if wanted {
            self.missing -= 1;
            self.want(below)?;
        }
        Ok(true)
    }

    /// Takes a block that was just made here, and whose hash is therefore known to be right.
    pub(crate) fn put_own(&mut self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        if self.held.contains_key(&key(cid)) {
            return Ok(());
        }
        self.check_size(bytes)?;
        let branch = !links(cid, bytes)?.is_empty();
        self.keep(key(cid), bytes, branch)
    }

    /// The next missing blocks, at most so many, in depth-first order.
    pub(crate) fn missing(&mut self, at_most: usize) -> Result<Vec<Cid>> {
        let mut missing = Vec::new();
        if self.missing > 0 && at_most > 0 {
            self.walk(|_, cid, held| {
                if held.is_none() {
                    missing.push(*cid);
                }
                Ok(missing.len() < at_most)
            })?;
        }
        Ok(missing)
    }

    /// Writes the whole DAG as a CAR: depth first, each block once. Answers its blocks.
    pub(crate) fn write_car(&mut self, out: &mut impl Write) -> Result<usize> {
        let root = self.root.ok_or_else(|| Error::Refused("a CAR needs a root".to_owned()))?;
        if let Some(first) = self.missing(1)?.first() {
            return Err(Error::Incomplete { missing: self.missing, first: *first });
        }
        let mut out = BufWriter::new(out);
        out.write_all(&car::header(&root))?;
        let mut blocks = 0;
        self.walk(|pool, cid, held| {
            if let Some(held) = held {
                let bytes = pool.read(held)?;
                out.write_all(&car::section_head(cid, bytes.len()))?;
                out.write_all(&bytes)?;
                blocks += 1;
            }
            Ok(true)
        })?;
        out.flush()?;
        Ok(blocks)
    }

    fn check_size(&self, bytes: &[u8]) -> Result<()> {
        let limits = &self.limits;
        if bytes.len() > limits.block_bytes {
            return Err(Error::TooLarge(format!(
                "a block of {} bytes; up to {} are accepted",
                bytes.len(),
                limits.block_bytes
            )));
        }
        if self.end + bytes.len() as u64 > limits.total_bytes {
            return Err(too_much(format!("{} bytes", limits.total_bytes)));
        }
        if self.held.len() >= limits.blocks {
            return Err(too_much(format!("{} blocks", limits.blocks)));
        }
        Ok(())
    }

    fn keep(&mut self, name: Cid, bytes: &[u8], branch: bool) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        let held = Held { at: self.end, bytes: bytes.len() as u32, branch };
        self.end += bytes.len() as u64;
        self.held.insert(name, held);
        Ok(())
    }

    /// Marks CIDs as wanted, and all that is reachable from those that are held already.
    fn want(&mut self, cids: Vec<Cid>) -> Result<()> {
        let mut waiting = cids;
        while let Some(cid) = waiting.pop() {
            if !self.wanted.insert(key(&cid)) {
                continue;
            }
            if self.wanted.len() > self.limits.blocks {
                return Err(too_much(format!("{} blocks", self.limits.blocks)));
            }
            match self.below(&cid)? {
                Some(below) => waiting.extend(below),
                None => self.missing += 1,
            }
            check_waiting(waiting.len())?;
        }
        Ok(())
    }

    /// Visits what is reachable from the root, each block once, depth first, until the visitor has
    /// seen enough. Identity CIDs are walked through and not visited.
    fn walk(
        &mut self,
        mut visit: impl FnMut(&mut Self, &Cid, Option<Held>) -> Result<bool>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let mut waiting: Vec<(Cid, usize)> = self.root.iter().map(|root| (*root, 0)).collect();
        while let Some((cid, depth)) = waiting.pop() {
            if !seen.insert(key(&cid)) {
                continue;
            }
            if depth > self.limits.depth {
                return Err(too_much(format!("{} levels", self.limits.depth)));
            }
            let held = self.held.get(&key(&cid)).copied();
            if inline(&cid).is_none() && !visit(self, &cid, held)? {
                return Ok(());
            }
            let below = self.below(&cid)?.unwrap_or_default();
            waiting.extend(below.into_iter().rev().map(|cid| (cid, depth + 1)));
            check_waiting(waiting.len())?;
        }
        Ok(())
    }

    /// What a block links to; `None` where it is not held.
    fn below(&mut self, cid: &Cid) -> Result<Option<Vec<Cid>>> {
        if let Some(data) = inline(cid) {
            return links(cid, data).map(Some);
        }
        match self.held.get(&key(cid)).copied() {
            None => Ok(None),
            Some(held) if !held.branch => Ok(Some(Vec::new())),
            Some(held) => {
                let bytes = self.read(held)?;
                links(cid, &bytes).map(Some)
            }
        }
    }

    fn read(&mut self, held: Held) -> Result<Vec<u8>> {
        let mut bytes = vec![0; held.bytes as usize];
        self.file.seek(SeekFrom::Start(held.at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn check_waiting(waiting: usize) -> Result<()> {
    if waiting > MAX_WAITING {
        Err(too_much(format!("{MAX_WAITING} links at once")))
    } else {
        Ok(())
    }
}

fn too_much(limit: String) -> Error {
    Error::TooLarge(format!("the DAG is larger than the limit of {limit}"))
}
