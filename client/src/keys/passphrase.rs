//! Where passphrases come from: the environment first, then whoever sits at the terminal.

use tuf_schema::KeyId;
use tuf_schema::sign::Passphrase;

use super::file::{KeyRole, OpenError};
use crate::config::EnvironmentPassphrases;
use crate::exposure::Exposed;

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
}

/// Where passphrases come from.
pub struct Passphrases {
    environment: EnvironmentPassphrases,
    prompt: Box<dyn Prompt>,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// None is set in the environment, and there is nobody to ask.
    #[error("no passphrase for the {what}: set {variable}, or run at a terminal")]
    NobodyToAsk {
        /// Which key.
        what: String,
        /// The variable that would help.
        variable: &'static str,
        /// Why asking failed.
        source: std::io::Error,
    },
    /// What is set in the environment does not fit.
    #[error("the passphrase in the environment does not open the {what}")]
    EnvironmentIsWrong {
        /// Which key.
        what: String,
    },
    /// Nothing that was typed fits, or the two texts typed never were the same.
    #[error("no usable passphrase for the {what} after {ATTEMPTS} attempts")]
    GaveUp {
        /// Which key.
        what: String,
    },
    /// The key cannot be opened whatever the passphrase.
    #[error(transparent)]
    Open(OpenError),
}

impl Passphrases {
    /// Passphrases from `environment`, and from `prompt` for the rest.
    #[must_use]
    pub fn new(environment: EnvironmentPassphrases, prompt: Box<dyn Prompt>) -> Self {
        Self { environment, prompt }
    }

    /// Tries passphrases on an existing key until `open` succeeds.
    ///
    /// # Errors
    /// [`PassphraseError`]; an error other than a wrong passphrase ends the attempts.
    pub fn unlock<T>(
        &self,
        role: &KeyRole,
        id: &KeyId,
        mut open: impl FnMut(&Passphrase) -> Result<T, OpenError>,
    ) -> Result<T, PassphraseError> {
        let what = describe(role, id);
        let set = self.set_for(role);
        for passphrase in set {
            match open(passphrase) {
                Err(OpenError::WrongPassphrase) => {}
                other => return other.map_err(PassphraseError::Open),
            }
        }
        if !set.is_empty() {
            return Err(PassphraseError::EnvironmentIsWrong { what });
        }
        for _ in 0..ATTEMPTS {
            let passphrase = self.ask(role, &what, &format!("Enter passphrase for {what}: "))?;
            match open(&passphrase) {
                Err(OpenError::WrongPassphrase) => self.prompt.say("Passphrase incorrect. Please retry."),
                other => return other.map_err(PassphraseError::Open),
            }
        }
        Err(PassphraseError::GaveUp { what })
    }

    /// Hands `seal` the passphrase for a new key: the first one set, else one typed twice.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn for_new<T>(
        &self,
        role: &KeyRole,
        id: &KeyId,
        seal: impl FnOnce(&Passphrase) -> T,
    ) -> Result<T, PassphraseError> {
        let what = format!("new {}", describe(role, id));
        if let Some(passphrase) = self.set_for(role).first() {
            return Ok(seal(passphrase));
        }
        for _ in 0..ATTEMPTS {
            let first = self.ask(role, &what, &format!("Enter passphrase for {what}: "))?;
            let characters = std::str::from_utf8(first.expose()).unwrap_or_default().chars().count();
            if characters < MIN_TYPED_CHARACTERS {
                self.prompt.say(
                    "Passphrase is too short. Please use a password manager to generate and store a good random passphrase.",
                );
                continue;
            }
            let second = self.ask(role, &what, &format!("Repeat passphrase for {what}: "))?;
            if first.expose() == second.expose() {
                return Ok(seal(&first));
            }
            self.prompt.say("Passphrases do not match. Please retry.");
        }
        Err(PassphraseError::GaveUp { what })
    }

    /// Says that what a passphrase protects lies open to others.
    pub(super) fn warn(&self, exposed: &Exposed) {
        self.prompt.say(&format!("Warning: {exposed}"));
    }

    fn set_for(&self, role: &KeyRole) -> &[Passphrase] {
        match role {
            KeyRole::Root => &self.environment.root,
            KeyRole::Targets => &self.environment.targets,
            KeyRole::Snapshot => &self.environment.snapshot,
            KeyRole::Timestamp | KeyRole::Signer(_) => &self.environment.signer,
        }
    }

    fn ask(&self, role: &KeyRole, what: &str, text: &str) -> Result<Passphrase, PassphraseError> {
        let variable = match role {
            KeyRole::Root => "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
            _ => "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
        };
        let nobody = |source| PassphraseError::NobodyToAsk { what: what.to_owned(), variable, source };
        self.prompt.secret(text).map_err(nobody)
    }
}

/// As docker's prompts name a key.
fn describe(role: &KeyRole, id: &KeyId) -> String {
    let alias = match role {
        KeyRole::Targets | KeyRole::Snapshot => "repository".to_owned(),
        other => other.to_string(),
    };
    let id: String = id.as_str().chars().take(SHOWN_ID_CHARACTERS).collect();
    format!("{alias} key with ID {id}")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        passphrases.unlock(&KeyRole::Targets, &id(), expect("right")).unwrap();
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
    fn attempts_are_bounded() {
        let (passphrases, _) = typing(&["a", "b", "c", "right"]);
        let error = passphrases.unlock(&KeyRole::Root, &id(), expect("right")).unwrap_err();
        assert!(matches!(error, PassphraseError::GaveUp { .. }), "{error}");
    }

    #[test]
    fn a_wrong_passphrase_in_the_environment_is_an_error_and_no_question() {
        let set = vec![Passphrase::from_text("one".into()), Passphrase::from_text("two".into())];
        let environment = EnvironmentPassphrases { root: set, ..Default::default() };
        let (_, typist) = typing(&["right"]);
        let passphrases = Passphrases::new(environment, Box::new(typist));
        passphrases.unlock(&KeyRole::Root, &id(), expect("two")).unwrap();
        let error = passphrases.unlock(&KeyRole::Root, &id(), expect("right")).unwrap_err();
        assert!(matches!(error, PassphraseError::EnvironmentIsWrong { .. }), "{error}");
        assert!(typist.0.lock().unwrap().1.is_empty());
    }

    #[test]
    fn without_anybody_to_ask_the_variable_is_named() {
        let (passphrases, _) = typing(&[]);
        let error = passphrases.unlock(&KeyRole::Root, &id(), expect("x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no passphrase for the root key with ID 0123456: set DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE, or run at a terminal"
        );
    }
}
