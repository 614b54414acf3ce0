//! When the deadlines of a provider end: fixed when the provider was made, so asked for once. And
//! which of these ends the state at a tipset shows, where null rounds may hide the last one.

use std::collections::BTreeSet;

use jsonrpsee::core::params::ArrayParams;
use raas_types::{ChainEpoch, EpochDelta, ProviderId};
use serde_json::value::RawValue;

use crate::{
    JsonRpcLotus,
    api::STATE_MINER_PROVING_DEADLINE,
    ask::{Answer, Asking, Question},
    config::MAX_BATCH,
    known::Facts,
    wire,
};

/// The ends of a deadline around the epoch of a tipset that is read at. It has ended at `e` when `e - 1`
/// was its last epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    last: ChainEpoch,
    next: ChainEpoch,
}

impl Ends {
    /// The last end up to `at`, and the first above it.
    pub(super) fn around(at: ChainEpoch, offset: wire::PeriodOffset, deadline: u64) -> Self {
        let next = offset.next_end(deadline, at);
        Self { last: next - EpochDelta::PROVING_PERIOD, next }
    }

    /// The first end above the tipset's epoch.
    pub(super) fn next(self) -> ChainEpoch {
        self.next
    }

    /// Whether the last end lies so shortly before `at` that null rounds may keep the state from
    /// showing it.
    pub(super) fn may_be_hidden(self, at: ChainEpoch) -> bool {
        self.last + EpochDelta::MAX_NULL_ROUNDS > at
    }

    /// The first end that the state does not show. The state at a tipset is the one that its parents
    /// left, and cron runs for null rounds with the tipset that follows them (lotus
    /// `chain/consensus/compute_state.go`): what ended after the parents' epoch is not in it. Where
    /// that epoch is not known, the last end counts as not shown, which costs a reading more.
    pub(super) fn next_after(self, parents: Option<ChainEpoch>) -> ChainEpoch {
        let shown = parents.is_some_and(|parents| self.last <= parents + EpochDelta::new(1));
        if shown { self.next } else { self.last }
    }
}

impl JsonRpcLotus {
    /// Asks for the schedules that are not remembered, where the endpoint tells of them. Without
    /// one, a sector's next deadline end is not known, and no more than that.
    pub(super) async fn learn_schedules(
        &self,
        asking: &Asking<'_>,
        facts: &Facts,
        providers: BTreeSet<ProviderId>,
    ) {
        if facts.proving_deadline != Some(true) {
            return;
        }
        let note = |provider: &ProviderId| self.providers.get(provider).unwrap_or_default();
        let unknown = providers.into_iter().filter(|provider| note(provider).offset.is_none());
        let questions: Vec<_> = unknown.map(ScheduleQuestion).collect();
        let schedules = asking.ask(&questions).await;
        for (ScheduleQuestion(provider), schedule) in questions.into_iter().zip(schedules) {
            match schedule {
                Ok(offset) => {
                    // What else is noted may have been written meanwhile.
                    let noted = self.providers.get(&provider).unwrap_or_default();
                    let noted = super::ProviderNote { offset: Some(offset), ..noted };
                    self.providers.insert(provider, noted);
                }
                Err(why) => {
                    let why = self.failure(why);
                    tracing::debug!(%provider, why, "a provider's schedule cannot be read");
                }
            }
        }
    }
}

/// When a provider's proving periods start.
pub(crate) struct ScheduleQuestion(pub(crate) ProviderId);

impl Question for ScheduleQuestion {
    const METHOD: &'static str = STATE_MINER_PROVING_DEADLINE;
    const MOST: usize = MAX_BATCH;
    type Reading = Result<wire::PeriodOffset, String>;

    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error> {
        let mut params = ArrayParams::new();
        params.insert(wire::provider_address(self.0))?;
        params.insert(key)?;
        Ok(params)
    }

    fn read(&self, answer: Answer<'_>) -> Self::Reading {
        answer.decode::<wire::ProvingDeadline>().map(wire::ProvingDeadline::offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: i64 = EpochDelta::PROVING_PERIOD.get();
    const NULL_ROUNDS: i64 = EpochDelta::MAX_NULL_ROUNDS.get();

    /// A chain of tipsets by their epochs, and a sector on it.
    #[derive(Debug)]
    struct Chain {
        tipsets: Vec<i64>,
        period_start: i64,
        deadline: u64,
        /// Whether the endpoint tells of a tipset's parents.
        tells: bool,
    }

    /// Three periods of tipsets. Spaces between them repeat, a space of one being no null round.
    fn chains(spaces: impl Strategy<Value = i64>) -> impl Strategy<Value = Chain> {
        let spaces = prop::collection::vec(spaces, 1..200);
        (spaces, 0..PERIOD, 0..48_u64, any::<bool>()).prop_map(
            |(spaces, period_start, deadline, tells)| {
                let mut epoch = 6_300_000;
                let tipsets = spaces.iter().cycle().map_while(|space| {
                    epoch += space;
                    (epoch < 6_300_000 + 3 * PERIOD).then_some(epoch)
                });
                Chain { tipsets: tipsets.collect(), period_start, deadline, tells }
            },
        )
    }

    impl Chain {
        fn offset(&self) -> wire::PeriodOffset {
            let schedule = serde_json::json!({"PeriodStart": self.period_start});
            serde_json::from_value::<wire::ProvingDeadline>(schedule).expect("a schedule").offset()
        }

        fn named(&self, at: i64, parents: i64) -> i64 {
            let ends = Ends::around(ChainEpoch::new(at), self.offset(), self.deadline);
            let parents = self.tells.then_some(ChainEpoch::new(parents));
            let hidden = ends.may_be_hidden(ChainEpoch::new(at));
            if hidden { ends.next_after(parents).get() } else { ends.next().get() }
        }

        /// The tipsets, with their parents, at which a proven sector is read by who goes by what we
        /// say, as `raas-core` does: from the next end on; at the next tipset when that has just
        /// passed; after a day at the latest.
        fn readings(&self) -> Vec<(i64, i64)> {
            let (mut readings, mut due) = (Vec::new(), 0);
            for pair in self.tipsets.windows(2) {
                let (parents, at) = (pair[0], pair[1]);
                if at < due {
                    continue;
                }
                readings.push((at, parents));
                let end = self.named(at, parents);
                due = match end {
                    end if end > at => end,
                    end if end + NULL_ROUNDS > at => at + 1,
                    _ => at + PERIOD,
                };
                due = due.min(at + PERIOD);
            }
            readings
        }

        /// How long after each end the first reading comes that shows it, over one period and more.
        fn delays(&self) -> Vec<i64> {
            let readings = self.readings();
            let first = self.named(readings[0].0, readings[0].0);
            let shows = |end: i64| readings.iter().find(|(_, parents)| *parents >= end - 1);
            let ends = (0..2).map(|n| first + n * PERIOD).filter(|end| end + PERIOD + 100 < LAST);
            ends.map(|end| shows(end).expect("a reading that shows it").0 - end).collect()
        }
    }

    const LAST: i64 = 6_300_000 + 3 * PERIOD;

    proptest! {
        #[test]
        fn an_end_is_seen_with_the_first_tipset_that_shows_it_or_the_next(
            chain in chains(prop_oneof![20 => Just(1_i64), 3 => 2..5_i64, 1 => 5..=10_i64]),
        ) {
            // Nine null rounds before the first tipset, nine more before the one that shows it.
            for delay in chain.delays() {
                prop_assert!((0..2 * NULL_ROUNDS).contains(&delay), "{delay}");
            }
            // Four ends at most, counting one right before the first tipset: a reading at each, and
            // one more where that did not show it.
            if chain.tells {
                prop_assert!(chain.readings().len() <= 2 * 4, "{:?}", chain.readings());
            }
        }

        #[test]
        fn an_end_that_more_null_rounds_hide_is_seen_a_period_later(
            chain in chains(prop_oneof![10 => Just(1_i64), 1 => 2..40_i64]),
        ) {
            for delay in chain.delays() {
                prop_assert!((0..PERIOD + 40).contains(&delay), "{delay}");
            }
        }
    }

    #[test]
    fn a_state_shows_the_ends_up_to_its_parents_epoch() {
        let chain = Chain { tipsets: vec![], period_start: 6_300_000, deadline: 42, tells: true };
        let (end, next) = (6_302_580, 6_305_460);
        for (at, parents, named) in [
            (end - 1, end - 2, end),
            (end, end - 1, next),
            (end, end - 2, end),
            (end + 3, end - 2, end),
            (end + 3, end - 1, next),
            (end + 9, end - 9, end),
            (end + 10, end - 9, next),
        ] {
            assert_eq!(chain.named(at, parents), named, "at {at}, parents at {parents}");
        }
        let silent = Chain { tells: false, ..chain };
        assert_eq!(silent.named(end, end - 1), end, "not known to be shown");
        assert_eq!(silent.named(end + 10, end + 9), next);
    }
}
