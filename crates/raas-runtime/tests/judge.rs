//! The judge's table: what is true of a deal, for every case there is, at the epochs that matter,
//! as read from a Lotus node, a Forest node and a gateway over sockets.
//!
//! The rows are in `judge_table`. The cases are those of the market actor's life cycle since
//! network version 22 and of the miner actor's proving periods (builtin-actors `actors/market/src/lib.rs`,
//! `actors/miner/src/{deadline_state,expiration_queue}.rs`). What a devnet cannot show - a deal
//! slashed before network version 22 - is a row of raas-core's own tests.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod devnet_world;
mod judge_table;

use std::collections::BTreeSet;

use devnet_world::KINDS;
use judge_table::{Play, Row, play};
use raas_devnet::NodeKind;
use raas_types::{DealReading, SectorReading, VerdictKind};

/// From the publication of the first deals to the termination of a sector that was faulty for six
/// weeks. No null rounds, so that each epoch that is named has a tipset.
fn life() -> Play {
    let mut deeds = judge_table::lives();
    deeds.extend(judge_table::deals_of_a_sector());
    deeds.extend(judge_table::faults());
    let mut rows = judge_table::rows_of_lives();
    rows.extend(judge_table::rows_of_faults());
    Play { begins: 6_199_990, seed: 0, null_every: 0, deeds, rows }
}

#[tokio::test]
async fn every_case_is_judged_as_it_is_on_every_kind_of_node() {
    let failures = play(life()).await;
    assert!(failures.is_empty(), "{} rows:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn a_fault_whose_deadline_ends_in_a_null_round_shows_one_tipset_later() {
    let failures = play(judge_table::at_a_null_round()).await;
    assert!(failures.is_empty(), "{} rows:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_verdict_has_a_row_and_every_row_a_name_of_its_own() {
    let rows = life().rows;
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len());
    let kinds = |row: &Row| KINDS.map(|kind| row.verdict(kind).kind());
    let judged: BTreeSet<_> = rows.iter().flat_map(kinds).collect();
    let all = [
        VerdictKind::Pending,
        VerdictKind::StartMissed,
        VerdictKind::Active,
        VerdictKind::Faulty,
        VerdictKind::Terminated,
        VerdictKind::Ended,
        VerdictKind::Completed,
        VerdictKind::NeverExisted,
        VerdictKind::Gone,
        VerdictKind::Unknown,
    ];
    assert_eq!(judged, all.into());
}

#[tokio::test]
async fn a_gateway_that_is_asked_for_more_than_a_day_ago_is_not_taken_to_know_of_nothing() {
    for kind in KINDS {
        let (deal, sector) = judge_table::told_late(kind).await;
        let (deal, sector) = (
            matches!(deal, DealReading::Failed(_)),
            matches!(sector, Some(SectorReading::Failed(_))),
        );
        let limited = kind == NodeKind::Gateway;
        assert_eq!((deal, sector), (limited, limited), "{kind:?}: whether it failed");
    }
}
