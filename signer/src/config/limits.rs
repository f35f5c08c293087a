//! The section `limits`: how often one caller may ask and one key may sign. Ours; the reference has none.

use std::ops::RangeInclusive;

use super::ConfigError;
use super::settings::Settings;
use crate::rate::{CallerRates, Rates};

/// What a rate may be, by the minute; 0 is without limit.
pub(super) const RATE: RangeInclusive<u32> = 0..=60_000_000;

/// The rates of callers and keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Limits(pub(crate) Rates);

pub(super) fn read(settings: &Settings) -> Result<Limits, ConfigError> {
    let usual = Rates::default();
    let rate = |name, usual| Ok::<_, ConfigError>(settings.number(name, RATE)?.unwrap_or(usual));
    Ok(Limits(Rates {
        of_caller: CallerRates {
            requests: rate("limits.caller_requests", usual.of_caller.requests)?,
            new_keys: rate("limits.caller_new_keys", usual.of_caller.new_keys)?,
        },
        key_signatures: rate("limits.key_signatures", usual.key_signatures)?,
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn limits(members: &str) -> Result<Limits, ConfigError> {
        let text = format!(r#"{{"limits": {{{members}}}}}"#);
        read(&Settings::parse(&text, Path::new(""), &Environment::default()).unwrap())
    }

    #[test]
    fn rates_have_defaults_and_keys_and_zero_is_none() {
        assert_eq!(limits("").unwrap(), Limits::default());
        let read = limits(r#""caller_requests": 0, "caller_new_keys": 7, "key_signatures": 60000000"#).unwrap();
        let of_caller = CallerRates { requests: 0, new_keys: 7 };
        assert_eq!(read, Limits(Rates { of_caller, key_signatures: 60_000_000 }));
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for value in ["60000001", "-1", "\"many\"", "1.5"] {
            let refusal = limits(&format!(r#""key_signatures": {value}"#)).unwrap_err();
            assert!(
                matches!(refusal, ConfigError::OutOfRange { name: "limits.key_signatures", .. }),
                "{value}: {refusal}"
            );
        }
    }
}
