//! Market deals, each found, not found or failed.

use jsonrpsee::core::params::ArrayParams;
use raas_types::{DealId, DealReading, OnChainDeal, Tipset};
use serde_json::value::RawValue;

use crate::{
    JsonRpcLotus,
    api::{FilecoinClient as _, STATE_MARKET_STORAGE_DEAL},
    ask::{Answer, Asking, Question},
    config::MAX_BATCH,
    error::Trouble,
    wire,
};

impl JsonRpcLotus {
    pub(crate) async fn read_deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        let failed = |why: String| vec![DealReading::Failed(why); ids.len()];
        let key = match self.key(at) {
            Ok(key) => key,
            Err(why) => return failed(why),
        };
        let asking = match Asking::new(self, &key) {
            Ok(asking) => asking,
            Err(trouble) => return failed(self.failure(trouble)),
        };
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let questions: Vec<_> = distinct.iter().copied().map(DealQuestion).collect();
        let readings = asking.ask(&questions).await;
        let failed = |why: String| DealReading::Failed(self.failure(why));
        let readings = readings.into_iter().map(|reading| reading.unwrap_or_else(failed));
        let mut readings: Vec<_> = readings.collect();

        let missing = |reading: &DealReading| matches!(reading, DealReading::NotFound { .. });
        if readings.iter().any(missing) {
            let next_id = self.next_deal_id(key).await;
            for reading in readings.iter_mut().filter(|reading| missing(reading)) {
                *reading = DealReading::NotFound { next_id };
            }
        }
        if distinct == ids {
            // As most who ask have them; a hundred thousand readings need not be copied.
            return readings;
        }
        let reading = |id| readings.get(distinct.binary_search(id).ok()?).cloned();
        let failed = || DealReading::Failed(self.failure("no answer"));
        ids.iter().map(|id| reading(id).unwrap_or_else(failed)).collect()
    }

    /// What tells a deal that is gone from one that never was; without it a deal is still missing.
    async fn next_deal_id(&self, key: wire::Key) -> Option<DealId> {
        match self.client.state_read_state(wire::MARKET_ACTOR, key).await.map_err(Trouble::from) {
            Ok(state) => Some(state.next_id()),
            Err(trouble) => {
                let why = self.failure(trouble);
                tracing::debug!(why, "the market's next deal id cannot be read");
                None
            }
        }
    }
}

/// What the market says of a deal.
pub(crate) struct DealQuestion(pub(crate) DealId);

impl Question for DealQuestion {
    const METHOD: &'static str = STATE_MARKET_STORAGE_DEAL;
    const MOST: usize = MAX_BATCH;
    type Reading = Result<DealReading, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        let mut params = ArrayParams::new();
        params.insert(self.0.get())?;
        params.insert(key)?;
        Ok(params)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        match &answer {
            Answer::Error(Trouble::Rpc { message, .. })
                if wire::says_deal_not_found(message, self.0) =>
            {
                Ok(DealReading::NotFound { next_id: None })
            }
            _ => {
                let deal = answer.decode::<wire::MarketDeal>().and_then(OnChainDeal::try_from);
                deal.map(DealReading::Found)
            }
        }
    }
}
