//! What a verdict is known from, field by field.

use raas_api_types::{Answer, DealAnswer, EvidenceView, SaidView, SectorAnswer, WitnessView};
use raas_types::{
    ChainEpoch, DealReading, Evidence, OnChainDeal, Said, SectorHealth, SectorReading,
    SectorStatus, SectorWay, Witness,
};

/// The method by which deals are read (`raas_types::Said`).
const DEAL_METHOD: &str = "StateMarketStorageDeal";

/// The method by which the market's next deal id is read, where a deal is not found.
const NEXT_ID_METHOD: &str = "StateReadState";

/// The method by which the first missed deadline is read (`raas_types::SectorStatus`).
const FIRST_MISSED_METHOD: &str = "StateSectorExpiration";

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
            next_id_method: Some(NEXT_ID_METHOD.to_owned()),
            ..nothing
        },
        DealReading::Failed(why) => {
            DealAnswer { answer: Answer::Failed, error: Some(why.clone()), ..nothing }
        }
    }
}

fn sector(reading: &SectorReading) -> SectorAnswer {
    let nothing = SectorAnswer { method: Some(either_way()), ..SectorAnswer::default() };
    match reading {
        SectorReading::Found(status) => status_of(status),
        SectorReading::NotFound => SectorAnswer { answer: Answer::NotFound, ..nothing },
        SectorReading::Failed(why) => {
            SectorAnswer { answer: Answer::Failed, error: Some(why.clone()), ..nothing }
        }
    }
}

/// Only a sector that is there says how it was found; of another it is known that it was one of these.
fn either_way() -> String {
    format!("{} or {}", SectorWay::Partition.method(), SectorWay::Location.method())
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
        first_missed_method: status.first_missed.map(|_| FIRST_MISSED_METHOD.to_owned()),
        expiration: status.expiration.map(ChainEpoch::get),
        next_deadline_end: status.next_deadline_end.map(ChainEpoch::get),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use raas_types::{DealId, TipsetKey};

    use super::*;

    fn said(deal: DealReading, sector: Option<SectorReading>) -> SaidView {
        let evidence = Evidence {
            tipset: TipsetKey::default(),
            epoch: ChainEpoch::new(5),
            finalized: false,
            endpoint: "a".to_owned(),
            said: Some(Said { deal, sector }),
            witness: None,
        };
        let view = view(&evidence);
        assert!(!view.finalized, "as it was recorded");
        view.said.expect("what was said")
    }

    #[test]
    fn every_answer_names_the_method_that_it_came_by() {
        let next_id = Some(DealId::new(900));
        let both = "StateMinerPartitions or StateCall(GenerateSectorLocation)";
        let failed = || DealReading::Failed("no answer".to_owned());
        let gone = said(DealReading::NotFound { next_id }, None);
        assert_eq!(gone.deal.method, "StateMarketStorageDeal");
        assert_eq!(
            (gone.deal.next_id, gone.deal.next_id_method.as_deref()),
            (Some(900), Some("StateReadState"))
        );
        assert_eq!(gone.sector, None);
        for reading in [SectorReading::NotFound, SectorReading::Failed("late".to_owned())] {
            let told = said(failed(), Some(reading));
            assert_eq!(
                (&*told.deal.method, told.deal.next_id_method),
                ("StateMarketStorageDeal", None)
            );
            assert_eq!(told.sector.and_then(|sector| sector.method).as_deref(), Some(both));
        }
        let faulty = SectorStatus {
            way: SectorWay::Location,
            first_missed: Some(ChainEpoch::new(3)),
            ..SectorStatus::of(SectorHealth::Faulty)
        };
        let healthy = SectorStatus::of(SectorHealth::Active);
        for (status, method, dated_by) in [
            (faulty, "StateCall(GenerateSectorLocation)", Some("StateSectorExpiration")),
            (healthy, "StateMinerPartitions", None),
        ] {
            let told = said(failed(), Some(SectorReading::Found(status))).sector.expect("a sector");
            assert_eq!(told.method.as_deref(), Some(method));
            assert_eq!(told.first_missed_method.as_deref(), dated_by);
        }
    }
}
