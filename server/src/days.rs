//! How many days are left.

use chrono::TimeDelta;
use tuf_schema::UtcTime;

/// Whole days from `now` to `end`, rounded down: 0 on the last day, -1 as soon as it is over.
pub(crate) fn days_left(end: UtcTime, now: UtcTime) -> i64 {
    let left = end.to_utc().signed_duration_since(now.to_utc());
    let days = left.num_days();
    // num_days rounds towards zero.
    if TimeDelta::try_days(days).is_some_and(|whole| whole > left) { days.saturating_sub(1) } else { days }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_rounded_down_also_when_they_are_over() {
        let now = UtcTime::parse("2026-11-21T21:05:00.5Z").unwrap();
        for (end, days) in [
            ("2026-11-23T21:05:00.5Z", 2),
            ("2026-11-23T21:05:00.4Z", 1),
            ("2026-11-22T21:05:00.4Z", 0),
            ("2026-11-21T21:05:00.5Z", 0),
            ("2026-11-21T21:05:00.4Z", -1),
            ("2026-11-20T21:05:00.5Z", -1),
            ("2026-11-20T21:05:00.4Z", -2),
            ("2026-11-22T23:05:00.5+02:00", 1),
        ] {
            assert_eq!(days_left(UtcTime::parse(end).unwrap(), now), days, "{end}");
        }
    }
}
