//! How a database is named: the addresses that the reference's configuration files hold, as its two drivers read them.
//!
//! Every parameter is honoured, warned of as being without effect, or refused. Nothing here shows a password, and no
//! error repeats text of an address, as a mistake in one may have put the password anywhere.

use std::fmt;

mod authorities;
mod keywords;
mod mysql;
mod parameters;
mod percent;
mod postgres;
#[cfg(test)]
mod properties;
mod secret;
mod source;

pub use mysql::{MySqlDsn, SessionVariable};
pub use postgres::PostgresDsn;
pub use secret::Secret;
pub use source::{Source, SourceError, sqlite_file};

/// Why an address is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// It has none of the forms of its driver.
    #[error("the database address is not of the form {expected}")]
    Form {
        /// The form.
        expected: &'static str,
    },
    /// A network other than TCP and Unix sockets.
    #[error(
        "the database address names a network that is neither tcp nor unix, or has a special character before its @"
    )]
    Network,
    /// The place to connect to cannot be read.
    #[error("the {part} in the database address cannot be read: {fact}")]
    Place {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        fact: &'static str,
    },
    /// A `%` without two hexadecimal digits after it, or bytes that are no UTF-8.
    #[error("the database address has a malformed %-escape in its {part}")]
    Escape {
        /// Which part.
        part: &'static str,
    },
    /// A parameter is there more than once, and it would be a guess which one counts.
    #[error("the database address has a parameter twice{}", named(.0))]
    Twice(Option<&'static str>),
    /// A parameter has a value that it cannot have.
    #[error("the parameter {parameter} of the database address must be {expected}")]
    Value {
        /// The parameter.
        parameter: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A parameter that would change what is sent or believed, and that there is no way of honouring.
    #[error("the parameter {parameter} of the database address is refused: {reason}")]
    Refused {
        /// The parameter.
        parameter: &'static str,
        /// Why, and what to write instead.
        reason: &'static str,
    },
    /// Names of parameters have a case.
    #[error("the parameter {0} of the database address is written in another case")]
    Case(&'static str),
    /// Neither a parameter of the driver nor the name of a session variable.
    #[error("the database address has a parameter whose name or value is no setting of a session")]
    NoSetting,
    /// A password in the address and one from elsewhere.
    #[error("there is a password in the database address and one beside it: keep one")]
    TwoPasswords,
    /// A byte that no text of the protocol can hold.
    #[error("the database address has a NUL character")]
    Nul,
}

/// Something in an address that does not stop the start and that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DsnWarning {
    /// A parameter that changes nothing here.
    WithoutEffect {
        /// The parameter.
        parameter: &'static str,
        /// What is done instead.
        instead: &'static str,
    },
    /// A parameter without `=` or without anything after it.
    NoValue,
    /// The connection is encrypted, to whoever answers.
    NotVerified {
        /// What to write for a verified connection.
        verified: &'static str,
    },
    /// The connection may be plain although the address asks for TLS.
    MayBePlain,
    /// The certificate is checked against the given authority and the public ones, and not against the host's name.
    NameNotCompared,
    /// The password may go over the line as it is.
    PlainPassword,
}

impl fmt::Display for DsnWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutEffect { parameter, instead } => {
                write!(f, "the parameter {parameter} of the database address has no effect: {instead}")
            }
            Self::NoValue => f.write_str("a parameter of the database address has no value, and has no effect"),
            Self::NotVerified { verified } => write!(
                f,
                "the connection to the database is encrypted, but nobody checks who answers: whoever can redirect it \
                 reads and changes everything, the password too; write {verified}"
            ),
            Self::MayBePlain => f.write_str(
                "the connection to the database is plain when the database offers no TLS (tls=preferred); write tls=true",
            ),
            Self::NameNotCompared => f.write_str(
                "the database's certificate is not compared with its name (sslmode=verify-ca, or require with \
                 sslrootcert), and certificates of the public authorities count beside those of sslrootcert; \
                 write sslmode=verify-full",
            ),
            Self::PlainPassword => f.write_str(
                "the database may be sent the password as it is (allowCleartextPasswords) over a connection whose other \
                 end nobody checks; write tls=true",
            ),
        }
    }
}

/// ` (name)`, or nothing.
fn named(parameter: &Option<&'static str>) -> String {
    parameter.map(|name| format!(" ({name})")).unwrap_or_default()
}
