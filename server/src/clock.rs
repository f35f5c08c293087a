//! The clock as a parameter: production reads the system's, tests hold their own.

use tuf_schema::UtcTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UtcTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> UtcTime {
        UtcTime::from_utc(std::time::SystemTime::now().into())
    }
}
