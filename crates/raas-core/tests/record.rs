//! What is written to the contract.

mod world;

use raas_core::{JobView, Observation, Replica, Step, plan};
use raas_types::{DealId, JobId, SubmissionId, Verdict};
use world::*;

fn writing(id: &str, submission: Option<u64>) -> JobView {
    JobView { submission: submission.map(SubmissionId), records: true, ..job_with(id, terms(1)) }
}

fn steps(jobs: &[JobView], world: &Observation) -> Vec<Step> {
    plan(jobs, world).steps
}

fn announce(id: &str) -> Step {
    Step::Announce { job: JobId::new(id) }
}

fn record(id: &str, deal: u64) -> Step {
    Step::Record { job: JobId::new(id), deal: DealId::new(deal) }
}

/// One active replica, proven and not listed yet.
fn unlisted() -> Observation {
    seen(vec![Replica { listed: false, ..active(1) }])
}

#[test]
fn a_job_that_was_not_born_on_the_contract_is_announced_once() {
    let mut jobs = [writing("a", None), writing("b", Some(7))];
    assert_eq!(steps(&jobs, &seen(vec![active(1)])), [announce("a")]);
    jobs[0].announcing = true;
    assert_eq!(steps(&jobs, &seen(vec![active(1)])), []);
}

#[test]
fn an_active_deal_is_recorded_once_for_a_job_that_the_contract_knows() {
    let mut jobs = [writing("a", None), writing("b", Some(7)), writing("c", Some(8))];
    jobs[0].announcing = true;
    assert_eq!(steps(&jobs, &unlisted()), [record("b", 1)]);
    assert_eq!(steps(&jobs[..1], &unlisted()), [], "the contract does not know it yet");
    for other in [1, 2] {
        let mut jobs = jobs.clone();
        jobs[other].recording.insert(DealId::new(1));
        assert_eq!(steps(&jobs, &unlisted()), [], "it is under way, whoever it is for");
    }
    jobs[2].recording.insert(DealId::new(2));
    assert_eq!(steps(&jobs, &unlisted()), [record("b", 1)], "another one is");
}

#[test]
fn what_is_listed_or_not_active_or_without_a_proof_is_not_recorded() {
    let jobs = [writing("a", Some(7))];
    let replica = || unlisted().replicas.remove(0);
    let pending = Verdict::Pending { start: NOW };
    for other in [
        Replica { listed: true, ..replica() },
        Replica { recordable: false, ..replica() },
        Replica { verdict: pending, ..replica() },
        Replica { verdict: Verdict::Gone, confirmed: false, ..replica() },
    ] {
        assert_eq!(steps(&jobs, &seen(vec![other.clone()])), [], "{other:?}");
    }
}

#[test]
fn nothing_is_recorded_while_evidence_is_missing_or_by_a_node_that_does_not_write() {
    let mut jobs = [writing("a", Some(7))];
    let unread = Observation { missing_evidence: vec!["the contract".to_owned()], ..unlisted() };
    assert_eq!(steps(&jobs, &unread), []);
    jobs[0].records = false;
    assert_eq!(steps(&jobs, &unlisted()), []);
    jobs[0].submission = None;
    assert_eq!(steps(&jobs, &unlisted()), []);
}
