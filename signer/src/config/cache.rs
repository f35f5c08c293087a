//! The section `cache`: how many opened keys are held in memory, and for how long. Ours; the reference holds all for ever.

use super::ConfigError;
use super::settings::Settings;

/// The most keys: some 200 bytes each.
const MOST_KEYS: u32 = 1_000_000;
/// The longest time: a day.
const MOST_SECONDS: u32 = 86_400;

/// How opened keys are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedKeysLimits {
    /// How many at most; 0 holds none.
    pub keys: u32,
    /// How long after it was opened, in seconds; 0 holds none.
    pub seconds: u32,
}

impl Default for OpenedKeysLimits {
    fn default() -> Self {
        Self { keys: 1024, seconds: 600 }
    }
}

pub(super) fn read(settings: &Settings) -> Result<OpenedKeysLimits, ConfigError> {
    let default = OpenedKeysLimits::default();
    Ok(OpenedKeysLimits {
        keys: settings.number("cache.keys", 0..=MOST_KEYS)?.unwrap_or(default.keys),
        seconds: settings.number("cache.seconds", 0..=MOST_SECONDS)?.unwrap_or(default.seconds),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn limits(text: &str) -> Result<OpenedKeysLimits, ConfigError> {
        read(&Settings::parse(text, Path::new(""), &Environment::default()).unwrap())
    }

    #[test]
    fn without_the_section_1024_keys_are_held_for_ten_minutes() {
        assert_eq!(limits("{}").unwrap(), OpenedKeysLimits { keys: 1024, seconds: 600 });
    }

    #[test]
    fn keys_and_seconds_have_a_least_and_a_most() {
        for (name, most) in [("keys", MOST_KEYS), ("seconds", MOST_SECONDS)] {
            limits(&format!(r#"{{"cache": {{"{name}": 0}}}}"#)).unwrap();
            limits(&format!(r#"{{"cache": {{"{name}": {most}}}}}"#)).unwrap();
            for beyond in ["-1".to_owned(), (most + 1).to_string()] {
                let refusal = limits(&format!(r#"{{"cache": {{"{name}": {beyond}}}}}"#)).unwrap_err();
                assert_eq!(refusal.to_string(), format!("cache.{name} must be a whole number from 0 to {most}"));
            }
        }
    }
}
