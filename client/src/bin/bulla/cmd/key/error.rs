//! What can end a verb of `bulla key`.

use std::path::PathBuf;

use bulla::bundle::BundleError;
use bulla::keys::new_file::NewFileError;
use bulla::keys::{ImportError, KeyRole, KeyringError};
use bulla::rotate::RotationError;
use bulla::shares::{QuorumError, ShareError};
use tuf_schema::role::RoleError;
use tuf_schema::sign::{IssueError, SecretKind};
use tuf_schema::{Gun, KeyId};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// An argument is no key id (notary's words).
    #[error("invalid key ID provided: {0}")]
    NoId(String),
    /// A key cannot be read, opened or stored.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A file's keys cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A file for a key cannot be made.
    #[error(transparent)]
    NewFile(#[from] NewFileError),
    /// A bundle cannot be made or restored.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A key is not shared so.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// A key was not shared, or shares were not joined.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A file's directory is missing.
    #[error("the directory of {path} does not exist", path = .0.display())]
    NoDirectory(PathBuf),
    /// A repository's key, and nobody says of which repository.
    #[error("a {0} key is for one repository: say which with --gun")]
    GunNeeded(KeyRole),
    /// A key for whose kind nobody reads root certificates.
    #[error("a root key must be ecdsa or p384: nobody reads root certificates of {0} keys")]
    NoRootKind(SecretKind),
    /// No key of these repositories is here.
    #[error("no key of {gun} is in {directory}", directory = directory.display())]
    NoKeyOf {
        /// The repository.
        gun: Gun,
        /// Where was looked.
        directory: PathBuf,
    },
    /// There is nothing to export.
    #[error("no keys are in {directory}", directory = .0.display())]
    NoKeys(PathBuf),
    /// A root key may be the only copy.
    #[error(
        "{0} is a root key, and this may be its only copy: keep one (`bulla key export --key {0} -o FILE`), then remove it \
         with --yes"
    )]
    RootKey(KeyId),
    /// A root certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] IssueError),
    /// A root key on a token is the only copy.
    #[error("{0} is a root key, and its token has the only copy: to destroy it there for good, say --yes")]
    RootKeyOnToken(KeyId),
    /// Nothing says what is to be rotated (notary's words).
    #[error("must specify a GUN and a key role to rotate")]
    NoRole,
    /// There is no such role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// Keys were not rotated.
    #[error("failed to rotate the keys of {gun}")]
    Rotation {
        /// The repository.
        gun: Gun,
        /// Why.
        source: Box<RotationError>,
    },
    /// Somebody has to agree.
    #[error("nobody answered, and no key was rotated: answer yes on standard input, or say --yes")]
    RotationNotConfirmed,
    /// Somebody has to answer.
    #[error("nobody answered, and {0} was not removed: answer yes on standard input, or say --yes")]
    NotAnswered(KeyId),
}
