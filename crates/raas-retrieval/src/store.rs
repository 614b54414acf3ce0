//! The local blob store: a directory with one CARv1 file for each DAG.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cid::Version;
use raas_types::Cid;

use crate::block::{self, inline};
use crate::hands::Hands;
use crate::import::import;
use crate::pool::Pool;
use crate::read::{BlobReader, Index, car_stream, verify};
use crate::unixfs::{self, file_stream};
use crate::{ByteStream, Error, ImportProfile, Imported, Limits, Result, Staging};

/// What temporary files are called; the rest of their name is random.
const PART_PREFIX: &str = ".part-";
const CAR_SUFFIX: &str = ".car";
/// What is added to the name of a CAR that was found to be spoiled.
const DAMAGED_SUFFIX: &str = ".damaged";
/// How many DAGs' indexes are kept in memory at most; one of a file of 255 MiB has 1026 entries.
const CACHED_DAGS: usize = 64;
/// How many index entries are kept in memory at most: those of one DAG at the limit of 2^18 blocks,
/// or 34 MB.
const CACHED_ENTRIES: usize = 1 << 18;

/// A directory of DAGs, each whole and each verified when it came. One process at a time.
///
/// Blocks are verified again whenever they are read: what the disk spoiled is an error and is never
/// served. A DAG is written to a temporary file and renamed when it is whole, so that it is there
/// wholly or not at all. What was spoiled afterwards is found by [`check`](Self::check), and makes
/// room there for a sound copy.
#[derive(Clone, Debug)]
pub struct BlobStore {
    shelf: Arc<Shelf>,
}

/// What is known of a stored DAG without reading it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStat {
    /// The root, as it was stored.
    pub cid: Cid,
    /// The file's length in bytes; `None` where the DAG is no single file.
    pub file_bytes: Option<u64>,
    /// The CAR's length in bytes.
    pub car_bytes: u64,
}

/// A file's bytes, or a range of them.
pub struct FileBody {
    /// The length of the whole file, in bytes.
    pub total: u64,
    /// The bytes asked for. Errors carry [`Error`].
    pub stream: ByteStream,
}

impl std::fmt::Debug for FileBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileBody").field("total", &self.total).finish_non_exhaustive()
    }
}

impl BlobStore {
    /// Opens a directory, makes it where it is not there, and removes temporary files that an
    /// earlier process left in it.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_with(dir, Limits::default())
    }

    /// The same with other limits for what is taken in.
    pub fn open_with(dir: impl Into<PathBuf>, limits: Limits) -> io::Result<Self> {
        Self::with(dir.into(), limits, Hands::Thread)
    }

    /// Opens a directory for a program that must not depend on the timing of threads, such as one
    /// with a paused clock: file work is done by whoever asks, before the call returns. It blocks the
    /// caller's runtime as long, so that nothing that serves people should use it.
    pub fn open_inline(dir: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with(dir.into(), Limits::default(), Hands::Caller)
    }

    fn with(dir: PathBuf, limits: Limits, hands: Hands) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PART_PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            shelf: Arc::new(Shelf {
                dir,
                limits,
                hands,
                indexes: Mutex::default(),
                kept: Mutex::default(),
            }),
        })
    }

    /// Imports a file as UnixFS. A stream that breaks, or is longer than `limit` bytes, leaves
    /// nothing behind.
    pub async fn import(
        &self,
        bytes: ByteStream,
        profile: &ImportProfile,
        limit: Option<u64>,
    ) -> Result<Imported> {
        profile.check(&self.shelf.limits)?;
        let shelf = self.shelf.clone();
        let hands = shelf.hands;
        let pool = hands.run(move || Pool::new(&shelf.dir, shelf.limits.clone())).await?;
        let (imported, mut pool) = import(bytes, *profile, limit, pool, hands).await?;
        let shelf = self.shelf.clone();
        hands.run(move || shelf.keep(&imported.cid, &mut pool)).await?;
        Ok(imported)
    }

    /// Whether the DAG is stored.
    pub async fn has(&self, cid: &Cid) -> bool {
        let (shelf, cid) = (self.shelf.clone(), *cid);
        self.shelf.hands.run(move || Ok(shelf.locate(&cid).is_some())).await.unwrap_or(false)
    }

    /// What is stored under this root.
    pub async fn stat(&self, cid: &Cid) -> Result<Option<BlobStat>> {
        self.with_reader(cid, |mut reader| {
            let root = *reader.root();
            let file_bytes = match unixfs::file_size(&root, &reader.read(&root)?) {
                Ok(size) => Some(size),
                Err(Error::NotAFile { .. }) => None,
                Err(error) => return Err(error),
            };
            Ok(BlobStat { cid: root, file_bytes, car_bytes: reader.car_bytes() })
        })
        .await
    }

    /// The file under this root, or the part of the range that the file has. Each block is verified
    /// as it is read; the stream ends with an error at one that is wrong. [`Error::NotAFile`] where
    /// the root is a directory or no UnixFS.
    pub async fn file(&self, cid: &Cid, range: Option<Range<u64>>) -> Result<Option<FileBody>> {
        let depth = self.shelf.limits.depth;
        self.with_reader(cid, move |mut reader| {
            let root = *reader.root();
            let total = unixfs::file_size(&root, &reader.read(&root)?)?;
            let range = range.unwrap_or(0..total);
            let range = range.start.min(total)..range.end.min(total);
            Ok(FileBody { total, stream: file_stream(reader, total, range, depth) })
        })
        .await
    }

    /// The DAG as a CARv1: its root in the header, depth first, each block once and verified as it
    /// is read.
    pub async fn car(&self, cid: &Cid) -> Result<Option<ByteStream>> {
        self.with_reader(cid, |reader| Ok(car_stream(reader))).await
    }

    /// The root block itself, verified.
    pub async fn block(&self, cid: &Cid) -> Result<Option<Bytes>> {
        self.block_in(cid, cid).await
    }

    /// One verified block of the DAG under `root`; `None` where the DAG is not stored or has no
    /// such block.
    pub async fn block_in(&self, root: &Cid, cid: &Cid) -> Result<Option<Bytes>> {
        let cid = *cid;
        let found = self
            .with_reader(root, move |mut reader| {
                if reader.contains(&cid) { reader.read(&cid).map(Some) } else { Ok(None) }
            })
            .await?;
        Ok(found.flatten())
    }

    /// A place where a fetch collects the blocks of this DAG.
    pub async fn stage(&self, cid: &Cid) -> Result<Staging> {
        Staging::new(self.shelf.clone(), *cid).await
    }

    /// Removes a DAG; whether it was there. Streams that are being read keep their bytes.
    pub async fn remove(&self, cid: &Cid) -> Result<bool> {
        let (shelf, cid) = (self.shelf.clone(), *cid);
        self.shelf
            .hands
            .run(move || {
                let Some((stored, path)) = shelf.locate(&cid) else { return Ok(false) };
                shelf.forget(&stored);
                match fs::remove_file(path) {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    /// Reads a whole stored DAG and verifies it; whether a sound one is here.
    ///
    /// One whose bytes are spoiled or cut short is set aside: its file is renamed to
    /// `<cid>.car.damaged`, for people to look at, and the store knows nothing of it any more, so that
    /// it can be imported or fetched anew. Nothing is deleted. Where the disk itself fails, that is
    /// the error, and nothing is moved.
    pub async fn check(&self, cid: &Cid) -> Result<bool> {
        let (shelf, cid) = (self.shelf.clone(), *cid);
        self.shelf.hands.run(move || shelf.check(&cid)).await
    }

    /// The roots of all DAGs, in the order of their names.
    pub async fn list(&self) -> Result<Vec<Cid>> {
        let shelf = self.shelf.clone();
        self.shelf
            .hands
            .run(move || {
                let mut roots = Vec::new();
                for entry in fs::read_dir(&shelf.dir)? {
                    let name = entry?.file_name();
                    let root = name.to_str().and_then(|name| name.strip_suffix(CAR_SUFFIX));
                    roots.extend(root.and_then(|root| Cid::try_from(root).ok()));
                }
                roots.sort_by_key(ToString::to_string);
                Ok(roots)
            })
            .await
    }

    async fn with_reader<T: Send + 'static>(
        &self,
        cid: &Cid,
        work: impl FnOnce(BlobReader) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let (shelf, cid) = (self.shelf.clone(), *cid);
        self.shelf.hands.run(move || shelf.reader(&cid)?.map(work).transpose()).await
    }
}

/// The directory and the indexes of its files: what a store and its stagings share.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    limits: Limits,
    hands: Hands,
    /// The most recently used last.
    indexes: Mutex<VecDeque<(Cid, Arc<Index>)>>,
    /// How many CARs were given their names so far. Held while one is given or taken away, so that a
    /// CAR that has just come is not set aside for the faults of the one before.
    kept: Mutex<u64>,
}

impl Shelf {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn hands(&self) -> Hands {
        self.hands
    }

    /// Writes a complete pool as a CAR and gives it its name; answers the CAR's length.
    pub(crate) fn keep(&self, root: &Cid, pool: &mut Pool) -> Result<u64> {
        let mut part = tempfile::Builder::new().prefix(PART_PREFIX).tempfile_in(&self.dir)?;
        pool.write_car(part.as_file_mut())?;
        part.as_file().sync_all()?;
        let car_bytes = part.as_file().metadata()?.len();
        let mut kept = self.kept();
        *kept += 1;
        self.forget(root);
        part.persist(self.path(root)).map_err(|error| error.error)?;
        drop(kept);
        self.sync_names()?;
        Ok(car_bytes)
    }

    /// Whether a sound copy is here, under this CID or its twin; the others are set aside.
    fn check(&self, cid: &Cid) -> Result<bool> {
        loop {
            let before = *self.kept();
            let Some((stored, path)) = self.locate(cid) else { return Ok(false) };
            // An index that was read before the file was spoiled would hide a part of it.
            self.forget(&stored);
            let spoiled = match self.reader(&stored) {
                Ok(Some(mut reader)) => verify(&mut reader),
                // Removed between the two calls.
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match spoiled {
                Ok(()) => return Ok(true),
                Err(Error::Corrupt(_) | Error::Incomplete { .. }) => {
                    let kept = self.kept();
                    // Maybe this one came anew meanwhile: then it is to be looked at again.
                    if *kept == before {
                        self.set_aside(&stored, &path)?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Renames a spoiled CAR to a name that is free.
    fn set_aside(&self, root: &Cid, path: &Path) -> Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(DAMAGED_SUFFIX);
        let first = PathBuf::from(name);
        let numbered = (2..).map(|i: u64| first.with_added_extension(i.to_string()));
        let mut free = std::iter::once(first.clone()).chain(numbered);
        let Some(aside) = free.find(|name| !name.exists()) else { return Ok(()) };
        match fs::rename(path, aside) {
            Ok(()) => {}
            // Removed by the user meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.forget(root);
        self.sync_names()
    }

    /// A name is durable only when the directory is.
    fn sync_names(&self) -> Result<()> {
        Ok(File::open(&self.dir)?.sync_all()?)
    }

    fn kept(&self) -> MutexGuard<'_, u64> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        self.dir.join(format!("{cid}{CAR_SUFFIX}"))
    }

    /// The file of a DAG, under this CID or its twin of the other version.
    fn locate(&self, cid: &Cid) -> Option<(Cid, PathBuf)> {
        [Some(*cid), twin(cid)].into_iter().flatten().find_map(|cid| {
            let path = self.path(&cid);
            path.is_file().then_some((cid, path))
        })
    }

    fn reader(&self, cid: &Cid) -> Result<Option<BlobReader>> {
        let Some((root, path)) = self.locate(cid) else { return Ok(None) };
        let file = match File::open(path) {
            Ok(file) => file,
            // Removed between the two calls.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let index = match self.cached(&root) {
            // A file that was cut or replaced behind our back is scanned anew.
            Some(index) if index.car_bytes() == file.metadata()?.len() => index,
            _ => {
                let index = Arc::new(Index::scan(&file)?);
                self.remember(root, index.clone());
                index
            }
        };
        if inline(&root).is_none() && !index.contains(&root) {
            return Err(Error::Corrupt(format!("the CAR stored for {root} lacks its root")));
        }
        Ok(Some(BlobReader::new(root, file, index, self.hands)))
    }

    fn cached(&self, root: &Cid) -> Option<Arc<Index>> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = indexes.iter().position(|(cid, _)| cid == root)?;
        let entry = indexes.remove(at)?;
        let index = entry.1.clone();
        indexes.push_back(entry);
        Some(index)
    }

    fn remember(&self, root: Cid, index: Arc<Index>) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.retain(|(cid, _)| *cid != root);
        indexes.push_back((root, index));
        let mut entries: usize = indexes.iter().map(|(_, index)| index.len()).sum();
        while indexes.len() > CACHED_DAGS || (entries > CACHED_ENTRIES && indexes.len() > 1) {
            entries -= indexes.pop_front().map_or(0, |(_, index)| index.len());
        }
    }

    fn forget(&self, root: &Cid) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.retain(|(cid, _)| cid != root);
    }
}

/// The CID of the other version that names the same block: `Qm…` for a dag-pb v1 and back.
fn twin(cid: &Cid) -> Option<Cid> {
    match cid.version() {
        Version::V0 => Some(block::key(cid)),
        Version::V1 if cid.codec() == block::DAG_PB => Cid::new_v0(*cid.hash()).ok(),
        Version::V1 => None,
    }
}
