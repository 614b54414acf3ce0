//! Which aggregators can be reached: one that cannot is left alone for a while, and the planner turns
//! to another.

use raas_types::{AggregatorName, ChainEpoch, EpochDelta};

use crate::Node;

/// An aggregator that could not be asked is asked again after 10 epochs (5 minutes) ...
const FIRST_PAUSE: EpochDelta = EpochDelta::new(10);

/// ... then after twice as long each time, at the most after half a day.
const LONGEST_PAUSE: EpochDelta = EpochDelta::HOUR.times(12);

/// An aggregator that could not be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    /// How often in a row.
    times: u32,
    /// Not asked before this.
    until: ChainEpoch,
}

impl Node {
    /// Notes that an aggregator could not be reached at `at`.
    pub(crate) fn note_away(&self, name: &AggregatorName, at: ChainEpoch) {
        let mut away = self.away();
        let entry = away.entry(name.clone()).or_insert(Away { times: 0, until: at });
        // Several CIDs find out about one outage: it counts once.
        if entry.until <= at {
            let pause = FIRST_PAUSE.times(1 << entry.times.min(10)).min(LONGEST_PAUSE);
            *entry = Away { times: entry.times + 1, until: at + pause };
        }
    }

    /// Notes that an aggregator answered.
    pub(crate) fn note_back(&self, name: &AggregatorName) {
        self.away().remove(name);
    }

    /// Until when an aggregator is left alone.
    pub(crate) fn away_until(&self, name: &AggregatorName) -> Option<ChainEpoch> {
        self.away().get(name).map(|away| away.until)
    }
}
