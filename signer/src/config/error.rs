//! Why a configuration cannot be used, with what to change.

use std::path::PathBuf;

use bulla_database::dsn::SourceError;
use bulla_traces::CollectorError;

use super::{CallersError, WrappingError};
use crate::audit::name::SignerName;
use crate::seal::passphrase::{Alias, PassphraseError};
use crate::token::TokenName;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {file} cannot be read")]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON.
    #[error("the configuration is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The file is JSON and not an object.
    #[error("the configuration is not a JSON object")]
    NotAnObject,
    /// A key of a token has a value that cannot be used.
    #[error("{name} must be {expected}")]
    OfToken {
        /// The dotted name of the key.
        name: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// Nothing gives the PIN of a token.
    #[error("the PIN of token {token} is missing: set tokens.{token}.pin_file to a file that holds it, or {variable}")]
    NoPin {
        /// The token.
        token: TokenName,
        /// The variable that would hold it.
        variable: String,
    },
    /// New keys would be made on a token that there is not.
    #[error("{name} is {found:?}, which is neither software nor the name of a token under tokens")]
    UnknownPlace {
        /// The dotted name of the key.
        name: &'static str,
        /// The value found.
        found: String,
    },
    /// A token has the name of an alias, and rows bear either in one column.
    #[error("token {0} has the name of an alias: give it another one")]
    TokenNamedAsAlias(TokenName),
    /// A required key is absent.
    #[error("the configuration lacks {0}")]
    Missing(&'static str),
    /// A key has a value of the wrong kind.
    #[error("{name} must be {expected}")]
    WrongType {
        /// The dotted name of the key.
        name: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// Nobody vouches for clients.
    #[error(
        "server.client_ca_file is not set, so nobody would vouch for clients. Add one line on each side:\n\
         \x20 signer: \"server\": {{\"client_ca_file\": \"CA-OF-THE-SERVER'S-CLIENT-CERTIFICATE.crt\"}}\n\
         \x20 server: \"trust_service\": {{\"tls_client_cert\": \"CLIENT.crt\", \"tls_client_key\": \"CLIENT.key\"}}\n\
         (or \"server\": {{\"insecure_allow_any_client\": true}} on the signer, which lets anybody who reaches its \
         port use every key)"
    )]
    NoClientAuthority,
    /// `server.allowed_clients` is there and lists nobody.
    #[error("server.allowed_clients is empty: nobody could use this signer. List names, or remove the key")]
    NobodyAllowed,
    /// Names of certificates that nobody vouches for mean nothing.
    #[error("server.allowed_clients needs server.client_ca_file: without it anybody could claim these names")]
    NamesWithoutAuthority,
    /// The list of callers cannot be used.
    #[error(transparent)]
    Callers(#[from] CallersError),
    /// A number that is none, too small or too large.
    #[error("{name} must be a whole number from {least} to {most}")]
    OutOfRange {
        /// The dotted name of the key.
        name: &'static str,
        /// The least it may be.
        least: u32,
        /// The most it may be.
        most: u32,
    },
    /// The database is not named, or not so that its driver could find it.
    #[error(transparent)]
    Address(#[from] SourceError),
    /// Spans are not sent to this address.
    #[error("{name} {fault} ({allow})")]
    Collector {
        /// The dotted name of the key.
        name: &'static str,
        /// The key that allows plain HTTP.
        allow: &'static str,
        /// Why not.
        fault: CollectorError,
    },
    /// A storage this signer does not have.
    #[error("storage.backend {found:?} is not supported: this signer accepts postgres, mysql, sqlite and memory")]
    UnknownBackend {
        /// The value found.
        found: String,
    },
    /// An alias that does not fit the reference's column.
    #[error("{name} has an alias that is empty or longer than {limit} characters", limit = Alias::MAX_CHARACTERS)]
    NoAlias {
        /// The dotted name of the key.
        name: &'static str,
    },
    /// The section `wrapping` cannot be used.
    #[error(transparent)]
    Wrapping(#[from] WrappingError),
    /// The name of the audit chain cannot be a file's, or the machine's name cannot stand in for it.
    #[error(
        "audit.signer must be a name of 1 to {limit} letters, digits, '.', '_' and '-'",
        limit = SignerName::MAX_CHARACTERS
    )]
    NoSignerName,
    /// A log level that the reference does not have.
    #[error("logging.level {found:?} is none of panic, fatal, error, warning, info, debug")]
    UnknownLogLevel {
        /// The value found.
        found: String,
    },
    /// The passphrase of the default alias is absent or cannot be read.
    #[error("new keys could not be sealed under storage.default_alias")]
    DefaultAlias(#[from] PassphraseError),
}
