//! One rate for each of many keys, and an end to how many keys are remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// How many keys are remembered at least, and half as many as at most, some three hundred bytes each. Who is forgotten
/// may ask as after a rest: too many strangers make limits wider, never narrower.
const REMEMBERED: usize = 16_384;

/// A rate for each key (the generic cell rate algorithm: what was used comes back evenly).
pub(super) struct KeyedRate<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, Remembered<K>, Uptime, NoOpMiddleware<Duration>>,
    clock: Arc<dyn Clock>,
}

/// When each key will have rested.
struct Remembered<K>(Mutex<Generations<K>>);

/// When the young ones are too many they become the old ones, and those are forgotten.
struct Generations<K> {
    young: HashMap<K, Nanos>,
    old: HashMap<K, Nanos>,
}

/// Our clock, as the algorithm reads it.
#[derive(Clone)]
struct Uptime(Arc<dyn Clock>);

impl<K: Clone + Eq + Hash> KeyedRate<K> {
    /// At most `most` in `period`, all at once after a rest; `None` when that is no limit.
    pub(super) fn new(most: u32, period: Duration, clock: Arc<dyn Clock>) -> Option<Self> {
        let most = NonZeroU32::new(most)?;
        let quota = Quota::with_period(period / most.get())?.allow_burst(most);
        let remembered = Remembered(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }));
        Some(Self { limiter: RateLimiter::new(quota, remembered, Uptime(Arc::clone(&clock))), clock })
    }

    /// Counts one for `key`, or says how long to wait.
    pub(super) fn count(&self, key: &K) -> Result<(), Duration> {
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.uptime()))
    }
}

impl<K: Clone + Eq + Hash> StateStore for Remembered<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get_mut(key) {
            let (outcome, next) = measure(Some(*known))?;
            *known = next;
            return Ok(outcome);
        }
        let (outcome, next) = measure(generations.old.get(key).copied())?;
        generations.young.insert(key.clone(), next);
        if generations.young.len() >= REMEMBERED {
            generations.old = std::mem::take(&mut generations.young);
        }
        Ok(outcome)
    }
}

impl governor::clock::Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.uptime()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;

    #[test]
    fn what_was_used_comes_back_evenly() {
        let clock = TestClock::at("2026-11-21T21:05:00Z");
        let rate = KeyedRate::new(4, Duration::from_secs(60), Arc::clone(&clock) as _).unwrap();
        assert_eq!([(); 4].map(|()| rate.count(&"a")), [Ok(()); 4]);
        assert_eq!(rate.count(&"a"), Err(Duration::from_secs(15)));
        clock.advance_seconds(14);
        assert_eq!(rate.count(&"a"), Err(Duration::from_secs(1)));
        clock.advance_seconds(31);
        assert_eq!([(); 3].map(|()| rate.count(&"a")), [Ok(()); 3]);
        assert!(rate.count(&"a").is_err());
    }

    #[test]
    fn strangers_are_remembered_up_to_an_end_and_make_limits_wider_only() {
        let rate = KeyedRate::new(1, Duration::from_secs(60), TestClock::at("2026-11-21T21:05:00Z")).unwrap();
        assert_eq!(rate.count(&0), Ok(()));
        assert!((1..REMEMBERED).all(|stranger| rate.count(&stranger).is_ok()));
        assert!(rate.count(&0).is_err(), "remembered among the old ones");
        assert!((REMEMBERED..2 * REMEMBERED).all(|stranger| rate.count(&stranger).is_ok()));
        assert_eq!(rate.count(&0), Ok(()), "forgotten");
        assert!(rate.count(&(2 * REMEMBERED - 1)).is_err());
    }
}
