//! What was asked of an endpoint so far.

use std::sync::{Mutex, MutexGuard, PoisonError};

use raas_types::RpcUsage;

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<RpcUsage>);

impl Tally {
    /// A request goes out that calls one method so many times.
    pub(crate) fn sent(&self, method: &str, elements: usize, bytes: usize) {
        let mut usage = self.usage();
        usage.requests += 1;
        usage.bytes_sent += bytes as u64;
        let method = usage.methods.entry(method.to_owned()).or_default();
        method.calls += 1;
        method.elements += elements as u64;
    }

    /// A part of an answer's body came in.
    pub(crate) fn received(&self, bytes: usize) {
        self.usage().bytes_received += bytes as u64;
    }

    /// An answer was 429.
    pub(crate) fn throttled(&self) {
        self.usage().throttled += 1;
    }

    /// All of it.
    pub(crate) fn so_far(&self) -> RpcUsage {
        self.usage().clone()
    }

    // Counts are whole after every addition, so a panic elsewhere does no harm.
    fn usage(&self) -> MutexGuard<'_, RpcUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
