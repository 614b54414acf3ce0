//! What a look leaves behind: [`remember`] carries a deal's memory from one look to the next.

use raas_types::{
    ChainEpoch, DealMemory, DealReading, EpochDelta, Evidence, Said, SectorReading, Suspicion,
    Unknown, Verdict, VerdictKind,
};

use crate::{plan::MAX_AGE, verdict::contradicts};

/// A loss must be seen at two pinned tipsets at least this far apart before anything is spent on
/// it: one deadline, the shortest time in which a sector's state can change by itself.
pub const CONFIRMATION: EpochDelta = EpochDelta::DEADLINE;

/// The memory of a deal after a look that came to `verdict` on that evidence.
///
/// Keeps the proposal and the sector from the first time they are seen, because the chain deletes
/// both. An unknown verdict changes nothing but the record of itself.
pub fn remember(memory: &DealMemory, verdict: &Verdict, evidence: Evidence) -> DealMemory {
    let at = evidence.epoch;
    let (mut proposal, mut sector) = (memory.proposal.clone(), memory.sector);
    let disputed = matches!(verdict, Verdict::Unknown { why: Unknown::Disagreement { .. } });
    if let Some(Said { deal: DealReading::Found(found), .. }) = &evidence.said
        && found.proposal.provider == memory.listed.provider
        && !contradicts(found, memory)
        && !disputed
    {
        proposal.get_or_insert_with(|| found.proposal.clone());
        sector = found.activation.as_ref().map(|a| a.sector).or(sector);
    }
    let (last_active, first_faulty) = match verdict.kind() {
        VerdictKind::Active => (Some(at), None),
        VerdictKind::Faulty => {
            (memory.last_active, Some(memory.first_faulty.unwrap_or(at).min(at)))
        }
        _ => (memory.last_active, memory.first_faulty),
    };
    DealMemory {
        listed: memory.listed,
        provenance: memory.provenance.clone(),
        first_heard: memory.first_heard,
        proposal,
        sector,
        last_active,
        first_faulty,
        suspicion: suspicion(memory.suspicion, verdict.kind(), at),
        proof: memory.proof.clone(),
        next_read: next_read(verdict, &evidence),
        last: Some((verdict.clone(), evidence)),
    }
}

/// Whether a loss was seen twice, far enough apart and never unseen in between, so that it may be
/// spent upon.
pub fn is_confirmed(memory: &DealMemory) -> bool {
    let last_seen = memory.last.as_ref().map(|(_, evidence)| evidence.epoch);
    let (Some(suspicion), Some(last_seen)) = (memory.suspicion, last_seen) else { return false };
    last_seen.since(suspicion.first_seen) >= CONFIRMATION
}

/// What a deal was when it was last known: an [`Unknown`] since then does not count.
pub fn last_known(memory: &DealMemory) -> Option<VerdictKind> {
    let last = memory.last.as_ref().map(|(verdict, _)| verdict.kind());
    if last != Some(VerdictKind::Unknown) {
        return last;
    }
    let suspected = memory.suspicion.map(|suspicion| suspicion.kind);
    suspected.or(memory.last_active.map(|_| VerdictKind::Active))
}

/// Whether what was judged of a deal may have changed since, so that a look at `at` reads it anew. A
/// replica that is proven stays what it is until its deadline has ended again; whatever else was
/// found is read at every look.
///
/// What was judged at a later epoch than this one was judged on a chain that nobody has any more.
pub fn is_stale(memory: &DealMemory, at: ChainEpoch) -> bool {
    let stands =
        matches!(&memory.last, Some((Verdict::Active { .. }, evidence)) if evidence.epoch <= at);
    !stands || memory.next_read.is_none_or(|next| next <= at)
}

/// When the chain may say something else of a sector: once its deadline has ended again, and after
/// [`MAX_AGE`] at the latest.
fn next_read(verdict: &Verdict, evidence: &Evidence) -> Option<ChainEpoch> {
    let (end, otherwise) = match verdict {
        Verdict::Active { end } => (*end, MAX_AGE),
        // A recovery should be seen long before a threshold that counts in days.
        Verdict::Faulty { end, .. } => (*end, EpochDelta::HOUR),
        _ => return None,
    };
    let deadline_end = match &evidence.said {
        Some(Said { sector: Some(SectorReading::Found(status)), .. }) => status.next_deadline_end,
        _ => None,
    };
    let next = match deadline_end.map(|end| (end, evidence.epoch.since(end))) {
        Some((end, ago)) if ago < EpochDelta::ZERO => end,
        // It has ended, and null rounds keep the state from showing it: at the next tipset it does.
        Some((_, ago)) if ago < EpochDelta::MAX_NULL_ROUNDS => evidence.epoch + EpochDelta::new(1),
        // An endpoint that names the past would have us read without end.
        Some(_) | None => evidence.epoch + otherwise,
    };
    Some(next.min(evidence.epoch + MAX_AGE).min(end))
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
                Some(Suspicion { kind, first_seen: before.first_seen.min(at) })
            }
            _ => Some(Suspicion { kind, first_seen: at }),
        },
    }
}

const fn is_fault(kind: VerdictKind) -> bool {
    matches!(kind, VerdictKind::Faulty)
}
