//! What an endpoint was asked: calls, items and bytes, for reports and metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was asked of JSON-RPC endpoints. Counts only grow; what a span of time cost is the
/// difference of two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcUsage {
    /// HTTP requests sent, whether or not an answer came.
    pub requests: u64,
    /// Requests that were answered with *too many requests* (HTTP 429).
    pub throttled: u64,
    /// Bytes of the requests' bodies.
    pub bytes_sent: u64,
    /// Bytes of the answers' bodies, as they came.
    pub bytes_received: u64,
    /// By method.
    pub methods: BTreeMap<String, MethodUsage>,
}

/// How often one method was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodUsage {
    /// Requests that called it: a batch is one.
    pub calls: u64,
    /// Calls in them: each element of a batch is one.
    pub elements: u64,
}

impl RpcUsage {
    /// Calls of all methods together, each element of a batch being one.
    pub fn elements(&self) -> u64 {
        self.methods.values().map(|method| method.elements).sum()
    }

    /// What was asked after `earlier` was taken.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let methods = self.methods.iter().map(|(name, now)| {
            let then = earlier.methods.get(name).copied().unwrap_or_default();
            let calls = now.calls.saturating_sub(then.calls);
            (
                name.clone(),
                MethodUsage { calls, elements: now.elements.saturating_sub(then.elements) },
            )
        });
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
            methods: methods.filter(|(_, method)| *method != MethodUsage::default()).collect(),
        }
    }

    /// Adds what was asked elsewhere, or later.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.throttled += other.throttled;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for (name, more) in &other.methods {
            let method = self.methods.entry(name.clone()).or_default();
            method.calls += more.calls;
            method.elements += more.elements;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(requests: u64, elements: u64) -> RpcUsage {
        let method = MethodUsage { calls: requests, elements };
        let methods = BTreeMap::from([("Filecoin.ChainHead".to_owned(), method)]);
        RpcUsage { requests, methods, ..RpcUsage::default() }
    }

    #[test]
    fn the_cost_of_a_span_is_the_difference_of_its_ends() {
        let (before, after) = (usage(3, 30), usage(5, 70));
        let cost = after.since(&before);
        assert_eq!(cost, usage(2, 40));
        let mut sum = before.clone();
        sum.add(&cost);
        assert_eq!(sum, after);
        assert_eq!(sum.elements(), 70);
    }

    #[test]
    fn a_method_that_was_not_called_is_not_told_of() {
        assert_eq!(usage(3, 30).since(&usage(3, 30)), RpcUsage::default());
    }
}
