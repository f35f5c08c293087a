//! The clock: a parameter everywhere, read in one place.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use tuf_schema::UtcTime;

/// What time it is.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> UtcTime;

    /// The time since some fixed point, for measuring how long something took; never goes back.
    fn uptime(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.now().unix_seconds()).unwrap_or_default())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the signer reads the time")]
    fn now(&self) -> UtcTime {
        UtcTime::from_utc(SystemTime::now().into())
    }

    fn uptime(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[cfg(test)]
pub(crate) struct TestClock(std::sync::Mutex<UtcTime>);

#[cfg(test)]
impl TestClock {
    /// Stands at an RFC 3339 time.
    pub(crate) fn at(text: &str) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(std::sync::Mutex::new(UtcTime::parse(text).unwrap())))
    }

    /// Moves on.
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus_seconds(seconds);
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn now(&self) -> UtcTime {
        *self.0.lock().unwrap()
    }
}
