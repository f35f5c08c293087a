//! The sections `tokens` and `keys`: which PKCS #11 tokens there are, and where new keys are made. Ours.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tuf_schema::key::Curve;

use super::ConfigError;
use super::settings::{Environment, Settings, variable};
use crate::token::{PinSource, TokenName, TokenSettings};

/// The keys of each token.
const OF_A_TOKEN: [&str; 6] = ["module", "label", "serial", "pin_file", "sessions", "timeout_seconds"];

const SECTION: &str = "tokens.";
/// What keys in software are called.
const SOFTWARE: &str = "software";
const SESSIONS: usize = 4;
const MOST_SESSIONS: u32 = 64;
const SECONDS: u64 = 10;
const MOST_SECONDS: u32 = 300;

/// Where a key is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here, to be sealed.
    Software,
    /// On a token.
    Token(TokenName),
}

/// Where and how new keys are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlaces {
    /// For roles that have no place of their own.
    pub everywhere: Place,
    /// For snapshot keys.
    pub snapshot: Option<Place>,
    /// For timestamp keys.
    pub timestamp: Option<Place>,
    /// The curve of ECDSA keys on tokens; those in software are on P-256 as in the reference.
    pub ecdsa_curve: Curve,
    /// The length in bits of the modulus of RSA keys, which only tokens make.
    pub rsa_bits: usize,
}

impl KeyPlaces {
    /// Whether some new keys are made on a token.
    #[must_use]
    pub fn are_made_on(&self, token: &TokenName) -> bool {
        let everywhere = (self.snapshot.is_none() || self.timestamp.is_none()).then_some(&self.everywhere);
        let places = [everywhere, self.snapshot.as_ref(), self.timestamp.as_ref()];
        places.into_iter().flatten().any(|place| matches!(place, Place::Token(name) if name == token))
    }
}

impl Default for KeyPlaces {
    fn default() -> Self {
        Self { everywhere: Place::Software, snapshot: None, timestamp: None, ecdsa_curve: Curve::P256, rsa_bits: 3072 }
    }
}

/// Whether a key of the configuration is a token's.
pub(super) fn knows(name: &str) -> bool {
    let of_token = name.strip_prefix(SECTION).and_then(|rest| rest.split_once('.'));
    of_token.is_some_and(|(_, key)| OF_A_TOKEN.contains(&key))
}

/// Whether a variable holds the PIN of a token, or a setting of one.
pub(super) fn is_variable(variable: &str) -> bool {
    variable.strip_prefix(super::PREFIX).is_some_and(|name| name.starts_with("TOKENS_"))
}

/// Every token. The environment changes a token that the file names, and adds none.
pub(super) fn read(settings: &Settings, environment: &Environment) -> Result<Vec<TokenSettings>, ConfigError> {
    let names: BTreeSet<_> = settings
        .names()
        .filter_map(|name| name.strip_prefix(SECTION)?.split_once('.'))
        .map(|(token, _)| token.to_owned())
        .collect();
    names.iter().map(|name| token(settings, environment, name)).collect()
}

fn token(settings: &Settings, environment: &Environment, token: &str) -> Result<TokenSettings, ConfigError> {
    let name = |key: &str| format!("{SECTION}{token}.{key}");
    let wrong = |key: &str, expected| ConfigError::OfToken { name: name(key), expected };
    let text = |key: &str| match settings.value(&name(key)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(wrong(key, "a text")),
    };
    let required = |key: &str, expected| text(key)?.ok_or_else(|| wrong(key, expected));
    let number = |key: &str, most: u32, expected| {
        let Some(text) = text(key)? else { return Ok(None) };
        let number = text.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
        number.map(Some).ok_or_else(|| wrong(key, expected))
    };
    let of_token = TokenName::parse(token).ok_or_else(|| ConfigError::OfToken {
        name: format!("{SECTION}{token}"),
        expected: "named by 1 to 50 of a to z, 0 to 9 and _",
    })?;
    let pin_variable = variable(&name("pin"));
    let pin = match (environment.value(&pin_variable), text("pin_file")?) {
        (Some(pin), None) => PinSource::Variable { name: pin_variable, pin },
        (None, Some(file)) => PinSource::File(settings.folder().join(file)),
        (Some(_), Some(_)) => return Err(wrong("pin_file", "absent where the environment has the PIN: keep one")),
        (None, None) => PinSource::Missing { variable: pin_variable },
    };
    let sessions = number("sessions", MOST_SESSIONS, "a whole number from 1 to 64")?;
    let seconds = number("timeout_seconds", MOST_SECONDS, "a whole number from 1 to 300")?;
    Ok(TokenSettings {
        name: of_token,
        module: settings.folder().join(required("module", "set to the file of the PKCS #11 module")?),
        label: required("label", "set to the token's label")?,
        serial: text("serial")?,
        pin,
        sessions: sessions.and_then(|sessions| usize::try_from(sessions).ok()).unwrap_or(SESSIONS),
        patience: Duration::from_secs(seconds.map_or(SECONDS, u64::from)),
    })
}

/// Whether each token has a PIN to be logged in to with. Files are read when it is needed.
pub(super) fn prove(tokens: &[TokenSettings]) -> Result<(), ConfigError> {
    for token in tokens {
        if let PinSource::Missing { variable } = &token.pin {
            return Err(ConfigError::NoPin { token: token.name.clone(), variable: variable.clone() });
        }
    }
    Ok(())
}

/// Where new keys are made; a token that is named must be there.
pub(super) fn read_places(settings: &Settings, tokens: &[TokenSettings]) -> Result<KeyPlaces, ConfigError> {
    let usual = KeyPlaces::default();
    let place = |name: &'static str| -> Result<Option<Place>, ConfigError> {
        let Some(text) = settings.text(name)? else { return Ok(None) };
        if text == SOFTWARE {
            return Ok(Some(Place::Software));
        }
        let token = tokens.iter().find(|token| token.name.as_str() == text);
        let unknown = || ConfigError::UnknownPlace { name, found: text.clone() };
        Ok(Some(Place::Token(token.ok_or_else(unknown)?.name.clone())))
    };
    let ecdsa_curve = match settings.text("keys.ecdsa_curve")?.as_deref() {
        None => usual.ecdsa_curve,
        Some("P-256") => Curve::P256,
        Some("P-384") => Curve::P384,
        Some(_) => return Err(ConfigError::WrongType { name: "keys.ecdsa_curve", expected: "P-256 or P-384" }),
    };
    let rsa_bits = match settings.text("keys.rsa_bits")?.as_deref() {
        None => usual.rsa_bits,
        Some("2048") => 2048,
        Some("3072") => 3072,
        Some("4096") => 4096,
        Some(_) => return Err(ConfigError::WrongType { name: "keys.rsa_bits", expected: "2048, 3072 or 4096" }),
    };
    Ok(KeyPlaces {
        everywhere: place("keys.backend")?.unwrap_or(usual.everywhere),
        snapshot: place("keys.roles.snapshot")?,
        timestamp: place("keys.roles.timestamp")?,
        ecdsa_curve,
        rsa_bits,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TOKEN: &str = r#""module": "/lib/softhsm2.so", "label": "trust""#;

    fn tokens(sections: &str, variables: &[(&str, &str)]) -> Result<(Vec<TokenSettings>, KeyPlaces), ConfigError> {
        let environment = Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let settings = Settings::parse(&format!("{{{sections}}}"), Path::new("/etc/signer"), &environment).unwrap();
        let tokens = read(&settings, &environment)?;
        prove(&tokens)?;
        let places = read_places(&settings, &tokens)?;
        Ok((tokens, places))
    }

    fn one(members: &str) -> Result<TokenSettings, ConfigError> {
        tokens(&format!(r#""tokens": {{"hsm": {{{TOKEN}, {members}}}}}"#), &[]).map(|(tokens, _)| tokens[0].clone())
    }

    #[test]
    fn without_the_sections_there_is_no_token_and_keys_are_in_software() {
        let (tokens, places) = tokens("", &[]).unwrap();
        assert!(tokens.is_empty());
        assert_eq!(places, KeyPlaces::default());
    }

    #[test]
    fn a_token_needs_a_module_a_label_and_a_pin() {
        let token = one(r#""pin_file": "pin""#).unwrap();
        assert_eq!((token.name.as_str(), token.label.as_str(), token.serial), ("hsm", "trust", None));
        assert_eq!((token.sessions, token.patience), (4, Duration::from_secs(10)));
        assert!(matches!(token.pin, PinSource::File(file) if file == Path::new("/etc/signer/pin")));
        for (section, named) in [
            (r#""label": "trust", "pin_file": "pin""#, "tokens.hsm.module"),
            (r#""module": "m.so", "pin_file": "pin""#, "tokens.hsm.label"),
            (TOKEN, "NOTARY_SIGNER_TOKENS_HSM_PIN"),
        ] {
            let refusal = tokens(&format!(r#""tokens": {{"hsm": {{{section}}}}}"#), &[]).unwrap_err();
            assert!(refusal.to_string().contains(named), "{refusal}");
        }
    }

    #[test]
    fn the_pin_comes_from_one_place_and_is_not_shown() {
        let section = format!(r#""tokens": {{"hsm": {{{TOKEN}}}}}"#);
        let variable = [("NOTARY_SIGNER_TOKENS_HSM_PIN", "1234")];
        let (found, _) = tokens(&section, &variable).unwrap();
        assert!(matches!(&found[0].pin, PinSource::Variable { pin, .. } if pin.as_str() == "1234"));
        assert!(!format!("{found:?}").contains("1234"));
        let section = format!(r#""tokens": {{"hsm": {{{TOKEN}, "pin_file": "pin"}}}}"#);
        let refusal = tokens(&section, &variable).unwrap_err();
        assert!(matches!(&refusal, ConfigError::OfToken { name, .. } if name == "tokens.hsm.pin_file"), "{refusal}");
    }

    #[test]
    fn sessions_and_seconds_have_a_least_and_a_most() {
        for (name, most) in [("sessions", 64), ("timeout_seconds", 300)] {
            for right in [1, most] {
                one(&format!(r#""pin_file": "pin", "{name}": {right}"#)).unwrap();
            }
            for wrong in [0, most + 1] {
                let refusal = one(&format!(r#""pin_file": "pin", "{name}": {wrong}"#)).unwrap_err();
                assert_eq!(refusal.to_string(), format!("tokens.hsm.{name} must be a whole number from 1 to {most}"));
            }
        }
    }

    #[test]
    fn a_name_that_rows_could_not_bear_is_refused() {
        let longest = "t".repeat(50);
        for (name, fits) in
            [("hsm_2", true), (longest.as_str(), true), ("h-s-m", false), (&format!("{longest}t"), false)]
        {
            let section = format!(r#""tokens": {{"{name}": {{{TOKEN}, "pin_file": "pin"}}}}"#);
            assert_eq!(tokens(&section, &[]).is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn roles_have_places_of_their_own() {
        let section = format!(
            r#""tokens": {{"hsm": {{{TOKEN}, "pin_file": "pin"}}}},
               "keys": {{"backend": "hsm", "roles": {{"timestamp": "software"}}, "ecdsa_curve": "P-384", "rsa_bits": 4096}}"#
        );
        let (tokens, places) = tokens(&section, &[]).unwrap();
        let hsm = &tokens[0].name;
        assert_eq!(places.everywhere, Place::Token(hsm.clone()));
        assert_eq!((&places.snapshot, &places.timestamp), (&None, &Some(Place::Software)));
        assert_eq!((places.ecdsa_curve, places.rsa_bits), (Curve::P384, 4096));
        assert!(places.are_made_on(hsm));
        let nowhere = KeyPlaces { snapshot: Some(Place::Software), ..places };
        assert!(!nowhere.are_made_on(hsm));
    }

    #[test]
    fn places_curves_and_lengths_that_are_none_are_refused() {
        for (keys, named) in [
            (r#""backend": "hsm""#, "keys.backend"),
            (r#""roles": {"snapshot": "hsm"}"#, "keys.roles.snapshot"),
            (r#""ecdsa_curve": "P-521""#, "keys.ecdsa_curve"),
            (r#""rsa_bits": 1024"#, "keys.rsa_bits"),
        ] {
            let refusal = tokens(&format!(r#""keys": {{{keys}}}"#), &[]).unwrap_err();
            assert!(refusal.to_string().starts_with(named), "{refusal}");
        }
    }

    #[test]
    fn the_keys_of_tokens_are_known_and_no_others() {
        assert!(knows("tokens.hsm.module") && knows("tokens.other.pin_file"));
        assert!(!knows("tokens.hsm.pin") && !knows("tokens.hsm") && !knows("tokens.a.b.module"));
    }
}
