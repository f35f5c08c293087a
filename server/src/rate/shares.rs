//! How much of something each of many may hold at one time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What everybody holds now; nothing is kept of those who hold nothing.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    held: Arc<Mutex<HashMap<K, usize>>>,
}

/// What one holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
    most: usize,
    own: usize,
}

/// Somebody holds all that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareUsed;

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<K> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held) }
    }
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// Nothing yet, for `key`, whose shares together may grow to `most`.
    pub(crate) fn share(&self, key: K, most: usize) -> Share<K> {
        Share { held: Arc::clone(&self.held), key, most, own: 0 }
    }
}

impl<K: Clone + Eq + Hash> Share<K> {
    /// Takes `amount` more, or nothing.
    pub(crate) fn grow(&mut self, amount: usize) -> Result<(), ShareUsed> {
        let mut held = entries(&self.held);
        let together = held.get(&self.key).copied().unwrap_or_default().saturating_add(amount);
        if together > self.most {
            return Err(ShareUsed);
        }
        held.insert(self.key.clone(), together);
        self.own = self.own.saturating_add(amount);
        Ok(())
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = entries(&self.held);
        let Some(together) = held.get_mut(&self.key) else { return };
        *together = together.saturating_sub(self.own);
        if *together == 0 {
            held.remove(&self.key);
        }
    }
}

fn entries<K>(held: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_one_count_together_and_those_of_another_apart() {
        let shares = Shares::default();
        let mut first = shares.share("a", 10);
        let mut second = shares.share("a", 10);
        assert_eq!(first.grow(6), Ok(()));
        assert_eq!(second.grow(4), Ok(()));
        assert_eq!(second.grow(1), Err(ShareUsed));
        assert_eq!(shares.share("b", 10).grow(10), Ok(()));
        drop(first);
        assert_eq!(second.grow(6), Ok(()));
        assert_eq!(second.grow(1), Err(ShareUsed));
    }

    #[test]
    fn nothing_is_kept_of_those_who_hold_nothing() {
        let shares = Shares::default();
        let mut share = shares.share("a", 1);
        assert_eq!(share.grow(1), Ok(()));
        let refused = shares.share("b", 0).grow(1);
        drop(share);
        assert_eq!((refused, shares.held.lock().unwrap().len()), (Err(ShareUsed), 0));
    }
}
