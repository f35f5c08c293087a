//! What of a configuration does not stop the start and should be known.

use std::fmt;

use bulla_database::dsn::DsnWarning;

use crate::seal::passphrase::Alias;

/// Something that does not stop the start and that an operator should know.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigWarning {
    /// A key that this signer does not know.
    UnknownKey(String),
    /// There is no directory for a chain of records.
    NoAuditChain,
    /// Every certificate of the authority is let in.
    NoAllowedClients,
    /// Anybody who reaches the port may use every key.
    AnyClient,
    /// A caller of `callers` may have anything signed with the keys that it may use.
    SignsAnyDocument(String),
    /// The insecure key is set and, as there is an authority, has no effect.
    InsecureKeyWithoutEffect,
    /// A key that means nothing beside the storage that was chosen.
    WithoutEffect(&'static str),
    /// A key of the file that a variable for another key takes the place of.
    Overridden(&'static str),
    /// A file with a secret that every account of the machine may read.
    ReadableByAll(&'static str),
    /// The file with the secret of an alias that every account of the machine may read.
    SecretReadableByAll {
        /// The alias.
        alias: Alias,
        /// The member of its object in `wrapping` that names the file.
        member: &'static str,
    },
    /// Something in the address of the database.
    Address(DsnWarning),
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(name) => {
                write!(f, "configuration key {name} is not known to this signer and has no effect")
            }
            Self::NoAuditChain => f.write_str(
                "audit.directory is not set: uses of keys are recorded in the log only, which anybody can change who can \
                 write to it",
            ),
            Self::NoAllowedClients => f.write_str(
                "server.allowed_clients is not set, nor callers: every certificate of server.client_ca_file may use \
                 every key",
            ),
            Self::AnyClient => f.write_str(
                "server.insecure_allow_any_client is true: anybody who reaches this port may use every key; \
                 set server.client_ca_file",
            ),
            Self::SignsAnyDocument(name) => write!(
                f,
                "callers: {name} may have anything signed with the keys that it may use; remove signs_any_document"
            ),
            Self::InsecureKeyWithoutEffect => f.write_str(
                "server.insecure_allow_any_client has no effect, as server.client_ca_file is set; remove it",
            ),
            Self::WithoutEffect(name) => write!(f, "{name} has no effect with this storage.backend"),
            Self::Overridden(name) => {
                write!(f, "{name} of the file has no effect, as the environment names the database")
            }
            Self::ReadableByAll(name) => {
                write!(f, "the file that {name} names can be read by every account of this machine; chmod 600 it")
            }
            Self::SecretReadableByAll { alias, member } => write!(
                f,
                "the file that {member} of alias {alias} in wrapping names can be read by every account of this machine; \
                 chmod 600 it"
            ),
            Self::Address(warning) => write!(f, "storage.db_url: {warning}"),
        }
    }
}
