//! The section `canary`: how often keys are tried, and how many of them. Ours; the reference tries none.

use std::time::Duration;

use super::ConfigError;
use super::settings::Settings;

/// The longest pause: a day.
const MOST_SECONDS: u32 = 86_400;
/// Five minutes.
const DEFAULT_SECONDS: u32 = 300;
/// The fewest keys: one of each reason for which a key is chosen.
const FEWEST_KEYS: u32 = 4;
/// The most: some five seconds of a processor.
const MOST_KEYS: u32 = 1000;
/// Some tenths of a second of a processor, and all of ten thousand keys within a day or two.
const DEFAULT_KEYS: u32 = 32;

/// How keys are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanarySettings {
    /// How long after one round the next one begins.
    pub interval: Duration,
    /// How many keys a round tries at most.
    pub keys: u32,
}

/// `None` if no keys are to be tried.
pub(super) fn read(settings: &Settings) -> Result<Option<CanarySettings>, ConfigError> {
    let seconds = settings.number("canary.seconds", 0..=MOST_SECONDS)?.unwrap_or(DEFAULT_SECONDS);
    let keys = settings.number("canary.keys", FEWEST_KEYS..=MOST_KEYS)?.unwrap_or(DEFAULT_KEYS);
    let interval = Duration::from_secs(seconds.into());
    Ok((seconds > 0).then_some(CanarySettings { interval, keys }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn canary(members: &str) -> Result<Option<CanarySettings>, ConfigError> {
        let text = format!(r#"{{"canary": {{{members}}}}}"#);
        read(&Settings::parse(&text, Path::new(""), &Environment::default()).unwrap())
    }

    #[test]
    fn keys_are_tried_every_five_minutes_unless_it_is_said_otherwise_or_turned_off() {
        let usual = CanarySettings { interval: Duration::from_secs(300), keys: 32 };
        assert_eq!(canary("").unwrap(), Some(usual));
        let set = CanarySettings { interval: Duration::from_secs(1), keys: 5 };
        assert_eq!(canary(r#""seconds": 1, "keys": 5"#).unwrap(), Some(set));
        assert_eq!(canary(r#""seconds": 0"#).unwrap(), None);
    }

    #[test]
    fn pause_and_number_have_bounds() {
        for (name, least, most) in [("seconds", 0, 86_400), ("keys", 4, 1000)] {
            for number in [least, most] {
                canary(&format!(r#""{name}": {number}"#)).unwrap();
            }
            for number in [least - 1, most + 1] {
                let refusal = canary(&format!(r#""{name}": {number}"#)).unwrap_err();
                let expected = format!("canary.{name} must be a whole number from {least} to {most}");
                assert_eq!(refusal.to_string(), expected);
            }
        }
    }
}
