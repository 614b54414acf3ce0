//! What was seen of a deal, and what that came to: the verdict and its evidence, as version 1 writes
//! them.

use raas_types::{
    ChainEpoch, DealActivation, DealId, DealProposal, DealReading, Evidence, FaultSince,
    OnChainDeal, Said, SectorHealth, SectorNumber, SectorReading, SectorStatus, SectorWay,
    TipsetKey, Unknown, Verdict, VerdictKind, Witness,
};
use serde::{Deserialize, Serialize};

use super::{Bytes, Proposal, Text};

#[derive(Serialize, Deserialize)]
pub(super) enum Judged<'a> {
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
pub(super) enum Kind {
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
pub(super) struct Seen<'a> {
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

impl<'a> Judged<'a> {
    pub(super) fn of(verdict: &'a Verdict) -> Self {
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

    pub(super) fn read(self) -> Verdict {
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
            pub(super) fn of(of: $of) -> Self {
                match of { $($of::$name => Self::$name),* }
            }

            pub(super) fn read(self) -> $of {
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
    pub(super) fn of(evidence: &'a Evidence, remembered: Option<&DealProposal>) -> Self {
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

    pub(super) fn read(self, remembered: Option<&DealProposal>) -> Result<Evidence, String> {
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
