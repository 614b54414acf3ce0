//! Transactions that wait for a tipset.
//!
//! What is let in, and the words in which the rest is refused, follow lotus
//! `chain/messagepool/messagepool.go`.

use std::collections::BTreeMap;

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, U256},
};
use revm::context::TxEnv;

use super::{gas, state::StateAt};
use crate::rpc::error::RpcError;

/// How far ahead of the account's nonce a transaction may be (lotus `MaxNonceGap`), and so how many
/// of one account wait.
const MAX_NONCE_GAP: u64 = 1000;
/// How many wait in all: 1000 accounts' worth of one, 10 of a hundred. Each is at most
/// `MAX_TRANSACTION_BYTES`, so that the pool stays below 128 MiB.
const MAX_PENDING: usize = 1000;
/// The longest message (lotus `MaxMessageSize`, 64 KiB; room for a signature and a contract).
const MAX_TRANSACTION_BYTES: usize = 128 * 1024;
/// A replacement must offer a premium higher by a quarter (lotus `ReplaceByFeePercentageDefault`).
const REPLACEMENT_PERCENT: u128 = 125;
/// No transaction costs less in any EVM.
const MIN_GAS: u64 = 21_000;

/// A signed transaction that may be executed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) envelope: TxEnvelope,
    pub(super) from: Address,
    pub(super) hash: B256,
}

/// The waiting transactions, by sender and nonce.
#[derive(Debug, Default)]
pub(super) struct Pool {
    by_sender: BTreeMap<Address, BTreeMap<u64, Signed>>,
}

impl Signed {
    /// Reads a signed transaction from its bytes.
    pub(super) fn decode(raw: &[u8], chain_id: u64) -> Result<Self, RpcError> {
        let refuse = |why: String| Err(RpcError::application(why));
        if raw.len() > MAX_TRANSACTION_BYTES {
            return refuse(format!(
                "message too large: {} bytes, {MAX_TRANSACTION_BYTES} are allowed",
                raw.len()
            ));
        }
        let mut rest = raw;
        let envelope = match TxEnvelope::decode_2718(&mut rest) {
            Ok(envelope) if rest.is_empty() => envelope,
            Ok(_) => return refuse("not an EIP-1559 transaction: trailing bytes".into()),
            Err(error) => return refuse(format!("not an EIP-1559 transaction: {error}")),
        };
        if !(envelope.is_legacy() || envelope.is_eip1559()) {
            return refuse(format!("unsupported transaction type: {}", envelope.tx_type()));
        }
        match envelope.chain_id() {
            Some(id) if id == chain_id => {}
            other => return refuse(format!("invalid chain id: {other:?}, expected {chain_id}")),
        }
        let signing_hash = envelope.signature_hash();
        match envelope.signature().recover_address_from_prehash(&signing_hash) {
            Ok(from) => Ok(Self { hash: *envelope.tx_hash(), from, envelope }),
            Err(error) => refuse(format!("invalid signature: {error}")),
        }
    }

    /// What revm takes.
    pub(super) fn message(&self) -> TxEnv {
        let tx = &self.envelope;
        TxEnv {
            tx_type: tx.tx_type() as u8,
            caller: self.from,
            gas_limit: tx.gas_limit(),
            gas_price: tx.max_fee_per_gas(),
            gas_priority_fee: tx.max_priority_fee_per_gas(),
            kind: tx.kind(),
            value: tx.value(),
            data: tx.input().clone(),
            nonce: tx.nonce(),
            chain_id: tx.chain_id(),
            ..TxEnv::default()
        }
    }

    fn premium(&self) -> u128 {
        let tx = &self.envelope;
        tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
    }

    /// The most it may take from its sender.
    fn cost(&self) -> U256 {
        let tx = &self.envelope;
        let fee = U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()));
        fee.saturating_add(tx.value())
    }
}

impl Pool {
    /// Lets a transaction in, or says why not.
    pub(super) fn add(&mut self, signed: Signed, state: StateAt<'_>) -> Result<B256, RpcError> {
        check(&signed, state)?;
        let hash = signed.hash;
        let full = self.by_sender.values().map(BTreeMap::len).sum::<usize>() >= MAX_PENDING;
        let waiting = self.by_sender.entry(signed.from).or_default();
        match waiting.get(&signed.envelope.nonce()) {
            Some(known) if known.hash == hash => {
                let text = format!(
                    "message from {} with nonce {} already in mpool: message with nonce already exists",
                    signed.from,
                    signed.envelope.nonce()
                );
                return Err(RpcError::application(text));
            }
            Some(known) if signed.premium() * 100 < known.premium() * REPLACEMENT_PERCENT => {
                return Err(RpcError::application(format!(
                    "message from {} with nonce {} already in mpool: replace by fee has too low \
                     GasPremium",
                    signed.from,
                    signed.envelope.nonce()
                )));
            }
            None if full => return Err(RpcError::application("mempool is full")),
            Some(_) | None => {}
        }
        waiting.insert(signed.envelope.nonce(), signed);
        Ok(hash)
    }

    /// Takes back a transaction whose tipset was orphaned, unless another took its place.
    pub(super) fn put_back(&mut self, signed: Signed) {
        let waiting = self.by_sender.entry(signed.from).or_default();
        waiting.entry(signed.envelope.nonce()).or_insert(signed);
    }

    /// The waiting transaction of that hash.
    pub(super) fn find(&self, hash: B256) -> Option<&Signed> {
        self.by_sender.values().flat_map(BTreeMap::values).find(|signed| signed.hash == hash)
    }

    /// The nonce that the next transaction of this account should use: after those waiting in an
    /// unbroken row.
    pub(super) fn next_nonce(&self, from: Address, state: StateAt<'_>) -> u64 {
        let waiting = self.by_sender.get(&from);
        let mut nonce = state.nonce(from);
        while waiting.is_some_and(|waiting| waiting.contains_key(&nonce)) {
            nonce += 1;
        }
        nonce
    }

    /// Whether a transaction could be executed now.
    pub(super) fn has_ready(&self, state: StateAt<'_>) -> bool {
        self.by_sender.iter().any(|(from, waiting)| waiting.contains_key(&state.nonce(*from)))
    }

    /// The accounts with waiting transactions.
    pub(super) fn senders(&self) -> Vec<Address> {
        self.by_sender.keys().copied().collect()
    }

    /// The transaction of this account with this nonce.
    pub(super) fn get(&self, from: Address, nonce: u64) -> Option<&Signed> {
        self.by_sender.get(&from)?.get(&nonce)
    }

    /// Takes out a transaction, and those of the same account that came too late for their nonce.
    pub(super) fn remove_through(&mut self, from: Address, nonce: u64) {
        if let Some(waiting) = self.by_sender.get_mut(&from) {
            waiting.retain(|n, _| *n > nonce);
        }
        self.by_sender.retain(|_, waiting| !waiting.is_empty());
    }

    /// Takes out one transaction.
    pub(super) fn remove(&mut self, from: Address, nonce: u64) {
        if let Some(waiting) = self.by_sender.get_mut(&from) {
            waiting.remove(&nonce);
        }
        self.by_sender.retain(|_, waiting| !waiting.is_empty());
    }
}

fn check(signed: &Signed, state: StateAt<'_>) -> Result<(), RpcError> {
    let tx = &signed.envelope;
    let next = state.nonce(signed.from);
    let balance = state.balance(signed.from);
    let why = if tx.nonce() < next {
        format!("minimum expected nonce is {next}: message nonce too low")
    } else if tx.nonce() - next > MAX_NONCE_GAP {
        format!("unfulfilled nonce gap: {} is too far from {next}", tx.nonce())
    } else if tx.gas_limit() > gas::BLOCK_GAS_LIMIT {
        format!(
            "message will not be included in a block: 'GasLimit' {} is more than a block's {}",
            tx.gas_limit(),
            gas::BLOCK_GAS_LIMIT
        )
    } else if tx.gas_limit() < MIN_GAS {
        "message will not be included in a block: 'GasLimit' field cannot be less than the cost \
         of storing a message on chain"
            .into()
    } else if tx.max_fee_per_gas() < u128::from(gas::BASE_FEE) {
        format!("'GasFeeCap' {} is less than the base fee {}", tx.max_fee_per_gas(), gas::BASE_FEE)
    } else if tx.max_priority_fee_per_gas().is_some_and(|premium| premium > tx.max_fee_per_gas()) {
        "'GasFeeCap' less than 'GasPremium'".into()
    } else if signed.cost() > balance {
        format!(
            "mpool push: not enough funds to execute transaction: need {}, have {balance}",
            signed.cost()
        )
    } else {
        return Ok(());
    };
    Err(RpcError::application(why))
}
