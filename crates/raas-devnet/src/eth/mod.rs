//! The Ethereum side of the chain: accounts, contracts in a real EVM, and the `eth_*` methods as a
//! Filecoin node answers them (lotus `node/impl/eth`).
//!
//! Execution is deferred, as on Filecoin: the messages of the head are executed by its child, so
//! that `latest` is the head's parent and nothing newer is ever told. Fees are charged, but the base
//! fee is the minimum at all times: nobody fills the devnet's blocks. There are no subscriptions and
//! no filters with an identity; poll.

mod actors;
mod cbor;
mod execute;
mod gas;
mod logs;
mod market;
mod mined;
mod pool;
mod revert;
mod state;
mod wire;

#[cfg(test)]
mod tests;

use alloy::primitives::{Address, B256, Bytes, U256};
use revm::context::result::{EVMError, InvalidTransaction};
use serde_json::{Value, json};

use self::{
    execute::{CallRequest, Mode, Site},
    logs::Filter,
    mined::{Before, Ledger, Mined, hex},
    pool::{Pool, Signed},
    state::State,
    wire::{Params, before_null_rounds, epoch_of_hash, latest, quantity},
};
use crate::{
    chain::{Evm, view::ChainView},
    rpc::error::RpcError,
};

/// 10 000 FIL, the wealth of a funded account, in attoFIL.
const FUNDING: u128 = 10_000 * 10_u128.pow(18);
/// The most blocks that `eth_feeHistory` tells of (lotus: 1024).
const MAX_FEE_HISTORY: u64 = 1024;
/// What an estimate adds to what was used: a quarter (lotus `GasLimitOverestimation`).
const fn overestimated(gas: u64) -> u64 {
    gas.saturating_mul(5) / 4
}

/// What the Ethereum side needs to know of its network.
#[derive(Clone, Debug)]
pub(crate) struct EthConfig {
    /// EIP-155 chain id; 31415926 is Filecoin's for development networks.
    pub(crate) chain_id: u64,
    /// Accounts with funds from the beginning.
    pub(crate) funded: Vec<[u8; 20]>,
}

/// The Ethereum side of the chain.
#[derive(Debug)]
pub(crate) struct Eth {
    config: EthConfig,
    state: State,
    pool: Pool,
    ledger: Ledger,
}

impl Eth {
    /// A network without contracts.
    pub(crate) fn new(config: EthConfig) -> Self {
        let mut state = State::default();
        for address in &config.funded {
            state.fund(Address::from(*address), U256::from(FUNDING));
        }
        Self { config, state, pool: Pool::default(), ledger: Ledger::default() }
    }

    /// Whether transactions wait that the next tipset could execute.
    pub(crate) fn has_pending(&self) -> bool {
        self.pool.has_ready(self.state.at(i64::MAX))
    }

    /// Includes what waits in the tipset of `epoch`, as far as a block's gas goes. Its effects are
    /// told once the tipset has a child.
    pub(crate) fn on_tipset(&mut self, epoch: i64, chain: &dyn ChainView) {
        let mut before = Before::default();
        for sender in self.pool.senders() {
            while let Some(signed) = self.next_of(sender, before.gas) {
                self.include(&signed, epoch, &mut before, chain);
            }
        }
    }

    /// Answers an Ethereum method; `None` when it is no method of this side.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: &[Value],
        chain: &dyn ChainView,
    ) -> Option<Result<Value, RpcError>> {
        let params = Params { method, values: params };
        let answer = match method {
            "eth_chainId" => params.exactly(0).map(|()| json!(hex(self.config.chain_id))),
            "net_version" => params.exactly(0).map(|()| json!(self.config.chain_id.to_string())),
            "web3_clientVersion" => params
                .exactly(0)
                .map(|()| json!(concat!("raas-devnet/", env!("CARGO_PKG_VERSION")))),
            "eth_syncing" => params.exactly(0).map(|()| json!(false)),
            "eth_blockNumber" => params.exactly(0).map(|()| json!(quantity(latest(chain)))),
            "eth_getBlockByNumber" => self.block_by_number(params, chain),
            "eth_getBlockByHash" => self.block_by_hash(params, chain),
            "eth_call" => self.eth_call(params, chain),
            "eth_estimateGas" => self.estimate_gas(params, chain),
            "eth_gasPrice" => {
                params.exactly(0).map(|()| json!(hex(gas::BASE_FEE + gas::SUGGESTED_PREMIUM)))
            }
            "eth_maxPriorityFeePerGas" => {
                params.exactly(0).map(|()| json!(hex(gas::SUGGESTED_PREMIUM)))
            }
            "eth_feeHistory" => self.fee_history(params, chain),
            "eth_getTransactionCount" => self.transaction_count(params, chain),
            "eth_sendRawTransaction" => self.send_raw(params),
            "eth_getTransactionReceipt" => self.receipt(params, chain),
            "eth_getTransactionByHash" => self.transaction(params, chain),
            "eth_getLogs" => params
                .exactly(1)
                .and_then(|()| params.get::<Filter>(0))
                .and_then(|filter| filter.answer(&self.ledger, chain)),
            "eth_getBalance" => self.at_block(params, 2, 1, chain).and_then(|epoch| {
                let balance = self.state.at(epoch).balance(params.get(0)?);
                Ok(json!(format!("{balance:#x}")))
            }),
            "eth_getCode" => self.at_block(params, 2, 1, chain).and_then(|epoch| {
                let code = self.state.at(epoch).code(params.get(0)?);
                Ok(json!(Bytes::copy_from_slice(code.original_byte_slice())))
            }),
            _ => return None,
        };
        Some(answer)
    }

    /// The next transaction of a sender that fits into what is left of a block.
    fn next_of(&self, sender: Address, gas_used: u64) -> Option<Signed> {
        use alloy::consensus::Transaction as _;
        let nonce = self.state.at(i64::MAX).nonce(sender);
        let signed = self.pool.get(sender, nonce)?;
        let left = gas::BLOCK_GAS_LIMIT - gas_used;
        (signed.envelope.gas_limit() <= left).then(|| signed.clone())
    }

    fn include(&mut self, signed: &Signed, epoch: i64, before: &mut Before, chain: &dyn ChainView) {
        use alloy::consensus::Transaction as _;
        let nonce = signed.envelope.nonce();
        let site = Site {
            state: self.state.at(epoch),
            chain,
            // Messages run on what the parent left.
            actors_after: chain.parent_epoch(epoch),
            epoch,
            chain_id: self.config.chain_id,
        };
        match execute::run(site, signed.message(), Mode::Transaction) {
            Ok(outcome) => {
                let mined = Mined::new(signed.clone(), epoch, *before, &outcome.result);
                before.count += 1;
                before.gas = mined.cumulative_gas;
                self.state.commit(epoch, outcome.state);
                self.ledger.push(mined);
                self.pool.remove_through(signed.from, nonce);
            }
            Err(error) => {
                // Not even includable, for instance because an earlier one took the funds.
                tracing::warn!(hash = %signed.hash, %error, "a transaction is dropped");
                self.pool.remove(signed.from, nonce);
            }
        }
    }

    /// Where a call at the state after `epoch` runs.
    fn site<'a>(&'a self, epoch: i64, chain: &'a dyn ChainView) -> Site<'a> {
        Site {
            state: self.state.at(epoch),
            chain,
            actors_after: epoch,
            epoch,
            chain_id: self.config.chain_id,
        }
    }

    /// Checks the number of parameters and reads the block parameter at `index`.
    fn at_block(
        &self,
        params: Params<'_>,
        count: usize,
        index: usize,
        chain: &dyn ChainView,
    ) -> Result<i64, RpcError> {
        params.exactly(count)?;
        params.state_epoch(index, chain)
    }

    fn eth_call(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        let epoch = self.at_block(params, 2, 1, chain)?;
        let request = params.call_request()?;
        let site = self.site(epoch, chain);
        let (output, _) = simulate(&request, &site, request.gas_limit())?;
        Ok(json!(Bytes::from(output)))
    }

    fn estimate_gas(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        params.between(1, 2)?;
        let epoch = match params.values.get(1) {
            None | Some(Value::Null) => latest(chain),
            Some(_) => params.state_epoch(1, chain)?,
        };
        let request = params.call_request()?;
        let site = self.site(epoch, chain);
        let most = request.gas_limit();
        let (_, used) = simulate(&request, &site, most)?;
        // A call needs more than it uses: only 63 of 64 parts reach a callee, and refunds come late.
        let mut gas = overestimated(used).min(most);
        while gas < most && simulate(&request, &site, gas).is_err() {
            gas = overestimated(gas).min(most);
        }
        Ok(json!(hex(gas)))
    }

    fn block_by_number(
        &self,
        params: Params<'_>,
        chain: &dyn ChainView,
    ) -> Result<Value, RpcError> {
        params.exactly(2)?;
        let text: String = params.get(0)?;
        let epoch = params.block_epoch(0, &text, chain)?;
        if chain.is_null(epoch) {
            return Err(RpcError::null_round(epoch));
        }
        Ok(mined::block(epoch, params.get(1)?, &self.ledger, chain))
    }

    fn block_by_hash(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        params.exactly(2)?;
        let epoch = epoch_of_hash(params.get(0)?, chain)?;
        Ok(mined::block(epoch, params.get(1)?, &self.ledger, chain))
    }

    fn fee_history(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        params.between(2, 3)?;
        let count = params.number(0)?;
        if count == 0 || count > MAX_FEE_HISTORY {
            let why = format!("block count should be greater than 0 and at most {MAX_FEE_HISTORY}");
            return Err(RpcError::application(why));
        }
        let text: String = params.get(1)?;
        let newest = params.block_epoch(1, &text, chain)?;
        let percentiles: Option<Vec<f64>> = params.get(2)?;
        let mut epoch = before_null_rounds(newest, chain);
        let mut ratios = Vec::new();
        loop {
            let used = self.ledger.between(epoch, epoch).last().map_or(0, |m| m.cumulative_gas);
            #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
            ratios.push(used as f64 / gas::BLOCK_GAS_LIMIT as f64);
            if epoch == 0 || ratios.len() as u64 == count {
                break;
            }
            epoch = chain.parent_epoch(epoch);
        }
        ratios.reverse();
        let fees = vec![hex(gas::BASE_FEE); ratios.len() + 1];
        let mut answer = json!({
            "oldestBlock": quantity(epoch),
            "baseFeePerGas": fees,
            "gasUsedRatio": ratios,
        });
        if let Some(percentiles) = percentiles {
            let row = vec![hex(gas::SUGGESTED_PREMIUM); percentiles.len()];
            answer["reward"] = json!(vec![row; ratios.len()]);
        }
        Ok(answer)
    }

    fn transaction_count(
        &self,
        params: Params<'_>,
        chain: &dyn ChainView,
    ) -> Result<Value, RpcError> {
        params.exactly(2)?;
        let address = params.get(0)?;
        if params.values[1] == "pending" {
            let nonce = self.pool.next_nonce(address, self.state.at(chain.head_epoch()));
            return Ok(json!(hex(nonce)));
        }
        let epoch = params.state_epoch(1, chain)?;
        Ok(json!(hex(self.state.at(epoch).nonce(address))))
    }

    fn send_raw(&mut self, params: Params<'_>) -> Result<Value, RpcError> {
        params.exactly(1)?;
        let raw: Bytes = params.get(0)?;
        let signed = Signed::decode(&raw, self.config.chain_id)?;
        let hash = self.pool.add(signed, self.state.at(i64::MAX))?;
        Ok(json!(hash))
    }

    /// The executed transaction, once that is told: when its tipset has a child.
    fn executed(&self, hash: B256, chain: &dyn ChainView) -> Option<&Mined> {
        self.ledger.find(hash).filter(|mined| mined.epoch <= latest(chain))
    }

    fn receipt(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        params.exactly(1)?;
        let mined = self.executed(params.get(0)?, chain);
        Ok(mined.map_or(Value::Null, |mined| mined.receipt(chain)))
    }

    fn transaction(&self, params: Params<'_>, chain: &dyn ChainView) -> Result<Value, RpcError> {
        params.exactly(1)?;
        let hash = params.get(0)?;
        if let Some(mined) = self.executed(hash, chain) {
            return Ok(mined.transaction(chain));
        }
        let included = self.ledger.find(hash).map(|mined| &mined.signed);
        let waiting = included.or_else(|| self.pool.find(hash));
        Ok(waiting.map_or(Value::Null, mined::waiting))
    }
}

impl Evm for Eth {
    fn has_pending(&self) -> bool {
        Self::has_pending(self)
    }

    fn on_tipset(&mut self, epoch: i64, chain: &dyn ChainView) {
        Self::on_tipset(self, epoch, chain);
    }

    fn roll_back(&mut self, epoch: i64) {
        self.state.roll_back(epoch);
        for signed in self.ledger.roll_back(epoch) {
            self.pool.put_back(signed);
        }
    }

    fn call(
        &mut self,
        method: &str,
        params: &[Value],
        chain: &dyn ChainView,
    ) -> Option<Result<Value, RpcError>> {
        Self::call(self, method, params, chain)
    }
}

/// Runs a call and throws its effects away: what it returns and the gas that it used.
fn simulate(request: &CallRequest, site: &Site<'_>, gas: u64) -> Result<(Vec<u8>, u64), RpcError> {
    match execute::run(*site, request.message(site, gas), Mode::Call) {
        Ok(outcome) => match revert::exit_of(&outcome.result) {
            (0, output) => Ok((output, outcome.result.tx_gas_used())),
            (exit, data) => Err(revert::error(exit, &data)),
        },
        Err(EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance })) => {
            let why =
                format!("message execution failed: not enough funds: need {fee}, have {balance}");
            Err(RpcError::application(why))
        }
        Err(error) => Err(RpcError::application(format!("message execution failed: {error}"))),
    }
}
