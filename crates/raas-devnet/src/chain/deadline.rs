//! Proving-period arithmetic: when a deadline opens, when faults are counted, when sectors expire.
//!
//! The numbers are those of the builtin miner actor (`runtime/src/runtime/policy.rs`); the formulas
//! those of `DeadlineInfo` and `QuantSpec` there.

/// Epochs in a proving period: a day.
pub(crate) const PERIOD: i64 = 2_880;
/// Epochs a deadline stays open.
pub(crate) const CHALLENGE_WINDOW: i64 = 60;
/// Deadlines in a period: 2880 / 60.
pub(crate) const DEADLINES: u64 = 48;
/// How long before a deadline opens its challenge is drawn.
pub(crate) const CHALLENGE_LOOKBACK: i64 = 20;
/// How long before a deadline opens the last fault or recovery for it is accepted.
pub(crate) const FAULT_CUTOFF: i64 = 70;
/// A sector that stays faulty this long is terminated: 42 periods.
pub(crate) const FAULT_MAX_AGE: i64 = 42 * PERIOD;
/// How long after a deadline has closed a proof made in it may be disputed: twice EC finality, 2 x 900.
pub(crate) const DISPUTE_WINDOW: i64 = 1_800;
/// When in its window a provider's proof lands, counted from the opening. Providers need minutes;
/// any number below the window would do.
const POST_DELAY: i64 = 10;

/// One opening of one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub period_start: i64,
    pub index: u64,
    pub open: i64,
    /// First epoch at which it is no longer open.
    pub close: i64,
}

impl Window {
    /// The last epoch of the window, at whose end cron counts what was not proven.
    pub(crate) fn last(self) -> i64 {
        self.close - 1
    }

    /// When the challenge is drawn.
    pub(crate) fn challenge(self) -> i64 {
        self.open - CHALLENGE_LOOKBACK
    }

    /// From here on no fault or recovery is accepted for this window.
    pub(crate) fn fault_cutoff(self) -> i64 {
        self.open - FAULT_CUTOFF
    }

    /// When the provider's proof lands, if it proves.
    pub(crate) fn post(self) -> i64 {
        self.open + POST_DELAY
    }
}

/// A provider's proving periods: all those that start at `offset` modulo [`PERIOD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    offset: i64,
}

impl Schedule {
    /// Periods that start at `start`, and every [`PERIOD`] before and after.
    pub(crate) fn starting_at(start: i64) -> Self {
        Self { offset: start.rem_euclid(PERIOD) }
    }

    /// The window that is open at `epoch`.
    pub(crate) fn current(self, epoch: i64) -> Window {
        let into_period = (epoch - self.offset).rem_euclid(PERIOD);
        self.window(epoch - into_period, (into_period / CHALLENGE_WINDOW).unsigned_abs())
    }

    /// The first window of `deadline` that has not closed at `epoch`; it may be open.
    pub(crate) fn next_not_elapsed(self, deadline: u64, epoch: i64) -> Window {
        let window = self.window(self.current(epoch).period_start, deadline);
        if window.close > epoch {
            window
        } else {
            self.window(window.period_start + PERIOD, deadline)
        }
    }

    /// The last window of `deadline` that has closed at `epoch`.
    pub(crate) fn last_elapsed(self, deadline: u64, epoch: i64) -> Window {
        self.next_not_elapsed(deadline, epoch - PERIOD)
    }

    /// The first epoch at or after `epoch` at which cron looks at what expired in `deadline`
    /// (expiration queues are keyed by such epochs).
    pub(crate) fn quantize_up(self, deadline: u64, epoch: i64) -> i64 {
        self.next_not_elapsed(deadline, epoch).last()
    }

    fn window(self, period_start: i64, index: u64) -> Window {
        let open = period_start + index.cast_signed() * CHALLENGE_WINDOW;
        Window { period_start, index, open, close: open + CHALLENGE_WINDOW }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: i64 = 6_300_000;

    #[test]
    fn the_windows_of_a_deadline_are_where_the_miner_actor_puts_them() {
        let window = Schedule::starting_at(P).next_not_elapsed(42, P);
        assert_eq!((window.open, window.close, window.last()), (6_302_520, 6_302_580, 6_302_579));
        assert_eq!((window.fault_cutoff(), window.challenge()), (6_302_450, 6_302_500));
        let next = Schedule::starting_at(P).next_not_elapsed(42, window.close);
        assert_eq!((next.open, next.fault_cutoff()), (6_305_400, 6_305_330));
    }

    #[test]
    fn a_window_counts_as_not_elapsed_until_its_last_epoch() {
        let schedule = Schedule::starting_at(P);
        assert_eq!(schedule.next_not_elapsed(42, 6_302_579).open, 6_302_520);
        assert_eq!(schedule.next_not_elapsed(0, P - 1).open, P);
    }

    #[test]
    fn a_window_is_the_last_to_have_closed_from_its_close_until_that_of_the_next() {
        let schedule = Schedule::starting_at(P);
        assert_eq!(schedule.last_elapsed(42, 6_302_580).last(), 6_302_579);
        assert_eq!(schedule.last_elapsed(42, 6_305_459).last(), 6_302_579);
        assert_eq!(schedule.last_elapsed(42, 6_305_460).last(), 6_305_459);
    }

    #[test]
    fn the_fault_expiry_of_a_missed_deadline_needs_no_rounding() {
        let schedule = Schedule::starting_at(P);
        assert_eq!(schedule.quantize_up(42, 6_302_579 + FAULT_MAX_AGE), 6_423_539);
        assert_eq!(schedule.quantize_up(42, 6_423_540), 6_423_539 + PERIOD);
    }

    #[test]
    fn an_on_time_expiry_is_rounded_up_to_the_end_of_the_deadline() {
        // Recorded from a node: period start -2222, deadline 5, expiration 3 675 537.
        assert_eq!(Schedule::starting_at(-2_222).quantize_up(5, 3_675_537), 3_675_897);
    }

    #[test]
    fn the_open_window_is_found_for_epochs_before_the_first_period() {
        // Recorded from a node at epoch 8 with period start -2222.
        let window = Schedule::starting_at(-2_222).current(8);
        assert_eq!((window.period_start, window.index), (-2_222, 37));
        assert_eq!((window.open, window.close, window.fault_cutoff()), (-2, 58, -72));
    }
}
