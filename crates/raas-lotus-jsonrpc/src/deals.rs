//! Market deals, each found, not found or failed.

use std::collections::{BTreeMap, BTreeSet};

use jsonrpsee::core::params::ArrayParams;
use raas_types::{DealId, DealReading, OnChainDeal, Tipset};

use crate::{
    JsonRpcLotus,
    api::{FilecoinClient as _, STATE_MARKET_STORAGE_DEAL},
    ask::Answer,
    error::Trouble,
    wire,
};

impl JsonRpcLotus {
    pub(crate) async fn read_deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading> {
        if at.key.blocks().is_empty() {
            // The node would take no key for its head, whatever that is by then.
            let failed = DealReading::Failed(self.failure("the tipset has no key to read at"));
            return vec![failed; ids.len()];
        }
        let key = wire::Key::from(&at.key);
        let distinct: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let questions = distinct.iter().map(|id| question(*id, &key)).collect();
        let answers = self.asking().ask(STATE_MARKET_STORAGE_DEAL, questions, self.max_batch).await;
        let readings = distinct.iter().zip(answers);
        let mut readings: BTreeMap<_, _> =
            readings.map(|(id, answer)| (*id, self.deal_reading(*id, answer))).collect();

        let missing = |reading: &DealReading| matches!(reading, DealReading::NotFound { .. });
        if readings.values().any(missing) {
            let next_id = self.next_deal_id(key).await;
            for reading in readings.values_mut().filter(|reading| missing(reading)) {
                *reading = DealReading::NotFound { next_id };
            }
        }
        let failed = || DealReading::Failed(self.failure("no answer"));
        ids.iter().map(|id| readings.get(id).cloned().unwrap_or_else(failed)).collect()
    }

    fn deal_reading(&self, id: DealId, answer: Answer) -> DealReading {
        match answer {
            Answer::Result(result) => wire::decode::<wire::MarketDeal>(&result)
                .and_then(OnChainDeal::try_from)
                .map_or_else(|why| DealReading::Failed(self.failure(why)), DealReading::Found),
            Answer::Error(Trouble::Rpc { message, .. })
                if wire::says_deal_not_found(&message, id) =>
            {
                DealReading::NotFound { next_id: None }
            }
            Answer::Error(trouble) => DealReading::Failed(self.failure(trouble)),
            Answer::Lost(why) => DealReading::Failed(self.failure(why)),
        }
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

fn question(id: DealId, key: &wire::Key) -> ArrayParams {
    params(|params| {
        params.insert(id.get())?;
        params.insert(key)
    })
}

/// Parameters by position. What is put in are numbers, strings and lists of strings, which always
/// serialise; were one to fail, the node would miss it and say so.
pub(crate) fn params(
    fill: impl FnOnce(&mut ArrayParams) -> Result<(), serde_json::Error>,
) -> ArrayParams {
    let mut params = ArrayParams::new();
    if let Err(error) = fill(&mut params) {
        tracing::warn!(%error, "a parameter does not serialise");
    }
    params
}
