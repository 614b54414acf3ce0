//! Sectors: how each does, where it lies, since when it is faulty, when its deadline ends next.
//!
//! Which questions are asked depends on what the endpoint can do: `partitions` asks a full node for
//! whole deadlines, `location` a gateway for one sector after the other. A further way (one
//! `eth_call` to a contract that tells of many) is a module beside them and a kind of
//! [`SectorAccess`].

mod deadlines;
mod location;
mod partitions;
mod schedule;

#[cfg(test)]
pub(crate) use self::{
    location::LocationQuestion,
    partitions::{DeadlineQuestion, ExpirationQuestion, PlaceQuestion},
    schedule::ScheduleQuestion,
};

pub(crate) use self::deadlines::Deadlines;
use self::schedule::Ends;

use std::collections::{BTreeMap, BTreeSet};

use futures::future;
use raas_types::{ProviderId, SectorHealth, SectorId, SectorReading, SectorStatus, Tipset};

use crate::{
    JsonRpcLotus, ask::Asking, capabilities::SectorAccess, error::Trouble, known::Facts, wire,
};

/// Where a sector was found last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    deadline: u8,
    partition: u32,
}

/// What is remembered of a provider.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProviderNote {
    /// Where its proving periods start.
    offset: Option<wire::PeriodOffset>,
    /// The largest answer about one of its deadlines, in bytes.
    largest_deadline: u32,
}

/// One reading at one tipset.
struct Reading<'a> {
    lotus: &'a JsonRpcLotus,
    asking: &'a Asking<'a>,
    facts: &'a Facts,
    key: &'a wire::Key,
    readings: BTreeMap<SectorId, SectorReading>,
}

impl JsonRpcLotus {
    pub(crate) async fn read_sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading> {
        if ids.is_empty() {
            return Vec::new();
        }
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        let readings = match self.key(at) {
            Ok(key) => self.read_distinct(distinct, &key, at).await,
            Err(why) => Err(why),
        };
        match readings {
            Ok(readings) => {
                let failed = || SectorReading::Failed(self.failure("no answer"));
                ids.iter().map(|id| readings.get(id).cloned().unwrap_or_else(failed)).collect()
            }
            Err(why) => vec![SectorReading::Failed(why); ids.len()],
        }
    }

    async fn read_distinct(
        &self,
        ids: BTreeSet<SectorId>,
        key: &wire::Key,
        at: &Tipset,
    ) -> Result<BTreeMap<SectorId, SectorReading>, String> {
        let trouble = |trouble: Trouble| {
            self.known.doubt(&trouble);
            self.failure(trouble)
        };
        let facts = self.facts_for_sectors().await.map_err(trouble)?;
        let asking = Asking::new(self, key).map_err(trouble)?;
        let access = facts.sectors();
        match &access {
            SectorAccess::Partitions | SectorAccess::Location => {}
            SectorAccess::Nothing { .. } | SectorAccess::Unknown => {
                return Err(self.failure(access));
            }
        }
        let providers: BTreeSet<_> = ids.iter().map(|id| id.provider).collect();
        let sectors: Vec<_> = ids.into_iter().collect();
        let readings = BTreeMap::new();
        let mut reading = Reading { lotus: self, asking: &asking, facts: &facts, key, readings };
        let (reading, ()) = future::join(
            async move {
                match access {
                    SectorAccess::Partitions => reading.by_partitions(sectors).await,
                    _ => reading.by_location(&sectors).await,
                }
                reading
            },
            self.learn_schedules(&asking, &facts, providers),
        )
        .await;
        let mut readings = reading.readings;
        self.name_deadline_ends(&mut readings, at).await;
        Ok(readings)
    }

    /// Says of each sector when its deadline ends next; of a dead one that does not matter.
    async fn name_deadline_ends(
        &self,
        readings: &mut BTreeMap<SectorId, SectorReading>,
        at: &Tipset,
    ) {
        let mut just_ended = Vec::new();
        for (sector, reading) in readings {
            let SectorReading::Found(status) = reading else { continue };
            let Some(ends) = self.ends(sector.provider, status, at) else { continue };
            status.next_deadline_end = Some(ends.next());
            if ends.may_be_hidden(at.epoch) {
                just_ended.push((ends, status));
            }
        }
        if just_ended.is_empty() {
            return;
        }
        let parents = self.epoch_of_parents(at).await;
        for (ends, status) in just_ended {
            status.next_deadline_end = Some(ends.next_after(parents));
        }
    }

    fn ends(&self, provider: ProviderId, status: &SectorStatus, at: &Tipset) -> Option<Ends> {
        let deadline = status.deadline.filter(|_| status.health != SectorHealth::Dead)?;
        Some(Ends::around(at.epoch, self.providers.get(&provider)?.offset?, deadline))
    }
}

impl Reading<'_> {
    fn found(&mut self, sector: SectorId, status: SectorStatus) {
        self.readings.insert(sector, SectorReading::Found(status));
    }

    fn not_found(&mut self, sector: SectorId) {
        self.readings.insert(sector, SectorReading::NotFound);
    }

    fn fail(&mut self, sector: SectorId, why: impl std::fmt::Display) {
        self.readings.insert(sector, SectorReading::Failed(self.lotus.failure(why)));
    }
}
