//! The breaker at work: what a pass saw is counted, and where it is not plausible nothing is ordered
//! until it has passed or an operator has looked. `raas_core::breaker` decides.

use std::sync::Arc;

use raas_core::{Breaker, Sighting, Tripped, last_known};
use raas_job_store::Change;
use raas_types::{ChainEpoch, Tipset};
use serde::{Deserialize, Serialize};

use crate::{AlertCode, Event, Node, PassReport, RuntimeError, node::locked, subject::Subject};

/// The note that keeps why spending has stopped, across restarts and for other nodes on the store.
const NOTE: &str = "breaker";

/// What the note says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Noted {
    Stopped(Tripped),
    /// What stopped it at this epoch or before is over.
    Resumed {
        at: ChainEpoch,
    },
}

impl Node {
    /// Why nothing is ordered at the moment; `None` while the breaker has not tripped.
    pub fn spending_stopped(&self) -> Option<Tripped> {
        locked(self.breaker()).tripped().cloned()
    }

    /// Orders again: an operator has looked, and what seems lost is.
    ///
    /// # Errors
    ///
    /// When the store fails; spending stays stopped then.
    pub async fn resume_spending(&self) -> Result<(), RuntimeError> {
        self.follow_breaker().await?;
        let Some(tripped) = self.spending_stopped() else { return Ok(()) };
        self.note_breaker(&Noted::Resumed { at: tripped.at }).await?;
        {
            let mut breaker = locked(self.breaker());
            *breaker = std::mem::take(&mut *breaker).reset();
        }
        self.alert_breaker();
        self.wake();
        Ok(())
    }

    /// Takes up what stopped spending before a restart, and an operator's word to another node.
    pub(crate) async fn follow_breaker(&self) -> raas_job_store::Result<()> {
        let Some(note) = self.store().note(NOTE).await? else { return Ok(()) };
        // One that cannot be read was written by another version: what it was about shows anew.
        let Ok(noted) = serde_json::from_slice(&note) else { return Ok(()) };
        let here = self.spending_stopped();
        {
            let mut breaker = locked(self.breaker());
            match (noted, here) {
                (Noted::Stopped(tripped), None) => *breaker = Breaker::resumed(Some(tripped)),
                (Noted::Resumed { at }, Some(here)) if here.at <= at => {
                    *breaker = std::mem::take(&mut *breaker).reset();
                }
                _ => return Ok(()),
            }
        }
        self.alert_breaker();
        Ok(())
    }

    /// Counts what a pass saw.
    pub(crate) async fn count_flips(
        &self,
        sightings: Sightings,
        pin: &Tipset,
        report: &mut PassReport,
    ) {
        let before = self.spending_stopped();
        let after = {
            let mut breaker = locked(self.breaker());
            let limits = &self.settings().breaker;
            *breaker = std::mem::take(&mut *breaker).after(sightings.all, pin.epoch, limits);
            breaker.tripped().cloned()
        };
        if before == after {
            return;
        }
        let noted = match (before, after) {
            (Some(before), None) => {
                report.event(Event::SpendingResumed);
                Noted::Resumed { at: before.at }
            }
            (before, Some(tripped)) => {
                if before.is_none() {
                    report.event(Event::SpendingStopped { reason: tripped.why.to_string() });
                }
                Noted::Stopped(tripped)
            }
            (None, None) => return,
        };
        if let Err(error) = self.note_breaker(&noted).await {
            report.error(error);
        }
        self.alert_breaker();
    }

    async fn note_breaker(&self, noted: &Noted) -> raas_job_store::Result<()> {
        // Plain data: serialising it cannot fail, and what is no note is left unread.
        let note = serde_json::to_vec(noted).unwrap_or_default();
        let change = Change { notes: vec![(NOTE.to_owned(), note)], ..Change::default() };
        self.commit(change).await
    }

    fn alert_breaker(&self) {
        let (mut alerts, about) = (self.alerts(), "replicas");
        match self.spending_stopped() {
            Some(Tripped { at, why, .. }) => {
                alerts.raise(AlertCode::SpendingStopped, about, why.to_string(), Some(at));
            }
            None => alerts.clear(AlertCode::SpendingStopped, about),
        }
    }
}

/// The replicas that looks judged, as the breaker counts them.
#[derive(Default)]
pub(crate) struct Sightings {
    all: Vec<Sighting>,
    /// The endpoint of the last one; nearly always that of the next one.
    endpoint: Option<Arc<str>>,
}

impl Sightings {
    /// Adds those of one look. What only a stranger vouches for is none.
    pub(crate) fn add(&mut self, subject: &Subject) {
        for (before, after, verdict, evidence) in subject.judged() {
            if subject.may_count(after) {
                let sighting = Sighting {
                    deal: after.listed.deal,
                    provider: after.listed.provider,
                    before: last_known(before),
                    now: verdict.kind(),
                    endpoint: self.endpoint(&evidence.endpoint),
                };
                self.all.push(sighting);
            }
        }
    }

    fn endpoint(&mut self, name: &str) -> Arc<str> {
        match &self.endpoint {
            Some(last) if **last == *name => Arc::clone(last),
            _ => Arc::clone(self.endpoint.insert(Arc::from(name))),
        }
    }
}
