//! Passphrases: each has an alias, under which it stands in the environment and in the rows it seals.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::SecureRandom;
use tuf_schema::sign::Passphrase;
use zeroize::Zeroizing;

use super::secret_file::SecretFileError;
use super::source::CommandError;
use crate::config::{self, Environment, PREFIX};
use crate::memory::shielded::{Shielded, Unreadable};

/// What the variable of a file has after the variable of its alias.
const FILE: &str = "_FILE";

/// The name of a passphrase, in the case it was configured in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias(String);

/// Where passphrases come from.
pub struct Passphrases(Source);

enum Source {
    Environment {
        environment: Environment,
        /// The variables of aliases that the operator named: each holds a passphrase, also one that ends in `_FILE`.
        named: BTreeSet<String>,
        /// Those found so far, by their variables. Encrypted while they are not used.
        found: Mutex<HashMap<String, Shielded>>,
    },
    /// One for every alias.
    Fixed(Shielded),
}

/// Why the passphrase of an alias is not there.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Neither variable is set.
    #[error("the passphrase of alias {alias} is missing: set {variable}, or {variable}_FILE to a file that holds it")]
    Missing {
        /// The alias.
        alias: Alias,
        /// The variable that would hold it.
        variable: String,
    },
    /// The alias leads to a variable that holds something else, which need not be secret. Rows name aliases too, so
    /// whoever writes to the database would choose what a key is opened with.
    #[error(
        "{variable:?} holds no passphrase: an alias must lead to a variable of its own (one whose name ends in _file \
         also when storage.aliases lists it)"
    )]
    Reserved {
        /// The variable.
        variable: String,
    },
    /// Both variables are set, so it is not clear which is meant.
    #[error("both {variable} and {variable}_FILE are set: keep one")]
    Ambiguous {
        /// The variable that would hold it.
        variable: String,
    },
    /// The file cannot be read.
    #[error("file {file} named by {variable}_FILE cannot be read")]
    Unreadable {
        /// The variable that would hold it.
        variable: String,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds nothing before its first line ends.
    #[error("file {file} named by {variable}_FILE is empty")]
    Empty {
        /// The variable that would hold it.
        variable: String,
        /// The file.
        file: PathBuf,
    },
    /// The file that the configuration names for the alias gives none.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The command that the configuration names for the alias gives none.
    #[error("the passphrase that {program} prints is missing")]
    Command {
        /// The program.
        program: PathBuf,
        /// What happened.
        source: CommandError,
    },
    /// The process is ending.
    #[error("the work was given up")]
    GivenUp,
    /// It was there, and can no more be read.
    #[error(transparent)]
    Memory(#[from] Unreadable),
    /// The source of randomness gave none.
    #[error("no randomness to make a passphrase from")]
    Randomness,
}

impl Alias {
    /// The width of the reference's column.
    pub const MAX_CHARACTERS: usize = 50;

    /// Takes a text of 1 to [`Alias::MAX_CHARACTERS`] characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.chars().count() <= Self::MAX_CHARACTERS;
        fits.then(|| Self(text.to_owned()))
    }

    /// The alias of keys that are sealed with a passphrase nobody knows.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self("ephemeral".to_owned())
    }

    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment variable that holds the passphrase, as in the reference: the alias in upper case.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.0.to_uppercase())
    }
}

impl Passphrases {
    /// Passphrases of the environment: `NOTARY_SIGNER_X` for alias `x`, or our `NOTARY_SIGNER_X_FILE`, which names
    /// a file whose first line is the passphrase.
    ///
    /// An alias `x_file` has its passphrase in `NOTARY_SIGNER_X_FILE`, as in the reference, if it is among `named`, the
    /// aliases of the configuration. Rows name aliases too, and such a row would be opened with the name of a file.
    #[must_use]
    pub fn from_environment(environment: Environment, named: &[Alias]) -> Self {
        let named = named.iter().map(Alias::variable).collect();
        Self(Source::Environment { environment, named, found: Mutex::default() })
    }

    /// A random passphrase that ends with this process.
    ///
    /// # Errors
    /// [`PassphraseError::Randomness`].
    pub fn ephemeral(rng: &dyn SecureRandom) -> Result<Self, PassphraseError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill(bytes.as_mut()).map_err(|_| PassphraseError::Randomness)?;
        Ok(Self(Source::Fixed(Shielded::new(Zeroizing::new(hex::encode(bytes.as_ref())).as_bytes()))))
    }

    /// The passphrase of `alias`. Once found it stays the same: new keys must open with what opens the old ones, and
    /// that is proved once.
    ///
    /// # Errors
    /// [`PassphraseError`] names the variable.
    pub fn of(&self, alias: &Alias) -> Result<Arc<Passphrase>, PassphraseError> {
        let (environment, named, found) = match &self.0 {
            Source::Fixed(passphrase) => return expose(passphrase),
            Source::Environment { environment, named, found } => (environment, named, found),
        };
        // whatever is found is whole
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = found.get(&alias.variable()) {
            return expose(passphrase);
        }
        let passphrase = Arc::new(from_environment(environment, named, alias)?);
        found.insert(alias.variable(), Shielded::new(passphrase.expose()));
        Ok(passphrase)
    }
}

fn expose(shielded: &Shielded) -> Result<Arc<Passphrase>, PassphraseError> {
    let text = String::from_utf8(std::mem::take(&mut *shielded.expose()?)).map_err(|_| Unreadable)?;
    Ok(Arc::new(Passphrase::from_text(text)))
}

fn from_environment(
    environment: &Environment,
    named: &BTreeSet<String>,
    alias: &Alias,
) -> Result<Passphrase, PassphraseError> {
    let variable = alias.variable();
    let file_variable = format!("{variable}{FILE}");
    let is_a_file_s = variable.ends_with(FILE) && !named.contains(&variable);
    if is_a_file_s || [&variable, &file_variable].into_iter().any(|name| is_anothers(name)) {
        return Err(PassphraseError::Reserved { variable });
    }
    let is_free = !named.contains(&file_variable);
    let file = environment.value(&file_variable).filter(|_| is_free).map(|file| PathBuf::from(file.as_str()));
    match (environment.value(&variable), file) {
        (Some(mut text), None) => Ok(Passphrase::from_text(std::mem::take(&mut *text))),
        (None, Some(file)) => from_file(variable, file),
        (Some(_), Some(_)) => Err(PassphraseError::Ambiguous { variable }),
        (None, None) => Err(PassphraseError::Missing { alias: alias.clone(), variable }),
    }
}

/// Whether a variable is a setting's, or one that Kubernetes sets in every container beside a service `notary-signer`.
pub(crate) fn is_anothers(variable: &str) -> bool {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    let is_of_service =
        name == "PORT" || ["PORT_", "SERVICE_HOST", "SERVICE_PORT"].iter().any(|of| name.starts_with(of));
    is_of_service || config::is_setting(variable)
}

fn from_file(variable: String, file: PathBuf) -> Result<Passphrase, PassphraseError> {
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Zeroizing::new(text),
        Err(source) => return Err(PassphraseError::Unreadable { variable, file, source }),
    };
    match text.lines().next().unwrap_or("") {
        "" => Err(PassphraseError::Empty { variable, file }),
        line => Ok(Passphrase::from_text(line.to_owned())),
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrases(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn passphrases(variables: &[(&str, &str)]) -> Passphrases {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Passphrases::from_environment(Environment::new(variables), &[])
    }

    fn alias(text: &str) -> Alias {
        Alias::parse(text).unwrap()
    }

    #[test]
    fn the_variable_is_the_alias_in_upper_case() {
        let passphrases = passphrases(&[("NOTARY_SIGNER_ALIAS_ONE", "secret")]);
        assert_eq!(passphrases.of(&alias("alias_one")).unwrap().expose(), b"secret");
        assert_eq!(passphrases.of(&alias("Alias_One")).unwrap().expose(), b"secret");
    }

    #[test]
    fn a_missing_passphrase_names_its_variable() {
        let refusal = passphrases(&[]).of(&alias("k1")).unwrap_err();
        assert!(matches!(&refusal, PassphraseError::Missing { variable, .. } if variable == "NOTARY_SIGNER_K1"));
    }

    #[test]
    fn a_file_gives_its_first_line_without_the_line_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"from a file \r\nsecond\n").unwrap();
        let passphrases = passphrases(&[("NOTARY_SIGNER_K1_FILE", file.path().to_str().unwrap())]);
        assert_eq!(passphrases.of(&alias("k1")).unwrap().expose(), b"from a file ");
    }

    #[test]
    fn a_file_that_changes_does_not_change_a_passphrase_in_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let passphrases = passphrases(&[("NOTARY_SIGNER_K1_FILE", file.path().to_str().unwrap())]);
        passphrases.of(&alias("k1")).unwrap_err();
        for text in ["first", "second", ""] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(passphrases.of(&alias("k1")).unwrap().expose(), b"first");
        }
    }

    #[test]
    fn an_empty_file_is_no_passphrase() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = passphrases(&[("NOTARY_SIGNER_K1_FILE", file.path().to_str().unwrap())]).of(&alias("k1"));
        assert!(matches!(refusal, Err(PassphraseError::Empty { .. })));
    }

    #[test]
    fn a_variable_and_a_file_for_one_alias_are_refused() {
        let refusal = passphrases(&[("NOTARY_SIGNER_K1", "a"), ("NOTARY_SIGNER_K1_FILE", "/b")]).of(&alias("k1"));
        assert!(matches!(refusal, Err(PassphraseError::Ambiguous { .. })));
    }

    #[test]
    fn an_alias_leads_to_no_variable_that_means_something_else() {
        let value = |name: &str| (name.to_owned(), "known to others".to_owned());
        for name in
            ["k1_file", "K1_File_File", "default_alias", "storage_db_url", "server_tls_cert", "port", "service_host"]
        {
            let alias = alias(name);
            for variable in [alias.variable(), format!("{}_FILE", alias.variable())] {
                let passphrases = Passphrases::from_environment(Environment::new([value(&variable)]), &[]);
                let refusal = passphrases.of(&alias);
                assert!(matches!(refusal, Err(PassphraseError::Reserved { .. })), "{variable}: {refusal:?}");
            }
        }
    }

    #[test]
    fn a_named_alias_that_ends_in_file_has_a_variable_and_a_file_of_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from a file").unwrap();
        let named = [alias("K1_File"), alias("k2_file")];
        let variables =
            [("NOTARY_SIGNER_K1_FILE", "secret"), ("NOTARY_SIGNER_K2_FILE_FILE", file.path().to_str().unwrap())]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let passphrases = Passphrases::from_environment(Environment::new(variables), &named);
        assert_eq!(passphrases.of(&alias("k1_file")).unwrap().expose(), b"secret");
        assert_eq!(passphrases.of(&alias("k2_file")).unwrap().expose(), b"from a file");
        // the passphrase of one alias is not taken for the file of another
        assert!(matches!(passphrases.of(&alias("k1")), Err(PassphraseError::Missing { .. })));
        assert!(matches!(passphrases.of(&alias("k3_file")), Err(PassphraseError::Reserved { .. })));
    }

    #[test]
    fn naming_an_alias_does_not_give_it_the_variable_of_a_setting() {
        let variable = ("NOTARY_SIGNER_STORAGE_PASSWORD_FILE".to_owned(), "/run/secrets/db".to_owned());
        let named = [alias("storage_password_file")];
        let passphrases = Passphrases::from_environment(Environment::new([variable]), &named);
        assert!(matches!(passphrases.of(&named[0]), Err(PassphraseError::Reserved { .. })));
    }

    #[test]
    fn an_alias_has_at_most_50_characters() {
        assert!(Alias::parse(&"a".repeat(50)).is_some());
        assert_eq!(Alias::parse(&"a".repeat(51)), None);
        assert_eq!(Alias::parse(""), None);
    }
}
