//! What a look leaves behind: [`remember`] carries a deal's memory from one look to the next.

use raas_types::{
    ChainEpoch, DealMemory, DealReading, EpochDelta, Evidence, Suspicion, Verdict, VerdictKind,
};

use crate::verdict::contradicts;

/// A loss must be seen at two pinned tipsets at least this far apart before anything is spent on
/// it: one deadline, the shortest time in which a sector's state can change by itself.
pub const CONFIRMATION: EpochDelta = EpochDelta::DEADLINE;

/// The memory of a deal after a look that read `deal` and judged `verdict`.
///
/// Keeps the proposal and the sector from the first time they are seen, because the chain deletes
/// both. An unknown verdict changes nothing but the record of itself.
pub fn remember(
    memory: &DealMemory,
    deal: &DealReading,
    verdict: &Verdict,
    evidence: Evidence,
) -> DealMemory {
    let at = evidence.epoch;
    let mut next = memory.clone();
    if let DealReading::Found(found) = deal
        && found.proposal.provider == memory.listed.provider
        && !contradicts(found, memory)
    {
        next.proposal.get_or_insert_with(|| found.proposal.clone());
        next.sector = found.activation.as_ref().map(|a| a.sector).or(next.sector);
    }
    match verdict.kind() {
        VerdictKind::Active => {
            next.last_active = Some(at);
            next.first_faulty = None;
        }
        VerdictKind::Faulty => {
            next.first_faulty.get_or_insert(at);
        }
        _ => {}
    }
    next.suspicion = suspicion(memory.suspicion, verdict.kind(), at);
    next.last = Some((verdict.clone(), evidence));
    next
}

/// Whether a loss was seen long enough ago, and ever since, to be spent upon at `at`.
pub fn is_confirmed(memory: &DealMemory, at: ChainEpoch) -> bool {
    memory.suspicion.is_some_and(|suspicion| at.since(suspicion.first_seen) >= CONFIRMATION)
}

fn suspicion(before: Option<Suspicion>, kind: VerdictKind, at: ChainEpoch) -> Option<Suspicion> {
    match kind {
        // Neither confirms nor refutes.
        VerdictKind::Unknown => before,
        VerdictKind::Active | VerdictKind::Pending => None,
        // A fault that turns into a termination is a new loss, to be confirmed anew; one way of
        // being over that turns into another (ended, then settled) is the same loss.
        _ => match before {
            Some(before) if is_fault(before.kind) == is_fault(kind) => {
                Some(Suspicion { kind, first_seen: before.first_seen })
            }
            _ => Some(Suspicion { kind, first_seen: at }),
        },
    }
}

const fn is_fault(kind: VerdictKind) -> bool {
    matches!(kind, VerdictKind::Faulty)
}
