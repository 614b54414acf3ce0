//! The gateway's way: each sector's own provider is asked for it, one call a sector.

use jsonrpsee::core::params::ArrayParams;
use raas_types::{SectorId, SectorStatus, SectorWay};
use serde_json::value::RawValue;

use super::Reading;
use crate::{
    api::STATE_CALL,
    ask::{Answer, Question},
    error::Trouble,
    wire,
};

/// Sectors in one batch. Each answer carries an execution trace of 10 to 30 kB, which is passed
/// over: 20 x 30 kB = 600 kB. The actor looks through all its deadlines for each; at some 100 ms
/// that is 2 s a batch.
const SECTORS_PER_BATCH: usize = 20;

/// The trace that comes with an answer, in bytes.
const TRACE: usize = 30_000;

impl Reading<'_> {
    pub(super) async fn by_location(&mut self, sectors: &[SectorId]) {
        let questions: Vec<_> = sectors.iter().copied().map(LocationQuestion).collect();
        let located = self.asking.ask(&questions).await;
        for (sector, located) in sectors.iter().zip(located) {
            match located {
                Ok(Some(status)) => self.found(*sector, status),
                Ok(None) => self.not_found(*sector),
                Err(why) => self.fail(*sector, why),
            }
        }
        self.date_faults().await;
    }
}

/// How a sector does, as its provider's actor says; `None` when there is no such sector.
pub(crate) struct LocationQuestion(pub(crate) SectorId);

impl Question for LocationQuestion {
    const METHOD: &'static str = STATE_CALL;
    const MOST: usize = SECTORS_PER_BATCH;
    type Reading = Result<Option<SectorStatus>, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        let mut params = ArrayParams::new();
        params.insert(wire::Message::locate(self.0))?;
        params.insert(key)?;
        Ok(params)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        if let Answer::Error(Trouble::Rpc { code, message }) = &answer
            && wire::says_no_such_provider(*code, message, self.0.provider)
        {
            return Ok(None);
        }
        let located = answer.decode::<wire::Invocation>()?.located()?;
        Ok(located.map(|wire::Located { health, place }| SectorStatus {
            way: SectorWay::Location,
            deadline: place.map(|place| place.deadline),
            partition: place.map(|place| place.partition),
            ..SectorStatus::of(health)
        }))
    }

    fn weight(&self) -> usize {
        TRACE
    }
}
