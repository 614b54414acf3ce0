//! The pauses that an endpoint asks for with *429 Too Many Requests*: one for all who use it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// The longest pause that is taken at an endpoint's word: ten minutes, twenty tipsets.
const MAX_PAUSE: Duration = Duration::from_secs(600);
/// The first pause where the endpoint names none; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest: an endpoint that says "now" and means it loses a tenth of a second.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// Pauses that double: 2^10 s are more than the longest.
const MAX_STRIKES: u32 = 10;

/// Until when nothing is to be asked.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// Pauses since the last answer.
    strikes: u32,
}

impl Pause {
    /// How much of it is left; `None` when the endpoint may be asked.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.state().left(now)
    }

    /// The endpoint answered with 429, and perhaps said for how long. Answers how long it will be.
    pub(crate) fn begin(&self, asked: Option<Duration>, now: Instant) -> Duration {
        let mut state = self.state();
        let left = state.left(now).unwrap_or_default();
        // Requests that were under way together are answered alike: that is one strike.
        if left.is_zero() {
            state.strikes = (state.strikes + 1).min(MAX_STRIKES);
        }
        let doubled = FIRST_PAUSE * (1 << (state.strikes.max(1) - 1));
        let pause = asked.unwrap_or(doubled).clamp(MIN_PAUSE, MAX_PAUSE).max(left);
        state.until = Some(now + pause);
        pause
    }

    /// The endpoint answered something else.
    pub(crate) fn answered(&self) {
        self.state().strikes = 0;
    }

    // Every change is one assignment, so a panic elsewhere leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// What a `Retry-After` header asks for: seconds, or a date (RFC 9110, 10.2.3); `None` when it is
/// neither.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 1994-11-06T08:49:37Z is the example of RFC 9110.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(date, now + Duration::from_secs(900)), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[test]
    fn pauses_double_until_something_is_answered_and_are_bounded() {
        let pause = Pause::default();
        let mut now = Instant::now();
        assert_eq!(pause.left(now), None);
        for seconds in [1, 2, 4, 8] {
            let length = Duration::from_secs(seconds);
            // Those under way at the same time count once.
            assert_eq!((pause.begin(None, now), pause.begin(None, now)), (length, length));
            assert_eq!(pause.left(now), Some(length));
            now += length;
            assert_eq!(pause.left(now), None);
        }
        pause.answered();
        assert_eq!(pause.begin(None, now), FIRST_PAUSE);
        assert_eq!(pause.begin(Some(Duration::MAX), now), MAX_PAUSE);
        assert_eq!(pause.begin(Some(Duration::ZERO), now), MAX_PAUSE, "what was promised stands");
        now += MAX_PAUSE;
        assert_eq!(pause.begin(Some(Duration::ZERO), now), MIN_PAUSE);
    }
}
