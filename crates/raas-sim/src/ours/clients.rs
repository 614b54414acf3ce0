//! The clients of the nodes, and whoever runs them: data is handed over and jobs are registered and
//! removed when the time has come; copies are removed where disks are small, and lost where they break.

use std::{collections::BTreeMap, sync::Arc};

use futures::{FutureExt, StreamExt, stream};
use raas_retrieval::{BlobStore, ImportProfile};
use raas_types::{ChainEpoch, Cid, EpochDelta, JobId, Terms};

use super::life::{Ended, Life, Task};
use crate::{
    ports::{Scene, Turn},
    rng::mix,
    world::World,
};

/// A node with a small disk keeps a copy for two weeks.
const KEPT_FOR: EpochDelta = EpochDelta::days(14);

/// What has been asked for so far.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// How many of the requests have been taken.
    taken: usize,
    /// Jobs to be removed, and when.
    to_remove: BTreeMap<(ChainEpoch, JobId), ()>,
    tidied: ChainEpoch,
    /// When the operator will have looked into why spending has stopped.
    resumes: Option<ChainEpoch>,
}

enum Wish {
    Resume,
    Register(Cid, Box<Terms>),
    Remove(JobId),
}

/// What a node did for them.
enum Done {
    Resumed,
    Registered(JobId),
    Removed,
}

impl Clients {
    /// The operator sees the alert of any node, and has looked into it within two days. To resume what goes
    /// on is harmless.
    fn see_alert(&mut self, world: &World, life: &Life) {
        if life.node.spending_stopped().is_some() && self.resumes.is_none() {
            let hours = mix(world.now.get().unsigned_abs()) % 48;
            self.resumes = Some(world.now + EpochDelta::HOUR.times(1 + hours as i64));
        }
    }

    /// Whether a client waits for a node.
    pub(super) fn has_work(&self, world: &World) -> bool {
        self.wish(world).is_some()
    }

    fn wish(&self, world: &World) -> Option<Wish> {
        if self.resumes.is_some_and(|at| at <= world.now) {
            return Some(Wish::Resume);
        }
        let due = self.to_remove.keys().next().filter(|(at, _)| *at <= world.now);
        if let Some((_, job)) = due {
            return Some(Wish::Remove(job.clone()));
        }
        let request = world.requests.get(self.taken).filter(|request| request.at <= world.now)?;
        Some(Wish::Register(world.data[request.datum].cid, Box::new(request.terms.clone())))
    }

    /// Has a node do what clients wait for; `Some` when that ended its turn.
    pub(super) fn serve(
        &mut self,
        scene: &Arc<Scene>,
        life: &mut Life,
        number: usize,
        blobs: &BlobStore,
    ) -> Option<Ended> {
        self.see_alert(&scene.world(), life);
        loop {
            let wish = self.wish(&scene.world())?;
            let node = life.node.clone();
            let task = match wish {
                Wish::Resume => life.run(async move {
                    node.resume_spending().await.is_ok().then_some(Done::Resumed)
                }),
                Wish::Register(cid, terms) => {
                    self.upload(scene, number, blobs);
                    life.run(async move {
                        node.register(cid, *terms).await.map(|r| Done::Registered(r.job.id)).ok()
                    })
                }
                Wish::Remove(job) => life.run(async move {
                    // One that is not there is removed.
                    let gone = |error: &raas_runtime::RuntimeError| {
                        matches!(error, raas_runtime::RuntimeError::NoSuchJob(_))
                    };
                    let removed = node.remove_job(&job).await;
                    (removed.is_ok() || removed.is_err_and(|error| gone(&error)))
                        .then_some(Done::Removed)
                }),
            };
            match task {
                Task::Done(Some(Done::Registered(job))) => {
                    self.registered(&mut scene.world(), &job);
                }
                Task::Done(Some(Done::Removed)) => {
                    self.to_remove.pop_first();
                }
                Task::Done(Some(Done::Resumed)) => {
                    self.resumes = None;
                }
                // The store failed: the client tries again later.
                Task::Done(None) => return None,
                Task::Ended(ended) => return Some(ended),
                // A client does not wait for a node that hangs.
                Task::Stopped(_) => return Some(Ended::Turned(Turn::Died)),
            }
        }
    }

    fn registered(&mut self, world: &mut World, job: &JobId) {
        let request = world.requests[self.taken].clone();
        self.taken += 1;
        let now = world.now;
        world.data[request.datum].entrusted.get_or_insert(now);
        let Terms { replication, renewal, repair, until, .. } = &request.terms;
        world.chronicle.tell(
            now,
            request.datum,
            format_args!(
                "job {job} is registered: {replication:?} {renewal:?} {repair:?} {until:?}"
            ),
        );
        if let Some(removed) = request.removed {
            self.to_remove.insert((removed, job.clone()), ());
        }
    }

    /// The client hands the bytes to a node, if it is one that it hands them to.
    fn upload(&self, scene: &Arc<Scene>, number: usize, blobs: &BlobStore) {
        let mut world = scene.world();
        let request = &world.requests[self.taken];
        let (datum, wants) = (request.datum, request.uploaded_to.get(number) == Some(&true));
        let has_it = world.now < world.data[datum].client_until;
        if world.data[datum].copies[number] || !wants || !has_it {
            return;
        }
        let file = world.data[datum].file.clone().into();
        let bytes = stream::iter([Ok(file)]).boxed();
        let imported = blobs.import(bytes, &ImportProfile::default(), None).now_or_never();
        world.data[datum].copies[number] = imported.is_some_and(|imported| imported.is_ok());
    }

    /// Removes copies: once a day those that a small disk has no room for, and those that were lost.
    pub(super) fn tidy(&mut self, scene: &Arc<Scene>, blobs: &[&BlobStore]) {
        let mut world = scene.world();
        let lost = std::mem::take(&mut world.dropped);
        let is_day = self.tidied + EpochDelta::DAY <= world.now;
        if is_day {
            self.tidied = world.now;
        }
        let is_time = is_day && !world.weather.keeps_copies;
        if lost.is_empty() && !is_time {
            return;
        }
        for datum in 0..world.data.len() {
            let old = |at: ChainEpoch| at + KEPT_FOR <= world.now;
            let is_old = is_time && world.data[datum].entrusted.is_some_and(old);
            let may_go = is_old && world.deals_of(datum).any(|deal| world.serves(deal));
            for (number, blobs) in blobs.iter().enumerate() {
                if world.data[datum].copies[number] && (may_go || lost.contains(&number)) {
                    let cid = world.data[datum].cid;
                    let removed = blobs.remove(&cid).now_or_never();
                    world.data[datum].copies[number] = !matches!(removed, Some(Ok(_)));
                }
            }
        }
    }

    /// Takes note of copies that nodes fetched.
    pub(super) fn note_copies(&self, scene: &Arc<Scene>, blobs: &[&BlobStore]) {
        let mut world = scene.world();
        for (datum, number) in std::mem::take(&mut world.fetched) {
            let cid = world.data[datum].cid;
            let has = blobs[number].has(&cid).now_or_never().unwrap_or(false);
            world.data[datum].copies[number] = has;
        }
    }
}
