//! Checks of jobs: inserting, reading, replacing, listing, removing.

use raas_types::{ChainEpoch, JobId, OrderId, SubmissionId, TxHash};

use super::samples::{self, ODD_TEXT, cid, job};
use crate::{Change, Error, JobRecord, JobStore, StoredJob, Versioned};

/// Looking up what is not there is `None` or an empty list.
pub async fn what_is_not_there_is_no_error(store: &dyn JobStore) {
    let absent = JobId::new("absent");
    let answers = "an empty store answers";
    assert_eq!(store.job(&absent).await.expect(answers), None);
    assert_eq!(store.jobs(None, 10).await.expect(answers), []);
    assert_eq!(store.jobs(Some(absent.clone()), 10).await.expect(answers), []);
    assert_eq!(store.jobs_of(&cid(1)).await.expect(answers), []);
    assert!(store.due_jobs(ChainEpoch::new(i64::MAX), 10).await.expect(answers).is_empty());
    assert_eq!(store.deal_memories(&cid(1)).await.expect(answers), []);
    assert_eq!(store.orders_of(&cid(1)).await.expect(answers), []);
    assert_eq!(store.order(&OrderId::new("absent")).await.expect(answers), None);
    assert_eq!(store.outstanding_orders().await.expect(answers), []);
    assert_eq!(store.open_transactions().await.expect(answers), []);
    assert_eq!(store.transaction(&TxHash("absent".to_owned())).await.expect(answers), None);
    assert_eq!(store.transactions_of(&absent).await.expect(answers), []);
    assert_eq!(store.cursor("absent").await.expect(answers), None);
    assert_eq!(store.note("absent").await.expect(answers), None);
    assert_eq!(store.decisions(None, None, 10).await.expect(answers), []);
    assert_eq!(store.decisions(Some(cid(1)), Some(7), 10).await.expect(answers), []);
    assert_eq!(store.trim_decisions(0).await.expect(answers), 0, "nothing was there to drop");
    assert!(!store.remove_job(&absent).await.expect(answers), "nothing was there to remove");
}

/// An insert answers what it kept, at version 1, with an empty record.
pub async fn a_new_job_is_kept_at_version_one(store: &dyn JobStore) {
    let job = job(ODD_TEXT, cid(1));
    let inserted = store.insert_job(&job).await.expect("a new job is inserted");
    let value = StoredJob { job: job.clone(), record: JobRecord::default() };
    assert_eq!(inserted, Versioned { value, version: 1 }, "what the insert answers");
    let read = store.job(&job.id).await.expect("the job can be read");
    assert_eq!(read, Some(inserted), "what was inserted is what is read");
}

/// A second insert under one id is [`Error::Exists`] and changes nothing.
pub async fn a_taken_id_is_refused(store: &dyn JobStore) {
    let first = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let second = store.insert_job(&job("a", cid(2))).await;
    assert!(
        matches!(&second, Err(Error::Exists(id)) if id.as_str() == "a"),
        "an id that is taken is refused by its name, not {second:?}"
    );
    let read = store.job(&JobId::new("a")).await.expect("the job can be read");
    assert_eq!(read, Some(first), "a refused insert changes nothing");
    assert_eq!(store.jobs_of(&cid(2)).await.expect("jobs can be read"), []);
}

/// An update replaces every part of a job and answers the next version.
pub async fn an_update_replaces_and_raises_the_version(store: &dyn JobStore) {
    let mut stored = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    stored.value.job.registered = Some(ChainEpoch::new(77));
    stored.value.job.found = Some(u32::MAX);
    stored.value.job.terms.renewal = None;
    stored.value.record = JobRecord {
        next_look: Some(ChainEpoch::new(1_000)),
        submission: Some(SubmissionId(u64::MAX)),
        last_plan: Some(vec![0, 255, 0]),
    };
    let version = store.update_job(&stored).await.expect("the version read can be replaced");
    assert_eq!(version, 2, "a version grows by one with a write");
    stored.version = version;
    let read = store.job(&JobId::new("a")).await.expect("the job can be read");
    assert_eq!(read.as_ref(), Some(&stored), "what was written is what is read");

    stored.value.record = JobRecord::default();
    stored.version = store.update_job(&stored).await.expect("the version answered is current");
    let read = store.job(&JobId::new("a")).await.expect("the job can be read");
    assert_eq!(read, Some(stored), "what was set may be unset");
}

/// A write that names any version but the current one is [`Error::Stale`] and changes nothing.
pub async fn a_stale_update_changes_nothing(store: &dyn JobStore) {
    let read = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let first = samples::looked_at(&read, 100);
    store.update_job(&first).await.expect("the first writer wins");
    let ahead = Versioned { version: 3, ..samples::looked_at(&read, 200) };
    let absent = Versioned {
        value: StoredJob { job: job("absent", cid(1)), record: JobRecord::default() },
        version: 1,
    };
    for stale in [samples::looked_at(&read, 200), ahead, absent] {
        let result = store.update_job(&stale).await;
        let id = &stale.value.job.id;
        assert!(
            matches!(&result, Err(Error::Stale(of)) if of == id),
            "a stale writer is told so by the job's name, not {result:?}"
        );
    }
    let jobs = store.jobs(None, 10).await.expect("jobs can be listed");
    let kept = Versioned { version: 2, ..first };
    assert_eq!(jobs, [kept], "a stale update changes nothing and makes no job");
}

/// Jobs are listed in the order of their ids' bytes; a page starts above the id it is given.
pub async fn jobs_are_listed_by_id_in_pages(store: &dyn JobStore) {
    let ordered =
        ["", "10", "9", "A", "Z", "a", "a ", "aa", "b", "z", "é", "日本", "\u{ffff}", "🗄️"];
    for (n, id) in ordered.iter().enumerate().rev() {
        let job = job(id, cid((n % 2) as u8));
        store.insert_job(&job).await.expect("a new job is inserted");
    }
    let page = async |after: Option<&str>, limit| {
        let jobs = store.jobs(after.map(JobId::new), limit).await.expect("jobs can be listed");
        jobs.iter().map(|stored| stored.value.job.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, usize::MAX).await, ordered, "jobs come in the order of their ids");
    assert_eq!(page(None, 3).await, ordered[..3], "the first page");
    assert_eq!(page(Some("9"), 3).await, ordered[3..6], "a page starts above the last id");
    assert_eq!(page(Some("aaa"), 2).await, ordered[8..10], "it need not be the id of a job");
    assert_eq!(page(Some("🗄️"), 5).await, [""; 0], "there is nothing above the last");
    assert_eq!(page(None, 0).await, [""; 0], "a limit of 0 gives nothing");
}

/// Jobs are found by their CID, in the order of their ids.
pub async fn jobs_of_a_cid_are_found_by_it(store: &dyn JobStore) {
    for (id, data) in [("c", 1), ("a", 1), ("b", 2)] {
        store.insert_job(&job(id, cid(data))).await.expect("a new job is inserted");
    }
    let ids = async |data| {
        let jobs = store.jobs_of(&cid(data)).await.expect("jobs can be listed");
        jobs.iter().map(|stored| stored.value.job.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(1).await, ["a", "c"], "jobs of one CID come in the order of their ids");
    assert_eq!(ids(2).await, ["b"]);
    assert_eq!(ids(3).await, [""; 0]);
}

/// A removed job is in no list any more, its orders, memories and transactions stay, and its id is
/// free.
pub async fn a_removed_job_leaves_its_facts(store: &dyn JobStore) {
    let data = cid(1);
    let stored = store.insert_job(&job("a", data)).await.expect("a new job is inserted");
    let facts = Change {
        memories: vec![(data, samples::memory(5))],
        orders: vec![samples::order("order", data, 10)],
        transactions: vec![samples::transaction("0x1", "a")],
        jobs: vec![samples::looked_at(&stored, 50)],
        ..Change::default()
    };
    store.commit(&facts).await.expect("the change is written");

    assert!(store.remove_job(&stored.value.job.id).await.expect("a job can be removed"));
    assert!(!store.remove_job(&stored.value.job.id).await.expect("removing again is no error"));
    assert_eq!(store.job(&stored.value.job.id).await.expect("reads work"), None);
    assert_eq!(store.jobs(None, 10).await.expect("reads work"), []);
    assert_eq!(store.jobs_of(&data).await.expect("reads work"), []);
    assert!(store.due_jobs(ChainEpoch::new(i64::MAX), 10).await.expect("reads work").is_empty());
    let stay = "the facts stay when the job is removed";
    assert_eq!(store.orders_of(&data).await.expect("reads work"), facts.orders, "{stay}");
    assert_eq!(store.outstanding_orders().await.expect("reads work"), facts.orders, "{stay}");
    assert_eq!(
        store.deal_memories(&data).await.expect("reads work"),
        [samples::memory(5)],
        "{stay}"
    );
    let transactions = store.transactions_of(&stored.value.job.id).await.expect("reads work");
    assert_eq!(transactions, facts.transactions, "{stay}");

    let stale = store.update_job(&Versioned { version: 2, ..stored.clone() }).await;
    assert!(matches!(stale, Err(Error::Stale(_))), "a removed job is not brought back: {stale:?}");
    let anew = store.insert_job(&stored.value.job).await.expect("the id is free again");
    assert_eq!(anew, stored, "a job inserted anew starts at version 1 with nothing remembered");
}
