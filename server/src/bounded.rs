//! A map that holds so much and forgets the oldest: what is remembered about strangers must have an end.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Forgets in the order of insertion.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    capacity: usize,
    /// What all entries weigh.
    weight: usize,
    /// Values and what they weigh.
    entries: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> BoundedMap<K, V> {
    /// Holds at most `capacity` entries, or entries of that weight together.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, weight: 0, entries: HashMap::new(), order: VecDeque::new() }
    }

    /// The value of `key`, if it is still remembered.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Remembers `value`; a key that is there already keeps its age.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.insert_weighing(key, value, 1);
    }

    /// As [`Self::insert`], for entries of different weights.
    pub(crate) fn insert_weighing(&mut self, key: K, value: V, weight: usize) {
        self.weight = self.weight.saturating_add(weight);
        match self.entries.insert(key.clone(), (value, weight)) {
            Some((_, before)) => self.weight = self.weight.saturating_sub(before),
            None => self.order.push_back(key),
        }
        while self.weight > self.capacity {
            let Some(oldest) = self.order.pop_front() else { return };
            self.forget(&oldest);
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        if self.forget(key) {
            self.order.retain(|known| known != key);
        }
    }

    fn forget(&mut self, key: &K) -> bool {
        let Some((_, weight)) = self.entries.remove(key) else { return false };
        self.weight = self.weight.saturating_sub(weight);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_goes_first() {
        let mut map = BoundedMap::new(2);
        map.insert("a", 1);
        map.insert("b", 2);
        map.insert("a", 3);
        map.insert("c", 4);
        assert_eq!((map.get(&"a"), map.get(&"b"), map.get(&"c")), (None, Some(&2), Some(&4)));
    }

    #[test]
    fn a_heavy_entry_takes_the_place_of_several_light_ones() {
        let mut map = BoundedMap::new(10);
        for key in ["a", "b", "c"] {
            map.insert_weighing(key, 1, 3);
        }
        map.insert_weighing("d", 1, 6);
        assert_eq!((map.get(&"a"), map.get(&"b"), map.get(&"c"), map.get(&"d")), (None, None, Some(&1), Some(&1)));
        map.insert_weighing("d", 2, 1);
        map.insert_weighing("e", 1, 6);
        assert_eq!((map.get(&"c"), map.get(&"d"), map.get(&"e")), (Some(&1), Some(&2), Some(&1)));
    }

    #[test]
    fn what_was_removed_makes_room() {
        let mut map = BoundedMap::new(2);
        map.insert("a", 1);
        map.insert("b", 2);
        map.remove(&"b");
        map.insert("c", 3);
        assert_eq!((map.get(&"a"), map.get(&"b"), map.get(&"c")), (Some(&1), None, Some(&3)));
    }
}
