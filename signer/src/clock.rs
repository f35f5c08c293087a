//! The clock: a parameter everywhere, read in one place.

use std::time::SystemTime;

use tuf_schema::UtcTime;

/// What time it is.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> UtcTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the signer reads the time")]
    fn now(&self) -> UtcTime {
        UtcTime::from_utc(SystemTime::now().into())
    }
}
