//! The address of a contract, as Ethereum or Filecoin write it.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;

/// Protocol 4 (delegated) in the namespace of the Ethereum address manager, actor 10 (FIP-0048).
const F410: [u8; 2] = [4, 10];
/// The checksum of a Filecoin address: BLAKE2b of 4 bytes.
const CHECKSUM: usize = 4;

/// Where a contract is. Reads from `0x…` (20 bytes of hex) or `f410f…` / `t410f…`, writes `0x…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractAddress(pub [u8; 20]);

/// The text is no address of a contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no contract address ({why}): write 0x and 40 hex digits, or f410f…")]
pub struct ParseAddressError {
    text: String,
    why: &'static str,
}

impl fmt::Display for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContractAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why| ParseAddressError { text: text.to_owned(), why };
        if let Some(digits) = text.strip_prefix("0x") {
            let mut bytes = [0; 20];
            return match hex::decode_to_slice(digits, &mut bytes) {
                Ok(()) => Ok(Self(bytes)),
                Err(_) => Err(error("not 20 bytes of hex")),
            };
        }
        let encoded = ["f410f", "t410f"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
        let encoded = encoded.ok_or_else(|| error("no known prefix"))?;
        let decoded = BASE32_NOPAD.decode(encoded.to_ascii_uppercase().as_bytes());
        let decoded = decoded.map_err(|_| error("not base32"))?;
        let Some((payload, checksum)) = decoded.split_last_chunk::<CHECKSUM>() else {
            return Err(error("too short"));
        };
        let address = payload.try_into().map_err(|_| error("not 20 bytes"))?;
        if *checksum == checksum_of(&address) {
            Ok(Self(address))
        } else {
            Err(error("the checksum is wrong: a letter is mistyped"))
        }
    }
}

fn checksum_of(address: &[u8; 20]) -> [u8; CHECKSUM] {
    let mut state = blake2b_simd::Params::new().hash_length(CHECKSUM).to_state();
    state.update(&F410).update(address);
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(state.finalize().as_bytes());
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_same_address() {
        // The vector of the Filecoin documentation (address-types.md), and a deployed contract.
        for (ethereum, filecoin) in [
            (
                "0xd388ab098ed3e84c0d808776440b48f685198498",
                "f410f2oekwcmo2pueydmaq53eic2i62crtbeyuzx2gmy",
            ),
            (
                "0x4015c3e5453d38df71539c0f7440603c69784d7a",
                "t410fiak4hzkfhu4n64kttqhxiqdahruxqtl2ic2un5a",
            ),
        ] {
            let address: ContractAddress = ethereum.parse().unwrap();
            assert_eq!(filecoin.parse(), Ok(address));
            assert_eq!(address.to_string(), ethereum);
        }
    }

    #[test]
    fn a_mistyped_address_is_refused_with_a_reason() {
        for (text, why) in [
            ("0x12", "hex"),
            ("d388ab098ed3e84c0d808776440b48f685198498", "prefix"),
            ("f410f2oekwcmo2pueydmaq53eic2i62crtbeyuzx2gma", "checksum"),
            ("f410f1", "base32"),
            ("f01000", "prefix"),
            ("", "prefix"),
        ] {
            let error = text.parse::<ContractAddress>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
