//! The full node's way. Three questions, each asked once for all: the place of every sector that was
//! not found before; the partitions of every distinct (provider, deadline), shared by the sectors
//! there and by all readings at that tipset; the expiration of the faulty ones.
//!
//! A remembered place is only where to look: the partition says whether it holds the sector. One
//! that does not, or holds it dead, is not believed, and the sector is located anew.

use std::{collections::BTreeMap, sync::Arc};

use jsonrpsee::core::params::ArrayParams;
use raas_types::{ProviderId, SectorHealth, SectorId, SectorNumber, SectorReading, SectorStatus};
use serde_json::value::RawValue;

use super::{Place, Reading};
use crate::{
    JsonRpcLotus,
    api::{STATE_MINER_PARTITIONS, STATE_SECTOR_EXPIRATION, STATE_SECTOR_PARTITION},
    ask::{Answer, Question},
    config::MAX_BATCH,
    error::Trouble,
    wire,
};

/// Deadlines in one batch. A node walks through each deadline's partitions; at some 200 ms for one
/// of a large provider that is 5 s a batch. How large the answers are is remembered by provider: a
/// large one has some 30 partitions in a deadline (3 million sectors / 2349 / 48), each with five
/// bitfields of up to 4699 runs of some 5 bytes when they are badly fragmented: 30 x 5 x 4699 x 5 B
/// = 3.5 MB.
const DEADLINES_PER_BATCH: usize = 25;

/// How often a sector is looked for. Its place cannot change at one tipset, but the replies of a node
/// behind a load balancer, or in the middle of a compaction, can contradict each other once.
const TRIES: usize = 2;

type Deadline = (ProviderId, u64);

/// A sector, and the partition that it should be in.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    sector: SectorId,
    partition: u64,
    /// Located in this reading, and not remembered from an earlier one.
    fresh: bool,
}

impl Reading<'_> {
    pub(super) async fn by_partitions(&mut self, sectors: Vec<SectorId>) {
        let mut places: BTreeMap<Deadline, Vec<Wanted>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for sector in sectors {
            match self.lotus.places.get(&sector) {
                Some(Place { deadline, partition }) => {
                    let wanted = Wanted { sector, partition: u64::from(partition), fresh: false };
                    let deadline = (sector.provider, u64::from(deadline));
                    places.entry(deadline).or_default().push(wanted);
                }
                None => unknown.push(sector),
            }
        }
        self.locate(unknown, &mut places).await;
        let mut open = self.judge(places).await;
        for _ in 1..TRIES {
            let mut places = BTreeMap::new();
            self.locate(open, &mut places).await;
            open = self.judge(places).await;
        }
        for sector in open {
            self.fail(sector, "its provider's partitions do not hold it where it is said to lie");
        }
        self.date_faults().await;
    }

    /// Asks where sectors lie; settles those that lie nowhere, or that nobody would tell of.
    async fn locate(
        &mut self,
        sectors: Vec<SectorId>,
        places: &mut BTreeMap<Deadline, Vec<Wanted>>,
    ) {
        let questions: Vec<_> = sectors.into_iter().map(PlaceQuestion).collect();
        let located = self.asking.ask(&questions).await;
        for (PlaceQuestion(sector), located) in questions.into_iter().zip(located) {
            match located {
                Ok(Some(wire::SectorLocation { deadline, partition })) => {
                    let wanted = Wanted { sector, partition, fresh: true };
                    places.entry((sector.provider, deadline)).or_default().push(wanted);
                }
                Ok(None) => self.not_found(sector),
                Err(why) => self.fail(sector, why),
            }
        }
    }

    /// Judges sectors by the partitions of their deadlines; gives back those that are not there.
    async fn judge(&mut self, places: BTreeMap<Deadline, Vec<Wanted>>) -> Vec<SectorId> {
        let (lotus, key) = (self.lotus, self.key);
        let mut elsewhere = Vec::new();
        let mut questions = Vec::new();
        for ((provider, deadline), wanted) in places {
            let kept = lotus.deadlines.get(key, provider, deadline);
            let kept = kept.map(|partitions| statuses(&wanted, &partitions));
            // One that lacks a sector may be the reply that contradicts the others: asked for again.
            if let Some(statuses) = kept.filter(|kept| kept.iter().all(Option::is_some)) {
                for (wanted, status) in wanted.into_iter().zip(statuses) {
                    elsewhere.extend(self.settle(deadline, wanted, status));
                }
                continue;
            }
            let note = lotus.providers.get(&provider).unwrap_or_default();
            let weight = usize::try_from(note.largest_deadline).unwrap_or(usize::MAX);
            questions.push(DeadlineQuestion { lotus, key, provider, deadline, wanted, weight });
        }
        let answers = self.asking.ask(&questions).await;
        for (question, answer) in questions.into_iter().zip(answers) {
            match answer {
                Ok(DeadlineReading { size, statuses }) => {
                    self.note_size(question.provider, size);
                    for (wanted, status) in question.wanted.into_iter().zip(statuses) {
                        elsewhere.extend(self.settle(question.deadline, wanted, status));
                    }
                }
                Err(why) => {
                    for Wanted { sector, .. } in question.wanted {
                        self.fail(sector, &why);
                    }
                }
            }
        }
        elsewhere
    }

    /// Takes what a deadline says of a sector; gives it back when it is to be looked for elsewhere.
    fn settle(
        &mut self,
        deadline: u64,
        wanted: Wanted,
        status: Option<(u64, SectorHealth)>,
    ) -> Option<SectorId> {
        let Wanted { sector, fresh, .. } = wanted;
        let Some((partition, health)) = status else {
            self.lotus.places.remove(&sector);
            return Some(sector);
        };
        if health == SectorHealth::Dead {
            self.lotus.places.remove(&sector);
            // Too much hangs on it to rest on a memory.
            if !fresh {
                return Some(sector);
            }
        } else if let (Ok(deadline), Ok(partition)) = (deadline.try_into(), partition.try_into()) {
            self.lotus.places.insert(sector, Place { deadline, partition });
        }
        let (deadline, partition) = (Some(deadline), Some(partition));
        self.found(sector, SectorStatus { deadline, partition, ..SectorStatus::of(health) });
        None
    }

    fn note_size(&self, provider: ProviderId, size: usize) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let mut note = self.lotus.providers.get(&provider).unwrap_or_default();
        if size > note.largest_deadline {
            note.largest_deadline = size;
            self.lotus.providers.insert(provider, note);
        }
    }

    /// Asks since when the faulty sectors are faulty. They are faulty all the same where the
    /// endpoint cannot tell.
    pub(super) async fn date_faults(&mut self) {
        if self.facts.sector_expiration == Some(false) {
            return;
        }
        let faulty = self.readings.iter().filter_map(|(sector, reading)| match reading {
            SectorReading::Found(status) if status.health == SectorHealth::Faulty => Some(*sector),
            _ => None,
        });
        let questions: Vec<_> = faulty.map(ExpirationQuestion).collect();
        let expirations = self.asking.ask(&questions).await;
        for (ExpirationQuestion(sector), expiration) in questions.into_iter().zip(expirations) {
            match (expiration, self.readings.get_mut(&sector)) {
                (Ok(expiration), Some(SectorReading::Found(status))) => {
                    status.first_missed = expiration.first_missed();
                    status.expiration = expiration.on_time();
                }
                (Err(why), _) => {
                    let why = self.lotus.failure(why);
                    tracing::debug!(%sector, why, "a fault cannot be dated");
                }
                (Ok(_), _) => {}
            }
        }
    }
}

/// Where a sector lies; `None` when its provider's deadlines do not hold it.
pub(crate) struct PlaceQuestion(pub(crate) SectorId);

impl Question for PlaceQuestion {
    const METHOD: &'static str = STATE_SECTOR_PARTITION;
    const MOST: usize = MAX_BATCH;
    type Reading = Result<Option<wire::SectorLocation>, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        of_sector(self.0, key)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        let SectorId { provider, number } = self.0;
        match &answer {
            Answer::Error(Trouble::Rpc { code, message })
                if wire::says_sector_not_found(message, number)
                    || wire::says_no_such_provider(*code, message, provider) =>
            {
                Ok(None)
            }
            _ => answer.decode().map(Some),
        }
    }
}

/// How the sectors of a deadline do.
pub(crate) struct DeadlineQuestion<'a> {
    lotus: &'a JsonRpcLotus,
    key: &'a wire::Key,
    provider: ProviderId,
    deadline: u64,
    wanted: Vec<Wanted>,
    weight: usize,
}

/// What the partitions of a deadline say.
pub(crate) struct DeadlineReading {
    /// Bytes of the answer.
    pub(crate) size: usize,
    /// Of each sector wanted, its partition and how it does there; `None` when it is in none.
    pub(crate) statuses: Vec<Option<(u64, SectorHealth)>>,
}

#[cfg(test)]
impl<'a> DeadlineQuestion<'a> {
    /// Asks of one sector.
    pub(crate) fn about(lotus: &'a JsonRpcLotus, key: &'a wire::Key, sector: SectorId) -> Self {
        let wanted = vec![Wanted { sector, partition: 0, fresh: true }];
        Self { lotus, key, provider: sector.provider, deadline: 0, wanted, weight: 0 }
    }
}

impl Question for DeadlineQuestion<'_> {
    const METHOD: &'static str = STATE_MINER_PARTITIONS;
    const MOST: usize = DEADLINES_PER_BATCH;
    type Reading = Result<DeadlineReading, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        let mut params = ArrayParams::new();
        params.insert(wire::provider_address(self.provider))?;
        params.insert(self.deadline)?;
        params.insert(key)?;
        Ok(params)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        let wire::List(partitions) = answer.decode::<wire::List<wire::Partition>>()?;
        let size = if let Answer::Result(result) = &answer { result.get().len() } else { 0 };
        let partitions = Arc::new(partitions);
        self.lotus.deadlines.keep(self.key, self.provider, self.deadline, &partitions);
        Ok(DeadlineReading { size, statuses: statuses(&self.wanted, &partitions) })
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// When a sector expires, and when it is terminated for being faulty.
pub(crate) struct ExpirationQuestion(pub(crate) SectorId);

impl Question for ExpirationQuestion {
    const METHOD: &'static str = STATE_SECTOR_EXPIRATION;
    const MOST: usize = MAX_BATCH;
    type Reading = Result<wire::SectorExpiration, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        of_sector(self.0, key)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        answer.decode()
    }
}

fn of_sector(sector: SectorId, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
    let mut params = ArrayParams::new();
    params.insert(wire::provider_address(sector.provider))?;
    params.insert(sector.number.get())?;
    params.insert(key)?;
    Ok(params)
}

/// Of each sector wanted, its partition and how it does there; `None` when it is in none.
fn statuses(wanted: &[Wanted], partitions: &[wire::Partition]) -> Vec<Option<(u64, SectorHealth)>> {
    let of = |wanted: &Wanted| status(wanted.sector.number, wanted.partition, partitions);
    wanted.iter().map(of).collect()
}

/// The partition that holds a sector, and how it does there: the expected one, or any other, as
/// compaction renumbers them.
fn status(
    sector: SectorNumber,
    expected: u64,
    partitions: &[wire::Partition],
) -> Option<(u64, SectorHealth)> {
    let in_partition = |index: u64| {
        let partition = partitions.get(usize::try_from(index).ok()?)?;
        Some((index, partition.health(sector)?))
    };
    let others = 0..u64::try_from(partitions.len()).unwrap_or_default();
    in_partition(expected).or_else(|| others.into_iter().find_map(in_partition))
}
