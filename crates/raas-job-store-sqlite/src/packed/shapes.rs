//! The shapes of version 1: what is remembered of a deal. What was seen of it is in `seen`.
//!
//! A proposal that is the one remembered is not written again with what an endpoint said.

mod seen;

use std::borrow::Cow;

use cid::Cid;
use raas_types::{
    AggregatorName, ChainEpoch, Commitment, DealId, DealMemory, DealProposal, Evidence,
    InclusionProof, ListedDeal, MerkleProof, OrderId, PaddedSize, PieceInfo, ProviderId,
    SectorNumber, SegmentProof, Suspicion, Verdict,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use self::seen::{Judged, Kind, Seen};

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
