//! How many calls go in one batch: what the endpoint takes, and fewer while that is too slow.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The sizes of batches that were found out by asking.
#[derive(Debug, Default)]
pub(crate) struct Sizes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What the endpoint takes, where larger ones were refused. That is how it is set up: it is not
    /// tried again.
    taken: Option<usize>,
    /// By question, where larger ones were not answered whole or in time. That may pass: grows again.
    slow: BTreeMap<&'static str, usize>,
}

impl Sizes {
    /// The most that go in one batch of a question of which so many are asked together usually.
    pub(crate) fn most(&self, question: &'static str, usual: usize) -> usize {
        let state = self.state();
        let most = state.slow.get(question).copied().unwrap_or(usual).min(usual);
        most.min(state.taken.unwrap_or(usual)).max(1)
    }

    /// A batch of this size was refused for its size, or for being one.
    pub(crate) fn refused(&self, size: usize) {
        let mut state = self.state();
        let half = (size / 2).max(1);
        state.taken = Some(state.taken.map_or(half, |now| half.min(now)));
    }

    /// A batch of this size was not answered in time, or not whole.
    pub(crate) fn too_slow(&self, question: &'static str, size: usize) {
        let half = (size / 2).max(1);
        let mut state = self.state();
        let now = state.slow.entry(question).or_insert(half);
        *now = half.min(*now);
    }

    /// A batch of this size was answered.
    pub(crate) fn answered(&self, question: &'static str, size: usize) {
        let mut state = self.state();
        if let Some(now) = state.slow.get_mut(question)
            && size >= *now
        {
            *now = size.saturating_mul(2);
        }
    }

    // Every change is one assignment, so a panic elsewhere leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_size_is_remembered_for_all_questions() {
        let sizes = Sizes::default();
        assert_eq!((sizes.most("all", 50), sizes.most("active", 10)), (50, 10));
        for (size, next) in [(50, 25), (25, 12), (12, 6), (6, 3), (3, 1), (1, 1)] {
            sizes.refused(size);
            assert_eq!((sizes.most("all", 50), sizes.most("active", 10)), (next, next.min(10)));
            sizes.answered("all", next);
            assert_eq!(sizes.most("all", 50), next, "it does not grow");
        }
    }

    #[test]
    fn a_slow_question_is_asked_in_smaller_batches_until_they_are_answered() {
        let sizes = Sizes::default();
        sizes.too_slow("active", 10);
        sizes.too_slow("active", 5);
        assert_eq!((sizes.most("active", 10), sizes.most("all", 50)), (2, 50));
        sizes.answered("active", 1);
        assert_eq!(sizes.most("active", 10), 2, "the rest of a reading says nothing of size");
        for next in [4, 8, 10, 10] {
            sizes.answered("active", sizes.most("active", 10));
            assert_eq!(sizes.most("active", 10), next);
        }
    }
}
