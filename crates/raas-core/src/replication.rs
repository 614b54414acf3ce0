//! Replication: there are fewer replicas than wanted, for whatever reason.
//!
//! Runs last: what renewal and repair already fill is no longer missing.

use raas_types::Cause;

use crate::{Wanted, slots::Demand};

/// One demand for each slot still missing, where the terms ask for replication at all.
pub fn demands(wanted: &Wanted, deficit: u32) -> Vec<Demand> {
    if !wanted.replicates {
        return Vec::new();
    }
    let one = Demand { cause: Cause::Replication, left: None };
    vec![one; usize::try_from(deficit).unwrap_or(usize::MAX)]
}
