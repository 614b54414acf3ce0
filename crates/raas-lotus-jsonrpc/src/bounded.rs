//! A map that holds no more than so many entries, and forgets the ones not used for longest.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Two generations of at most `half` entries each: when the young one is full it becomes the old
/// one, and the old one is forgotten. What is used is kept by moving to the young one.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    half: usize,
    generations: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Copy, V: Copy> Bounded<K, V> {
    /// At most `entries` of them, at least two.
    pub(crate) fn new(entries: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { half: (entries / 2).max(1), generations: Mutex::new(generations) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(*value);
        }
        let value = generations.old.remove(key)?;
        generations.insert(self.half, *key, value);
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.lock().insert(self.half, key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut generations = self.lock();
        generations.young.remove(key);
        generations.old.remove(key);
    }

    pub(crate) fn clear(&self) {
        let mut generations = self.lock();
        generations.young.clear();
        generations.old.clear();
    }

    // A lost entry is asked for again, so whatever a panic elsewhere left is good enough.
    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, half: usize, key: K, value: V) {
        if self.young.len() >= half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_it_may_and_keeps_what_is_used() {
        let map = Bounded::new(10);
        for n in 0..1_000 {
            map.insert(n, n);
            assert_eq!(map.get(&0), Some(0), "after {n}");
            let generations = map.lock();
            assert!(generations.young.len() + generations.old.len() <= 10);
        }
        assert_eq!(map.get(&999), Some(999));
        assert_eq!(map.get(&500), None);
        map.remove(&999);
        assert_eq!(map.get(&999), None);
        map.clear();
        assert_eq!(map.get(&0), None);
    }

    #[test]
    fn an_entry_is_there_once() {
        let map = Bounded::new(4);
        for value in 0..100 {
            map.insert(1, value);
            map.insert(value + 2, 0);
            assert_eq!(map.get(&1), Some(value));
        }
    }
}
