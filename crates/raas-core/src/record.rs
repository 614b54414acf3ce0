//! What is to be written to the contract: jobs that were not born there are announced once, and
//! deals that are active are recorded once.

use raas_types::VerdictKind;

use crate::{JobView, Observation, Step};

/// The announcements and records that are due.
pub(crate) fn steps(jobs: &[JobView], seen: &Observation) -> Vec<Step> {
    let writing = || jobs.iter().filter(|job| job.records);
    let announced = writing().filter(|job| job.submission.is_none() && !job.announcing);
    let mut steps: Vec<_> =
        announced.map(|job| Step::Announce { job: job.job.id.clone() }).collect();
    for replica in &seen.replicas {
        let due = replica.verdict.kind() == VerdictKind::Active
            && replica.recordable
            && !replica.listed
            && writing().all(|job| !job.recording.contains(&replica.deal));
        let job = writing().find(|job| job.submission.is_some());
        if let Some(job) = job.filter(|_| due && seen.missing_evidence.is_empty()) {
            steps.push(Step::Record { job: job.job.id.clone(), deal: replica.deal });
        }
    }
    steps
}
