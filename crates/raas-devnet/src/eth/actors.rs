//! The precompiles by which contracts of the FEVM reach Filecoin's actors.
//!
//! Rules of builtin-actors `actors/evm/src/interpreter/precompiles/{mod,fvm}.rs`: a call is taken by
//! DELEGATECALL only, to methods above 1023 only, with CBOR parameters; an actor that says no is a
//! success of the precompile with an exit code; a call made wrongly is a failure of the precompile.
//!
//! The devnet's actors are the market (getters) and otherwise silent: they exist, take no value and
//! know no method.

use alloy::primitives::{Address, Bytes, U256};
use raas_types::{ProviderId, SectorNumber};
use revm::{
    context::Cfg,
    context_interface::ContextTr,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, CallScheme, Gas, InstructionResult, InterpreterResult},
    primitives::{AddressSet, hardfork::SpecId},
};

use super::{
    gas,
    market::{self, Reply, exit},
    state::StateAt,
};
use crate::chain::view::ChainView;

const RESOLVE_ADDRESS: u8 = 0x01;
const LOOKUP_DELEGATED_ADDRESS: u8 = 0x02;
const CALL_ACTOR: u8 = 0x03;
const CALL_ACTOR_ID: u8 = 0x05;

/// `fvm_ipld_encoding::CBOR`, the only codec that is taken.
const CBOR: u64 = 0x51;
/// The one flag that may be set: the callee changes nothing.
const READ_ONLY: u64 = 1;
/// Methods up to here are the actor's own, 0 excepted: a plain transfer (FRC-0042).
const LAST_RESERVED_METHOD: u64 = 1023;

/// System call errors, negated (fvm_shared `error/mod.rs`, `ErrorNumber`).
const ERRNO_INSUFFICIENT_FUNDS: i64 = -5;
const ERRNO_NOT_FOUND: i64 = -6;

/// Singletons that every network has: system to datacap, the Ethereum address manager, burnt funds.
const SINGLETONS: [u64; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 10, 99];

/// Whether an address is the FEVM's own: `0xfe`, 18 zero bytes, an index.
pub(super) fn is_reserved(address: Address) -> bool {
    address[0] == 0xfe && address[1..19].iter().all(|byte| *byte == 0)
}

/// Ethereum's precompiles and the FEVM's.
pub(super) struct Precompiles<'a> {
    ethereum: EthPrecompiles,
    warm: AddressSet,
    world: World<'a>,
}

/// What actors see of the chain.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    /// Accounts.
    pub(super) state: StateAt<'a>,
    /// Everything else.
    pub(super) chain: &'a dyn ChainView,
    /// Built-in actors are read as they are after this epoch.
    pub(super) epoch: i64,
}

impl<'a> Precompiles<'a> {
    pub(super) fn new(spec: SpecId, world: World<'a>) -> Self {
        let ethereum = EthPrecompiles::new(spec);
        let mut warm = ethereum.warm_addresses().clone();
        warm.extend((1..=6).map(|index| {
            let mut address = Address::ZERO;
            (address[0], address[19]) = (0xfe, index);
            address
        }));
        Self { ethereum, warm, world }
    }
}

impl<CTX: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<CTX> for Precompiles<'_> {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        PrecompileProvider::<CTX>::set_spec(&mut self.ethereum, spec)
    }

    fn run(
        &mut self,
        context: &mut CTX,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        if !is_reserved(inputs.bytecode_address) {
            return self.ethereum.run(context, inputs);
        }
        let input = inputs.input.as_bytes(context).to_vec();
        let (output, cost) =
            self.world.precompile(inputs.bytecode_address[19], &input, inputs.scheme);
        let mut gas = Gas::new(inputs.gas_limit);
        if !gas.record_regular_cost(cost) {
            gas.spend_all();
            let result = InstructionResult::PrecompileOOG;
            return Ok(Some(InterpreterResult::new(result, Bytes::new(), gas)));
        }
        let result = match output {
            Some(_) => InstructionResult::Return,
            // A failed precompile leaves the caller its gas, as a failed send does in the FVM.
            None => InstructionResult::Revert,
        };
        Ok(Some(InterpreterResult::new(result, output.unwrap_or_default().into(), gas)))
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }

    fn contains(&self, address: &Address) -> bool {
        is_reserved(*address) || self.warm.contains(address)
    }
}

impl World<'_> {
    /// What the precompile of this index returns (`None`: it fails) and what that costs.
    fn precompile(&self, index: u8, input: &[u8], scheme: CallScheme) -> (Option<Vec<u8>>, u64) {
        match index {
            RESOLVE_ADDRESS => {
                let id = self.resolve(input);
                (Some(id.map(|id| word(id).to_vec()).unwrap_or_default()), gas::RESOLVE)
            }
            LOOKUP_DELEGATED_ADDRESS => (self.delegated(input), gas::RESOLVE),
            CALL_ACTOR | CALL_ACTOR_ID => {
                let reply = (scheme == CallScheme::DelegateCall)
                    .then(|| self.call_actor(input, index == CALL_ACTOR_ID))
                    .flatten();
                let cost = reply.as_ref().map_or(gas::REFUSAL, |reply| reply.gas);
                (reply.map(|reply| encode(&reply)), cost)
            }
            // Reserved for later use, or switched off: they succeed and say nothing.
            _ => (Some(Vec::new()), 0),
        }
    }

    /// The actor id behind the bytes of a Filecoin address.
    fn resolve(&self, address: &[u8]) -> Option<u64> {
        match address.split_first()? {
            (0, id) => leb128(id),
            // Protocol 4 in the namespace of the Ethereum address manager (f410).
            (4, [10, address @ ..]) => {
                let address = Address::try_from(address).ok()?;
                self.state.actor_id(address)
            }
            _ => None,
        }
    }

    /// The f410 address of an actor id; empty where it has none.
    fn delegated(&self, input: &[u8]) -> Option<Vec<u8>> {
        let id = Words(input).number(0)?;
        let address = self.state.address_of(id);
        Some(address.map(|a| [&[4, 10], a.as_slice()].concat()).unwrap_or_default())
    }

    /// `None` where the call is made wrongly.
    fn call_actor(&self, input: &[u8], by_id: bool) -> Option<Reply> {
        let words = Words(input);
        let method = words.number(0)?;
        let value = words.word(1);
        let flags = words.number(2)?;
        let codec = words.number(3)?;
        let params = words.bytes(words.number(4)?)?;
        let id = words.number(5)?;
        if flags & !READ_ONLY != 0 || (method <= LAST_RESERVED_METHOD && method != 0) {
            return None;
        }
        if codec != CBOR && !(codec == 0 && params.is_empty()) {
            return None;
        }
        let actor = if by_id { Some(id) } else { self.resolve(&words.bytes(id)?) };
        Some(self.dispatch(actor, method, value, &params))
    }

    fn dispatch(&self, actor: Option<u64>, method: u64, value: U256, params: &[u8]) -> Reply {
        match actor.filter(|actor| self.exists(*actor)) {
            None => Reply::failed(ERRNO_NOT_FOUND, gas::REFUSAL),
            Some(_) if !value.is_zero() => Reply::failed(ERRNO_INSUFFICIENT_FUNDS, gas::REFUSAL),
            Some(_) if method == 0 => Reply::failed(exit::OK, gas::REFUSAL),
            Some(market::MARKET) => market::call(method, params, self.chain, self.epoch),
            Some(_) => Reply::failed(exit::UNHANDLED_MESSAGE, gas::REFUSAL),
        }
    }

    fn exists(&self, actor: u64) -> bool {
        let is_provider = || {
            let provider = ProviderId::new(actor);
            let sector = SectorNumber::new(0);
            self.chain.sector_status_after(provider, sector, self.epoch).is_some()
        };
        SINGLETONS.contains(&actor) || self.state.address_of(actor).is_some() || is_provider()
    }
}

/// ABI words of a call; what lies beyond its end reads as zero.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn word(&self, index: usize) -> U256 {
        U256::from_be_slice(&self.padded(index * 32, 32))
    }

    /// A word that must fit 64 bits.
    fn number(&self, index: usize) -> Option<u64> {
        u64::try_from(self.word(index)).ok()
    }

    /// A byte string that starts, with its length, at `offset`.
    fn bytes(&self, offset: u64) -> Option<Vec<u8>> {
        let offset = usize::try_from(offset).ok()?;
        let length = U256::from_be_slice(&self.padded(offset, 32));
        // No byte string is longer than the call that carries it, or it would be zeros only.
        let length = usize::try_from(length).ok().filter(|n| *n <= self.0.len())?;
        Some(self.padded(offset.checked_add(32)?, length))
    }

    fn padded(&self, offset: usize, length: usize) -> Vec<u8> {
        let tail = self.0.get(offset.min(self.0.len())..).unwrap_or_default();
        let mut bytes = tail[..length.min(tail.len())].to_vec();
        bytes.resize(length, 0);
        bytes
    }
}

/// `abi.encode(int256 exit, uint64 codec, bytes data)`.
fn encode(reply: &Reply) -> Vec<u8> {
    let codec = if reply.data.is_empty() { 0 } else { CBOR };
    let mut output = Vec::with_capacity(128 + reply.data.len() + 31);
    output.extend_from_slice(&signed_word(reply.exit));
    output.extend_from_slice(&word(codec));
    output.extend_from_slice(&word(0x60));
    output.extend_from_slice(&word(reply.data.len() as u64));
    output.extend_from_slice(&reply.data);
    output.resize(output.len().next_multiple_of(32), 0);
    output
}

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

/// Two's complement.
fn signed_word(value: i64) -> [u8; 32] {
    let magnitude = U256::from(value.unsigned_abs());
    if value < 0 { magnitude.wrapping_neg().to_be_bytes() } else { magnitude.to_be_bytes() }
}

/// An unsigned number in LEB128, as f0 addresses hold it.
fn leb128(bytes: &[u8]) -> Option<u64> {
    let (last, rest) = bytes.split_last()?;
    let ends_properly = last & 0x80 == 0 && rest.iter().all(|byte| byte & 0x80 != 0);
    if !ends_properly || bytes.len() > 10 {
        return None;
    }
    bytes.iter().rev().try_fold(0_u64, |value, byte| {
        value.checked_mul(128).map(|value| value | u64::from(byte & 0x7f))
    })
}
