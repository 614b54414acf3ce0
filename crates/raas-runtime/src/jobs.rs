//! Registering, listing and removing jobs.

use cid::Cid;
use raas_core::{AggregatorView, TermWarning, check_terms};
use raas_job_store::{StoredJob, Versioned};
use raas_types::{Job, JobId, Terms};
use sha2::{Digest, Sha256};

use crate::{Node, RegisterError, RuntimeError};

/// What became of a request to register a job.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The job.
    pub job: Job,
    /// Whether it is new.
    pub registration: Registration,
    /// What will not be as it seems.
    pub warnings: Vec<TermWarning>,
}

/// Whether a registered job is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It was not there before.
    Created,
    /// The same CID and terms were registered before: nothing changed.
    Existing,
}

impl Node {
    /// The aggregators, as the planner knows them, best first.
    pub fn aggregator_views(&self) -> Vec<AggregatorView> {
        let view = |a: &std::sync::Arc<dyn raas_aggregator::Aggregator>| {
            let capabilities = a.capabilities();
            AggregatorView {
                unavailable_until: self.away_until(&a.name()),
                name: a.name(),
                idempotent: capabilities.idempotent,
                copies: capabilities.copies,
                latency: capabilities.latency,
                deal_duration: capabilities.deal_duration,
            }
        };
        self.ports().aggregators.iter().map(view).collect()
    }

    /// Whether terms would be accepted, and with which warnings; nothing is kept.
    ///
    /// # Errors
    ///
    /// All that is wrong with them.
    pub fn check_terms(&self, terms: &Terms) -> Result<Vec<TermWarning>, RegisterError> {
        check_terms(terms, &self.aggregator_views(), &self.provider_book())
            .map_err(RegisterError::Terms)
    }

    /// Accepts a job: the same CID and terms are the same job, other terms another one.
    ///
    /// # Errors
    ///
    /// When the terms make no sense, or the store failed; nothing is kept then.
    pub async fn register(&self, cid: Cid, terms: Terms) -> Result<Registered, RegisterError> {
        self.read_providers_once().await;
        let warnings = self.check_terms(&terms)?;
        let new = Job { registered: self.status().epoch, ..new_job(cid, terms) };
        let (job, registration) = match self.store().insert_job(&new).await {
            Ok(stored) => (stored.value.job, Registration::Created),
            Err(raas_job_store::Error::Exists(id)) => {
                let stored = self.store().job(&id).await?;
                (stored.map_or(new, |stored| stored.value.job), Registration::Existing)
            }
            Err(error) => return Err(error.into()),
        };
        self.wake();
        Ok(Registered { job, registration, warnings })
    }

    /// At most `limit` jobs with ids above `after`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn jobs(
        &self,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<Versioned<StoredJob>>, RuntimeError> {
        Ok(self.store().jobs(after, limit).await?)
    }

    /// Whether the data is some job's, under this CID or its twin of the other
    /// version.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_job(&self, cid: &Cid) -> Result<bool, RuntimeError> {
        let jobs = self.store().jobs_of(&Cid::new_v1(cid.codec(), *cid.hash())).await?;
        Ok(!jobs.is_empty())
    }

    /// Forgets a job. Its deals live on until they end; nothing more is ordered for it.
    ///
    /// # Errors
    ///
    /// When there is none, or the store fails.
    pub async fn remove_job(&self, id: &JobId) -> Result<(), RuntimeError> {
        let gone = || RuntimeError::NoSuchJob(id.clone());
        let cid = self.store().job(id).await?.ok_or_else(gone)?.value.job.cid;
        if !self.store().remove_job(id).await? {
            return Err(gone());
        }
        if self.store().jobs_of(&cid).await?.is_empty() {
            // Nobody looks at it any more.
            self.alerts().looked(&cid, Vec::new(), None);
        }
        Ok(())
    }
}

/// A job as it begins.
pub(crate) fn new_job(cid: Cid, terms: Terms) -> Job {
    // A CIDv0 and its CIDv1 name the same data: one job, one set of replicas.
    let cid = Cid::new_v1(cid.codec(), *cid.hash());
    Job { id: job_id(&cid, &terms), cid, terms, registered: None, found: None }
}

/// The id of a job: a digest of its CID and terms, so that the same request is the same job.
fn job_id(cid: &Cid, terms: &Terms) -> JobId {
    let mut hash = Sha256::new();
    hash.update(cid.to_bytes());
    // Serialising plain data into memory cannot fail; were it to, the CID alone names the job.
    hash.update(serde_json::to_vec(terms).unwrap_or_default());
    let digest = hash.finalize();
    let hex: String = digest[..10].iter().map(|byte| format!("{byte:02x}")).collect();
    JobId::new(hex)
}

#[cfg(test)]
mod tests {
    use raas_types::{AggregatorName, ChainEpoch, EpochDelta, Renewal, Repair, Replication, Trust};

    use super::*;

    /// The same request is the same job in every version of this code: ids that change would make
    /// new jobs of old requests. When this fails, keep what is hashed as it was.
    #[test]
    fn the_id_of_a_job_never_changes() {
        let cid = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
        let cid = Cid::try_from(cid).expect("a CID");
        let full = Terms {
            replication: Some(Replication { target: 3, min: 2, max: 5 }),
            renewal: Some(Renewal { threshold: EpochDelta::days(30) }),
            repair: Some(Repair { threshold: EpochDelta::DAY }),
            until: Some(ChainEpoch::new(7_000_000)),
            aggregators: vec![AggregatorName::new("lighthouse")],
            trust: Trust::Contract,
            ..Terms::default()
        };
        let spare = Terms { repair: full.repair, ..Terms::default() };
        assert_eq!(job_id(&cid, &full).as_str(), "72ed7f3c9c0d23cb5a8d");
        assert_eq!(job_id(&cid, &spare).as_str(), "da731c2857f6fe08d3fc");
    }
}
