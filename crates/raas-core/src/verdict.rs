//! What is true of one replica: [`verdict`].
//!
//! The rules are those of the market actor's life cycle since network version 22 (FIP-0074;
//! builtin-actors `actors/market/src/{lib,state}.rs`): a termination deletes a deal at once, a deal
//! past its end lingers until someone settles it, one never activated lingers up to 30 days, and a
//! missing deal does not say which of these it was. What was remembered of it does.

use raas_types::{
    ChainEpoch, DealMemory, DealReading, EpochDelta, FaultSince, OnChainDeal, SectorHealth,
    SectorId, SectorReading, SectorStatus, Unknown, Verdict,
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
            let provider = found.proposal.provider;
            let why = format!(
                "its provider is said to be {provider}, which contradicts what was seen before"
            );
            Verdict::Unknown { why: Unknown::Deal(why) }
        }
        DealReading::Found(found) if found.proposal.provider != memory.listed.provider => {
            Verdict::Unknown { why: Unknown::ProviderMismatch }
        }
        DealReading::Found(found) => found_in_state(found, sector, memory, at),
    }
}

/// Whether this is not the proposal that was seen before. The market never changes a proposal's
/// provider, so that an endpoint which says so is in trouble: nobody forged anything.
pub(crate) fn contradicts(found: &OnChainDeal, memory: &DealMemory) -> bool {
    memory.proposal.as_ref().is_some_and(|seen| seen.provider != found.proposal.provider)
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

fn fault_since(status: &SectorStatus, memory: &DealMemory, at: ChainEpoch) -> FaultSince {
    if let Some(exact) = status.first_missed {
        return FaultSince::Exact(exact);
    }
    FaultSince::Observed(memory.last_active.or(memory.first_faulty).unwrap_or(at))
}
