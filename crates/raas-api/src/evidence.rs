//! What a verdict is known from, field by field.

use raas_api_types::{Answer, DealAnswer, EvidenceView, SaidView, SectorAnswer, WitnessView};
use raas_types::{
    ChainEpoch, DealReading, Evidence, OnChainDeal, Said, SectorHealth, SectorReading,
    SectorStatus, Witness,
};

/// The method by which deals are read (`raas_types::Said`).
const DEAL_METHOD: &str = "StateMarketStorageDeal";

/// Evidence as faces show it.
pub(crate) fn view(evidence: &Evidence) -> EvidenceView {
    EvidenceView {
        epoch: evidence.epoch.get(),
        tipset: evidence.tipset.blocks().iter().map(ToString::to_string).collect(),
        finalized: evidence.finalized,
        endpoint: evidence.endpoint.clone(),
        said: evidence.said.as_ref().map(said),
        witness: evidence.witness.as_ref().map(|Witness { endpoint, said: its }| WitnessView {
            endpoint: endpoint.clone(),
            said: said(its),
        }),
    }
}

fn said(Said { deal: of_deal, sector: of_sector }: &Said) -> SaidView {
    SaidView { deal: deal(of_deal), sector: of_sector.as_ref().map(sector) }
}

fn deal(reading: &DealReading) -> DealAnswer {
    let nothing = DealAnswer { method: DEAL_METHOD.to_owned(), ..DealAnswer::default() };
    match reading {
        DealReading::Found(OnChainDeal { proposal, activation }) => DealAnswer {
            answer: Answer::Found,
            provider: Some(proposal.provider.to_string()),
            piece: Some(proposal.piece.cid.to_string()),
            start: Some(proposal.start.get()),
            end: Some(proposal.end.get()),
            sector: activation.as_ref().map(|activation| activation.sector.get()),
            activated: activation.as_ref().map(|activation| activation.at.get()),
            slashed: activation.as_ref().and_then(|a| a.slashed).map(ChainEpoch::get),
            ..nothing
        },
        DealReading::NotFound { next_id } => DealAnswer {
            answer: Answer::NotFound,
            next_id: next_id.map(|deal| deal.get()),
            ..nothing
        },
        DealReading::Failed(why) => {
            DealAnswer { answer: Answer::Failed, error: Some(why.clone()), ..nothing }
        }
    }
}

fn sector(reading: &SectorReading) -> SectorAnswer {
    match reading {
        SectorReading::Found(status) => status_of(status),
        SectorReading::NotFound => {
            SectorAnswer { answer: Answer::NotFound, ..SectorAnswer::default() }
        }
        SectorReading::Failed(why) => SectorAnswer {
            answer: Answer::Failed,
            error: Some(why.clone()),
            ..SectorAnswer::default()
        },
    }
}

fn status_of(status: &SectorStatus) -> SectorAnswer {
    let health = match status.health {
        SectorHealth::Active => "active",
        SectorHealth::Unproven => "unproven",
        SectorHealth::Faulty => "faulty",
        SectorHealth::Dead => "dead",
    };
    SectorAnswer {
        method: Some(status.way.method().to_owned()),
        answer: Answer::Found,
        health: Some(health.to_owned()),
        deadline: status.deadline,
        partition: status.partition,
        first_missed: status.first_missed.map(ChainEpoch::get),
        expiration: status.expiration.map(ChainEpoch::get),
        next_deadline_end: status.next_deadline_end.map(ChainEpoch::get),
        error: None,
    }
}
