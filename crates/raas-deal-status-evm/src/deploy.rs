//! Puts the contract on a network.

use std::time::Duration;

use alloy::rpc::types::{TransactionInput, TransactionRequest};
use raas_deal_status::Result;
use raas_types::{ChainEpoch, TxHash};

use crate::{
    ContractAddress, EndpointSettings, SigningKey, contract::DealStatus, endpoint::Endpoint, write,
};

/// A contract that was put on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Where it is.
    pub contract: ContractAddress,
    /// Since when; no request is older.
    pub epoch: ChainEpoch,
    /// The transaction that made it.
    pub transaction: TxHash,
}

/// Deploys the contract; the key's account becomes its owner. Waits for the receipt, which takes two
/// tipsets at least: somebody must let the chain move meanwhile.
pub async fn deploy(
    endpoint: EndpointSettings,
    key: &SigningKey,
    patience: Duration,
) -> Result<Deployment> {
    let endpoint = Endpoint::new(endpoint, "a new contract")?;
    let request = TransactionRequest {
        input: TransactionInput::new(DealStatus::BYTECODE.clone()),
        ..TransactionRequest::default()
    };
    let chain_id = endpoint.chain_id().await?;
    let prepared = write::prepare(&endpoint, key, chain_id, request, None).await?;
    write::send(&endpoint, &prepared.raw).await?;
    let hash = write::parse(&endpoint, &prepared.hash)?;
    let receipt = write::await_receipt(&endpoint, hash, patience).await?;
    match receipt.contract_address {
        Some(address) if receipt.status() => Ok(Deployment {
            contract: ContractAddress(address.into_array()),
            epoch: write::epoch_of(&endpoint, &receipt)?,
            transaction: prepared.hash,
        }),
        _ => Err(endpoint.rejected(format!("the deployment {} failed", prepared.hash))),
    }
}
