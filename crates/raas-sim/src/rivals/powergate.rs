//! Powergate (textileio/powergate): a storage configuration is pushed again every day, and whatever it
//! lacks is made.
//!
//! - A deal that is not active at the head any more - terminated, expired or not found - is dropped
//!   from the list on one answer (`ffs/scheduler/scheduler_storage.go`, `getRefreshedColdInfo`;
//!   `ffs/filcold/filcold.go`, `IsFilDealActive`). An error of the node fails the job for this time.
//!   Sectors are not looked at: a fault goes unseen until the sector is terminated.
//! - Of the deals that end within the threshold as many are renewed as the replication factor needs:
//!   `clamp(target - others, 0, ending)`, each once (`EnsureRenewals`). The old deal stays on the list.
//! - Then as many deals as are missing, on miners that hold none (`executeColdStorage`,
//!   `createDeltaFilConfig`).
//! - A job waits for its deals to become active or fail, and the next for the same data waits for it
//!   (`waitForDeals`, `ffs/scheduler/internal/sjstore/sjstore.go`).
//! - Nothing is decided while the node is not in sync.
//!
//! In its favour: every pass is its daily one; the flag of a renewed deal is set on that deal, not on the
//! first of the list; a renewal goes to any miner, not to the old one only; a failed first push is
//! repeated.

use raas_types::{Cause, ChainEpoch, DealId, EpochDelta, Tipset};

use super::{Care, Eyes, Rules, Wish, eyes::Seen};

/// A node that says it is further behind than this is not in sync.
const IN_SYNC: EpochDelta = EpochDelta::new(10);

/// Powergate.
pub(crate) struct Powergate;

/// What it keeps of a deal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    /// When it ends, once it is active.
    ends: Option<ChainEpoch>,
    renewed: bool,
}

impl Rules for Powergate {
    type Note = Note;
    /// The deals that are being renewed.
    type File = Vec<DealId>;

    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish> {
        let Some((head, behind)) = eyes.head() else { return Vec::new() };
        if behind > IN_SYNC || !refresh(care, eyes, &head) {
            return Vec::new();
        }
        if care.under_way() > 0 || care.replicas.iter().any(|r| r.note.ends.is_none()) {
            return Vec::new();
        }
        // What was ordered as a renewal and came to nothing is renewed again.
        care.file.clear();
        let ending: Vec<DealId> = care
            .replicas
            .iter()
            .filter(|replica| !replica.note.renewed && ends_soon(care, replica.note, &head))
            .map(|replica| replica.deal)
            .collect();
        let others = (care.replicas.len() - ending.len()) as u32;
        let renewals = care.target().saturating_sub(others).min(ending.len() as u32);
        let holders = care.providers();
        let renew = |deal: &DealId| Wish {
            cause: Cause::Renewal { deal: *deal },
            exclude: holders.clone(),
        };
        let mut wishes: Vec<_> = ending.iter().take(renewals as usize).map(renew).collect();
        let have = care.replicas.len() as u32 + renewals;
        wishes.extend(Wish::more(care.target().saturating_sub(have), &holders));
        wishes
    }

    fn ordered(care: &mut Care<Self>, wish: &Wish, taken: bool) {
        if let Cause::Renewal { deal } = wish.cause
            && taken
        {
            care.file.push(deal);
        }
    }
}

fn ends_soon(care: &Care<Powergate>, note: Note, head: &Tipset) -> bool {
    let window = care.wanted.renewal;
    window.is_some_and(|w| note.ends.is_some_and(|ends| ends - w <= head.epoch))
}

/// Drops what is not active; false where the node does not tell.
fn refresh(care: &mut Care<Powergate>, eyes: &mut Eyes<'_>, head: &Tipset) -> bool {
    let mut kept = Vec::new();
    for mut replica in care.replicas.clone() {
        match eyes.deal(replica.deal, head) {
            Seen::Failed => return false,
            Seen::Found(found) if found.activation.is_some() => {
                if found.proposal.end <= head.epoch {
                    continue;
                }
                // A deal that becomes active is the successor of one that is being renewed.
                if replica.note.ends.is_none()
                    && let Some(old) = care.file.pop()
                {
                    let old = kept.iter_mut().find(|r: &&mut super::Replica<Note>| r.deal == old);
                    if let Some(old) = old {
                        old.note.renewed = true;
                    }
                }
                replica.note.ends = Some(found.proposal.end);
                kept.push(replica);
            }
            // Waited for until it cannot be activated any more.
            Seen::Found(_) | Seen::Missing
                if replica.note.ends.is_none() && head.epoch <= replica.starts =>
            {
                kept.push(replica);
            }
            Seen::Found(_) | Seen::Missing => {}
        }
    }
    care.replicas = kept;
    true
}
