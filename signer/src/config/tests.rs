//! What is accepted, what is refused, and what is said about it.

use super::*;
use crate::seal::passphrase::{Alias, PassphraseError, Passphrases};

const SOUND: &str = r#"{
    "server": {"grpc_addr": ":7899", "tls_cert_file": "./s.crt", "tls_key_file": "./s.key",
               "client_ca_file": "ca.crt", "allowed_clients": ["server.test"]},
    "logging": {"level": "info"},
    "storage": {"backend": "sqlite", "db_url": "keys.db", "default_alias": "k1"}
}"#;

/// As in Harbor's stock files, but for the storage.
const WITHOUT_AUTHORITY: &str = r#"{
    "server": {"grpc_addr": ":7899", "tls_cert_file": "s.crt", "tls_key_file": "s.key"},
    "storage": {"backend": "memory"}
}"#;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/signer"), &environment(&[("NOTARY_SIGNER_K1", "secret")]))
}

fn sound_with(from: &str, to: &str) -> Result<Config, ConfigError> {
    assert!(SOUND.contains(from), "{from}");
    parse(&SOUND.replace(from, to))
}

#[test]
fn a_sound_configuration_is_read_without_a_warning() {
    let config = parse(SOUND).unwrap();
    assert_eq!(config.grpc_address, ":7899");
    assert_eq!(config.certificate_file, Path::new("/etc/signer/./s.crt"));
    assert_eq!(config.storage, Storage::Sqlite("/etc/signer/keys.db".into()));
    let allowed = AllowedClients::Named(["server.test".to_owned()].into());
    assert_eq!(config.clients, ClientTrust::Authority { file: "/etc/signer/ca.crt".into(), allowed });
    assert_eq!(config.warnings, []);
}

#[test]
fn without_an_authority_the_lines_to_add_are_printed() {
    let refusal = parse(WITHOUT_AUTHORITY).unwrap_err();
    assert!(matches!(refusal, ConfigError::NoClientAuthority));
    let text = refusal.to_string();
    for line in [r#""client_ca_file": "#, r#""tls_client_cert": "#, r#""tls_client_key": "#] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn any_client_is_let_in_only_by_the_insecure_key_and_with_a_warning() {
    let insecure = WITHOUT_AUTHORITY.replace(r#""grpc_addr""#, r#""insecure_allow_any_client": true, "grpc_addr""#);
    let config = parse(&insecure).unwrap();
    assert_eq!(config.clients, ClientTrust::AnyCertificate);
    assert_eq!(config.warnings, [ConfigWarning::AnyClient]);
}

#[test]
fn an_authority_is_used_even_beside_the_insecure_key() {
    let config = sound_with(r#""client_ca_file""#, r#""insecure_allow_any_client": true, "client_ca_file""#).unwrap();
    assert!(matches!(config.clients, ClientTrust::Authority { .. }));
    assert_eq!(config.warnings, [ConfigWarning::InsecureKeyWithoutEffect]);
}

#[test]
fn names_of_certificates_that_nobody_vouches_for_are_refused() {
    let names = r#""insecure_allow_any_client": true, "allowed_clients": ["a"], "grpc_addr""#;
    let refusal = parse(&WITHOUT_AUTHORITY.replace(r#""grpc_addr""#, names)).unwrap_err();
    assert!(matches!(refusal, ConfigError::NamesWithoutAuthority));
}

#[test]
fn an_empty_list_of_clients_does_not_start() {
    for list in ["[]", r#"[""]"#] {
        let refusal = sound_with(r#"["server.test"]"#, list).unwrap_err();
        assert!(matches!(refusal, ConfigError::NobodyAllowed), "{refusal}");
    }
}

#[test]
fn without_a_list_all_clients_of_the_authority_are_let_in_with_a_warning() {
    let config = sound_with(r#", "allowed_clients": ["server.test"]"#, "").unwrap();
    assert!(matches!(config.clients, ClientTrust::Authority { allowed: AllowedClients::All, .. }));
    assert_eq!(config.warnings, [ConfigWarning::NoAllowedClients]);
}

#[test]
fn callers_say_who_is_let_in_in_place_of_names() {
    let list = r#""callers": [{"name": "server.test"}], "logging""#;
    let text = SOUND.replace(r#", "allowed_clients": ["server.test"]"#, "").replace(r#""logging""#, list);
    let config = parse(&text).unwrap();
    let ClientTrust::Authority { allowed: AllowedClients::Callers(callers), .. } = config.clients else { panic!() };
    assert!(callers.of("server.test").is_some() && callers.of("other.test").is_none());
    assert_eq!(config.warnings, []);
}

#[test]
fn two_lists_of_who_is_let_in_are_refused() {
    let refusal = sound_with(r#""logging""#, r#""callers": [{"name": "server.test"}], "logging""#).unwrap_err();
    assert!(matches!(refusal, ConfigError::Callers(CallersError::TwoLists)), "{refusal}");
}

#[test]
fn callers_that_nobody_vouches_for_are_refused() {
    for insecure in ["", r#""insecure_allow_any_client": true, "#] {
        let text = WITHOUT_AUTHORITY.replace(r#""grpc_addr""#, &format!(r#"{insecure}"grpc_addr""#));
        let refusal = parse(&text.replace(r#""storage""#, r#""callers": [{"name": "a"}], "storage""#)).unwrap_err();
        assert!(matches!(refusal, ConfigError::Callers(CallersError::WithoutAuthority)), "{refusal}");
    }
}

#[test]
fn unknown_keys_are_warned_of_by_name() {
    let config = sound_with(r#""logging""#, r#""reporting": {"bugsnag": {"api_key": "x"}}, "logging""#).unwrap();
    assert_eq!(config.warnings, [ConfigWarning::UnknownKey("reporting.bugsnag.api_key".into())]);
    assert!(config.warnings[0].to_string().contains("reporting.bugsnag.api_key"));
}

#[test]
fn an_unknown_backend_is_refused_with_the_accepted_ones() {
    for backend in ["postgresql", "mariadb", "rethinkdb", "sqlite3"] {
        let text = sound_with(r#""sqlite""#, &format!(r#""{backend}""#)).unwrap_err().to_string();
        assert!(text.contains(backend) && text.contains("accepts postgres, mysql, sqlite and memory"), "{text}");
    }
}

#[test]
fn a_database_may_be_named_by_url_or_path() {
    for (url, file) in
        [("sqlite:keys.db", "/etc/signer/keys.db"), ("sqlite:///var/k.db", "/var/k.db"), ("/var/k.db", "/var/k.db")]
    {
        assert_eq!(sound_with("keys.db", url).unwrap().storage, Storage::Sqlite(file.into()), "{url}");
    }
}

#[test]
fn without_the_default_passphrase_nothing_starts_and_the_variable_is_named() {
    let refusal = Config::parse(SOUND, Path::new(""), &environment(&[])).unwrap_err();
    let ConfigError::DefaultAlias(cause) = refusal else { panic!("{refusal}") };
    assert!(cause.to_string().contains("set NOTARY_SIGNER_K1,"), "{cause}");
}

#[test]
fn a_durable_store_needs_a_default_alias() {
    let refusal = sound_with(r#", "default_alias": "k1""#, "").unwrap_err();
    assert!(matches!(refusal, ConfigError::Missing("storage.default_alias")));
}

#[test]
fn the_default_alias_may_come_from_the_environment_under_either_name() {
    let text = SOUND.replace(r#", "default_alias": "k1""#, "");
    for name in ["NOTARY_SIGNER_DEFAULT_ALIAS", "NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS"] {
        let environment = environment(&[("NOTARY_SIGNER_OTHER", "secret"), (name, "other")]);
        let config = Config::parse(&text, Path::new(""), &environment).unwrap();
        let Sealing::Environment { default_alias, .. } = config.sealing else { panic!("not from the environment") };
        assert_eq!(default_alias.as_str(), "other");
    }
}

#[test]
fn keys_in_memory_need_no_alias() {
    let insecure = WITHOUT_AUTHORITY.replace(r#""grpc_addr""#, r#""client_ca_file": "c", "grpc_addr""#);
    assert!(matches!(parse(&insecure).unwrap().sealing, Sealing::Ephemeral));
    // nor the passphrase of one that is left over from a durable store
    let named = insecure.replace(r#""memory""#, r#""memory", "default_alias": "other""#);
    assert!(matches!(parse(&named).unwrap().sealing, Sealing::Ephemeral));
}

#[test]
fn an_alias_that_ends_like_the_variable_of_a_file_is_its_own_when_it_is_named() {
    let text = SOUND.replace(r#""default_alias": "k1""#, r#""default_alias": "k1_file", "aliases": ["old_file"]"#);
    let environment = environment(&[
        ("NOTARY_SIGNER_K1_FILE", "secret"),
        ("NOTARY_SIGNER_OLD_FILE", "older"),
        ("NOTARY_SIGNER_K1", "k"),
    ]);
    let config = Config::parse(&text, Path::new(""), &environment).unwrap();
    assert_eq!(config.warnings, []);
    let Sealing::Environment { default_alias, aliases, environment, .. } = config.sealing else { panic!("not sealed") };
    let passphrases = Passphrases::from_environment(environment, &aliases);
    for (alias, expected) in [(default_alias.as_str(), "secret"), ("old_file", "older"), ("k1", "k")] {
        let alias = Alias::parse(alias).unwrap();
        assert_eq!(passphrases.of(&alias).unwrap().expose(), expected.as_bytes(), "{alias}");
    }
}

#[test]
fn an_empty_alias_is_none() {
    let refusal = sound_with(r#""default_alias": "k1""#, r#""default_alias": "k1", "aliases": [""]"#).unwrap_err();
    assert!(matches!(refusal, ConfigError::NoAlias { name: "storage.aliases" }), "{refusal}");
}

#[test]
fn required_keys_are_named_when_they_are_absent() {
    for (line, name) in [
        (r#""grpc_addr": ":7899","#, "server.grpc_addr"),
        (r#""tls_cert_file": "./s.crt","#, "server.tls_cert_file"),
        (r#""tls_key_file": "./s.key","#, "server.tls_key_file"),
        (r#""backend": "sqlite","#, "storage.backend"),
        (r#""db_url": "keys.db","#, "storage.db_url"),
    ] {
        let refusal = sound_with(line, "").unwrap_err();
        assert!(matches!(refusal, ConfigError::Missing(missing) if missing == name), "{refusal}");
    }
}

#[test]
fn log_levels_are_the_reference_s() {
    for (name, level) in [("fatal", LogLevel::Error), ("Warning", LogLevel::Warning), ("debug", LogLevel::Debug)] {
        assert_eq!(sound_with(r#""info""#, &format!(r#""{name}""#)).unwrap().log_level, level);
    }
    assert!(matches!(sound_with(r#""info""#, r#""loud""#), Err(ConfigError::UnknownLogLevel { .. })));
    assert_eq!(sound_with(r#""level": "info""#, "").unwrap().log_level, LogLevel::Info);
}

#[test]
fn what_is_not_a_json_object_is_refused() {
    assert!(matches!(parse("server:\n  grpc_addr: x\n"), Err(ConfigError::NotJson(_))));
    assert!(matches!(parse("[]"), Err(ConfigError::NotAnObject)));
}

#[test]
fn a_default_alias_of_wrapping_needs_no_variable_and_a_file_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let with = |wrapping: &str| {
        let text = SOUND.replace(r#""logging""#, &format!(r#""wrapping": [{wrapping}], "logging""#));
        Config::parse(&text, folder.path(), &environment(&[]))
    };
    let of_file = r#"{"alias": "k1", "provider": "passphrase", "file": "k1.pass"}"#;
    let refusal = with(of_file).unwrap_err();
    assert!(matches!(&refusal, ConfigError::DefaultAlias(PassphraseError::File(_))), "{refusal}");
    std::fs::write(folder.path().join("k1.pass"), "secret\n").unwrap();
    for wrapping in [
        of_file,
        r#"{"alias": "k1", "provider": "passphrase", "command": ["/absent"]}"#,
        r#"{"alias": "k1", "provider": "vault", "address": "https://vault.test", "key": "k", "token_file": "absent"}"#,
    ] {
        let Sealing::Environment { wrapping, .. } = with(wrapping).unwrap().sealing else { panic!("not sealed") };
        assert_eq!(wrapping.len(), 1);
    }
    // an alias is found by its exact name only
    let refusal = with(&of_file.replace("k1", "K1")).unwrap_err();
    assert!(matches!(&refusal, ConfigError::DefaultAlias(PassphraseError::Missing { .. })), "{refusal}");
}

#[test]
fn keys_in_memory_are_not_wrapped() {
    let wrapping = r#""wrapping": [{"alias": "k1", "provider": "passphrase", "command": ["/c"]}], "logging""#;
    let text = SOUND.replace(r#""logging""#, wrapping).replace(r#""sqlite", "db_url": "keys.db""#, r#""memory""#);
    let config = Config::parse(&text, Path::new(""), &environment(&[])).unwrap();
    assert_eq!(config.warnings, [ConfigWarning::WithoutEffect("wrapping")]);
}
