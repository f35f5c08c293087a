//! Why keys were not rotated.

use std::path::PathBuf;

use tuf_schema::sign::IssueError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{BaseRole, DelegationName, Gun, KeyId, Role};

use crate::keys::{ImportError, KeyringError};
use crate::publish::{EditError, PublishError};
use crate::remote::RemoteError;

/// Why keys were not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// No server is given this role (notary's words).
    #[error("notary does not permit the server managing the {0} key: rotate it without --server-managed")]
    NotForServers(Role),
    /// Only servers have this role (notary's words).
    #[error("notary does not permit the client managing the timestamp key: add --server-managed")]
    NotForClients,
    /// Files of keys, and it is not clear which role's they are.
    #[error("--key names the new keys of one role that is not server-managed: rotate the others by themselves")]
    WhoseFiles,
    /// Where several must sign, as many keys are new as were there: neither number changes by a rotation.
    #[error(
        "{threshold} keys must sign {role}: {keys} would go, and {given} would be new; name as many with --key, or exchange \
         single ones: bulla threshold set GUN {role} {threshold} --add-key FILE --remove-key KEY_ID"
    )]
    OtherCount {
        /// The role.
        role: Role,
        /// How many of its keys must sign.
        threshold: u32,
        /// How many would go.
        keys: usize,
        /// How many new ones there are.
        given: usize,
    },
    /// A delegation has keys of several people, and it is not clear whose is to be rotated.
    #[error("{role} has the keys {}, and none of them is here: rotate the role of the one whose key it is", join(.keys))]
    WhoseKey {
        /// The delegation.
        role: DelegationName,
        /// Its keys, by the ids of the bare public keys.
        keys: Vec<KeyId>,
    },
    /// An older root, whose keys should sign too, is not to be had.
    #[error("root version {version} of the trust server cannot be used, so its keys cannot sign: {why}")]
    OlderRoot {
        /// Its version.
        version: u32,
        /// Why.
        why: String,
    },
    /// A file of keys cannot be used.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A new key cannot be the key of a root.
    #[error("{path} cannot be a root key", path = path.display())]
    NoRootKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: IssueError,
    },
    /// The server made no key.
    #[error("the trust server made no new {role} key", role = Role::from(*role))]
    ServerKey {
        /// The role.
        role: BaseRole,
        /// Why.
        source: RemoteError,
    },
    /// A key could not be made or removed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What is published cannot be read, or nothing was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The new keys were sent, and nobody knows whether they count.
    #[error(
        "the new keys of {gun} were sent, and what is published does not name them ({why}); the old and the new private keys are kept. See which \
         of them count with: bulla doctor {gun}"
    )]
    Unknown {
        /// The repository.
        gun: Gun,
        /// What came of sending them.
        why: PublishError,
    },
}

impl From<EditError> for RotationError {
    fn from(error: EditError) -> Self {
        Self::Publish(error.into())
    }
}

impl From<ChainError> for RotationError {
    fn from(error: ChainError) -> Self {
        Self::Publish(PublishError::Update(error.into()))
    }
}

fn join(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
