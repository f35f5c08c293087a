//! Raw settings: a JSON file whose keys are read without regard to case, and the environment over it.
//!
//! Says nothing about what a setting means; that is `config`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

use super::ConfigError;
use crate::memory::shielded::Shielded;

/// What all variables of the signer start with.
pub const PREFIX: &str = "NOTARY_SIGNER_";

/// Set for the program that started itself anew without secrets in its environment, and for nobody else.
pub const HANDED_OVER: &str = "BULLA_SIGNER_HANDED_OVER";

/// The environment variables of the signer: those that start with [`PREFIX`]. Some of them hold passphrases, so their values
/// are in the clear only while one is asked for.
#[derive(Clone, Default)]
pub struct Environment {
    names: BTreeSet<String>,
    /// `name=value`, each with a zero byte behind it. Absent: none.
    variables: Option<Shielded>,
}

impl Environment {
    /// Keeps the variables that are the signer's. Empty ones count as not set, as in the reference.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let (mut names, mut text) = (BTreeSet::new(), Zeroizing::new(String::new()));
        for (name, value) in variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))) {
            if name.starts_with(PREFIX) && !value.is_empty() {
                [&name, "=", &value, "\0"].into_iter().for_each(|part| text.push_str(part));
                names.insert(name);
            }
        }
        let variables = (!names.is_empty()).then(|| Shielded::new(text.as_bytes()));
        Self { names, variables }
    }

    /// The value of a variable, named in full. A name given twice has its last value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Zeroizing<String>> {
        if !self.names.contains(name) {
            return None;
        }
        // should the system take the values away, they count as not set, and the first use of one says so
        let text = self.variables.as_ref()?.expose().ok()?;
        let mut variables = text.split(|byte| *byte == 0).rev();
        let value = variables.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        String::from_utf8(value.to_vec()).ok().map(Zeroizing::new)
    }

    /// The names of all variables.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// Shows the names only, as values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}

/// All settings of the file by their dotted lower-case names, with the environment over them.
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    /// The names of all objects of the file.
    objects: BTreeSet<String>,
    folder: PathBuf,
    environment: Environment,
}

impl Settings {
    /// `text` is the content of the file; paths in it are relative to `folder`.
    pub(super) fn parse(text: &str, folder: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let document: Value = serde_json::from_str(text).map_err(ConfigError::NotJson)?;
        let Value::Object(_) = document else { return Err(ConfigError::NotAnObject) };
        let (mut values, mut objects) = (BTreeMap::new(), BTreeSet::new());
        flatten("", document, &mut values, &mut objects);
        Ok(Self { values, objects, folder: folder.to_owned(), environment: environment.clone() })
    }

    /// The names in the file that are not among `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        self.values.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect()
    }

    /// Whether the file has an object, and so a section, of this name.
    pub(super) fn is_object(&self, name: &str) -> bool {
        self.objects.contains(name)
    }

    /// A text; numbers and booleans count as the text that writes them, as in the reference.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(Value::Array(_) | Value::Object(_)) => Err(ConfigError::WrongType { name, expected: "a text" }),
        }
    }

    /// A path, relative ones taken from the folder of the file.
    pub(super) fn path(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.text(name)?.map(|path| self.folder.join(path)))
    }

    /// Whether the environment sets it.
    pub(super) fn is_of_environment(&self, name: &str) -> bool {
        self.environment.value(&variable(name)).is_some()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ConfigError::WrongType { name, expected: "true or false" }),
        }
    }

    /// A whole number in `range`.
    pub(super) fn number(&self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>, ConfigError> {
        let wrong = || ConfigError::OutOfRange { name, least: *range.start(), most: *range.end() };
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().ok().filter(|number| range.contains(number)).map(Some).ok_or_else(wrong)
    }

    /// A list of texts; from the environment, one text with commas.
    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let wrong = ConfigError::WrongType { name, expected: "a list of texts" };
        let text = |item: Value| match item {
            Value::String(text) => Some(text),
            _ => None,
        };
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => items.into_iter().map(text).collect::<Option<_>>().map(Some).ok_or(wrong),
            Some(Value::String(joined)) => Ok(Some(joined.split(',').map(|item| item.trim().to_owned()).collect())),
            Some(_) => Err(wrong),
        }
    }

    /// Whatever stands there, for sections that are lists of objects.
    pub(super) fn raw(&self, name: &str) -> Option<Value> {
        self.value(name)
    }

    /// Whether the file has an object of this name with something in it.
    pub(super) fn has_below(&self, name: &str) -> bool {
        self.values.keys().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The names of all settings in the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The environment wins over the file.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match self.environment.value(&variable(name)) {
            Some(mut value) => Some(Value::String(std::mem::take(&mut *value))),
            None => self.values.get(name).cloned(),
        }
    }
}

/// The variable that sets the setting of this dotted name.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase().replace('.', "_"))
}

/// Puts the leaves of `value` into `into` under their dotted lower-case names. An empty object has no leaves.
fn flatten(name: &str, value: Value, into: &mut BTreeMap<String, Value>, objects: &mut BTreeSet<String>) {
    let Value::Object(members) = value else {
        into.insert(name.to_owned(), value);
        return;
    };
    for (member, value) in members {
        let member = member.to_lowercase();
        let name = if name.is_empty() { member } else { format!("{name}.{member}") };
        flatten(&name, value, into, objects);
    }
    objects.insert(name.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, variables: &[(&str, &str)]) -> Settings {
        let environment = Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Settings::parse(text, Path::new("/etc/signer"), &environment).unwrap()
    }

    #[test]
    fn keys_are_found_without_regard_to_case() {
        let settings = settings(r#"{"Server": {"GRPC_Addr": ":4444"}}"#, &[]);
        assert_eq!(settings.text("server.grpc_addr").unwrap().as_deref(), Some(":4444"));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = settings(r#"{"storage": {"db_url": "a.db"}}"#, &[("NOTARY_SIGNER_STORAGE_DB_URL", "b.db")]);
        assert_eq!(settings.text("storage.db_url").unwrap().as_deref(), Some("b.db"));
    }

    #[test]
    fn an_empty_variable_overrides_nothing() {
        let settings = settings(r#"{"storage": {"db_url": "a.db"}}"#, &[("NOTARY_SIGNER_STORAGE_DB_URL", "")]);
        assert_eq!(settings.text("storage.db_url").unwrap().as_deref(), Some("a.db"));
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let settings = settings(r#"{"a": "./x.pem", "b": "/abs.pem"}"#, &[]);
        assert_eq!(settings.path("a").unwrap(), Some(PathBuf::from("/etc/signer/./x.pem")));
        assert_eq!(settings.path("b").unwrap(), Some(PathBuf::from("/abs.pem")));
    }

    #[test]
    fn a_list_in_the_environment_is_separated_by_commas() {
        let settings = settings("{}", &[("NOTARY_SIGNER_SERVER_ALLOWED_CLIENTS", "a, b")]);
        assert_eq!(settings.list("server.allowed_clients").unwrap(), Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_list_that_holds_a_number_is_refused() {
        let refusal = settings(r#"{"l": ["a", 1]}"#, &[]).list("l").unwrap_err();
        assert!(matches!(refusal, ConfigError::WrongType { name: "l", .. }), "{refusal}");
    }

    #[test]
    fn objects_are_known_though_they_are_empty() {
        let settings = settings(r#"{"A": {}, "b": {"c": {"d": 1}}, "e": []}"#, &[]);
        assert_eq!(
            ["a", "b", "b.c", "e", "b.c.d"].map(|name| settings.is_object(name)),
            [true, true, true, false, false]
        );
    }

    #[test]
    fn the_environment_never_shows_its_values() {
        let environment = Environment::new([("NOTARY_SIGNER_K1".to_owned(), "hush".to_owned())]);
        assert_eq!(format!("{environment:?}"), r#"{"NOTARY_SIGNER_K1"}"#);
    }
}
