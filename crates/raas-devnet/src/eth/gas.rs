//! What a call to a built-in actor costs, at the FVM's scale.
//!
//! The prices are those of ref-fvm `fvm/src/gas/price_list.rs`. Opcodes of the EVM keep Ethereum's
//! prices here, which are lower than what an interpreter inside Wasm costs: a caller who stays
//! within the limit on the devnet by a hair may not on a real network; one who exceeds it here
//! exceeds it there.

/// All messages of a block together, and one `eth_call` alone (lotus
/// `build/buildconstants/params.go`, `BlockGasLimit`).
pub(super) const BLOCK_GAS_LIMIT: u64 = 10_000_000_000;

/// The lowest base fee, in attoFIL per unit of gas (lotus `MinimumBaseFee`). The devnet's blocks are
/// never full, so it never rises.
pub(super) const BASE_FEE: u64 = 100;

/// The premium that the devnet suggests, in attoFIL per unit of gas (lotus `MinGasPremium`).
pub(super) const SUGGESTED_PREMIUM: u64 = 100_000;

/// `send_invoke_method`.
const INVOKE: u64 = 75_000;
/// `syscall_cost`.
const SYSCALL: u64 = 14_000;
/// `block_open`: one read of a node of the state.
const BLOCK_OPEN: u64 = 187_440;
/// `block_memory_retention_minimum`, for every byte read.
const RETENTION: u64 = 10;
/// `address_lookup`: from an address to an actor id.
const ADDRESS_LOOKUP: u64 = 1_050_000;

/// A full AMT node of bit width 5 has 32 links of about 45 bytes.
const NODE_BYTES: u64 = 32 * 45;
/// A getter makes at least four system calls: send, read the parameters, open the state, return.
const SYSCALLS: u64 = 4;
/// Decoding parameters and nodes takes some 100 000 Wasm instructions at 4 units
/// (`instruction_default`). An estimate: nobody measured it.
const WASM: u64 = 100_000 * 4;

/// Levels of the market's `Proposals` (AMT of bit width 5) on mainnet: 32^5 < 10^8 deals < 32^6.
const PROPOSAL_LEVELS: u64 = 6;
/// Levels of `States` (bit width 6): 64^4 < 10^8 < 64^5.
const STATE_LEVELS: u64 = 5;

/// A getter that reads so many nodes besides the market's state root.
const fn getter(nodes: u64) -> u64 {
    let reads = (1 + nodes) * (BLOCK_OPEN + NODE_BYTES * RETENTION);
    INVOKE + SYSCALLS * SYSCALL + reads + WASM
}

/// A market getter that reads a deal's proposal: 1 943 880.
pub(super) const PROPOSAL_GETTER: u64 = getter(PROPOSAL_LEVELS);
/// A market getter that reads a deal's proposal and its state: 2 953 080.
pub(super) const STATE_GETTER: u64 = getter(PROPOSAL_LEVELS + STATE_LEVELS);
/// A call that the actor refuses, having read nothing.
pub(super) const REFUSAL: u64 = INVOKE + SYSCALLS * SYSCALL;
/// One of the address precompiles.
pub(super) const RESOLVE: u64 = SYSCALL + ADDRESS_LOOKUP;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prices_add_up_as_documented() {
        assert_eq!(PROPOSAL_GETTER, 75_000 + 56_000 + 7 * (187_440 + 14_400) + 400_000);
        assert_eq!(STATE_GETTER, 75_000 + 56_000 + 12 * (187_440 + 14_400) + 400_000);
    }
}
