//! The table's rows, and the play that is given for them: a world in which things are done at exact
//! epochs, read over sockets from a node of every kind, each answer judged.

mod faults;
mod lives;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use raas_core::{sector_of, verdict};
use raas_devnet::{DealTruth, Devnet, NodeKind, Plant, ProviderAction};
use raas_lotus::LotusChain;
use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_types::{
    ChainEpoch, DealId, DealMemory, DealProposal, DealReading, FaultSince, ListedDeal, Provenance,
    ProviderId, SectorHealth, SectorId, SectorReading, SectorStatus, SectorWay, Unknown, Verdict,
};

use crate::devnet_world::{KINDS, adapter, advance_to, start};

pub(crate) use {faults::*, lives::*};

/// Long, so that a busy machine fails no row.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where every provider's proving period begins.
pub(crate) const P: i64 = 6_300_000;
/// The end of deals that are to outlive the play.
pub(crate) const FAR: i64 = 6_900_000;

/// What is read of a deal, what is remembered of it, and what comes of the two.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The epoch of the tipset that it is read at.
    at: i64,
    deal: u64,
    remembered: Remembered,
    sector: Sector,
    /// Deadline and partition, where the row is about them.
    place: Option<(u64, u64)>,
    verdict: Verdict,
    /// A gateway's, where it is another.
    on_gateway: Option<Verdict>,
}

/// What a node remembers of a deal when it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remembered {
    /// Nothing but that it was heard of, at this epoch.
    Heard(i64),
    /// It was in the market, and in no sector yet.
    Published,
    /// Its sector was healthy at this epoch, the last time.
    Active(i64),
    /// Its sector was faulty at this epoch, the first time, and never seen healthy.
    Faulty(i64),
    /// It was heard of as a deal of another provider.
    Elsewhere,
}

/// What a full node is to say of the sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sector {
    /// There is none to ask for.
    None,
    /// The provider's tables do not hold it.
    NotFound,
    Is(SectorHealth),
}

pub(crate) const ACTIVE: Sector = Sector::Is(SectorHealth::Active);
/// A gateway calls such a sector active.
pub(crate) const UNPROVEN: Sector = Sector::Is(SectorHealth::Unproven);
pub(crate) const FAULTY: Sector = Sector::Is(SectorHealth::Faulty);
pub(crate) const DEAD: Sector = Sector::Is(SectorHealth::Dead);

/// What somebody does to the world, as the last message of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// A deal of this id is published.
    Plant { deal: u64, provider: u64, start: i64, end: i64, sealed: Option<(i64, u64)> },
    /// The provider stops sending proofs.
    Stop(u64),
    /// It sends them again, and declares its faults recovered.
    Prove(u64),
    /// `DeclareFaults` of the deal's sector.
    DeclareFault(u64),
    /// `DeclareFaultsRecovered` of it.
    DeclareRecovered(u64),
    /// `DisputeWindowedPoSt` of its last proof, which is wrong.
    LoseDispute(u64),
    /// `TerminateSectors` of it; the market hears of it.
    Terminate(u64),
    /// The same by cron, where the market's failure to hear of it is swallowed.
    TerminateUnheard(u64),
    /// `CompactPartitions` of the provider's deadline.
    Compact(u64, u64),
    /// `SettleDealPayments` of the deal.
    Settle(u64),
}

/// A world, what is done in it, and what is read of it.
pub(crate) struct Play {
    pub(crate) begins: i64,
    pub(crate) seed: u64,
    pub(crate) null_every: u64,
    pub(crate) deeds: Vec<(i64, Deed)>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) fn new(
        name: &'static str,
        deal: u64,
        at: i64,
        remembered: Remembered,
        sector: Sector,
        verdict: Verdict,
    ) -> Self {
        Self { name, at, deal, remembered, sector, place: None, verdict, on_gateway: None }
    }

    pub(crate) fn on_gateway(mut self, verdict: Verdict) -> Self {
        self.on_gateway = Some(verdict);
        self
    }

    pub(crate) fn lies_in(mut self, deadline: u64, partition: u64) -> Self {
        self.place = Some((deadline, partition));
        self
    }

    pub(crate) fn verdict(&self, kind: NodeKind) -> &Verdict {
        let gateway = self.on_gateway.as_ref().filter(|_| kind == NodeKind::Gateway);
        gateway.unwrap_or(&self.verdict)
    }
}

pub(crate) fn active(end: i64) -> Verdict {
    Verdict::Active { end: ChainEpoch::new(end) }
}

pub(crate) fn pending(start: i64) -> Verdict {
    Verdict::Pending { start: ChainEpoch::new(start) }
}

/// Faulty, by the chain's own word.
pub(crate) fn exact(since: i64, end: i64) -> Verdict {
    let since = FaultSince::Exact(ChainEpoch::new(since));
    Verdict::Faulty { since, end: ChainEpoch::new(end) }
}

/// Faulty, by what was observed.
pub(crate) fn observed(since: i64, end: i64) -> Verdict {
    let since = FaultSince::Observed(ChainEpoch::new(since));
    Verdict::Faulty { since, end: ChainEpoch::new(end) }
}

pub(crate) fn unknown(why: Unknown) -> Verdict {
    Verdict::Unknown { why }
}

/// Plays it, and tells of all that is not as the rows say.
pub(crate) async fn play(play: Play) -> Vec<String> {
    let (devnet, _dir) = start(&KINDS, |config| {
        config.start_epoch = ChainEpoch::new(play.begins);
        config.seed = play.seed;
        config.null_every = play.null_every;
        config.period_start = Some(P);
    })
    .await;
    let nodes: Vec<_> = (0..KINDS.len()).map(|node| adapter(&devnet, node, PATIENCE)).collect();
    let at_rows = play.rows.iter().map(|row| row.at);
    let epochs: BTreeSet<i64> = play.deeds.iter().map(|(at, _)| *at).chain(at_rows).collect();
    let deals: BTreeSet<_> = play.rows.iter().map(|row| DealId::new(row.deal)).collect();
    let deals: Vec<_> = deals.into_iter().collect();
    let mut failures = Vec::new();
    for epoch in epochs {
        advance_to(&devnet, epoch).await;
        // Before it is read: what is done in a tipset does not show at that tipset.
        for (_, deed) in play.deeds.iter().filter(|(at, _)| *at == epoch) {
            perform(&devnet, *deed);
        }
        let rows: Vec<_> = play.rows.iter().filter(|row| row.at == epoch).collect();
        for (kind, lotus) in KINDS.into_iter().zip(&nodes).filter(|_| !rows.is_empty()) {
            let told = match Told::by(lotus, &deals, ChainEpoch::new(epoch)).await {
                Ok(told) => told,
                Err(error) => {
                    failures.push(format!("{kind:?} at {epoch}: {error}"));
                    continue;
                }
            };
            for row in &rows {
                let wrong = told.is_wrong(row, kind, truth(&devnet, row.deal));
                failures.extend(wrong.into_iter().map(|what| {
                    format!("{} ({kind:?}, deal {} at {epoch}): {what}", row.name, row.deal)
                }));
            }
        }
    }
    devnet.shutdown().await;
    failures
}

fn perform(devnet: &Devnet, deed: Deed) {
    let sector = |deal| {
        let truth = truth(devnet, deal).expect("a deal that was planted");
        let provider: ProviderId = truth.provider.parse().expect("a provider");
        (provider, truth.sector.expect("a deal in a sector"))
    };
    let control =
        |provider, action| devnet.control_provider(ProviderId::new(provider), action).map(|_| ());
    let done = match deed {
        Deed::Plant { deal, provider, start, end, sealed } => {
            let (start, end) = (ChainEpoch::new(start), ChainEpoch::new(end));
            let mut plant = Plant::new(ProviderId::new(provider), start, end);
            plant.activate = sealed.map(|(at, _)| ChainEpoch::new(at));
            plant.deadline = sealed.map(|(_, deadline)| deadline);
            devnet.plant(plant).map(|id| assert_eq!(id, DealId::new(deal), "in the order of ids"))
        }
        Deed::Stop(provider) => control(provider, ProviderAction::Fault),
        Deed::Prove(provider) => control(provider, ProviderAction::Recover),
        Deed::DeclareFault(deal) => {
            let (provider, number) = sector(deal);
            devnet.declare_fault(provider, number)
        }
        Deed::DeclareRecovered(deal) => {
            let (provider, number) = sector(deal);
            devnet.recover(provider, number)
        }
        Deed::LoseDispute(deal) => {
            let (provider, number) = sector(deal);
            devnet.lose_dispute(provider, number)
        }
        Deed::Terminate(deal) => {
            let (provider, number) = sector(deal);
            devnet.terminate_sector(provider, number, false)
        }
        Deed::TerminateUnheard(deal) => {
            let (provider, number) = sector(deal);
            devnet.terminate_sector(provider, number, true)
        }
        Deed::Compact(provider, deadline) => devnet.compact(ProviderId::new(provider), deadline),
        Deed::Settle(deal) => devnet.settle(DealId::new(deal)),
    };
    done.unwrap_or_else(|error| panic!("{deed:?}: {error}"));
}

fn truth(devnet: &Devnet, deal: u64) -> Option<DealTruth> {
    devnet.deals().into_iter().find(|truth| truth.id == DealId::new(deal))
}

/// What a node told of all deals of the play at one tipset, and of their sectors.
struct Told {
    at: ChainEpoch,
    deals: BTreeMap<DealId, DealReading>,
    sectors: BTreeMap<SectorId, SectorReading>,
}

impl Told {
    async fn by(lotus: &JsonRpcLotus, ids: &[DealId], at: ChainEpoch) -> Result<Self, String> {
        let tipset = lotus.tipset_at(at).await.map_err(|error| error.to_string())?;
        if tipset.epoch != at {
            return Err(format!("that round is null; the tipset below is of {}", tipset.epoch));
        }
        let deals = lotus.deals(ids, &tipset).await;
        assert_eq!(deals.len(), ids.len(), "one reading for each deal");
        let sectors: BTreeSet<_> = deals.iter().filter_map(sector_of).collect();
        let sectors: Vec<_> = sectors.into_iter().collect();
        let told = lotus.sectors(&sectors, &tipset).await;
        assert_eq!(told.len(), sectors.len(), "one reading for each sector");
        Ok(Self {
            at,
            deals: ids.iter().copied().zip(deals).collect(),
            sectors: sectors.into_iter().zip(told).collect(),
        })
    }

    /// What is not as the row says.
    fn is_wrong(&self, row: &Row, kind: NodeKind, truth: Option<DealTruth>) -> Vec<String> {
        let deal = &self.deals[&DealId::new(row.deal)];
        let sector = sector_of(deal).map(|sector| &self.sectors[&sector]);
        let judged = verdict(deal, sector, &memory(row, truth), self.at);
        let mut wrong = Vec::new();
        let expected = row.verdict(kind);
        if judged != *expected {
            wrong.push(format!(
                "expected {expected:?}, judged {judged:?} from {deal:?}, {sector:?}"
            ));
        }
        wrong.extend(check_sector(row, kind, sector));
        wrong
    }
}

fn check_sector(row: &Row, kind: NodeKind, read: Option<&SectorReading>) -> Option<String> {
    let way = match kind {
        NodeKind::Lotus | NodeKind::Forest => SectorWay::Partition,
        NodeKind::Gateway => SectorWay::Location,
    };
    let expected = match (row.sector, kind) {
        (UNPROVEN, NodeKind::Gateway) => ACTIVE,
        (sector, _) => sector,
    };
    let as_expected = match read {
        None => expected == Sector::None,
        Some(SectorReading::NotFound) => expected == Sector::NotFound,
        Some(SectorReading::Failed(_)) => false,
        Some(SectorReading::Found(status)) => {
            expected == Sector::Is(status.health) && status.way == way && is_in_order(row, status)
        }
    };
    (!as_expected).then(|| {
        let place = row.place.map(|place| format!(" in {place:?}")).unwrap_or_default();
        format!("expected a sector that is {expected:?}{place}, by {way:?}; read {read:?}")
    })
}

/// A fault leaves no trace when it is over, and what lies somewhere lies where the row says.
fn is_in_order(row: &Row, status: &SectorStatus) -> bool {
    let dated = status.first_missed.is_some();
    let placed = status.deadline.zip(status.partition);
    (!dated || status.health == SectorHealth::Faulty)
        && row.place.is_none_or(|place| placed == Some(place))
}

fn memory(row: &Row, truth: Option<DealTruth>) -> DealMemory {
    let provider = |truth: &DealTruth| truth.provider.parse::<ProviderId>().expect("a provider");
    // Of a deal that was never made, anything may have been said.
    let own = truth.as_ref().map_or(ProviderId::new(1000), provider);
    let proposal = || {
        let truth = truth.as_ref().expect("what was seen was planted");
        DealProposal {
            piece: truth.piece.clone(),
            provider: own,
            start: ChainEpoch::new(truth.start),
            end: ChainEpoch::new(truth.end),
            verified: false,
            label: String::new(),
        }
    };
    let listed = ListedDeal { deal: DealId::new(row.deal), provider: own };
    let heard = |at| DealMemory::first_heard(listed, Provenance::Contract, ChainEpoch::new(at));
    // Heard of a day ago, for whom it matters not.
    let seen = || DealMemory { proposal: Some(proposal()), ..heard(row.at - 2_880) };
    let in_sector = || {
        let sector = truth.as_ref().and_then(|truth| truth.sector);
        DealMemory { sector, ..seen() }
    };
    match row.remembered {
        Remembered::Heard(at) => heard(at),
        Remembered::Published => seen(),
        Remembered::Active(at) => {
            DealMemory { last_active: Some(ChainEpoch::new(at)), ..in_sector() }
        }
        Remembered::Faulty(at) => {
            DealMemory { first_faulty: Some(ChainEpoch::new(at)), ..in_sector() }
        }
        Remembered::Elsewhere => {
            let provider = ProviderId::new(own.get() + 1);
            let listed = ListedDeal { provider, ..listed };
            DealMemory { listed, ..heard(row.at - 2_880) }
        }
    }
}

/// What of one deal an endpoint that keeps no more than a day tells, two days later.
pub(crate) async fn told_late(kind: NodeKind) -> (DealReading, Option<SectorReading>) {
    let (devnet, _dir) = start(&[kind], |config| config.null_every = 0).await;
    let (start_epoch, end) = (devnet.head().epoch, ChainEpoch::new(FAR));
    let mut plant = Plant::new(ProviderId::new(1000), start_epoch, end);
    plant.activate = Some(start_epoch);
    let deal = devnet.plant(plant).expect("a deal");
    devnet.advance(1).await;
    let lotus = adapter(&devnet, 0, PATIENCE);
    let tipset = lotus.tipset_at(devnet.head().head).await.expect("the head");
    let found = lotus.deals(&[deal], &tipset).await.pop().expect("a reading");
    let sector = sector_of(&found).expect("a deal in a sector");
    devnet.advance(2 * 2_880).await;
    let deal = lotus.deals(&[deal], &tipset).await.pop().expect("a reading");
    let sector = lotus.sectors(&[sector], &tipset).await.pop();
    devnet.shutdown().await;
    (deal, sector)
}
