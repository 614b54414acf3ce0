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
    requests, wire,
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
            active = self.judge(active, &call, at).await;
            let call = getExpiringDealsCall { _cid: key.clone(), epochs: within };
            expiring = self.judge(expiring, &call, at).await;
        }
        Ok(Listing {
            all: wire::deals(all),
            active: active.map(wire::deals),
            expiring: expiring.map(wire::deals),
        })
    }

    /// Adds one key's answer to the others'. Whatever keeps the contract or the endpoint from
    /// answering (a dead deal, the gas of a long list, a time-out) makes this one answer unknown, with
    /// the reason in words, and leaves the list of all deals as good as it is.
    async fn judge<C: SolCall<Return = Vec<Deal>>>(
        &self,
        lists: Lists,
        call: &C,
        at: Block,
    ) -> Lists {
        // With one key's answer missing, the other's is of no use.
        let mut lists = lists?;
        lists.push(self.ask(call, at).await.map_err(|error| self.endpoint.words(error))?);
        Ok(lists)
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

/// What each key of a CID answered, or why one did not.
type Lists = StdResult<Vec<Vec<Deal>>, String>;

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
