//! Evaluating terms before they are accepted: what would be done now, what cannot be met, and which
//! knob to loosen. Nothing comes of it: nothing is written, ordered, fetched or raised.
//!
//! A CID is observed like in a pass, at the tipset to which the last pass was pinned and of the same
//! endpoints, and planned for with its standing jobs and the new one together. Whatever is open is read
//! anew, from a second endpoint too where there are two, as before money is spent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cid::Cid;
use raas_core::{DataView, Plan, Reason, Step, TermWarning, explain};
use raas_job_store::{JobRecord, StoredJob, Versioned};
use raas_types::{AggregatorName, Grouping, Job, JobId, Terms, Tipset};
use tokio::time::{Instant, sleep};

use crate::{
    Node, PassReport, RegisterError, Registration, jobs::new_job, look::Look, observe::Observed,
    readings::Readings, selection::Selection, subject::Subject, transfers::Claim,
};

/// How long a CID that someone works on is waited for. A pass has done with one in a moment; fetching
/// or handing over its bytes may take hours.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is tried meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// What would become of a job.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The id that it would have, or has.
    pub id: JobId,
    /// Whether it would be created, or is there already.
    pub registration: Registration,
    /// What will not be as it seems.
    pub warnings: Vec<TermWarning>,
    /// What would be done now; or why nothing could be seen.
    pub outlook: Result<Outlook, String>,
    /// What cannot be met as things are.
    pub cannot: Vec<Obstacle>,
}

/// What would be done now for a CID, for all its jobs together.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The plan.
    pub plan: Plan,
    /// Its reasons in words.
    pub sentences: Vec<String>,
    /// The plan that would follow were the bytes here and all else as it is, where they are not.
    pub with_bytes: Option<Plan>,
}

/// Something that cannot be met as things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What, in words.
    pub what: String,
    /// The term to loosen, such as `placement.per_country`; `None` where no term would help.
    pub loosen: Option<&'static str>,
}

impl Node {
    /// What would become of a job, with nothing kept.
    ///
    /// # Errors
    ///
    /// When the terms make no sense, or the store failed.
    pub async fn evaluate(&self, cid: Cid, terms: Terms) -> Result<Evaluation, RegisterError> {
        self.read_providers_once().await;
        let (job, warnings) = self.accepted(cid, terms)?;
        let mut seen = self.see(&[&job]).await;
        self.weigh(job, warnings, &mut seen).await
    }

    /// What would become of each of several jobs, read together. Each is planned for with the jobs that
    /// stand and without the others: as if it were the only new one.
    pub async fn evaluate_all(
        &self,
        asked: Vec<(Cid, Terms)>,
    ) -> Vec<Result<Evaluation, RegisterError>> {
        self.read_providers_once().await;
        let checked = asked.into_iter().map(|(cid, terms)| self.accepted(cid, terms));
        let checked: Vec<_> = checked.collect();
        let jobs: Vec<&Job> = checked.iter().flatten().map(|(job, _)| job).collect();
        let mut seen = self.see(&jobs).await;
        let mut evaluations = Vec::with_capacity(checked.len());
        for checked in checked {
            evaluations.push(match checked {
                Ok((job, warnings)) => self.weigh(job, warnings, &mut seen).await,
                Err(error) => Err(error),
            });
        }
        evaluations
    }

    /// The job that would be made of these terms.
    fn accepted(&self, cid: Cid, terms: Terms) -> Result<(Job, Vec<TermWarning>), RegisterError> {
        let warnings = self.check_terms(&terms)?;
        Ok((new_job(cid, terms), warnings))
    }

    /// One job, by what was seen of its CID.
    async fn weigh(
        &self,
        job: Job,
        warnings: Vec<TermWarning>,
        seen: &mut Seen,
    ) -> Result<Evaluation, RegisterError> {
        let outlook = seen.take(&job.cid).map(|(subject, pin)| {
            let (outlook, subject) = self.outlook(&job, subject, &pin);
            seen.subjects.insert(job.cid, Ok((subject, pin)));
            outlook
        });
        let registration = match self.store().job(&job.id).await? {
            Some(_) => Registration::Existing,
            None => Registration::Created,
        };
        let mut cannot: Vec<_> = warnings.iter().filter_map(of_warning).collect();
        cannot.extend(self.without_choice(&job.terms));
        for obstacle in outlook.iter().flat_map(of_outlook) {
            if !cannot.contains(&obstacle) {
                cannot.push(obstacle);
            }
        }
        Ok(Evaluation { id: job.id, registration, warnings, outlook, cannot })
    }

    /// Observes the CIDs of these jobs.
    async fn see(&self, jobs: &[&Job]) -> Seen {
        let cids: BTreeSet<Cid> = jobs.iter().map(|job| job.cid).collect();
        let Selection { pin, readers, .. } = match self.selected() {
            Ok(selection) => selection,
            Err(why) => return Seen::nothing(&cids, &why),
        };
        let readings = Readings::new(pin.clone(), readers);
        let claims = self.claim_soon(&cids).await;
        let busy = "it is being worked on just now: ask again when that is done";
        let mut seen = Seen::nothing(&cids, busy);
        for claim in &claims {
            // What cannot be read of one is said below.
            seen.unseen(&claim.cid(), "what is stored of it cannot be read");
        }
        let Observed { mut subjects, errors, .. } = self.observe(claims, &readings).await;
        for error in errors {
            let of = cids.iter().find(|cid| error.starts_with(&cid.to_string()));
            if let Some(cid) = of {
                seen.unseen(cid, &error);
            }
        }
        let standing: Vec<_> = subjects.iter().map(|subject| subject.jobs.clone()).collect();
        for subject in &mut subjects {
            // Whether a deal may count, and so is read, depends on them too.
            let new = jobs.iter().filter(|job| job.cid == subject.cid);
            subject.jobs.extend(new.map(|job| unlooked((*job).clone())));
        }
        let mut all: Vec<_> = subjects.iter_mut().collect();
        self.verify(&mut all, &readings, &mut PassReport::default()).await;
        for (mut subject, jobs) in subjects.into_iter().zip(standing) {
            subject.jobs = jobs;
            seen.subjects.insert(subject.cid, Ok((subject, pin.clone())));
        }
        seen
    }

    /// Claims these CIDs, in their order so that nobody waits in a circle; those that someone works on
    /// for longer are left out.
    async fn claim_soon(&self, cids: &BTreeSet<Cid>) -> Vec<Claim> {
        let until = Instant::now() + PATIENCE;
        let mut claims = Vec::with_capacity(cids.len());
        for cid in cids {
            let claim = loop {
                match self.claim(cid) {
                    None if Instant::now() < until => sleep(POLL).await,
                    claim => break claim,
                }
            };
            claims.extend(claim);
        }
        claims
    }

    /// What would be done with this job among those that stand; the subject comes back as it was.
    fn outlook(&self, job: &Job, mut subject: Subject, pin: &Tipset) -> (Outlook, Subject) {
        let standing = subject.jobs.clone();
        if standing.iter().all(|stored| stored.value.job.id != job.id) {
            subject.jobs.push(unlooked(job.clone()));
        }
        let (mut plan, mut subject) = self.plan_for(subject, pin);
        // A job that learns what it keeps is planned for at once.
        let noted = note_found(&mut subject, &plan);
        if !noted.is_empty() {
            (plan, subject) = self.plan_for(subject, pin);
            plan.steps.splice(0..0, noted);
        }
        let awaits =
            |reason: &Reason| matches!(reason, Reason::FetchFirst | Reason::AwaitingData { .. });
        let mut with_bytes = None;
        if plan.reasons.iter().any(awaits) {
            let data = std::mem::replace(&mut subject.data, DataView::Local);
            let (then, after) = self.plan_for(subject, pin);
            with_bytes = Some(then);
            subject = Subject { data, ..after };
        }
        subject.jobs = standing;
        (Outlook { sentences: explain(&plan), plan, with_bytes }, subject)
    }

    /// Plans as a pass would. What a look leaves in the store is dropped with it.
    fn plan_for(&self, subject: Subject, pin: &Tipset) -> (Plan, Subject) {
        let Look { plan, subject, .. } = Look::of(subject, self, &self.aggregator_views(), pin);
        (plan, subject)
    }

    /// Wishes about providers that the job's aggregators do not take.
    fn without_choice(&self, terms: &Terms) -> Option<Obstacle> {
        if terms.placement.is_free() {
            return None;
        }
        let is_used = |name: &AggregatorName| {
            terms.aggregators.is_empty() || terms.aggregators.contains(name)
        };
        let all = self.ports().aggregators.iter();
        let without = all.filter(|a| is_used(&a.name()) && !a.capabilities().excludes_providers);
        let names: Vec<_> = without.map(|aggregator| aggregator.name().to_string()).collect();
        (!names.is_empty()).then(|| Obstacle {
            what: format!(
                "{} lets nobody choose providers: a deal that lands where the placement does not \
                 allow it holds no slot, and another is ordered beside it; name an aggregator that \
                 does, or loosen the placement",
                names.join(", ")
            ),
            loosen: Some("placement"),
        })
    }
}

/// What was seen of each CID, or why nothing was.
struct Seen {
    subjects: BTreeMap<Cid, Result<(Subject, Tipset), String>>,
}

impl Seen {
    /// Nothing, for this reason.
    fn nothing(cids: &BTreeSet<Cid>, why: &str) -> Self {
        Self { subjects: cids.iter().map(|cid| (*cid, Err(why.to_owned()))).collect() }
    }

    fn take(&mut self, cid: &Cid) -> Result<(Subject, Tipset), String> {
        match self.subjects.get(cid) {
            Some(Err(why)) => Err(why.clone()),
            _ => self.subjects.remove(cid).unwrap_or_else(|| Err("it was not seen".to_owned())),
        }
    }

    fn unseen(&mut self, cid: &Cid, why: &str) {
        self.subjects.insert(*cid, Err(why.to_owned()));
    }
}

/// A job as it stands before its first look.
fn unlooked(job: Job) -> Versioned<StoredJob> {
    Versioned { value: StoredJob { job, record: JobRecord::default() }, version: 1 }
}

/// Has the jobs keep what they found, as the first look would; the steps that say so.
fn note_found(subject: &mut Subject, plan: &Plan) -> Vec<Step> {
    let mut noted = Vec::new();
    for step in &plan.steps {
        let Step::NoteFound { job, found } = step else { continue };
        noted.push(step.clone());
        for stored in subject.jobs.iter_mut().filter(|stored| stored.value.job.id == *job) {
            stored.value.job.found = Some(*found);
        }
    }
    noted
}

/// What terms ask for and do not get, whatever is seen.
fn of_warning(warning: &TermWarning) -> Option<Obstacle> {
    let loosen = match warning {
        TermWarning::CapUnfillable { by, .. } => cap(*by),
        TermWarning::RenewalClamped { .. } => "renewal.threshold",
        TermWarning::BudgetBelowOrder { .. } => "budget.deals_per_day",
        _ => return None,
    };
    Some(Obstacle { what: warning.to_string(), loosen: Some(loosen) })
}

/// What the plans leave undone, and why. The one with the bytes goes further, where there are two.
fn of_outlook(outlook: &Outlook) -> Vec<Obstacle> {
    let plans = std::iter::once(&outlook.plan).chain(&outlook.with_bytes);
    plans.flat_map(|plan| &plan.reasons).filter_map(of_reason).collect()
}

fn of_reason(reason: &Reason) -> Option<Obstacle> {
    let loosen = match reason {
        Reason::TargetUnreachable { .. } => Some("replication.target"),
        Reason::TooManyCopies { .. } => Some("replication.max"),
        Reason::DealsSpent { .. } => Some("budget.deals_per_day"),
        Reason::BytesSpent { .. } | Reason::SizeUnknown { .. } => Some("budget.bytes_per_day"),
        Reason::NoAggregator | Reason::BackingOff { .. } | Reason::Unreachable { .. } => {
            Some("aggregators")
        }
        Reason::AwaitingData { .. } | Reason::EvidenceMissing { .. } => None,
        _ => return None,
    };
    Some(Obstacle { what: reason.to_string(), loosen })
}

const fn cap(by: Grouping) -> &'static str {
    match by {
        Grouping::Owner => "placement.per_owner",
        Grouping::Organisation => "placement.per_organisation",
        Grouping::Country => "placement.per_country",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_budget_stops_names_the_budget() {
        let loosen = |reason: &Reason| of_reason(reason).and_then(|obstacle| obstacle.loosen);
        let unknown = Reason::SizeUnknown { per_day: 1 };
        assert_eq!(loosen(&unknown), Some("budget.bytes_per_day"));
    }
}
