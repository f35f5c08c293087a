//! The section `cache`: how many opened keys are held in memory, and for how long, and for how long a key's record is
//! believed. Ours; the reference holds all opened keys for ever, and asks its database for each signature.

use std::time::Duration;

use super::ConfigError;
use super::settings::Settings;

/// The most keys: some 200 bytes each.
const MOST_KEYS: u32 = 1_000_000;
/// The longest time: a day.
const MOST_SECONDS: u32 = 86_400;

/// The longest time a record is believed, in milliseconds: a minute, which a retirement may wait for.
const MOST_RECORD_MILLISECONDS: u32 = 60_000;
/// How long it is believed unless it is said otherwise, in milliseconds.
const RECORD_MILLISECONDS: u32 = 1000;

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

/// How long a key's record is believed after it was asked for; zero asks for each signature.
pub(super) fn record_life(settings: &Settings) -> Result<Duration, ConfigError> {
    let set = settings.number("cache.record_milliseconds", 0..=MOST_RECORD_MILLISECONDS)?;
    Ok(Duration::from_millis(set.unwrap_or(RECORD_MILLISECONDS).into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn settings(text: &str) -> Settings {
        Settings::parse(text, Path::new(""), &Environment::default()).unwrap()
    }

    fn limits(text: &str) -> Result<OpenedKeysLimits, ConfigError> {
        read(&settings(text))
    }

    #[test]
    fn a_record_is_believed_for_a_second_or_as_said_up_to_a_minute() {
        let life = |text: &str| record_life(&settings(text)).map(|life| life.as_millis());
        assert_eq!(life("{}").unwrap(), 1000);
        for milliseconds in [0, 60_000] {
            let set = format!(r#"{{"cache": {{"record_milliseconds": {milliseconds}}}}}"#);
            assert_eq!(life(&set).unwrap(), milliseconds);
        }
        let refusal = life(r#"{"cache": {"record_milliseconds": 60001}}"#).unwrap_err();
        assert_eq!(refusal.to_string(), "cache.record_milliseconds must be a whole number from 0 to 60000");
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
