//! `wrapping`: a list of aliases and what wraps their keys, beside the reference's passphrases in the environment.
//!
//! A list, because aliases are told apart by case and keys of the configuration are not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::settings::Settings;
use super::{ConfigError, ConfigWarning, Environment};
use crate::seal::passphrase::{Alias, is_anothers};
use crate::seal::{MAX_KEY_NAME_BYTES, PassphraseCommand, is_readable_by_all};
use crate::token::{TokenName, TokenSettings};

/// The key of this section.
pub(super) const KEY: &str = "wrapping";

/// How long Vault may take to answer, in seconds.
const VAULT_SECONDS: u64 = 5;
const MAX_VAULT_SECONDS: u64 = 60;

/// What wraps the keys of one alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A passphrase in the first line of a file, read at each use.
    PassphraseFile(PathBuf),
    /// A passphrase that a program prints, which is run at each use.
    PassphraseCommand(PassphraseCommand),
    /// A key of Vault's transit engine.
    Vault(VaultSettings),
    /// An AES key that stays in a PKCS #11 token.
    Token {
        /// The token's name under `tokens`.
        token: TokenName,
        /// The label of the key.
        key_label: String,
    },
}

/// A key of Vault's transit engine, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSettings {
    /// Scheme, host and port.
    pub address: Url,
    /// Where the transit engine is mounted.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// Who the signer is to Vault.
    pub login: VaultLogin,
    /// The authorities of Vault's certificate; without it the system's.
    pub authority_file: Option<PathBuf>,
    /// The namespace of Vault's enterprise edition.
    pub namespace: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Who the signer is to Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultLogin {
    /// A token in the first line of a file, read at each request: an agent may renew it.
    TokenFile(PathBuf),
    /// An AppRole, whose ids stand in the first lines of two files, read at each login.
    AppRole {
        /// Where the method is mounted below `auth/`.
        mount: String,
        /// The role's id.
        role_id_file: PathBuf,
        /// The secret to it.
        secret_id_file: PathBuf,
    },
}

/// Why the section `wrapping` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WrappingError {
    /// It is no list of objects.
    #[error("wrapping must be a list of objects, each with an alias and a provider, and stand in the file")]
    NotAList,
    /// An object has members that are missing, not known or of the wrong kind.
    #[error("wrapping[{index}] cannot be used")]
    Entry {
        /// Which object, from 0.
        index: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An alias that does not fit the reference's column.
    #[error("wrapping[{index}].alias is empty or longer than {limit} characters", limit = Alias::MAX_CHARACTERS)]
    NoAlias {
        /// Which object, from 0.
        index: usize,
    },
    /// Two objects for one alias, or for two that some databases do not tell apart.
    #[error("wrapping has alias {alias} twice (upper and lower case count as the same here)")]
    Twice {
        /// The second of them.
        alias: Alias,
    },
    /// The environment has a passphrase for it, too.
    #[error("alias {alias} stands in wrapping and {variable} is set: keep one")]
    AlsoInEnvironment {
        /// The alias.
        alias: Alias,
        /// The variable.
        variable: String,
    },
    /// A member is not what it must be.
    #[error("wrapping of alias {alias}: {member} must be {expected}")]
    Member {
        /// The alias.
        alias: Alias,
        /// The member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// One object of the list, its members in lower case.
#[derive(Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
enum Entry {
    Passphrase {
        alias: String,
        file: Option<PathBuf>,
        command: Option<Vec<String>>,
    },
    Vault {
        alias: String,
        address: String,
        mount: Option<String>,
        key: String,
        token_file: Option<PathBuf>,
        approle_mount: Option<String>,
        role_id_file: Option<PathBuf>,
        secret_id_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
        namespace: Option<String>,
        timeout_seconds: Option<u64>,
    },
    Pkcs11 {
        alias: String,
        token: String,
        key_label: String,
    },
}

/// The providers of the aliases that the section names.
pub(super) fn read(
    settings: &Settings,
    environment: &Environment,
    tokens: &[TokenSettings],
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<(Alias, Provider)>, ConfigError> {
    let mut found: Vec<(Alias, Provider)> = Vec::new();
    for (index, entry) in entries(settings)?.into_iter().enumerate() {
        let entry = serde_json::from_value(entry).map_err(|source| WrappingError::Entry { index, source })?;
        let (alias, provider) = provider(entry, index, settings.folder(), environment, tokens)?;
        let lower = alias.as_str().to_lowercase();
        if found.iter().any(|(other, _)| other.as_str().to_lowercase() == lower) {
            return Err(WrappingError::Twice { alias }.into());
        }
        let variable = alias.variable();
        let variables = [format!("{variable}_FILE"), variable];
        let is_set = |variable: &String| environment.value(variable).is_some() && !is_anothers(variable);
        if let Some(variable) = variables.into_iter().find(is_set) {
            return Err(WrappingError::AlsoInEnvironment { alias, variable }.into());
        }
        warn_of_readable_files(&alias, &provider, warnings);
        found.push((alias, provider));
    }
    Ok(found)
}

/// The objects of the list with the names of their members in lower case.
fn entries(settings: &Settings) -> Result<Vec<Value>, WrappingError> {
    let items = match settings.raw(KEY) {
        // an object is taken apart before it comes here
        None if settings.has_below(KEY) => return Err(WrappingError::NotAList),
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(WrappingError::NotAList),
    };
    let lower = |item: Value| match item {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name.to_lowercase(), value));
            Ok(Value::Object(members.collect()))
        }
        _ => Err(WrappingError::NotAList),
    };
    items.into_iter().map(lower).collect()
}

fn provider(
    entry: Entry,
    index: usize,
    folder: &Path,
    environment: &Environment,
    tokens: &[TokenSettings],
) -> Result<(Alias, Provider), WrappingError> {
    let (Entry::Passphrase { alias, .. } | Entry::Vault { alias, .. } | Entry::Pkcs11 { alias, .. }) = &entry;
    let alias = Alias::parse(alias).ok_or(WrappingError::NoAlias { index })?;
    let must = |member, expected| WrappingError::Member { alias: alias.clone(), member, expected };
    let provider = match entry {
        Entry::Passphrase { file: Some(file), command: None, .. } => Provider::PassphraseFile(folder.join(file)),
        Entry::Passphrase { file: None, command: Some(words), .. } => {
            let mut words = words.into_iter();
            let program = words.next().map(PathBuf::from).filter(|program| program.is_absolute());
            let program =
                program.ok_or_else(|| must("command", "a list that begins with a program's absolute path"))?;
            let hidden_variables = environment.names().map(str::to_owned).collect();
            Provider::PassphraseCommand(PassphraseCommand { program, arguments: words.collect(), hidden_variables })
        }
        Entry::Pkcs11 { token, key_label, .. } => {
            let token = TokenName::parse(&token).filter(|name| tokens.iter().any(|token| token.name == *name));
            let token = token.ok_or_else(|| must("token", "the name of a token under tokens"))?;
            if !(1..=MAX_KEY_NAME_BYTES).contains(&key_label.len()) {
                return Err(must("key_label", "the label of a key, of at most 255 bytes"));
            }
            Provider::Token { token, key_label }
        }
        Entry::Passphrase { .. } => return Err(must("file or command", "given, and not both of them")),
        Entry::Vault {
            address,
            mount,
            key,
            token_file,
            approle_mount,
            role_id_file,
            secret_id_file,
            ca_file,
            namespace,
            timeout_seconds,
            ..
        } => {
            let mount = mount.unwrap_or_else(|| "transit".to_owned());
            let approle_mount = approle_mount.unwrap_or_else(|| "approle".to_owned());
            for (member, path) in
                [("mount", Some(&mount)), ("approle_mount", Some(&approle_mount)), ("namespace", namespace.as_ref())]
            {
                if !path.is_none_or(|path| path.split('/').all(is_name)) {
                    return Err(must(member, "names of letters, digits, -, _ and . with / between them"));
                }
            }
            if !is_name(&key) {
                return Err(must("key", "a name of letters, digits, -, _ and ."));
            }
            let login = match (token_file, role_id_file, secret_id_file) {
                (Some(file), None, None) => VaultLogin::TokenFile(folder.join(file)),
                (None, Some(role_id), Some(secret_id)) => VaultLogin::AppRole {
                    mount: approle_mount,
                    role_id_file: folder.join(role_id),
                    secret_id_file: folder.join(secret_id),
                },
                _ => return Err(must("token_file", "given, or role_id_file and secret_id_file in its place")),
            };
            let seconds = timeout_seconds.unwrap_or(VAULT_SECONDS);
            if !(1..=MAX_VAULT_SECONDS).contains(&seconds) {
                return Err(must("timeout_seconds", "a whole number from 1 to 60"));
            }
            Provider::Vault(VaultSettings {
                address: vault_address(&address).ok_or_else(|| {
                    must("address", "https://HOST:PORT without a path (http only for an agent on this machine)")
                })?,
                mount,
                key,
                login,
                authority_file: ca_file.map(|file| folder.join(file)),
                namespace,
                timeout: Duration::from_secs(seconds),
            })
        }
    };
    Ok((alias, provider))
}

/// Whether a text is a name of Vault's, of which nothing has a meaning in a URL.
fn is_name(text: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=MAX_KEY_NAME_BYTES).contains(&text.len()) && text.chars().all(is_plain) && !text.chars().all(|c| c == '.')
}

/// An address to which a token may be sent.
fn vault_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    (is_bare && (url.scheme() == "https" || url.scheme() == "http" && is_here)).then_some(url)
}

fn warn_of_readable_files(alias: &Alias, provider: &Provider, warnings: &mut Vec<ConfigWarning>) {
    let (member, file) = match provider {
        Provider::PassphraseFile(file) => ("file", file),
        Provider::Vault(VaultSettings { login: VaultLogin::TokenFile(file), .. }) => ("token_file", file),
        Provider::Vault(VaultSettings { login: VaultLogin::AppRole { secret_id_file, .. }, .. }) => {
            ("secret_id_file", secret_id_file)
        }
        Provider::PassphraseCommand(_) | Provider::Token { .. } => return,
    };
    if is_readable_by_all(file) {
        warnings.push(ConfigWarning::SecretReadableByAll { alias: alias.clone(), member });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Vec<(Alias, Provider)>, Vec<ConfigWarning>);

    fn read_list(list: &str, variables: &[(&str, &str)]) -> Result<Read, String> {
        let environment = Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let text = format!(r#"{{"wrapping": {list}}}"#);
        let settings = Settings::parse(&text, Path::new("/etc/signer"), &environment).unwrap();
        let mut warnings = Vec::new();
        let tokens = [TokenSettings {
            name: TokenName::parse("hsm").unwrap(),
            module: "/module.so".into(),
            label: "hsm".to_owned(),
            serial: None,
            pin: crate::token::PinSource::File("/pin".into()),
            sessions: 1,
            patience: Duration::from_secs(1),
        }];
        let read = read(&settings, &environment, &tokens, &mut warnings);
        read.map(|found| (found, warnings)).map_err(|error| crate::causes::WithCauses(&error).to_string())
    }

    fn one(object: &str) -> Result<Provider, String> {
        let (mut found, _) = read_list(&format!("[{object}]"), &[("NOTARY_SIGNER_OTHER", "hush")])?;
        assert_eq!(found.len(), 1);
        Ok(found.remove(0).1)
    }

    fn vault(members: &str) -> Result<VaultSettings, String> {
        let object = format!(
            r#"{{"alias": "k1", "provider": "vault", "address": "https://vault.test:8200", "key": "bulla"{members}}}"#
        );
        match one(&object)? {
            Provider::Vault(settings) => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    const TOKEN: &str = r#", "token_file": "token""#;

    #[test]
    fn without_the_section_nothing_is_wrapped_otherwise() {
        assert_eq!(read_list("[]", &[]).unwrap(), (vec![], vec![]));
        assert_eq!(read_list("null", &[]).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn a_passphrase_stands_in_a_file_or_is_printed() {
        let file = one(r#"{"Alias": "k1", "Provider": "passphrase", "FILE": "k1.pass"}"#);
        assert_eq!(file.unwrap(), Provider::PassphraseFile("/etc/signer/k1.pass".into()));
        let command = PassphraseCommand {
            program: "/usr/bin/pass".into(),
            arguments: vec!["show".to_owned(), "k1".to_owned()],
            hidden_variables: vec!["NOTARY_SIGNER_OTHER".to_owned()],
        };
        let printed = one(r#"{"alias": "k1", "provider": "passphrase", "command": ["/usr/bin/pass", "show", "k1"]}"#);
        assert_eq!(printed.unwrap(), Provider::PassphraseCommand(command));
    }

    #[test]
    fn a_key_of_a_token_is_named_by_the_token_and_its_label() {
        let of = |token: &str, label: &str| {
            one(&format!(r#"{{"alias": "k1", "provider": "pkcs11", "token": "{token}", "key_label": "{label}"}}"#))
        };
        let hsm = TokenName::parse("hsm").unwrap();
        assert_eq!(of("hsm", "Bulla 1").unwrap(), Provider::Token { token: hsm, key_label: "Bulla 1".to_owned() });
        of("hsm", &"l".repeat(255)).unwrap();
        for label in [String::new(), "l".repeat(256)] {
            let text = of("hsm", &label).unwrap_err();
            assert_eq!(text, "wrapping of alias k1: key_label must be the label of a key, of at most 255 bytes");
        }
        for token in ["other", "HSM", ""] {
            let text = of(token, "l").unwrap_err();
            assert_eq!(text, "wrapping of alias k1: token must be the name of a token under tokens");
        }
    }

    #[test]
    fn a_passphrase_has_one_source() {
        for members in ["", r#", "file": "f", "command": ["/c"]"#] {
            let text = one(&format!(r#"{{"alias": "k1", "provider": "passphrase"{members}}}"#)).unwrap_err();
            assert_eq!(text, "wrapping of alias k1: file or command must be given, and not both of them");
        }
    }

    #[test]
    fn a_command_is_a_program_by_its_absolute_path() {
        for words in ["[]", r#"["pass"]"#, r#"["./pass"]"#] {
            let text = one(&format!(r#"{{"alias": "k1", "provider": "passphrase", "command": {words}}}"#)).unwrap_err();
            assert!(text.starts_with("wrapping of alias k1: command must be"), "{text}");
        }
    }

    #[test]
    fn vault_has_defaults() {
        let expected = VaultSettings {
            address: Url::parse("https://vault.test:8200").unwrap(),
            mount: "transit".to_owned(),
            key: "bulla".to_owned(),
            login: VaultLogin::TokenFile("/etc/signer/token".into()),
            authority_file: None,
            namespace: None,
            timeout: Duration::from_secs(5),
        };
        assert_eq!(vault(TOKEN).unwrap(), expected);
    }

    #[test]
    fn vault_is_told_who_asks_by_a_token_or_by_a_role() {
        let role = r#", "role_id_file": "role", "secret_id_file": "secret""#;
        let login = VaultLogin::AppRole {
            mount: "approle".to_owned(),
            role_id_file: "/etc/signer/role".into(),
            secret_id_file: "/etc/signer/secret".into(),
        };
        assert_eq!(vault(role).unwrap().login, login);
        for members in ["", r#", "role_id_file": "role""#, &format!("{TOKEN}{role}")] {
            let text = vault(members).unwrap_err();
            assert!(text.starts_with("wrapping of alias k1: token_file must be given"), "{text}");
        }
    }

    #[test]
    fn a_token_goes_to_no_address_that_others_could_listen_at() {
        let at = |address: &str| vault_address(address).is_some();
        for address in [
            "https://vault.test",
            "https://10.0.0.1:8200/",
            "http://127.0.0.1:8200",
            "http://[::1]:8200",
            "http://localhost",
        ] {
            assert!(at(address), "{address}");
        }
        for address in [
            "http://vault.test:8200",
            "http://127.0.0.1.vault.test",
            "https://u:p@vault.test",
            "https://vault.test/v1",
            "https://vault.test?a",
            "https://vault.test#a",
            "ftp://vault.test",
            "vault.test:8200",
            "unix:/run/vault",
            "",
        ] {
            assert!(!at(address), "{address}");
        }
    }

    #[test]
    fn names_have_nothing_that_means_something_in_a_url() {
        for member in [
            r#", "mount": "a//b""#,
            r#", "mount": "../sys""#,
            r#", "mount": "a/.""#,
            r#", "namespace": "a%2fb""#,
            r#", "mount": """#,
            r#", "approle_mount": "a?b""#,
        ] {
            let text = vault(&format!("{TOKEN}{member}")).unwrap_err();
            assert!(text.contains("must be names of letters"), "{member}: {text}");
        }
        assert_eq!(
            vault(&format!(r#"{TOKEN}, "mount": "team/transit", "namespace": "a/b.c""#)).unwrap().mount,
            "team/transit"
        );
        for (name, is_one) in [("a", true), ("..", false), (".", false), ("a/b", false), ("", false), ("a b", false)] {
            assert_eq!(is_name(name), is_one, "{name}");
        }
        assert!(is_name(&"a".repeat(255)) && !is_name(&"a".repeat(256)));
    }

    #[test]
    fn vault_is_waited_for_1_to_60_seconds() {
        for seconds in [1, 60] {
            let settings = vault(&format!(r#"{TOKEN}, "timeout_seconds": {seconds}"#)).unwrap();
            assert_eq!(settings.timeout, Duration::from_secs(seconds));
        }
        for seconds in ["0", "61"] {
            let text = vault(&format!(r#"{TOKEN}, "timeout_seconds": {seconds}"#)).unwrap_err();
            assert_eq!(text, "wrapping of alias k1: timeout_seconds must be a whole number from 1 to 60");
        }
    }

    #[test]
    fn an_object_that_cannot_be_used_is_named_by_its_place_and_member() {
        for (list, named) in [
            (r#"[{"alias": "k1", "provider": "passphrase", "file": "f", "flie": "f"}]"#, "`flie`"),
            (r#"[{"alias": "k1", "provider": "vautl"}]"#, "`vautl`"),
            (r#"[{"alias": "k1"}]"#, "`provider`"),
            (r#"[{"provider": "passphrase", "file": "f"}]"#, "`alias`"),
        ] {
            let text = read_list(list, &[]).unwrap_err();
            assert!(text.starts_with("wrapping[0] cannot be used: ") && text.contains(named), "{text}");
        }
        let text = read_list(r#"[{"alias": "", "provider": "passphrase", "file": "f"}]"#, &[]).unwrap_err();
        assert!(text.starts_with("wrapping[0].alias is empty"), "{text}");
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        for list in [r#"{"k1": {"provider": "passphrase"}}"#, "7", r#"["k1"]"#] {
            let read = read_list(list, &[]);
            assert!(read.as_ref().is_err_and(|text| text.starts_with("wrapping must be a list")), "{list}: {read:?}");
        }
        let text = read_list("[]", &[("NOTARY_SIGNER_WRAPPING", "k1")]).unwrap_err();
        assert!(text.starts_with("wrapping must be a list"), "{text}");
    }

    #[test]
    fn an_alias_has_one_provider() {
        let object = |alias: &str| format!(r#"{{"alias": "{alias}", "provider": "passphrase", "file": "f"}}"#);
        for second in ["k1", "K1"] {
            let text = read_list(&format!("[{}, {}]", object("k1"), object(second)), &[]).unwrap_err();
            assert!(text.starts_with(&format!("wrapping has alias {second} twice")), "{text}");
        }
        for variable in ["NOTARY_SIGNER_K1", "NOTARY_SIGNER_K1_FILE"] {
            let text = read_list(&format!("[{}]", object("k1")), &[(variable, "x")]).unwrap_err();
            assert_eq!(text, format!("alias k1 stands in wrapping and {variable} is set: keep one"));
        }
        // the variable of an alias that is a setting's holds no passphrase
        read_list(&format!("[{}]", object("default_alias")), &[("NOTARY_SIGNER_DEFAULT_ALIAS", "x")]).unwrap();
    }

    #[test]
    fn a_secret_that_every_account_may_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let object = format!(r#"[{{"alias": "k1", "provider": "passphrase", "file": {:?}}}]"#, file.path());
        for (mode, warnings) in [
            (0o600, vec![]),
            (0o604, vec![ConfigWarning::SecretReadableByAll { alias: Alias::parse("k1").unwrap(), member: "file" }]),
        ] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_list(&object, &[]).unwrap().1, warnings);
        }
    }
}
