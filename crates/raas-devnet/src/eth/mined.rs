//! Executed transactions: what they left behind, and how blocks, receipts and logs tell of it.

use std::collections::{BTreeMap, HashMap};

use alloy::{
    consensus::{EMPTY_OMMER_ROOT_HASH, Transaction as _, constants::EMPTY_WITHDRAWALS},
    primitives::{Address, B256, Bloom, Log, U256, logs_bloom},
};
use revm::context::result::ExecutionResult;
use serde_json::{Value, json};

use super::{gas, pool::Signed, revert, wire::quantity};
use crate::chain::view::ChainView;

/// An executed transaction.
#[derive(Clone, Debug)]
pub(super) struct Mined {
    pub(super) signed: Signed,
    /// Of the tipset that included it.
    pub(super) epoch: i64,
    /// Its position there.
    pub(super) index: u64,
    pub(super) success: bool,
    pub(super) gas_used: u64,
    /// With those before it in the tipset.
    pub(super) cumulative_gas: u64,
    pub(super) logs: Vec<Log>,
    /// The contract that it made.
    pub(super) created: Option<Address>,
}

/// All executed transactions.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    mined: Vec<Mined>,
    by_hash: HashMap<B256, usize>,
    by_epoch: BTreeMap<i64, Vec<usize>>,
}

impl Mined {
    /// What came of a transaction.
    pub(super) fn new(
        signed: Signed,
        epoch: i64,
        before: Before,
        result: &ExecutionResult,
    ) -> Self {
        let (exit, _) = revert::exit_of(result);
        let gas_used = result.tx_gas_used();
        let created = match result {
            ExecutionResult::Success { output, .. } => output.address().copied(),
            _ => None,
        };
        Self {
            signed,
            epoch,
            index: before.count,
            success: exit == 0,
            gas_used,
            cumulative_gas: before.gas + gas_used,
            logs: if exit == 0 { result.logs().to_vec() } else { Vec::new() },
            created,
        }
    }

    /// What `eth_getTransactionReceipt` answers.
    pub(super) fn receipt(&self, chain: &dyn ChainView) -> Value {
        let tx = &self.signed.envelope;
        let logs: Vec<_> = (0..self.logs.len()).map(|i| self.log(i, chain)).collect();
        json!({
            "transactionHash": self.signed.hash,
            "transactionIndex": hex(self.index),
            "blockHash": B256::from(chain.block_hash(self.epoch)),
            "blockNumber": quantity(self.epoch),
            "from": self.signed.from,
            "to": tx.to(),
            "root": B256::ZERO,
            "status": hex(u64::from(self.success)),
            "contractAddress": self.created,
            "cumulativeGasUsed": hex(self.cumulative_gas),
            "gasUsed": hex(self.gas_used),
            "effectiveGasPrice": hex128(tx.effective_gas_price(Some(gas::BASE_FEE))),
            "logsBloom": logs_bloom(&self.logs),
            "logs": logs,
            "type": hex(u64::from(tx.tx_type() as u8)),
        })
    }

    /// One of its logs. The index counts within the transaction (lotus `EthLog`).
    pub(super) fn log(&self, index: usize, chain: &dyn ChainView) -> Value {
        let log = &self.logs[index];
        json!({
            "address": log.address,
            "data": log.data.data,
            "topics": log.topics(),
            "removed": false,
            "logIndex": hex(index as u64),
            "transactionIndex": hex(self.index),
            "transactionHash": self.signed.hash,
            "blockHash": B256::from(chain.block_hash(self.epoch)),
            "blockNumber": quantity(self.epoch),
        })
    }

    /// What `eth_getTransactionByHash` answers.
    pub(super) fn transaction(&self, chain: &dyn ChainView) -> Value {
        let mut object = waiting(&self.signed);
        object["blockHash"] = json!(B256::from(chain.block_hash(self.epoch)));
        object["blockNumber"] = json!(quantity(self.epoch));
        object["transactionIndex"] = json!(hex(self.index));
        object
    }
}

/// What the tipset held before a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// Transactions.
    pub(super) count: u64,
    /// Gas that they used.
    pub(super) gas: u64,
}

impl Ledger {
    pub(super) fn push(&mut self, mined: Mined) {
        let index = self.mined.len();
        self.by_hash.insert(mined.signed.hash, index);
        self.by_epoch.entry(mined.epoch).or_default().push(index);
        self.mined.push(mined);
    }

    /// Takes out what was executed after `epoch`, oldest first.
    pub(super) fn roll_back(&mut self, epoch: i64) -> Vec<Signed> {
        let kept = self.mined.partition_point(|mined| mined.epoch <= epoch);
        let orphans = self.mined.split_off(kept);
        self.by_hash.retain(|_, index| *index < kept);
        self.by_epoch.retain(|at, _| *at <= epoch);
        orphans.into_iter().map(|mined| mined.signed).collect()
    }

    /// The executed transaction of that hash.
    pub(super) fn find(&self, hash: B256) -> Option<&Mined> {
        self.by_hash.get(&hash).map(|index| &self.mined[*index])
    }

    /// The transactions of the tipsets from `first` to `last`, oldest first.
    pub(super) fn between(&self, first: i64, last: i64) -> impl Iterator<Item = &Mined> {
        let range = (first <= last).then(|| self.by_epoch.range(first..=last));
        range.into_iter().flatten().flat_map(|(_, indices)| indices).map(|i| &self.mined[*i])
    }
}

/// A transaction that is in no block yet.
pub(super) fn waiting(signed: &Signed) -> Value {
    // The envelope knows its own fields; what it does not know is who signed.
    let mut object = serde_json::to_value(&signed.envelope).unwrap_or_default();
    object["from"] = json!(signed.from);
    object["hash"] = json!(signed.hash);
    for absent in ["blockHash", "blockNumber", "transactionIndex"] {
        object[absent] = Value::Null;
    }
    object
}

/// The block that stands for the tipset at `epoch`, which is not null.
pub(super) fn block(epoch: i64, full: bool, ledger: &Ledger, chain: &dyn ChainView) -> Value {
    let transactions: Vec<&Mined> = ledger.between(epoch, epoch).collect();
    let gas_used = transactions.last().map_or(0, |last| last.cumulative_gas);
    let parent =
        if epoch == 0 { B256::ZERO } else { chain.block_hash(chain.parent_epoch(epoch)).into() };
    let listed: Vec<Value> = transactions
        .iter()
        .map(|mined| if full { mined.transaction(chain) } else { json!(mined.signed.hash) })
        .collect();
    json!({
        "hash": B256::from(chain.block_hash(epoch)),
        "parentHash": parent,
        "sha3Uncles": EMPTY_OMMER_ROOT_HASH,
        "miner": Address::ZERO,
        "stateRoot": B256::ZERO,
        "transactionsRoot": EMPTY_WITHDRAWALS,
        "receiptsRoot": B256::ZERO,
        // Lotus does not compute it: everything may be in every block.
        "logsBloom": Bloom::repeat_byte(0xff),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "number": quantity(epoch),
        "gasLimit": hex(gas::BLOCK_GAS_LIMIT),
        "gasUsed": hex(gas_used),
        "timestamp": quantity(chain.timestamp(epoch)),
        "extraData": "0x",
        "mixHash": B256::ZERO,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": hex(gas::BASE_FEE),
        "size": "0x0",
        "transactions": listed,
        "uncles": [],
    })
}

/// A number as Ethereum writes it.
pub(super) fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// Likewise.
pub(super) fn hex128(number: u128) -> String {
    format!("{:#x}", U256::from(number))
}
