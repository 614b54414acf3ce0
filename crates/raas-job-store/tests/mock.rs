//! The generated mock serves tests of code that uses a store.

use std::sync::Arc;

use mockall::predicate::eq;
use raas_job_store::{Error, JobStore, MockJobStore, conformance::samples};
use raas_types::{ChainEpoch, JobId};

#[tokio::test]
async fn a_mock_answers_as_told_behind_the_port() {
    let mut mock = MockJobStore::new();
    mock.expect_due_jobs()
        .with(eq(ChainEpoch::new(7)), eq(10))
        .times(1)
        .returning(|_, _| Err(Error::Unavailable("the disk is full".to_owned())));
    mock.expect_wake().with(eq(JobId::new("a"))).times(1).returning(|_| Ok(()));
    mock.expect_dossiers().times(1).returning(|cids| {
        cids.iter().map(|_| Err(Error::Corrupt("an order".to_owned()))).collect()
    });
    let store: Arc<dyn JobStore> = Arc::new(mock);
    let due = store.due_jobs(ChainEpoch::new(7), 10).await;
    assert!(due.is_err_and(|error| error.is_temporary()));
    assert!(store.wake(&JobId::new("a")).await.is_ok());
    let dossiers = store.dossiers(&[1, 2].map(samples::cid)).await;
    assert!(dossiers.len() == 2 && dossiers.iter().all(Result::is_err));
}
