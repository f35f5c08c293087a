//! What was turned away before it got to a key, counted by caller until it is recorded: whoever is not let in, or asks too
//! often, must neither fill the disk nor keep it busy.

use std::collections::BTreeMap;

use tuf_schema::UtcTime;

use super::entry::bounded;

/// How long between two entries about one caller.
const INTERVAL_SECONDS: i64 = 60;

/// How many callers are counted by themselves; those beyond are counted together, as nobody.
const MAX_CALLERS: usize = 64;

/// Everything that was turned away and is not recorded yet.
#[derive(Default)]
pub(super) struct TurnedAway {
    callers: BTreeMap<String, Count>,
    others: Count,
}

#[derive(Default)]
struct Count {
    number: u64,
    last: String,
    recorded: Option<UtcTime>,
}

/// What is to be recorded of one caller, or of the many without a count of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// The caller.
    pub(super) caller: Option<String>,
    /// How many requests.
    pub(super) number: u64,
    /// Why the last of them was.
    pub(super) last: String,
}

impl TurnedAway {
    /// Counts one request of this caller.
    pub(super) fn count(&mut self, caller: &str, why: &str) {
        let caller = bounded(caller);
        let has_room = self.callers.len() < MAX_CALLERS;
        let count = match self.callers.get_mut(caller) {
            Some(count) => count,
            None if has_room => self.callers.entry(caller.to_owned()).or_default(),
            None => &mut self.others,
        };
        count.number = count.number.saturating_add(1);
        bounded(why).clone_into(&mut count.last);
    }

    /// Takes what is to be recorded now: of each caller at most once a minute, and all of it at the end.
    pub(super) fn due(&mut self, now: UtcTime, is_end: bool) -> Vec<Summary> {
        let counts = self.callers.iter_mut().map(|(caller, count)| (Some(caller), count));
        let all = counts.chain([(None, &mut self.others)]);
        let due =
            all.filter_map(|(caller, count)| count.take(now, is_end).map(|(number, last)| (caller, number, last)));
        let due = due.map(|(caller, number, last)| Summary { caller: caller.cloned(), number, last }).collect();
        self.callers.retain(|_, count| count.number > 0 || count.is_young(now));
        due
    }
}

impl Count {
    fn take(&mut self, now: UtcTime, is_end: bool) -> Option<(u64, String)> {
        if self.number == 0 || (self.is_young(now) && !is_end) {
            return None;
        }
        self.recorded = Some(now);
        Some((std::mem::take(&mut self.number), std::mem::take(&mut self.last)))
    }

    /// Whether the last entry is less than a minute old. A clock that was set back makes it old.
    fn is_young(&self, now: UtcTime) -> bool {
        self.recorded.is_some_and(|at| (at..at.plus_seconds(INTERVAL_SECONDS)).contains(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UtcTime {
        UtcTime::from_unix_seconds(1_800_000_000 + seconds).unwrap()
    }

    fn of(caller: &str, number: u64, last: &str) -> Summary {
        Summary { caller: Some(caller.to_owned()), number, last: last.to_owned() }
    }

    #[test]
    fn a_flood_is_one_summary_a_minute_and_caller() {
        let mut turned_away = TurnedAway::default();
        for number in 0..10_000 {
            turned_away.count("a", &number.to_string());
        }
        turned_away.count("b", "once");
        assert_eq!(turned_away.due(at(0), false), [of("a", 10_000, "9999"), of("b", 1, "once")]);
        turned_away.count("a", "again");
        assert_eq!(turned_away.due(at(59), false), []);
        assert_eq!(turned_away.due(at(60), false), [of("a", 1, "again")]);
        assert_eq!(turned_away.due(at(3600), false), []);
    }

    #[test]
    fn the_end_waits_for_no_minute() {
        let mut turned_away = TurnedAway::default();
        turned_away.count("a", "one");
        assert_eq!(turned_away.due(at(0), false), [of("a", 1, "one")]);
        turned_away.count("a", "two");
        assert_eq!(turned_away.due(at(1), true), [of("a", 1, "two")]);
    }

    #[test]
    fn callers_beyond_the_sixty_fourth_are_counted_together_until_others_rest() {
        let mut turned_away = TurnedAway::default();
        for number in 0..1000 {
            turned_away.count(&format!("caller {number}"), "why");
        }
        let due = turned_away.due(at(0), false);
        assert_eq!(due.len(), MAX_CALLERS + 1);
        assert_eq!(due.last(), Some(&Summary { caller: None, number: 936, last: "why".to_owned() }));
        assert_eq!(turned_away.due(at(60), false), []);
        turned_away.count("caller 999", "why");
        assert_eq!(turned_away.due(at(60), false), [of("caller 999", 1, "why")]);
    }

    #[test]
    fn of_a_name_as_long_as_a_certificate_the_beginning_is_kept() {
        let mut turned_away = TurnedAway::default();
        turned_away.count(&"n".repeat(60_000), &"w".repeat(60_000));
        assert_eq!(turned_away.due(at(0), false), [of(&"n".repeat(512), 1, &"w".repeat(512))]);
    }
}
