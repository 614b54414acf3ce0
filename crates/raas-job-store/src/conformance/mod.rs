//! What every [`JobStore`] must do, as checks that panic where one does not.
//!
//! A store of your own runs them in a test. [`all`] needs a way to make empty stores; stores that
//! outlive the process run [`durable`] as well, which needs a way to open one anew:
//!
//! ```
//! use std::sync::Arc;
//! use raas_job_store::{JobStore, MemoryJobStore, conformance};
//!
//! # futures::executor::block_on(async {
//! conformance::all(async || Arc::new(MemoryJobStore::new()) as Arc<dyn JobStore>).await;
//! # });
//! ```
//!
//! Each check is public and takes a store that must be empty, so that one may be run alone. The
//! suite needs no particular async runtime.
//!
//! That it can fail is tested in `tests/broken_stores.rs`. It rejects a store that
//!
//! - writes a change by halves when a job in it is stale;
//! - ignores versions, in an update or in a change;
//! - gives due jobs in another order, or more than the limit, or only those that were looked at;
//! - answers a CID that is asked for twice once, leaves out those nobody knows, gives dossiers in an
//!   order of its own or without their transactions;
//! - grants a lease to two owners at once, or without raising the fence;
//! - writes what was decided under a lease that someone else holds now, or that lapsed and was granted
//!   anew;
//! - wakes a job so that a look in progress overwrites it;
//! - forgets orders with the job, or settled orders altogether;
//! - gives decisions oldest first, those of other CIDs too, or from the page before;
//! - writes decisions apart from their change, drops one too many, or counts anew after trimming;
//! - keeps the first value of a note;
//! - confirms writes that are gone after reopening.

pub mod change;
pub mod decisions;
pub mod dossiers;
pub mod facts;
pub mod jobs;
pub mod lease;
pub mod races;
pub mod reopening;
pub mod samples;
pub mod schedule;

use std::sync::Arc;

use raas_types::ChainEpoch;

use crate::{DueJob, JobStore};

/// Runs every check that a single opening of a store can pass, each on a store that `make` makes
/// empty.
///
/// # Panics
///
/// Where the store breaks the contract; the message says which line of it.
pub async fn all(make: impl AsyncFn() -> Arc<dyn JobStore>) {
    macro_rules! on_fresh_stores {
        ($($check:path),* $(,)?) => { $($check(&*make().await).await;)* };
    }
    on_fresh_stores!(
        jobs::what_is_not_there_is_no_error,
        jobs::a_new_job_is_kept_at_version_one,
        jobs::a_taken_id_is_refused,
        jobs::an_update_replaces_and_raises_the_version,
        jobs::a_stale_update_changes_nothing,
        jobs::jobs_are_listed_by_id_in_pages,
        jobs::jobs_of_a_cid_are_found_by_it,
        jobs::a_removed_job_leaves_its_facts,
        schedule::due_jobs_come_in_order_and_within_the_limit,
        schedule::due_jobs_are_named_with_their_cids,
        schedule::epochs_reach_to_the_ends_of_time,
        schedule::a_job_moves_with_its_next_look,
        schedule::waking_asks_for_a_look_at_once,
        facts::memories_are_kept_by_cid_and_deal,
        facts::orders_are_listed_oldest_first,
        facts::orders_are_outstanding_until_they_land_or_fail,
        facts::transactions_are_listed_as_they_were_written,
        facts::cursors_are_set_and_replaced,
        facts::notes_are_set_and_replaced,
        facts::values_come_back_whole,
        dossiers::a_dossier_is_what_the_single_calls_list,
        dossiers::dossiers_come_as_they_were_asked_for,
        dossiers::dossiers_are_given_of_any_number,
        decisions::decisions_come_newest_first_with_their_numbers,
        decisions::decisions_are_read_in_pages,
        decisions::trimming_drops_the_oldest_and_no_number_is_given_again,
        change::a_change_is_written_whole,
        change::a_change_with_a_stale_job_writes_nothing,
        change::a_change_with_an_absent_job_writes_nothing,
        change::a_change_happens_in_the_order_of_its_fields,
        change::an_empty_change_changes_nothing,
        decisions::a_decision_is_written_with_the_rest_of_its_change,
        lease::a_lease_has_one_owner_until_it_is_over,
        lease::a_fence_grows_with_every_new_grant,
        lease::leases_do_not_touch_each_other,
        lease::a_change_under_a_lease_is_written_while_that_was_granted_last,
        lease::a_change_under_a_lease_that_was_never_granted_is_refused,
        races::of_simultaneous_inserts_one_wins,
        races::of_simultaneous_updates_one_wins,
        races::no_retried_update_is_lost,
        races::of_simultaneous_leases_one_is_granted,
    );
}

/// Checks that what was confirmed is there after the store was dropped and opened anew.
///
/// `reopen` is given the only handle to a store that `make` made; it drops it and opens the same
/// data again.
///
/// # Panics
///
/// Where the store breaks the contract; the message says which line of it.
pub async fn durable(
    make: impl AsyncFn() -> Arc<dyn JobStore>,
    reopen: impl AsyncFn(Arc<dyn JobStore>) -> Arc<dyn JobStore>,
) {
    reopening::everything_is_there_after_reopening(make().await, &reopen).await;
    reopening::a_reopened_store_carries_on(make().await, &reopen).await;
}

/// The jobs that are due at `epoch`, `limit` at most.
async fn due(store: &dyn JobStore, epoch: i64, limit: usize) -> Vec<DueJob> {
    let named = store.due_jobs(ChainEpoch::new(epoch), limit).await.expect("due jobs are named");
    named.into_iter().map(|job| job.expect("each due job can be named")).collect()
}
