//! What can go wrong with a repository's targets and delegations.

use std::path::PathBuf;

use bulla::changelist::ChangelistError;
use bulla::keys::public_file::PublicFileError;
use bulla::lock::LockError;
use bulla::publish::{InitialiseError, PublishError};
use bulla::remote::RemoteError;
use bulla::removal::RemovalError;
use tuf_schema::Gun;
use tuf_schema::digest::{DigestMismatch, HashAlgorithm};
use tuf_schema::gun::GunError;
use tuf_schema::json::JsonError;

/// Why a verb on a repository failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepoError {
    /// An argument names no repository.
    #[error("{name:?} names no repository: {why}")]
    Gun {
        /// The argument.
        name: String,
        /// Why not.
        why: GunError,
    },
    /// A role that lists no targets (notary's words).
    #[error(
        "tuf: invalid role {0}. cannot add targets to this role: choose targets or a delegation, such as targets/releases"
    )]
    TargetsRole(String),
    /// A name that no delegation may have (notary's words).
    #[error(
        "tuf: invalid role {0}. invalid delegation role name: it begins with targets/ and has lower-case letters, digits, \
         \"-\", \"_\" and \"/\""
    )]
    DelegationName(String),
    /// A text that is no key's id (notary's words).
    #[error("invalid key ID provided: {0}: it has 64 lower-case hexadecimal digits, as bulla delegation list shows it")]
    KeyId(String),
    /// A name that no target can have, as it could not be signed.
    #[error("a target cannot be named {0:?}: control characters cannot be signed")]
    TargetName(String),
    /// Staged changes cannot be read or written.
    #[error(transparent)]
    Changelist(#[from] ChangelistError),
    /// Another process publishes what is staged here, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A public key cannot be read.
    #[error(transparent)]
    PublicFile(#[from] PublicFileError),
    /// A file cannot be read (notary's words).
    #[error("open {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Custom data cannot be signed.
    #[error("the custom data in {path} cannot be signed", path = path.display())]
    Custom {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// A hash that is none (notary's words).
    #[error("invalid {} hex contents provided: {} hexadecimal digits are needed", .0.name(), digits(*.0))]
    Digest(HashAlgorithm),
    /// No target to hold data against (notary's words).
    #[error("error retrieving target by name:{0}, error:No valid trust data for {0}")]
    NoTarget(String),
    /// Data differs from what is signed (notary's words).
    #[error("data not present in the trusted collection, {name}: {why}")]
    Differs {
        /// The target.
        name: String,
        /// How.
        why: DigestMismatch,
    },
    /// Data is longer or shorter than what is signed.
    #[error("data not present in the trusted collection, {name}: expected {expected} bytes, found {found}")]
    Length {
        /// The target.
        name: String,
        /// The signed length.
        expected: u64,
        /// The length found, or that it is more.
        found: String,
    },
    /// The trust server does not know the repository, and nothing here would make it.
    #[error("there is no {0} on the trust server, and nothing is staged for it; begin it with: bulla repo init {0}")]
    NothingToPublish(Gun),
    /// Publishing failed; what is staged stays staged.
    #[error("cannot publish {gun}")]
    Publish {
        /// The repository.
        gun: Gun,
        /// Why.
        source: Box<PublishError>,
    },
    /// Published, and still staged.
    #[error(
        "{gun} is published, but what was staged could not be taken away; look at it with: bulla repo status {gun}"
    )]
    NotCleared {
        /// The repository.
        gun: Gun,
        /// Why.
        source: ChangelistError,
    },
    /// A repository cannot begin.
    #[error("cannot initialize {gun}")]
    Initialise {
        /// The repository.
        gun: Gun,
        /// Why.
        source: Box<InitialiseError>,
    },
    /// What the trust server has could not be deleted; everything here is as it was.
    #[error("cannot delete {gun} on the trust server; nothing was deleted")]
    DeleteRemote {
        /// The repository.
        gun: Gun,
        /// Why.
        source: RemoteError,
    },
    /// What is kept here could not be deleted.
    #[error("cannot delete what is kept of {gun}")]
    DeleteLocal {
        /// The repository.
        gun: Gun,
        /// Why.
        source: RemovalError,
    },
    /// The question was not answered with yes (notary's words).
    #[error("Aborting action.")]
    Aborted,
}

fn digits(algorithm: HashAlgorithm) -> usize {
    match algorithm {
        HashAlgorithm::Sha256 => 64,
        HashAlgorithm::Sha512 => 128,
    }
}
