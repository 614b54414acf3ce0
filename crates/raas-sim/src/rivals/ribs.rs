//! RIBS (FILCAT/ribs, the ground of the CIDgravity gateway): replicas are what can be retrieved.
//!
//! - Deals are made while fewer than the target have not failed and are retrievable, or not checked yet
//!   (`rbdeal/deal_tracker.go`, `runDealCheckLoop`; `rbdeal/deal_db.go`, `GetNonFailedDealCount`), on
//!   providers that have no deal of the group (`SelectDealProviders`).
//! - A deal fails that is not sealed 60 epochs after its start (`MarkExpiredDeals`). When a sealed one
//!   ends is not looked at, nor whether its sector is faulty (`deal_tracker.go`: "Active deal checks" is
//!   a comment).
//! - Each sealed deal is probed; one without success for 24 hours counts as unretrievable
//!   (`rbdeal/retr_checker.go`).
//! - Deals are made from data at hand only. Data that was moved away is fetched back for repair when
//!   fewer than 3 deals are retrievable (`AddRepairsForLowRetrievableDeals`, `rbdeal/deal_repair.go`).
//! - Claims are extended, deals are not renewed (`rbdeal/claim_extender.go`); the deals of this world
//!   have no claims.
//!
//! In its favour: the target is the job's, not 10, and data is fetched back below the target where that
//! is less than 3; repair is on, which the gateway turns off; a deal is never taken for retrievable on
//! account of a missed probe, nor the other way round; data that nobody has stored yet is asked of the
//! client again.

use raas_types::{ChainEpoch, EpochDelta, ProviderId};

use super::{Care, Eyes, Rules, Wish, eyes::Seen};

/// Without success for so long, a deal counts as unretrievable.
const FORGIVEN: EpochDelta = EpochDelta::DAY;

/// So long after its start a deal that is not sealed has failed.
const LATE: EpochDelta = EpochDelta::new(60);

/// Fewer retrievable deals than this make a repair.
const REPAIRED_BELOW: u32 = 3;

/// RIBS.
pub(crate) struct Ribs;

/// What it keeps of a deal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    sealed: bool,
    failed: bool,
    /// The first probe that failed with none after it that succeeded.
    failing: Option<ChainEpoch>,
}

impl Rules for Ribs {
    type Note = Note;
    type File = ();

    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish> {
        track(care, eyes);
        probe(care, eyes);
        let now = eyes.now();
        let retrievable =
            |note: &Note| note.sealed && note.failing.is_none_or(|since| now < since + FORGIVEN);
        let good = care.replicas.iter().filter(|r| !r.note.failed).map(|r| r.note);
        let counted = good.clone().filter(|note| !note.sealed || retrievable(note)).count() as u32;
        let retrieved = good.clone().filter(retrievable).count() as u32;
        let is_stored = good.clone().any(|note| note.sealed);
        let missing = care.target().saturating_sub(counted + care.under_way());
        let repairs = retrieved < REPAIRED_BELOW.min(care.target());
        if missing == 0 || !(eyes.has_copy(care.datum) || repairs || !is_stored) {
            return Vec::new();
        }
        let good = care.replicas.iter().filter(|replica| !replica.note.failed);
        let holders: Vec<ProviderId> = good.map(|replica| replica.provider).collect();
        Wish::more(missing, &holders)
    }
}

/// Waits for deals to be sealed, or to have failed.
fn track(care: &mut Care<Ribs>, eyes: &mut Eyes<'_>) {
    let Some((head, _)) = eyes.head() else { return };
    for place in 0..care.replicas.len() {
        let replica = &care.replicas[place];
        if replica.note.sealed || replica.note.failed {
            continue;
        }
        let seen = eyes.deal(replica.deal, &head);
        let starts = replica.starts;
        let note = &mut care.replicas[place].note;
        match seen {
            Seen::Found(found) if found.activation.is_some() => note.sealed = true,
            Seen::Found(_) | Seen::Missing => note.failed = starts + LATE < head.epoch,
            Seen::Failed => {}
        }
    }
}

fn probe(care: &mut Care<Ribs>, eyes: &mut Eyes<'_>) {
    let now = eyes.now();
    for replica in care.replicas.iter_mut().filter(|r| r.note.sealed && !r.note.failed) {
        let failing = replica.note.failing;
        replica.note.failing = (!eyes.can_retrieve(replica.deal)).then(|| failing.unwrap_or(now));
    }
}
