//! What an endpoint of the chain answers, in its mode; and the line of deal ids.

use raas_lotus::{Error, Head, Result};
use raas_types::{
    ChainEpoch, DealId, DealProposal, DealReading, EpochDelta, Network, SectorId, SectorReading,
    SectorStatus, Tipset,
};

use super::{Deal, Mode, World, deal, proof};
use crate::rng::mix;

/// Deals that the whole market publishes in an epoch, at the most: ids are handed out in the order of
/// time, and those that nobody in a world holds are strangers' deals.
const IDS_PER_EPOCH: u64 = 64;

/// The first id of the line; the deals before it are strangers'.
const FIRST_ID: u64 = 100_000_000;

/// Which ids the market hands out when.
#[derive(Debug)]
pub(super) struct IdLine {
    start: ChainEpoch,
}

impl IdLine {
    pub(super) const fn starting_at(start: ChainEpoch) -> Self {
        Self { start }
    }

    /// The id that comes next in the state that a tipset of this epoch shows.
    pub(super) fn next_at(&self, epoch: ChainEpoch) -> DealId {
        let passed = epoch.since(self.start).get().max(0).unsigned_abs();
        DealId::new(FIRST_ID + passed * IDS_PER_EPOCH)
    }
}

impl World {
    /// A free id of the present epoch, or of the next one that has any; and the epoch.
    pub(super) fn free_id(&self) -> (DealId, ChainEpoch) {
        let mut at = self.now;
        loop {
            let first = self.ids.next_at(at).get();
            let mut ids = (first..first + IDS_PER_EPOCH).map(DealId::new);
            if let Some(id) = ids.find(|id| !self.deals.contains_key(id)) {
                return (id, at);
            }
            at = at + EpochDelta::new(1);
        }
    }

    /// The first id of an epoch.
    pub(super) fn first_id(&self, at: ChainEpoch) -> DealId {
        self.ids.next_at(at)
    }

    /// How long an endpoint takes to answer, in seconds; after so long it fails.
    pub(crate) fn silence(&self, endpoint: usize) -> Option<u64> {
        match self.endpoints[endpoint].mode {
            Mode::Hangs(seconds) => Some(seconds),
            _ => None,
        }
    }

    pub(crate) fn network(&mut self, endpoint: usize) -> Result<Network> {
        self.answers(endpoint)?;
        Ok(Network { name: "simnet".to_owned(), version: 28 })
    }

    pub(crate) fn head(&mut self, endpoint: usize) -> Result<Head> {
        self.answers(endpoint)?;
        let who = &self.endpoints[endpoint];
        let tipset = self.chain.tipset(who.head(self.now), who.fork());
        Ok(Head { tipset, behind: who.behind() })
    }

    pub(crate) fn finalized(&mut self, endpoint: usize) -> Result<Tipset> {
        self.answers(endpoint)?;
        let who = &self.endpoints[endpoint];
        Ok(self.chain.tipset(who.head(self.now) - who.finality, who.fork()))
    }

    pub(crate) fn tipset_at(&mut self, endpoint: usize, epoch: ChainEpoch) -> Result<Tipset> {
        self.answers(endpoint)?;
        let who = &self.endpoints[endpoint];
        let head = self.chain.tipset(who.head(self.now), who.fork());
        Ok(if epoch >= head.epoch { head } else { self.chain.tipset(epoch, who.fork()) })
    }

    /// What an endpoint says of deals.
    pub(crate) fn read_deals(
        &mut self,
        endpoint: usize,
        ids: &[DealId],
        at: &Tipset,
    ) -> Vec<DealReading> {
        ids.iter()
            .map(|id| {
                if let Some(why) = self.refusal(endpoint, at) {
                    return DealReading::Failed(why);
                }
                let (told, lie) =
                    self.endpoints[endpoint].tell_deal(id.get(), self.deal(*id, at.epoch));
                self.tally.lies += u64::from(lie);
                told
            })
            .collect()
    }

    /// What an endpoint says of sectors.
    pub(crate) fn read_sectors(
        &mut self,
        endpoint: usize,
        ids: &[SectorId],
        at: &Tipset,
    ) -> Vec<SectorReading> {
        ids.iter()
            .map(|id| {
                if let Some(why) = self.refusal(endpoint, at) {
                    return SectorReading::Failed(why);
                }
                let truth = self.sector(*id, at.epoch);
                let number = id.number.get();
                let (told, lie) = self.endpoints[endpoint].tell_sector(number, truth, at.epoch);
                self.tally.lies += u64::from(lie);
                told
            })
            .collect()
    }

    /// The deal as the market has it in the state of a tipset of this epoch.
    fn deal(&self, id: DealId, at: ChainEpoch) -> DealReading {
        let next_id = self.ids.next_at(at);
        let found = match self.deals.get(&id) {
            Some(deal) => deal.on_chain(at),
            None if id < next_id => {
                deal::strangers(id.get(), |provider| strangers(id, provider, at))
            }
            None => None,
        };
        found.map_or(DealReading::NotFound { next_id: Some(next_id) }, DealReading::Found)
    }

    fn sector(&self, id: SectorId, at: ChainEpoch) -> SectorReading {
        let Some(deal) = self.deals.get(&DealId::new(id.number.get())) else {
            return SectorReading::Found(SectorStatus::of(raas_types::SectorHealth::Active));
        };
        let mine = self.providers[deal.provider].id == id.provider;
        let status = Deal::sector_status(deal, at, &self.weather).filter(|_| mine);
        status.map_or(SectorReading::NotFound, SectorReading::Found)
    }

    /// Fails where the endpoint does.
    fn answers(&mut self, endpoint: usize) -> Result<()> {
        let who = &mut self.endpoints[endpoint];
        let fails = who.fails();
        let reason = match who.mode {
            Mode::Down => "it is down",
            Mode::Hangs(_) => "it does not answer",
            _ if fails => "it answered 503",
            _ => return Ok(()),
        };
        self.tally.faults_injected += 1;
        Err(Error::Unavailable { endpoint: who.name.clone(), reason: reason.to_owned() })
    }

    /// Why an endpoint does not read at a tipset.
    fn refusal(&mut self, endpoint: usize, at: &Tipset) -> Option<String> {
        if let Err(error) = self.answers(endpoint) {
            return Some(error.to_string());
        }
        // A node knows tipsets by their keys alone.
        let who = &self.endpoints[endpoint];
        let has = self.chain.tipset(at.epoch, who.fork()).key == at.key;
        let known = has && at.epoch <= who.head(self.now);
        (!known).then(|| format!("no tipset {} at epoch {}", at.key, at.epoch))
    }
}

/// The terms of a stranger's deal.
fn strangers(id: DealId, provider: raas_types::ProviderId, at: ChainEpoch) -> DealProposal {
    let begun = EpochDelta::days(1 + (mix(id.get()) % 100) as i64);
    // Made of the id alone, but for deals that would be over by now.
    let start = ChainEpoch::new(at.get() / 1_000_000 * 1_000_000) - begun;
    DealProposal {
        piece: proof::piece(id.get()),
        provider,
        start,
        end: start + EpochDelta::YEAR.times(3),
        verified: false,
        label: String::new(),
    }
}
