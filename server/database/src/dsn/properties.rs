//! What holds for every address, also for those that nobody would write.

use proptest::prelude::*;

use super::{DsnError, DsnWarning, MySqlDsn, PostgresDsn, Secret};

/// A password that would be seen wherever it were shown: the marker in the midst of any characters.
const MARKER: &str = "Zq7hunter2Zq7";

/// Pieces that addresses are made of, and what breaks them.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "user",
        ":",
        "@",
        "/",
        "?",
        "&",
        "=",
        "tcp",
        "unix",
        "(",
        ")",
        "[",
        "]",
        "::1",
        ":3306",
        "%",
        "%4",
        "%40",
        "%00",
        "+",
        "'",
        "\\",
        " ",
        "\n",
        "#",
        "tls=true",
        "tls",
        "sslmode=",
        "require",
        "host=",
        "port=",
        "options=-c",
        "-c x=1",
        "postgres://",
        "postgresql://",
        "mysql://",
        "timeout=9s",
        "99999999999",
        "\0",
        "ä",
        "\u{1f511}",
        "connect_timeout=",
        "password=",
        "parseTime=True",
        ",",
        ";",
        "--",
        "sslinline=1",
        "sslcert=",
        "sslkey=",
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn address() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..16).prop_map(|pieces| pieces.concat())
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_read_or_refused(text in address()) {
        if let Ok(dsn) = MySqlDsn::parse(&text) {
            prop_assert!(!dsn.to_string().is_empty());
            prop_assert!(dsn.session_variables().iter().all(|variable| !variable.statement().contains(';')));
        }
        if let Ok(dsn) = PostgresDsn::parse(&text) {
            prop_assert!(!dsn.to_string().is_empty());
        }
    }

    #[test]
    fn a_password_is_shown_nowhere(before in address(), after in address()) {
        let password = format!("{before}{MARKER}{after}");
        let of_mysql = format!("user:{password}@tcp(db:3306)/notary?tls=skip-verify");
        let of_postgres = format!("postgres://user:{}@db/notary", escaped(&password));
        let of_postgres_in_words = format!("user=u password={} dbname=notary", quoted(&password));
        for shown in [
            shown(MySqlDsn::parse(&of_mysql)),
            shown(PostgresDsn::parse(&of_postgres)),
            shown(PostgresDsn::parse(&of_postgres_in_words)),
            // an address under the wrong backend
            shown(MySqlDsn::parse(&of_postgres)),
        ] {
            prop_assert!(!shown.contains(MARKER), "{shown}");
        }
    }

    #[test]
    fn every_password_arrives_as_it_is(password in "[^\0]{1,40}") {
        let given = || Secret::new(password.clone());
        let mysql = MySqlDsn::parse(&format!("u:{password}@tcp(db)/n"));
        let expected = MySqlDsn::parse("u@tcp(db)/n").unwrap().with_password(given());
        prop_assert_eq!(mysql, expected);
        let expected = || PostgresDsn::parse("postgres://u@db/n").unwrap().with_password(given());
        let url = PostgresDsn::parse(&format!("postgres://u:{}@db/n", escaped(&password)));
        prop_assert_eq!(url, expected());
        let in_words = PostgresDsn::parse(&format!("user=u host=db dbname=n password={}", quoted(&password)));
        prop_assert_eq!(in_words, expected());
    }
}

/// Everything that could be printed of an address or its refusal.
fn shown<T: std::fmt::Display + Warned>(parsed: Result<T, DsnError>) -> String {
    match parsed {
        Ok(dsn) => {
            let warnings: Vec<_> = dsn.warned().iter().map(|warning| format!("{warning} {warning:?}")).collect();
            format!("{dsn} {dsn:?} {warnings:?}")
        }
        Err(refusal) => format!("{refusal} {refusal:?}"),
    }
}

trait Warned: std::fmt::Debug {
    fn warned(&self) -> &[DsnWarning];
}

impl Warned for MySqlDsn {
    fn warned(&self) -> &[DsnWarning] {
        self.warnings()
    }
}

impl Warned for PostgresDsn {
    fn warned(&self) -> &[DsnWarning] {
        self.warnings()
    }
}
