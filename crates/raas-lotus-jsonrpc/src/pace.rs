//! When the next request may go: requests in flight, requests a second, and the pauses that the
//! endpoint asks for with *429 Too Many Requests*. One for all who use the endpoint.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until, timeout_at},
};

use crate::error::Trouble;

/// The longest pause that is taken at an endpoint's word.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// The first pause where the endpoint names none; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Requests that may wait for each that may be in flight. A reading keeps no more waiting than are
/// in flight, so this is room for as many readings at a time; more fail at once.
const WAITING_PER_SLOT: usize = 64;

/// Hands out turns.
#[derive(Debug)]
pub(crate) struct Pace {
    slots: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// Between two requests.
    interval: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next turn is free, by the pace alone.
    next: Instant,
    pause: Option<Pause>,
    /// How many pauses there were; turns remember it.
    pauses: u64,
    /// Pauses since the last answer.
    strikes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    /// The same on the clock on the wall, to be told.
    until_time: SystemTime,
}

/// Leave to send one request. Dropped when its answer is read.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _slot: SemaphorePermit<'a>,
    pauses: u64,
}

impl Pace {
    pub(crate) fn new(in_flight: usize, per_second: Option<f64>) -> Self {
        let in_flight = in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let interval = per_second.and_then(|pace| Duration::try_from_secs_f64(1.0 / pace).ok());
        let state = State { next: Instant::now(), pause: None, pauses: 0, strikes: 0 };
        Self {
            slots: Semaphore::new(in_flight),
            waiting: AtomicUsize::new(0),
            most_waiting: in_flight.saturating_mul(WAITING_PER_SLOT),
            interval,
            state: Mutex::new(state),
        }
    }

    /// Waits for a turn, no longer than until `by`; fails at once when that is known not to do.
    pub(crate) async fn turn(&self, by: Instant) -> Result<Turn<'_>, Trouble> {
        let _waiting = Waiting::enter(self)?;
        self.state().check_pause(by)?;
        let slot = timeout_at(by, self.slots.acquire()).await;
        let Ok(Ok(slot)) = slot else { return Err(Trouble::NoTurn) };
        loop {
            let at = self.state().book(by, self.interval)?;
            if at > Instant::now() {
                sleep_until(at).await;
            }
            let state = self.state();
            // The endpoint may have asked for a pause meanwhile.
            if state.pause_now().is_none() {
                return Ok(Turn { _slot: slot, pauses: state.pauses });
            }
        }
    }

    /// The endpoint answered a request with 429. Gives when the pause ends.
    pub(crate) fn throttled(&self, turn: &Turn<'_>, retry_after: Option<Duration>) -> Instant {
        let mut state = self.state();
        // Requests that were under way together are answered alike: that is one strike.
        if turn.pauses == state.pauses {
            state.pauses += 1;
            state.strikes = state.strikes.saturating_add(1);
        }
        let doubled = FIRST_PAUSE.saturating_mul(1_u32 << (state.strikes.clamp(1, 20) - 1));
        let pause = retry_after.unwrap_or(doubled).min(MAX_PAUSE);
        let asked = Pause { until: Instant::now() + pause, until_time: SystemTime::now() + pause };
        let longest = state.pause.filter(|pause| pause.until > asked.until).unwrap_or(asked);
        state.pause = Some(longest);
        longest.until
    }

    /// The endpoint answered a request.
    pub(crate) fn answered(&self) {
        self.state().strikes = 0;
    }

    /// What a request that will not be sent before the pause ends is told.
    pub(crate) fn refusal(&self) -> Trouble {
        let pause = self.state().pause;
        pause.map_or(Trouble::Http(429), |pause| Trouble::Throttled { until: pause.until_time })
    }

    // Every change is one assignment, so a panic elsewhere leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause_now(&self) -> Option<Pause> {
        self.pause.filter(|pause| pause.until > Instant::now())
    }

    fn check_pause(&self, by: Instant) -> Result<(), Trouble> {
        match self.pause_now() {
            Some(pause) if pause.until > by => Err(Trouble::Throttled { until: pause.until_time }),
            _ => Ok(()),
        }
    }

    /// Takes the next free turn, when it comes before `by`.
    fn book(&mut self, by: Instant, interval: Option<Duration>) -> Result<Instant, Trouble> {
        self.check_pause(by)?;
        let now = Instant::now();
        let paused = self.pause_now().map_or(now, |pause| pause.until);
        let Some(interval) = interval else { return Ok(paused) };
        let at = self.next.max(paused);
        if at > by {
            return Err(Trouble::NoTurn);
        }
        self.next = at + interval;
        Ok(at)
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(pace: &'a Pace) -> Result<Self, Trouble> {
        let before = pace.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(&pace.waiting);
        if before < pace.most_waiting { Ok(waiting) } else { Err(Trouble::NoTurn) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a `Retry-After` header asks for: seconds, or a date; `None` when it is neither.
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
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::UNIX_EPOCH;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 1994-11-06T08:49:37Z is the example of RFC 9110.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(date, now + SOON * 9), Some(Duration::ZERO), "it is past");
        for nonsense in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_go_at_a_time_than_there_are_slots() {
        let pace = Pace::new(2, None);
        let by = Instant::now() + SOON;
        let first = pace.turn(by).await.unwrap();
        let _second = pace.turn(by).await.unwrap();
        assert!(matches!(pace.turn(by).await, Err(Trouble::NoTurn)), "the wait ends");
        drop(first);
        assert!(pace.turn(by + SOON).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_spaced_and_one_that_comes_too_late_is_not_waited_for() {
        let pace = Pace::new(16, Some(0.1));
        let start = Instant::now();
        for n in 0..4 {
            drop(pace.turn(start + SOON).await.unwrap());
            assert_eq!(start.elapsed().as_secs(), n * 10);
        }
        // The fifth would come at 40 s.
        assert!(matches!(pace.turn(start + SOON).await, Err(Trouble::NoTurn)));
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_for_everybody() {
        let pace = Pace::new(16, None);
        let start = Instant::now();
        let turn = pace.turn(start + SOON).await.unwrap();
        pace.throttled(&turn, Some(Duration::from_secs(7)));
        pace.turn(start + SOON).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 7, "waited for the pause to end");

        let turn = pace.turn(Instant::now() + SOON).await.unwrap();
        pace.throttled(&turn, Some(Duration::from_secs(120)));
        let refused = pace.turn(Instant::now() + SOON).await;
        assert!(matches!(refused, Err(Trouble::Throttled { .. })), "longer than it may wait");
        assert_eq!(start.elapsed().as_secs(), 7, "and at once");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_until_something_is_answered_and_are_bounded() {
        let pace = Pace::new(16, None);
        let long = || Instant::now() + MAX_PAUSE * 2;
        let paused =
            |turn: &Turn<'_>, asked| (pace.throttled(turn, asked) - Instant::now()).as_secs();
        for seconds in [1, 2, 4, 8] {
            // Those under way at the same time count once.
            let (one, other) = (pace.turn(long()).await.unwrap(), pace.turn(long()).await.unwrap());
            assert_eq!((paused(&one, None), paused(&other, None)), (seconds, seconds));
        }
        let turn = pace.turn(long()).await.unwrap();
        pace.answered();
        assert_eq!(paused(&turn, None), 1);
        let turn = pace.turn(long()).await.unwrap();
        assert_eq!(paused(&turn, Some(Duration::MAX)), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_bounded() {
        let pace = Pace::new(1, None);
        let by = Instant::now() + SOON;
        let _held = pace.turn(by).await.unwrap();
        let waiting = futures::future::join_all((0..100).map(|_| async {
            let asked = Instant::now();
            (pace.turn(by).await.is_err(), asked.elapsed())
        }));
        let waited = waiting.await;
        assert!(waited.iter().all(|(failed, _)| *failed));
        let at_once = waited.iter().filter(|(_, waited)| waited.is_zero()).count();
        assert_eq!(at_once, 100 - WAITING_PER_SLOT);
    }
}
