//! What is true of one replica: [`verdict`].
//!
//! The rules are those of the market actor's life cycle since network version 22 (FIP-0074;
//! builtin-actors `actors/market/src/{lib,state}.rs`): a termination deletes a deal at once, a deal
//! past its end lingers until someone settles it, one never activated lingers up to 30 days, and a
//! missing deal does not say which of these it was. What was remembered of it does.

use raas_types::{
    ChainEpoch, DealMemory, DealProposal, DealReading, EpochDelta, Evidence, FaultSince,
    OnChainDeal, Said, SectorHealth, SectorId, SectorReading, SectorStatus, Unknown, Verdict,
};

/// The sector that must be read to judge a deal; `None` where the deal alone decides.
pub fn sector_of(deal: &DealReading) -> Option<SectorId> {
    let DealReading::Found(OnChainDeal { proposal, activation: Some(activation) }) = deal else {
        return None;
    };
    Some(SectorId { provider: proposal.provider, number: activation.sector })
}

/// What is true of a replica at epoch `at`, from what the market said of its deal, what its provider
/// said of its sector, and what is remembered of it.
pub fn verdict(
    deal: &DealReading,
    sector: Option<&SectorReading>,
    memory: &DealMemory,
    at: ChainEpoch,
) -> Verdict {
    match deal {
        DealReading::Failed(why) => Verdict::Unknown { why: Unknown::Deal(why.clone()) },
        DealReading::NotFound { next_id: None } => Verdict::Unknown { why: Unknown::NextId },
        DealReading::NotFound { next_id: Some(next_id) } if memory.listed.deal >= *next_id => {
            never_made(memory, at)
        }
        DealReading::NotFound { next_id: Some(_) } => no_longer_there(memory, at),
        DealReading::Found(found) if contradicts(found, memory) => {
            let why = "its proposal is not the one that was seen before, which cannot be";
            Verdict::Unknown { why: Unknown::Deal(why.to_owned()) }
        }
        DealReading::Found(found) if found.proposal.provider != memory.listed.provider => {
            Verdict::Unknown { why: Unknown::ProviderMismatch }
        }
        DealReading::Found(found) => found_in_state(found, sector, memory, at),
    }
}

/// What the evidence comes to: one endpoint's answer, or two that must agree.
pub fn judge(evidence: &Evidence, memory: &DealMemory) -> Verdict {
    let verdict_of =
        |said: &Said| verdict(&said.deal, said.sector.as_ref(), memory, evidence.epoch);
    let Some(said) = &evidence.said else {
        return Verdict::Unknown { why: Unknown::Deal("it was not read".to_owned()) };
    };
    let first = verdict_of(said);
    let Some(witness) = &evidence.witness else { return first };
    let second = verdict_of(&witness.said);
    if proposals_differ(&said.deal, &witness.said.deal) {
        return disagreement(&first, &second);
    }
    corroborate(first, second)
}

/// What two endpoints' answers for one tipset come to together. What only one of them knows is not
/// known; what they say differently is a [`Disagreement`](Unknown::Disagreement).
pub fn corroborate(first: Verdict, second: Verdict) -> Verdict {
    let known = |verdict: &Verdict| match verdict {
        // The proposal was read, and names another provider than the contract.
        Verdict::Unknown { why } => *why == Unknown::ProviderMismatch,
        _ => true,
    };
    if let Some(both) = together(&first, &second) {
        both
    } else if !known(&first) {
        first
    } else if !known(&second) {
        second
    } else {
        disagreement(&first, &second)
    }
}

/// What both say, where they say the same. One endpoint may date a fault better than the other.
fn together(first: &Verdict, second: &Verdict) -> Option<Verdict> {
    use FaultSince::{Exact, Observed};
    if first == second {
        return Some(first.clone());
    }
    match (first, second) {
        (Verdict::Faulty { since: one, end }, Verdict::Faulty { since: other, end: other_end })
            if end == other_end =>
        {
            match (one, other) {
                (Exact(_), Exact(_)) => None,
                (Exact(_), Observed(_)) | (Observed(_), Observed(_)) => Some(first.clone()),
                (Observed(_), Exact(_)) => Some(second.clone()),
            }
        }
        _ => None,
    }
}

fn disagreement(first: &Verdict, second: &Verdict) -> Verdict {
    let (first, second) = (first.kind(), second.kind());
    Verdict::Unknown { why: Unknown::Disagreement { first, second } }
}

fn proposals_differ(first: &DealReading, second: &DealReading) -> bool {
    match (first, second) {
        (DealReading::Found(first), DealReading::Found(second)) => {
            !same_terms(&first.proposal, &second.proposal)
        }
        _ => false,
    }
}

/// Whether this is not the proposal that was seen before. The market never changes a proposal, so
/// that an endpoint which says so is in trouble: nobody forged anything.
pub(crate) fn contradicts(found: &OnChainDeal, memory: &DealMemory) -> bool {
    memory.proposal.as_ref().is_some_and(|seen| !same_terms(seen, &found.proposal))
}

/// Labels are left out: nodes write those that are no text in their own ways.
fn same_terms(one: &DealProposal, other: &DealProposal) -> bool {
    let DealProposal { piece, provider, start, end, verified, label: _ } = one;
    *piece == other.piece
        && *provider == other.provider
        && (*start, *end) == (other.start, other.end)
        && *verified == other.verified
}

/// The market has not handed out this id, as far as is final.
fn never_made(memory: &DealMemory, at: ChainEpoch) -> Verdict {
    // We saw it before, or it may still come: the endpoint is behind, or the deal is young. Whoever
    // tells us of a deal sees the head of the chain, and we look at what is final.
    if memory.proposal.is_some() || at < memory.first_heard + EpochDelta::EC_FINALITY {
        return Verdict::Unknown { why: Unknown::AheadOfChain };
    }
    Verdict::NeverExisted
}

/// The market made it and no longer has it: what is remembered tells why.
fn no_longer_there(memory: &DealMemory, at: ChainEpoch) -> Verdict {
    match &memory.proposal {
        Some(proposal) if at >= proposal.end => Verdict::Completed,
        Some(_) if memory.sector.is_some() => Verdict::Terminated,
        Some(proposal) if at > proposal.start => Verdict::StartMissed,
        // Published when last seen: activated and terminated since. Never seen: no telling.
        Some(_) | None => Verdict::Gone,
    }
}

fn found_in_state(
    OnChainDeal { proposal, activation }: &OnChainDeal,
    sector: Option<&SectorReading>,
    memory: &DealMemory,
    at: ChainEpoch,
) -> Verdict {
    let Some(activation) = activation else {
        return if at <= proposal.start {
            Verdict::Pending { start: proposal.start }
        } else {
            Verdict::StartMissed
        };
    };
    if activation.slashed.is_some() {
        return Verdict::Terminated;
    }
    if at >= proposal.end {
        return Verdict::Ended;
    }
    match sector {
        None => Verdict::Unknown { why: Unknown::Sector("it was not asked".to_owned()) },
        Some(SectorReading::Failed(why)) => Verdict::Unknown { why: Unknown::Sector(why.clone()) },
        // The deal outlived its sector: termination is processed in batches, and its failure in
        // the market is swallowed in cron.
        Some(SectorReading::NotFound) => Verdict::Terminated,
        Some(SectorReading::Found(status)) => match status.health {
            SectorHealth::Dead => Verdict::Terminated,
            SectorHealth::Active | SectorHealth::Unproven => Verdict::Active { end: proposal.end },
            SectorHealth::Faulty => {
                Verdict::Faulty { since: fault_since(status, memory, at), end: proposal.end }
            }
        },
    }
}

/// From when on a fault counts. The chain's own date is believed unless it cannot be: a sector that
/// was seen to be proven long after it did not miss that proof. Not quite at once, as null rounds hide
/// an end for a while, and a proof is found wrong up to a dispute window after its deadline.
fn fault_since(status: &SectorStatus, memory: &DealMemory, at: ChainEpoch) -> FaultSince {
    const SEEN_AFTER: EpochDelta = EpochDelta::new(
        EpochDelta::DISPUTE_WINDOW.get()
            + EpochDelta::DEADLINE.get()
            + EpochDelta::MAX_NULL_ROUNDS.get(),
    );
    let last_active = memory.last_active.filter(|seen| *seen <= at);
    let is_refuted = |exact: ChainEpoch| last_active.is_some_and(|seen| exact + SEEN_AFTER < seen);
    match status.first_missed {
        Some(exact) if !is_refuted(exact) => FaultSince::Exact(exact),
        _ => FaultSince::Observed(last_active.or(memory.first_faulty).unwrap_or(at).min(at)),
    }
}
