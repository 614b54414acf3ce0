//! How many questions of a kind are asked at once: fewer while they take too long together.
//!
//! A node answers a batch one item after the other, and some methods walk through a provider's whole
//! state. What is not answered in time is asked in smaller batches by the next reading, and in
//! larger ones again as they are answered.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Batches are never smaller than this part of what is usual: an endpoint that was away for long is
/// not slow, and should not be asked for a hundred thousand items one by one when it is back.
const SMALLEST: usize = 8;

/// The size of batches by method, where it is not the usual one.
#[derive(Debug, Default)]
pub(crate) struct Sizes(Mutex<BTreeMap<&'static str, usize>>);

impl Sizes {
    pub(crate) fn most(&self, method: &'static str, usual: usize) -> usize {
        let smallest = (usual / SMALLEST).max(1);
        self.sizes().get(method).copied().unwrap_or(usual).clamp(smallest, usual.max(1))
    }

    /// A batch of this size was not answered in time.
    pub(crate) fn too_slow(&self, method: &'static str, size: usize) {
        let mut sizes = self.sizes();
        let half = (size / 2).max(1);
        let smaller = sizes.get(method).map_or(half, |now| half.min(*now));
        sizes.insert(method, smaller);
    }

    /// A batch of this size was answered.
    pub(crate) fn answered(&self, method: &'static str, size: usize) {
        let mut sizes = self.sizes();
        if let Some(now) = sizes.get_mut(method)
            && size >= *now
        {
            *now = size.saturating_mul(2);
        }
    }

    fn sizes(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_when_they_take_too_long_and_grow_again() {
        let sizes = Sizes::default();
        assert_eq!(sizes.most("slow", 20), 20);
        for (size, next) in [(20, 10), (10, 5), (5, 2), (2, 2), (2, 2)] {
            sizes.too_slow("slow", size);
            assert_eq!(sizes.most("slow", 20), next);
            assert_eq!(sizes.most("quick", 20), 20);
        }
        for next in [4, 8, 16, 20, 20] {
            sizes.answered("slow", sizes.most("slow", 20));
            assert_eq!(sizes.most("slow", 20), next);
        }
    }

    #[test]
    fn the_rest_of_a_reading_says_nothing_of_size() {
        let sizes = Sizes::default();
        sizes.too_slow("slow", 20);
        sizes.answered("slow", 3);
        assert_eq!(sizes.most("slow", 20), 10);
    }
}
