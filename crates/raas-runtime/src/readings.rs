//! What was read of the chain in one pass, all of it at one tipset: no deal and no sector is read
//! twice from one endpoint, however many CIDs share it.
//!
//! The first endpoint is asked; what it cannot tell, the next one is asked. A *witness* is an answer
//! of another endpoint than the first that knew one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use raas_core::sector_of;
use raas_lotus::LotusChain;
use raas_types::{DealId, DealReading, Evidence, Said, SectorId, SectorReading, Tipset, Witness};
use tokio::time::{Instant, timeout};

use crate::node::locked;

/// Readings kept before they are forgotten: 100 000 deals of some 600 bytes are 60 MB, and the batches
/// under way add some 10 000. A deal shared by CIDs far apart is then read once more.
const LIMIT: usize = 100_000;

/// How long a reading may take, whatever an adapter does: one asks for some 3000 deals, 30 batches in
/// two rounds of at most 30 s each, and as much for each of the steps to their sectors.
const PATIENCE: Duration = Duration::from_secs(300);

/// A reading that took so long and brought nothing was of an endpoint that hangs: healthy ones answer a
/// batch within a second, and what is refused or unreadable is said at once.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// What the endpoints of a pass said. Several batches of CIDs may be read at the same time: while one
/// is told of its deals, the one before is told of its sectors.
#[derive(Debug)]
pub(crate) struct Readings {
    pin: Tipset,
    readers: Vec<Reader>,
}

/// One endpoint, and what it said.
#[derive(Debug)]
struct Reader {
    chain: Arc<dyn LotusChain>,
    heard: Mutex<Heard>,
    deals: Table<DealId, DealReading>,
    sectors: Table<SectorId, SectorReading>,
}

/// How much of what an endpoint was asked it answered.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    asked: u64,
    answered: u64,
}

/// Answers of one kind. Whoever asks holds the turn, so that nothing is asked twice.
#[derive(Debug)]
struct Table<K, V> {
    turn: tokio::sync::Mutex<()>,
    known: Mutex<BTreeMap<K, V>>,
    /// Readings in a row that took long and brought nothing. After two it is not asked for more in
    /// this pass, so that an endpoint that hangs costs it few time-outs; one alone may be of a single
    /// provider that is slow to look up.
    silences: AtomicU32,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            known: Mutex::new(BTreeMap::new()),
            silences: AtomicU32::new(0),
        }
    }
}

/// How many distinct deals and sectors were read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) deals: u64,
    pub(crate) sectors: u64,
}

impl Readings {
    /// Nothing read yet, at `pin`, from these endpoints: the first is the one to read.
    pub(crate) fn new(pin: Tipset, readers: Vec<Arc<dyn LotusChain>>) -> Self {
        let reader = |chain| Reader {
            chain,
            heard: Mutex::default(),
            deals: Table::default(),
            sectors: Table::default(),
        };
        Self { pin, readers: readers.into_iter().map(reader).collect() }
    }

    /// The tipset that everything is read at.
    pub(crate) fn pin(&self) -> &Tipset {
        &self.pin
    }

    /// Whether so much was read that it is to be forgotten, once nobody needs what they read.
    pub(crate) fn is_full(&self) -> bool {
        let count = |reader: &Reader| locked(&reader.deals.known).len();
        self.readers.iter().map(count).sum::<usize>() > LIMIT
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        for reader in &self.readers {
            locked(&reader.deals.known).clear();
            locked(&reader.sectors.known).clear();
        }
    }

    /// Reads each deal that was not read yet, and its sector.
    pub(crate) async fn read(&self, ids: &BTreeSet<DealId>) -> Read {
        let mut read = Read::default();
        for (i, reader) in self.readers.iter().enumerate() {
            let heard = |id: &DealId| self.readers[..i].iter().any(|reader| reader.knows(*id));
            let open: Vec<_> = ids.iter().copied().filter(|id| !heard(id)).collect();
            let by_this_one = reader.read(open, &self.pin).await;
            // Asked a second time elsewhere, it is the same deal.
            if i == 0 {
                read = by_this_one;
            }
        }
        read
    }

    /// Has each deal told of by a second endpoint.
    pub(crate) async fn witness(&self, ids: &BTreeSet<DealId>) {
        for (i, reader) in self.readers.iter().enumerate() {
            let open = ids.iter().copied().filter(|id| {
                self.first(*id).is_some_and(|first| first != i) && self.second(*id).is_none()
            });
            reader.read(open.collect(), &self.pin).await;
        }
    }

    /// What is known of a deal, with a witness where one was heard; `None` for a deal that was not
    /// read.
    pub(crate) fn evidence(&self, id: DealId) -> Option<Evidence> {
        let first = &self.readers[self.first(id)?];
        let second = self.second(id).map(|second| &self.readers[second]);
        let witness = second.and_then(|second| {
            Some(Witness { endpoint: second.chain.endpoint(), said: second.said(id)? })
        });
        Some(Evidence {
            tipset: self.pin.key.clone(),
            epoch: self.pin.epoch,
            finalized: true,
            endpoint: first.chain.endpoint(),
            said: Some(first.said(id)?),
            witness,
        })
    }

    /// Whether a deal was found by the endpoint that knows of it.
    pub(crate) fn is_found(&self, id: DealId) -> bool {
        self.first(id).is_some_and(|first| {
            let deals = locked(&self.readers[first].deals.known);
            matches!(deals.get(&id), Some(DealReading::Found(_)))
        })
    }

    /// Each endpoint that was asked, and whether it answered most of that.
    pub(crate) fn answered(&self) -> Vec<(String, bool)> {
        let answered = |reader: &Reader| {
            let Heard { asked, answered, .. } = *locked(&reader.heard);
            (asked > 0).then(|| (reader.chain.endpoint(), 2 * answered > asked))
        };
        self.readers.iter().filter_map(answered).collect()
    }

    /// The first endpoint that knows of a deal; the first that was asked where none does.
    fn first(&self, id: DealId) -> Option<usize> {
        let knows = self.readers.iter().position(|reader| reader.knows(id));
        knows.or_else(|| {
            self.readers.iter().position(|reader| locked(&reader.deals.known).contains_key(&id))
        })
    }

    /// The next one that knows of it.
    fn second(&self, id: DealId) -> Option<usize> {
        let first = self.first(id)?;
        let others = first + 1..self.readers.len();
        (0..first).chain(others).find(|other| self.readers[*other].knows(id))
    }
}

impl Reader {
    /// Reads what was not read yet.
    async fn read(&self, ids: Vec<DealId>, pin: &Tipset) -> Read {
        if ids.is_empty() {
            return Read::default();
        }
        let deals = {
            let _turn = self.deals.turn.lock().await;
            let deals = self.deals.unknown(ids.iter().copied());
            let ask = |deals| self.chain.deals(deals, pin);
            let is_answer = |reading: &_| !matches!(reading, DealReading::Failed(_));
            let read =
                self.ask(&self.deals.silences, &deals, ask, DealReading::Failed, is_answer).await;
            locked(&self.deals.known).extend(deals.iter().copied().zip(read));
            deals.len() as u64
        };
        let in_sectors: BTreeSet<_> = {
            let known = locked(&self.deals.known);
            ids.iter().filter_map(|id| sector_of(known.get(id)?)).collect()
        };
        let _turn = self.sectors.turn.lock().await;
        let sectors = self.sectors.unknown(in_sectors.into_iter());
        let ask = |sectors| self.chain.sectors(sectors, pin);
        let is_answer = |reading: &_| !matches!(reading, SectorReading::Failed(_));
        let read =
            self.ask(&self.sectors.silences, &sectors, ask, SectorReading::Failed, is_answer).await;
        locked(&self.sectors.known).extend(sectors.iter().copied().zip(read));
        Read { deals, sectors: sectors.len() as u64 }
    }

    /// Asks for items, in bounded time; nothing of an endpoint that is silent.
    async fn ask<'a, K, V, F>(
        &'a self,
        silences: &AtomicU32,
        items: &'a [K],
        ask: impl FnOnce(&'a [K]) -> F,
        failed: impl Fn(String) -> V,
        is_answer: impl Fn(&V) -> bool,
    ) -> Vec<V>
    where
        F: Future<Output = Vec<V>>,
    {
        if items.is_empty() {
            return Vec::new();
        }
        let all = |why: &str| {
            let why = format!("{} {why}", self.chain.endpoint());
            items.iter().map(|_| failed(why.clone())).collect()
        };
        if silences.load(Ordering::Relaxed) > 1 {
            return all("answered nothing before in this pass, and is not asked again");
        }
        let started = Instant::now();
        let read = timeout(PATIENCE, ask(items)).await;
        let late = |_| all(&format!("does not answer within {} s", PATIENCE.as_secs()));
        let read = read.unwrap_or_else(late);
        let answered = read.iter().filter(|reading| is_answer(reading)).count() as u64;
        let mut heard = locked(&self.heard);
        heard.asked += items.len() as u64;
        heard.answered += answered;
        let is_silence = answered == 0 && started.elapsed() >= SILENT_FOR;
        let so_far = silences.load(Ordering::Relaxed);
        silences.store(if is_silence { so_far + 1 } else { 0 }, Ordering::Relaxed);
        drop(heard);
        read
    }

    fn said(&self, id: DealId) -> Option<Said> {
        let deal = locked(&self.deals.known).get(&id)?.clone();
        let sector = sector_of(&deal).and_then(|id| locked(&self.sectors.known).get(&id).cloned());
        Some(Said { deal, sector })
    }

    /// Whether it answered all that there is to ask about a deal.
    fn knows(&self, id: DealId) -> bool {
        match locked(&self.deals.known).get(&id) {
            None | Some(DealReading::Failed(_) | DealReading::NotFound { next_id: None }) => false,
            Some(DealReading::NotFound { next_id: Some(_) }) => true,
            Some(found @ DealReading::Found(_)) => sector_of(found).is_none_or(|id| {
                matches!(
                    locked(&self.sectors.known).get(&id),
                    Some(SectorReading::Found(_) | SectorReading::NotFound)
                )
            }),
        }
    }
}

impl<K: Ord, V> Table<K, V> {
    fn unknown(&self, ids: impl Iterator<Item = K>) -> Vec<K> {
        let known = locked(&self.known);
        ids.filter(|id| !known.contains_key(id)).collect()
    }
}
