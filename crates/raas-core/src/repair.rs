//! Repair: a replica that was lost, or has gone unproven for the threshold, is replaced.
//!
//! What counts as lost is decided where slots are counted ([`crate::slots`]): never what is not
//! known, and only what a second look confirmed.

use raas_types::Cause;

use crate::{Wanted, slots::Slots};

/// The lost replicas to replace, at most `deficit`.
pub(crate) fn demands(wanted: &Wanted, slots: &Slots<'_>, deficit: u32) -> Vec<Cause> {
    if wanted.repair.is_none() {
        return Vec::new();
    }
    let lost = slots.lost.iter().take(usize::try_from(deficit).unwrap_or(usize::MAX));
    lost.map(|r| Cause::Repair { deal: r.deal }).collect()
}
