//! How long a node lives, and when it is stopped: counted in calls of its ports. A call that is not to
//! return never does, as in a process that is gone, so that the code under test takes no further step.

use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// Reading counts once, and what has an effect as often as this: most deaths come where they matter.
const EFFECT: u64 = 25;

/// A node's fate.
#[derive(Debug)]
pub(crate) struct Fate {
    lives: AtomicU64,
    runs: AtomicU64,
    dead: AtomicBool,
    stopped: AtomicBool,
    /// How often it was stopped so far.
    stops: AtomicU64,
    /// Wakes those that wait in the order in which they came; a `watch` of tokio's would do so in any
    /// order.
    going_on: Notify,
    turned: Notify,
}

/// What a fate came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The node died.
    Died,
    /// It was stopped.
    Stopped,
}

impl Fate {
    /// A node that dies after so many counts.
    pub(crate) fn dies_after(counts: u64) -> Self {
        Self {
            lives: AtomicU64::new(counts),
            runs: AtomicU64::new(u64::MAX),
            dead: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            stops: AtomicU64::new(0),
            going_on: Notify::new(),
            turned: Notify::new(),
        }
    }

    /// Has the node stopped after so many counts from now on.
    pub(crate) fn stop_after(&self, counts: u64) {
        self.runs.store(counts, Ordering::Relaxed);
    }

    /// Lets a stopped node go on.
    pub(crate) fn go_on(&self) {
        self.stopped.store(false, Ordering::Relaxed);
        self.going_on.notify_waiters();
    }

    /// Returns when the node dies or is stopped.
    pub(crate) async fn turn(&self) -> Turn {
        self.turned.notified().await;
        if self.dead.load(Ordering::Relaxed) { Turn::Died } else { Turn::Stopped }
    }

    /// Returns at once when the node is dead or stopped, and never else.
    pub(crate) async fn is_over(&self) {
        if !self.dead.load(Ordering::Relaxed) && !self.stopped.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    /// How often the node was stopped so far: a connection that was open meanwhile is gone.
    pub(crate) fn stops(&self) -> u64 {
        self.stops.load(Ordering::Relaxed)
    }

    /// Before a call that reads, and after it.
    pub(crate) async fn read(&self) {
        self.count(1);
        self.pass().await;
    }

    /// Before a call that has an effect; whether the node was stopped meanwhile.
    pub(crate) async fn effect(&self) -> bool {
        self.count(EFFECT);
        self.pass().await
    }

    /// After a call that had an effect: the node may die, and is not stopped.
    pub(crate) async fn done(&self) {
        if spend(&self.lives, EFFECT) {
            self.dead.store(true, Ordering::Relaxed);
            self.turned.notify_one();
        }
        self.pass().await;
    }

    fn count(&self, counts: u64) {
        if spend(&self.lives, counts) {
            self.dead.store(true, Ordering::Relaxed);
            self.turned.notify_one();
        } else if spend(&self.runs, counts) {
            self.stopped.store(true, Ordering::Relaxed);
            self.stops.fetch_add(1, Ordering::Relaxed);
            self.turned.notify_one();
        }
    }

    async fn pass(&self) -> bool {
        let mut was_stopped = false;
        while self.stopped.load(Ordering::Relaxed) {
            was_stopped = true;
            self.going_on.notified().await;
        }
        if self.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        was_stopped
    }
}

/// Counts down; whether it has just come to nothing.
fn spend(left: &AtomicU64, counts: u64) -> bool {
    let before = left.load(Ordering::Relaxed);
    if before == u64::MAX || before == 0 {
        return false;
    }
    let after = before.saturating_sub(counts);
    left.store(after, Ordering::Relaxed);
    after == 0
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_call_of_the_dead_never_returns() {
        let fate = Fate::dies_after(2);
        assert!(fate.read().now_or_never().is_some());
        assert!(fate.read().now_or_never().is_none());
        assert_eq!(fate.turn().now_or_never(), Some(Turn::Died));
        assert!(fate.read().now_or_never().is_none());
    }

    #[test]
    fn a_call_of_the_stopped_returns_when_it_goes_on() {
        let fate = Fate::dies_after(u64::MAX);
        fate.stop_after(1);
        let mut call = Box::pin(fate.effect());
        assert_eq!(call.as_mut().now_or_never(), None);
        assert_eq!(fate.turn().now_or_never(), Some(Turn::Stopped));
        fate.go_on();
        assert_eq!(call.now_or_never(), Some(true));
        assert_eq!(fate.effect().now_or_never(), Some(false));
    }
}
