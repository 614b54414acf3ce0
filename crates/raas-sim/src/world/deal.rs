//! Storage deals as the market actor has them (FIP-0074), each in a sector of its own: what is true of
//! one at any epoch.

use raas_types::{
    ChainEpoch, DealActivation, DealId, DealProposal, EpochDelta, OnChainDeal, ProviderId,
    SectorHealth, SectorNumber, SectorStatus,
};

use super::provider::{Provider, Span, merged};
use crate::{
    options::Trouble,
    rng::{Dice, mix},
    weather::Weather,
};

/// What is never activated is taken out of the state up to 30 days after its start.
const CLEANED_AFTER: EpochDelta = EpochDelta::days(30);

/// One deal.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) id: DealId,
    /// Which data it holds.
    pub(crate) datum: usize,
    /// Which provider of the world holds it.
    pub(crate) provider: usize,
    pub(crate) proposal: DealProposal,
    /// The epoch of the message that published it.
    pub(crate) published: ChainEpoch,
    /// Once its sector is proven.
    pub(crate) active: Option<Activated>,
}

/// What becomes of a deal's sector: known from the beginning, as providers' fates are.
#[derive(Clone, Debug)]
pub(crate) struct Activated {
    pub(crate) at: ChainEpoch,
    /// When its sector is not proven, in order; the last may run beyond the deal's life.
    pub(crate) faults: Vec<Span>,
    /// When its sector dies before its time.
    pub(crate) terminated: Option<ChainEpoch>,
    /// When someone settles it after its end, and takes it out of the state.
    settled: ChainEpoch,
    /// The epoch within a proving period at which its deadline ends.
    deadline_end: i64,
}

/// What is true of a deal at an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// Not published yet, or not any more after a reorganisation.
    Unpublished,
    /// Published, not activated, and may still be.
    Pending,
    /// It cannot be activated any more.
    StartMissed,
    /// In a sector that is proven.
    Active,
    /// In a sector that is not proven, since the deadline that ended at this epoch.
    Faulty(ChainEpoch),
    /// Its sector died at this epoch.
    Terminated(ChainEpoch),
    /// Its term is over.
    Ended,
}

impl Truth {
    /// Whether nothing can make the deal hold the data again.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::StartMissed | Self::Terminated(_) | Self::Ended)
    }
}

impl Deal {
    /// What a tipset of this epoch shows: what happened before it.
    pub(crate) fn truth(&self, at: ChainEpoch) -> Truth {
        if at <= self.published {
            return Truth::Unpublished;
        }
        let Some(active) = self.active.as_ref().filter(|active| active.at < at) else {
            let missed = at > self.proposal.start;
            return if missed { Truth::StartMissed } else { Truth::Pending };
        };
        match active.terminated {
            Some(dead) if dead < at && dead < self.proposal.end => return Truth::Terminated(dead),
            _ => {}
        }
        if at >= self.proposal.end {
            return Truth::Ended;
        }
        let fault = active.faults.iter().find(|fault| fault.from < at && at <= fault.to);
        fault.map_or(Truth::Active, |fault| Truth::Faulty(fault.from))
    }

    /// Whether the data can be had from this deal's provider, now or once it is back.
    pub(crate) fn keeps(&self, provider: &Provider, at: ChainEpoch) -> bool {
        let in_sector = matches!(self.truth(at), Truth::Active | Truth::Faulty(_));
        in_sector && provider.keeps(at)
    }

    /// What the market's state holds of it at a tipset of this epoch.
    pub(crate) fn on_chain(&self, at: ChainEpoch) -> Option<OnChainDeal> {
        let there = match self.truth(at) {
            Truth::Unpublished | Truth::Terminated(_) => false,
            Truth::Pending | Truth::Active | Truth::Faulty(_) => true,
            Truth::StartMissed => {
                let lingers = mix(self.published.get().unsigned_abs()) % CLEANED_AFTER.get() as u64;
                at <= self.proposal.start + EpochDelta::new(lingers as i64)
            }
            Truth::Ended => self.active.as_ref().is_some_and(|active| at <= active.settled),
        };
        there.then(|| OnChainDeal {
            proposal: self.proposal.clone(),
            activation: self.active.as_ref().filter(|active| active.at < at).map(|active| {
                DealActivation { sector: self.sector(), at: active.at, slashed: None }
            }),
        })
    }

    /// The number of its sector: that of the deal, which no other deal shares.
    pub(crate) fn sector(&self) -> SectorNumber {
        SectorNumber::new(self.id.get())
    }

    /// What its provider's state says of its sector at a tipset of this epoch.
    pub(crate) fn sector_status(&self, at: ChainEpoch, weather: &Weather) -> Option<SectorStatus> {
        let active = self.active.as_ref().filter(|active| active.at < at)?;
        let health = match self.truth(at) {
            Truth::Faulty(_) => SectorHealth::Faulty,
            // A dead sector is compacted away sooner or later.
            Truth::Terminated(dead) if dead + EpochDelta::DAY < at => return None,
            Truth::Terminated(_) => SectorHealth::Dead,
            _ if at < active.at + EpochDelta::DAY => SectorHealth::Unproven,
            _ => SectorHealth::Active,
        };
        let mut status = SectorStatus::of(health);
        if let Truth::Faulty(since) = self.truth(at)
            && weather.tells_first_missed
        {
            status.first_missed = Some(since);
        }
        if weather.tells_deadlines {
            let period = EpochDelta::PROVING_PERIOD.get();
            let ahead = (active.deadline_end - at.get()).rem_euclid(period);
            status.next_deadline_end = Some(at + EpochDelta::new(ahead.max(1)));
        }
        Some(status)
    }

    /// Activates it, and draws what becomes of its sector.
    pub(crate) fn activate(
        &mut self,
        at: ChainEpoch,
        provider: &Provider,
        weather: &Weather,
        dice: &mut Dice,
    ) {
        let deadline_end = dice.between(0, 47) * EpochDelta::DEADLINE.get();
        let mut faults = Vec::new();
        let mut fault = at + EpochDelta::DAY + dice.wait(weather.fault_every);
        while fault < self.proposal.end {
            // One in four is near the 42 days after which the network terminates.
            let longest = dice.pick(&[1, 2, 4, 50]).unwrap_or(1);
            let lasts = dice.span(EpochDelta::PROVING_PERIOD, EpochDelta::days(longest));
            if weather.has(Trouble::Faults) {
                faults.push(self.by_deadline(fault, fault + lasts, deadline_end));
            }
            fault = fault + lasts + dice.wait(weather.fault_every);
        }
        let (outages, end) = (&provider.outages, self.proposal.end);
        let outages = outages.iter().filter(|outage| outage.to > at && outage.from < end);
        for outage in outages {
            faults.push(self.by_deadline(outage.from.max(at), outage.to, deadline_end));
        }
        let mut terminated = None;
        if let Some(gone) = provider.gone {
            if provider.orderly {
                terminated = Some(gone.max(at) + dice.span(EpochDelta::new(1), EpochDelta::HOUR));
            } else {
                let never = end + EpochDelta::YEAR;
                faults.push(self.by_deadline(gone.max(at), never, deadline_end));
            }
        }
        // A deadline whose outage is over before it comes is not missed.
        faults.retain(|fault| fault.from < fault.to);
        let faults = merged(faults);
        let too_long = faults.iter().find(|f| f.to.since(f.from) >= EpochDelta::FAULT_MAX_AGE);
        let by_network = too_long.map(|fault| fault.from + EpochDelta::FAULT_MAX_AGE);
        let terminated = terminated.into_iter().chain(by_network).min();
        let settled = end + dice.span(EpochDelta::HOUR, EpochDelta::days(40));
        self.active = Some(Activated { at, faults, terminated, settled, deadline_end });
    }

    /// A sector shows an outage at its own deadline: the first one missed, and the first one proven
    /// again.
    fn by_deadline(&self, from: ChainEpoch, to: ChainEpoch, deadline_end: i64) -> Span {
        let next = |at: ChainEpoch| {
            let ahead = (deadline_end - at.get()).rem_euclid(EpochDelta::PROVING_PERIOD.get());
            at + EpochDelta::new(ahead)
        };
        Span { from: next(from), to: next(to) }
    }
}

/// A deal that somebody else made: of an id that nobody of this world holds.
pub(crate) fn strangers(
    id: u64,
    proposal: impl FnOnce(ProviderId) -> DealProposal,
) -> Option<OnChainDeal> {
    let hash = mix(id);
    // One in five is over.
    (!hash.is_multiple_of(5)).then(|| {
        let proposal = proposal(ProviderId::new(500_000 + hash % 1_000));
        let at = proposal.start - EpochDelta::HOUR;
        let sector = SectorNumber::new(id);
        OnChainDeal { activation: Some(DealActivation { sector, at, slashed: None }), proposal }
    })
}
