//! Points in time, as metadata writes them.

use std::fmt;

use chrono::{DateTime, Duration, FixedOffset, SecondsFormat, Timelike, Utc};

/// A point in time, compared as an instant.
///
/// Keeps the zone it was written in, because the reference re-encodes it so.
#[derive(Clone, Copy, Debug)]
pub struct UtcTime(DateTime<FixedOffset>);

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time")]
pub struct TimeError(pub String);

impl UtcTime {
    /// Reads an RFC 3339 time, with any zone and up to nine digits of a second's fraction; `T` and `Z` in capitals and
    /// no leap second, as the reference reads it.
    ///
    /// # Errors
    /// [`TimeError`] holds the text.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let read = DateTime::parse_from_rfc3339(text).ok();
        let strict = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
        // chrono keeps a leap second as more than a second's fraction
        let read = read.filter(|time| strict && time.nanosecond() < 1_000_000_000);
        read.map(Self).ok_or_else(|| TimeError(text.to_owned()))
    }

    /// A time that a clock gave.
    #[must_use]
    pub fn from_utc(time: DateTime<Utc>) -> Self {
        Self(time.fixed_offset())
    }

    /// Seconds since 1970; `None` when chrono cannot hold the time.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        DateTime::from_timestamp(seconds, 0).map(Self::from_utc)
    }

    /// Seconds since 1970, rounded down.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.0.timestamp()
    }

    /// The same instant in UTC.
    #[must_use]
    pub fn to_utc(&self) -> DateTime<Utc> {
        self.0.to_utc()
    }

    /// The time `seconds` later, or earlier for negative ones; the last representable time when that is too late, the
    /// first when it is too early.
    #[must_use]
    pub fn plus_seconds(&self, seconds: i64) -> Self {
        let moved = Duration::try_seconds(seconds).and_then(|d| self.0.checked_add_signed(d));
        let beyond = if seconds < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        Self(moved.unwrap_or_else(|| beyond.fixed_offset()))
    }

    /// As the reference writes it into metadata: RFC 3339, `Z` or an offset, trailing zeros of the fraction cut.
    #[must_use]
    pub fn to_rfc3339(&self) -> String {
        if self.0.nanosecond() == 0 {
            return self.0.to_rfc3339_opts(SecondsFormat::Secs, true);
        }
        let full = self.0.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let zone_at = full.rfind(['Z', '+', '-']).unwrap_or(full.len());
        let (time, zone) = full.split_at(zone_at);
        format!("{}{zone}", time.trim_end_matches('0'))
    }
}

/// As the reference prints it in messages: `Fri Nov 20 20:51:20 UTC 2026`.
impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_utc().format("%a %b %-d %H:%M:%S UTC %Y"))
    }
}

impl PartialEq for UtcTime {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for UtcTime {}

impl PartialOrd for UtcTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UtcTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_back_as_the_reference_writes_them() {
        for (read, written) in [
            ("2026-12-05T20:55:11Z", "2026-12-05T20:55:11Z"),
            ("2026-12-05T20:55:11.5Z", "2026-12-05T20:55:11.5Z"),
            ("2026-12-05T20:55:11.500Z", "2026-12-05T20:55:11.5Z"),
            ("2026-12-05T20:55:11.123456789Z", "2026-12-05T20:55:11.123456789Z"),
            ("2026-12-05T20:55:11+00:00", "2026-12-05T20:55:11Z"),
            ("2026-12-05T22:55:11.25+02:00", "2026-12-05T22:55:11.25+02:00"),
            ("2026-12-05T18:55:11.250-02:00", "2026-12-05T18:55:11.25-02:00"),
        ] {
            assert_eq!(UtcTime::parse(read).unwrap().to_rfc3339(), written);
        }
    }

    #[test]
    fn one_instant_in_two_zones_is_equal() {
        assert_eq!(UtcTime::parse("2026-12-05T20:00:00Z"), UtcTime::parse("2026-12-05T22:00:00+02:00"));
    }

    #[test]
    fn messages_show_the_date_as_the_reference_does() {
        let time = UtcTime::parse("2026-11-20T20:51:20Z").unwrap();
        assert_eq!(time.to_string(), "Fri Nov 20 20:51:20 UTC 2026");
        let early = UtcTime::parse("2020-01-02T03:04:05Z").unwrap();
        assert_eq!(early.to_string(), "Thu Jan 2 03:04:05 UTC 2020");
    }

    #[test]
    fn what_the_reference_writes_otherwise_is_no_time() {
        for text in ["2036-01-01T1:00:00Z", "2036-01-01T00:00:00,5Z", "2036-01-01T00:00:00+24:00"] {
            assert_eq!(UtcTime::parse(text), Err(TimeError(text.into())));
        }
    }

    #[test]
    fn what_the_reference_does_not_read_is_no_time() {
        for text in [
            "2026-11-20",
            "2026-11-20 20:51:20Z",
            "2026-11-20t20:51:20Z",
            "2026-11-20T20:51:20z",
            "2016-12-31T23:59:60Z",
        ] {
            assert_eq!(UtcTime::parse(text), Err(TimeError(text.into())));
        }
    }

    #[test]
    fn a_time_before_all_times_is_the_first_and_one_behind_them_the_last() {
        let time = UtcTime::from_unix_seconds(0).unwrap();
        for seconds in [i64::MIN, -(1 << 60), -i64::from(u32::MAX) * 86_400] {
            assert!(time.plus_seconds(seconds) < time, "{seconds}");
        }
        for seconds in [i64::MAX, 1 << 60] {
            assert!(time.plus_seconds(seconds) > time, "{seconds}");
        }
    }
}
