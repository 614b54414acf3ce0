//! Replication: there are fewer replicas than wanted, for whatever reason.
//!
//! Runs last: what renewal and repair already fill is no longer missing.

use raas_types::Cause;

use crate::Wanted;

/// One demand for each slot still missing, where the terms ask for replication at all.
pub(crate) fn demands(wanted: &Wanted, deficit: u32) -> Vec<Cause> {
    if !wanted.replicates {
        return Vec::new();
    }
    vec![Cause::Replication; usize::try_from(deficit).unwrap_or(usize::MAX)]
}
