//! The storage market actor f05: deals, and the id that comes next.

use raas_types::{
    DealActivation, DealId, DealProposal, OnChainDeal, PaddedSize, PieceInfo, SectorNumber,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Cid, epoch, maybe_epoch};

/// The market's address. Nodes of every network read the mainnet prefix.
pub(crate) const MARKET_ACTOR: &str = "f05";

/// `Filecoin.StateMarketStorageDeal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MarketDeal {
    proposal: Proposal,
    state: State,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Proposal {
    #[serde(rename = "PieceCID")]
    piece_cid: Cid,
    piece_size: u64,
    verified_deal: bool,
    provider: String,
    #[serde(default)]
    label: Value,
    start_epoch: i64,
    end_epoch: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    /// 0 when not activated, which is also a sector; absent in nodes older than network version 22.
    sector_number: Option<u64>,
    sector_start_epoch: i64,
    slash_epoch: i64,
}

impl TryFrom<MarketDeal> for OnChainDeal {
    type Error = String;

    fn try_from(deal: MarketDeal) -> Result<Self, String> {
        Ok(Self { proposal: deal.proposal.try_into()?, activation: deal.state.activation()? })
    }
}

impl TryFrom<Proposal> for DealProposal {
    type Error = String;

    fn try_from(proposal: Proposal) -> Result<Self, String> {
        let size = PaddedSize::new(proposal.piece_size);
        let size = size.ok_or_else(|| format!("a piece of {} bytes", proposal.piece_size))?;
        let start = epoch(proposal.start_epoch, "a deal's start")?;
        let end = epoch(proposal.end_epoch, "a deal's end")?;
        if end <= start {
            return Err(format!("a deal from {start} to {end}"));
        }
        Ok(Self {
            piece: PieceInfo { cid: proposal.piece_cid.0, size },
            provider: proposal.provider.parse().map_err(|e| format!("a deal's provider: {e}"))?,
            start,
            end,
            verified: proposal.verified_deal,
            label: proposal.label.as_str().unwrap_or_default().to_owned(),
        })
    }
}

impl State {
    /// Whether it is activated is for `SectorStartEpoch` alone to say.
    fn activation(&self) -> Result<Option<DealActivation>, String> {
        let Some(at) = maybe_epoch(self.sector_start_epoch) else { return Ok(None) };
        let sector = self.sector_number.map(SectorNumber::new);
        let sector = sector.ok_or(
            "an active deal without its sector: the node is older than network version 22",
        )?;
        Ok(Some(DealActivation { sector, at, slashed: maybe_epoch(self.slash_epoch) }))
    }
}

/// `Filecoin.StateReadState` of the market actor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MarketState {
    state: NextId,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct NextId {
    #[serde(rename = "NextID")]
    next_id: u64,
}

impl MarketState {
    pub(crate) fn next_id(&self) -> DealId {
        DealId::new(self.state.next_id)
    }
}

/// Whether an error says that this deal is not in the state. The text is the same in Lotus and
/// Forest; the code is not (1 and -32603), and both use theirs for much else.
pub(crate) fn says_deal_not_found(message: &str, id: DealId) -> bool {
    message.contains(&format!("deal {id} not found"))
}
