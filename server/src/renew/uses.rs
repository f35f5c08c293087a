//! Which repositories were read: noted in memory by reads, written down by the renewer's loop.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tuf_schema::{Gun, UtcTime};

use crate::bounded::BoundedMap;

/// How many repositories wait to be written down, and of how many it is remembered that they were. What is read beyond
/// that is noted at a later read.
const REMEMBERED: usize = 1 << 16;

/// How often a repository is written down at most, in seconds: the store knows uses to about a day.
const NOTED_SECONDS: i64 = 24 * 60 * 60;

/// Repositories that were read.
pub(crate) struct Uses {
    state: Mutex<State>,
}

struct State {
    waiting: HashSet<Gun>,
    noted: BoundedMap<Gun, UtcTime>,
}

impl Uses {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { waiting: HashSet::new(), noted: BoundedMap::new(REMEMBERED) }) }
    }

    /// Notes that a repository was read. Only of repositories that are there: names that anybody may ask for would
    /// push out the others.
    pub(crate) fn note(&self, gun: &Gun, now: UtcTime) {
        let mut state = self.state();
        let noted = state.noted.get(gun).is_some_and(|at| *at <= now && now < at.plus_seconds(NOTED_SECONDS));
        if !noted && state.waiting.len() < REMEMBERED && !state.waiting.contains(gun) {
            state.waiting.insert(gun.clone());
        }
    }

    /// What has to be written down, at most `limit`.
    pub(crate) fn take(&self, limit: usize) -> Vec<Gun> {
        let mut state = self.state();
        let taken: Vec<Gun> = state.waiting.iter().take(limit).cloned().collect();
        for gun in &taken {
            state.waiting.remove(gun);
        }
        taken
    }

    /// These are written down.
    pub(crate) fn noted(&self, guns: Vec<Gun>, now: UtcTime) {
        let mut state = self.state();
        for gun in guns {
            state.noted.insert(gun, now);
        }
    }

    /// These could not be written down.
    pub(crate) fn put_back(&self, guns: Vec<Gun>) {
        self.state().waiting.extend(guns);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gun(number: usize) -> Gun {
        Gun::parse(&format!("g{number}")).unwrap()
    }

    #[test]
    fn a_repository_is_written_down_once_a_day_however_often_it_is_read() {
        let (uses, now) = (Uses::new(), UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        for _ in 0..3 {
            uses.note(&gun(1), now);
        }
        assert_eq!(uses.take(10), [gun(1)]);
        uses.noted(vec![gun(1)], now);
        uses.note(&gun(1), now.plus_seconds(NOTED_SECONDS - 1));
        assert!(uses.take(10).is_empty());
        uses.note(&gun(1), now.plus_seconds(NOTED_SECONDS));
        assert_eq!(uses.take(10), [gun(1)]);
    }

    #[test]
    fn what_could_not_be_written_down_is_tried_again() {
        let (uses, now) = (Uses::new(), UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        uses.note(&gun(1), now);
        let taken = uses.take(10);
        uses.put_back(taken);
        assert_eq!(uses.take(10), [gun(1)]);
    }

    #[test]
    fn no_more_wait_than_the_memory_is_meant_to_hold() {
        let (uses, now) = (Uses::new(), UtcTime::parse("2026-11-21T21:05:00Z").unwrap());
        for number in 0..=REMEMBERED {
            uses.note(&gun(number), now);
        }
        assert_eq!(uses.take(usize::MAX).len(), REMEMBERED);
        assert!(uses.take(1).is_empty());
    }
}
