//! Why nothing was published.

use std::path::PathBuf;

use tuf_schema::dialect::{DecodeError, EncodeError};
use tuf_schema::envelope::{EnvelopeError, ReadBackError};
use tuf_schema::sign::{ForeignCertificate, IssueError, SignError};
use tuf_schema::verify::{PinMismatch, SignatureError, StaleError};
use tuf_schema::{Gun, KeyId, Role};

use super::attempts::MAX_ATTEMPTS;
use super::{EditError, Shortage, TooFewKeys};
use crate::cache::FileError;
use crate::keys::KeyringError;
use crate::lock::LockError;
use crate::remote::RemoteError;
use crate::trust::UpdateError;

/// Why nothing was published, except after [`PublishError::NotKept`].
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// What is published now could not be read.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// What is published now is past its date, and has another holder than the server.
    #[error("{stale}; whoever holds a key of it runs: bulla renew {gun}")]
    Expired {
        /// The repository.
        gun: Gun,
        /// What expired, and when.
        stale: StaleError,
    },
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The server has not got the snapshot's key, and nor has this client.
    #[error(
        "trust server rejected operation: {why}: it has not got the snapshot's key, and nor is it here; if another client has \
         it, publish there, or have the server sign snapshots, where the root key is: bulla key rotate {gun} snapshot -r"
    )]
    NoSnapshotKey {
        /// The repository.
        gun: Gun,
        /// What it said.
        why: String,
    },
    /// Others published in between, every time.
    #[error("someone else published at the same time, {MAX_ATTEMPTS} times in a row; try again")]
    Contended,
    /// The server has lost a repository that it had, or hides it, or somebody deleted it.
    #[error(
        "the trust server says that it never heard of {gun}, but served it before; if it was deleted on purpose, remove \
         {metadata} to begin anew under a new root", metadata = metadata.display()
    )]
    Vanished {
        /// The repository.
        gun: Gun,
        /// Where its trusted metadata is kept here.
        metadata: PathBuf,
    },
    /// The server did not know the repository when a root was made for it here, and now serves another.
    #[error(
        "somebody else made {gun} at the same time, and nothing was signed for their root; if that is right, sign again, \
         else remove {metadata} first", metadata = metadata.display()
    )]
    MadeByOthers {
        /// The repository.
        gun: Gun,
        /// Where what the server serves now was kept as first seen.
        metadata: PathBuf,
    },
    /// The edit does not fit what is published.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Another process of this client publishes to the same repository, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A key could not be had.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// None of the keys that may sign is here (docker's words).
    #[error(
        "could not find necessary signing keys, at least one of these keys must be available: {}; go on where one is, or \
         bring it here with: bulla key import FILE", join(.0)
    )]
    NoKey(Vec<KeyId>),
    /// A key that could sign is here, and belongs to another repository, or is a root key and this is not root.
    #[error("the key {key} is kept for {of} and signs nothing else: it is not used for {role} here")]
    KeyOfOther {
        /// The key.
        key: KeyId,
        /// The role that should have been signed.
        role: Role,
        /// What it is for: a repository, or the role `root`.
        of: String,
    },
    /// The root was made by others: the keys here did not sign it.
    #[error("the keys here did not sign the root that is to be followed: {0}")]
    ForeignRoot(SignatureError),
    /// The root came from the server in this very run, and nothing that was known before says that it is the right one.
    #[error("the root was never seen here before; the next signature may sign it anew")]
    RootFirstSeen,
    /// The same, and the edit would follow that root, or sign anew what its keys signed long ago.
    #[error(
        "{gun} was never seen here before, so its trust server chooses which of its documents would be signed anew; pin its \
         root (bulla pin show {gun}, where it is known), or bring the trust directory's metadata from there, and do it again"
    )]
    FirstContact {
        /// The repository.
        gun: Gun,
    },
    /// The root that would be published is not what is pinned here.
    #[error(transparent)]
    Pin(#[from] Box<PinMismatch>),
    /// Fewer keys of a role are here than must sign.
    #[error(transparent)]
    Threshold(#[from] Box<Shortage>),
    /// A role has fewer keys whose signatures count than must sign, so nobody can sign it.
    #[error("{few}; {}", few.mend(&format!("bulla threshold set {gun} {}", few.role)))]
    TooFewKeys {
        /// The repository.
        gun: Gun,
        /// The role, and how many are missing.
        few: TooFewKeys,
    },
    /// A signature could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A root certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] IssueError),
    /// A root certificate is not over the key it was made for.
    #[error(transparent)]
    ForeignCertificate(#[from] ForeignCertificate),
    /// A document cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A document that was just written cannot be read back.
    #[error("what was written cannot be read back: {0}")]
    ReadBack(Box<dyn std::error::Error + Send + Sync>),
    /// Published, but the new root could not be kept as the anchor for the next time.
    #[error("published, but the new root could not be kept")]
    NotKept(#[source] FileError),
}

impl From<Shortage> for PublishError {
    fn from(shortage: Shortage) -> Self {
        Self::Threshold(Box::new(shortage))
    }
}

impl From<ReadBackError> for PublishError {
    fn from(error: ReadBackError) -> Self {
        Self::ReadBack(error.into())
    }
}

impl From<EnvelopeError> for PublishError {
    fn from(error: EnvelopeError) -> Self {
        Self::ReadBack(error.into())
    }
}

impl From<DecodeError> for PublishError {
    fn from(error: DecodeError) -> Self {
        Self::ReadBack(error.into())
    }
}

fn join(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
