//! What happens at its epoch: the world's queue and what each entry of it does.

use raas_types::{DealId, ProviderId};

use super::{
    deadline::{PERIOD, Window},
    miner::Miner,
    world::{DealTicket, Ticketed, World},
};

/// How long a sector outlives its deal: a week. Activation asks for `end <= expiration` only.
const SECTOR_MARGIN: i64 = 7 * PERIOD;
/// Room between the latest activation and the start, so that null rounds cannot make it late.
const START_MARGIN: i64 = 20;
/// What waits in the queue.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Publish(DealTicket),
    Activate(DealId),
    TimeOut(DealId),
    /// A proof is due; cron follows at the end of the window.
    Post(ProviderId, Window),
    Close(ProviderId, Window),
    DeclareRecovered(ProviderId, u64),
}

impl Event {
    /// Whether it is a message that goes into another block when its own is orphaned; see
    /// [`past`](super::past).
    pub(super) fn is_message(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::Activate(_))
    }
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        // The round may have become null by a reorganisation since the message was queued.
        if event.is_message() && self.clock().is_null(self.now) {
            return self.push_message(self.now + 1, event);
        }
        match event {
            Event::Publish(ticket) => self.publish(ticket),
            Event::Activate(deal) => self.activate(deal),
            Event::TimeOut(deal) => {
                let now = self.now;
                if let Some(deal) = self.deal_mut(deal) {
                    deal.time_out(now);
                }
            }
            Event::Post(provider, window) => {
                let now = self.now;
                if let Some(miner) = self.miners.get_mut(&provider) {
                    miner.prove(now, window);
                }
            }
            Event::Close(provider, window) => self.close(provider, window),
            Event::DeclareRecovered(provider, deadline) => {
                if self.miners.get(&provider).is_some_and(Miner::is_proving) {
                    self.declare_recovered(provider, deadline);
                }
            }
        }
    }

    fn publish(&mut self, ticket: DealTicket) {
        let id = DealId::new(self.config().first_deal + self.deals.len() as u64);
        let at = usize::try_from(ticket.0).unwrap_or_default();
        let Some(Ticketed::Waiting(spec)) = self
            .tickets
            .get_mut(at)
            .map(|ticketed| std::mem::replace(ticketed, Ticketed::Published(id)))
        else {
            return;
        };
        let sealing = self.config().sealing_epochs;
        let start = self.now + 2 * sealing + START_MARGIN;
        self.enter(spec, start, None);
        self.push_message(self.now + sealing.max(1), Event::Activate(id));
    }

    pub(super) fn activate(&mut self, id: DealId) {
        let now = self.now;
        let wish = self.clock().draw(b"deadline", id.get().cast_signed());
        let Some(deal) = self.deal(id) else { return };
        if now > deal.start || deal.removal.is_some() || deal.activation.is_some() {
            return;
        }
        let (provider, piece) = (deal.spec.provider, deal.spec.piece.cid);
        let expiration = deal.end + SECTOR_MARGIN;
        let chosen = deal.deadline;
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        if !miner.is_proving() {
            miner.stalled.push(id);
            return;
        }
        let deadline = chosen.unwrap_or_else(|| miner.mutable_deadline(now, wish));
        let sector = miner.add_sector(now, deadline, expiration, id, piece);
        let (number, deadline) = (sector.number, sector.deadline);
        if let Some(deal) = self.deal_mut(id) {
            deal.activation = Some((now, number));
        }
        self.watch(provider, deadline);
    }

    pub(super) fn declare_recovered(&mut self, provider: ProviderId, deadline: u64) {
        let now = self.now;
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        match miner.declare_recovered(now, deadline) {
            None => self.watch(provider, deadline),
            Some(later) => {
                let later = self.clock().at_or_after(later);
                self.push(later, Event::DeclareRecovered(provider, deadline));
            }
        }
    }

    fn close(&mut self, provider: ProviderId, window: Window) {
        let now = self.now;
        self.watched.remove(&(provider, window.open));
        let Some(miner) = self.miners.get_mut(&provider) else { return };
        let deals = miner.close(now, window);
        self.sectors_terminated(now, deals);
        self.watch(provider, window.index);
    }

    pub(super) fn sectors_terminated(&mut self, epoch: i64, deals: Vec<DealId>) {
        for id in deals {
            if let Some(deal) = self.deal_mut(id) {
                deal.sector_terminated(epoch);
            }
        }
    }

    /// Queues the next window of a deadline in which something can change.
    pub(super) fn watch(&mut self, provider: ProviderId, deadline: u64) {
        let Some(miner) = self.miners.get(&provider) else { return };
        let Some(window) = miner.next_change(deadline, self.now + 1) else { return };
        if self.watched.insert((provider, window.open)) {
            if window.post() > self.now {
                self.push(window.post(), Event::Post(provider, window));
            }
            self.push(window.last(), Event::Close(provider, window));
        }
    }
}
