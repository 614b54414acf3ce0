//! Checks of the log of decisions: in the order of their writing, numbered for good, trimmed from its
//! old end.

use cid::Cid;

use super::samples::{cid, decision, job, looked_at};
use crate::{Change, Decision, Error, JobStore};

/// Decisions come newest first, numbered from 1 on by one, whole, of all CIDs or of one.
pub async fn decisions_come_newest_first_with_their_numbers(store: &dyn JobStore) {
    let all: Vec<Decision> =
        [(1, 70), (2, 70), (1, 60), (1, i64::MIN), (2, i64::MAX)].map(made).to_vec();
    write(store, &all[..3]).await;
    write(store, &[]).await;
    write(store, &all[3..]).await;
    let listed = list(store, None, None, usize::MAX).await;
    let expected: Vec<(u64, Decision)> = (1..).zip(all.iter().cloned()).collect();
    let newest_first: Vec<_> = expected.iter().rev().cloned().collect();
    assert_eq!(listed, newest_first, "decisions come newest first, numbered by one from 1 on");
    for data in [1, 2, 3] {
        let of_cid = list(store, Some(cid(data)), None, usize::MAX).await;
        let mut expected = newest_first.clone();
        expected.retain(|(_, decision)| decision.cid == cid(data));
        assert_eq!(of_cid, expected, "decisions belong to their CID");
    }
}

/// Pages follow each other by number, of one CID too; a limit is never exceeded.
pub async fn decisions_are_read_in_pages(store: &dyn JobStore) {
    let all: Vec<Decision> = (0..9).map(|n| made((n % 2, n.into()))).collect();
    write(store, &all).await;
    let page = async |cid, before, limit| numbers(&list(store, cid, before, limit).await);
    assert_eq!(page(None, None, 4).await, [9, 8, 7, 6], "the first page");
    assert_eq!(page(None, Some(6), 4).await, [5, 4, 3, 2], "a page is below the number given");
    assert_eq!(page(None, Some(2), 4).await, [1], "the last page");
    assert_eq!(page(None, Some(1), 4).await, [0; 0], "there is nothing below the first");
    assert_eq!(page(None, Some(0), 4).await, [0; 0], "nor below nothing");
    assert_eq!(page(None, Some(u64::MAX), 2).await, [9, 8], "nothing is as high as that");
    assert_eq!(page(None, None, 0).await, [0; 0], "a limit of 0 gives nothing");
    assert_eq!(page(Some(cid(1)), None, 2).await, [8, 6], "the first page of one CID");
    assert_eq!(page(Some(cid(1)), Some(5), usize::MAX).await, [4, 2], "the next one");
}

/// Trimming drops the oldest and says how many; their numbers are not given again, and those that
/// stay keep theirs.
pub async fn trimming_drops_the_oldest_and_no_number_is_given_again(store: &dyn JobStore) {
    let all: Vec<Decision> = (0..7).map(|n| made((n % 2, n.into()))).collect();
    write(store, &all).await;
    for keep in [usize::MAX, 8, 7] {
        assert_eq!(trim(store, keep).await, 0, "there is nothing to drop beyond {keep}");
    }
    assert_eq!(trim(store, 4).await, 3, "trimming says how many it dropped");
    let mut kept: Vec<_> = (4..).zip(all[3..].iter().cloned()).collect();
    kept.reverse();
    assert_eq!(list(store, None, None, usize::MAX).await, kept, "the newest are kept as they were");
    let of_first = list(store, Some(cid(0)), None, usize::MAX).await;
    assert_eq!(numbers(&of_first), [7, 5], "what was dropped is dropped of its CID too");

    write(store, &all[..1]).await;
    let newest = list(store, None, None, 1).await;
    assert_eq!(newest, [(8, all[0].clone())], "numbers go on after trimming");
    assert_eq!(trim(store, 0).await, 5, "all may be dropped");
    assert_eq!(list(store, None, None, usize::MAX).await, [], "nothing is kept of nothing");
    write(store, &all[..1]).await;
    let newest = list(store, None, None, 1).await;
    assert_eq!(newest, [(9, all[0].clone())], "a number is never given again");
    assert_eq!(trim(store, 1).await, 0, "one is kept");
}

/// A decision stands in the log if and only if the rest of its change was written, and a change that
/// was refused takes no number.
pub async fn a_decision_is_written_with_the_rest_of_its_change(store: &dyn JobStore) {
    let read = store.insert_job(&job("a", cid(1))).await.expect("a new job is inserted");
    let change = |decided| Change {
        jobs: vec![looked_at(&read, 70)],
        decisions: vec![made((1, decided))],
        ..Change::default()
    };
    store.commit(&change(1)).await.expect("the version read is current");
    let stale = store.commit(&change(2)).await;
    assert!(matches!(stale, Err(Error::Stale(_))), "the job was written since: {stale:?}");
    let listed = list(store, None, None, usize::MAX).await;
    assert_eq!(listed, [(1, made((1, 1)))], "a refused change leaves no decision");
    write(store, &[made((1, 3))]).await;
    let newest = list(store, None, None, 1).await;
    assert_eq!(newest, [(2, made((1, 3)))], "a refused change takes no number");
    assert!(store.remove_job(&read.value.job.id).await.expect("a job can be removed"));
    let listed = list(store, Some(cid(1)), None, usize::MAX).await;
    assert_eq!(numbers(&listed), [2, 1], "what was decided stays when the job is removed");
}

fn made((data, at): (u8, i64)) -> Decision {
    decision(cid(data), at)
}

fn numbers(decisions: &[(u64, Decision)]) -> Vec<u64> {
    decisions.iter().map(|(number, _)| *number).collect()
}

async fn write(store: &dyn JobStore, decisions: &[Decision]) {
    let change = Change { decisions: decisions.to_vec(), ..Change::default() };
    store.commit(&change).await.expect("a change without jobs is written");
}

async fn list(
    store: &dyn JobStore,
    cid: Option<Cid>,
    before: Option<u64>,
    limit: usize,
) -> Vec<(u64, Decision)> {
    store.decisions(cid, before, limit).await.expect("decisions can be listed")
}

async fn trim(store: &dyn JobStore, keep: usize) -> u64 {
    store.trim_decisions(keep).await.expect("the log can be trimmed")
}
