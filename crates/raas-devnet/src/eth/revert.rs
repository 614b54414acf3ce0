//! How a message that failed is told: the texts of lotus `node/impl/eth/utils.go` (`parseEthRevert`)
//! and `api/api_errors.go` (`ErrExecutionReverted`).

use alloy::sol_types::{Panic, Revert, SolError};
use revm::context::result::{ExecutionResult, HaltReason};

use crate::rpc::error::RpcError;

/// `SYS_OUT_OF_GAS`.
const EXIT_OUT_OF_GAS: u32 = 7;
/// `EVM_CONTRACT_REVERTED`.
const EXIT_REVERTED: u32 = 33;
/// `EVM_CONTRACT_UNDEFINED_INSTRUCTION`; stands for all that the interpreter refuses.
const EXIT_UNDEFINED: u32 = 35;

/// The exit code of a message and the bytes that it returned.
pub(super) fn exit_of(result: &ExecutionResult) -> (u32, Vec<u8>) {
    match result {
        ExecutionResult::Success { output, .. } => (0, output.data().to_vec()),
        ExecutionResult::Revert { output, .. } => (EXIT_REVERTED, output.to_vec()),
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => {
            (EXIT_OUT_OF_GAS, Vec::new())
        }
        ExecutionResult::Halt { .. } => (EXIT_UNDEFINED, Vec::new()),
    }
}

/// The error of a call that failed.
pub(super) fn error(exit: u32, data: &[u8]) -> RpcError {
    let reason = reason(data);
    let message = format!(
        "message execution failed (exit=[{exit}], revert reason=[{reason}], vm error=[message \
         failed with backtrace:\n00: f04 (method 3844450837) -- contract reverted ({exit})\n \
         (RetCode={exit})])"
    );
    RpcError::reverted(message, format!("0x{}", hex::encode(data)))
}

fn reason(data: &[u8]) -> String {
    if data.is_empty() {
        return "none".into();
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return format!("Error({})", revert.reason);
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return format!("Panic(0x{:x})", panic.code);
    }
    format!("0x{}", hex::encode(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_error_shows_its_bytes_and_a_text_its_words() {
        let data = hex::decode(format!("d4bb6671{:064x}", 32)).expect("hex");
        let error = error(33, &data);
        assert_eq!(error.code, 3);
        let start = format!(
            "message execution failed (exit=[33], revert reason=[0x{}], vm error=[",
            hex::encode(&data)
        );
        assert!(error.message.starts_with(&start), "{}", error.message);
        assert_eq!(error.data, Some(format!("0x{}", hex::encode(&data)).into()));

        assert_eq!(reason(&Revert::from("no").abi_encode()), "Error(no)");
        assert_eq!(reason(&Panic::from(0x11).abi_encode()), "Panic(0x11)");
        assert_eq!(reason(&[]), "none");
    }
}
