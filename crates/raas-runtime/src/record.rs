//! Recording: what looks saw and decided is durable before anything is done about it.

use cid::Cid;
use raas_job_store::Change;
use raas_types::{ChainEpoch, Tipset};

use crate::{Node, PassReport, look::Look};

impl Node {
    /// Makes durable what was seen, decided, and when to look again. All at once; where a client
    /// changed a job meanwhile or one row is refused, each by itself. Returns those that were kept: the
    /// others are due still, and looked at anew.
    pub(crate) async fn record(
        &self,
        mut looks: Vec<Look>,
        pin: &Tipset,
        report: &mut PassReport,
    ) -> Vec<Look> {
        let mut all = Change::default();
        for look in &mut looks {
            look.events.drain(..).for_each(|event| report.event(event));
            let alerts = std::mem::take(&mut look.alerts);
            self.alerts().looked(&look.subject.cid, alerts, Some(pin.epoch));
            let Change { memories, orders, jobs, decisions, .. } = look.change(self, pin);
            all.memories.extend(memories);
            all.orders.extend(orders);
            all.jobs.extend(jobs);
            all.decisions.extend(decisions);
        }
        if self.store().commit(&all).await.is_ok() {
            report.decisions += all.decisions.len() as u64;
            return looks;
        }
        let mut kept = Vec::with_capacity(looks.len());
        for mut look in looks {
            let change = look.change(self, pin);
            match self.store().commit(&change).await {
                Ok(()) => {
                    report.decisions += change.decisions.len() as u64;
                    kept.push(look);
                }
                Err(raas_job_store::Error::Stale(_)) => {}
                Err(error) => report.error(format!("{}: {error}", look.subject.cid)),
            }
        }
        kept
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
