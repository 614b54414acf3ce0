//! [`EvmDealRecorder`]: writes to the contract.

use std::time::Duration;

use alloy::{
    consensus::{Transaction as _, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{B256, TxKind, U256},
    rpc::types::{BlockNumberOrTag, TransactionInput, TransactionReceipt, TransactionRequest},
    sol_types::{SolCall, SolEvent},
};
use async_trait::async_trait;
use raas_deal_status::{DealRecorder, Prepared, Record, Result, TransactionStatus};
use raas_types::{ChainEpoch, RpcUsage, SubmissionId, TxHash};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    ContractAddress, EvmDealStatus, Settings, SigningKey,
    contract::DealStatus::{
        SubmitAggregatorRequest, SubmitAggregatorRequestWithRaaS, completeCall, submitRaaSCall,
    },
    endpoint::{Block, Endpoint},
    error::CallError,
    fees, wire,
};

/// A block's gas, and so the most that a transaction may have (lotus `BlockGasLimit`).
const BLOCK_GAS_LIMIT: u64 = 10_000_000_000;

/// Writes to a DealStatus contract with one account.
#[derive(Debug)]
pub struct EvmDealRecorder {
    contract: EvmDealStatus,
    key: SigningKey,
    chain_id: OnceCell<u64>,
}

impl EvmDealRecorder {
    /// A contract, and the account that writes to it. Nothing is sent yet. To `complete`, the
    /// account must own the contract or be one of its recorders.
    pub fn new(settings: Settings, key: SigningKey) -> Result<Self> {
        let contract = EvmDealStatus::new(settings)?;
        Ok(Self { contract, key, chain_id: OnceCell::new() })
    }

    /// An account that writes to the contract that `source` reads, through its first endpoint and over
    /// the same connection: what is asked for writing is in the source's
    /// [`usage`](raas_deal_status::DealStatusSource::usage), and a pause that the endpoint asks for is
    /// kept by both.
    pub fn beside(source: &EvmDealStatus, key: SigningKey) -> Self {
        Self { contract: source.clone(), key, chain_id: OnceCell::new() }
    }

    /// What was asked of its endpoint so far. A recorder made with [`new`](Self::new) counts for
    /// itself; of one made with [`beside`](Self::beside) it is what the source counts there too.
    pub fn usage(&self) -> RpcUsage {
        self.endpoint().usage()
    }

    /// Where the contract is.
    pub fn address(&self) -> ContractAddress {
        self.contract.address()
    }

    /// Waits until a transaction is in a block, asking for its receipt until the time is over. An
    /// endpoint that does not answer for a while is asked again.
    pub async fn await_receipt(
        &self,
        hash: &TxHash,
        patience: Duration,
    ) -> Result<TransactionStatus> {
        let endpoint = self.endpoint();
        let receipt = await_receipt(endpoint, parse(endpoint, hash)?, patience).await?;
        self.judge(&receipt).await
    }

    fn endpoint(&self) -> &Endpoint {
        &self.contract.endpoint
    }

    async fn judge(&self, receipt: &TransactionReceipt) -> Result<TransactionStatus> {
        let endpoint = self.endpoint();
        let at = epoch_of(endpoint, receipt)?;
        if receipt.status() {
            return Ok(TransactionStatus::Done { at, submission: self.submission(receipt) });
        }
        Ok(TransactionStatus::Reverted { at, reason: self.why_reverted(receipt).await })
    }

    /// The number that the contract gave, read from its event.
    fn submission(&self, receipt: &TransactionReceipt) -> Option<SubmissionId> {
        let ours = receipt.logs().iter().filter(|log| log.address().0 == self.address().0);
        ours.map(|log| &log.inner)
            .find_map(|log| {
                let submitted = SubmitAggregatorRequestWithRaaS::decode_log(log).map(|e| e.id);
                submitted.or_else(|_| SubmitAggregatorRequest::decode_log(log).map(|e| e.id)).ok()
            })
            .map(|id| SubmissionId(wire::saturated(id)))
    }

    /// Filecoin's receipts do not say why: the message is run again on the state before its block.
    async fn why_reverted(&self, receipt: &TransactionReceipt) -> String {
        let unknown = || "reverted; the endpoint does not say why".to_owned();
        let endpoint = self.endpoint();
        let Ok(Some(transaction)) = endpoint.transaction(receipt.transaction_hash).await else {
            return unknown();
        };
        let Some(input) = transaction.get("input").cloned() else { return unknown() };
        let Ok(input) = serde_json::from_value(input) else { return unknown() };
        let request = TransactionRequest {
            from: Some(receipt.from),
            to: receipt.to.map(TxKind::Call),
            input: TransactionInput::new(input),
            ..TransactionRequest::default()
        };
        let before = receipt.block_number.unwrap_or_default().saturating_sub(1);
        match endpoint.call(&request, Block::Number(before)).await {
            Err(error @ CallError::Reverted(_)) => endpoint.words(error),
            Ok(_) | Err(_) => unknown(),
        }
    }
}

#[async_trait]
impl DealRecorder for EvmDealRecorder {
    fn account(&self) -> String {
        self.key.account().to_string()
    }

    async fn prepare(&self, record: &Record, nonce: Option<u64>) -> Result<Prepared> {
        let chain_id = *self.chain_id.get_or_try_init(|| self.endpoint().chain_id()).await?;
        let request = self.contract.request(call_data(record));
        prepare(self.endpoint(), &self.key, chain_id, request, nonce).await
    }

    async fn send(&self, raw: &[u8]) -> Result<()> {
        send(self.endpoint(), raw).await
    }

    async fn status(&self, hash: &TxHash) -> Result<TransactionStatus> {
        let endpoint = self.endpoint();
        match endpoint.receipt(parse(endpoint, hash)?).await? {
            Some(receipt) => self.judge(&receipt).await,
            None => Ok(TransactionStatus::Waiting),
        }
    }
}

fn call_data(record: &Record) -> Vec<u8> {
    match record {
        Record::Submit { cid, terms } => submitRaaSCall {
            cid: wire::text_key(cid),
            _replication_target: U256::from(terms.replication_target),
            _repair_threshold: U256::from(terms.repair_threshold),
            _renew_threshold: U256::from(terms.renewal_threshold),
        }
        .abi_encode(),
        Record::Complete { submission, deal, provider, proof } => {
            let (proof, segment) = wire::proof(proof);
            completeCall {
                _id: U256::from(submission.0),
                _dealId: deal.get(),
                _minerId: provider.get(),
                _proof: proof,
                _verifierData: segment,
            }
            .abi_encode()
        }
    }
}

/// Signs a message; nothing is sent.
pub(crate) async fn prepare(
    endpoint: &Endpoint,
    key: &SigningKey,
    chain_id: u64,
    mut request: TransactionRequest,
    nonce: Option<u64>,
) -> Result<Prepared> {
    request.from = Some(key.address());
    let gas = endpoint.estimate_gas(&request).await.map_err(|error| endpoint.error(error))?;
    let fees = fees::suggest(endpoint).await?;
    let nonce = match nonce {
        Some(nonce) => nonce,
        None => endpoint.nonce(key.address(), BlockNumberOrTag::Pending).await?,
    };
    let transaction = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: with_margin(gas),
        max_fee_per_gas: fees.max_fee,
        max_priority_fee_per_gas: fees.premium,
        to: request.to.unwrap_or(TxKind::Create),
        value: U256::ZERO,
        access_list: Default::default(),
        input: request.input.into_input().unwrap_or_default(),
    };
    let signed = key.sign(transaction).map_err(|error| endpoint.misconfigured(error))?;
    Ok(Prepared { hash: wire::tx_hash(*signed.tx_hash()), raw: signed.encoded_2718(), nonce })
}

/// A quarter more than was estimated: the state grows until the message runs.
fn with_margin(gas: u64) -> u64 {
    gas.saturating_add(gas / 4).min(BLOCK_GAS_LIMIT)
}

/// Sends; bytes that the network has already are no error.
pub(crate) async fn send(endpoint: &Endpoint, raw: &[u8]) -> Result<()> {
    let error = match endpoint.send_raw(raw).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let CallError::Refused { code, message } = error else { return Err(endpoint.error(error)) };
    let Some(signed) = Endpoint::decode(raw) else {
        return Err(endpoint.misconfigured("these bytes are no signed transaction"));
    };
    // Nodes have many words for "already known"; whether they know it can be asked.
    if endpoint.transaction(*signed.tx_hash()).await?.is_some() {
        return Ok(());
    }
    if !message.to_lowercase().contains("nonce") {
        return Err(endpoint.error(CallError::Refused { code, message }));
    }
    // Between inclusion and execution (one tipset) a node may know it neither as waiting nor as
    // done. Once an executed transaction has used the nonce, it is settled whose it was.
    let account = signed.signature().recover_address_from_prehash(&signed.signature_hash());
    let account = account.map_err(|_| endpoint.misconfigured("the signature is no signature"))?;
    let executed = endpoint.nonce(account, BlockNumberOrTag::Latest).await?;
    let known = endpoint.receipt(*signed.tx_hash()).await?.is_some();
    if known {
        Ok(())
    } else if executed > signed.nonce() {
        Err(endpoint.rejected(format!("another transaction used nonce {}", signed.nonce())))
    } else {
        Err(endpoint.unavailable(message))
    }
}

/// Asks for a receipt until it is there or the time is over.
pub(crate) async fn await_receipt(
    endpoint: &Endpoint,
    hash: B256,
    patience: Duration,
) -> Result<TransactionReceipt> {
    let deadline = Instant::now() + patience;
    loop {
        let last = match endpoint.receipt(hash).await {
            Ok(Some(receipt)) => return Ok(receipt),
            Ok(None) => endpoint.unavailable(format!(
                "transaction {hash} is in no block after {} s",
                patience.as_secs()
            )),
            Err(error) if error.is_temporary() => error,
            Err(error) => return Err(error),
        };
        if Instant::now() + endpoint.settings.poll > deadline {
            return Err(last);
        }
        tokio::time::sleep(endpoint.settings.poll).await;
    }
}

/// The epoch of a receipt's block.
pub(crate) fn epoch_of(endpoint: &Endpoint, receipt: &TransactionReceipt) -> Result<ChainEpoch> {
    let epoch = receipt.block_number.and_then(|number| i64::try_from(number).ok());
    epoch.map(ChainEpoch::new).ok_or_else(|| endpoint.unavailable("a receipt names no block"))
}

pub(crate) fn parse(endpoint: &Endpoint, hash: &TxHash) -> Result<B256> {
    hash.0.parse().map_err(|_| endpoint.misconfigured(format!("{hash} is no transaction hash")))
}
