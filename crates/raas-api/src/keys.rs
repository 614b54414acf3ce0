//! Idempotency keys.
//!
//! A job's id is a digest of its CID and terms, so the same request is the same job with or without
//! a key. What a key adds is a check: two different requests under one key are a mistake of the
//! caller's.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use crate::problem::Failure;

/// The header, after draft-ietf-httpapi-idempotency-key-header.
const HEADER: &str = "idempotency-key";
/// The longest key, in bytes; a UUID has 36.
const KEY_BYTES: usize = 255;
/// Keys remembered, oldest dropped first: 4096 of at most 255 + 32 bytes are about a megabyte.
const KEYS: usize = 4096;

/// The keys of requests that were accepted, with digests of their bodies.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    seen: Mutex<VecDeque<Use>>,
}

/// One use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    key: String,
    body: [u8; 32],
}

impl Use {
    /// The use that a request makes of a key, if any.
    pub(crate) fn of(headers: &HeaderMap, body: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(value) = headers.get(HEADER) else { return Ok(None) };
        match value.to_str() {
            Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES => {
                Ok(Some(Self { key: key.to_owned(), body: Sha256::digest(body).into() }))
            }
            _ => Err(Failure::bad_request(format!(
                "Idempotency-Key must be 1 to {KEY_BYTES} visible ASCII characters, such as a UUID"
            ))),
        }
    }
}

impl Keys {
    /// Refuses a key that came with another body before (422, as the draft says).
    pub(crate) fn check(&self, wanted: &Use) -> Result<(), Failure> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.iter().find(|earlier| earlier.key == wanted.key) {
            Some(earlier) if earlier.body != wanted.body => Err(Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key came with another body before: use a new key for a new request",
            )),
            _ => Ok(()),
        }
    }

    /// Remembers a key whose request was accepted. One that was refused may be mended and sent again.
    pub(crate) fn remember(&self, accepted: Use) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|earlier| earlier.key != accepted.key);
        while seen.len() >= KEYS {
            seen.pop_front();
        }
        seen.push_back(accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(key: &str, body: u8) -> Use {
        Use { key: key.to_owned(), body: [body; 32] }
    }

    #[test]
    fn a_key_stands_for_one_body() {
        let keys = Keys::default();
        keys.remember(used("a", 1));
        assert!(keys.check(&used("a", 1)).is_ok());
        assert!(keys.check(&used("b", 2)).is_ok());
        assert!(keys.check(&used("a", 2)).is_err());
    }

    #[test]
    fn the_oldest_key_is_forgotten_first() {
        let keys = Keys::default();
        for i in 0..=KEYS {
            keys.remember(used(&i.to_string(), 1));
        }
        assert!(keys.check(&used("0", 2)).is_ok());
        assert!(keys.check(&used("1", 2)).is_err());
    }
}
