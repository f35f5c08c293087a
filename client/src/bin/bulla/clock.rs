//! The one place that reads the clock.

use tuf_schema::UtcTime;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub(crate) fn now() -> UtcTime {
    UtcTime::from_utc(std::time::SystemTime::now().into())
}
