//! What a contract said when it reverted, in words.

use alloy::sol_types::{Panic, Revert, SolError, SolInterface};

use crate::contract::{DealStatus::DealStatusErrors as Errors, Kit::KitErrors};

/// The sentence for these revert bytes.
pub(crate) fn reason(data: &[u8]) -> String {
    if let Ok(error) = Errors::abi_decode(data) {
        return of_contract(&error);
    }
    if let Ok(error) = KitErrors::abi_decode(data) {
        return format!("the contract's library failed: {error:?}");
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return revert.reason;
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return format!("the contract panicked: {panic}");
    }
    if data.is_empty() {
        return "the contract reverted and said nothing".to_owned();
    }
    format!("the contract reverted with 0x{}", hex::encode(data))
}

fn of_contract(error: &Errors) -> String {
    match error {
        Errors::ActorError(error) => {
            let meaning = match error.exitCode.as_i64() {
                7 => "it ran out of gas",
                17 => "a listed deal never existed",
                22 => "this network's market does not know the question",
                32 => "a listed deal is gone",
                33 => "a listed deal is not activated",
                _ => "it says no more",
            };
            format!("the market actor answered with exit code {}: {meaning}", error.exitCode)
        }
        Errors::FailToCallActor(_) => "the market actor could not be called".to_owned(),
        Errors::InvalidResponse(_) => "the market actor's answer could not be read".to_owned(),
        Errors::NotAuthorized(error) => format!(
            "{} may not do this: the contract's owner must allow it with setRecorder",
            error.caller
        ),
        Errors::UnknownSubmission(error) => format!("there is no submission {}", error.id),
        Errors::InvalidCid(error) => format!("a CID of {} bytes is not taken", error.length),
        Errors::DealNotFound(error) => format!("the market holds no deal {}", error.dealId),
        Errors::WrongProvider(error) => {
            format!("deal {} is with provider {}", error.dealId, error.expected)
        }
        Errors::WrongPiece(error) => {
            format!("deal {} stores another piece than the proof leads to", error.dealId)
        }
        Errors::InvalidProof(error) => format!("the inclusion proof does not hold: {}", error.what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_revert_has_words() {
        let gone = hex::decode(format!("d4bb6671{:064x}", 32)).unwrap();
        assert_eq!(
            reason(&gone),
            "the market actor answered with exit code 32: a listed deal is gone"
        );
        assert_eq!(reason(&Revert::from("no").abi_encode()), "no");
        assert!(reason(&Panic::from(0x11).abi_encode()).contains("panicked"));
        assert!(reason(&hex::decode("64d954b0").unwrap()).contains("ActorNotFound"));
        assert!(reason(&[]).contains("nothing"));
        assert!(reason(&[1, 2, 3, 4]).contains("0x01020304"));
    }
}
