use raas_job_store::conformance::samples;
use raas_types::{
    ChainEpoch, DealActivation, DealProposal, DealReading, Evidence, FaultSince, ListedDeal,
    OnChainDeal, PaddedSize, PieceInfo, Provenance, ProviderId, Said, SectorHealth, SectorNumber,
    SectorReading, SectorStatus, SectorWay, Suspicion, TipsetKey, Unknown, Verdict, VerdictKind,
    Witness,
};

use super::*;

const KINDS: [VerdictKind; 10] = [
    VerdictKind::Pending,
    VerdictKind::StartMissed,
    VerdictKind::Active,
    VerdictKind::Faulty,
    VerdictKind::Terminated,
    VerdictKind::Ended,
    VerdictKind::Completed,
    VerdictKind::NeverExisted,
    VerdictKind::Gone,
    VerdictKind::Unknown,
];

fn at(epoch: i64) -> ChainEpoch {
    ChainEpoch::new(epoch)
}

fn every_verdict() -> Vec<Verdict> {
    let unknown = |why| Verdict::Unknown { why };
    let mut verdicts = vec![
        Verdict::Pending { start: at(1) },
        Verdict::StartMissed,
        Verdict::Active { end: at(i64::MAX) },
        Verdict::Faulty { since: FaultSince::Exact(at(1)), end: at(2) },
        Verdict::Faulty { since: FaultSince::Observed(at(i64::MIN)), end: at(2) },
        Verdict::Terminated,
        Verdict::Ended,
        Verdict::Completed,
        Verdict::NeverExisted,
        Verdict::Gone,
        unknown(Unknown::Deal(samples::ODD_TEXT.to_owned())),
        unknown(Unknown::Sector(String::new())),
        unknown(Unknown::NextId),
        unknown(Unknown::AheadOfChain),
        unknown(Unknown::ProviderMismatch),
    ];
    verdicts
        .extend(KINDS.map(|first| {
            unknown(Unknown::Disagreement { first, second: VerdictKind::Terminated })
        }));
    verdicts
}

fn proposal(label: &str) -> DealProposal {
    DealProposal {
        piece: PieceInfo { cid: samples::cid(9), size: PaddedSize::MIN },
        provider: ProviderId::new(1_000),
        start: at(10),
        end: at(900),
        verified: true,
        label: label.to_owned(),
    }
}

/// All that an endpoint can say.
fn every_answer() -> Vec<Said> {
    let activation = DealActivation { sector: SectorNumber::new(7), at: at(20), slashed: None };
    let slashed = DealActivation { slashed: Some(at(30)), ..activation.clone() };
    let found = |label, activation| {
        DealReading::Found(OnChainDeal { proposal: proposal(label), activation })
    };
    let deals = [
        found("same", Some(activation)),
        found("same", None),
        found("another", Some(slashed)),
        DealReading::NotFound { next_id: None },
        DealReading::Failed(samples::ODD_TEXT.to_owned()),
    ];
    let status = |health, way| SectorStatus {
        way,
        deadline: Some(47),
        partition: Some(u64::MAX),
        first_missed: Some(at(3)),
        expiration: Some(at(4)),
        next_deadline_end: Some(at(5)),
        ..SectorStatus::of(health)
    };
    let sectors = [
        None,
        Some(SectorReading::Found(status(SectorHealth::Active, SectorWay::Partition))),
        Some(SectorReading::Found(status(SectorHealth::Unproven, SectorWay::Location))),
        Some(SectorReading::Found(SectorStatus::of(SectorHealth::Faulty))),
        Some(SectorReading::Found(SectorStatus::of(SectorHealth::Dead))),
        Some(SectorReading::NotFound),
        Some(SectorReading::Failed("no answer".to_owned())),
    ];
    let each = |deal: &DealReading| {
        let deal = deal.clone();
        sectors.clone().map(|sector| Said { deal: deal.clone(), sector })
    };
    deals.iter().flat_map(each).collect()
}

fn judged(verdict: Verdict, said: Option<Said>, witness: Option<Said>) -> DealMemory {
    let witness = witness.map(|said| Witness { endpoint: "other.example".to_owned(), said });
    let evidence = Evidence {
        tipset: TipsetKey::new(vec![samples::cid(1), samples::cid(2)]),
        epoch: at(300),
        finalized: true,
        endpoint: "node.example".to_owned(),
        said,
        witness,
    };
    DealMemory {
        proposal: Some(proposal("same")),
        sector: Some(SectorNumber::new(7)),
        last: Some((verdict, evidence)),
        ..samples::memory(5)
    }
}

fn every_memory() -> Vec<DealMemory> {
    let mut memories = vec![samples::memory(u64::MAX), samples::full_memory(5, samples::cid(1))];
    memories.extend(every_verdict().into_iter().map(|verdict| judged(verdict, None, None)));
    for said in every_answer() {
        memories.push(judged(Verdict::Gone, Some(said.clone()), None));
        memories.push(judged(Verdict::Gone, None, Some(said.clone())));
        // A proposal that is remembered nowhere is written out.
        let heard = judged(Verdict::Gone, Some(said), None);
        memories.push(DealMemory { proposal: None, ..heard });
    }
    let aggregator = raas_types::AggregatorName::new(samples::ODD_TEXT);
    let order = raas_types::OrderId::new("order");
    for provenance in [
        Provenance::Shown { aggregator: aggregator.clone() },
        Provenance::Ordered { order, aggregator, replaces: Some(samples::memory(9).listed.deal) },
    ] {
        memories.push(DealMemory { provenance, ..samples::memory(6) });
    }
    for kind in KINDS {
        let suspicion = Some(Suspicion { kind, first_seen: at(-1) });
        memories.push(DealMemory { suspicion, ..samples::memory(7) });
    }
    memories
}

#[test]
fn whatever_is_remembered_is_read_as_it_was() {
    for memory in every_memory() {
        let packed = pack(&memory).expect("everything can be written");
        assert_eq!(unpack(&packed), Ok(memory));
    }
}

#[test]
fn a_proposal_is_written_once() {
    let said = |n: usize| Some(every_answer().swap_remove(n));
    let twice = pack(&judged(Verdict::Gone, said(1), said(1))).expect("it can be written");
    let label = twice.windows(4).filter(|window| *window == b"same").count();
    assert_eq!(label, 1);
}

#[test]
fn what_is_torn_or_of_another_version_is_an_error_and_never_a_panic() {
    for memory in every_memory() {
        let packed = pack(&memory).expect("everything can be written");
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end]).is_err(), "{end} of {} bytes", packed.len());
        }
        assert!(unpack(&[&packed[..], &[0]].concat()).is_err(), "one byte too many");
        for place in 0..packed.len() {
            let mut bent = packed.clone();
            bent[place] ^= 0x81;
            let _ = unpack(&bent);
        }
        let mut other = packed;
        other[0] = VERSION + 1;
        assert!(unpack(&other).is_err());
    }
}

/// A row of version 1, never brought up to date: what stands here was written once and is to be read
/// for ever.
#[test]
fn a_row_of_version_1_is_read() {
    let status = SectorStatus {
        deadline: Some(3),
        next_deadline_end: Some(at(3_000)),
        ..SectorStatus::of(SectorHealth::Faulty)
    };
    let activation = DealActivation { sector: SectorNumber::new(7), at: at(20), slashed: None };
    let said = Said {
        deal: DealReading::Found(OnChainDeal {
            proposal: proposal("same"),
            activation: Some(activation),
        }),
        sector: Some(SectorReading::Found(status)),
    };
    let since = FaultSince::Observed(at(299));
    let verdict = Verdict::Faulty { since, end: at(900) };
    let provider = ProviderId::new(1_000);
    let memory = DealMemory {
        listed: ListedDeal { provider, ..samples::memory(5).listed },
        suspicion: Some(Suspicion { kind: VerdictKind::Faulty, first_seen: at(300) }),
        ..judged(verdict, Some(said), None)
    };
    assert_eq!(pack(&memory).map(|bytes| encoded(&bytes)).as_deref(), Ok(ROW));
    assert_eq!(unpack(&decoded(ROW)), Ok(memory));
}

const ROW: &str = "0105e80702c80101240155122009090909090909090909090909090909090909090909090909090909090909\
    098001e80714880e010473616d65010700000103d804000104d604880e022401551220010101010101010101\
    0101010101010101010101010101010101010101010101240155122002020202020202020202020202020202\
    02020202020202020202020202020202d804010c6e6f64652e6578616d706c65010001072800010002000103\
    00000001f02e0000";

fn decoded(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
