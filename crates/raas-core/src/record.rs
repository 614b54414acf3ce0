//! What is to be written to the contract: jobs that were not born there are announced once, and
//! deals that are active are recorded once.

use raas_types::VerdictKind;

use crate::{JobView, Observation, Step};

/// The announcements and records that are due.
pub(crate) fn steps<'a>(
    jobs: &'a [JobView],
    seen: &'a Observation,
) -> impl Iterator<Item = Step> + use<'a> {
    let writing = move || jobs.iter().filter(|job| job.records);
    let announced = writing().filter(|job| job.submission.is_none() && !job.announcing);
    let announced = announced.map(|job| Step::Announce { job: job.job.id.clone() });
    let job = writing().find(|job| job.submission.is_some() && seen.missing_evidence.is_empty());
    let recorded = job.into_iter().flat_map(move |job| {
        let due = seen.replicas.iter().filter(move |replica| {
            replica.verdict.kind() == VerdictKind::Active
                && replica.recordable
                && !replica.listed
                && writing().all(|job| !job.recording.contains(&replica.deal))
        });
        due.map(|replica| Step::Record { job: job.job.id.clone(), deal: replica.deal })
    });
    announced.chain(recorded)
}
