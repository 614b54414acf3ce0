//! Spade (ribasushi/spade), which lets providers take what may be replicated further.
//!
//! - A replica counts when it is active and does not end before a cut-off; a proposal counts while it is
//!   pending (`misc/pg_schema.sql`, `piece_realtime_eligibility`, `replica_expiration_cutoff_epoch`).
//! - A provider may take a piece while fewer count than the maximum, none of the providers of its own
//!   organisation or too many of its country hold one, and it holds none itself
//!   (`webapi/apiSpRequestPiece.go`).
//! - The market's state is read ten epochs behind the head; a deal that is not in it is terminated, one
//!   that is there again is active again (`cron/trackdeals.go`). An error ends the run, and nothing
//!   changes. A proposal that is not activated a day after its start has failed.
//! - Sectors are not looked at: a fault goes unseen until the sector is terminated.
//! - A proposal's start epoch is made of the day, so that a repeated one is the same
//!   (`webapi/apiSpRequestPiece.go`).
//!
//! In its favour: some provider asks for every piece as soon as it may, and gets the bytes from wherever
//! they are; the cut-off is the job's renewal threshold, not 45 days, which the shortest deals here do
//! not reach. The caps are a tenant's to set: here one replica an organisation, and no more than half of
//! the target, rounded up, in a country.

use std::collections::BTreeMap;

use raas_types::{EpochDelta, ProviderId, Tipset};

use super::{Care, Eyes, Rules, Wish, eyes::Seen};

/// The market's state is read so far behind the head.
const LOOK_BACK: EpochDelta = EpochDelta::new(10);

/// So long after its start a proposal may still be activated.
const LATE: EpochDelta = EpochDelta::DAY;

/// Spade.
pub(crate) struct Spade;

/// What it takes a deal for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// Not activated yet.
    #[default]
    Proposed,
    /// Active beyond the cut-off.
    Active,
    /// Active, and to end before the cut-off.
    Ending,
    /// Not there, or never to be activated.
    Terminated,
}

impl Rules for Spade {
    type Note = Status;
    type File = ();

    const REPEATS_ITSELF: bool = true;

    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish> {
        let Some(tipset) = eyes.behind_head(LOOK_BACK) else { return Vec::new() };
        let Some(statuses) = track(care, eyes, &tipset) else { return Vec::new() };
        for (replica, status) in care.replicas.iter_mut().zip(statuses) {
            replica.note = status;
        }
        let counts = |status: Status| matches!(status, Status::Proposed | Status::Active);
        let counted = care.replicas.iter().filter(|r| counts(r.note)).count() as u32;
        let missing = care.target().saturating_sub(counted + care.under_way());
        if missing == 0 {
            return Vec::new();
        }
        let live = care.replicas.iter().filter(|r| r.note != Status::Terminated);
        let mut exclude: Vec<ProviderId> = live.map(|replica| replica.provider).collect();
        let counted = care.replicas.iter().filter(|r| counts(r.note)).map(|r| r.provider);
        exclude.extend(over_the_caps(&counted.collect::<Vec<_>>(), care.target(), eyes));
        Wish::more(missing, &exclude)
    }
}

/// What has become of each deal; nothing where the node fails.
fn track(care: &Care<Spade>, eyes: &mut Eyes<'_>, tipset: &Tipset) -> Option<Vec<Status>> {
    let cut_off = tipset.epoch + care.wanted.renewal.unwrap_or(EpochDelta::ZERO);
    let mut status = |replica: &super::Replica<Status>| {
        Some(match eyes.deal(replica.deal, tipset) {
            Seen::Failed => return None,
            Seen::Found(found) if found.activation.is_some() => {
                if found.proposal.end <= tipset.epoch {
                    Status::Terminated
                } else if found.proposal.end < cut_off {
                    Status::Ending
                } else {
                    Status::Active
                }
            }
            Seen::Found(_) | Seen::Missing
                if replica.note == Status::Proposed && tipset.epoch <= replica.starts + LATE =>
            {
                Status::Proposed
            }
            Seen::Found(_) | Seen::Missing => Status::Terminated,
        })
    };
    care.replicas.iter().map(&mut status).collect()
}

/// Providers whose organisation or country holds as many replicas as it may.
fn over_the_caps(holders: &[ProviderId], target: u32, eyes: &Eyes<'_>) -> Vec<ProviderId> {
    let (mut organisations, mut countries) = (BTreeMap::new(), BTreeMap::new());
    for (organisation, country) in holders.iter().filter_map(|holder| eyes.home(*holder)) {
        *organisations.entry(organisation).or_insert(0) += 1;
        *countries.entry(country).or_insert(0) += 1;
    }
    let full = |id: &ProviderId| {
        eyes.home(*id).is_some_and(|(organisation, country)| {
            organisations.contains_key(&organisation)
                || countries.get(&country).is_some_and(|held| *held >= target.div_ceil(2))
        })
    };
    eyes.world.providers.iter().map(|provider| provider.id).filter(full).collect()
}
