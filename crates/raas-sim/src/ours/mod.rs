//! The real node over the ports of a world: one or several of them on one store, passed by the driver,
//! dying, stopped, and started again.

mod clients;
mod life;
mod tell;

use std::{path::Path, sync::Arc};

use futures::FutureExt;
use raas_job_store::{JobStore, MemoryJobStore};
use raas_retrieval::BlobStore;
use raas_types::{ChainEpoch, EpochDelta};

use crate::{
    keeper::Keeper,
    options::Trouble,
    plant::Plant,
    ports::{Scene, Turn},
    rng::Dice,
};
use clients::Clients;
use life::{Ended, Life, Which};

/// All nodes of a world.
pub(crate) struct Ours {
    scene: Arc<Scene>,
    store: MemoryJobStore,
    members: Vec<Member>,
    clients: Clients,
}

/// One node, through all its lives.
struct Member {
    number: usize,
    dice: Dice,
    blobs: BlobStore,
    /// The bug that it has.
    plant: Option<Plant>,
    life: Option<Life>,
    lives: u64,
    /// When it acts next.
    next: ChainEpoch,
    /// Until when its clock stands still.
    clock_stands_until: ChainEpoch,
}

impl Ours {
    pub(crate) fn new(scene: &Arc<Scene>, place: &Path, plant: Option<Plant>) -> Self {
        let (nodes, now, seed) = {
            let world = scene.world();
            (world.weather.nodes, world.now, world.seed)
        };
        let member = |number| {
            let dir = place.join(format!("node-{number}"));
            Member {
                number,
                dice: Dice::new(seed, "member", number as u64),
                blobs: BlobStore::open_inline(dir).expect("the directory can be written"),
                plant,
                life: None,
                lives: 0,
                next: now + EpochDelta::new(1 + number as i64),
                clock_stands_until: now,
            }
        };
        Self {
            scene: Arc::clone(scene),
            store: MemoryJobStore::new(),
            members: (0..nodes).map(member).collect(),
            clients: Clients::default(),
        }
    }

    /// Whether there is anything to do at the next final tipset; a node cannot know before it looks.
    fn is_anything_due(&self) -> bool {
        let now = self.scene.world().now;
        let due = self.store.due_jobs(now, 1).now_or_never();
        let orders = self.store.outstanding_orders().now_or_never();
        let transactions = self.store.open_transactions().now_or_never();
        due.is_none_or(|due| due.map_or(true, |due| !due.is_empty()))
            || orders.is_none_or(|orders| orders.map_or(true, |orders| !orders.is_empty()))
            || transactions.is_none_or(|open| open.map_or(true, |open| !open.is_empty()))
    }

    /// One member's turn.
    fn turn(&mut self, place: usize) {
        let busy = self.clients.has_work(&self.scene.world());
        let idle = !busy && !self.is_anything_due();
        let member = &mut self.members[place];
        if idle
            && member.life.as_ref().is_none_or(|life| !life.is_stopped())
            && member.dice.percent(85)
        {
            member.rest(&self.scene);
            return;
        }
        if member.life.is_none() {
            member.start(&self.scene, &self.store);
        }
        let Some(life) = &mut member.life else { return };
        if !life.is_stopped() {
            member.draw_trouble(&self.scene);
        }
        let Some(life) = &mut member.life else { return };
        let ended = match life.is_stopped() {
            true => life.go_on(),
            false => {
                let served = self.clients.serve(&self.scene, life, member.number, &member.blobs);
                served.unwrap_or_else(|| life.pass())
            }
        };
        member.after(&self.scene, ended);
    }
}

impl Keeper for Ours {
    fn act(&mut self) -> ChainEpoch {
        self.clients.tidy(&self.scene, &self.members.iter().map(|m| &m.blobs).collect::<Vec<_>>());
        let now = self.scene.world().now;
        for place in 0..self.members.len() {
            if self.members[place].next <= now {
                self.turn(place);
            }
        }
        self.clients
            .note_copies(&self.scene, &self.members.iter().map(|m| &m.blobs).collect::<Vec<_>>());
        let now = self.scene.world().now;
        let next = self.members.iter().map(|member| member.next).min();
        next.unwrap_or(now).max(now + EpochDelta::new(1))
    }
}

impl Member {
    fn start(&mut self, scene: &Arc<Scene>, store: &MemoryJobStore) {
        self.lives += 1;
        let weather = scene.world().weather.clone();
        // A life in counts of calls: some 4000 a day of passes, most of them reading.
        let counts = match weather.has(Trouble::Crashes) {
            true => {
                let days = self.dice.wait(weather.crash_every).get() / EpochDelta::DAY.get();
                // Half of all deaths come soon: while the one before is not over.
                let soon = self.dice.percent(30);
                if soon {
                    1 + self.dice.below(600)
                } else {
                    1 + days.unsigned_abs() * 900 + self.dice.below(900)
                }
            }
            false => u64::MAX,
        };
        let number = (self.number as u64) << 32 | self.lives;
        let which = Which { number: self.number, life: number, counts, plant: self.plant };
        self.life = Some(Life::begin(scene, store, &self.blobs, which));
    }

    /// What befalls it in this pass, and how its clock has gone on.
    fn draw_trouble(&mut self, scene: &Arc<Scene>) {
        let (weather, now) = {
            let world = scene.world();
            (world.weather.clone(), world.now)
        };
        let Some(life) = &mut self.life else { return };
        if weather.has(Trouble::Freezes) && self.dice.below(60) == 0 {
            life.stop_after(1 + self.dice.below(600));
        }
        let mut faster = 1;
        if weather.has(Trouble::Clocks) {
            match self.dice.below(100) {
                0 => {
                    self.clock_stands_until =
                        now + self.dice.span(EpochDelta::HOUR, EpochDelta::days(3))
                }
                1..=3 => faster = self.dice.between(2, 200),
                _ => {}
            }
        }
        if now < self.clock_stands_until {
            scene.world().unattended_until = now + EpochDelta::DAY.times(2);
            faster = 0;
        }
        life.let_time_pass(now, faster);
    }

    /// Nothing is due: it looks again later.
    fn rest(&mut self, scene: &Arc<Scene>) {
        let world = scene.world();
        self.next = world.now + self.dice.wait(world.weather.cadence.half());
    }

    /// What follows from how its turn ended.
    fn after(&mut self, scene: &Arc<Scene>, ended: Ended) {
        let mut world = scene.world();
        let (now, cadence, number) = (world.now, world.weather.cadence, self.number);
        let dice = &mut self.dice;
        let wait = match ended {
            Ended::Turned(Turn::Died) => {
                world.tally.crashes += 1;
                scene.watch().died(number);
                self.life = None;
                let longest = dice.pick(&[200, 200, 200, 2_880, 15_000]).unwrap_or(200);
                let wait = dice.span(EpochDelta::new(1), EpochDelta::new(longest));
                world.chronicle.tell_all(now, format_args!("node {number} dies, for {wait}"));
                wait
            }
            Ended::Turned(Turn::Stopped) => {
                world.tally.faults_injected += 1;
                scene.watch().stopped_still(number);
                let longest = dice.pick(&[500, 2_880, 12_000]).unwrap_or(500);
                let wait = dice.span(EpochDelta::new(1), EpochDelta::new(longest));
                world.chronicle.tell_all(now, format_args!("node {number} is stopped, for {wait}"));
                wait
            }
            Ended::Panicked(words) => {
                scene.watch().died(number);
                self.life = None;
                world.chronicle.tell_all(now, format_args!("node {number} panics: {words}"));
                let invariant = crate::invariants::Invariant::NeverPanics;
                scene.watch().broken(invariant, now, 0, words);
                cadence
            }
            Ended::Passed { gated, eventful } => {
                let usual = dice.span(cadence.half(), cadence + cadence.half());
                let soon = dice.span(EpochDelta::new(1), EpochDelta::new(150));
                if gated && dice.percent(30) {
                    dice.span(EpochDelta::new(20), EpochDelta::HOUR.times(4)).min(usual)
                } else if dice.percent(if eventful { 40 } else { 8 }) {
                    soon
                } else {
                    usual
                }
            }
            Ended::Left => {
                scene.watch().died(number);
                self.life = None;
                world.chronicle.tell_all(now, format_args!("node {number} shuts down"));
                dice.span(EpochDelta::HOUR, EpochDelta::days(3))
            }
        };
        self.next = now + wait;
        // A node that works well is shut down now and then, for another to take over.
        if self.life.is_some() && world.weather.has(Trouble::Several) && self.dice.below(150) == 0 {
            drop(world);
            if let Some(life) = &mut self.life
                && !life.is_stopped()
            {
                let ended = life.leave();
                self.after(scene, ended);
            }
        }
    }
}
