//! The recent past, kept so that it can be lived through again: reorganisations of the chain.
//!
//! A reorganisation of depth `n` at epoch `now` keeps what lies at or below the fork, `now - n`, and
//! replaces all above. The model:
//!
//! - The new fork has a tipset at `now`. Between the fork and there, tipsets have other keys, and
//!   null rounds fall elsewhere.
//! - What cron does by the clock happens again at its epoch: missed proofs, terminations for age,
//!   deals that time out. Providers see to their proofs and recoveries at once, so that these are
//!   back in their epochs as well.
//! - All other messages of the orphaned tipsets - publications, activations, terminations,
//!   declarations, settlements, transactions of the EVM - return to the pool. The new fork is
//!   without them up to `now`; the first tipset after it takes them all, in their order, orders of
//!   the aggregator before the laboratory's messages. A deal may get another id there, and one whose
//!   start is over by then is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raas_types::ProviderId;

use super::{
    events::Event,
    input::Input,
    market::Deal,
    miner::Miner,
    world::{Ticketed, World},
};

/// How far back the past is kept: EC finality. Nothing deeper is ever reorganised.
pub(super) const KEPT: i64 = 900;
/// Epochs between two kept states: four of them cover what is kept, and going back to one costs
/// living through at most this much again.
const INTERVAL: i64 = 300;

/// States and deeds of the recent past.
#[derive(Default)]
pub(super) struct Past {
    saved: VecDeque<Saved>,
    /// (epoch, deed), ascending; those not done yet are at the end.
    inputs: VecDeque<(i64, Input)>,
    /// Number of the first of `inputs`, counted from the beginning of the world.
    first: usize,
    /// Number of the first deed that is not done yet.
    done: usize,
}

/// All that changes of a world, but for the EVM side, which keeps its own history.
#[derive(Clone)]
struct Saved {
    now: i64,
    queue: BTreeMap<(i64, u64), Event>,
    next_event: u64,
    messages_from: i64,
    tickets: Vec<Ticketed>,
    deals: Vec<Deal>,
    miners: BTreeMap<ProviderId, Miner>,
    watched: BTreeSet<(ProviderId, i64)>,
    done: usize,
}

impl Past {
    /// Writes down what is done now.
    pub(super) fn record(&mut self, now: i64, input: Input) {
        self.inputs.insert(self.done - self.first, (now, input));
        self.done += 1;
    }

    /// The epoch of the next deed that is not done yet.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.inputs.get(self.done - self.first).map(|(at, _)| *at)
    }

    /// The next deed that is due, which counts as done from here on.
    pub(super) fn take_due(&mut self, now: i64) -> Option<Input> {
        let (at, input) = self.inputs.get(self.done - self.first)?;
        let due = (*at <= now).then(|| input.clone());
        self.done += usize::from(due.is_some());
        due
    }

    /// The epoch of the next state that must be kept; `None` when none is kept yet.
    pub(super) fn next_save(&self) -> Option<i64> {
        self.saved.back().map(|saved| saved.now + INTERVAL)
    }

    /// The oldest epoch that can be gone back to.
    fn oldest(&self) -> Option<i64> {
        self.saved.front().map(|saved| saved.now)
    }

    /// Forgets what is older than anybody may go back.
    fn forget(&mut self, now: i64) {
        while self.saved.get(1).is_some_and(|second| second.now <= now - KEPT) {
            self.saved.pop_front();
        }
        let keep_from = self.saved.front().map_or(0, |oldest| oldest.done);
        while self.first < keep_from && self.inputs.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl World {
    /// Keeps the present state, unless a recent one is kept.
    pub(super) fn keep(&mut self) {
        if self.past.next_save().is_none_or(|at| at <= self.now) {
            self.save();
        }
    }

    /// Replaces the tipsets of the last `depth` epochs by another fork. Answers why not when they
    /// are not there or final.
    pub(crate) fn reorg(&mut self, depth: i64) -> Result<(), String> {
        let target = self.now;
        let fork = target - depth;
        let oldest = self.past.oldest().unwrap_or(target);
        let last = self.view().finalized().max(oldest);
        if depth < 1 || fork < last {
            let most = target - last;
            return Err(format!(
                "depth is {depth}: epoch {last} is final or the first there is, so write 1 to {most}"
            ));
        }
        self.replaying = true;
        self.go_back(fork);
        self.config_mut().clock.fork(fork, target);
        self.orphan_messages(target);
        self.save();
        self.pass_to(target);
        self.replaying = false;
        self.roll_back_evm(fork);
        Ok(())
    }

    /// Restores the state after `epoch`.
    fn go_back(&mut self, epoch: i64) {
        while self.past.saved.len() > 1
            && self.past.saved.back().is_some_and(|saved| saved.now > epoch)
        {
            self.past.saved.pop_back();
        }
        if let Some(saved) = self.past.saved.back().cloned() {
            self.restore(saved);
        }
        self.undergo_due();
        self.pass_to(epoch);
    }

    /// Moves all messages that the orphaned tipsets held into the first tipset after `last`.
    fn orphan_messages(&mut self, last: i64) {
        let next = self.clock().at_or_after(last + 1);
        self.messages_from = next;
        let early = self.queue.iter().filter(|((at, _), event)| *at < next && event.is_message());
        let early: Vec<_> = early.map(|(key, _)| *key).collect();
        for key in early {
            if let Some(event) = self.queue.remove(&key) {
                self.push_message(next, event);
            }
        }
        let undone = self.past.done - self.past.first;
        let ahead = self.past.inputs.make_contiguous();
        for (at, input) in &mut ahead[undone..] {
            if matches!(input, Input::Message(_)) {
                *at = (*at).max(next);
            }
        }
        // Stable: what is due at the same epoch keeps its order.
        ahead[undone..].sort_by_key(|(at, _)| *at);
    }

    /// How many states and deeds are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.past.saved.len(), self.past.inputs.len())
    }

    fn save(&mut self) {
        let saved = Saved {
            now: self.now,
            queue: self.queue.clone(),
            next_event: self.next_event,
            messages_from: self.messages_from,
            tickets: self.tickets.clone(),
            deals: self.deals.clone(),
            miners: self.miners.clone(),
            watched: self.watched.clone(),
            done: self.past.done,
        };
        while self.past.saved.back().is_some_and(|saved| saved.now >= self.now) {
            self.past.saved.pop_back();
        }
        self.past.saved.push_back(saved);
        self.past.forget(self.now);
    }

    fn restore(&mut self, saved: Saved) {
        self.now = saved.now;
        self.queue = saved.queue;
        self.next_event = saved.next_event;
        self.messages_from = saved.messages_from;
        self.tickets = saved.tickets;
        self.deals = saved.deals;
        self.miners = saved.miners;
        self.watched = saved.watched;
        self.past.done = saved.done;
    }
}
