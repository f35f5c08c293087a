//! How old something is, in words.

use std::fmt;

use tuf_schema::UtcTime;

/// A length of time, told in its largest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    seconds: i64,
}

impl Age {
    /// What went by between `then` and `now`; nothing if a clock was set back meanwhile.
    pub(crate) fn since(then: UtcTime, now: UtcTime) -> Self {
        Self { seconds: now.unix_seconds().saturating_sub(then.unix_seconds()).max(0) }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
        let (size, name) = units.into_iter().find(|(size, _)| self.seconds >= *size).unwrap_or((1, "second"));
        let count = self.seconds.checked_div(size).unwrap_or_default();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {name}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told: Vec<_> =
            [0, 1, 59, 60, 7_200, 86_400, 200_000].into_iter().map(|seconds| Age { seconds }.to_string()).collect();
        assert_eq!(told, ["0 seconds", "1 second", "59 seconds", "1 minute", "2 hours", "1 day", "2 days"]);
    }

    #[test]
    fn what_comes_from_the_future_is_not_less_than_new() {
        let at = |text| UtcTime::parse(text).unwrap();
        let age = Age::since(at("2026-11-22T00:01:00Z"), at("2026-11-22T00:00:00Z"));
        assert_eq!(age.to_string(), "0 seconds");
    }
}
