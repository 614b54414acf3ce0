//! The private key that signs transactions. It is never printed.

use std::{fmt, str::FromStr};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    primitives::{Address, B256},
    signers::{SignerSync, local::PrivateKeySigner},
};

use crate::ContractAddress;

/// A secp256k1 private key. Prints as the address of its account.
#[derive(Clone)]
pub struct SigningKey(PrivateKeySigner);

/// The text is no private key. What it was is not repeated: it may have been one nearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no private key: write 64 hex digits, with or without 0x")]
pub struct ParseKeyError;

impl SigningKey {
    /// The key with these 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, ParseKeyError> {
        let key = PrivateKeySigner::from_bytes(&B256::from(*bytes));
        key.map(Self).map_err(|_| ParseKeyError)
    }

    /// The account that it signs for.
    pub fn account(&self) -> ContractAddress {
        ContractAddress(self.address().into_array())
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction.
    pub(crate) fn sign(&self, transaction: TxEip1559) -> Result<TxEnvelope, String> {
        let signature = self.0.sign_hash_sync(&transaction.signature_hash());
        let signature = signature.map_err(|error| error.to_string())?;
        Ok(transaction.into_signed(signature).into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.account())
    }
}

impl FromStr for SigningKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseKeyError)?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first account of the mnemonic "test test … junk", known to everybody.
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_key_prints_as_its_account_only() {
        let key: SigningKey = KEY.parse().unwrap();
        let printed = format!("{key:?}");
        assert_eq!(printed, "SigningKey(0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266)");
    }

    #[test]
    fn a_text_that_is_no_key_is_not_repeated() {
        for text in ["", "0x12", &"z".repeat(64), &"0".repeat(64)] {
            let error = text.parse::<SigningKey>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
