//! What became of the events of a webhook, as it is told by the page of metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tuf_schema::UtcTime;

use super::name::WebhookName;

/// No event is pending.
const NONE: i64 = i64::MIN;

/// Counts since the start.
#[derive(Debug)]
pub(crate) struct Tally {
    name: WebhookName,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// Since when the oldest event waits that was not taken, in seconds since 1970.
    pending_since: AtomicI64,
}

impl Tally {
    pub(super) fn new(name: WebhookName) -> Self {
        let (delivered, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { name, delivered, failed, pending_since: AtomicI64::new(NONE) }
    }

    pub(super) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn pending_since(&self, since: Option<UtcTime>) {
        self.pending_since.store(since.map_or(NONE, |since| since.unix_seconds()), Ordering::Relaxed);
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Events that the receiver took.
    pub(crate) fn count_delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    pub(crate) fn count_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How old the oldest event is that is not delivered, in seconds; 0 where there is none, or another process delivers.
    pub(crate) fn oldest_seconds(&self, now: UtcTime) -> i64 {
        match self.pending_since.load(Ordering::Relaxed) {
            NONE => 0,
            since => now.unix_seconds().saturating_sub(since).max(0),
        }
    }
}
