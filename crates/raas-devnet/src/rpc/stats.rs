//! Counters of the endpoint, for tests that ask what a client did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Method names that are counted one by one; what comes after them is counted together, so that
/// made-up names cannot fill the memory. A node has some 250 methods.
const MAX_METHODS: usize = 512;

/// What the RPC endpoint was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls by method; those in batches count one each.
    pub calls: BTreeMap<String, u64>,
    /// Requests that were batches.
    pub batches: u64,
    /// Requests that a node that is down turned away.
    pub refused: u64,
}

impl Stats {
    pub(crate) fn count_call(&mut self, method: &str) {
        let known = self.calls.contains_key(method) || self.calls.len() < MAX_METHODS;
        let name = if known { method } else { "(others)" };
        *self.calls.entry(name.to_owned()).or_default() += 1;
    }
}
