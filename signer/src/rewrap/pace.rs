//! How fast keys are sealed anew, so that signers on the same machines and the database keep what they need.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// At most so many a second, evenly. After a wait for something else nothing is made up for.
pub(super) struct Pace {
    /// Between two; zero for as fast as it goes.
    pause: Duration,
    last: Option<Instant>,
}

impl Pace {
    /// `None` for as fast as it goes.
    pub(super) fn new(rate: Option<NonZeroU32>) -> Self {
        Self { pause: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get()), last: None }
    }

    /// How long to wait at the moment `now` before the next one is begun.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        let begin = self.last.map_or(now, |last| now.max(last + self.pause));
        self.last = Some(begin);
        begin - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_evenly_and_nothing_is_made_up_for() {
        let (mut pace, mut now) = (Pace::new(NonZeroU32::new(10)), Instant::now());
        assert_eq!(pace.pause(now), Duration::ZERO);
        now += Duration::from_millis(30);
        assert_eq!(pace.pause(now), Duration::from_millis(70));
        now += Duration::from_secs(60);
        assert_eq!(pace.pause(now), Duration::ZERO);
        assert_eq!(pace.pause(now), Duration::from_millis(100));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let (mut pace, now) = (Pace::new(None), Instant::now());
        assert_eq!((pace.pause(now), pace.pause(now)), (Duration::ZERO, Duration::ZERO));
    }
}
