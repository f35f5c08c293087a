//! What parameters of both drivers have in common: splitting, booleans, durations, names of session settings.

use std::time::Duration;

use super::DsnError;

/// Go's spellings of a boolean.
const TRUE: [&str; 4] = ["1", "true", "TRUE", "True"];
const FALSE: [&str; 4] = ["0", "false", "FALSE", "False"];

/// Parameters by name, each at most once. Names keep their case.
#[derive(Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds one; `known` are the names that an error may repeat.
    pub(super) fn add(&mut self, name: String, value: String, known: &[&'static str]) -> Result<(), DsnError> {
        if self.0.iter().any(|(other, _)| *other == name) {
            return Err(DsnError::Twice(known.iter().copied().find(|known| *known == name)));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Takes the value of `name` out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// What nobody took, in the order of its names. Refused when one is a known name in another case.
    pub(super) fn rest(mut self, known: &[&'static str]) -> Result<Vec<(String, String)>, DsnError> {
        self.0.sort();
        match known.iter().find(|known| self.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(known))) {
            Some(known) => Err(DsnError::Case(known)),
            None => Ok(self.0),
        }
    }
}

/// A boolean in one of Go's spellings.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if TRUE.contains(&text) { Some(true) } else { FALSE.contains(&text).then_some(false) }
}

/// A duration as Go writes it, such as `1m30s` or `500ms`; not negative.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    loop {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(number_ends)?;
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_ends)?;
        let seconds_of_unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds_of_unit).ok()?;
        total = total.checked_add(part)?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// Whether a text can be the name of a setting of a database session.
pub(super) fn is_setting_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_go_s() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("500ms", Some(500)),
            ("0", Some(0)),
            ("+2s", Some(2_000)),
            ("30", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1..5s", None),
            ("1d", None),
            ("1s2", None),
            ("99999999999999999999999h", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn booleans_are_go_s() {
        assert_eq!(["1", "True", "0", "FALSE"].map(boolean), [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!(["yes", "tRUE", "", "on"].map(boolean), [None; 4]);
    }

    #[test]
    fn a_setting_name_is_an_identifier() {
        assert!(is_setting_name("search_path") && is_setting_name("app.user") && is_setting_name("_x1"));
        for name in ["", "1x", "a b", "a-b", "a=1", "a;b", "ä"] {
            assert!(!is_setting_name(name), "{name}");
        }
    }
}
