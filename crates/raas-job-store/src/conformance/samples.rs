//! Values that the checks write. Other tests of stores may use them too.

use std::collections::BTreeSet;

use cid::{Cid, multihash::Multihash};
use raas_types::{
    AggregatorName, Budget, Cause, ChainEpoch, Commitment, DealId, DealMemory, DealProposal,
    DealReading, EpochDelta, Evidence, FaultSince, InclusionProof, Job, JobId, ListedDeal,
    MerkleProof, Order, OrderId, OrderState, PaddedSize, PieceInfo, Placement, Provenance,
    ProviderId, Renewal, Repair, Replication, Said, SectorNumber, SectorReading, SegmentProof,
    Suspicion, Terms, Ticket, TipsetKey, Transaction, TransactionPurpose, TransactionState, Trust,
    TxHash, Verdict, VerdictKind, Witness,
};

use crate::{Decision, StoredJob, Versioned};

/// Text that a careless store mangles: two alphabets, a combining accent, an emoji beyond the basic
/// plane, quotes of several languages, a percent sign and a line break.
pub const ODD_TEXT: &str = "Straße e\u{301} 日本語 🗄️ 'single' \"double\" `back` \\ % _ ; -- \n{}";

/// A CID (v1, raw, sha2-256) that differs with `n`.
pub fn cid(n: u8) -> Cid {
    let digest = Multihash::wrap(0x12, &[n; 32]).expect("32 bytes fit into a multihash");
    Cid::new_v1(0x55, digest)
}

/// A job with terms of every kind.
pub fn job(id: &str, cid: Cid) -> Job {
    Job {
        id: JobId::new(id),
        cid,
        terms: Terms {
            replication: Some(Replication::around(3)),
            renewal: Some(Renewal { threshold: EpochDelta::days(30) }),
            repair: Some(Repair { threshold: EpochDelta::DAY }),
            until: Some(ChainEpoch::new(9_000_000)),
            aggregators: vec![AggregatorName::new("first"), AggregatorName::new(ODD_TEXT)],
            trust: Trust::Contract,
            placement: Placement {
                per_organisation: Some(1),
                avoid: BTreeSet::from([ProviderId::new(u64::MAX)]),
                ..Placement::default()
            },
            budget: Budget { deals_per_day: Some(2), bytes_per_day: Some(u64::MAX) },
        },
        registered: None,
        found: None,
    }
}

/// An order that has been decided and not sent.
pub fn order(id: &str, cid: Cid, created: i64) -> Order {
    Order {
        id: OrderId::new(id),
        cid,
        aggregator: AggregatorName::new("first"),
        cause: Cause::Replication,
        known_deals: BTreeSet::from([DealId::new(7), DealId::new(u64::MAX)]),
        exclude: BTreeSet::from([ProviderId::new(1_000)]),
        prefer: BTreeSet::from([ProviderId::new(1_001)]),
        bytes: Some(u64::MAX),
        made: vec![ListedDeal { deal: DealId::new(9), provider: ProviderId::new(1_002) }],
        created: ChainEpoch::new(created),
        state: OrderState::Intended,
    }
}

/// One order for each state there is, outstanding ones first.
pub fn orders_of_every_state(cid: Cid) -> Vec<Order> {
    let at = ChainEpoch::new(i64::MIN);
    let states = [
        OrderState::Intended,
        OrderState::Sending,
        OrderState::Sent { ticket: Ticket(ODD_TEXT.to_owned()) },
        OrderState::Landed { deal: DealId::new(8), provider: ProviderId::new(u64::MAX), at },
        OrderState::Failed { reason: ODD_TEXT.to_owned(), at },
    ];
    let causes = [
        Cause::Replication,
        Cause::Repair { deal: DealId::new(1) },
        Cause::Renewal { deal: DealId::new(u64::MAX) },
    ];
    let with_causes = states.into_iter().zip(causes.into_iter().cycle()).enumerate();
    with_causes
        .map(|(n, (state, cause))| Order {
            state,
            cause,
            ..order(&format!("state-{n}"), cid, n as i64)
        })
        .collect()
}

/// A signed transaction that announces a job.
pub fn transaction(hash: &str, job: &str) -> Transaction {
    Transaction {
        hash: TxHash(hash.to_owned()),
        purpose: TransactionPurpose::Submit { job: JobId::new(job) },
        raw: (0..=u8::MAX).collect(),
        nonce: u64::MAX,
        state: TransactionState::Prepared,
    }
}

/// A decision whose body no text encoding keeps.
pub fn decision(cid: Cid, at: i64) -> Decision {
    let body = [&at.to_be_bytes()[..], b"\0\xff"].concat();
    Decision { cid, at: ChainEpoch::new(at), body }
}

/// What is remembered of a deal that was just heard of.
pub fn memory(deal: u64) -> DealMemory {
    let listed = ListedDeal { deal: DealId::new(deal), provider: ProviderId::new(1_000) };
    DealMemory::first_heard(listed, Provenance::Contract, ChainEpoch::new(100))
}

/// A memory in which nothing is absent.
pub fn full_memory(deal: u64, data: Cid) -> DealMemory {
    let (seen, end) = (ChainEpoch::new(5_000_000), ChainEpoch::new(i64::MAX));
    let piece = PieceInfo { cid: cid(200), size: PaddedSize::MIN };
    let path = |n| MerkleProof { index: u64::MAX, path: vec![Commitment([n; 32]); 30] };
    let inclusion = InclusionProof { subtree: path(1), index: path(2) };
    let said = Said {
        deal: DealReading::NotFound { next_id: Some(DealId::new(deal.saturating_add(1))) },
        sector: Some(SectorReading::Failed(ODD_TEXT.to_owned())),
    };
    DealMemory {
        provenance: Provenance::Ordered {
            order: OrderId::new("order"),
            aggregator: AggregatorName::new("first"),
            replaces: Some(DealId::new(3)),
        },
        proposal: Some(DealProposal {
            piece: piece.clone(),
            provider: ProviderId::new(1_000),
            start: ChainEpoch::new(-1),
            end,
            verified: true,
            label: format!("{data} {ODD_TEXT}"),
        }),
        sector: Some(SectorNumber::new(u64::MAX)),
        last_active: Some(ChainEpoch::new(0)),
        first_faulty: Some(seen),
        suspicion: Some(Suspicion { kind: VerdictKind::Faulty, first_seen: seen }),
        proof: Some(SegmentProof { segment: piece, inclusion }),
        last: Some((
            Verdict::Faulty { since: FaultSince::Exact(seen), end },
            Evidence {
                tipset: TipsetKey::new(vec![cid(1), cid(2)]),
                epoch: seen,
                finalized: true,
                endpoint: "node.example".to_owned(),
                said: Some(said.clone()),
                witness: Some(Witness { endpoint: "other.example".to_owned(), said }),
            },
        )),
        next_read: Some(end),
        ..memory(deal)
    }
}

/// A stored job changed as a look changes it, still at the version that was read.
pub fn looked_at(stored: &Versioned<StoredJob>, next_look: i64) -> Versioned<StoredJob> {
    let mut stored = stored.clone();
    stored.value.record.next_look = Some(ChainEpoch::new(next_look));
    stored
}
