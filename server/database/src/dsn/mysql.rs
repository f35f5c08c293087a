//! MySQL and MariaDB addresses in the form of the Go driver: `[user[:password]@][net[(addr)]]/dbname[?parameter=value&...]`.
//!
//! A password may hold any character: the last `/` starts the name of the database, and the last `@` before it ends the
//! password.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::parameters::{Parameters, boolean, duration, is_setting_name};
use super::{DsnError, DsnWarning, Secret, authorities, percent};

const FORM: DsnError =
    DsnError::Form { expected: "USER:PASSWORD@tcp(HOST:PORT)/DATABASE or USER:PASSWORD@unix(/SOCKET)/DATABASE" };
const PORT: u16 = 3306;
/// The driver's default socket.
const SOCKET: &str = "/tmp/mysql.sock";

/// What the driver knows; anything else is a session variable.
const KNOWN: &[&str] = &[
    "allowAllFiles",
    "allowCleartextPasswords",
    "allowFallbackToPlaintext",
    "allowNativePasswords",
    "allowOldPasswords",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "compress",
    "connectionAttributes",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "rejectReadOnly",
    "serverPubKey",
    "timeTruncate",
    "timeout",
    "tls",
    "writeTimeout",
];

const UTF8MB4: &str = "text is always sent as utf8mb4";
const BOUNDED: &str = "storage.timeout_seconds bounds how long an answer is waited for";

/// Booleans that change nothing here, the value at which there is nothing to say, and what is done instead.
const WITHOUT_EFFECT: &[(&str, bool, &str)] = &[
    ("allowAllFiles", false, "no file is ever sent to the database"),
    (
        "allowFallbackToPlaintext",
        false,
        "what tls says is kept; write tls=preferred for TLS where the database offers it",
    ),
    ("allowNativePasswords", true, "the database chooses the method of authentication"),
    ("allowOldPasswords", false, "passwords in the manner before MySQL 4.1 are not sent"),
    ("checkConnLiveness", true, "each connection is tried before it is used"),
    ("clientFoundRows", true, "rows are always counted as found"),
    ("columnsWithAlias", false, "columns are read by their own names"),
    ("compress", false, "nothing is compressed"),
    ("interpolateParams", false, "statements are always prepared"),
    ("multiStatements", false, "each statement is sent by itself"),
    ("rejectReadOnly", false, "a connection to a database that became read-only is given up after the first error"),
];

/// Variables that every session sets itself, because the tables and the rules of the store need them so.
const OURS: &[&str] = &[
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    "sql_mode",
    "time_zone",
    "transaction_isolation",
    "tx_isolation",
    "wsrep_sync_wait",
];

/// The address of a MySQL or MariaDB database.
#[derive(Debug, PartialEq, Eq)]
pub struct MySqlDsn {
    user: String,
    password: Option<Secret>,
    place: Place,
    database: String,
    tls: Tls,
    plain_password: bool,
    timeout: Option<Duration>,
    variables: Vec<SessionVariable>,
    warnings: Vec<DsnWarning>,
}

/// A variable that each session is to set, as a parameter of the address asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionVariable {
    name: String,
    value: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// Where the database offers it, whoever answers: `preferred`, and what we do when nothing is said.
    Offered,
    /// Never.
    Never,
    /// Always, whoever answers.
    Unverified,
    /// Always, with the host's name and an authority of the system.
    Checked,
}

impl MySqlDsn {
    /// Reads an address.
    ///
    /// # Errors
    /// [`DsnError`] says what is wrong, and repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        if text.contains('\0') {
            return Err(DsnError::Nul);
        }
        let (before, after) = text.rsplit_once('/').ok_or(FORM)?;
        let (login, place) = before.rsplit_once('@').unwrap_or(("", before));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (database, query) = after.split_once('?').unwrap_or((after, ""));
        let mut dsn = Self {
            user: user.to_owned(),
            password: (!password.is_empty()).then(|| Secret::new(password.to_owned())),
            place: Place::parse(place)?,
            database: name_of_database(database)?,
            tls: Tls::Offered,
            plain_password: false,
            timeout: None,
            variables: Vec::new(),
            warnings: Vec::new(),
        };
        dsn.read_parameters(query)?;
        Ok(dsn)
    }

    /// The same with a password that was kept elsewhere.
    ///
    /// # Errors
    /// [`DsnError::TwoPasswords`] when the address holds one.
    pub fn with_password(self, password: Secret) -> Result<Self, DsnError> {
        match self.password {
            Some(_) => Err(DsnError::TwoPasswords),
            None => Ok(Self { password: Some(password), ..self }),
        }
    }

    /// What the driver needs. Reads the system's certificate authorities if the connection is to be verified.
    ///
    /// The driver's options show the password in their `Debug`: they are not to be printed.
    #[must_use]
    pub fn connect_options(&self) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .username(&self.user)
            .ssl_mode(match self.tls {
                Tls::Offered => MySqlSslMode::Preferred,
                Tls::Never => MySqlSslMode::Disabled,
                Tls::Unverified => MySqlSslMode::Required,
                Tls::Checked => MySqlSslMode::VerifyIdentity,
            })
            .enable_cleartext_plugin(self.plain_password);
        let options = match &self.place {
            Place::Tcp { host, port } => options.host(host).port(*port),
            Place::Socket(path) => options.socket(path),
        };
        let options = if self.database.is_empty() { options } else { options.database(&self.database) };
        let options = match &self.password {
            Some(password) => options.password(password.expose()),
            None => options,
        };
        match self.tls {
            Tls::Checked => options.ssl_ca_from_pem(authorities::of_the_system()),
            Tls::Offered | Tls::Never | Tls::Unverified => options,
        }
    }

    /// How long a connection may take to come about, if the address says so (`timeout`).
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What each session is to set beside what every session of ours sets.
    #[must_use]
    pub fn session_variables(&self) -> &[SessionVariable] {
        &self.variables
    }

    /// What an operator should be told.
    #[must_use]
    pub fn warnings(&self) -> &[DsnWarning] {
        &self.warnings
    }

    fn read_parameters(&mut self, query: &str) -> Result<(), DsnError> {
        let mut parameters = self.split(query)?;
        self.read_tls(&mut parameters)?;
        self.read_text_and_time(&mut parameters)?;
        self.timeout = duration_of(&mut parameters, "timeout")?;
        for (parameter, instead) in [("readTimeout", BOUNDED), ("writeTimeout", BOUNDED)] {
            if duration_of(&mut parameters, parameter)?.is_some() {
                self.warnings.push(DsnWarning::WithoutEffect { parameter, instead });
            }
        }
        for (parameter, silent, instead) in WITHOUT_EFFECT {
            if boolean_of(&mut parameters, parameter)?.is_some_and(|value| value != *silent) {
                self.warnings.push(DsnWarning::WithoutEffect { parameter, instead });
            }
        }
        if let Some(bytes) = parameters.take("maxAllowedPacket") {
            let value = |_| DsnError::Value { parameter: "maxAllowedPacket", expected: "a number of bytes" };
            bytes.parse::<i64>().map_err(value)?;
            let instead = "the database's own limit counts";
            self.warnings.push(DsnWarning::WithoutEffect { parameter: "maxAllowedPacket", instead });
        }
        if parameters.take("connectionAttributes").is_some() {
            let instead = "no attributes are sent";
            self.warnings.push(DsnWarning::WithoutEffect { parameter: "connectionAttributes", instead });
        }
        if parameters.take("serverPubKey").is_some() {
            let reason = "it names a key that a program would have registered, which the reference does not either; \
                          leave it away and write tls=true";
            return Err(DsnError::Refused { parameter: "serverPubKey", reason });
        }
        self.read_variables(parameters)
    }

    fn split(&mut self, query: &str) -> Result<Parameters, DsnError> {
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                None => self.warnings.push(DsnWarning::NoValue),
                Some((name, value)) => {
                    let value = percent::decode_query(value).ok_or(DsnError::Escape { part: "parameters" })?;
                    if value.contains('\0') {
                        return Err(DsnError::Nul);
                    }
                    parameters.add(name.to_owned(), value, KNOWN)?;
                }
            }
        }
        Ok(parameters)
    }

    fn read_tls(&mut self, parameters: &mut Parameters) -> Result<(), DsnError> {
        let wanted = parameters.take("tls").filter(|value| !value.is_empty());
        self.tls = match wanted.as_deref() {
            None => Tls::Offered,
            Some(value) => match (boolean(value), value.to_lowercase().as_str()) {
                (Some(true), _) => Tls::Checked,
                (Some(false), _) => Tls::Never,
                (None, "skip-verify") => Tls::Unverified,
                (None, "preferred") => Tls::Offered,
                (None, _) => {
                    let expected = "true, false, skip-verify or preferred (other names would have to be registered by \
                                    a program, which the reference does not do either)";
                    return Err(DsnError::Value { parameter: "tls", expected });
                }
            },
        };
        match self.tls {
            Tls::Unverified => self.warnings.push(DsnWarning::NotVerified { verified: "tls=true" }),
            Tls::Offered if wanted.is_some() => self.warnings.push(DsnWarning::MayBePlain),
            Tls::Offered | Tls::Never | Tls::Checked => {}
        }
        self.plain_password = boolean_of(parameters, "allowCleartextPasswords")?.unwrap_or(false);
        if self.plain_password && self.tls != Tls::Checked {
            self.warnings.push(DsnWarning::PlainPassword);
        }
        Ok(())
    }

    fn read_text_and_time(&mut self, parameters: &mut Parameters) -> Result<(), DsnError> {
        if parameters.take("charset").is_some_and(|charset| charset != "utf8mb4") {
            self.warnings.push(DsnWarning::WithoutEffect { parameter: "charset", instead: UTF8MB4 });
        }
        if parameters.take("collation").is_some() {
            let instead = "columns are compared by their own collation, and names of repositories exactly";
            self.warnings.push(DsnWarning::WithoutEffect { parameter: "collation", instead });
        }
        if parameters.take("loc").is_some_and(|loc| !matches!(loc.as_str(), "" | "UTC")) {
            self.warnings.push(DsnWarning::WithoutEffect {
                parameter: "loc",
                instead: "times are always written and read in UTC",
            });
        }
        // the reference sets it whatever is written here
        boolean_of(parameters, "parseTime")?;
        if duration_of(parameters, "timeTruncate")?.is_some() {
            let instead = "times have the precision of their columns";
            self.warnings.push(DsnWarning::WithoutEffect { parameter: "timeTruncate", instead });
        }
        Ok(())
    }

    fn read_variables(&mut self, parameters: Parameters) -> Result<(), DsnError> {
        for (name, value) in parameters.rest(KNOWN)? {
            let ours = OURS.iter().find(|ours| ours.eq_ignore_ascii_case(&name));
            if let Some(parameter) = ours {
                let instead = "every session sets this variable as the store needs it";
                self.warnings.push(DsnWarning::WithoutEffect { parameter, instead });
            } else if is_setting_name(&name) && is_plain_value(&value) {
                self.variables.push(SessionVariable { name, value });
            } else {
                return Err(DsnError::NoSetting);
            }
        }
        Ok(())
    }
}

impl SessionVariable {
    /// The statement that sets it. Name and value were checked to be one name and one plain value.
    #[must_use]
    pub fn statement(&self) -> String {
        format!("SET SESSION {} = {}", self.name, self.value)
    }
}

/// Where the database is, without the password.
impl fmt::Display for MySqlDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "mysql [{host}]:{port}/{}", self.database),
            Place::Tcp { host, port } => write!(f, "mysql {host}:{port}/{}", self.database),
            Place::Socket(path) => write!(f, "mysql {}/{}", path.display(), self.database),
        }
    }
}

impl Place {
    /// `tcp(host:port)`, `unix(/path)`, either without the part in parentheses, or nothing.
    fn parse(text: &str) -> Result<Self, DsnError> {
        let (network, address) = match text.split_once('(') {
            Some((network, rest)) => (network, rest.strip_suffix(')').ok_or(FORM)?),
            None => (text, ""),
        };
        match (network, address) {
            ("" | "tcp", "") => Ok(Self::Tcp { host: "127.0.0.1".to_owned(), port: PORT }),
            ("" | "tcp", address) => tcp(address),
            ("unix", "") => Ok(Self::Socket(SOCKET.into())),
            ("unix", path) => Ok(Self::Socket(path.into())),
            _ => Err(DsnError::Network),
        }
    }
}

fn tcp(address: &str) -> Result<Place, DsnError> {
    let place = |host: &str, port| Place::Tcp { host: host.to_owned(), port };
    if let Some(bracketed) = address.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(FORM)?;
        host.parse::<Ipv6Addr>().map_err(|_| DsnError::Place { part: "host", fact: "it is no IPv6 address" })?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok(place(host, self::port(port)?)),
            None if rest.is_empty() => Ok(place(host, PORT)),
            None => Err(FORM),
        };
    }
    if address.parse::<Ipv6Addr>().is_ok() {
        return Ok(place(address, PORT));
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, self::port(port)?),
        None => (address, PORT),
    };
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    match host {
        // as in Go, this machine
        "" => Ok(place("localhost", port)),
        host if host.chars().all(is_host) => Ok(place(host, port)),
        _ => Err(DsnError::Place { part: "host", fact: "it is no name of a host" }),
    }
}

fn port(text: &str) -> Result<u16, DsnError> {
    match text.parse() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(DsnError::Place { part: "port", fact: "it is no number from 1 to 65535" }),
    }
}

/// A name that holds what an address is made of is more likely the tail of a password, and would be printed.
fn name_of_database(text: &str) -> Result<String, DsnError> {
    let name = percent::decode(text).ok_or(DsnError::Escape { part: "name of the database" })?;
    if name.contains(['@', '(', ')', ':', '/', '\0']) { Err(FORM) } else { Ok(name) }
}

fn boolean_of(parameters: &mut Parameters, parameter: &'static str) -> Result<Option<bool>, DsnError> {
    let wrong = DsnError::Value { parameter, expected: "true or false" };
    parameters.take(parameter).map(|text| boolean(&text).ok_or(wrong)).transpose()
}

fn duration_of(parameters: &mut Parameters, parameter: &'static str) -> Result<Option<Duration>, DsnError> {
    let wrong = DsnError::Value { parameter, expected: "a duration such as 30s, 1m30s or 500ms" };
    let time = parameters.take(parameter).map(|text| duration(&text).ok_or(wrong)).transpose()?;
    // in Go, none at all
    Ok(time.filter(|time| !time.is_zero()))
}

/// A number, a word, or a quoted text without quotes and backslashes in it: nothing that could end the statement.
fn is_plain_value(value: &str) -> bool {
    let quoted = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    match quoted {
        Some(inner) => !inner.contains(['\'', '"', '\\']),
        None => {
            !value.is_empty()
                && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
                && !value.contains("--")
        }
    }
}

#[cfg(test)]
mod tests;
