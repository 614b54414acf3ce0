//! Every way in which a devnet's node fails its clients, and what that is to look like. A way that is
//! added there does not compile here until it is said.

use std::iter::successors;

use raas_devnet::{Lie, RpcMode};
use raas_types::{DealId, VerdictKind};

use super::{START, TIMEOUT};

/// How far a node may be behind, by the settings' default.
const MAX_BEHIND: i64 = 20;

/// What a node that reads through one such endpoint makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing: all is read as ever.
    None,
    /// It answers nothing that can be used.
    Deaf,
    /// It answers, and may not be believed; that shows when it introduces itself.
    Unfit,
    /// Some deals are not told of.
    Partial,
    /// Of one deal, something else than the truth.
    Says(VerdictKind),
}

/// All of them, the lies being about that deal.
pub(crate) fn every_mode(deal: DealId) -> impl Iterator<Item = RpcMode> {
    successors(Some(RpcMode::Ok), move |mode| after(*mode, deal))
}

fn after(mode: RpcMode, deal: DealId) -> Option<RpcMode> {
    Some(match mode {
        RpcMode::Ok => RpcMode::Down,
        RpcMode::Down => RpcMode::Lagging { behind: 2_880 },
        RpcMode::Lagging { behind } if behind > MAX_BEHIND => {
            RpcMode::Lagging { behind: MAX_BEHIND / 2 }
        }
        RpcMode::Lagging { .. } => RpcMode::Hang,
        RpcMode::Hang => RpcMode::Slow { milliseconds: 3 * too_slow() },
        RpcMode::Slow { milliseconds } if milliseconds > too_slow() => {
            RpcMode::Slow { milliseconds: 20 }
        }
        RpcMode::Slow { .. } => RpcMode::Garbage,
        RpcMode::Garbage => RpcMode::HalfBatches,
        RpcMode::HalfBatches => RpcMode::Truncated,
        RpcMode::Truncated => RpcMode::WrongIds,
        RpcMode::WrongIds => RpcMode::Swapped,
        RpcMode::Swapped => RpcMode::TooManyRequests { retry_after: 0 },
        RpcMode::TooManyRequests { retry_after: 0 } => RpcMode::TooManyRequests { retry_after: 1 },
        RpcMode::TooManyRequests { retry_after: 1 } => {
            RpcMode::TooManyRequests { retry_after: 3_600 }
        }
        RpcMode::TooManyRequests { .. } => RpcMode::Forked { since: START.get() },
        RpcMode::Forked { .. } => RpcMode::OtherNetwork,
        RpcMode::OtherNetwork => RpcMode::Lie { deal, as_: Lie::Missing },
        RpcMode::Lie { as_, .. } => {
            let as_ = match as_ {
                Lie::Missing => Lie::Elsewhere,
                Lie::Elsewhere => Lie::Healthy,
                Lie::Healthy => Lie::Faulty,
                Lie::Faulty => Lie::Dead,
                Lie::Dead => return None,
            };
            RpcMode::Lie { deal, as_ }
        }
    })
}

/// Milliseconds after which nobody waits any more.
fn too_slow() -> u64 {
    u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX)
}

impl Harm {
    /// What an endpoint does that is so from the beginning of a pass. A lone one may be on whichever
    /// fork it likes: it is the same world there.
    pub(crate) fn of(mode: RpcMode, is_alone: bool) -> Self {
        match mode {
            RpcMode::Ok | RpcMode::Swapped => Self::None,
            RpcMode::Forked { .. } if is_alone => Self::None,
            RpcMode::Lagging { behind } if behind <= MAX_BEHIND => Self::None,
            RpcMode::Slow { milliseconds } if milliseconds < too_slow() => Self::None,
            RpcMode::Down
            | RpcMode::Hang
            | RpcMode::Slow { .. }
            | RpcMode::Garbage
            | RpcMode::Truncated
            | RpcMode::WrongIds
            | RpcMode::TooManyRequests { .. } => Self::Deaf,
            RpcMode::Lagging { .. } | RpcMode::Forked { .. } | RpcMode::OtherNetwork => Self::Unfit,
            RpcMode::HalfBatches => Self::Partial,
            RpcMode::Lie { as_, .. } => match as_ {
                Lie::Missing | Lie::Dead => Self::Says(VerdictKind::Terminated),
                Lie::Faulty => Self::Says(VerdictKind::Faulty),
                // A proposal never changes, so that this is no news of the deal.
                Lie::Elsewhere => Self::Says(VerdictKind::Unknown),
                // As it is.
                Lie::Healthy => Self::None,
            },
        }
    }

    /// What one does that becomes so after it has introduced itself.
    pub(crate) fn of_turning(mode: RpcMode) -> Self {
        match mode {
            // It has no such tipset.
            RpcMode::Lagging { behind } if behind > MAX_BEHIND => Self::Deaf,
            RpcMode::Forked { .. } => Self::Deaf,
            // Nothing but its introduction would tell.
            RpcMode::OtherNetwork => Self::None,
            mode => Self::of(mode, true),
        }
    }

    /// Whether a lie about a loss is believed where nobody contradicts it.
    pub(crate) fn is_a_loss(self) -> bool {
        matches!(self, Self::Says(VerdictKind::Terminated | VerdictKind::Faulty))
    }
}
