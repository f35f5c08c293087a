//! The keys of a configuration file: their names, what holds without them, and whose values are shown to nobody.
//!
//! Each section declares its keys beside the code that reads them, in a `KEYS` of its own; [`SECTIONS`] joins them.
//! What is in no table is warned of as unknown, and its environment variable as naming nothing.

use super::{console, limits, metrics, rates, renewal, sections, storage, tracing, webhooks};

/// A key that this server reads.
#[derive(Debug)]
pub(super) struct Key {
    /// Dotted, in lower case.
    pub(super) name: &'static str,
    /// What `config check` says of it where it is not set: the default, or what its absence means.
    pub(super) unset: &'static str,
    /// A value as it may stand in the file, for the line to add.
    pub(super) example: &'static str,
    /// What is shown of its value.
    pub(super) shown: Shown,
}

/// What is shown of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It as it is written.
    AsWritten,
    /// The address of the database that it comes to, without a password.
    Address,
    /// That there is one.
    Withheld,
}

/// All keys, in the order in which the reference checks them.
pub(super) const SECTIONS: &[&[Key]] = &[
    sections::KEYS,
    storage::KEYS,
    limits::KEYS,
    rates::KEYS,
    renewal::KEYS,
    metrics::KEYS,
    console::KEYS,
    tracing::KEYS,
    webhooks::KEYS,
];

/// What the reference reads and this server does not.
pub(super) const UNSUPPORTED: &[&str] = &[
    "reporting.bugsnag",
    "reporting.bugsnag.api_key",
    "reporting.bugsnag.release_stage",
    "reporting.bugsnag.endpoint",
    "storage.database",
    "storage.username",
    "storage.password",
    "storage.tls_ca_file",
    "storage.client_cert_file",
    "storage.client_key_file",
];

impl Key {
    /// A key that has `unset` as its default.
    pub(super) const fn new(name: &'static str, unset: &'static str) -> Self {
        Self { name, unset, example: "\"...\"", shown: Shown::AsWritten }
    }

    /// The same, with a value for the line to add.
    pub(super) const fn with_example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// The same, of which only the address without a password is shown.
    pub(super) const fn secret(self) -> Self {
        Self { shown: Shown::Address, ..self }
    }

    /// The same, shown to nobody.
    pub(super) const fn withheld(self) -> Self {
        Self { shown: Shown::Withheld, ..self }
    }
}

/// All keys, one after the other.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().copied().flatten()
}

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// What stands for `value` at `key` in a file: `"storage": {"backend": "postgres"}`.
pub(super) fn line(key: &str, value: &str) -> String {
    match key.split_once('.') {
        None => format!("\"{key}\": {value}"),
        Some((section, rest)) => format!("\"{section}\": {{{}}}", line(rest, value)),
    }
}

/// The line to add for a key that is missing.
pub(super) fn example_line(key: &str) -> String {
    line(key, find(key).map_or("\"...\"", |key| key.example))
}

/// The environment variable that sets a key.
pub(super) fn variable(key: &str) -> String {
    format!("{}{}", super::ENVIRONMENT_PREFIX, key.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_declared_twice_and_no_variable_sets_two_keys() {
        let mut variables: Vec<String> = all().map(|key| variable(key.name)).collect();
        variables.sort();
        for pair in variables.windows(2) {
            assert_ne!(pair.first(), pair.last());
        }
    }

    #[test]
    fn the_line_to_add_is_nested_as_in_the_file() {
        assert_eq!(
            line("caching.max_age.current_metadata", "300"),
            r#""caching": {"max_age": {"current_metadata": 300}}"#
        );
        assert_eq!(example_line("server.http_addr"), r#""server": {"http_addr": ":4443"}"#);
    }
}
