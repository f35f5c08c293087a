//! What became of the events of webhooks.

use std::sync::Arc;

use tuf_schema::UtcTime;

use super::page::{Kind, Page};
use crate::webhooks::Tally;

const DELIVERED: &str = "bulla_webhook_events_delivered_total";
const FAILED: &str = "bulla_webhook_attempts_failed_total";
const OLDEST: &str = "bulla_webhook_oldest_undelivered_seconds";

/// `tallies`: of the webhooks of the configuration, which are few and have short names.
pub(super) fn write(page: &mut Page, tallies: &[Arc<Tally>], now: UtcTime) {
    page.family(DELIVERED, Kind::Counter, "Events that receivers of webhooks took.");
    for tally in tallies {
        page.sample(DELIVERED, &[("webhook", tally.name())], tally.count_delivered());
    }
    page.family(FAILED, Kind::Counter, "Attempts to deliver an event to a receiver that failed.");
    for tally in tallies {
        page.sample(FAILED, &[("webhook", tally.name())], tally.count_failed());
    }
    let help =
        "Age of the oldest event that a receiver has not taken, 0 where there is none or another server delivers.";
    page.family(OLDEST, Kind::Gauge, help);
    for tally in tallies {
        page.sample(OLDEST, &[("webhook", tally.name())], tally.oldest_seconds(now));
    }
}
