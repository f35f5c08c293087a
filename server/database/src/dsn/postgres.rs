//! PostgreSQL addresses as lib/pq takes them: `postgres://user:password@host:port/database?name=value`, or keywords.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::parameters::{Parameters, boolean, is_setting_name};
use super::{DsnError, DsnWarning, Secret, authorities, keywords, percent};

const FORM: DsnError =
    DsnError::Form { expected: "postgres://USER:PASSWORD@HOST:PORT/DATABASE or host=HOST user=USER ..." };
const PORT: u16 = 5432;

/// What lib/pq itself knows; anything else is a setting of the session.
const KNOWN: &[&str] = &[
    "application_name",
    "binary_parameters",
    "client_encoding",
    "connect_timeout",
    "datestyle",
    "dbname",
    "disable_prepared_binary_result",
    "fallback_application_name",
    "host",
    "hostaddr",
    "krbspn",
    "krbsrvname",
    "options",
    "passfile",
    "password",
    "port",
    "sslcert",
    "sslinline",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "sslsni",
    "user",
];

/// Parameters that change nothing here, and what is done instead.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("binary_parameters", "statements are always prepared"),
    ("disable_prepared_binary_result", "results always come in binary form"),
    ("krbspn", "there is no Kerberos login here; use a password or a client certificate"),
    ("krbsrvname", "there is no Kerberos login here; use a password or a client certificate"),
    ("passfile", "the password is read from the address or from storage.password_file"),
    ("sslsni", "the name of the host is always sent with the first message of TLS"),
    ("datestyle", "times come in binary form"),
];

/// Settings that every session makes itself, because the rules of the store need them so.
const OURS: &[&str] = &[
    "default_transaction_isolation",
    "default_transaction_read_only",
    "statement_timeout",
    "standard_conforming_strings",
    "timezone",
];

/// The address of a PostgreSQL database.
#[derive(Debug, PartialEq, Eq)]
pub struct PostgresDsn {
    user: Option<String>,
    password: Option<Secret>,
    /// A name, an address, or the directory of a socket.
    host: String,
    port: u16,
    database: Option<String>,
    tls: Tls,
    root: Option<String>,
    client: Option<Client>,
    application: Option<String>,
    timeout: Option<Duration>,
    settings: Vec<(String, String)>,
    warnings: Vec<DsnWarning>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// `disable`, and every Unix socket.
    Never,
    /// `require`, the default of lib/pq: always, whoever answers.
    Unverified,
    /// `verify-ca`.
    Authority,
    /// `verify-full`.
    Name,
}

/// The certificate that the database is shown.
#[derive(Debug, PartialEq, Eq)]
enum Client {
    Files {
        certificate: String,
        key: String,
    },
    /// `sslinline`: the texts themselves.
    Inline {
        certificate: Secret,
        key: Secret,
    },
}

impl PostgresDsn {
    /// Reads an address in either form.
    ///
    /// # Errors
    /// [`DsnError`] says what is wrong, and repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        let url = ["postgres://", "postgresql://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
        let pairs = match url {
            Some(rest) => pairs_of_url(rest)?,
            None => keywords::pairs(text)?,
        };
        if pairs.is_empty() && url.is_none() {
            return Err(FORM);
        }
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            if name.contains('\0') || value.contains('\0') {
                return Err(DsnError::Nul);
            }
            parameters.add(name, value, KNOWN)?;
        }
        Self::from_parameters(parameters)
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

    /// What the driver needs. Reads the system's certificate authorities if the connection is to be verified and no
    /// authority is named. What the address leaves open, the driver takes from libpq's variables (`PGPASSWORD`).
    ///
    /// The driver's options show the password in their `Debug`: they are not to be printed.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .ssl_mode(match self.tls {
                Tls::Never => PgSslMode::Disable,
                Tls::Unverified => PgSslMode::Require,
                Tls::Authority => PgSslMode::VerifyCa,
                Tls::Name => PgSslMode::VerifyFull,
            })
            .options(self.settings.iter().map(|(name, value)| (name, value)));
        if let Some(user) = &self.user {
            options = options.username(user);
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose());
        }
        if let Some(database) = self.database.as_ref().or(self.user.as_ref()) {
            options = options.database(database);
        }
        if let Some(name) = &self.application {
            options = options.application_name(name);
        }
        options = match &self.client {
            None => options,
            Some(Client::Files { certificate, key }) => options.ssl_client_cert(certificate).ssl_client_key(key),
            Some(Client::Inline { certificate, key }) => {
                options.ssl_client_cert_from_pem(certificate.expose()).ssl_client_key_from_pem(key.expose())
            }
        };
        match (&self.root, self.tls) {
            (Some(file), _) => options.ssl_root_cert(file),
            (None, Tls::Authority | Tls::Name) => options.ssl_root_cert_from_pem(authorities::of_the_system()),
            (None, Tls::Never | Tls::Unverified) => options,
        }
    }

    /// The files that a connection reads: the parameter that names one, and its path.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        if self.tls == Tls::Never {
            return Vec::new();
        }
        let mut files = Vec::new();
        files.extend(self.root.as_deref().map(|root| ("sslrootcert", Path::new(root))));
        if let Some(Client::Files { certificate, key }) = &self.client {
            files.extend([("sslcert", Path::new(certificate)), ("sslkey", Path::new(key))]);
        }
        files
    }

    /// How long a connection may take to come about, if the address says so (`connect_timeout`).
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What an operator should be told.
    #[must_use]
    pub fn warnings(&self) -> &[DsnWarning] {
        &self.warnings
    }

    fn from_parameters(mut parameters: Parameters) -> Result<Self, DsnError> {
        let mut given = |name: &str| parameters.take(name).filter(|value| !value.is_empty());
        let mut warnings = Vec::new();
        for (parameter, instead) in WITHOUT_EFFECT {
            if given(parameter).is_some() {
                warnings.push(DsnWarning::WithoutEffect { parameter, instead });
            }
        }
        let host = host(given("host"), given("hostaddr"))?;
        let port = given("port").map_or(Ok(PORT), |port| self::port(&port))?;
        if given("client_encoding").is_some_and(|encoding| !is_utf8(&encoding)) {
            return Err(DsnError::Value { parameter: "client_encoding", expected: "UTF8" });
        }
        let root = given("sslrootcert");
        let tls = tls(given("sslmode").as_deref(), root.is_some(), &host, &mut warnings)?;
        let inline = given("sslinline").map_or(Ok(false), |value| {
            boolean(&value).ok_or(DsnError::Value { parameter: "sslinline", expected: "true or false" })
        })?;
        if inline && root.is_some() {
            let reason = "with sslinline it would be text too; name a file in sslrootcert, sslcert and sslkey";
            return Err(DsnError::Refused { parameter: "sslinline", reason });
        }
        let client = client(given("sslcert"), given("sslkey"), inline)?;
        let timeout = given("connect_timeout").map_or(Ok(None), |seconds| connect_timeout(&seconds))?;
        let fallback = given("fallback_application_name");
        let application = given("application_name").or(fallback);
        let options = given("options");
        let (user, password, database) = (given("user"), given("password").map(Secret::new), given("dbname"));

        let mut settings = options.map_or(Ok(Vec::new()), |options| settings_of(&options))?;
        settings.extend(parameters.rest(KNOWN)?);
        settings.retain(|(name, _)| match OURS.iter().find(|ours| ours.eq_ignore_ascii_case(name)) {
            Some(parameter) => {
                let instead = "every session makes this setting as the store needs it";
                warnings.push(DsnWarning::WithoutEffect { parameter, instead });
                false
            }
            None => true,
        });
        if settings.iter().any(|(name, _)| !is_setting_name(name)) {
            return Err(DsnError::NoSetting);
        }
        Ok(Self { user, password, host, port, database, tls, root, client, application, timeout, settings, warnings })
    }
}

/// Where the database is, without the password.
impl fmt::Display for PostgresDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database.as_ref().or(self.user.as_ref()).map_or("", String::as_str);
        if self.host.contains(':') {
            write!(f, "postgres [{}]:{}/{database}", self.host, self.port)
        } else {
            write!(f, "postgres {}:{}/{database}", self.host, self.port)
        }
    }
}

/// What stands after the scheme of a URL, as keyword pairs.
fn pairs_of_url(rest: &str) -> Result<Vec<(String, String)>, DsnError> {
    if rest.contains('#') {
        // Go would cut the address here without a word
        return Err(DsnError::Place { part: "URL", fact: "a # in it must be written %23" });
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let mut pairs = Vec::new();
    let mut decoded = |name: &str, part, text: &str| {
        let value = percent::decode(text).ok_or(DsnError::Escape { part })?;
        pairs.push((name.to_owned(), value));
        Ok(())
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        if login.contains(['@', ' ', '"', '<', '>', '[', ']', '\\', '^', '`', '{', '|', '}']) {
            // as Go: it is not sure where such a password ends
            return Err(DsnError::Place {
                part: "user or password",
                fact: "special characters must be written as %XX",
            });
        }
        decoded("user", "user", user)?;
        if let Some(password) = password {
            decoded("password", "password", password)?;
        }
    }
    let (host, port) = split_host(place)?;
    decoded("host", "host", host)?;
    if !port.is_empty() {
        decoded("port", "port", port)?;
    }
    if !path.is_empty() {
        if path.contains(['@', ':']) {
            // a slash in the password would end up here
            return Err(FORM);
        }
        decoded("dbname", "name of the database", path)?;
    }
    let without_empty = |(_, value): &(String, String)| !value.is_empty();
    pairs.retain(without_empty);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = percent::decode_query(name).zip(percent::decode_query(value));
        pairs.push(decoded.ok_or(DsnError::Escape { part: "parameters" })?);
    }
    Ok(pairs)
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn split_host(place: &str) -> Result<(&str, &str), DsnError> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(FORM)?;
        host.parse::<Ipv6Addr>().map_err(|_| DsnError::Place { part: "host", fact: "it is no IPv6 address" })?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err(FORM),
        };
    }
    Ok(place.split_once(':').unwrap_or((place, "")))
}

fn host(name: Option<String>, address: Option<String>) -> Result<String, DsnError> {
    if let Some(address) = address {
        // lib/pq hands it to the database as a setting, which no database has; a name would then not be verified either
        let reason = "write host";
        return if name.as_ref() == Some(&address) {
            Ok(address)
        } else {
            Err(DsnError::Refused { parameter: "hostaddr", reason })
        };
    }
    let Some(host) = name else { return Ok("localhost".to_owned()) };
    if host.starts_with('/') {
        return Ok(host);
    }
    if host.contains(',') {
        return Err(DsnError::Place {
            part: "host",
            fact: "there is more than one; name the one behind which they stand",
        });
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bare.parse::<Ipv6Addr>().is_ok() || bare.chars().all(is_host) {
        Ok(bare.to_owned())
    } else {
        Err(DsnError::Place { part: "host", fact: "it is no name of a host and no directory of a socket" })
    }
}

fn port(text: &str) -> Result<u16, DsnError> {
    match text.parse() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(DsnError::Place { part: "port", fact: "it is no number from 1 to 65535" }),
    }
}

fn tls(mode: Option<&str>, has_root: bool, host: &str, warnings: &mut Vec<DsnWarning>) -> Result<Tls, DsnError> {
    let tls = match mode {
        Some("disable") => Tls::Never,
        // as in libpq and lib/pq: with an authority at hand it is used
        None | Some("require") if has_root => Tls::Authority,
        None | Some("require") => Tls::Unverified,
        Some("verify-ca") => Tls::Authority,
        Some("verify-full") => Tls::Name,
        Some(_) => {
            let expected = "disable, require, verify-ca or verify-full";
            return Err(DsnError::Value { parameter: "sslmode", expected });
        }
    };
    if host.starts_with('/') {
        return Ok(Tls::Never);
    }
    match tls {
        Tls::Unverified => warnings.push(DsnWarning::NotVerified { verified: "sslmode=verify-full and sslrootcert" }),
        Tls::Authority => warnings.push(DsnWarning::NameNotCompared),
        Tls::Never | Tls::Name => {}
    }
    Ok(tls)
}

fn client(certificate: Option<String>, key: Option<String>, inline: bool) -> Result<Option<Client>, DsnError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) if inline => {
            Ok(Some(Client::Inline { certificate: Secret::new(certificate), key: Secret::new(key) }))
        }
        (Some(certificate), Some(key)) => Ok(Some(Client::Files { certificate, key })),
        (Some(_), None) => Err(DsnError::Refused { parameter: "sslcert", reason: "it needs sslkey beside it" }),
        (None, Some(_)) => Err(DsnError::Refused { parameter: "sslkey", reason: "it needs sslcert beside it" }),
    }
}

/// Whole seconds; none and less mean without end, as in lib/pq.
fn connect_timeout(text: &str) -> Result<Option<Duration>, DsnError> {
    let wrong = |_| DsnError::Value { parameter: "connect_timeout", expected: "a number of seconds" };
    let seconds: i32 = text.parse().map_err(wrong)?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

/// The settings in `options`: `-c name=value` and `--name=value`. A backslash takes the next character as it is.
fn settings_of(options: &str) -> Result<Vec<(String, String)>, DsnError> {
    let wrong = || DsnError::Value { parameter: "options", expected: "settings such as -c name=value" };
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.push(characters.next().ok_or_else(wrong)?),
            (blank, Some(_)) if blank.is_whitespace() => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            (_, None) => {}
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next().ok_or_else(wrong)?,
            Some(setting) => setting.to_owned(),
            None => return Err(wrong()),
        };
        let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

fn is_utf8(encoding: &str) -> bool {
    let letters: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    ["utf8", "unicode"].iter().any(|name| letters.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
