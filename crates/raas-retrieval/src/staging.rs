//! Where a fetch collects blocks until the DAG is whole.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use raas_types::Cid;
use tokio_util::io::StreamReader;

use crate::car::CarReader;
use crate::pool::{Order, Pool};
use crate::store::Shelf;
use crate::{ByteStream, Error, Result};

/// Collects the blocks of one DAG, from one source or several, and verifies each.
///
/// Blocks lie on disk; memory holds an index of them. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    root: Cid,
    shelf: Arc<Shelf>,
    /// Behind a mutex and not moved into each blocking task, so that a caller who is cancelled
    /// between two blocks loses none.
    pool: Arc<Mutex<Pool>>,
}

/// What [`Staging::commit`] kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The root.
    pub cid: Cid,
    /// The length of its CAR, in bytes.
    pub car_bytes: u64,
}

impl Staging {
    pub(crate) async fn new(shelf: Arc<Shelf>, root: Cid) -> Result<Self> {
        let at = shelf.clone();
        let start = move || {
            let mut pool = Pool::new(at.dir(), at.limits().clone())?;
            pool.set_root(root)?;
            Ok(pool)
        };
        let pool = shelf.hands().run(start).await?;
        Ok(Self { root, shelf, pool: Arc::new(Mutex::new(pool)) })
    }

    /// The root of the DAG.
    pub fn root(&self) -> &Cid {
        &self.root
    }

    /// Takes one block, once its hash is seen to be right. A block that nothing held so far links
    /// to is refused: the root comes first, then what [`missing`](Self::missing) names. A block
    /// that is held already is no error.
    pub async fn put(&mut self, cid: Cid, bytes: Bytes) -> Result<()> {
        self.run(move |pool| pool.put(&cid, &bytes, Order::ParentsFirst)).await?;
        Ok(())
    }

    /// Takes the blocks of a CARv1 in whatever order they come; answers how many were new.
    ///
    /// The header's roots are ignored, each block is verified, and the first that is wrong ends the
    /// reading with an error; what came before it is kept. A CAR that merely stops early is no
    /// error here: ask [`is_complete`](Self::is_complete).
    pub async fn put_car(&mut self, stream: ByteStream) -> Result<usize> {
        let max_block = self.shelf.limits().block_bytes;
        let mut car = CarReader::new(StreamReader::new(stream), max_block).await?;
        let mut new = 0;
        while let Some((cid, bytes)) = car.next().await? {
            new += usize::from(self.run(move |pool| pool.put(&cid, &bytes, Order::Any)).await?);
        }
        Ok(new)
    }

    /// The next blocks that are wanted and not held, in depth-first order, at most so many.
    pub async fn missing(&self, at_most: usize) -> Result<Vec<Cid>> {
        self.run(move |pool| pool.missing(at_most)).await
    }

    /// How many blocks are known to be missing. What lies below them is not known yet.
    pub fn missing_count(&self) -> usize {
        lock(&self.pool).missing_count()
    }

    /// Whether every block that is reachable from the root is here.
    pub fn is_complete(&self) -> bool {
        lock(&self.pool).is_complete()
    }

    /// [`Error::Incomplete`] unless every block is here; what a source calls last.
    pub async fn require_complete(&self) -> Result<()> {
        match self.missing(1).await?.first() {
            None => Ok(()),
            Some(first) => Err(Error::Incomplete { missing: self.missing_count(), first: *first }),
        }
    }

    /// Walks the DAG from its root and moves it into the store, durably; what is not reachable is
    /// dropped. [`Error::Incomplete`] where a block is missing.
    pub async fn commit(self) -> Result<Committed> {
        let Self { root, shelf, pool } = self;
        let hands = shelf.hands();
        let keep = move || {
            let car_bytes = shelf.keep(&root, &mut lock(&pool))?;
            Ok(Committed { cid: root, car_bytes })
        };
        hands.run(keep).await
    }

    /// The directory whose disk holds the blocks, for a source that needs a temporary file of its
    /// own (such as a piece to be verified before it is cut up).
    pub fn scratch_dir(&self) -> PathBuf {
        self.shelf.dir().to_owned()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Pool) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let pool = self.pool.clone();
        self.shelf.hands().run(move || work(&mut lock(&pool))).await
    }
}

/// A pool whose thread panicked holds at worst a block that its index does not know.
fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
