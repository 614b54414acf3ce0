//! [`EvmDealStatus`]: asks the contract.

use std::result::Result as StdResult;

use alloy::{
    primitives::{Address, Bytes, TxKind},
    rpc::types::{TransactionInput, TransactionRequest},
    sol_types::SolCall,
};
use async_trait::async_trait;
use cid::Cid;
use futures::{StreamExt, stream};
use raas_deal_status::{Cursor, DealStatusSource, Error, Listing, Requests, Result};
use raas_types::{EpochDelta, Tipset};

use crate::{
    ContractAddress, Settings,
    contract::DealStatus::{Deal, getActiveDealsCall, getAllDealsCall, getExpiringDealsCall},
    endpoint::{Block, CallError, Endpoint},
    requests, reverts, wire,
};

/// CIDs asked about at a time. Each has one request in flight, so that a node sees at most 8 of
/// ours at once.
const IN_FLIGHT: usize = 8;

/// A DealStatus contract, asked over Ethereum JSON-RPC.
#[derive(Clone, Debug)]
pub struct EvmDealStatus {
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: Settings,
}

impl EvmDealStatus {
    /// A contract behind an endpoint. Nothing is asked yet.
    pub fn new(settings: Settings) -> Result<Self> {
        let what = format!("contract {}", settings.contract);
        let endpoint = Endpoint::new(settings.endpoint.clone(), &what)?;
        Ok(Self { endpoint, settings })
    }

    /// Where the contract is.
    pub fn address(&self) -> ContractAddress {
        self.settings.contract
    }

    /// A message to the contract.
    pub(crate) fn request(&self, data: Vec<u8>) -> TransactionRequest {
        TransactionRequest {
            to: Some(TxKind::Call(Address::from(self.settings.contract.0))),
            input: TransactionInput::new(data.into()),
            ..TransactionRequest::default()
        }
    }

    async fn listing(&self, cid: Cid, within: u64, at: Block) -> Result<Listing> {
        let keys = wire::keys(&cid);
        let mut all = Vec::new();
        for key in &keys {
            let call = getAllDealsCall { _cid: key.clone() };
            all.push(self.ask(&call, at).await.map_err(|error| self.endpoint.error(error))?);
        }
        // A key with no deals has none that are active: it need not be asked.
        let known: Vec<&Bytes> = keys
            .iter()
            .zip(&all)
            .filter(|(_, deals)| !deals.is_empty())
            .map(|(key, _)| key)
            .collect();
        let (mut active, mut expiring) = (Ok(Vec::new()), Ok(Vec::new()));
        for key in known {
            let call = getActiveDealsCall { _cid: key.clone() };
            active = merge(active, self.judge(&call, at).await?);
            let call = getExpiringDealsCall { _cid: key.clone(), epochs: within };
            expiring = merge(expiring, self.judge(&call, at).await?);
        }
        Ok(Listing {
            all: wire::deals(all),
            active: active.map(wire::deals),
            expiring: expiring.map(wire::deals),
        })
    }

    /// A question that the contract may be unable to answer: then the reason in words.
    async fn judge<C: SolCall<Return = Vec<Deal>>>(
        &self,
        call: &C,
        at: Block,
    ) -> Result<StdResult<Vec<Deal>, String>> {
        match self.ask(call, at).await {
            Ok(deals) => Ok(Ok(deals)),
            Err(CallError::Reverted(data)) => Ok(Err(reverts::reason(&data))),
            Err(error) => Err(self.endpoint.error(error)),
        }
    }

    async fn ask<C: SolCall>(&self, call: &C, at: Block) -> StdResult<C::Return, CallError> {
        let answer = self.endpoint.call(&self.request(call.abi_encode()), at).await?;
        C::abi_decode_returns(&answer).map_err(|error| {
            CallError::Failed(self.endpoint.misconfigured(if answer.is_empty() {
                "there is no contract at this address on this network".to_owned()
            } else {
                format!("this is no DealStatus contract: {}: {error}", C::SIGNATURE)
            }))
        })
    }

    /// The block whose state is the state at `at`.
    fn block(&self, at: &Tipset) -> Result<Block> {
        let hash = wire::block_hash(&at.parents);
        let hash = hash.ok_or_else(|| self.endpoint.unavailable("genesis has no state to ask"))?;
        Ok(Block::Hash(hash))
    }
}

type Lists = StdResult<Vec<Vec<Deal>>, String>;

/// Adds one key's answer to the others'; one that is missing makes the whole unknown.
fn merge(lists: Lists, next: StdResult<Vec<Deal>, String>) -> Lists {
    let mut lists = lists?;
    lists.push(next?);
    Ok(lists)
}

#[async_trait]
impl DealStatusSource for EvmDealStatus {
    fn contract(&self) -> String {
        self.endpoint.name.clone()
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &Tipset,
    ) -> Vec<Result<Listing>> {
        // A negative span holds nothing, and neither does an empty one.
        let within = u64::try_from(within.get()).unwrap_or(0);
        let block = match self.block(at) {
            Ok(block) => block,
            Err(error) => {
                let reason = error.to_string();
                let again =
                    || Error::Unavailable { contract: self.contract(), reason: reason.clone() };
                return cids.iter().map(|_| Err(again())).collect();
            }
        };
        stream::iter(cids.iter().copied())
            .map(|cid| self.listing(cid, within, block))
            .buffered(IN_FLIGHT)
            .collect()
            .await
    }

    async fn requests_since(&self, cursor: Option<Cursor>, until: &Tipset) -> Result<Requests> {
        requests::since(self, cursor, until).await
    }
}
