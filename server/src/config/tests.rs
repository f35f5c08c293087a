//! What a configuration may say, tried over whole files.

use std::path::Path;

use super::*;
use crate::signer::KeyAlgorithm;

const GOOD: &str = r#"{
    "server": {"http_addr": ":4443", "tls_cert_file": "./server.crt", "tls_key_file": "/etc/server.key"},
    "trust_service": {"type": "remote", "hostname": "signer", "port": "7899", "key_algorithm": "ecdsa", "tls_ca_file": "ca.crt"},
    "storage": {"backend": "sqlite", "db_url": "server.db"}
}"#;

fn load_with(json: &str, environment: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.json");
    std::fs::write(&path, json).unwrap();
    Config::load(&path, environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

fn load(json: &str) -> Result<(Config, Vec<Warning>), ConfigError> {
    load_with(json, &[])
}

/// `GOOD` with one key set to another value.
fn with(pointer: &str, value: serde_json::Value) -> String {
    let mut document: serde_json::Value = serde_json::from_str(GOOD).unwrap();
    let mut place = &mut document;
    for name in pointer.split('.') {
        place = place.as_object_mut().unwrap().entry(name).or_insert_with(|| serde_json::json!({}));
    }
    *place = value;
    document.to_string()
}

fn refusal(json: &str) -> String {
    load(json).unwrap_err().to_string()
}

#[test]
fn the_files_of_a_stock_configuration_are_found_beside_it() {
    let (config, warnings) = load(GOOD).unwrap();
    let tls = config.listen.tls.unwrap();
    assert!(tls.certificate.is_absolute() && tls.certificate.ends_with("server.crt"), "{:?}", tls.certificate);
    assert_eq!(tls.key, Path::new("/etc/server.key"));
    assert!(matches!(config.trust, TrustConfig::Remote(RemoteSigner { port: 7899, .. })));
    assert_eq!(config.cache_ages, CacheAges { current: 300, consistent: 2_592_000 });
    assert_eq!(config.log_level, LogLevel::Error);
    assert_eq!(config.limits.connections, 1024);
    assert_eq!(warnings, []);
}

#[test]
fn keys_are_compared_without_case() {
    let (config, _) = load(&GOOD.replace("http_addr", "HTTP_Addr").replace("\"server\"", "\"Server\"")).unwrap();
    assert_eq!(config.listen.address, ":4443");
    let twice = with("server.HTTP_ADDR", "x:1".into());
    assert_eq!(refusal(&twice), "the configuration key server.http_addr is given twice: keep one");
}

#[test]
fn a_key_that_stands_in_the_file_twice_is_refused() {
    let line = r#""http_addr": ":4443","#;
    let twice = GOOD.replace(line, &format!(r#"{line} "http_addr": ":1","#));
    assert_eq!(refusal(&twice), "the configuration key server.http_addr is given twice: keep one");
    let twice = GOOD.replace(r#""storage":"#, r#""storage": {}, "storage":"#);
    assert_eq!(refusal(&twice), "the configuration key storage is given twice: keep one");
    let twice = with("Storage.defualt", 1.into());
    assert_eq!(refusal(&twice), "the configuration key storage is given twice: keep one");
}

#[test]
fn the_environment_overrides_the_file() {
    let overrides = [
        ("NOTARY_SERVER_SERVER_HTTP_ADDR", "localhost:1"),
        ("NOTARY_SERVER_STORAGE_DB_URL", "/other.db"),
        ("NOTARY_SERVER_TRUST_SERVICE_PORT", "1"),
        ("NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES", "a/ b/"),
        ("NOTARY_SERVER_LIMITS_PARTS", "7"),
        ("HOME", "/root"),
    ];
    let (config, warnings) = load_with(GOOD, &overrides).unwrap();
    assert_eq!(config.listen.address, "localhost:1");
    assert_eq!(config.storage, StorageConfig::Sqlite { path: "/other.db".into() });
    assert_eq!(config.gun_prefixes.iter().map(GunPrefix::as_str).collect::<Vec<_>>(), ["a/", "b/"]);
    assert_eq!(config.limits.parts, 7);
    assert_eq!(warnings, []);
}

#[test]
fn what_has_no_effect_is_named_in_a_warning() {
    let (_, warnings) = load_with(&with("storage.defualt", "x".into()), &[("NOTARY_SERVER_STORAGE_URL", "x")]).unwrap();
    assert_eq!(
        warnings,
        [Warning::UnknownKey("storage.defualt".into()), Warning::UnknownVariable("NOTARY_SERVER_STORAGE_URL".into())]
    );
    let (_, warnings) = load(&with("reporting.bugsnag.api_key", "x".into())).unwrap();
    assert_eq!(warnings, [Warning::UnsupportedKey("reporting.bugsnag.api_key".into())]);
}

#[test]
fn an_unknown_kind_of_authentication_does_not_start_without_one() {
    // the reference starts open to everybody
    for (section, said) in [
        (r#"{"type": "tokn"}"#, r#"auth.type is "tokn", but must be token: set "auth": {"type": "token", "#),
        (r#"{"type": ""}"#, r#"auth has no type: set "auth": {"type": "token", "#),
        (r#"{"options": {"realm": "x"}}"#, r#"auth has no type: set "auth": {"type": "token", "#),
    ] {
        let text = refusal(&with("auth", serde_json::from_str(section).unwrap()));
        assert!(text.starts_with(said), "{text}");
        assert!(text.ends_with(" or remove auth (then everybody may do everything)"), "{text}");
    }
}

#[test]
fn an_auth_section_of_any_form_does_not_start_without_authentication() {
    let refused = r#"auth has no type: set "auth": {"type": "token", "options": {"realm": "https://HOST/service/token", "service": "SERVICE", "issuer": "ISSUER", "rootcertbundle": "/path/of/root.crt"}} or remove auth (then everybody may do everything)"#;
    for section in ["{}", r#"{"options": {}}"#, r#""token""#, "null", "[]", "true", r#"{"type": null}"#] {
        for name in ["auth", "Auth", "AUTH"] {
            let text = refusal(&with(name, serde_json::from_str(section).unwrap()));
            assert_eq!(text, refused, "{name} {section}");
        }
    }
    for variable in ["NOTARY_SERVER_AUTH", "NOTARY_SERVER_AUTH_TYPE", "NOTARY_SERVER_AUTH_OPTIONS_REALM"] {
        assert_eq!(load_with(GOOD, &[(variable, "")]).unwrap_err().to_string(), refused, "{variable}");
    }
}

#[test]
fn a_filter_of_names_is_a_list_or_not_there() {
    for value in [r#"{"a/": true}"#, "{}", "null", r#""""#, r#"" ""#, "1"] {
        let text = refusal(&with("repositories.gun_prefixes", serde_json::from_str(value).unwrap()));
        assert!(text.starts_with("repositories.gun_prefixes must be a "), "{value}: {text}");
    }
    let filtered = with("repositories.gun_prefixes", serde_json::json!(["a/"]));
    let text = load_with(&filtered, &[("NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES", "")]).unwrap_err().to_string();
    assert_eq!(text, "repositories.gun_prefixes must be a list of texts");
    let (config, _) = load(&with("repositories.gun_prefixes", serde_json::json!([]))).unwrap();
    assert!(config.gun_prefixes.is_empty());
}

#[test]
fn an_empty_variable_takes_nothing_away() {
    let closed = with("server.client_ca_file", "ca.crt".into());
    let names = ["CLIENT_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"].map(|name| format!("NOTARY_SERVER_SERVER_{name}"));
    let (config, warnings) = load_with(&closed, &names.each_ref().map(|name| (name.as_str(), ""))).unwrap();
    assert!(config.listen.tls.unwrap().client_ca.is_some());
    assert_eq!(warnings, []);
}

#[test]
fn a_section_or_value_of_the_wrong_form_is_not_passed_over() {
    for (pointer, value, expected) in [
        ("repositories", "null", "repositories must be a section"),
        ("repositories", r#"["a/"]"#, "repositories must be a section"),
        ("limits", "7", "limits must be a section"),
        ("caching.max_age", "7", "caching.max_age must be a section"),
        ("limits.parts", "{}", "limits.parts must be a value, not a section"),
    ] {
        assert_eq!(refusal(&with(pointer, serde_json::from_str(value).unwrap())), expected);
    }
    let (_, warnings) = load(&with("repository", serde_json::json!({}))).unwrap();
    assert_eq!(warnings, [Warning::UnknownKey("repository".into())]);
}

#[test]
fn unknown_kinds_name_what_is_accepted() {
    assert_eq!(
        refusal(&with("trust_service.type", "lokal".into())),
        "trust_service.type is \"lokal\", but must be one of remote, local: set \"trust_service\": {\"type\": \"remote\"}"
    );
    assert_eq!(
        refusal(&with("storage.backend", "oracle".into())),
        "storage.backend is \"oracle\", but must be one of postgres, mysql, sqlite, memory: \
         set \"storage\": {\"backend\": \"postgres\"}"
    );
    assert_eq!(
        refusal(&with("logging.level", "loud".into())),
        "logging.level is \"loud\", but must be one of panic, fatal, error, warning, info, debug: \
         set \"logging\": {\"level\": \"error\"}"
    );
}

#[test]
fn kinds_of_the_reference_that_are_not_here_name_what_to_do() {
    for (backend, said) in [
        (
            "rethinkdb",
            r#"storage.backend "rethinkdb" is not supported: move the metadata into PostgreSQL or MySQL, and set "storage": {"backend": "postgres", "db_url": "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"}"#,
        ),
        (
            "sqlite3",
            r#"storage.backend "sqlite3" is not supported: for a new file of this server's own set "storage": {"backend": "sqlite", "db_url": "server.db"}"#,
        ),
    ] {
        assert_eq!(refusal(&with("storage.backend", backend.into())), said);
    }
}

#[test]
fn a_remote_signer_is_asked_for_keys_of_any_algorithm_that_the_reference_takes() {
    for (name, algorithm) in
        [("ecdsa", KeyAlgorithm::Ecdsa), ("ed25519", KeyAlgorithm::Ed25519), ("rsa", KeyAlgorithm::Rsa)]
    {
        let (config, warnings) = load(&with("trust_service.key_algorithm", name.into())).unwrap();
        let TrustConfig::Remote(signer) = config.trust else { panic!("{:?}", config.trust) };
        assert_eq!(signer.key_algorithm, algorithm);
        assert_eq!(warnings.contains(&Warning::RsaOnTokensOnly), name == "rsa");
    }
    assert_eq!(
        refusal(&with("trust_service.key_algorithm", "dsa".into())),
        r#"trust_service.key_algorithm is "dsa", but must be one of ecdsa, ed25519, rsa: set "trust_service": {"key_algorithm": "ecdsa"}"#
    );
}

fn storage(section: &str) -> String {
    with("storage", serde_json::from_str(section).unwrap())
}

#[test]
fn a_database_is_named_as_in_the_reference() {
    let (config, warnings) =
        load(&storage(r#"{"backend": "mysql", "db_url": "server@tcp(mysql:3306)/notaryserver?parseTime=True"}"#))
            .unwrap();
    let StorageConfig::MySql(database) = &config.storage else { panic!("{:?}", config.storage) };
    assert_eq!(database.dsn.to_string(), "mysql mysql:3306/notaryserver");
    assert_eq!(database.pool, bulla_database::PoolSettings::default());
    assert_eq!(warnings, []);
    let section = r#"{"backend": "postgres", "db_url": "postgres://u:p@db:5433/notaryserver?sslmode=disable",
        "max_connections": 3, "timeout_seconds": "7"}"#;
    let (config, _) = load(&storage(section)).unwrap();
    let StorageConfig::Postgres(database) = &config.storage else { panic!("{:?}", config.storage) };
    assert_eq!(database.dsn.to_string(), "postgres db:5433/notaryserver");
    assert_eq!((database.pool.max_connections, database.pool.statement_timeout.as_secs()), (3, 7));
}

#[test]
fn a_database_without_an_address_says_how_one_looks() {
    for (backend, form) in [
        ("mysql", "USER:PASSWORD@tcp(HOST:3306)/DATABASE?parseTime=true"),
        ("postgres", "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"),
    ] {
        let said = refusal(&storage(&format!(r#"{{"backend": "{backend}"}}"#)));
        let expected =
            format!(r#"storage.backend is "{backend}" without an address: add "storage": {{"db_url": "{form}"}}"#);
        assert_eq!(said, expected);
    }
}

#[test]
fn a_database_password_does_not_reach_the_message() {
    for backend in ["mysql", "postgres", "rethinkdb", "oracle"] {
        for url in ["u:geheim@h/d", "postgres://u:geheim@h:x/d", "geheim"] {
            let json = with("storage", serde_json::json!({"backend": backend, "db_url": url}));
            let refusal = load(&json)
                .map(|(config, _)| format!("{config:?}"))
                .unwrap_or_else(|error| format!("{error:?} {error}"));
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }
}

/// A file of these permissions with this text.
fn secret_file(text: &str, mode: u32) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn address_and_password_of_a_database_come_from_files_too() {
    let (_kept, file) = secret_file("u@tcp(h)/d\n", 0o600);
    let (_kept_too, password) = secret_file("geheim\n", 0o640);
    let section = serde_json::json!({"backend": "mysql", "db_url_file": file, "password_file": password});
    let (config, warnings) = load(&with("storage", section)).unwrap();
    let StorageConfig::MySql(database) = &config.storage else { panic!("{:?}", config.storage) };
    let expected = bulla_database::dsn::MySqlDsn::parse("u:geheim@tcp(h)/d").unwrap();
    assert_eq!(*database.dsn, expected);
    assert_eq!(warnings, []);
}

#[test]
fn a_secret_that_every_account_can_read_is_warned_of() {
    let (_kept, file) = secret_file("u@tcp(h)/d", 0o604);
    let section = serde_json::json!({"backend": "mysql", "db_url_file": file});
    let (_, warnings) = load(&with("storage", section)).unwrap();
    assert_eq!(warnings, [Warning::ReadableByAll { key: "storage.db_url_file", path: file.into() }]);
}

#[test]
fn an_address_in_the_environment_counts_before_one_in_the_file() {
    let (_kept, file) = secret_file("u@tcp(b)/d", 0o600);
    let in_file = storage(r#"{"backend": "mysql", "db_url": "u@tcp(a)/d"}"#);
    let variable = "NOTARY_SERVER_STORAGE_DB_URL_FILE";
    let (config, warnings) = load_with(&in_file, &[(variable, &file)]).unwrap();
    let StorageConfig::MySql(database) = &config.storage else { panic!("{:?}", config.storage) };
    assert_eq!(database.dsn.to_string(), "mysql b:3306/d");
    assert_eq!(warnings, [Warning::Overridden { key: "storage.db_url", variable: variable.to_owned() }]);
    let both = with("storage", serde_json::json!({"backend": "mysql", "db_url": "u@/d", "db_url_file": file}));
    assert_eq!(refusal(&both), "both storage.db_url and storage.db_url_file are set: keep one");
}

#[test]
fn settings_of_databases_are_named_where_there_is_none() {
    let (_, warnings) = load(&storage(r#"{"backend": "memory", "max_connections": 3}"#)).unwrap();
    let expected = Warning::OfOtherBackends { key: "storage.max_connections", backend: "memory".to_owned() };
    assert_eq!(warnings, [expected]);
}

#[test]
fn keys_in_memory_and_metadata_on_disk_need_consent() {
    let local = with("trust_service", serde_json::json!({"type": "local"}));
    assert!(matches!(load(&local), Err(ConfigError::KeysForgotten)));
    let consented = with("trust_service", serde_json::json!({"type": "local", "ephemeral": true}));
    assert!(matches!(load(&consented).unwrap().0.trust, TrustConfig::Local));
}

#[test]
fn certificate_and_key_come_together() {
    let json = with("server", serde_json::json!({"http_addr": ":1", "tls_key_file": "k"}));
    assert_eq!(
        refusal(&json),
        "server.tls_key_file is set without server.tls_cert_file: add \"server\": {\"tls_cert_file\": \"server.crt\"}, or take server.tls_key_file out"
    );
    let json = with("server", serde_json::json!({"http_addr": ":1", "client_ca_file": "k"}));
    assert_eq!(
        refusal(&json),
        "server.client_ca_file is set without server.tls_cert_file: add \"server\": {\"tls_cert_file\": \"server.crt\"}, or take server.client_ca_file out"
    );
}

#[test]
fn an_address_is_required() {
    let json = with("server", serde_json::json!({}));
    assert_eq!(refusal(&json), r#"the configuration must set server.http_addr: add "server": {"http_addr": ":4443"}"#);
}

#[test]
fn numbers_are_bounded() {
    assert_eq!(
        refusal(&with("caching.max_age.current_metadata", 31_536_001.into())),
        "caching.max_age.current_metadata is 31536001, but must be from 0 to 31536000"
    );
    assert_eq!(refusal(&with("limits.parts", (-1).into())), "limits.parts must be a whole number that is not negative");
    assert_eq!(
        refusal(&with("limits", serde_json::json!({"document_bytes": 2000, "upload_memory_bytes": 1999}))),
        "limits.upload_memory_bytes is 1999, but must be from 1056576 to 1099511627776"
    );
}

#[test]
fn what_one_upload_may_hold_is_lowered_and_never_raised_above_what_parsers_take() {
    let lowered = serde_json::json!({"signatures": 1, "delegations": 2, "snapshot_roles": 3, "version_step": 4});
    let publish = load(&with("limits", lowered)).unwrap().0.limits.publish;
    assert_eq!((publish.signatures, publish.delegations, publish.snapshot_roles, publish.version_step), (1, 2, 3, 4));
    for (key, most) in [("signatures", 256), ("delegations", 4000), ("snapshot_roles", 4000)] {
        assert!(load(&with(&format!("limits.{key}"), most.into())).is_ok(), "{key}");
        assert_eq!(
            refusal(&with(&format!("limits.{key}"), (most + 1).into())),
            format!("limits.{key} is {}, but must be from 1 to {most}", most + 1)
        );
    }
}

#[test]
fn one_address_may_have_three_quarters_of_the_connections_unless_another_number_is_set() {
    let per_address = |limits| load(&with("limits", limits)).unwrap().0.limits.connections_per_address;
    assert_eq!(per_address(serde_json::json!({})), 768);
    assert_eq!(per_address(serde_json::json!({"connections": 10})), 8);
    assert_eq!(per_address(serde_json::json!({"connections": 1})), 1);
    assert_eq!(per_address(serde_json::json!({"connections": 10, "connections_per_address": 9})), 9);
}

#[test]
fn a_trusted_proxy_is_an_address_or_a_network() {
    let proxies = |value| load(&with("limits.trusted_proxies", value)).map(|(config, _)| config.limits.trusted_proxies);
    assert_eq!(proxies(serde_json::json!(["10.0.0.0/8", "::1"])).unwrap().len(), 2);
    assert_eq!(
        refusal(&with("limits.trusted_proxies", serde_json::json!(["proxy.example"]))),
        r#"limits.trusted_proxies has "proxy.example": write an address, or a network such as 10.0.0.0/8"#
    );
}

#[test]
fn prefixes_are_clean_paths_with_a_slash_at_their_end() {
    for bad in ["a", "/a/", "../a/", "a//b/", "a/./", "/", ""] {
        assert!(refusal(&with("repositories.gun_prefixes", serde_json::json!([bad]))).contains("clean path"), "{bad}");
    }
    let (config, _) = load(&with("repositories.gun_prefixes", serde_json::json!(["a.b:5000/c/"]))).unwrap();
    assert_eq!(config.gun_prefixes.first().map(GunPrefix::as_str), Some("a.b:5000/c/"));
}

#[test]
fn a_root_bundle_that_is_not_in_the_working_directory_is_sought_beside_the_file() {
    let options =
        |bundle: &str| serde_json::json!({"realm": "r", "service": "s", "issuer": "i", "rootcertbundle": bundle});
    let auth = |bundle: &str| with("auth", serde_json::json!({"type": "token", "options": options(bundle)}));
    let bundle = load(&auth("Cargo.toml")).unwrap().0.auth.unwrap().root_certificates;
    assert_eq!(bundle, Path::new("Cargo.toml"));
    let bundle = load(&auth("bundle.crt")).unwrap().0.auth.unwrap().root_certificates;
    assert!(bundle.is_absolute() && bundle.ends_with("bundle.crt"), "{bundle:?}");
}

#[test]
fn a_file_that_is_not_json_says_so() {
    assert!(refusal("server: {}").ends_with("is not a JSON document"));
    assert!(refusal("[]").ends_with("holds no JSON object"));
    let directory = tempfile::tempdir().unwrap();
    for (name, format) in [("server.yml", "YAML"), ("server.YAML", "YAML"), ("server.toml", "TOML")] {
        let path = directory.path().join(name);
        std::fs::write(&path, "server: {}").unwrap();
        let said = Config::load(&path, []).unwrap_err().to_string();
        let expected = format!("is {format}, which this server does not read: write the same keys as JSON");
        assert!(said.ends_with(&expected), "{said}");
    }
}

#[test]
fn the_defaults_that_are_told_are_the_ones_that_count() {
    let mut told: serde_json::Value = serde_json::from_str(GOOD).unwrap();
    for setting in examine(GOOD, &[]).settings {
        let Ok(number) = setting.value.parse::<u64>() else { continue };
        let (section, name) = setting.key.rsplit_once('.').unwrap();
        let place = section.split('.').fold(&mut told, |place, name| {
            place.as_object_mut().unwrap().entry(name).or_insert_with(|| serde_json::json!({}))
        });
        place.as_object_mut().unwrap().insert(name.to_owned(), number.into());
    }
    let (told, _) = load(&told.to_string()).unwrap();
    let (silent, _) = load(GOOD).unwrap();
    assert_eq!(told.limits, silent.limits);
    assert_eq!(told.cache_ages, silent.cache_ages);
    assert_eq!(told.renewal, silent.renewal);
}

fn examine(json: &str, environment: &[(&str, &str)]) -> Examination {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.json");
    std::fs::write(&path, json).unwrap();
    Config::examine(&path, environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).unwrap()
}

#[test]
fn each_value_is_told_with_where_it_comes_from() {
    let settings = examine(GOOD, &[("NOTARY_SERVER_LOGGING_LEVEL", "debug")]).settings;
    let told = |key| settings.iter().find(|setting| setting.key == key).map(|s| (s.value.as_str(), s.origin.clone()));
    let variable = Origin::Environment("NOTARY_SERVER_LOGGING_LEVEL".to_owned());
    assert_eq!(told("logging.level"), Some(("debug", variable)));
    assert_eq!(told("server.http_addr"), Some((":4443", Origin::File)));
    assert_eq!(told("limits.parts"), Some(("1000", Origin::Default)));
}

#[test]
fn everything_that_is_refused_is_told_and_not_only_the_first() {
    let mut bad: serde_json::Value = serde_json::from_str(GOOD).unwrap();
    bad["logging"] = serde_json::json!({"level": "loud"});
    bad["server"] = serde_json::json!({});
    bad["limits"] = serde_json::json!({"parts": 0});
    let errors = examine(&bad.to_string(), &[]).outcome.unwrap_err();
    let keys: Vec<String> = errors.iter().map(ToString::to_string).collect();
    for (said, key) in keys.iter().zip(["logging.level", "server.http_addr", "limits.parts"]) {
        assert!(said.contains(key), "{keys:?}");
    }
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn an_examination_shows_no_password() {
    for backend in ["mysql", "postgres", "rethinkdb"] {
        for url in ["u:geheim@tcp(h)/d", "postgres://u:geheim@h/d"] {
            let json = with("storage", serde_json::json!({"backend": backend, "db_url": url}));
            let examination = examine(&json, &[]);
            assert!(!format!("{examination:?}").contains("geheim"), "{backend} {url}");
        }
    }
}

#[test]
fn metrics_have_an_address_of_their_own_only_where_it_is_set() {
    let (config, _) = load(GOOD).unwrap();
    assert_eq!(config.metrics.address, None);
    let (config, warnings) = load(&with("metrics", serde_json::json!({"http_addr": "127.0.0.1:9443"}))).unwrap();
    assert_eq!((config.metrics.address.as_deref(), warnings), (Some("127.0.0.1:9443"), vec![]));
    let (config, _) = load_with(GOOD, &[("NOTARY_SERVER_METRICS_HTTP_ADDR", ":9443")]).unwrap();
    assert_eq!(config.metrics.address.as_deref(), Some(":9443"));
    let said = refusal(&with("metrics", serde_json::json!({"http_addr": [":1"]})));
    assert!(said.contains("metrics.http_addr"), "{said}");
}

#[test]
fn repositories_are_named_in_the_metrics_without_authentication_or_when_that_is_asked_for() {
    let auth = serde_json::json!({"type": "token", "options": {
        "realm": "https://h/token", "service": "s", "issuer": "i", "rootcertbundle": "root.crt",
    }});
    for (with_auth, asked, named) in [
        (false, None, true),
        (true, None, false),
        (false, Some(false), false),
        (true, Some(true), true),
        (true, Some(false), false),
    ] {
        let mut document: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        if with_auth {
            document["auth"] = auth.clone();
        }
        if let Some(asked) = asked {
            document["metrics"] = serde_json::json!({"repository_names": asked});
        }
        let (config, warnings) = load(&document.to_string()).unwrap();
        assert_eq!(config.metrics.repository_names, named, "{with_auth} {asked:?}");
        assert_eq!(warnings, []);
    }
    let (config, _) = load_with(GOOD, &[("NOTARY_SERVER_METRICS_REPOSITORY_NAMES", "false")]).unwrap();
    assert!(!config.metrics.repository_names);
    let said = refusal(&with("metrics.repository_names", "sometimes".into()));
    assert!(said.contains("metrics.repository_names") && said.contains("true or false"), "{said}");
}

#[test]
fn nothing_is_traced_unless_a_collector_is_named() {
    assert_eq!(load(&with("tracing", serde_json::json!({"sample_ratio": 0.5}))).unwrap().0.tracing, None);
    let section = serde_json::json!({"otlp_endpoint": "https://c:4317", "sample_ratio": 0.5, "tls_ca_file": "/ca.pem"});
    let (config, warnings) = load(&with("tracing", section)).unwrap();
    let tracing = config.tracing.unwrap();
    assert_eq!((tracing.collector.address(), tracing.collector.is_tls()), ("https://c:4317", true));
    assert_eq!((tracing.ratio, tracing.ca_file.as_deref()), ("0.5".parse().unwrap(), Some(Path::new("/ca.pem"))));
    assert_eq!(warnings, []);
    let with_defaults = load(&with("tracing", serde_json::json!({"otlp_endpoint": "https://c:4317"}))).unwrap().0;
    assert_eq!(with_defaults.tracing.unwrap().ratio, bulla_traces::Ratio::ALL);
}

#[test]
fn plain_http_to_another_machine_s_collector_is_refused_unless_it_is_allowed() {
    let plain = |allowed: bool| {
        let section = serde_json::json!({"otlp_endpoint": "http://c:4317", "insecure_plain_http": allowed});
        with("tracing", section)
    };
    assert_eq!(
        refusal(&plain(false)),
        "tracing.otlp_endpoint is plain http to another machine: use https, or set the key that allows it \
         (tracing.insecure_plain_http)"
    );
    assert!(load(&plain(true)).unwrap().0.tracing.is_some());
    let ratio = with("tracing", serde_json::json!({"sample_ratio": 1.5}));
    assert_eq!(refusal(&ratio), "tracing.sample_ratio must be a number from 0 to 1");
}
