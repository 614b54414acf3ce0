//! Counters of an endpoint, for tests that ask what a client did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Method names that are counted one by one; what comes after them is counted together, so that
/// made-up names cannot fill the memory. A node has some 250 methods.
const MAX_METHODS: usize = 512;

/// What an RPC endpoint was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls by method; those in batches count one each.
    pub calls: BTreeMap<String, u64>,
    /// Requests that were batches.
    pub batches: u64,
    /// Requests that were turned away unread: by a node that is down or busy, or for a bad token.
    pub refused: u64,
    /// HTTP requests, whatever came of them; counted when they arrive.
    #[serde(default)]
    pub requests: u64,
    /// Entries of the longest batch, refused ones included.
    #[serde(default)]
    pub longest_batch: u64,
    /// HTTP requests that were in progress at the same time, at most.
    #[serde(default)]
    pub most_at_once: u64,
}

impl Stats {
    pub(crate) fn count_call(&mut self, method: &str) {
        let known = self.calls.contains_key(method) || self.calls.len() < MAX_METHODS;
        let name = if known { method } else { "(others)" };
        *self.calls.entry(name.to_owned()).or_default() += 1;
    }
}
