//! The shapes of version 1.
//!
//! A proposal that is the one remembered is not written again with what an endpoint said.

use std::borrow::Cow;

use cid::Cid;
use raas_types::{
    AggregatorName, ChainEpoch, Commitment, DealActivation, DealId, DealMemory, DealProposal,
    DealReading, Evidence, FaultSince, InclusionProof, ListedDeal, MerkleProof, OnChainDeal,
    OrderId, PaddedSize, PieceInfo, ProviderId, Said, SectorHealth, SectorNumber, SectorReading,
    SectorStatus, SectorWay, SegmentProof, Suspicion, TipsetKey, Unknown, Verdict, VerdictKind,
    Witness,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
pub(super) struct Memory<'a> {
    deal: DealId,
    provider: ProviderId,
    provenance: Provenance<'a>,
    first_heard: ChainEpoch,
    proposal: Option<Proposal<'a>>,
    sector: Option<SectorNumber>,
    last_active: Option<ChainEpoch>,
    first_faulty: Option<ChainEpoch>,
    suspicion: Option<(Kind, ChainEpoch)>,
    proof: Option<Proof>,
    last: Option<(Judged<'a>, Seen<'a>)>,
    next_read: Option<ChainEpoch>,
}

#[derive(Serialize, Deserialize)]
enum Provenance<'a> {
    Ordered { order: Text<'a>, aggregator: Text<'a>, replaces: Option<DealId> },
    Shown { aggregator: Text<'a> },
    Contract,
}

#[derive(Serialize, Deserialize)]
struct Piece {
    cid: Bytes,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct Proposal<'a> {
    piece: Piece,
    provider: ProviderId,
    start: ChainEpoch,
    end: ChainEpoch,
    verified: bool,
    label: Text<'a>,
}

#[derive(Serialize, Deserialize)]
struct Proof {
    segment: Piece,
    subtree: Path,
    index: Path,
}

#[derive(Serialize, Deserialize)]
struct Path {
    index: u64,
    path: Vec<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
enum Judged<'a> {
    Pending(ChainEpoch),
    StartMissed,
    Active(ChainEpoch),
    FaultyExact(ChainEpoch, ChainEpoch),
    FaultyObserved(ChainEpoch, ChainEpoch),
    Terminated,
    Ended,
    Completed,
    NeverExisted,
    Gone,
    UnknownDeal(Text<'a>),
    UnknownSector(Text<'a>),
    UnknownNextId,
    AheadOfChain,
    ProviderMismatch,
    Disagreement(Kind, Kind),
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Pending,
    StartMissed,
    Active,
    Faulty,
    Terminated,
    Ended,
    Completed,
    NeverExisted,
    Gone,
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Seen<'a> {
    tipset: Vec<Bytes>,
    epoch: ChainEpoch,
    finalized: bool,
    endpoint: Text<'a>,
    said: Option<Answers<'a>>,
    witness: Option<(Text<'a>, Answers<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct Answers<'a> {
    deal: OfDeal<'a>,
    sector: Option<OfSector<'a>>,
}

#[derive(Serialize, Deserialize)]
enum OfDeal<'a> {
    /// With the proposal that is remembered.
    Same(Option<Activation>),
    Found(Proposal<'a>, Option<Activation>),
    NotFound(Option<DealId>),
    Failed(Text<'a>),
}

#[derive(Serialize, Deserialize)]
struct Activation {
    sector: SectorNumber,
    at: ChainEpoch,
    slashed: Option<ChainEpoch>,
}

#[derive(Serialize, Deserialize)]
enum OfSector<'a> {
    Found(Status),
    NotFound,
    Failed(Text<'a>),
}

#[derive(Serialize, Deserialize)]
struct Status {
    health: Health,
    way: Way,
    deadline: Option<u64>,
    partition: Option<u64>,
    first_missed: Option<ChainEpoch>,
    expiration: Option<ChainEpoch>,
    next_deadline_end: Option<ChainEpoch>,
}

#[derive(Serialize, Deserialize)]
enum Health {
    Active,
    Unproven,
    Faulty,
    Dead,
}

#[derive(Serialize, Deserialize)]
enum Way {
    Partition,
    Location,
}

/// A CID as its bytes.
struct Bytes(Cid);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The longest there is: version and codec of at most 9 bytes each, a hash of at most 64 with
        // its code and length.
        let mut bytes = [0; 2 * 9 + 2 * 9 + 64];
        let mut rest = &mut bytes[..];
        let written = self.0.write_bytes(&mut rest).map_err(serde::ser::Error::custom)?;
        serializer.serialize_bytes(&bytes[..written])
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Cid::try_from(bytes).map(Self).map_err(de::Error::custom)
    }
}

impl<'a> Memory<'a> {
    pub(super) fn of(memory: &'a DealMemory) -> Self {
        let DealMemory {
            listed: ListedDeal { deal, provider },
            provenance,
            first_heard,
            proposal,
            sector,
            last_active,
            first_faulty,
            suspicion,
            proof,
            last,
            next_read,
        } = memory;
        let seen = |(verdict, evidence): &'a (Verdict, Evidence)| {
            (Judged::of(verdict), Seen::of(evidence, proposal.as_ref()))
        };
        let suspicion =
            suspicion.as_ref().map(|Suspicion { kind, first_seen }| (Kind::of(*kind), *first_seen));
        Self {
            deal: *deal,
            provider: *provider,
            provenance: Provenance::of(provenance),
            first_heard: *first_heard,
            proposal: proposal.as_ref().map(Proposal::of),
            sector: *sector,
            last_active: *last_active,
            first_faulty: *first_faulty,
            suspicion,
            proof: proof.as_ref().map(Proof::of),
            last: last.as_ref().map(seen),
            next_read: *next_read,
        }
    }

    pub(super) fn read(self) -> Result<DealMemory, String> {
        let proposal = self.proposal.map(Proposal::read).transpose()?;
        let last = match self.last {
            Some((verdict, seen)) => Some((verdict.read(), seen.read(proposal.as_ref())?)),
            None => None,
        };
        let suspicion =
            self.suspicion.map(|(kind, first_seen)| Suspicion { kind: kind.read(), first_seen });
        Ok(DealMemory {
            listed: ListedDeal { deal: self.deal, provider: self.provider },
            provenance: self.provenance.read(),
            first_heard: self.first_heard,
            proposal,
            sector: self.sector,
            last_active: self.last_active,
            first_faulty: self.first_faulty,
            suspicion,
            proof: self.proof.map(Proof::read).transpose()?,
            last,
            next_read: self.next_read,
        })
    }
}

impl<'a> Provenance<'a> {
    fn of(provenance: &'a raas_types::Provenance) -> Self {
        use raas_types::Provenance as Of;
        match provenance {
            Of::Ordered { order, aggregator, replaces } => Self::Ordered {
                order: order.as_str().into(),
                aggregator: aggregator.as_str().into(),
                replaces: *replaces,
            },
            Of::Shown { aggregator } => Self::Shown { aggregator: aggregator.as_str().into() },
            Of::Contract => Self::Contract,
        }
    }

    fn read(self) -> raas_types::Provenance {
        use raas_types::Provenance as Of;
        match self {
            Self::Ordered { order, aggregator, replaces } => Of::Ordered {
                order: OrderId::new(order),
                aggregator: AggregatorName::new(aggregator),
                replaces,
            },
            Self::Shown { aggregator } => Of::Shown { aggregator: AggregatorName::new(aggregator) },
            Self::Contract => Of::Contract,
        }
    }
}

impl Piece {
    fn of(PieceInfo { cid, size }: &PieceInfo) -> Self {
        Self { cid: Bytes(*cid), size: size.get() }
    }

    fn read(self) -> Result<PieceInfo, String> {
        Ok(PieceInfo { cid: self.cid.0, size: PaddedSize::try_from(self.size)? })
    }
}

impl<'a> Proposal<'a> {
    fn of(proposal: &'a DealProposal) -> Self {
        let DealProposal { piece, provider, start, end, verified, label } = proposal;
        Self {
            piece: Piece::of(piece),
            provider: *provider,
            start: *start,
            end: *end,
            verified: *verified,
            label: label.into(),
        }
    }

    fn read(self) -> Result<DealProposal, String> {
        let Self { piece, provider, start, end, verified, label } = self;
        let (piece, label) = (piece.read()?, label.into_owned());
        Ok(DealProposal { piece, provider, start, end, verified, label })
    }
}

impl Proof {
    fn of(proof: &SegmentProof) -> Self {
        let SegmentProof { segment, inclusion: InclusionProof { subtree, index } } = proof;
        let path = |MerkleProof { index, path }: &MerkleProof| Path {
            index: *index,
            path: path.iter().map(|Commitment(node)| *node).collect(),
        };
        Self { segment: Piece::of(segment), subtree: path(subtree), index: path(index) }
    }

    fn read(self) -> Result<SegmentProof, String> {
        let path = |Path { index, path }| MerkleProof {
            index,
            path: path.into_iter().map(Commitment).collect(),
        };
        let inclusion = InclusionProof { subtree: path(self.subtree), index: path(self.index) };
        Ok(SegmentProof { segment: self.segment.read()?, inclusion })
    }
}

impl<'a> Judged<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::Pending { start } => Self::Pending(*start),
            Verdict::StartMissed => Self::StartMissed,
            Verdict::Active { end } => Self::Active(*end),
            Verdict::Faulty { since: FaultSince::Exact(since), end } => {
                Self::FaultyExact(*since, *end)
            }
            Verdict::Faulty { since: FaultSince::Observed(since), end } => {
                Self::FaultyObserved(*since, *end)
            }
            Verdict::Terminated => Self::Terminated,
            Verdict::Ended => Self::Ended,
            Verdict::Completed => Self::Completed,
            Verdict::NeverExisted => Self::NeverExisted,
            Verdict::Gone => Self::Gone,
            Verdict::Unknown { why } => match why {
                Unknown::Deal(why) => Self::UnknownDeal(why.into()),
                Unknown::Sector(why) => Self::UnknownSector(why.into()),
                Unknown::NextId => Self::UnknownNextId,
                Unknown::AheadOfChain => Self::AheadOfChain,
                Unknown::ProviderMismatch => Self::ProviderMismatch,
                Unknown::Disagreement { first, second } => {
                    Self::Disagreement(Kind::of(*first), Kind::of(*second))
                }
            },
        }
    }

    fn read(self) -> Verdict {
        let faulty = |since, end| Verdict::Faulty { since, end };
        let unknown = |why| Verdict::Unknown { why };
        match self {
            Self::Pending(start) => Verdict::Pending { start },
            Self::StartMissed => Verdict::StartMissed,
            Self::Active(end) => Verdict::Active { end },
            Self::FaultyExact(since, end) => faulty(FaultSince::Exact(since), end),
            Self::FaultyObserved(since, end) => faulty(FaultSince::Observed(since), end),
            Self::Terminated => Verdict::Terminated,
            Self::Ended => Verdict::Ended,
            Self::Completed => Verdict::Completed,
            Self::NeverExisted => Verdict::NeverExisted,
            Self::Gone => Verdict::Gone,
            Self::UnknownDeal(why) => unknown(Unknown::Deal(why.into_owned())),
            Self::UnknownSector(why) => unknown(Unknown::Sector(why.into_owned())),
            Self::UnknownNextId => unknown(Unknown::NextId),
            Self::AheadOfChain => unknown(Unknown::AheadOfChain),
            Self::ProviderMismatch => unknown(Unknown::ProviderMismatch),
            Self::Disagreement(first, second) => {
                unknown(Unknown::Disagreement { first: first.read(), second: second.read() })
            }
        }
    }
}

/// The same names here and there.
macro_rules! same_names {
    ($shape:ident, $of:ident: $($name:ident),*) => {
        impl $shape {
            fn of(of: $of) -> Self {
                match of { $($of::$name => Self::$name),* }
            }

            fn read(self) -> $of {
                match self { $(Self::$name => $of::$name),* }
            }
        }
    };
}

same_names!(
    Kind, VerdictKind: Pending, StartMissed, Active, Faulty, Terminated, Ended, Completed,
    NeverExisted, Gone, Unknown
);
same_names!(Health, SectorHealth: Active, Unproven, Faulty, Dead);
same_names!(Way, SectorWay: Partition, Location);

impl<'a> Seen<'a> {
    fn of(evidence: &'a Evidence, remembered: Option<&DealProposal>) -> Self {
        let Evidence { tipset, epoch, finalized, endpoint, said, witness } = evidence;
        let witness = witness
            .as_ref()
            .map(|Witness { endpoint, said }| (endpoint.into(), Answers::of(said, remembered)));
        Self {
            tipset: tipset.blocks().iter().copied().map(Bytes).collect(),
            epoch: *epoch,
            finalized: *finalized,
            endpoint: endpoint.into(),
            said: said.as_ref().map(|said| Answers::of(said, remembered)),
            witness,
        }
    }

    fn read(self, remembered: Option<&DealProposal>) -> Result<Evidence, String> {
        let witness = match self.witness {
            Some((endpoint, said)) => {
                Some(Witness { endpoint: endpoint.into_owned(), said: said.read(remembered)? })
            }
            None => None,
        };
        Ok(Evidence {
            tipset: TipsetKey::new(self.tipset.into_iter().map(|Bytes(cid)| cid).collect()),
            epoch: self.epoch,
            finalized: self.finalized,
            endpoint: self.endpoint.into_owned(),
            said: self.said.map(|said| said.read(remembered)).transpose()?,
            witness,
        })
    }
}

impl<'a> Answers<'a> {
    fn of(Said { deal, sector }: &'a Said, remembered: Option<&DealProposal>) -> Self {
        Self { deal: OfDeal::of(deal, remembered), sector: sector.as_ref().map(OfSector::of) }
    }

    fn read(self, remembered: Option<&DealProposal>) -> Result<Said, String> {
        let sector = self.sector.map(OfSector::read);
        Ok(Said { deal: self.deal.read(remembered)?, sector })
    }
}

impl<'a> OfDeal<'a> {
    fn of(reading: &'a DealReading, remembered: Option<&DealProposal>) -> Self {
        let activation = |DealActivation { sector, at, slashed }: &DealActivation| Activation {
            sector: *sector,
            at: *at,
            slashed: *slashed,
        };
        match reading {
            DealReading::Found(OnChainDeal { proposal, activation: active }) => {
                let active = active.as_ref().map(activation);
                match Some(proposal) == remembered {
                    true => Self::Same(active),
                    false => Self::Found(Proposal::of(proposal), active),
                }
            }
            DealReading::NotFound { next_id } => Self::NotFound(*next_id),
            DealReading::Failed(why) => Self::Failed(why.into()),
        }
    }

    fn read(self, remembered: Option<&DealProposal>) -> Result<DealReading, String> {
        let found = |proposal, active: Option<Activation>| {
            let activation = active.map(|Activation { sector, at, slashed }| DealActivation {
                sector,
                at,
                slashed,
            });
            DealReading::Found(OnChainDeal { proposal, activation })
        };
        Ok(match self {
            Self::Same(active) => {
                let proposal = remembered.ok_or("it refers to a proposal that is not there")?;
                found(proposal.clone(), active)
            }
            Self::Found(proposal, active) => found(proposal.read()?, active),
            Self::NotFound(next_id) => DealReading::NotFound { next_id },
            Self::Failed(why) => DealReading::Failed(why.into_owned()),
        })
    }
}

impl<'a> OfSector<'a> {
    fn of(reading: &'a SectorReading) -> Self {
        match reading {
            SectorReading::Found(status) => Self::Found(Status::of(status)),
            SectorReading::NotFound => Self::NotFound,
            SectorReading::Failed(why) => Self::Failed(why.into()),
        }
    }

    fn read(self) -> SectorReading {
        match self {
            Self::Found(status) => SectorReading::Found(status.read()),
            Self::NotFound => SectorReading::NotFound,
            Self::Failed(why) => SectorReading::Failed(why.into_owned()),
        }
    }
}

impl Status {
    fn of(status: &SectorStatus) -> Self {
        let SectorStatus {
            health,
            way,
            deadline,
            partition,
            first_missed,
            expiration,
            next_deadline_end,
        } = *status;
        let (health, way) = (Health::of(health), Way::of(way));
        Self { health, way, deadline, partition, first_missed, expiration, next_deadline_end }
    }

    fn read(self) -> SectorStatus {
        let Self { health, way, deadline, partition, first_missed, expiration, next_deadline_end } =
            self;
        let (health, way) = (health.read(), way.read());
        SectorStatus {
            health,
            way,
            deadline,
            partition,
            first_missed,
            expiration,
            next_deadline_end,
        }
    }
}
