//! Runs messages in revm: transactions of a tipset, and calls whose effects are thrown away.

use std::convert::Infallible;

use alloy::primitives::{Address, Bytes, U256};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, TxEnv,
        result::{EVMError, ResultAndState},
    },
    database_interface::WrapDatabaseRef,
    primitives::hardfork::SpecId,
};

use super::{
    actors::{Precompiles, World},
    gas,
    state::{Database, StateAt},
};
use crate::chain::view::ChainView;

/// The FEVM has MCOPY and transient storage (since network version 25) and no blobs.
const SPEC: SpecId = SpecId::CANCUN;

/// Where and when a message runs.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// Accounts, code and storage.
    pub(super) state: StateAt<'a>,
    /// The chain around.
    pub(super) chain: &'a dyn ChainView,
    /// Built-in actors are read as they are after this epoch.
    pub(super) actors_after: i64,
    /// What `block.number` says.
    pub(super) epoch: i64,
    /// Of the network.
    pub(super) chain_id: u64,
}

/// What a message did, or why it cannot even start.
pub(super) type Outcome = Result<ResultAndState, EVMError<Infallible>>;

/// Whether nonce and fees are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A transaction: it pays.
    Transaction,
    /// A call: it is free, and anyone's nonce will do.
    Call,
}

/// Runs one message.
pub(super) fn run(site: Site<'_>, message: TxEnv, mode: Mode) -> Outcome {
    let block = BlockEnv {
        number: U256::from(site.epoch.max(0).unsigned_abs()),
        beneficiary: Address::ZERO,
        timestamp: U256::from(site.chain.timestamp(site.epoch).max(0).unsigned_abs()),
        gas_limit: gas::BLOCK_GAS_LIMIT,
        basefee: if mode == Mode::Transaction { gas::BASE_FEE } else { 0 },
        prevrandao: Some(site.chain.block_hash(site.epoch).into()),
        ..BlockEnv::default()
    };
    let database = WrapDatabaseRef(Database { state: site.state, chain: site.chain });
    let world = World { state: site.state, chain: site.chain, epoch: site.actors_after };
    let context =
        Context::mainnet().with_db(database).with_block(block).modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SPEC);
            cfg.chain_id = site.chain_id;
            cfg.disable_nonce_check = mode == Mode::Call;
        });
    context.build_mainnet().with_precompiles(Precompiles::new(SPEC, world)).transact(message)
}

/// A call's message, with the parameters that `eth_call` and `eth_estimateGas` take.
#[derive(Clone, Debug)]
pub(super) struct CallRequest {
    pub(super) from: Address,
    /// `None` creates a contract.
    pub(super) to: Option<Address>,
    pub(super) gas: Option<u64>,
    pub(super) value: U256,
    pub(super) data: Bytes,
}

impl CallRequest {
    /// The message, with at most `gas` units.
    pub(super) fn message(&self, site: &Site<'_>, gas: u64) -> TxEnv {
        TxEnv {
            caller: self.from,
            gas_limit: gas,
            kind: self.to.map_or(alloy::primitives::TxKind::Create, Into::into),
            value: self.value,
            data: self.data.clone(),
            nonce: site.state.nonce(self.from),
            chain_id: Some(site.chain_id),
            ..TxEnv::default()
        }
    }

    /// The most gas it may use.
    pub(super) fn gas_limit(&self) -> u64 {
        self.gas.map_or(gas::BLOCK_GAS_LIMIT, |gas| gas.min(gas::BLOCK_GAS_LIMIT))
    }
}
