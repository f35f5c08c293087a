//! Where passphrases come from, in one order: the command line, the environment, files, and whoever can be asked.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tuf_schema::KeyId;
use tuf_schema::sign::Passphrase;

use super::file::OpenError;
use super::role::KeyRole;
use super::token::TokenName;
use crate::exposure::Exposed;

mod askpass;
mod bundle;
mod error;
mod place;
mod secret_line;
mod sources;

pub use error::PassphraseError;
pub use place::{Fault, Place};
pub use secret_line::MAX_BYTES;
pub(crate) use sources::keep_from;
pub use sources::{Descriptor, DescriptorError, EnvironmentPassphrases, KeyKind, Sources};

/// The fewest characters of a new passphrase that is typed in (the reference's rule).
pub const MIN_TYPED_CHARACTERS: usize = 8;
/// How often a typed passphrase may be wrong.
const ATTEMPTS: usize = 3;
/// How many characters of a key id a prompt shows (docker).
const SHOWN_ID_CHARACTERS: usize = 7;

/// Asks a person for a secret, without echo.
pub trait Prompt: Send + Sync {
    /// Shows `text` and reads one line.
    ///
    /// # Errors
    /// When there is nobody to ask.
    fn secret(&self, text: &str) -> std::io::Result<Passphrase>;

    /// Says something between two questions.
    fn say(&self, text: &str);

    /// Says what somebody should look at.
    fn warn(&self, text: &str) {
        self.say(&format!("Warning: {text}"));
    }
}

/// Where passphrases come from.
pub struct Passphrases {
    sources: Sources,
    prompt: Box<dyn Prompt>,
    /// What was said already.
    warned: Mutex<BTreeSet<String>>,
}

impl Passphrases {
    /// Passphrases from `sources`, and from `prompt` for the rest.
    #[must_use]
    pub fn new(sources: impl Into<Sources>, prompt: Box<dyn Prompt>) -> Self {
        Self { sources: sources.into(), prompt, warned: Mutex::default() }
    }

    /// Tries passphrases on an existing key until `open` succeeds: those that are given, or else some that are asked for.
    ///
    /// # Errors
    /// [`PassphraseError`]; an error other than a wrong passphrase ends the attempts.
    pub fn unlock<T>(
        &self,
        role: &KeyRole,
        key: &KeyName<'_>,
        mut open: impl FnMut(&Passphrase) -> Result<T, OpenError>,
    ) -> Result<T, PassphraseError> {
        let fits = |passphrase: &_| match open(passphrase) {
            Err(OpenError::WrongPassphrase) => None,
            other => Some(other),
        };
        let given = self.sources.given(KeyKind::of(role));
        self.until_one_fits(describe(role, key), given, nobody_for(role), fits)?.map_err(PassphraseError::Open)
    }

    /// The same with those that are given only; `None` when none of them fits.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(super) fn unlock_unasked<T>(
        &self,
        role: &KeyRole,
        key: &KeyName<'_>,
        open: impl Fn(&Passphrase) -> Result<T, OpenError>,
    ) -> Result<Option<T>, PassphraseError> {
        let what = describe(role, key);
        for source in self.sources.given(KeyKind::of(role)) {
            match open(self.text(source, &what)?) {
                Err(OpenError::WrongPassphrase) => {}
                other => return other.map(Some).map_err(PassphraseError::Open),
            }
        }
        Ok(None)
    }

    /// Hands `seal` the passphrase for a new key: the first one given, else one that is asked for twice.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn for_new<T>(
        &self,
        role: &KeyRole,
        id: &KeyId,
        seal: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let given = self.sources.given(KeyKind::of(role)).next();
        self.hand_over(given, role, id, nobody_for(role), seal)
    }

    /// Hands `seal` what an existing key is to be sealed with from now on: what is given for that, else what is asked for
    /// twice. What opens the key today is no answer.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn in_place_of_old<T>(
        &self,
        role: &KeyRole,
        id: &KeyId,
        seal: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let nobody = |what, source| PassphraseError::NobodyToAskAnew { what, source };
        let given = self.sources.replacing().next();
        self.hand_over(given, role, id, nobody, seal)
    }

    /// Hands `log_in` the PIN of a token: the first one given, else one that is asked for. Once, whatever comes of it:
    /// tokens lock themselves after a few wrong ones.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn pin<T>(
        &self,
        token: &TokenName,
        is_last_try: bool,
        log_in: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let what = format!("PIN of {token}");
        if let Some(source) = self.sources.given(KeyKind::Token).next() {
            if is_last_try {
                return Err(PassphraseError::LastTry { token: token.clone(), place: source.place.clone() });
            }
            return Ok(log_in(self.text(source, &what)?));
        }
        let nobody = |_, source| PassphraseError::NoPin { token: token.clone(), source };
        let typed = self.ask(&what, &format!("Enter PIN of {token}: "), nobody)?;
        if typed.is_empty() {
            // Somebody who thinks better of it spends no try.
            return Err(at(&what, Place::Terminal, Fault::Empty));
        }
        Ok(log_in(&typed))
    }

    /// Says what somebody should look at.
    pub(super) fn warn(&self, exposed: &Exposed) {
        self.prompt.warn(&exposed.to_string());
    }

    /// The same about the keys as such, and not at each of several looks.
    pub(super) fn warn_once(&self, text: &str) {
        let is_new = self.warned.lock().is_ok_and(|mut warned| warned.insert(text.to_owned()));
        if is_new {
            self.prompt.warn(text);
        }
    }

    /// Hands `seal` what is `given`, else what is asked for twice. For a new key and for one that is sealed anew in the same
    /// words, as the reference does.
    fn hand_over<T>(
        &self,
        given: Option<&sources::Source>,
        role: &KeyRole,
        id: &KeyId,
        nobody: impl Fn(String, std::io::Error) -> PassphraseError,
        seal: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let what = format!("new {}", describe(role, &KeyName::Id(id)));
        match given {
            Some(source) => Ok(seal(self.text(source, &what)?)),
            None => self.ask_twice(what, nobody).map(|passphrase| seal(&passphrase)),
        }
    }

    /// Tries what is given, or else what is asked for, until `fits` gives something.
    fn until_one_fits<'a, T>(
        &'a self,
        what: String,
        given: impl Iterator<Item = &'a sources::Source>,
        nobody: impl Fn(String, std::io::Error) -> PassphraseError,
        mut fits: impl FnMut(&Passphrase) -> Option<T>,
    ) -> Result<T, PassphraseError> {
        let mut tried = Vec::new();
        for source in given {
            if let Some(fitting) = fits(self.text(source, &what)?) {
                return Ok(fitting);
            }
            tried.push(source.place.clone());
        }
        if !tried.is_empty() {
            return Err(PassphraseError::Wrong { what, tried });
        }
        for _ in 0..ATTEMPTS {
            let passphrase = self.ask(&what, &format!("Enter passphrase for {what}: "), &nobody)?;
            if let Some(fitting) = fits(&passphrase) {
                return Ok(fitting);
            }
            self.prompt.say("Passphrase incorrect. Please retry.");
        }
        Err(PassphraseError::GaveUp { what })
    }

    fn text<'a>(&self, source: &'a sources::Source, what: &str) -> Result<&'a Passphrase, PassphraseError> {
        source.text(|exposed| self.warn(exposed)).map_err(|fault| at(what, source.place.clone(), fault))
    }

    fn ask_twice(
        &self,
        what: String,
        nobody: impl Fn(String, std::io::Error) -> PassphraseError,
    ) -> Result<Passphrase, PassphraseError> {
        for _ in 0..ATTEMPTS {
            let first = self.ask(&what, &format!("Enter passphrase for {what}: "), &nobody)?;
            let characters = std::str::from_utf8(first.expose()).unwrap_or_default().chars().count();
            if characters < MIN_TYPED_CHARACTERS {
                self.prompt.say(
                    "Passphrase is too short. Please use a password manager to generate and store a good random passphrase.",
                );
                continue;
            }
            let second = self.ask(&what, &format!("Repeat passphrase for {what}: "), &nobody)?;
            if first.expose() == second.expose() {
                return Ok(first);
            }
            self.prompt.say("Passphrases do not match. Please retry.");
        }
        Err(PassphraseError::GaveUp { what })
    }

    /// Asks through the command that is named for it, else at the terminal.
    fn ask(
        &self,
        what: &str,
        text: &str,
        nobody: impl Fn(String, std::io::Error) -> PassphraseError,
    ) -> Result<Passphrase, PassphraseError> {
        let (place, answer) = match &self.sources.askpass {
            Some(command) => (Place::Askpass(command.clone()), askpass::ask(command, text)),
            None => (Place::Terminal, Ok(self.prompt.secret(text).map_err(|e| nobody(what.to_owned(), e))?)),
        };
        answer.and_then(secret_line::within_bounds).map_err(|fault| at(what, place, fault))
    }
}

/// What is said when nobody can be asked for the passphrase of a key of this role.
fn nobody_for(role: &KeyRole) -> impl Fn(String, std::io::Error) -> PassphraseError + use<> {
    let [variable, file_variable] = KeyKind::of(role).variables();
    move |what, source| PassphraseError::NobodyToAsk { what, variable, file_variable, source }
}

/// How a key is named that a passphrase is asked for.
pub enum KeyName<'a> {
    /// By its id.
    Id(&'a KeyId),
    /// By the file that it is in, as long as nobody knows its id.
    File(&'a std::path::Path),
}

fn at(what: &str, place: Place, source: Fault) -> PassphraseError {
    PassphraseError::Source { what: what.to_owned(), place, source }
}

/// As docker's prompts name a key.
fn describe(role: &KeyRole, key: &KeyName<'_>) -> String {
    let alias = match role {
        KeyRole::Targets | KeyRole::Snapshot => "repository".to_owned(),
        other => other.to_string(),
    };
    match key {
        KeyName::Id(id) => {
            let id: String = id.as_str().chars().take(SHOWN_ID_CHARACTERS).collect();
            format!("{alias} key with ID {id}")
        }
        KeyName::File(path) => format!("{alias} key in {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types these lines, one for each question, and keeps what was asked and said.
    struct Typist(Mutex<(Vec<&'static str>, Vec<String>)>);

    impl Prompt for &'static Typist {
        fn secret(&self, text: &str) -> std::io::Result<Passphrase> {
            let mut state = self.0.lock().unwrap();
            state.1.push(text.to_owned());
            let line = state.0.pop().ok_or(std::io::ErrorKind::UnexpectedEof)?;
            Ok(Passphrase::from_text(line.to_owned()))
        }

        fn say(&self, text: &str) {
            self.0.lock().unwrap().1.push(text.to_owned());
        }
    }

    fn typing(lines: &[&'static str]) -> (Passphrases, &'static Typist) {
        let lines = lines.iter().rev().copied().collect();
        let typist: &'static Typist = Box::leak(Box::new(Typist(Mutex::new((lines, Vec::new())))));
        (Passphrases::new(EnvironmentPassphrases::default(), Box::new(typist)), typist)
    }

    fn id() -> KeyId {
        KeyId::from_wire("0123456789abcdef")
    }

    fn expect(right: &str) -> impl Fn(&Passphrase) -> Result<(), OpenError> {
        move |p| if p.expose() == right.as_bytes() { Ok(()) } else { Err(OpenError::WrongPassphrase) }
    }

    #[test]
    fn a_wrong_passphrase_may_be_typed_again() {
        let (passphrases, typist) = typing(&["wrong", "right"]);
        passphrases.unlock(&KeyRole::Targets, &KeyName::Id(&id()), expect("right")).unwrap();
        let said = typist.0.lock().unwrap().1.clone();
        let question = "Enter passphrase for repository key with ID 0123456: ";
        assert_eq!(said, [question, "Passphrase incorrect. Please retry.", question]);
    }

    #[test]
    fn a_new_passphrase_is_long_enough_and_typed_twice() {
        let (passphrases, typist) = typing(&["short", "long enough", "long enouhg", "long enough", "long enough"]);
        let used = passphrases.for_new(&KeyRole::Root, &id(), |p| p.expose().to_vec()).unwrap();
        assert_eq!(used, b"long enough");
        let said = typist.0.lock().unwrap().1.clone();
        assert!(said[1].starts_with("Passphrase is too short."), "{said:?}");
        assert_eq!(said[3], "Repeat passphrase for new root key with ID 0123456: ");
        assert_eq!(said[4], "Passphrases do not match. Please retry.");
    }

    #[test]
    fn a_new_passphrase_has_8_characters_and_no_more_than_4096_bytes() {
        let new = |text: &'static str| {
            let (passphrases, _) = typing(&[text, text, text]);
            passphrases.for_new(&KeyRole::Root, &id(), |p| p.expose().len())
        };
        assert_eq!(new("8 chars.").unwrap(), 8);
        assert_eq!(new("äöüßäöüß").unwrap(), 16);
        assert!(matches!(new("7 chars"), Err(PassphraseError::GaveUp { .. })));
        let longest: &'static str = Box::leak("x".repeat(MAX_BYTES).into_boxed_str());
        assert_eq!(new(longest).unwrap(), MAX_BYTES);
        let longer: &'static str = Box::leak("x".repeat(MAX_BYTES + 1).into_boxed_str());
        let error = new(longer).unwrap_err();
        let PassphraseError::Source { place: Place::Terminal, source: Fault::TooLong, .. } = error else {
            panic!("{error}")
        };
    }

    #[test]
    fn attempts_are_bounded() {
        let (passphrases, _) = typing(&["a", "b", "c", "right"]);
        let error = passphrases.unlock(&KeyRole::Root, &KeyName::Id(&id()), expect("right")).unwrap_err();
        assert!(matches!(error, PassphraseError::GaveUp { .. }), "{error}");
    }

    #[test]
    fn a_wrong_passphrase_in_the_environment_is_an_error_and_no_question() {
        let set = vec![Passphrase::from_text("one".into()), Passphrase::from_text("two".into())];
        let environment = EnvironmentPassphrases { root: set, ..Default::default() };
        let (_, typist) = typing(&["right"]);
        let passphrases = Passphrases::new(environment, Box::new(typist));
        passphrases.unlock(&KeyRole::Root, &KeyName::Id(&id()), expect("two")).unwrap();
        let error = passphrases.unlock(&KeyRole::Root, &KeyName::Id(&id()), expect("right")).unwrap_err();
        assert!(matches!(error, PassphraseError::Wrong { .. }), "{error}");
        assert!(typist.0.lock().unwrap().1.is_empty());
    }

    fn token() -> TokenName {
        TokenName { label: "safe".into(), serial: "17".into() }
    }

    #[test]
    fn a_pin_is_handed_over_once_whatever_comes_of_it() {
        let (passphrases, typist) = typing(&["1234", "5678"]);
        let tried = passphrases.pin(&token(), false, |pin| pin.expose().to_vec()).unwrap();
        assert_eq!(tried, b"1234");
        assert_eq!(typist.0.lock().unwrap().1, ["Enter PIN of the token \"safe\" (serial number 17): "]);
    }

    #[test]
    fn an_empty_line_is_no_pin_and_spends_no_try() {
        let (passphrases, _) = typing(&[""]);
        let refused = passphrases.pin(&token(), true, |_| panic!("the PIN is tried")).unwrap_err();
        let PassphraseError::Source { place: Place::Terminal, source: Fault::Empty, .. } = refused else {
            panic!("{refused}")
        };
    }

    #[test]
    fn what_is_given_for_keys_is_no_pin() {
        let variables = |name: &str| (!name.contains("PKCS11") && name != "BULLA_ASKPASS").then(|| "secret".into());
        let sources = Sources::from_variables(variables).with_descriptors(&["3".parse().unwrap()]);
        let (_, typist) = typing(&["1234"]);
        let passphrases = Passphrases::new(sources, Box::new(typist));
        assert_eq!(passphrases.pin(&token(), false, |pin| pin.expose().to_vec()).unwrap(), b"1234");
        let pin = |name: &str| (name == "BULLA_PKCS11_PIN").then(|| "5678".into());
        let passphrases = Passphrases::new(Sources::from_variables(pin), Box::new(typist));
        assert_eq!(passphrases.pin(&token(), false, |pin| pin.expose().to_vec()).unwrap(), b"5678");
    }

    #[test]
    fn the_last_try_before_a_token_locks_itself_is_left_to_somebody_who_types() {
        let pin = |name: &str| (name == "BULLA_PKCS11_PIN").then(|| "5678".into());
        let (_, typist) = typing(&[]);
        let passphrases = Passphrases::new(Sources::from_variables(pin), Box::new(typist));
        assert_eq!(passphrases.pin(&token(), false, |pin| pin.expose().to_vec()).unwrap(), b"5678");
        let refused = passphrases.pin(&token(), true, |_| panic!("the PIN is tried")).unwrap_err();
        assert!(matches!(refused, PassphraseError::LastTry { .. }), "{refused}");
        let (passphrases, _) = typing(&["1234"]);
        assert_eq!(passphrases.pin(&token(), true, |pin| pin.expose().to_vec()).unwrap(), b"1234");
    }

    #[test]
    fn without_anybody_to_ask_for_a_pin_its_places_are_named() {
        let (passphrases, _) = typing(&[]);
        assert_eq!(
            passphrases.pin(&token(), false, |_| ()).unwrap_err().to_string(),
            "no PIN for the token \"safe\" (serial number 17): set BULLA_PKCS11_PIN_FILE or BULLA_PKCS11_PIN, use \
             --passphrase-fd token=N, or run at a terminal"
        );
    }

    #[test]
    fn without_anybody_to_ask_the_variable_is_named() {
        let (passphrases, _) = typing(&[]);
        let error = passphrases.unlock(&KeyRole::Root, &KeyName::Id(&id()), expect("x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no passphrase for the root key with ID 0123456: set DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE or \
             BULLA_ROOT_PASSPHRASE_FILE, use --passphrase-fd, or run at a terminal"
        );
    }
}
