//! Sectors: where each lies, what its partition says of it, and since when it is faulty.
//!
//! Three questions, each asked once for all: the place of every sector; the partitions of every
//! distinct (provider, deadline), shared by the sectors there; the expiration of the faulty ones.

use std::collections::{BTreeMap, BTreeSet};

use raas_types::{ProviderId, SectorHealth, SectorId, SectorReading, SectorStatus, Tipset};

use crate::{
    JsonRpcLotus,
    api::{STATE_MINER_PARTITIONS, STATE_SECTOR_EXPIRATION, STATE_SECTOR_PARTITION},
    ask::{Answer, Asking},
    deals::params,
    error::Trouble,
    wire,
};

/// Deadlines in one batch. A large provider has some 30 partitions in a deadline (3 million sectors
/// / 2349 / 48), each with five bitfields of up to 4699 runs of some 5 bytes when they are badly
/// fragmented: 30 x 5 x 4699 x 5 B = 3.5 MB, and ten of them stay below the 64 MiB that are read.
const DEADLINES_PER_BATCH: usize = 10;

/// How often a sector is looked for. Its place cannot change at one tipset, but the replies of a
/// node behind a load balancer, or in the middle of a compaction, can contradict each other once.
const TRIES: usize = 2;

type Deadline = (ProviderId, u64);

/// One reading at one tipset.
struct Reading<'a> {
    lotus: &'a JsonRpcLotus,
    asking: Asking<'a>,
    key: wire::Key,
    readings: BTreeMap<SectorId, SectorReading>,
}

impl JsonRpcLotus {
    pub(crate) async fn read_sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        if at.key.blocks().is_empty() {
            // The node would take no key for its head, whatever that is by then.
            let failed = SectorReading::Failed(self.failure("the tipset has no key to read at"));
            return vec![failed; ids.len()];
        }
        let key = wire::Key::from(&at.key);
        let readings = BTreeMap::new();
        let mut reading = Reading { lotus: self, asking: self.asking(), key, readings };

        let mut open: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for _ in 0..TRIES {
            let places = reading.locate(open).await;
            open = reading.judge(places).await;
        }
        for sector in open {
            reading
                .fail(sector, "its provider's partitions do not hold it where it is said to lie");
        }
        reading.date_faults().await;

        let failed = || SectorReading::Failed(self.failure("no answer"));
        ids.iter().map(|id| reading.readings.get(id).cloned().unwrap_or_else(failed)).collect()
    }
}

impl Reading<'_> {
    fn fail(&mut self, sector: SectorId, why: impl std::fmt::Display) {
        self.readings.insert(sector, SectorReading::Failed(self.lotus.failure(why)));
    }

    /// Asks where sectors lie; settles those that lie nowhere, or that nobody would tell of.
    async fn locate(
        &mut self,
        sectors: Vec<SectorId>,
    ) -> BTreeMap<Deadline, Vec<(SectorId, wire::SectorLocation)>> {
        let answers = self.ask_each(STATE_SECTOR_PARTITION, &sectors).await;
        let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (sector, answer) in sectors.into_iter().zip(answers) {
            match answer {
                Answer::Result(result) => match wire::decode::<wire::SectorLocation>(&result) {
                    Ok(place) => {
                        let deadline = (sector.provider, place.deadline);
                        places.entry(deadline).or_default().push((sector, place));
                    }
                    Err(why) => self.fail(sector, why),
                },
                Answer::Error(Trouble::Rpc { message, .. })
                    if wire::says_sector_not_found(&message, sector.number) =>
                {
                    self.readings.insert(sector, SectorReading::NotFound);
                }
                Answer::Error(trouble) => self.fail(sector, trouble),
                Answer::Lost(why) => self.fail(sector, why),
            }
        }
        places
    }

    /// Judges sectors by the partitions of their deadlines; gives back those that are not there.
    async fn judge(
        &mut self,
        places: BTreeMap<Deadline, Vec<(SectorId, wire::SectorLocation)>>,
    ) -> Vec<SectorId> {
        let mut elsewhere = Vec::new();
        let mut places = places.into_iter();
        let per_batch = DEADLINES_PER_BATCH.min(self.lotus.max_batch);
        // As much as is in flight at a time is also kept at a time: bitfields are large.
        let at_a_time = per_batch * self.lotus.max_in_flight;
        while places.len() > 0 {
            let group: Vec<_> = places.by_ref().take(at_a_time).collect();
            let questions = group.iter().map(|((provider, deadline), _)| {
                params(|params| {
                    params.insert(wire::provider_address(*provider))?;
                    params.insert(deadline)?;
                    params.insert(&self.key)
                })
            });
            let questions = questions.collect();
            let answers = self.asking.ask(STATE_MINER_PARTITIONS, questions, per_batch).await;
            for ((_, sectors), answer) in group.into_iter().zip(answers) {
                elsewhere.extend(self.judge_deadline(sectors, answer));
            }
        }
        elsewhere
    }

    fn judge_deadline(
        &mut self,
        sectors: Vec<(SectorId, wire::SectorLocation)>,
        answer: Answer,
    ) -> Vec<SectorId> {
        let partitions = match answer {
            Answer::Result(result) => wire::decode::<wire::List<wire::Partition>>(&result),
            Answer::Error(trouble) => Err(trouble.to_string()),
            Answer::Lost(why) => Err(why),
        };
        let mut elsewhere = Vec::new();
        for (sector, place) in sectors {
            match &partitions {
                Ok(wire::List(partitions)) => match status(sector, place, partitions) {
                    Some(status) => {
                        self.readings.insert(sector, SectorReading::Found(status));
                    }
                    None => elsewhere.push(sector),
                },
                Err(why) => self.fail(sector, why),
            }
        }
        elsewhere
    }

    /// Asks since when the faulty sectors are faulty. They are faulty all the same where the
    /// endpoint cannot tell.
    async fn date_faults(&mut self) {
        let faulty = self.readings.iter().filter_map(|(sector, reading)| match reading {
            SectorReading::Found(status) if status.health == SectorHealth::Faulty => Some(*sector),
            _ => None,
        });
        let faulty: Vec<_> = faulty.collect();
        let answers = self.ask_each(STATE_SECTOR_EXPIRATION, &faulty).await;
        for (sector, answer) in faulty.into_iter().zip(answers) {
            let expiration = match answer {
                Answer::Result(result) => wire::decode::<wire::SectorExpiration>(&result),
                Answer::Error(trouble) => Err(trouble.to_string()),
                Answer::Lost(why) => Err(why),
            };
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

    async fn ask_each(&self, method: &'static str, sectors: &[SectorId]) -> Vec<Answer> {
        let questions = sectors.iter().map(|sector| {
            params(|params| {
                params.insert(wire::provider_address(sector.provider))?;
                params.insert(sector.number.get())?;
                params.insert(&self.key)
            })
        });
        self.asking.ask(method, questions.collect(), self.lotus.max_batch).await
    }
}

/// What the partition that a sector is said to lie in says of it.
fn status(
    sector: SectorId,
    place: wire::SectorLocation,
    partitions: &[wire::Partition],
) -> Option<SectorStatus> {
    let index = usize::try_from(place.partition).ok()?;
    let health = partitions.get(index)?.health(sector.number)?;
    Some(SectorStatus {
        health,
        deadline: Some(place.deadline),
        partition: Some(place.partition),
        first_missed: None,
        expiration: None,
    })
}
