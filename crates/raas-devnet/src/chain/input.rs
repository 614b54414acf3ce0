//! What the world's outside does to it: providers, clients and the laboratory. Each deed is written
//! down, so that the [`past`](super::past) can be lived through again on another fork.

use raas_types::{DealId, ProviderId, SectorNumber};

use super::{
    events::Event,
    market::{Deal, DealSpec},
    world::{DealTicket, Ticketed, UnknownProvider, World},
};

/// Actor id of the client in whose name deals are published.
const CLIENT: u64 = 2_000;

/// Something that somebody does.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Somebody will publish a deal at that epoch.
    Order { at: i64, spec: DealSpec },
    /// The provider stops proving.
    Fault(ProviderId),
    /// It proves again, and declares its faults recovered as it is time to.
    Recover(ProviderId),
    /// A message.
    Message(Message),
}

/// Something that somebody writes into a block. If the block is orphaned it goes into another.
#[derive(Clone, Debug)]
pub(super) enum Message {
    TerminateAll(ProviderId),
    Terminate { provider: ProviderId, sector: SectorNumber, swallow_deal: bool },
    DeclareFault(ProviderId, SectorNumber),
    DeclareRecovered(ProviderId, SectorNumber),
    LoseDispute(ProviderId, SectorNumber),
    Compact { provider: ProviderId, deadline: u64 },
    Settle(DealId),
    Plant(Planting),
}

/// A deal that is published as it is written here.
#[derive(Clone, Debug)]
pub(crate) struct Planting {
    pub spec: DealSpec,
    pub start: i64,
    /// When it is activated; never when there is nothing.
    pub activate: Option<i64>,
    /// The deadline of its sector; the chain chooses when there is nothing.
    pub deadline: Option<u64>,
}

/// A message that fails on the chain; the text says why and what would not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Unknown(#[from] UnknownProvider),
    #[error("{0}")]
    Because(String),
}

impl World {
    /// Publishes a deal in the first tipset at or after `at`, but not before the next one.
    pub(crate) fn schedule_deal(&mut self, at: i64, spec: DealSpec) -> DealTicket {
        let ticket = DealTicket(self.tickets.len() as u64);
        self.live(Input::Order { at, spec });
        ticket
    }

    /// The provider stops proving; its sectors become faulty at the ends of their deadlines.
    pub(crate) fn fault(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        self.known(provider)?;
        self.live(Input::Fault(provider));
        Ok(())
    }

    /// The provider proves again and declares its faults recovered, deadlines whose cutoff has
    /// passed when they have closed. Deals that waited for it are activated.
    pub(crate) fn recover(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        self.known(provider)?;
        self.live(Input::Recover(provider));
        Ok(())
    }

    /// The provider terminates all its sectors at once; their deals are gone.
    pub(crate) fn terminate(&mut self, provider: ProviderId) -> Result<(), UnknownProvider> {
        self.known(provider)?;
        self.live(Input::Message(Message::TerminateAll(provider)));
        Ok(())
    }

    /// `SettleDealPayments` for one deal, now; `false` when the market has no such deal. The
    /// devnet's providers never settle of themselves.
    pub(crate) fn settle(&mut self, id: DealId) -> bool {
        let known = self.deal(id).is_some_and(|deal| deal.removal.is_none());
        if known {
            self.live(Input::Message(Message::Settle(id)));
        }
        known
    }

    /// A message that may fail; one that does leaves no trace.
    pub(super) fn send(&mut self, message: Message) -> Result<(), Refused> {
        self.obey(message.clone())?;
        self.past.record(self.now, Input::Message(message));
        Ok(())
    }

    /// Publishes a deal at the present epoch, exactly as it is written.
    pub(crate) fn plant(&mut self, planting: Planting) -> Result<DealId, Refused> {
        let id = DealId::new(self.config().first_deal + self.deals.len() as u64);
        self.send(Message::Plant(planting))?;
        Ok(id)
    }

    /// `DeclareFaults` of one sector: it is faulty from now on, and its age counts from its next
    /// deadline on, which lies in the future.
    pub(crate) fn declare_fault(
        &mut self,
        provider: ProviderId,
        sector: SectorNumber,
    ) -> Result<(), Refused> {
        self.send(Message::DeclareFault(provider, sector))
    }

    /// `DeclareFaultsRecovered` of one sector: its next proof clears the fault.
    pub(crate) fn declare_recovery(
        &mut self,
        provider: ProviderId,
        sector: SectorNumber,
    ) -> Result<(), Refused> {
        self.send(Message::DeclareRecovered(provider, sector))
    }

    /// `DisputeWindowedPoSt` of the last proof of a sector, which turns out to be wrong: what it proved
    /// is faulty since the deadline it was sent in.
    pub(crate) fn lose_dispute(
        &mut self,
        provider: ProviderId,
        sector: SectorNumber,
    ) -> Result<(), Refused> {
        self.send(Message::LoseDispute(provider, sector))
    }

    /// `TerminateSectors` of one sector. With `swallow_deal` its deal stays in the market, as after
    /// a termination by cron whose message to the market failed.
    pub(crate) fn terminate_sector(
        &mut self,
        provider: ProviderId,
        sector: SectorNumber,
        swallow_deal: bool,
    ) -> Result<(), Refused> {
        self.send(Message::Terminate { provider, sector, swallow_deal })
    }

    /// `CompactPartitions` of one deadline.
    pub(crate) fn compact(&mut self, provider: ProviderId, deadline: u64) -> Result<(), Refused> {
        self.send(Message::Compact { provider, deadline })
    }

    /// Does it, again or for the first time. A message that fails now does nothing, as on a chain.
    pub(super) fn undergo(&mut self, input: Input) {
        match input {
            Input::Order { at, spec } => {
                let ticket = DealTicket(self.tickets.len() as u64);
                self.tickets.push(Ticketed::Waiting(spec));
                self.push_message(at.max(self.now + 1), Event::Publish(ticket));
            }
            Input::Fault(provider) => self.stop_proving(provider),
            Input::Recover(provider) => self.prove_again(provider),
            Input::Message(message) => {
                if let Err(error) = self.obey(message) {
                    tracing::debug!(%error, "a message failed when it was included again");
                }
            }
        }
    }

    fn live(&mut self, input: Input) {
        self.past.record(self.now, input.clone());
        self.undergo(input);
    }

    fn known(&self, provider: ProviderId) -> Result<(), UnknownProvider> {
        self.miner(provider).map(|_| ()).ok_or(UnknownProvider(provider))
    }

    fn obey(&mut self, message: Message) -> Result<(), Refused> {
        let now = self.now;
        match message {
            Message::TerminateAll(provider) => {
                let deals = self.miner_mut(provider)?.terminate_all(now);
                self.sectors_terminated(now, deals);
            }
            Message::Terminate { provider, sector, swallow_deal } => {
                let deal = self.miner_mut(provider)?.terminate(now, sector);
                let deal = deal.map_err(Refused::Because)?;
                if !swallow_deal {
                    self.sectors_terminated(now, vec![deal]);
                }
            }
            Message::DeclareFault(provider, sector) => {
                let declared = self.miner_mut(provider)?.declare_fault(now, sector);
                let deadline = declared.map_err(Refused::Because)?;
                self.watch(provider, deadline);
            }
            Message::DeclareRecovered(provider, sector) => {
                let declared = self.miner_mut(provider)?.declare_recovery_of(now, sector);
                let deadline = declared.map_err(Refused::Because)?;
                self.watch(provider, deadline);
            }
            Message::LoseDispute(provider, sector) => {
                let disputed = self.miner_mut(provider)?.lose_dispute(now, sector);
                let deadline = disputed.map_err(Refused::Because)?;
                self.watch(provider, deadline);
            }
            Message::Compact { provider, deadline } => {
                let compacted = self.miner_mut(provider)?.compact(now, deadline);
                compacted.map_err(Refused::Because)?;
            }
            Message::Settle(id) => {
                if let Some(deal) = self.deal_mut(id) {
                    deal.settle(now);
                }
            }
            Message::Plant(planting) => self.publish_planted(planting)?,
        }
        Ok(())
    }

    fn publish_planted(&mut self, planting: Planting) -> Result<(), Refused> {
        let Planting { spec, start, activate, deadline } = planting;
        self.known(spec.provider)?;
        if start < self.now {
            let text = format!(
                "the deal starts at {start}, which is over: write an epoch from {} on",
                self.now
            );
            return Err(Refused::Because(text));
        }
        let id = self.enter(spec, start, deadline);
        match activate {
            Some(at) if at <= self.now => self.activate(id),
            Some(at) => self.push_message(at, Event::Activate(id)),
            None => {}
        }
        Ok(())
    }

    /// Writes a published deal into the market.
    pub(super) fn enter(&mut self, spec: DealSpec, start: i64, deadline: Option<u64>) -> DealId {
        let id = DealId::new(self.config().first_deal + self.deals.len() as u64);
        let mut deal = Deal::publish(id, spec, CLIENT, self.now, start);
        deal.deadline = deadline;
        self.push(deal.time_out_slot(), Event::TimeOut(id));
        self.deals.push(deal);
        id
    }

    fn stop_proving(&mut self, provider: ProviderId) {
        let now = self.now;
        let Ok(miner) = self.miner_mut(provider) else { return };
        miner.set_proving(now, false);
        let deadlines = miner.deadlines(false);
        deadlines.into_iter().for_each(|deadline| self.watch(provider, deadline));
    }

    fn prove_again(&mut self, provider: ProviderId) {
        let now = self.now;
        let Ok(miner) = self.miner_mut(provider) else { return };
        miner.set_proving(now, true);
        let faulty = miner.deadlines(true);
        let stalled = std::mem::take(&mut miner.stalled);
        faulty.into_iter().for_each(|deadline| self.declare_recovered(provider, deadline));
        stalled.into_iter().for_each(|deal| self.push_message(now + 1, Event::Activate(deal)));
    }
}
