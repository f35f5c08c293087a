//! How long something took; the one place that reads a clock.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The time since some fixed point; never goes back.
pub(crate) fn uptime() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
