//! Ground truth: what happened to every deal, told from outside the chain. Tests and the demo judge
//! by it; no node can see it.

use raas_types::{DealId, PieceInfo, ProviderId, SectorNumber};
use serde::{Deserialize, Serialize};

use super::{World, market::Removal};

/// A deal as it is, including one that the chain has forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealTruth {
    /// The deal's id on the chain.
    pub id: DealId,
    /// Who promised to store it, as `t01000`.
    pub provider: String,
    /// The sector it lies in, once activated.
    pub sector: Option<SectorNumber>,
    /// How it fares.
    pub state: DealState,
    /// No proof since activation yet: the provider's first deadline has not come.
    pub unproven: bool,
    /// The last epoch of the first deadline that was missed, while the sector is faulty.
    pub fault_since: Option<i64>,
    /// The epoch of publication.
    pub published: i64,
    /// The epoch by which it must be activated.
    pub start: i64,
    /// The first epoch at which it is over.
    pub end: i64,
    /// The epoch of activation.
    pub activated: Option<i64>,
    /// The piece it is about. In JSON two fields: `piece`, its CID as text, and `piece_size` in padded
    /// bytes.
    #[serde(flatten, with = "piece_fields")]
    pub piece: PieceInfo,
    /// The CIDs of the data in the piece.
    pub cids: Vec<String>,
}

/// How a deal fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealState {
    /// Published, and may still be activated.
    Published,
    /// In a sector that is not faulty.
    Active,
    /// In a sector that missed its proof.
    Faulty,
    /// Its sector was terminated before its end; the market may not know it.
    Terminated,
    /// Its end has come.
    Ended,
    /// It was not activated in time.
    StartMissed,
}

impl World {
    /// Every deal there ever was, in the order of ids.
    pub(crate) fn ground_truth(&self) -> Vec<DealTruth> {
        let now = self.now();
        let truths = self.deals().iter().map(|deal| {
            let sector = deal
                .activation
                .and_then(|(_, number)| self.miner(deal.spec.provider)?.sector(number));
            let condition = sector.map(|sector| sector.now()).unwrap_or_default();
            let state = match (deal.removal, deal.activation) {
                (Some((_, Removal::Terminated)), _) => DealState::Terminated,
                (Some((_, Removal::Completed)), _) => DealState::Ended,
                (Some((_, Removal::TimedOut)), _) => DealState::StartMissed,
                (None, None) if now > deal.start => DealState::StartMissed,
                (None, None) => DealState::Published,
                (None, Some(_)) if now >= deal.end => DealState::Ended,
                (None, Some(_)) if condition.terminated => DealState::Terminated,
                (None, Some(_)) if condition.fault.is_some() => DealState::Faulty,
                (None, Some(_)) => DealState::Active,
            };
            DealTruth {
                id: deal.id,
                provider: provider_text(deal.spec.provider),
                sector: deal.activation.map(|(_, sector)| sector),
                state,
                unproven: condition.unproven,
                fault_since: condition.fault,
                published: deal.published,
                start: deal.start,
                end: deal.end,
                activated: deal.activation.map(|(at, _)| at),
                piece: deal.spec.piece.clone(),
                cids: deal.spec.payload.iter().map(ToString::to_string).collect(),
            }
        });
        truths.collect()
    }
}

/// A piece as two fields of the deal, for readers of the JSON who look for a CID at `piece`.
mod piece_fields {
    use raas_types::{Cid, PaddedSize, PieceInfo, cid_text};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields {
        #[serde(with = "cid_text")]
        piece: Cid,
        piece_size: PaddedSize,
    }

    pub(super) fn serialize<S: Serializer>(piece: &PieceInfo, to: S) -> Result<S::Ok, S::Error> {
        Fields { piece: piece.cid, piece_size: piece.size }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PieceInfo, D::Error> {
        let Fields { piece, piece_size } = Fields::deserialize(from)?;
        Ok(PieceInfo { cid: piece, size: piece_size })
    }
}

/// A provider's address as this network writes it (`t01000`).
pub(crate) fn provider_text(id: ProviderId) -> String {
    format!("t0{}", id.get())
}
