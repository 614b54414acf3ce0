//! The queue of a pass: the looks that would order something, until the whole pass has been seen. The
//! most urgent come first, and no more are kept than may be ordered for.

use std::{cmp::Reverse, collections::BTreeMap};

use cid::Cid;
use raas_core::{Lane, Step, Urgency};

use crate::look::Look;

/// One place in so many is kept for CIDs whose orders keep coming to nothing, so that a flood of
/// others never shuts them out.
const SLOW_SHARE: usize = 8;

/// Looks that would order something.
pub(crate) struct Queue {
    room: usize,
    usual: Places,
    slow: Places,
}

type Places = BTreeMap<(Reverse<Urgency>, Cid), Look>;

impl Queue {
    /// A queue for so many orders.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, usual: Places::new(), slow: Places::new() }
    }

    /// Keeps a look that would order something. Gives back the one for which there is no place, which
    /// may be another one.
    pub(crate) fn push(&mut self, look: Look) -> Option<Look> {
        let Some(urgency) = urgency(&look) else { return Some(look) };
        let (places, most) = match urgency.lane {
            Lane::Usual => (&mut self.usual, self.room),
            Lane::Slow => (&mut self.slow, self.room.div_ceil(SLOW_SHARE)),
        };
        places.insert((Reverse(urgency), look.subject.cid), look);
        if places.len() <= most {
            return None;
        }
        places.pop_last().map(|(_, look)| look)
    }

    /// The CIDs that wait.
    pub(crate) fn cids(&self) -> impl Iterator<Item = Cid> {
        self.usual.keys().chain(self.slow.keys()).map(|(_, cid)| *cid)
    }

    /// All that may be ordered for, the most urgent first; and the others.
    pub(crate) fn into_looks(self) -> (Vec<Look>, Vec<Look>) {
        let Self { room, usual, slow } = self;
        let (mut now, mut later, mut rest) = (Vec::new(), Vec::new(), room);
        let reserved: usize =
            slow.values().map(orders).sum::<usize>().min(room.div_ceil(SLOW_SHARE));
        let usual = usual.into_values().map(|look| (look, reserved));
        for (look, kept) in usual.chain(slow.into_values().map(|look| (look, 0))) {
            let orders = orders(&look);
            if orders + kept <= rest {
                rest -= orders;
                now.push(look);
            } else {
                later.push(look);
            }
        }
        (now, later)
    }
}

/// How urgent the most urgent order of a look is; `None` where it orders nothing.
pub(crate) fn urgency(look: &Look) -> Option<Urgency> {
    let urgency = |step: &Step| match step {
        Step::Order { urgency, .. } => Some(*urgency),
        _ => None,
    };
    look.plan.steps.iter().filter_map(urgency).max()
}

fn orders(look: &Look) -> usize {
    look.plan.steps.iter().filter(|step| matches!(step, Step::Order { .. })).count()
}
