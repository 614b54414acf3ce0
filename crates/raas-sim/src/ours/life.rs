//! One life of a node: its runtime with a clock of its own, the node, and its fate. What it was doing
//! when it dies is never done.

use std::{sync::Arc, time::Duration};

use raas_job_store::MemoryJobStore;
use raas_lotus::LotusChain;
use raas_retrieval::BlobStore;
use raas_runtime::{CorePlanner, Node, PassReport, Settings};
use raas_types::{ChainEpoch, EpochDelta};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::tell;
use crate::{
    invariants::Watched,
    plant::{self, Plant},
    ports::{Fate, Link, Scene, SimAggregator, SimChain, SimContract, SimSource, SimStore, Turn},
    rng::Dice,
    world::World,
};

/// One life of a node.
pub(super) struct Life {
    runtime: Runtime,
    scene: Arc<Scene>,
    number: usize,
    pub(super) node: Node,
    fate: Arc<Fate>,
    /// The epoch by which its clock has come.
    clock: ChainEpoch,
    /// What was stopped.
    stopped: Option<Stopped>,
}

/// What a node was at when it was stopped.
enum Stopped {
    /// A pass.
    Passing(JoinHandle<PassReport>),
    /// What goes on beside passes, after one that ended so.
    Beside(Ended),
}

/// What goes on beside passes is given so much time after each: more than an aggregator takes to answer.
const BESIDE: Duration = Duration::from_secs(100);

/// Which life of which node.
pub(super) struct Which {
    /// The node.
    pub(super) number: usize,
    /// Numbers the lives of all nodes.
    pub(super) life: u64,
    /// It dies after so many counts.
    pub(super) counts: u64,
    /// The bug that the node has.
    pub(super) plant: Option<Plant>,
}

/// How a node's turn ended.
pub(super) enum Ended {
    /// It made a pass.
    Passed { gated: bool, eventful: bool },
    /// It died, or was stopped.
    Turned(Turn),
    /// It broke off by itself.
    Panicked(String),
    /// It was shut down in peace.
    Left,
}

/// How a task of a node ended.
pub(super) enum Task<T> {
    Done(T),
    Ended(Ended),
    /// It was stopped, and can go on.
    Stopped(JoinHandle<T>),
}

impl Life {
    /// Starts a node over the ports of the world.
    pub(super) fn begin(
        scene: &Arc<Scene>,
        store: &MemoryJobStore,
        blobs: &BlobStore,
        Which { number, life, counts, plant }: Which,
    ) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime of one thread");
        let fate = Arc::new(Fate::dies_after(counts));
        let world = scene.world();
        let dice = Dice::new(world.seed, "link", life);
        let link = Link::new(Arc::clone(scene), number, Arc::clone(&fate), dice);
        let node = build(&world, &link, store, blobs, plant);
        let clock = world.now;
        drop(world);
        Self { runtime, scene: Arc::clone(scene), number, node, fate, clock, stopped: None }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Has it stopped within the next pass, perhaps.
    pub(super) fn stop_after(&self, counts: u64) {
        self.fate.stop_after(counts);
    }

    /// Lets its clock go on to `now`, so many times as fast as it should.
    pub(super) fn let_time_pass(&mut self, now: ChainEpoch, faster: i64) {
        let epochs = now.since(self.clock).get().max(0).saturating_mul(faster);
        self.clock = now;
        let time = Duration::from_secs(epochs.unsigned_abs().saturating_mul(30));
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                // The next task will find it dead or stopped.
                () = self.fate.is_over() => {}
                () = tokio::time::advance(time) => {}
            }
        });
    }

    /// Makes a pass.
    pub(super) fn pass(&mut self) -> Ended {
        let node = self.node.clone();
        let task = self.run(async move { node.pass().await });
        self.passed(task)
    }

    /// Goes on with the pass that was stopped.
    pub(super) fn go_on(&mut self) -> Ended {
        self.fate.go_on();
        match self.stopped.take() {
            None => self.pass(),
            Some(Stopped::Beside(passed)) => self.beside(passed),
            Some(Stopped::Passing(handle)) => {
                let task = self.wait(handle);
                self.passed(task)
            }
        }
    }

    /// Shuts it down in peace: what is under way is ended, and the store is given up.
    pub(super) fn leave(&mut self) -> Ended {
        let (node, shutdown) = (self.node.clone(), CancellationToken::new());
        shutdown.cancel();
        match self.run(async move { node.run(shutdown).await }) {
            Task::Done(()) => Ended::Left,
            Task::Ended(ended) => ended,
            // Who waits for it loses patience.
            Task::Stopped(_) => Ended::Turned(Turn::Died),
        }
    }

    /// Runs a task of the node until it ends, or the node does.
    pub(super) fn run<T: Send + 'static>(
        &mut self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let handle = self.runtime.spawn(task);
        self.wait(handle)
    }

    fn wait<T>(&mut self, mut handle: JoinHandle<T>) -> Task<T> {
        let fate = Arc::clone(&self.fate);
        let ended = self.runtime.block_on(async {
            tokio::select! {
                biased;
                turn = fate.turn() => Err(turn),
                done = &mut handle => Ok(done),
            }
        });
        match ended {
            Ok(Ok(done)) => Task::Done(done),
            Ok(Err(broken)) => Task::Ended(Ended::Panicked(broken.to_string())),
            Err(Turn::Stopped) => Task::Stopped(handle),
            Err(Turn::Died) => Task::Ended(Ended::Turned(Turn::Died)),
        }
    }

    fn passed(&mut self, task: Task<PassReport>) -> Ended {
        let report = match task {
            Task::Done(report) => report,
            Task::Ended(ended) => return ended,
            Task::Stopped(handle) => {
                self.stopped = Some(Stopped::Passing(handle));
                return Ended::Turned(Turn::Stopped);
            }
        };
        {
            let world = &mut *self.scene.world();
            tell::of(world, self.number, &report);
            if report.gated.is_none() {
                let stopped = self.node.spending_stopped().map(|tripped| tripped.at);
                let mut watch = self.scene.watch();
                watch.passed(world);
                watch.stopped(world, self.number, stopped);
                if stopped.is_some() {
                    world.unattended_until = world.now + EpochDelta::DAY.times(2);
                }
            }
        }
        let eventful = !report.events.is_empty();
        self.beside(Ended::Passed { gated: report.gated.is_some(), eventful })
    }

    /// Lets what goes on beside passes come to its end.
    fn beside(&mut self, passed: Ended) -> Ended {
        match self.run(async { tokio::time::sleep(BESIDE).await }) {
            Task::Done(()) => passed,
            Task::Ended(ended) => ended,
            Task::Stopped(_) => {
                self.stopped = Some(Stopped::Beside(passed));
                Ended::Turned(Turn::Stopped)
            }
        }
    }
}

/// A node over the ports of the world; a bug that is planted sits between it and them.
fn build(
    world: &World,
    link: &Link,
    store: &MemoryJobStore,
    blobs: &BlobStore,
    plant: Option<Plant>,
) -> Node {
    let planner = plant::planner(plant, Arc::new(CorePlanner));
    let watched = Watched { inner: planner, scene: Arc::clone(&link.scene) };
    let store = SimStore { link: link.clone(), inner: store.clone() };
    let settings = Settings { name: format!("node-{}", link.node), ..Settings::default() };
    let mut builder = Node::builder()
        .contract(Arc::new(SimContract { link: link.clone() }))
        .recorder(Arc::new(SimContract { link: link.clone() }))
        .store(plant::store(plant, Arc::new(store)))
        .blobs(blobs.clone())
        .source(Arc::new(SimSource { link: link.clone() }))
        .planner(Arc::new(watched))
        .providers(world.provider_book())
        .settings(settings);
    let endpoints = world.endpoints.iter().enumerate().map(|(number, endpoint)| {
        let name = endpoint.name.clone();
        Arc::new(SimChain { link: link.clone(), number, name }) as Arc<dyn LotusChain>
    });
    for chain in plant::chains(plant, endpoints.collect()) {
        builder = builder.chain(chain);
    }
    for (number, service) in world.services.iter().enumerate() {
        let (name, capabilities) = (service.name.clone(), service.capabilities.clone());
        let aggregator = SimAggregator { link: link.clone(), number, name, capabilities };
        builder = builder.aggregator(plant::aggregator(plant, Arc::new(aggregator)));
    }
    builder.build().expect("every port has an adapter")
}
