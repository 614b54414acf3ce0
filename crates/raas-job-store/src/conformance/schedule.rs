//! Checks of when jobs are due.

use raas_types::{JobId, SubmissionId};

use super::samples::{ODD_TEXT, cid, job, looked_at};
use crate::{DueJob, Error, JobStore, Versioned};

/// Due are the jobs never looked at, by id, then those whose epoch has come, earliest first; never
/// more than the limit.
pub async fn due_jobs_come_in_order_and_within_the_limit(store: &dyn JobStore) {
    let looks = [
        ("f", Some(300)),
        ("c", Some(200)),
        ("a", Some(100)),
        ("e", None),
        ("d", Some(200)),
        ("b", None),
        ("g", Some(-5)),
        ("h", Some(301)),
    ];
    for (id, look) in looks {
        insert(store, id, look).await;
    }
    let due_at = |epoch, limit| due(store, epoch, limit);
    assert_eq!(
        due_at(300, usize::MAX).await,
        ["b", "e", "g", "a", "c", "d", "f"],
        "order of due jobs"
    );
    assert_eq!(due_at(299, 10).await, ["b", "e", "g", "a", "c", "d"], "none before its epoch");
    assert_eq!(due_at(-6, 10).await, ["b", "e"], "a job never looked at is always due");
    for limit in 0..=8 {
        let all = due_at(301, usize::MAX).await;
        let expected = &all[..limit.min(all.len())];
        assert_eq!(due_at(301, limit).await, expected, "the limit {limit} of due jobs");
    }
}

/// A due job is named with the CID it has now.
pub async fn due_jobs_are_named_with_their_cids(store: &dyn JobStore) {
    let mut moved = store.insert_job(&job(ODD_TEXT, cid(1))).await.expect("a new job is inserted");
    moved.value.job.cid = cid(2);
    store.update_job(&moved).await.expect("the version read is current");
    insert(store, "a", Some(3)).await;
    let expected =
        [(ODD_TEXT, 2), ("a", 1)].map(|(id, data)| DueJob { id: JobId::new(id), cid: cid(data) });
    assert_eq!(super::due(store, 3, 10).await, expected, "due jobs are named with their CIDs");
}

/// Epochs are whole `i64`s, and a job never looked at still comes before the earliest.
pub async fn epochs_reach_to_the_ends_of_time(store: &dyn JobStore) {
    insert(store, "first", Some(i64::MIN)).await;
    insert(store, "last", Some(i64::MAX)).await;
    insert(store, "never", None).await;
    assert_eq!(due(store, i64::MAX, 10).await, ["never", "first", "last"]);
    assert_eq!(due(store, i64::MAX - 1, 10).await, ["never", "first"]);
    assert_eq!(due(store, i64::MIN, 10).await, ["never", "first"]);
}

/// Writing a job moves it to its new epoch and nowhere else.
pub async fn a_job_moves_with_its_next_look(store: &dyn JobStore) {
    insert(store, "a", Some(100)).await;
    insert(store, "b", Some(200)).await;
    let read = store.job(&JobId::new("a")).await.expect("reads work").expect("it was inserted");
    store.update_job(&looked_at(&read, 300)).await.expect("the version read can be replaced");
    assert_eq!(due(store, 299, 10).await, ["b"], "a job looked at is not due until its next look");
    assert_eq!(due(store, 300, 10).await, ["b", "a"], "a job comes once, where it now belongs");
}

/// A woken job is due at once; whoever is looking at it meanwhile is told; the rest of it stays.
pub async fn waking_asks_for_a_look_at_once(store: &dyn JobStore) {
    let inserted = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let mut look = looked_at(&inserted, 500);
    look.value.record.submission = Some(SubmissionId(4));
    look.value.record.last_plan = Some(b"plan".to_vec());
    look.version = store.update_job(&look).await.expect("the version read can be replaced");
    assert_eq!(due(store, 499, 10).await, [""; 0]);

    store.wake(&look.value.job.id).await.expect("a job can be woken");
    assert_eq!(due(store, i64::MIN, 10).await, ["a"], "a woken job is due at once");
    let overwrite = store.update_job(&look).await;
    assert!(
        matches!(overwrite, Err(Error::Stale(_))),
        "a look in progress must not overwrite a wake: {overwrite:?}"
    );
    let mut expected = Versioned { version: 3, ..look };
    expected.value.record.next_look = None;
    let read = store.job(&expected.value.job.id).await.expect("reads work");
    assert_eq!(read, Some(expected), "waking changes the next look and the version alone");

    let absent = JobId::new("absent");
    store.wake(&absent).await.expect("waking a job that is not there is no error");
    assert_eq!(store.job(&absent).await.expect("reads work"), None, "and makes none");
}

async fn insert(store: &dyn JobStore, id: &str, look: Option<i64>) {
    let stored = store.insert_job(&job(id, cid(1))).await.expect("a new job is inserted");
    if let Some(epoch) = look {
        store.update_job(&looked_at(&stored, epoch)).await.expect("the version read is current");
    }
}

async fn due(store: &dyn JobStore, epoch: i64, limit: usize) -> Vec<String> {
    super::due(store, epoch, limit).await.iter().map(|job| job.id.to_string()).collect()
}
