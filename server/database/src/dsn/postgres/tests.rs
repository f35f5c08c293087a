//! Addresses as they stand in configuration files, and what is made of each.

use super::*;

fn dsn(text: &str) -> PostgresDsn {
    PostgresDsn::parse(text).unwrap()
}

fn refusal(text: &str) -> DsnError {
    PostgresDsn::parse(text).unwrap_err()
}

fn mode(text: &str) -> String {
    format!("{:?}", dsn(text).connect_options().get_ssl_mode())
}

fn without_effect(query: &str) -> Vec<&'static str> {
    let name = |warning: &DsnWarning| match warning {
        DsnWarning::WithoutEffect { parameter, .. } => Some(*parameter),
        _ => None,
    };
    dsn(&format!("postgres://u@db/n?sslmode=disable&{query}")).warnings().iter().filter_map(name).collect()
}

#[test]
fn the_reference_s_own_samples_are_read() {
    let server = dsn("postgres://server@postgresql:5432/notaryserver?sslmode=disable");
    assert_eq!(server.to_string(), "postgres postgresql:5432/notaryserver");
    assert_eq!(server.warnings(), []);
    let signer = "postgres://signer@postgresql:5432/notarysigner?sslmode=verify-ca&sslrootcert=/pki/ca.pem\
                  &sslcert=/pki/notary-signer.pem&sslkey=/pki/notary-signer-key.pem";
    let signer = dsn(signer);
    assert_eq!(signer.root.as_deref(), Some("/pki/ca.pem"));
    let files =
        Client::Files { certificate: "/pki/notary-signer.pem".into(), key: "/pki/notary-signer-key.pem".into() };
    assert_eq!(signer.client, Some(files));
    assert_eq!(signer.warnings(), [DsnWarning::NameNotCompared]);
    let options = signer.connect_options();
    assert_eq!((options.get_username(), options.get_database()), ("signer", Some("notarysigner")));
}

#[test]
fn both_forms_say_the_same() {
    let url = dsn("postgresql://u%40x:p%2Fw%23@db:5433/a%20b?sslmode=require&search_path=notary&connect_timeout=7");
    let keywords = dsn(
        "user=u@x password='p/w#' host=db port=5433 dbname='a b' sslmode=require search_path=notary connect_timeout=7",
    );
    assert_eq!(url, keywords);
    assert_eq!(url.password.as_ref().map(Secret::expose), Some("p/w#"));
    assert_eq!(url.timeout(), Some(Duration::from_secs(7)));
}

#[test]
fn without_a_mode_tls_is_required_as_in_lib_pq() {
    for (text, expected) in [
        ("postgres://u@db/n", "Require"),
        ("postgres://u@db/n?sslmode=require", "Require"),
        ("host=db sslmode=disable", "Disable"),
        ("host=db sslmode=verify-ca", "VerifyCa"),
        ("host=db sslmode=verify-full", "VerifyFull"),
        ("host=db sslrootcert=ca.pem", "VerifyCa"),
        ("host=db sslrootcert=ca.pem sslmode=require", "VerifyCa"),
        ("host=/run/postgresql sslmode=verify-full", "Disable"),
        ("host=/run/postgresql", "Disable"),
    ] {
        assert_eq!(mode(text), expected, "{text}");
    }
}

#[test]
fn modes_that_lib_pq_does_not_have_are_refused() {
    for mode in ["prefer", "allow", "REQUIRE", "verify_full", "true"] {
        let refusal = refusal(&format!("postgres://u@db/n?sslmode={mode}"));
        assert!(matches!(refusal, DsnError::Value { parameter: "sslmode", .. }), "{mode}: {refusal}");
    }
}

#[test]
fn a_connection_that_is_not_fully_verified_is_warned_of() {
    let unverified = DsnWarning::NotVerified { verified: "sslmode=verify-full and sslrootcert" };
    assert_eq!(dsn("host=db").warnings(), [unverified]);
    assert_eq!(dsn("host=db sslmode=verify-ca").warnings(), [DsnWarning::NameNotCompared]);
    assert_eq!(dsn("host=db sslmode=verify-full").warnings(), []);
    assert_eq!(dsn("host=/run/postgresql").warnings(), []);
}

#[test]
fn places_have_the_driver_s_defaults() {
    for (text, host, port) in [
        ("postgres://u@/n", "localhost", 5432),
        ("postgres://u@db/n", "db", 5432),
        ("postgres://u@:5433/n", "localhost", 5433),
        ("postgres://u@[::1]:5433/n", "::1", 5433),
        ("postgres://u@[::1]/n", "::1", 5432),
        ("postgres://%2Frun%2Fpostgresql/n", "/run/postgresql", 5432),
        ("host=[::1]", "::1", 5432),
        ("host=2001:db8::1 port=1", "2001:db8::1", 1),
        ("dbname=n", "localhost", 5432),
        ("postgres://u@/n?host=/run/postgresql&port=5433", "/run/postgresql", 5433),
    ] {
        let dsn = dsn(text);
        assert_eq!((dsn.host.as_str(), dsn.port), (host, port), "{text}");
    }
}

#[test]
fn what_is_no_place_is_refused() {
    for text in ["postgres://u@db:x/n", "postgres://u@db:0/n", "host=db port=65536", "postgres://u:p:5432/n"] {
        assert!(matches!(refusal(text), DsnError::Place { part: "port", .. }), "{text}");
    }
    for text in ["postgres://u@a,b/n", "host=a,b", "postgres://u@a%20b/n", "postgres://u@[db]:1/n", "host=a:b"] {
        assert!(matches!(refusal(text), DsnError::Place { part: "host", .. }), "{text}");
    }
    for text in ["", "  ", "notaryserver", "postgres://u@[::1/n"] {
        assert_eq!(refusal(text), FORM, "{text}");
    }
    assert!(matches!(refusal("host=db hostaddr=10.0.0.1"), DsnError::Refused { parameter: "hostaddr", .. }));
}

#[test]
fn a_password_that_would_end_elsewhere_is_refused_and_not_shown() {
    for text in [
        "postgres://u:hunter2#x@db/n",
        "postgres://u:hunter2@x@db/n",
        "postgres://u:hunter2/x@db/n",
        "postgres://u:hunter2 x@db/n",
        "postgres://u:hunter2%x@db/n",
        "postgres://u:hunter2%ff@db/n",
        "postgres://u:hunter2?x@db/n",
    ] {
        let refusal = format!("{0} {0:?}", refusal(text));
        assert!(!refusal.contains("hunter2"), "{text}: {refusal}");
    }
}

#[test]
fn further_parameters_are_settings_of_the_session() {
    let expected = "-c lock_timeout=5s -c search_path=notary,\\ public -c app.x=1";
    let url = dsn("postgres://u@db/n?search_path=notary,%20public&options=-c%20lock_timeout%3D5s&app.x=1");
    let keywords = dsn(r"host=db options='--lock_timeout=5s -csearch_path=notary,\\ public' app.x=1");
    for mut dsn in [url, keywords] {
        dsn.settings.sort_by_key(|(name, _)| name != "lock_timeout");
        let mut settings = dsn.settings.clone();
        settings.sort();
        let names: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(names, ["app.x=1", "lock_timeout=5s", "search_path=notary, public"]);
    }
    let dsn = dsn("host=db options=-clock_timeout=5s search_path='notary, public' app.x=1");
    let options = dsn.connect_options();
    let mut words: Vec<_> = expected.split(" -c ").map(|word| word.trim_start_matches("-c ")).collect();
    words.sort_unstable();
    let found = options.get_options().unwrap_or_default().to_owned();
    let mut found: Vec<_> = found.split(" -c ").map(|word| word.trim_start_matches("-c ")).collect();
    found.sort_unstable();
    assert_eq!(found, words);
}

#[test]
fn what_is_no_setting_is_refused() {
    assert_eq!(refusal("postgres://u@db/n?a%20b=1"), DsnError::NoSetting);
    assert_eq!(refusal("host=db a-b=1"), DsnError::NoSetting);
    for options in ["x", "-c", "-c%20x", "-d%205", "-c%20x%3D1%5C"] {
        let refusal = refusal(&format!("postgres://u@db/n?options={options}"));
        assert!(matches!(refusal, DsnError::Value { parameter: "options", .. }), "{options}: {refusal}");
    }
}

#[test]
fn what_changes_nothing_is_named() {
    for (query, expected) in [
        ("binary_parameters=yes&sslsni=0", vec!["binary_parameters", "sslsni"]),
        ("timezone=Europe/Berlin", vec!["timezone"]),
        ("TimeZone=UTC&statement_timeout=5000", vec!["statement_timeout", "timezone"]),
        ("options=-c%20timezone%3DUTC", vec!["timezone"]),
        ("passfile=/x&krbsrvname=y", vec!["krbsrvname", "passfile"]),
        ("client_encoding=UTF-8&application_name=notary&fallback_application_name=x", vec![]),
    ] {
        let mut found = without_effect(query);
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn an_encoding_other_than_utf8_is_refused() {
    let refusal = refusal("host=db client_encoding=LATIN1");
    assert!(matches!(refusal, DsnError::Value { parameter: "client_encoding", .. }), "{refusal}");
}

#[test]
fn a_client_certificate_needs_its_key_and_may_be_text() {
    assert!(matches!(refusal("host=db sslcert=c"), DsnError::Refused { parameter: "sslcert", .. }));
    assert!(matches!(refusal("host=db sslkey=k"), DsnError::Refused { parameter: "sslkey", .. }));
    let inline = dsn("host=db sslinline=true sslcert=CERT sslkey=KEY");
    let expected = Client::Inline { certificate: Secret::new("CERT".into()), key: Secret::new("KEY".into()) };
    assert_eq!(inline.client, Some(expected));
    assert!(!format!("{inline:?}").contains("KEY"));
    let both = refusal("host=db sslinline=true sslcert=C sslkey=K sslrootcert=R");
    assert!(matches!(both, DsnError::Refused { parameter: "sslinline", .. }));
}

#[test]
fn the_time_to_connect_is_whole_seconds() {
    assert_eq!(dsn("host=db connect_timeout=0").timeout(), None);
    assert_eq!(dsn("host=db connect_timeout=-1").timeout(), None);
    assert!(matches!(refusal("host=db connect_timeout=5s"), DsnError::Value { parameter: "connect_timeout", .. }));
}

#[test]
fn a_parameter_that_is_there_twice_or_in_another_case_is_refused() {
    assert_eq!(refusal("host=a sslmode=disable sslmode=verify-full"), DsnError::Twice(Some("sslmode")));
    assert_eq!(refusal("postgres://u@a/n?host=b"), DsnError::Twice(Some("host")));
    assert_eq!(refusal("host=a SSLMODE=disable"), DsnError::Case("sslmode"));
}

#[test]
fn a_name_of_the_application_is_kept() {
    let name = |text: &str| dsn(text).connect_options().get_application_name().map(str::to_owned);
    assert_eq!(name("host=db fallback_application_name=b").as_deref(), Some("b"));
    assert_eq!(name("host=db fallback_application_name=b application_name=a").as_deref(), Some("a"));
}

#[test]
fn a_password_comes_from_one_place() {
    let given = || Secret::new("from a file".to_owned());
    assert_eq!(dsn("host=db").with_password(given()).unwrap().password, Some(given()));
    assert_eq!(dsn("host=db password=p").with_password(given()), Err(DsnError::TwoPasswords));
}

#[test]
fn a_nul_is_nowhere() {
    assert_eq!(refusal("postgres://u:%00@db/n"), DsnError::Nul);
    assert_eq!(refusal("host=db x=a\0"), DsnError::Nul);
}
