//! The market actor's exported getters (FIP-0050), answered from the simulated chain.
//!
//! Method numbers are FRC-0042 hashes of the names; shapes and exit codes are those of
//! builtin-actors `actors/market/src/{lib,types,state}.rs`.

use raas_types::DealId;

use super::{
    cbor::{Writer, read_unsigned},
    gas,
};
use crate::chain::view::{ChainDeal, ChainView, MarketDeal};

/// The market is the actor f05.
pub(super) const MARKET: u64 = 5;

/// What an actor answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 0, or why not. Negative for an error of the system call itself.
    pub(super) exit: i64,
    /// CBOR; empty where the call failed.
    pub(super) data: Vec<u8>,
    /// What the call cost.
    pub(super) gas: u64,
}

/// Exit codes (go-state-types `exitcode/common.go`; market's own from 32 on).
pub(super) mod exit {
    pub(crate) const OK: i64 = 0;
    pub(crate) const NOT_FOUND: i64 = 17;
    pub(crate) const SERIALIZATION: i64 = 21;
    pub(crate) const UNHANDLED_MESSAGE: i64 = 22;
    pub(crate) const DEAL_EXPIRED: i64 = 32;
    pub(crate) const DEAL_NOT_ACTIVATED: i64 = 33;
}

mod method {
    pub(super) const DATA_COMMITMENT: u64 = 1_157_985_802;
    pub(super) const CLIENT: u64 = 128_053_329;
    pub(super) const PROVIDER: u64 = 935_081_690;
    pub(super) const LABEL: u64 = 46_363_526;
    pub(super) const TERM: u64 = 163_777_312;
    pub(super) const TOTAL_PRICE: u64 = 4_287_162_428;
    pub(super) const CLIENT_COLLATERAL: u64 = 200_567_895;
    pub(super) const PROVIDER_COLLATERAL: u64 = 2_986_712_137;
    pub(super) const VERIFIED: u64 = 2_627_389_465;
    pub(super) const ACTIVATION: u64 = 2_567_238_399;
    pub(super) const SECTOR: u64 = 2_611_213_344;
}

impl Reply {
    /// A call that failed with this code.
    pub(super) const fn failed(exit: i64, gas: u64) -> Self {
        Self { exit, data: Vec::new(), gas }
    }
}

/// Calls a method of the market, as its state is after `epoch`.
pub(super) fn call(method: u64, params: &[u8], chain: &dyn ChainView, epoch: i64) -> Reply {
    let Some((getter, gas)) = getter(method) else {
        return Reply::failed(exit::UNHANDLED_MESSAGE, gas::REFUSAL);
    };
    let Some(id) = read_unsigned(params) else {
        return Reply::failed(exit::SERIALIZATION, gas::REFUSAL);
    };
    match chain.deal_state_after(DealId::new(id), epoch) {
        MarketDeal::Never => Reply::failed(exit::NOT_FOUND, gas),
        MarketDeal::Gone => Reply::failed(exit::DEAL_EXPIRED, gas),
        MarketDeal::Found(deal) => match getter(&deal) {
            Ok(answer) => Reply { exit: exit::OK, data: answer.finish(), gas },
            Err(exit) => Reply::failed(exit, gas),
        },
    }
}

type Getter = fn(&ChainDeal) -> Result<Writer, i64>;

fn getter(method: u64) -> Option<(Getter, u64)> {
    let getter: Getter = match method {
        method::ACTIVATION => return Some((activation, gas::STATE_GETTER)),
        method::SECTOR => return Some((sector, gas::STATE_GETTER)),
        method::DATA_COMMITMENT => |deal| {
            Ok(Writer::default().array(2).cid(&deal.piece.cid).unsigned(deal.piece.size.get()))
        },
        method::CLIENT => |deal| Ok(Writer::default().unsigned(deal.client)),
        method::PROVIDER => |deal| Ok(Writer::default().unsigned(deal.provider.get())),
        method::LABEL => |deal| Ok(Writer::default().text(&deal.label)),
        method::TERM => |deal| {
            // The second number is a duration, whatever Solidity libraries call it.
            Ok(Writer::default().array(2).signed(deal.start).signed(deal.end - deal.start))
        },
        method::TOTAL_PRICE => |deal| {
            let epochs = u128::try_from(deal.end - deal.start).unwrap_or(0);
            Ok(Writer::default().amount(deal.price_per_epoch.saturating_mul(epochs)))
        },
        method::CLIENT_COLLATERAL => |deal| Ok(Writer::default().amount(deal.client_collateral)),
        method::PROVIDER_COLLATERAL => {
            |deal| Ok(Writer::default().amount(deal.provider_collateral))
        }
        method::VERIFIED => |deal| Ok(Writer::default().boolean(deal.verified)),
        _ => return None,
    };
    Some((getter, gas::PROPOSAL_GETTER))
}

/// `[activated, terminated]`: -1 for not (yet). A terminated deal is not found at all.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a getter")]
fn activation(deal: &ChainDeal) -> Result<Writer, i64> {
    let activated = deal.activation.map_or(-1, |activation| activation.at);
    Ok(Writer::default().array(2).signed(activated).signed(-1))
}

fn sector(deal: &ChainDeal) -> Result<Writer, i64> {
    let activation = deal.activation.ok_or(exit::DEAL_NOT_ACTIVATED)?;
    Ok(Writer::default().unsigned(activation.sector.get()))
}
