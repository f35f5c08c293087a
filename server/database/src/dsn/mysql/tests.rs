//! Addresses as they stand in configuration files, and what is made of each.

use sqlx::mysql::MySqlSslMode;

use super::*;

fn dsn(text: &str) -> MySqlDsn {
    MySqlDsn::parse(text).unwrap()
}

/// Host and port, or the socket.
fn place(text: &str) -> String {
    match dsn(text).place {
        Place::Tcp { host, port } => format!("{host} {port}"),
        Place::Socket(path) => path.display().to_string(),
    }
}

fn password(text: &str) -> Option<String> {
    dsn(text).password.map(|password| password.expose().to_owned())
}

fn refusal(text: &str) -> DsnError {
    MySqlDsn::parse(text).unwrap_err()
}

fn without_effect(parameters: &str) -> Vec<&'static str> {
    let warnings = dsn(&format!("u@tcp(db)/n?{parameters}")).warnings;
    let name = |warning| match warning {
        DsnWarning::WithoutEffect { parameter, .. } => Some(parameter),
        _ => None,
    };
    warnings.into_iter().filter_map(name).collect()
}

#[test]
fn the_reference_s_own_samples_are_read_without_a_warning() {
    for (text, user, database) in [
        ("server@tcp(mysql:3306)/notaryserver?parseTime=True", "server", "notaryserver"),
        ("signer@tcp(mysql:3306)/notarysigner?parseTime=True", "signer", "notarysigner"),
    ] {
        let dsn = dsn(text);
        assert_eq!((dsn.user.as_str(), dsn.database.as_str(), dsn.warnings()), (user, database, [].as_slice()));
        assert_eq!(dsn.to_string(), format!("mysql mysql:3306/{database}"));
        let options = dsn.connect_options();
        assert_eq!((options.get_host(), options.get_port(), options.get_username()), ("mysql", 3306, user));
        assert_eq!(options.get_database(), Some(database));
    }
}

#[test]
fn a_password_may_hold_any_character() {
    for (text, expected) in [
        ("u:p@ss:w/rd(x)?a=b@tcp(db:3306)/n", "p@ss:w/rd(x)?a=b"),
        ("u::@tcp(db)/n", ":"),
        ("u:p%40@tcp(db)/n", "p%40"),
        ("u:@@/n", "@"),
        ("u:päss wörd'\"\\@tcp(db)/n", "päss wörd'\"\\"),
    ] {
        assert_eq!(password(text).as_deref(), Some(expected), "{text}");
        assert_eq!(dsn(text).user, "u", "{text}");
    }
    assert_eq!(password("u:@tcp(db)/n"), None);
    assert_eq!(password("u@tcp(db)/n"), None);
}

#[test]
fn places_have_the_driver_s_defaults() {
    for (text, expected) in [
        ("/n", "127.0.0.1 3306"),
        ("u@/n", "127.0.0.1 3306"),
        ("u@tcp/n", "127.0.0.1 3306"),
        ("u@(db:3307)/n", "db 3307"),
        ("u@tcp(db)/n", "db 3306"),
        ("u@tcp(:3307)/n", "localhost 3307"),
        ("u@tcp([::1]:3307)/n", "::1 3307"),
        ("u@tcp([2001:db8::1])/n", "2001:db8::1 3306"),
        ("u@tcp(2001:db8::1)/n", "2001:db8::1 3306"),
        ("u@tcp(10.0.0.1:3306)/n", "10.0.0.1 3306"),
        ("u@tcp(notary_db:3306)/n", "notary_db 3306"),
        ("u@unix/n", "/tmp/mysql.sock"),
        ("u@unix(/run/mysqld/mysqld.sock)/n", "/run/mysqld/mysqld.sock"),
    ] {
        assert_eq!(place(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_place_is_refused() {
    for text in ["u@tcp(db:3306", "u@tcp(db:3306/n", "u:p@tcp(db)x/n", "u@tcp([::1/n", "u@tcp([::1]x)/n", ""] {
        assert_eq!(refusal(text), FORM, "{text}");
    }
    for text in ["u@tcp6(db)/n", "u@udp(db)/n", "user:secret/n", "mysql://u:p@db/n"] {
        assert_eq!(refusal(text), DsnError::Network, "{text}");
    }
    for text in ["u@tcp(db:)/n", "u@tcp(db:0)/n", "u@tcp(db:65536)/n", "u@tcp(db:+1)/n", "u@tcp(db:mysql)/n"] {
        assert!(matches!(refusal(text), DsnError::Place { part: "port", .. }), "{text}");
    }
    for text in ["u@tcp([db]:1)/n", "u@tcp(a b)/n", "u@tcp(a,b)/n"] {
        assert!(matches!(refusal(text), DsnError::Place { part: "host", .. }), "{text}");
    }
}

#[test]
fn a_name_of_a_database_that_may_be_a_password_is_refused() {
    // the slash before the name is missing, and there is one in the password
    assert_eq!(refusal("u:hunter/2@tcp(db:3306)notary"), DsnError::Network);
    assert_eq!(refusal("u:a@tcp/hunter2@tcp(db:3306)notary"), FORM);
    assert_eq!(dsn("u@/a%2Db").database, "a-b");
    assert_eq!(refusal("u@/a%"), DsnError::Escape { part: "name of the database" });
}

#[test]
fn tls_is_what_was_asked_for_and_more_when_nothing_was() {
    for (value, mode, warned) in [
        ("", MySqlSslMode::Preferred, false),
        ("?tls=", MySqlSslMode::Preferred, false),
        ("?tls=false", MySqlSslMode::Disabled, false),
        ("?tls=0", MySqlSslMode::Disabled, false),
        ("?tls=preferred", MySqlSslMode::Preferred, true),
        ("?tls=skip-verify", MySqlSslMode::Required, true),
        ("?tls=Skip-Verify", MySqlSslMode::Required, true),
        ("?tls=true", MySqlSslMode::VerifyIdentity, false),
        ("?tls=1", MySqlSslMode::VerifyIdentity, false),
    ] {
        let dsn = dsn(&format!("u@tcp(db)/n{value}"));
        let found = dsn.connect_options().get_ssl_mode();
        assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{value}");
        assert_eq!(!dsn.warnings().is_empty(), warned, "{value}");
    }
    assert_eq!(dsn("u@/n?tls=skip-verify").warnings(), [DsnWarning::NotVerified { verified: "tls=true" }]);
    assert_eq!(dsn("u@/n?tls=preferred").warnings(), [DsnWarning::MayBePlain]);
}

#[test]
fn a_tls_setting_that_a_program_would_have_registered_is_refused() {
    assert!(matches!(refusal("u@/n?tls=custom"), DsnError::Value { parameter: "tls", .. }));
    assert!(matches!(refusal("u@/n?serverPubKey=mine"), DsnError::Refused { parameter: "serverPubKey", .. }));
}

#[test]
fn a_plain_password_is_warned_of_unless_the_other_end_is_checked() {
    assert_eq!(dsn("u@/n?allowCleartextPasswords=true").warnings(), [DsnWarning::PlainPassword]);
    assert_eq!(dsn("u@/n?allowCleartextPasswords=true&tls=true").warnings(), []);
    assert_eq!(dsn("u@/n?allowCleartextPasswords=false").warnings(), []);
    assert!(dsn("u@/n?allowCleartextPasswords=1").plain_password);
}

#[test]
fn what_changes_nothing_is_named() {
    for (parameters, expected) in [
        ("parseTime=true&charset=utf8mb4&loc=UTC&allowNativePasswords=true", vec![]),
        ("charset=utf8", vec!["charset"]),
        ("charset=utf8mb4,utf8", vec!["charset"]),
        ("collation=utf8_general_ci", vec!["collation"]),
        ("loc=Local", vec!["loc"]),
        ("loc=Europe%2FBerlin", vec!["loc"]),
        ("readTimeout=30s&writeTimeout=1m", vec!["readTimeout", "writeTimeout"]),
        ("readTimeout=0", vec![]),
        ("interpolateParams=true", vec!["interpolateParams"]),
        ("multiStatements=false", vec![]),
        ("maxAllowedPacket=67108864", vec!["maxAllowedPacket"]),
        ("clientFoundRows=false", vec!["clientFoundRows"]),
        ("rejectReadOnly=true&checkConnLiveness=false", vec!["checkConnLiveness", "rejectReadOnly"]),
        ("time_zone=%27SYSTEM%27", vec!["time_zone"]),
        ("sql_mode=ANSI", vec!["sql_mode"]),
        ("wsrep_sync_wait=1", vec!["wsrep_sync_wait"]),
        ("allowFallbackToPlaintext=true&tls=true", vec!["allowFallbackToPlaintext"]),
    ] {
        assert_eq!(without_effect(parameters), expected, "{parameters}");
    }
}

#[test]
fn values_that_the_driver_refuses_are_refused_here_too() {
    for (parameters, name) in [
        ("parseTime=yes", "parseTime"),
        ("timeout=30", "timeout"),
        ("readTimeout=x", "readTimeout"),
        ("maxAllowedPacket=64M", "maxAllowedPacket"),
        ("multiStatements=", "multiStatements"),
    ] {
        let refusal = refusal(&format!("u@/n?{parameters}"));
        assert!(matches!(refusal, DsnError::Value { parameter, .. } if parameter == name), "{parameters}: {refusal}");
    }
}

#[test]
fn the_time_to_connect_is_taken_over() {
    assert_eq!(dsn("u@/n?timeout=1m30s").timeout(), Some(Duration::from_secs(90)));
    assert_eq!(dsn("u@/n?timeout=0").timeout(), None);
    assert_eq!(dsn("u@/n").timeout(), None);
}

#[test]
fn a_further_parameter_is_a_variable_of_the_session() {
    let dsn = dsn("u@/n?innodb_lock_wait_timeout=5&max_execution_time=%271000%27");
    let statements: Vec<_> = dsn.session_variables().iter().map(SessionVariable::statement).collect();
    assert_eq!(statements, ["SET SESSION innodb_lock_wait_timeout = 5", "SET SESSION max_execution_time = '1000'"]);
    assert_eq!(dsn.warnings(), []);
}

#[test]
fn a_variable_is_one_name_and_one_plain_value() {
    for parameters in [
        "x=1;drop%20table%20t",
        "x=1%20--",
        "x=--1",
        "x='a''b'",
        "x='a%5C'",
        "x='a'%20or%20'b'",
        "x=",
        "a%20b=1",
        "x%3D1,y=2",
        "=1",
        "x=(select%201)",
    ] {
        assert_eq!(refusal(&format!("u@/n?{parameters}")), DsnError::NoSetting, "{parameters}");
    }
}

#[test]
fn a_parameter_that_is_there_twice_or_in_another_case_is_refused() {
    assert_eq!(refusal("u@/n?tls=true&tls=false"), DsnError::Twice(Some("tls")));
    assert_eq!(refusal("u@/n?hush=1&hush=2"), DsnError::Twice(None));
    assert_eq!(refusal("u@/n?TLS=true"), DsnError::Case("tls"));
    assert_eq!(refusal("u@/n?parsetime=true"), DsnError::Case("parseTime"));
}

#[test]
fn a_parameter_without_a_value_is_passed_over_with_a_warning() {
    assert_eq!(dsn("u@/n?parseTime").warnings(), [DsnWarning::NoValue]);
    assert_eq!(dsn("u@/n?&").warnings(), []);
}

#[test]
fn a_password_comes_from_one_place() {
    let given = || Secret::new("from a file".to_owned());
    let with = dsn("u@/n").with_password(given()).unwrap();
    assert_eq!(with.password, Some(given()));
    assert_eq!(dsn("u:p@/n").with_password(given()), Err(DsnError::TwoPasswords));
}

#[test]
fn a_nul_is_nowhere() {
    for text in ["u:\0@/n", "u@/n\0", "u@/n?a=%00"] {
        assert_eq!(refusal(text), DsnError::Nul, "{text}");
    }
}
