//! What reads leave alone for a while: repositories that could not be renewed a moment ago, and a signer that failed.
//!
//! Without this every read of an expired repository would wait for a signer that cannot help, and write its line to
//! the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tuf_schema::{Gun, Sha256, UtcTime};

use crate::bounded::BoundedMap;

/// For how many seconds a repository that could not be renewed is served as it is.
const SETTLED_SECONDS: i64 = 60;

/// For how many seconds no read asks a signer that failed for another one.
const SIGNER_SECONDS: i64 = 10;

/// For how many seconds the log is not told the same again.
const TOLD_SECONDS: i64 = 60 * 60;

/// How many repositories are remembered.
const REMEMBERED: usize = 4096;

pub(super) struct Pauses {
    state: Mutex<State>,
}

struct State {
    /// By the digest of the newest timestamp: whatever changes a repository makes another one.
    settled: BoundedMap<Sha256, UtcTime>,
    signer_failed: Option<UtcTime>,
    /// `None` stands for what concerns all repositories.
    told: BoundedMap<Option<Gun>, UtcTime>,
}

impl Pauses {
    pub(super) fn new() -> Self {
        let (settled, told) = (BoundedMap::new(REMEMBERED), BoundedMap::new(REMEMBERED));
        Self { state: Mutex::new(State { settled, signer_failed: None, told }) }
    }

    /// Whether there is no use in renewing the repository with this timestamp now.
    pub(super) fn is_settled(&self, timestamp: &Sha256, now: UtcTime) -> bool {
        let state = self.state();
        let settled = state.settled.get(timestamp).is_some_and(|since| is_within(*since, now, SETTLED_SECONDS));
        settled || state.signer_failed.is_some_and(|since| is_within(since, now, SIGNER_SECONDS))
    }

    /// Remembers that nothing more can be done for the repository with this timestamp.
    pub(super) fn settle(&self, timestamp: &Sha256, now: UtcTime) {
        self.state().settled.insert(*timestamp, now);
    }

    /// Remembers that the signer failed.
    pub(super) fn signer_failed(&self, now: UtcTime) {
        self.state().signer_failed = Some(now);
    }

    /// Whether the log should be told what is wrong with a repository, or with all of them.
    pub(super) fn is_news(&self, gun: Option<&Gun>, now: UtcTime) -> bool {
        let (mut state, gun) = (self.state(), gun.cloned());
        if state.told.get(&gun).is_some_and(|since| is_within(*since, now, TOLD_SECONDS)) {
            return false;
        }
        state.told.insert(gun, now);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether less than `seconds` have passed. A clock that was set back ends every pause.
fn is_within(since: UtcTime, now: UtcTime, seconds: i64) -> bool {
    since <= now && now < since.plus_seconds(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T21:05:00Z";

    #[test]
    fn a_pause_ends_with_its_time_and_with_a_clock_that_is_set_back() {
        let (pauses, now) = (Pauses::new(), UtcTime::parse(NOW).unwrap());
        let (one, other) = (Sha256::of(b"one"), Sha256::of(b"other"));
        pauses.settle(&one, now);
        for (seconds, is_settled) in [(0, true), (59, true), (60, false), (-1, false)] {
            assert_eq!(pauses.is_settled(&one, now.plus_seconds(seconds)), is_settled, "{seconds}");
        }
        assert!(!pauses.is_settled(&other, now));
        pauses.signer_failed(now);
        assert!(pauses.is_settled(&other, now.plus_seconds(9)));
        assert!(!pauses.is_settled(&other, now.plus_seconds(10)));
    }

    #[test]
    fn the_log_is_told_once_an_hour_for_each_repository() {
        let (pauses, now) = (Pauses::new(), UtcTime::parse(NOW).unwrap());
        let (one, other) = (Gun::parse("one").unwrap(), Gun::parse("other").unwrap());
        assert!(pauses.is_news(Some(&one), now));
        assert!(!pauses.is_news(Some(&one), now.plus_seconds(3_599)));
        assert!(pauses.is_news(Some(&other), now));
        assert!(pauses.is_news(None, now));
        assert!(pauses.is_news(Some(&one), now.plus_seconds(3_600)));
    }
}
