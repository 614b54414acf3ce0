//! Which of several endpoints is asked first: the preferred one, unless it failed lately.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// For how many questions an endpoint that failed is tried last; at each further failure for twice
/// as many. One of 8 questions at most waits for a first endpoint that is dead.
const FIRST_ASIDE: u32 = 8;
/// The most questions for which it is: one of 64.
const MAX_ASIDE: u32 = 64;

/// How the endpoints did, by their places in the settings.
#[derive(Debug)]
pub(crate) struct Choice(Mutex<Vec<Standing>>);

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// For so many questions it is still tried last.
    aside: u32,
    /// How long it was set aside the last time; 0 where it has answered since.
    last: u32,
}

impl Choice {
    /// Among so many, of which none has failed yet.
    pub(crate) fn among(endpoints: usize) -> Self {
        Self(Mutex::new(vec![Standing::default(); endpoints]))
    }

    /// The order in which they are tried for one question: those in favour first, each group as in
    /// the settings.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut standings = self.standings();
        let (good, bad): (Vec<_>, Vec<_>) =
            (0..standings.len()).partition(|place| standings[*place].aside == 0);
        for standing in standings.iter_mut() {
            standing.aside = standing.aside.saturating_sub(1);
        }
        [good, bad].concat()
    }

    /// It answered.
    pub(crate) fn answered(&self, place: usize) {
        if let Some(standing) = self.standings().get_mut(place) {
            *standing = Standing::default();
        }
    }

    /// It was not there, or of no use for anything asked.
    pub(crate) fn failed(&self, place: usize) {
        if let Some(standing) = self.standings().get_mut(place) {
            let aside = (standing.last * 2).clamp(FIRST_ASIDE, MAX_ASIDE);
            *standing = Standing { aside, last: aside };
        }
    }

    // Every change is one assignment, so a panic elsewhere leaves the list whole.
    fn standings(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_is_tried_last_for_a_while_and_longer_each_time() {
        let choice = Choice::among(3);
        assert_eq!(choice.order(), [0, 1, 2]);
        for aside in [8, 16, 32, 64, 64] {
            choice.failed(0);
            for _ in 0..aside {
                assert_eq!(choice.order(), [1, 2, 0]);
            }
            assert_eq!(choice.order(), [0, 1, 2], "after {aside}");
        }
        choice.failed(0);
        choice.failed(1);
        assert_eq!(choice.order(), [2, 0, 1]);
        choice.answered(0);
        assert_eq!(choice.order(), [0, 2, 1]);
        choice.failed(0);
        assert_eq!(choice.0.lock().unwrap()[0].aside, 8, "it had answered");
    }
}
