//! What takes long goes on beside the passes: fetching bytes, sending orders, asking aggregators what
//! became of them. A provider that trickles or an aggregator that hangs so delays its own CIDs alone.
//!
//! A CID is *claimed* by whoever works on it, a look or a transfer, so that no two write about it at
//! once. Each kind of work has a *lane* with a bounded number of places: one lane for fetching, and
//! one for each aggregator. A pass waits a while for what it started, so that quick transfers are part
//! of it; what they bring later is reported by the next pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cid::Cid;
use raas_types::AggregatorName;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{Event, Node, PassReport, node::locked};

/// How long a shutdown waits for transfers. What is cut off is taken up again at the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// The transfers of a node.
#[derive(Debug)]
pub(crate) struct Transfers {
    claimed: Mutex<BTreeSet<Cid>>,
    lanes: Mutex<BTreeMap<Lane, Arc<Semaphore>>>,
    outcome: Mutex<Outcome>,
    /// The numbers of those that run; they are given in sequence.
    running: watch::Sender<BTreeSet<u64>>,
    next: AtomicU64,
    tasks: Mutex<JoinSet<()>>,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            claimed: Mutex::default(),
            lanes: Mutex::default(),
            outcome: Mutex::default(),
            running: watch::Sender::default(),
            next: AtomicU64::new(0),
            tasks: Mutex::default(),
        }
    }
}

/// A kind of work with places of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Fetching bytes.
    Fetch,
    /// Talking to one aggregator.
    Aggregator(AggregatorName),
}

/// What transfers brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) errors: Vec<String>,
}

impl From<Event> for Outcome {
    fn from(event: Event) -> Self {
        Self { events: vec![event], errors: Vec::new() }
    }
}

/// The right to work on a CID; given back when dropped.
pub(crate) struct Claim {
    node: Node,
    cid: Cid,
}

impl Claim {
    /// What is claimed.
    pub(crate) fn cid(&self) -> Cid {
        self.cid
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        locked(&self.node.transfers().claimed).remove(&self.cid);
    }
}

/// A transfer that is known to run until dropped, however it ends.
struct Running {
    node: Node,
    number: u64,
}

impl Running {
    fn begin(node: &Node) -> Self {
        let number = node.transfers().next.fetch_add(1, Ordering::Relaxed);
        node.transfers().running.send_modify(|running| {
            running.insert(number);
        });
        Self { node: node.clone(), number }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.node.transfers().running.send_modify(|running| {
            running.remove(&self.number);
        });
    }
}

impl Node {
    /// Claims a CID; `None` while someone else works on it.
    pub(crate) fn claim(&self, cid: &Cid) -> Option<Claim> {
        let free = locked(&self.transfers().claimed).insert(*cid);
        free.then(|| Claim { node: self.clone(), cid: *cid })
    }

    /// Starts work in a lane; it begins when there is a place.
    pub(crate) fn beside(&self, lane: Lane, work: impl Future<Output = Outcome> + Send + 'static) {
        let places = self.settings().concurrency.max(1);
        let lane = {
            let mut lanes = locked(&self.transfers().lanes);
            let lane = lanes.entry(lane).or_insert_with(|| Arc::new(Semaphore::new(places)));
            Arc::clone(lane)
        };
        let running = Running::begin(self);
        let mut tasks = locked(&self.transfers().tasks);
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a transfer broke off");
            }
        }
        tasks.spawn(async move {
            let Ok(_place) = lane.acquire().await else { return };
            let Outcome { events, errors } = work.await;
            if !events.is_empty() {
                running.node.wake();
            }
            let mut outcome = locked(&running.node.transfers().outcome);
            outcome.events.extend(events);
            outcome.errors.extend(errors);
        });
    }

    /// The number of the next transfer: with it a pass tells its own transfers from earlier ones.
    pub(crate) fn next_transfer(&self) -> u64 {
        self.transfers().next.load(Ordering::Relaxed)
    }

    /// Waits for the transfers from number `since` on, at most for as long as a pass waits, and
    /// reports what was brought so far.
    pub(crate) async fn settle(&self, since: u64, report: &mut PassReport) {
        self.wait_for_transfers(since, self.settings().transfer_wait).await;
        self.collect(report);
    }

    /// Reports what transfers brought since they were last asked.
    pub(crate) fn collect(&self, report: &mut PassReport) {
        let Outcome { events, errors } = std::mem::take(&mut *locked(&self.transfers().outcome));
        events.into_iter().for_each(|event| report.event(event));
        errors.into_iter().for_each(|error| report.error(error));
    }

    /// Lets transfers end, then cuts off those that do not.
    pub(crate) async fn drain(&self) {
        self.wait_for_transfers(0, DRAIN).await;
        locked(&self.transfers().tasks).abort_all();
    }

    async fn wait_for_transfers(&self, since: u64, at_most: Duration) {
        let mut running = self.transfers().running.subscribe();
        let ended = running.wait_for(|running| running.range(since..).next().is_none());
        let _ = tokio::time::timeout(at_most, ended).await;
    }
}
