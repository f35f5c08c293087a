//! Why a configuration is refused, and what is only worth a warning.

use std::path::PathBuf;

use bulla_database::dsn::{DsnWarning, SourceError};
use bulla_traces::CollectorError;

use super::key;
use super::webhooks::WebhooksError;

/// What to write where authentication is half configured.
const AUTH_INSTEAD: &str = "set \"auth\": {\"type\": \"token\", \"options\": {\"realm\": \
    \"https://HOST/service/token\", \"service\": \"SERVICE\", \"issuer\": \"ISSUER\", \"rootcertbundle\": \
    \"/path/of/root.crt\"}} or remove auth (then everybody may do everything)";

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is named and cannot be read.
    #[error("cannot read the configuration file {path}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not JSON, the only format read.
    #[error("the configuration file {path} is not a JSON document", path = .path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where it stops being JSON.
        #[source]
        source: serde_json::Error,
    },
    /// The file holds JSON, but no object.
    #[error("the configuration file {path} holds no JSON object", path = .path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
    /// The file has a format of the reference's other than JSON.
    #[error("the configuration file {path} is {format}, which this server does not read: write the same keys as JSON", path = .path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static str,
    },
    /// A key is there twice; keys are compared without case.
    #[error("the configuration key {key} is given twice: keep one")]
    Twice {
        /// The key in lower case.
        key: String,
    },
    /// A key that must be there is not.
    #[error("the configuration must set {key}{because}: add {line}", because = reason_text(.because), line = key::example_line(.key))]
    Missing {
        /// The key.
        key: &'static str,
        /// What makes it necessary; empty if it always is.
        because: &'static str,
    },
    /// The value is of another type than the key's.
    #[error("{key} must be {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// The type, with its article.
        expected: &'static str,
    },
    /// The number is out of range.
    #[error("{key} is {value}, but must be from {min} to {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The value.
        value: u64,
        /// The least accepted.
        min: u64,
        /// The greatest accepted.
        max: u64,
    },
    /// The value is none of a fixed set.
    #[error("{key} is {value:?}, but must be one of {accepted}: set {line}", accepted = .accepted.join(", "), line = key::example_line(.key))]
    NotOneOf {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// All accepted values.
        accepted: &'static [&'static str],
    },
    /// A kind of authentication that is not here. Not a word about it would leave the server open to everybody.
    #[error("auth.type is {value:?}, but must be token: {}", AUTH_INSTEAD)]
    AuthType {
        /// The value.
        value: String,
    },
    /// Something of authentication without its kind.
    #[error("auth has no type: {}", AUTH_INSTEAD)]
    NoAuthType,
    /// A kind of storage that the reference names and this server does not have.
    #[error("storage.backend \"{value}\" is not supported: {instead}")]
    Backend {
        /// The value.
        value: String,
        /// What to do.
        instead: &'static str,
    },
    /// A database without an address.
    #[error("storage.backend is \"{backend}\" without an address: add {line}", line = key::line("storage.db_url", &format!("\"{form}\"")))]
    NoAddress {
        /// The kind of storage.
        backend: &'static str,
        /// How its addresses look.
        form: &'static str,
    },
    /// The database's address or password cannot be used.
    #[error(transparent)]
    Database(#[from] SourceError),
    /// No address and no network.
    #[error("{key} has {value:?}: write an address, or a network such as 10.0.0.0/8")]
    NoNetwork {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// Spans are not sent to this address.
    #[error("{key} {fault} ({allow})")]
    Collector {
        /// The key.
        key: &'static str,
        /// The key that allows plain HTTP.
        allow: &'static str,
        /// Why not.
        fault: CollectorError,
    },
    /// The console's token would cross the network for all to read.
    #[error(
        "console.http_addr {address:?} is reached by other machines, and the server has no certificate: set \
         server.tls_cert_file and server.tls_key_file, or listen on 127.0.0.1"
    )]
    OpenConsole {
        /// The address.
        address: String,
    },
    /// The list of webhooks cannot be used.
    #[error(transparent)]
    Webhooks(#[from] WebhooksError),
    /// Two keys that only make sense together.
    #[error("{given} is set without {missing}: add {line}, or take {given} out", line = key::example_line(.missing))]
    Half {
        /// The key that is set.
        given: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// Keys that die with the process would sign metadata that does not.
    #[error(
        "trust_service.type \"local\" forgets its keys at every stop while storage.backend keeps the metadata: \
         use \"remote\", or set trust_service.ephemeral to true to accept that"
    )]
    KeysForgotten,
    /// A prefix that no GUN can have.
    #[error(
        "repositories.gun_prefixes has {prefix:?}: a prefix is a clean path that ends in / and does not start with / or .."
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
}

/// Something in the configuration that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Nobody knows the key: a typing error, perhaps.
    #[error("the configuration key {0} is not known and has no effect")]
    UnknownKey(String),
    /// The reference knows the key, this server does not.
    #[error("the configuration key {0} is not supported and has no effect")]
    UnsupportedKey(String),
    /// A variable with our prefix that names no key.
    #[error("the environment variable {0} names no configuration key and has no effect")]
    UnknownVariable(String),
    /// A variable for a key that the reference knows and this server does not.
    #[error("the environment variable {0} is not supported and has no effect")]
    UnsupportedVariable(String),
    /// What the environment says takes the place of what the file says under another name.
    #[error("{key} has no effect beside the environment variable {variable}")]
    Overridden {
        /// The key in the file.
        key: &'static str,
        /// The variable.
        variable: String,
    },
    /// A key for databases, and the storage is none.
    #[error("{key} has no effect with storage.backend \"{backend}\"")]
    OfOtherBackends {
        /// The key.
        key: &'static str,
        /// The kind of storage.
        backend: String,
    },
    /// A file with a secret in it is open to all accounts of the machine.
    #[error("{path}, named by {key}, can be read by every account of this machine: chmod o-r", path = .path.display())]
    ReadableByAll {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Keys that signers make on hardware only.
    #[error(
        "trust_service.key_algorithm is \"rsa\": only a signer that makes its keys on a token has such keys, others fail at the first one"
    )]
    RsaOnTokensOnly,
    /// Something in the address of the database.
    #[error("{0}")]
    Database(DsnWarning),
}

fn reason_text(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}
