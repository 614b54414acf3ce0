//! What was asked of the endpoint so far.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use raas_types::RpcUsage;

/// The calls in one request, by method.
pub(crate) type Called = BTreeMap<String, u64>;

tokio::task_local! {
    /// What the request that is being sent calls. The layers above HTTP know it and the one that
    /// sends does not; so it travels beside the request.
    static CALLED: Arc<Called>;
}

/// Runs `sending` with its calls known to whatever sends.
pub(crate) async fn calling<F: Future>(called: Called, sending: F) -> F::Output {
    CALLED.scope(Arc::new(called), sending).await
}

/// What the request at hand calls.
pub(crate) fn called() -> Arc<Called> {
    CALLED.try_with(Arc::clone).unwrap_or_default()
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<RpcUsage>);

impl Tally {
    pub(crate) fn sent(&self, called: &Called, bytes: usize) {
        let mut usage = self.usage();
        usage.requests += 1;
        usage.bytes_sent += bytes as u64;
        for (method, elements) in called {
            // Looked up first: the name is there already, all but once.
            if let Some(method) = usage.methods.get_mut(method) {
                method.calls += 1;
                method.elements += elements;
            } else {
                let first = raas_types::MethodUsage { calls: 1, elements: *elements };
                usage.methods.insert(method.clone(), first);
            }
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.usage().bytes_received += bytes as u64;
    }

    pub(crate) fn throttled(&self) {
        self.usage().throttled += 1;
    }

    pub(crate) fn so_far(&self) -> RpcUsage {
        self.usage().clone()
    }

    // Counts are whole after every addition, so a panic elsewhere does no harm.
    fn usage(&self) -> MutexGuard<'_, RpcUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
