//! What was read of the chain in one pass, all of it at one tipset: no deal and no sector is read
//! twice from one endpoint, however many CIDs share it.
//!
//! The first endpoint is asked; what it cannot tell, the next one is asked. A *witness* is an answer
//! of another endpoint than the first that knew one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use raas_core::sector_of;
use raas_lotus::LotusChain;
use raas_types::{DealId, DealReading, Evidence, Said, SectorId, SectorReading, Tipset, Witness};
use tokio::time::timeout;

use crate::node::locked;

/// Readings kept at most: 100 000 deals of some 600 bytes are 60 MB. Beyond, a deal shared by CIDs of
/// different rounds is read once for each round.
const LIMIT: usize = 100_000;

/// How long a reading may take, whatever an adapter does: one asks for some 3000 deals, 30 batches in
/// two rounds of at most 30 s each, and as much for each of the steps to their sectors.
const PATIENCE: Duration = Duration::from_secs(300);

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
    deals: Table<DealId, DealReading>,
    sectors: Table<SectorId, SectorReading>,
}

/// Answers of one kind. Whoever asks holds the turn, so that nothing is asked twice.
#[derive(Debug)]
struct Table<K, V> {
    turn: tokio::sync::Mutex<()>,
    known: Mutex<BTreeMap<K, V>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), known: Mutex::new(BTreeMap::new()) }
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
        let reader = |chain| Reader { chain, deals: Table::default(), sectors: Table::default() };
        Self { pin, readers: readers.into_iter().map(reader).collect() }
    }

    /// The tipset that everything is read at.
    pub(crate) fn pin(&self) -> &Tipset {
        &self.pin
    }

    /// Forgets everything where it grew too much. Between rounds: whoever reads needs what it read.
    pub(crate) fn trim(&self) {
        let count = |reader: &Reader| locked(&reader.deals.known).len();
        if self.readers.iter().map(count).sum::<usize>() > LIMIT {
            for reader in &self.readers {
                locked(&reader.deals.known).clear();
                locked(&reader.sectors.known).clear();
            }
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

    /// Each endpoint that was asked, and whether it answered anything at all.
    pub(crate) fn answered(&self) -> Vec<(String, bool)> {
        let answered = |reader: &Reader| {
            let deals = locked(&reader.deals.known);
            let answered = deals.values().any(|deal| !matches!(deal, DealReading::Failed(_)));
            (!deals.is_empty()).then(|| (reader.chain.endpoint(), answered))
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
            if !deals.is_empty() {
                let read = timeout(PATIENCE, self.chain.deals(&deals, pin)).await;
                let read = read.unwrap_or_else(|_| {
                    deals.iter().map(|_| DealReading::Failed(self.too_late())).collect()
                });
                locked(&self.deals.known).extend(deals.iter().copied().zip(read));
            }
            deals.len() as u64
        };
        let in_sectors: BTreeSet<_> = {
            let known = locked(&self.deals.known);
            ids.iter().filter_map(|id| sector_of(known.get(id)?)).collect()
        };
        let _turn = self.sectors.turn.lock().await;
        let sectors = self.sectors.unknown(in_sectors.into_iter());
        if !sectors.is_empty() {
            let read = timeout(PATIENCE, self.chain.sectors(&sectors, pin)).await;
            let read = read.unwrap_or_else(|_| {
                sectors.iter().map(|_| SectorReading::Failed(self.too_late())).collect()
            });
            locked(&self.sectors.known).extend(sectors.iter().copied().zip(read));
        }
        Read { deals, sectors: sectors.len() as u64 }
    }

    fn too_late(&self) -> String {
        format!("{} does not answer within {} s", self.chain.endpoint(), PATIENCE.as_secs())
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
