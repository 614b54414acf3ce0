//! The suite can fail: stores with one flaw each are rejected, by the check that is about it.

mod broken;

use std::sync::Arc;

use broken::{Broken, Flaw};
use raas_job_store::{JobStore, MemoryJobStore, conformance};

#[tokio::test]
async fn a_wrapper_without_a_flaw_passes() {
    run(Flaw::None).await;
}

#[tokio::test]
#[should_panic(expected = "nothing of a refused change is written")]
async fn a_store_that_writes_changes_by_halves_is_rejected() {
    run(Flaw::WritesChangesByHalves).await;
}

#[tokio::test]
#[should_panic(expected = "a stale writer is told so")]
async fn a_store_that_ignores_versions_is_rejected() {
    run(Flaw::IgnoresVersions).await;
}

#[tokio::test]
#[should_panic(expected = "a change with a stale job is refused")]
async fn a_store_that_ignores_versions_in_changes_is_rejected() {
    run(Flaw::IgnoresVersionsInChanges).await;
}

#[tokio::test]
#[should_panic(expected = "order of due jobs")]
async fn a_store_that_gives_due_jobs_in_reverse_is_rejected() {
    run(Flaw::DueInReverse).await;
}

#[tokio::test]
#[should_panic(expected = "the limit 0 of due jobs")]
async fn a_store_that_exceeds_the_limit_is_rejected() {
    run(Flaw::DueBeyondTheLimit).await;
}

#[tokio::test]
#[should_panic(expected = "order of due jobs")]
async fn a_store_that_never_gives_a_new_job_is_rejected() {
    run(Flaw::DueOnlyWhatWasLookedAt).await;
}

#[tokio::test]
#[should_panic(expected = "there is one dossier for each CID asked for")]
async fn a_store_that_answers_a_cid_once_however_often_it_is_asked_for_is_rejected() {
    run(Flaw::AnswersEachCidOnce).await;
}

#[tokio::test]
#[should_panic(expected = "there is one dossier for each CID asked for")]
async fn a_store_that_leaves_out_empty_dossiers_is_rejected() {
    run(Flaw::LeavesOutEmptyDossiers).await;
}

#[tokio::test]
#[should_panic(expected = "the dossier at place 0 is of the CID asked for there")]
async fn a_store_that_gives_dossiers_in_the_order_of_cids_is_rejected() {
    run(Flaw::DossiersInTheOrderOfCids).await;
}

#[tokio::test]
#[should_panic(expected = "a dossier is what the single calls list")]
async fn a_store_that_gives_dossiers_without_transactions_is_rejected() {
    run(Flaw::DossiersWithoutTransactions).await;
}

#[tokio::test]
#[should_panic(expected = "a lease that is held is granted to nobody else")]
async fn a_store_that_grants_a_lease_twice_is_rejected() {
    run(Flaw::GrantsLeasesTwice).await;
}

#[tokio::test]
#[should_panic(expected = "a new holder's fence is above the old one's")]
async fn a_store_that_keeps_the_fence_is_rejected() {
    run(Flaw::KeepsTheFence).await;
}

#[tokio::test]
#[should_panic(expected = "an old holder writes nothing")]
async fn a_store_that_writes_under_any_lease_is_rejected() {
    run(Flaw::WritesUnderAnyLease).await;
}

#[tokio::test]
#[should_panic(expected = "a grant that lapsed and was followed by another is over")]
async fn a_store_that_tells_grants_apart_by_owner_alone_is_rejected() {
    run(Flaw::WritesUnderLapsedLeases).await;
}

#[tokio::test]
#[should_panic(expected = "a look in progress must not overwrite a wake")]
async fn a_store_that_overwrites_wakes_is_rejected() {
    run(Flaw::OverwritesWakes).await;
}

#[tokio::test]
#[should_panic(expected = "the facts stay when the job is removed")]
async fn a_store_that_removes_orders_with_the_job_is_rejected() {
    run(Flaw::RemovesOrdersWithTheJob).await;
}

#[tokio::test]
#[should_panic(expected = "orders of every state are kept")]
async fn a_store_that_forgets_settled_orders_is_rejected() {
    run(Flaw::ForgetsSettledOrders).await;
}

#[tokio::test]
#[should_panic(expected = "decisions come newest first")]
async fn a_store_that_gives_decisions_oldest_first_is_rejected() {
    run(Flaw::DecisionsOldestFirst).await;
}

#[tokio::test]
#[should_panic(expected = "decisions belong to their CID")]
async fn a_store_that_gives_decisions_of_every_cid_is_rejected() {
    run(Flaw::DecisionsOfEveryCid).await;
}

#[tokio::test]
#[should_panic(expected = "a page is below the number given")]
async fn a_store_that_gives_decisions_twice_is_rejected() {
    run(Flaw::DecisionsFromThePageBefore).await;
}

#[tokio::test]
#[should_panic(expected = "nothing of a refused change is written")]
async fn a_store_that_writes_decisions_apart_from_their_change_is_rejected() {
    run(Flaw::WritesDecisionsApart).await;
}

#[tokio::test]
#[should_panic(expected = "there is nothing to drop beyond 7")]
async fn a_store_that_drops_one_too_many_is_rejected() {
    run(Flaw::DropsOneTooMany).await;
}

#[tokio::test]
#[should_panic(expected = "the newest are kept as they were")]
async fn a_store_that_counts_anew_after_trimming_is_rejected() {
    run(Flaw::CountsAnewAfterTrimming).await;
}

#[tokio::test]
#[should_panic(expected = "the note \"state\"")]
async fn a_store_that_keeps_the_first_value_of_a_note_is_rejected() {
    run(Flaw::KeepsTheFirstNote).await;
}

#[tokio::test]
#[should_panic(expected = "everything that was confirmed is there after reopening")]
async fn a_store_that_is_empty_after_reopening_is_rejected() {
    let make = async || Arc::new(MemoryJobStore::new()) as Arc<dyn JobStore>;
    conformance::durable(make, async |_| make().await).await;
}

async fn run(flaw: Flaw) {
    conformance::all(async || Arc::new(Broken::with(flaw)) as Arc<dyn JobStore>).await;
}
