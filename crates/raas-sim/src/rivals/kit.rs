//! The RaaS starter kit (filecoin-project/raas-starter-kit), one aggregator's copy of the data after
//! the other.
//!
//! - As many deals as wanted are asked for when a job comes (`api/archive/service.js` passes the target
//!   on; `api/lighthouseAggregator.js` as it stands makes one). An order is polled for 73 hours, the sum
//!   of 18 doubled delays from a second on, and made once more where nothing came of it
//!   (`lighthouseProcessWithRetry`).
//! - A deal is renewed when `EndEpoch - head` is below the threshold, and repaired when its
//!   `SlashEpoch` is set and long enough ago (`api/repairAndRenewal.js`). The market drops a
//!   terminated deal at once (FIP-0074): the read fails, is logged, and nothing is repaired.
//! - The old deal is dropped from the list as its successor is asked for, whether that succeeds or not
//!   (the same file: break before make).
//! - What an aggregator says is a deal is one: nothing checks whose.
//!
//! In its favour: a deal is renewed only where fewer than the target would be left without it - the file
//! renews each, and where an order makes two deals they double with every term; thresholds are the job's, not the constants of 1000 epochs that the file marks as to be
//! replaced; a first order is repeated until an aggregator takes it; and the contract, whose
//! `getActiveDeals` never gets shorter and so never asks for a replica more, is left out.

use raas_types::{Cause, EpochDelta, OnChainDeal};

use super::{Care, Eyes, Rules, Wish, eyes::Seen};

/// The sum of 2^n seconds for n below 18, in epochs of 30 seconds: 262 143 / 30.
const POLLED_FOR: EpochDelta = EpochDelta::new(8_738);

/// The starter kit.
pub(crate) struct Kit;

/// What it keeps of some data.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Replicas asked for when jobs came.
    pub(super) asked: u32,
    /// So many orders were repeats.
    retried: u64,
}

impl Rules for Kit {
    type Note = ();
    type File = File;

    const SIGNS: bool = false;

    fn patience(_latency: EpochDelta) -> EpochDelta {
        POLLED_FOR
    }

    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish> {
        // Each order is repeated once: no more than half of all are repeats.
        let left = (care.orders / 2).saturating_sub(care.file.retried);
        let again = care.given_up.min(u32::try_from(left).unwrap_or(u32::MAX));
        care.file.retried += u64::from(again);
        let mut wishes = Wish::more(care.target().saturating_sub(care.file.asked) + again, &[]);
        let Some((head, _)) = eyes.head() else { return wishes };
        let (renewal, repair) = (care.wanted.renewal, care.wanted.repair);
        let due = |deal: &OnChainDeal| {
            let ends = renewal.is_some_and(|window| deal.proposal.end.since(head.epoch) < window);
            let slashed = deal.activation.as_ref().and_then(|activation| activation.slashed);
            let over = |threshold| slashed.is_some_and(|at| head.epoch.since(at) > threshold);
            ends || repair.is_some_and(over)
        };
        let (target, mut left) = (care.target(), care.replicas.len() as u32 + care.under_way());
        care.replicas.retain(|replica| {
            let deal = replica.deal;
            let needed = left <= target;
            let renews = needed
                && match eyes.deal(deal, &head) {
                    Seen::Found(found) => due(&found),
                    Seen::Missing | Seen::Failed => false,
                };
            if !needed {
                left -= 1;
            }
            if renews {
                wishes.push(Wish { cause: Cause::Renewal { deal }, exclude: Vec::new() });
            }
            !renews
        });
        wishes
    }

    fn ordered(care: &mut Care<Self>, wish: &Wish, taken: bool) {
        if wish.cause == Cause::Replication && taken {
            care.file.asked = (care.file.asked + 1).min(care.target());
        }
    }
}
