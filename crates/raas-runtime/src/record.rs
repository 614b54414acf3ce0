//! Recording: what looks saw and decided is durable before anything is done about it.

use std::collections::VecDeque;

use cid::Cid;
use raas_job_store::Change;
use raas_types::{ChainEpoch, Tipset};
use tokio_util::task::AbortOnDropHandle;

use crate::{Node, PassReport, look::Look};

/// Batches that are recorded beside a pass at most: while a store writes one, the next is put into
/// rows.
const AT_ONCE: usize = 2;

/// Looks that were recorded, and what is to be told of that.
#[derive(Default)]
struct Recorded {
    looks: Vec<Look>,
    decisions: u64,
    errors: Vec<String>,
}

impl Recorded {
    fn told(self, report: &mut PassReport) -> Vec<Look> {
        report.decisions += self.decisions;
        self.errors.into_iter().for_each(|error| report.error(error));
        self.looks
    }
}

/// What is recorded beside a pass. Its CIDs are claimed until it is durable.
#[derive(Default)]
pub(crate) struct Recordings {
    under_way: VecDeque<AbortOnDropHandle<Recorded>>,
}

impl Recordings {
    /// Waits until all is durable.
    pub(crate) async fn finish(&mut self, report: &mut PassReport) {
        self.leave(0, report).await;
    }

    /// Waits until so many are left, the oldest first.
    async fn leave(&mut self, most: usize, report: &mut PassReport) {
        while self.under_way.len() > most {
            let Some(oldest) = self.under_way.pop_front() else { break };
            match oldest.await {
                Ok(recorded) => drop(recorded.told(report)),
                Err(error) => report.error(format!("a batch was not recorded: {error}")),
            }
        }
    }
}

impl Node {
    /// Makes durable what was seen, decided, and when to look again. Returns those that were kept: the
    /// others are due still, and looked at anew.
    pub(crate) async fn record(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        report: &mut PassReport,
    ) -> Vec<Look> {
        if looks.is_empty() {
            return looks;
        }
        self.tell(&mut looks, pin, report);
        self.recorded(looks, pin).await.told(report)
    }

    /// Records looks of which nothing else comes beside the pass, once there is a place among
    /// `recordings`.
    pub(crate) async fn record_beside(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        recordings: &mut Recordings,
        report: &mut PassReport,
    ) {
        if looks.is_empty() {
            return;
        }
        self.tell(&mut looks, pin, report);
        recordings.leave(AT_ONCE - 1, report).await;
        let (node, pin) = (self.clone(), pin.clone());
        let recorded = async move {
            let Recorded { looks, decisions, errors } = node.recorded(looks, &pin).await;
            node.forget_fetched(&looks);
            // To free what a batch remembered takes as long as to decide about it: done here, where
            // nobody waits for it.
            drop(looks);
            Recorded { looks: Vec::new(), decisions, errors }
        };
        recordings.under_way.push_back(AbortOnDropHandle::new(tokio::spawn(recorded)));
    }

    /// What was fetched for these is told once.
    pub(crate) fn forget_fetched(&self, looks: &[Look]) {
        let mut fetched = self.fetched();
        for look in looks {
            fetched.remove(&look.subject.cid);
        }
    }

    /// Tells what looks changed in what is known, and alerts.
    fn tell(&self, looks: &mut [Look], pin: &Tipset, report: &mut PassReport) {
        for look in looks {
            look.events.drain(..).for_each(|event| report.event(event));
            let alerts = std::mem::take(&mut look.alerts);
            self.alerts().looked(&look.subject.cid, alerts, Some(pin.epoch));
        }
    }

    /// Writes what looks leave: all at once; where a client changed a job meanwhile or one row is
    /// refused, each by itself.
    async fn recorded(&self, mut looks: Vec<Look>, pin: &Tipset) -> Recorded {
        let mut all = Change::default();
        for look in &mut looks {
            let Change { memories, orders, jobs, decisions, .. } = look.change(self, pin);
            all.memories.extend(memories);
            all.orders.extend(orders);
            all.jobs.extend(jobs);
            all.decisions.extend(decisions);
        }
        let decisions = all.decisions.len() as u64;
        if self.commit(all).await.is_ok() {
            return Recorded { looks, decisions, errors: Vec::new() };
        }
        let mut recorded = Recorded::default();
        for mut look in looks {
            let change = look.change(self, pin);
            let decisions = change.decisions.len() as u64;
            match self.commit(change).await {
                Ok(()) => {
                    recorded.decisions += decisions;
                    recorded.looks.push(look);
                }
                Err(raas_job_store::Error::Stale(_)) => {}
                Err(error) => recorded.errors.push(format!("{}: {error}", look.subject.cid)),
            }
        }
        recorded
    }

    /// Has the jobs of a CID looked at again as soon as can be.
    pub(crate) async fn wake_cid(&self, cid: &Cid) -> raas_job_store::Result<()> {
        for stored in self.store().jobs_of(cid).await? {
            self.store().wake(&stored.value.job.id).await?;
        }
        Ok(())
    }

    /// Has the jobs of a CID looked at again at `at` and not before, unless someone wakes them.
    pub(crate) async fn put_off(&self, cid: &Cid, at: ChainEpoch) -> raas_job_store::Result<()> {
        for mut stored in self.store().jobs_of(cid).await? {
            let record = &mut stored.value.record;
            if record.next_look.is_none_or(|next| next == at) {
                continue;
            }
            record.next_look = Some(at);
            match self.store().update_job(&stored).await {
                // Whoever changed it meanwhile has seen to its next look.
                Ok(_) | Err(raas_job_store::Error::Stale(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
